//! What is measured.

mod agent;
mod coordination;
mod evaluation;
mod files;
mod loading;
mod monitoring;
mod planning;

pub use agent::{
    AgentOverhead, AgentUsers, Availability, LongConversation, LongSessions, ManyAgents, Recovery,
    SimpleTask, SkillTexts, SkillTokens, SteadyUpdates,
};
pub use coordination::{Chaos, Commits, Coordination, Endurance, Leaks, Replay, Scaling, Transitions};
pub use evaluation::Evaluation;
pub use files::FileOperations;
pub use loading::Loading;
pub use monitoring::Monitoring;
pub use planning::Planning;

use crate::profile::Profile;
use crate::scenario::Scenario;

/// Returns every scenario, in the order in which they run.
pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Loading),
        Box::new(Coordination),
        Box::new(Transitions),
        Box::new(Commits),
        Box::new(Endurance),
        Box::new(Scaling),
        Box::new(Chaos),
        Box::new(Replay),
        Box::new(Leaks),
        Box::new(Planning),
        Box::new(FileOperations),
        Box::new(Evaluation),
        Box::new(Monitoring),
        Box::new(AgentOverhead),
        Box::new(SimpleTask),
        Box::new(SkillTokens),
        Box::new(SkillTexts),
        Box::new(ManyAgents),
        Box::new(AgentUsers),
        Box::new(SteadyUpdates),
        Box::new(LongSessions),
        Box::new(LongConversation),
        Box::new(Availability),
        Box::new(Recovery),
    ]
}

/// Returns the figure of the profile: smoke, quick, standard, or full, which soak shares.
fn by_profile<T>(profile: Profile, [smoke, quick, standard, full]: [T; 4]) -> T {
    match profile {
        Profile::Smoke => smoke,
        Profile::Quick => quick,
        Profile::Standard => standard,
        Profile::Full | Profile::Soak => full,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<_> = all().iter().map(|scenario| scenario.id().to_owned()).collect();
        assert_eq!(ids.len(), all().len());
    }

    #[test]
    fn the_scenarios_without_a_coordinator_run_for_real_and_measure_what_claims_name() {
        let scenarios: [&dyn Scenario; 4] = [&Planning, &FileOperations, &Evaluation, &Monitoring];
        for scenario in scenarios {
            let mut recorder = crate::scenario::Recorder::new(std::time::Duration::from_secs(3600));
            scenario.run(Profile::Smoke, &mut recorder).unwrap();
            let series = recorder.series();
            assert!(series.iter().all(|series| series.summary().is_some()), "{series:?}");
            // What fails on an idle folder is a mistake of the scenario.
            let errors = series.iter().filter(|series| series.metric == "call-errors");
            assert!(errors.flat_map(|series| &series.samples).all(|share| *share == 0.0), "{series:?}");
            for claim in crate::claim::claims().iter().filter(|claim| claim.scenario == scenario.id()) {
                assert!(
                    series.iter().any(|series| series.metric == claim.metric),
                    "{} in {series:?}",
                    claim.id
                );
            }
        }
    }
}
