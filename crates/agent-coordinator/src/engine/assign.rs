//! The dispatcher: which ready task goes to which free agent. Continuous: it runs in every turn, over what is there.

use std::collections::BTreeSet;

use state_store::Timestamp;
use state_store::task::{AgentKey, Event, Lease, ProjectKey, Transition};

use crate::engine::Engine;
use crate::engine::ready_queue::Rank;

impl Engine {
    /// Returns the next hand-out: the first task in order for which an agent is free. Applied before the next is asked
    /// for, so that each sees those before it.
    pub(super) fn next_assignment(&self, now: Timestamp) -> Option<Event> {
        let instance = self.begun().ok()?;
        if self.is_draining || !self.roster.has_free() {
            return None;
        }
        let (rank, agent) = self.best_pair()?;
        let record = self.state.task(rank.key).expect("the ready queue holds tasks of the state");
        let lease = Lease {
            agent,
            instance,
            token: record.last_token.next(),
            attempt: record.attempts + 1,
            expires_at: now + self.policy.lease,
        };
        Some(Event::Task { task: rank.key, transition: Transition::Assign(lease) })
    }

    /// Returns the first ready task, of a project that this coordinator works on, that a free agent can do, with that
    /// agent.
    fn best_pair(&self) -> Option<(Rank, AgentKey)> {
        let is_open = |project: ProjectKey| {
            self.serves(project) && self.state.project(project).is_some_and(|project| project.pause.is_none())
        };
        let served = (0..).map(ProjectKey).zip(&self.ready).filter(|(project, _)| is_open(*project));
        let firsts: BTreeSet<_> = served
            .flat_map(|(_, ready)| ready.kinds().filter_map(|(kind, mut ranks)| Some((ranks.next()?, kind))))
            .collect();
        firsts.into_iter().find_map(|(rank, kind)| Some((rank, self.roster.pick(kind)?)))
    }
}
