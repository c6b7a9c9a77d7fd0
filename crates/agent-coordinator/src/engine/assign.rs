//! The dispatcher: which ready task goes to which free agent. Continuous: it runs in every turn, over what is there.
//!
//! Of tasks: the priority class counts first, whichever project it is of; within a class the project goes first that has the
//! fewest agents at work, so that several share them; then the longest way to the end, then age. Of agents: one that can do
//! the task and whose other abilities are the least rare, and of those the one with the least work, or the one that has done
//! what comes before, where that costs no balance to speak of.

use planner_core::graph::Node;
use state_store::Timestamp;
use state_store::task::{AgentKey, Completion, Event, Lease, ProjectKey, TaskKey, TaskState, Transition};

use crate::engine::Engine;
use crate::engine::ready_queue::Rank;

/// How many of the tasks that come before one are looked at for who has done them.
const BEFORE_LOOKED_AT: usize = 16;

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
            expires_at: now + self.lease_of(rank.key, agent)?,
        };
        Some(Event::Task { task: rank.key, transition: Transition::Assign(lease) })
    }

    /// Returns the first ready task in order, of a project that this coordinator works on, that a free agent can do, with
    /// that agent.
    fn best_pair(&self) -> Option<(Rank, AgentKey)> {
        let is_open = |project: ProjectKey| {
            self.serves(project) && self.state.project(project).is_some_and(|project| project.pause.is_none())
        };
        let ready = (0..).map(ProjectKey).zip(&self.ready).filter(|(_, ready)| ready.len() > 0);
        let mut firsts: Vec<_> = ready
            .filter(|(project, _)| is_open(*project))
            .flat_map(|(project, ready)| {
                let under_way = self.roster.in_use_by(project);
                let firsts = ready.kinds().filter_map(|(kind, mut ranks)| Some((ranks.next()?, kind)));
                firsts.map(move |(rank, kind)| (rank.priority, under_way, rank, kind))
            })
            .collect();
        firsts.sort_unstable();
        firsts.into_iter().find_map(|(_, _, rank, kind)| {
            let effort =
                self.state.project(rank.key.project)?.plan.tasks[rank.key.task as usize].effort_or_default();
            Some((rank, self.roster.pick(kind, self.agent_before(rank.key), effort)?))
        })
    }

    /// Returns the agent that has done the last of what comes right before a task.
    fn agent_before(&self, key: TaskKey) -> Option<AgentKey> {
        let project = self.state.project(key.project)?;
        let before = project.graph.predecessors(project.graph.start_of(key.task())).take(BEFORE_LOOKED_AT);
        let done = before.filter_map(|(node, _)| match project.graph.node(node) {
            Node::Task(task) => match &project.task(task).state {
                TaskState::Completed(Completion::Attempt { lease, at, .. }) => Some((*at, lease.agent)),
                _ => None,
            },
            Node::GroupStart(_) | Node::GroupFinish(_) => None,
        });
        done.max().map(|(_, agent)| agent)
    }
}
