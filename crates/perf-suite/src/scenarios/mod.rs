//! What is measured.

mod agent;
mod loading;

pub use agent::{
    AgentOverhead, AgentUsers, Availability, LongConversation, LongSessions, ManyAgents, Recovery,
    SimpleTask, SkillTexts, SkillTokens, SteadyUpdates,
};
pub use loading::Loading;

use crate::scenario::Scenario;

/// Returns every scenario, in the order in which they run.
pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Loading),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<_> = all().iter().map(|scenario| scenario.id()).collect();
        assert_eq!(ids.len(), all().len());
    }
}
