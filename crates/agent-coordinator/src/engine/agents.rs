//! What an agent is at, as people see it; and how it is stopped.

use serde::Serialize;
use state_store::Timestamp;
use state_store::task::{AgentKey, AgentStatus, Event, InstanceRecord, Lost, TaskKey, Transition};

use crate::engine::decide::Events;
use crate::engine::{Engine, Refusal};

/// What an agent is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentCondition {
    /// It has no task.
    Idle,
    /// It works on something.
    Busy,
    /// It finishes what it has, and takes no more.
    Draining,
    /// It has finished what it had, and takes no more.
    Paused,
    /// Nothing has been heard of its coordinator for longer than that one's lease: what it works on is handed out again.
    Lost,
    /// Its coordinator has ended.
    Retired,
}

impl AgentCondition {
    /// Returns the condition in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::Lost => "lost",
            Self::Retired => "retired",
        }
    }
}

impl Engine {
    /// Returns what an agent is at, or `None` where there is no such agent. `is_at_work` tells whether a coordinator is
    /// there: see [`crate::is_at_work`].
    pub fn agent_condition(
        &self,
        key: AgentKey,
        is_at_work: &dyn Fn(&InstanceRecord) -> bool,
    ) -> Option<AgentCondition> {
        let agent = self.state.agent(key)?;
        let is_reachable = self.state.instance(agent.instance).is_some_and(is_at_work);
        let is_busy = self.roster.in_use(key) > 0;
        Some(match (agent.status, is_reachable, is_busy) {
            (AgentStatus::Retired, ..) => AgentCondition::Retired,
            (AgentStatus::Active | AgentStatus::Paused, false, _) => AgentCondition::Lost,
            (AgentStatus::Active, true, true) => AgentCondition::Busy,
            (AgentStatus::Active, true, false) => AgentCondition::Idle,
            (AgentStatus::Paused, true, true) => AgentCondition::Draining,
            (AgentStatus::Paused, true, false) => AgentCondition::Paused,
        })
    }

    /// Returns the tasks that an agent works on.
    pub fn tasks_of_agent(&self, key: AgentKey) -> impl Iterator<Item = TaskKey> + '_ {
        self.roster.tasks_of(key)
    }

    /// An agent that is stopped takes no more, and what it has goes to others.
    pub(super) fn decide_stop(&self, agent: AgentKey, now: Timestamp) -> Events {
        self.state.agent(agent).ok_or(Refusal::NoSuchAgent { agent })?;
        let given_up = self.tasks_of_agent(agent).map(|task| self.give_up(task, now));
        let pause = Ok(Event::AgentPaused { agent, is_paused: true });
        std::iter::once(pause).chain(given_up).collect()
    }

    /// A task that is under way is put aside by giving its attempt up, which counts as no failure.
    pub(super) fn decide_hold(&self, task: TaskKey, now: Timestamp) -> Events {
        let record = self.state.task(task).ok_or(Refusal::NoSuchTask { task })?;
        if record.state.occupying_lease().is_none() {
            return self.step(task, Transition::Hold, now);
        }
        Ok(vec![self.give_up(task, now)?, Event::Task { task, transition: Transition::Hold }])
    }

    fn give_up(&self, task: TaskKey, now: Timestamp) -> Result<Event, Refusal> {
        let token = self.state.task(task).map(|record| record.last_token).unwrap_or_default();
        self.one_step(task, Transition::Lose { token, why: Lost::Paused }, now)
    }
}
