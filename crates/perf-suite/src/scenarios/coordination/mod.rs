//! Coordination: the real driver over SQLite with full flushes and a real repository, on a disk.
//!
//! Agents are functions of this process that do next to nothing, so that what is measured is everything around them.

mod agents;
mod chaos;
mod commits;
mod endurance;
mod leaks;
mod operations;
mod probe;
mod replay;
mod scaling;
mod transitions;
mod world;

pub use agents::Coordination;
pub use chaos::Chaos;
pub use commits::Commits;
pub use endurance::Endurance;
pub use leaks::Leaks;
pub use replay::Replay;
pub use scaling::Scaling;
pub use transitions::Transitions;

use super::by_profile;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::claim::claims;
    use crate::profile::Profile;
    use crate::scenario::{Recorder, Scenario};

    fn metrics_of(scenario: &dyn Scenario) -> Vec<String> {
        let mut recorder = Recorder::new(Duration::from_secs(3600));
        scenario.run(Profile::Smoke, &mut recorder).unwrap();
        for series in recorder.series() {
            let summary = series.summary().expect("every series has samples");
            assert!(summary.median >= 0.0 || series.unit == crate::Unit::Bytes, "{series:?}");
        }
        recorder.series().iter().map(|series| series.metric.clone()).collect()
    }

    #[test]
    fn every_scenario_runs_for_real_and_measures_the_kinds_that_claims_name() {
        // What needs many rounds, rates or conflicts is not there in the shortest profile.
        let only_longer = ["degradation", "growth", "conflict", "memory", "leak", "commit"];
        let scenarios: [&dyn Scenario; 8] =
            [&Coordination, &Transitions, &Commits, &Endurance, &Scaling, &Chaos, &Replay, &Leaks];
        for scenario in scenarios {
            let metrics = metrics_of(scenario);
            let kind = |metric: &str| metric.split('/').next().unwrap_or_default().to_owned();
            for claim in claims().iter().filter(|claim| claim.scenario == scenario.id()) {
                let wanted = kind(&claim.metric);
                let is_measured = metrics.iter().any(|metric| kind(metric) == wanted);
                assert!(is_measured || only_longer.contains(&wanted.as_str()), "{} in {metrics:?}", claim.id);
            }
        }
    }
}
