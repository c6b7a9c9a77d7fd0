//! Approval gates: where somebody has to agree before a task goes on.

use serde::Serialize;
use state_store::Timestamp;
use state_store::task::{
    CancelReason, Deliverable, Event, FailureReason, Landed, Project, Review, TaskKey, TaskState, Transition,
};

use crate::engine::decide::Events;
use crate::engine::{Engine, Refusal};

/// Where a task waits for somebody to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Before an agent gets it.
    Start,
    /// Before its result lands.
    Landing,
}

impl Engine {
    /// Returns the gate that somebody could open, or that holds a task up now; `None` where it has none that is closed.
    pub fn closed_gate(&self, key: TaskKey) -> Option<Gate> {
        let project = self.state.project(key.project)?;
        match &self.state.task(key)?.state {
            TaskState::AwaitingApproval { .. } => Some(Gate::Landing),
            state if !state.is_settled() && is_start_gated(project, key) => Some(Gate::Start),
            _ => None,
        }
    }

    pub(super) fn decide_approval(&self, key: TaskKey, review: &Review, now: Timestamp) -> Events {
        match self.gate(key)? {
            Gate::Start => self.step(key, Transition::ApproveStart(review.clone()), now),
            Gate::Landing => {
                let (token, deliverable) = self.proposed(key)?;
                let approved = Transition::ApproveLanding { token, review: review.clone() };
                let landed = landed_at_once(deliverable).map(|landed| Transition::Land { token, landed });
                let steps = std::iter::once(approved).chain(landed);
                Ok(steps.map(|transition| Event::Task { task: key, transition }).collect())
            }
        }
    }

    /// What is rejected before its start is called off; a result that is rejected goes back to an agent, which is told why,
    /// as often as attempts of the task may fail.
    pub(super) fn decide_rejection(&self, key: TaskKey, review: &Review, now: Timestamp) -> Events {
        match self.gate(key)? {
            Gate::Start => self.step(key, Transition::Cancel(CancelReason::Rejected(review.clone())), now),
            Gate::Landing => {
                let (token, _) = self.proposed(key)?;
                self.decide_failure(key, token, &FailureReason::Rejected(review.clone()), now)
            }
        }
    }

    fn gate(&self, key: TaskKey) -> Result<Gate, Refusal> {
        let record = self.state.task(key).ok_or(Refusal::NoSuchTask { task: key })?;
        self.closed_gate(key).ok_or(Refusal::NoGate { task: key, state: record.state.name() })
    }

    fn proposed(&self, key: TaskKey) -> Result<(state_store::task::FencingToken, Deliverable), Refusal> {
        match self.state.task(key).map(|record| &record.state) {
            Some(TaskState::AwaitingApproval { lease, delivery }) => Ok((lease.token, delivery.deliverable)),
            _ => Err(Refusal::NoSuchTask { task: key }),
        }
    }
}

/// Returns whether somebody has to agree before an agent gets a task, and nobody has.
pub(super) fn is_start_gated(project: &Project, key: TaskKey) -> bool {
    project.plan.tasks[key.task as usize].approval.is_before_start()
        && project.task(key.task()).start_approval.is_none()
}

/// Returns where an accepted result is without anything to be done for it; `None` where it has to be landed.
pub(super) fn landed_at_once(deliverable: Deliverable) -> Option<Landed> {
    match deliverable {
        Deliverable::NoFiles => Some(Landed::NotAsked),
        Deliverable::Unchanged => Some(Landed::Empty),
        Deliverable::Commit { .. } => None,
    }
}
