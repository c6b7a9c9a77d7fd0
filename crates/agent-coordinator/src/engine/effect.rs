//! What must be done in the world. It follows from the state alone, so that a restart derives it again.

use std::collections::BTreeSet;

use state_store::Timestamp;
use state_store::task::{
    CommitHash, Deliverable, Event, FencingToken, Intent, Lease, TaskKey, TaskState, Transition,
};

use crate::engine::Engine;
use crate::planted::{PlantedBug, is_planted};

/// Something to be done in the world, by the coordinator that owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Let the agent work.
    StartAttempt {
        /// On which task.
        task: TaskKey,
        /// Under which lease.
        lease: Lease,
    },
    /// Let nobody work on it under this token any more.
    StopAttempt {
        /// On which task.
        task: TaskKey,
        /// Under which token.
        token: FencingToken,
    },
    /// Run the check of a result.
    RunCheck {
        /// Of which task.
        task: TaskKey,
        /// Delivered under which lease.
        lease: Lease,
        /// The result; `None` where it has no files of its own.
        result: Option<CommitHash>,
    },
    /// Land a result.
    Land {
        /// Of which task.
        task: TaskKey,
        /// Delivered under which lease.
        lease: Lease,
        /// The result.
        result: CommitHash,
        /// When it was delivered.
        delivered_at: Timestamp,
        /// What it was about to become, if that was recorded before.
        intents: Vec<Intent>,
    },
}

impl Engine {
    /// Returns what the events of one batch, now applied, want done by this coordinator.
    pub fn effects_of<'a>(&self, events: impl IntoIterator<Item = &'a Event>) -> Vec<Effect> {
        let mut entered = BTreeSet::new();
        let mut effects = Vec::new();
        for event in events {
            let Event::Task { task, transition } = event else {
                continue;
            };
            match transition {
                Transition::Assign(_)
                | Transition::Deliver { .. }
                | Transition::Verify { .. }
                | Transition::ApproveLanding { .. }
                | Transition::Adopt { .. } => {
                    entered.insert(*task);
                }
                Transition::Fail { token, .. } | Transition::Lose { token, .. } => {
                    effects.push(Effect::StopAttempt { task: *task, token: *token });
                }
                Transition::Cancel(_) => {
                    let token = self.state.task(*task).map(|record| record.last_token).unwrap_or_default();
                    effects.push(Effect::StopAttempt { task: *task, token });
                }
                Transition::Start(_)
                | Transition::Propose { .. }
                | Transition::ApproveStart(_)
                | Transition::Renew { .. }
                | Transition::Intend { .. }
                | Transition::Land { .. }
                | Transition::Conflict { .. }
                | Transition::Hold
                | Transition::Resume
                | Transition::Reopen
                | Transition::CompleteByHand(_)
                | Transition::Checkpoint { .. } => {}
            }
        }
        effects.extend(entered.into_iter().filter_map(|task| self.implied_effect(task)));
        effects
    }

    fn implied_effect(&self, task: TaskKey) -> Option<Effect> {
        let state = &self.state.task(task)?.state;
        let lease = *state.lease()?;
        if Some(lease.instance) != self.me && !is_planted(PlantedBug::ForeignEffects) {
            return None;
        }
        match state {
            TaskState::Assigned(_) => Some(Effect::StartAttempt { task, lease }),
            TaskState::Verifying { delivery, .. } => {
                let result = match &delivery.deliverable {
                    Deliverable::Commit { result, .. } => Some(*result),
                    Deliverable::NoFiles | Deliverable::Unchanged => None,
                };
                Some(Effect::RunCheck { task, lease, result })
            }
            TaskState::Landing { delivery, intents, .. } => match delivery.deliverable {
                Deliverable::Commit { result, .. } => {
                    let (delivered_at, intents) = (delivery.at, intents.clone());
                    Some(Effect::Land { task, lease, result, delivered_at, intents })
                }
                Deliverable::NoFiles | Deliverable::Unchanged => None,
            },
            _ => None,
        }
    }
}
