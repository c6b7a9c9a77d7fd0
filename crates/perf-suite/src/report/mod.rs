//! What a run measured, and the forms in which it is told.

mod json;
mod text;

pub use json::write_json;
pub use text::write_text;

use crate::claim::Verdict;
use crate::machine::Machine;
use crate::profile::Profile;
use crate::run::ScenarioReport;

/// What a run measured, on what, and what that says of the claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How thorough the run was.
    pub profile: Profile,
    /// What it ran on.
    pub machine: Machine,
    /// What each scenario measured, in the order in which they ran.
    pub scenarios: Vec<ScenarioReport>,
    /// What that says of every claim about those scenarios.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Returns whether every scenario that ran has figures; a claim that fails is a figure too.
    pub fn is_complete(&self) -> bool {
        self.scenarios.iter().all(|scenario| scenario.failure.is_none())
    }
}

#[cfg(test)]
pub(crate) mod example {
    use super::*;
    use crate::claim::{Bound, Claim};
    use crate::series::{Series, Unit};

    /// Returns a small report in which one claim holds, one fails and one is not decided.
    pub(crate) fn report() -> Report {
        let scenario = ScenarioReport {
            statement: "projects load fast",
            series: vec![
                Series {
                    metric: "load/1000".to_owned(),
                    what: "from the file to the first ready task",
                    unit: Unit::Seconds,
                    samples: vec![0.010, 0.011, 0.012, 0.013, 0.014, 0.015],
                },
                Series {
                    metric: "growth".to_owned(),
                    what: "time per task, large over small",
                    unit: Unit::Ratio,
                    samples: vec![1.1],
                },
            ],
            notes: vec!["the file was in the cache".to_owned()],
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
            scenarios,
            verdicts,
        }
    }
}
