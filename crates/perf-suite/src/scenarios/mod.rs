//! What is measured.

mod agent;
mod loading;

pub use agent::{AgentOverhead, AgentUsers, ManyAgents, SkillTokens};
pub use loading::Loading;

use crate::scenario::Scenario;

/// Returns every scenario, in the order in which they run.
pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Loading),
        Box::new(AgentOverhead),
        Box::new(SkillTokens),
        Box::new(ManyAgents),
        Box::new(AgentUsers),
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
