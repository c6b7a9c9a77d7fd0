//! Running scenarios and judging the claims by what they measured.

use std::error::Error;

use crate::claim::claims;
use crate::machine::Machine;
use crate::profile::Profile;
use crate::report::Report;
use crate::scenario::{Recorder, Scenario};
use crate::scenarios;
use crate::series::Series;

/// What one scenario measured.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioReport {
    /// Its name.
    pub id: &'static str,
    /// What it shows.
    pub statement: &'static str,
    /// What it measured; empty where it failed.
    pub series: Vec<Series>,
    /// What a reader of the figures must know.
    pub notes: Vec<String>,
    /// Whether it ran out of time and took fewer samples than the profile asks for.
    pub truncated: bool,
    /// Why it has no figures, if it failed.
    pub failure: Option<String>,
}

/// Why nothing was measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunRefused {
    /// The program was built without optimisation.
    #[error("this is a debug build, whose figures mean nothing: build with `--release` or use `cargo bench`")]
    DebugBuild,
    /// The filter fits no scenario.
    #[error("no scenario has `{filter}` in its name; there are {known}")]
    NothingToRun {
        /// The filter given.
        filter: String,
        /// The names that exist.
        known: String,
    },
}

/// Runs every scenario whose name contains the filter (an empty one fits all) and judges the claims about them.
///
/// A scenario that fails is reported as failed and does not keep the others from running.
pub fn run_scenarios(profile: Profile, filter: &str) -> Result<Report, RunRefused> {
    if cfg!(debug_assertions) {
        return Err(RunRefused::DebugBuild);
    }
    let all = scenarios::all();
    let chosen: Vec<_> = all.iter().filter(|scenario| scenario.id().contains(filter)).collect();
    if chosen.is_empty() {
        return Err(RunRefused::NothingToRun {
            filter: filter.to_owned(),
            known: all.iter().map(|scenario| scenario.id()).collect::<Vec<_>>().join(", "),
        });
    }
    // Before the scenarios, which are a load of their own.
    let machine = Machine::inspect();
    let reports: Vec<_> = chosen.iter().map(|scenario| run_one(scenario.as_ref(), profile)).collect();
    Ok(judge(profile, machine, reports))
}

fn run_one(scenario: &dyn Scenario, profile: Profile) -> ScenarioReport {
    let mut recorder = Recorder::new(profile.scenario_budget());
    let outcome = scenario.run(profile, &mut recorder);
    let (series, notes, truncated) = recorder.finish();
    let (series, failure) = match outcome {
        Ok(()) => (series, None),
        Err(failed) => (Vec::new(), Some(with_causes(&failed))),
    };
    ScenarioReport { id: scenario.id(), statement: scenario.statement(), series, notes, truncated, failure }
}

fn judge(profile: Profile, machine: Machine, scenarios: Vec<ScenarioReport>) -> Report {
    let verdicts = claims()
        .iter()
        .filter(|claim| scenarios.iter().any(|report| report.id == claim.scenario))
        .map(|claim| claim.verdict(profile, &scenarios))
        .collect();
    Report { profile, machine, scenarios, verdicts }
}

/// Returns the texts of the error and of all its causes.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
impl ScenarioReport {
    /// Returns the report of a scenario that measured nothing.
    pub(crate) fn empty(id: &'static str) -> Self {
        Self { id, statement: "", series: Vec::new(), notes: Vec::new(), truncated: false, failure: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFailed;
    use crate::series::Unit;

    struct Broken;

    impl Scenario for Broken {
        fn id(&self) -> &'static str {
            "BROKEN"
        }

        fn statement(&self) -> &'static str {
            "fails half way"
        }

        fn run(&self, _: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
            recorder.record("half", "what came before the failure", Unit::Seconds, vec![1.0]);
            Err("the disk is full").map_err(ScenarioFailed::during("writing the plan"))
        }
    }

    #[test]
    fn a_failed_scenario_is_reported_without_figures() {
        let report = run_one(&Broken, Profile::Smoke);
        assert_eq!(report.failure.as_deref(), Some("writing the plan failed: the disk is full"));
        assert!(report.series.is_empty());
    }

    #[test]
    fn a_debug_build_refuses_to_measure() {
        let refused = run_scenarios(Profile::Smoke, "no such scenario").unwrap_err();
        assert_eq!(matches!(refused, RunRefused::DebugBuild), cfg!(debug_assertions));
    }
}
