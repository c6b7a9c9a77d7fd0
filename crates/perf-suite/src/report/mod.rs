//! What a run measured, and the forms in which it is told.

mod chart;
mod html;
mod json;
mod junit;
mod markdown;
mod text;

pub(crate) use chart::escaped;
pub use html::write_html;
pub use json::{UnreadableReport, read_json, write_json};
pub use junit::write_junit;
pub use markdown::write_markdown;
pub use text::{write_claims, write_text};

use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::claim::Verdict;
use crate::machine::Machine;
use crate::profile::Profile;
use crate::run::ScenarioReport;
use crate::words::Words;

/// What a run measured, on what, and what that says of the claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// When it began, in milliseconds since 1970.
    pub began_at_ms: u64,
    /// What was measured.
    pub build: Build,
    /// How thorough the run was.
    pub profile: Profile,
    /// What it ran on.
    pub machine: Machine,
    /// Whether the run came to its end; one that was killed leaves a report that did not.
    pub is_complete: bool,
    /// What each scenario measured, in the order in which they ran.
    pub scenarios: Vec<ScenarioReport>,
    /// What that says of every claim about those scenarios.
    pub verdicts: Vec<Verdict>,
    /// What a language model makes of what follows from it, where one was asked.
    pub words: Option<Words>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The version of the program.
    pub version: String,
    /// The commit of the folder that the run was started in, where that is a repository; with `+` where files differ.
    pub commit: Option<String>,
}

impl Build {
    /// Returns what this is.
    pub(crate) fn current() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), commit: commit() }
    }
}

/// Returns a moment as a date and a time of day, in the world's time.
pub(crate) fn day(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    at.map_or_else(|| at_ms.to_string(), |at| at.strftime("%F %T UTC").to_string())
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let is_changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|files| !files.is_empty());
    Some(if is_changed { format!("{commit}+") } else { commit })
}

impl Report {
    /// Returns whether every scenario that ran has figures; a claim that fails is a figure too.
    pub fn has_all_figures(&self) -> bool {
        self.scenarios.iter().all(|scenario| scenario.failure.is_none())
    }
}

#[cfg(test)]
pub(crate) mod example {
    use super::*;
    use crate::claim::{Bound, Claim};
    use crate::monitor::{Usage, UsageLog};
    use crate::pause::{Pause, PauseKind, TailShares};
    use crate::series::{Series, Unit};

    /// Returns a small report in which one claim holds, one fails and one is not decided.
    pub(crate) fn report() -> Report {
        let scenario = ScenarioReport {
            statement: "projects load fast".to_owned(),
            series: vec![
                Series {
                    metric: "load/1000".to_owned(),
                    what: "from the file to the first ready task".to_owned(),
                    unit: Unit::Seconds,
                    samples: vec![0.010, 0.011, 0.012, 0.013, 0.014, 0.015],
                },
                Series {
                    metric: "growth".to_owned(),
                    what: "time per task, large over small".to_owned(),
                    unit: Unit::Ratio,
                    samples: vec![1.1],
                },
            ],
            notes: vec!["the file was in the cache".to_owned()],
            usage: UsageLog {
                samples: (0..20)
                    .map(|n| Usage {
                        at: f64::from(n) * 0.1,
                        resident: 50_000_000 + u64::from(n as u32) * 100_000,
                        cpu: f64::from(n) * 0.05,
                        ..Usage::default()
                    })
                    .collect(),
                taken: 20,
                seconds: 2.0,
                own_cpu: 0.002,
                interval_max: 0.11,
            },
            pauses: vec![Pause { kind: PauseKind::Platform, at: 0.7, length: 0.02 }],
            tail: Some(TailShares { any: 0.5, by_kind: vec![(PauseKind::Platform, 0.5)] }),
            ..ScenarioReport::empty("BENCH-001")
        };
        let claim = |id: &str, metric: &str, bound: f64, unit: Unit| Claim {
            id: id.to_owned(),
            source: "an example".to_owned(),
            statement: "it is fast".to_owned(),
            reading: None,
            scenario: "BENCH-001".to_owned(),
            metric: metric.to_owned(),
            bound: Bound::AtMost(bound),
            unit,
            profile: Profile::Quick,
        };
        let scenarios = vec![scenario];
        let verdicts = [
            claim("E.holds", "load/1000", 0.02, Unit::Seconds),
            claim("E.fails", "load/1000", 0.001, Unit::Seconds),
            claim("E.open", "growth", 2.0, Unit::Ratio),
        ]
        .iter()
        .map(|claim| claim.verdict(Profile::Quick, &scenarios))
        .collect();
        Report {
            began_at_ms: 1_790_000_000_000,
            build: Build { version: "0.1.0".to_owned(), commit: Some("0123abcd".to_owned()) },
            profile: Profile::Quick,
            machine: Machine {
                cpu: "Example CPU".to_owned(),
                cores_physical: None,
                cores_logical: Some(2),
                memory_bytes: Some(8_000_000_000),
                system: "Example 1.0, kernel 1.2.3".to_owned(),
                load_average: Some(3.5),
                file_system: "ext4".to_owned(),
            },
            is_complete: true,
            scenarios,
            verdicts,
            words: None,
        }
    }

    /// Returns the same with the words of a model.
    pub(crate) fn report_with_words(text: &str) -> Report {
        let words =
            Words { model: "scripted".to_owned(), text: text.to_owned(), unmeasured: vec!["40".to_owned()] };
        Report { words: Some(words), ..report() }
    }
}
