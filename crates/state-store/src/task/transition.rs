//! The one table of what may follow what. Live decisions and the replay of the log both go through [`next`].

use std::fmt;

use crate::Timestamp;
use crate::task::{
    CancelReason, CheckRecord, Completion, ConflictRecord, Deliverable, Delivery, FailureReason,
    FencingToken, InstanceKey, Intent, Landed, Lease, Review, StateName, TaskState,
};

/// A step of a task from one state to another, with what it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// An agent gets it.
    Assign(Lease),
    /// The agent begins.
    Start(FencingToken),
    /// The lease is prolonged.
    Renew {
        /// Of which attempt.
        token: FencingToken,
        /// Until when.
        expires_at: Timestamp,
    },
    /// The agent reports a result.
    Deliver {
        /// Of which attempt.
        token: FencingToken,
        /// The result.
        deliverable: Deliverable,
    },
    /// The result is accepted.
    Verify {
        /// Of which attempt.
        token: FencingToken,
        /// What its check said.
        check: CheckRecord,
    },
    /// The result waits for somebody to agree.
    Propose {
        /// Of which attempt.
        token: FencingToken,
        /// What its check said.
        check: CheckRecord,
    },
    /// Somebody agrees that it begins.
    ApproveStart(Review),
    /// Somebody agrees that the result lands.
    ApproveLanding {
        /// Of which attempt.
        token: FencingToken,
        /// Who, and in which words.
        review: Review,
    },
    /// The result is about to become this commit of the target branch.
    Intend {
        /// Of which attempt.
        token: FencingToken,
        /// The commit.
        intent: Intent,
    },
    /// The result is where it belongs.
    Land {
        /// Of which attempt.
        token: FencingToken,
        /// Where.
        landed: Landed,
    },
    /// The result does not go together with the branch.
    Conflict {
        /// Of which attempt.
        token: FencingToken,
        /// What does not go together.
        conflict: ConflictRecord,
    },
    /// The attempt failed.
    Fail {
        /// Which attempt.
        token: FencingToken,
        /// How.
        reason: FailureReason,
        /// What comes of it.
        then: AfterFailure,
    },
    /// The attempt is given up without having failed; it does not count against the task's limit.
    Lose {
        /// Which attempt.
        token: FencingToken,
        /// Why.
        why: Lost,
    },
    /// It is put aside.
    Hold,
    /// It may run again: somebody says so, or its wait is over.
    Resume,
    /// It is not to run.
    Cancel(CancelReason),
    /// What was settled is to be done again, with as many failures before it as a new task.
    Reopen,
    /// Somebody has done it outside, and says how.
    CompleteByHand(String),
    /// The agent leaves word of how far it is, for the case that another attempt has to go on.
    Checkpoint {
        /// Of which attempt.
        token: FencingToken,
        /// What the next attempt is told.
        text: String,
    },
    /// Another coordinator looks after its result from now on.
    Adopt {
        /// Of which attempt.
        token: FencingToken,
        /// Which coordinator.
        instance: InstanceKey,
    },
}

/// What comes of a task whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is tried again, not before this moment.
    Retry(Timestamp),
    /// It has failed.
    GiveUp,
}

/// Why an attempt was given up without having failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Its lease ran out.
    LeaseExpired,
    /// The coordinator that looked after it is gone.
    CoordinatorGone,
    /// The coordinator that looks after it was asked to stop.
    ShutDown,
    /// Somebody put the task aside, or stopped its agent.
    Paused,
    /// It could not be made: the fault lies with what is around the agent, not with the agent.
    Unable,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaseExpired => "its lease ran out",
            Self::CoordinatorGone => "its coordinator is gone",
            Self::ShutDown => "its coordinator was shut down",
            Self::Paused => "it was paused",
            Self::Unable => "it could not be made",
        })
    }
}

impl Transition {
    /// Returns what it is called in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Assign(_) => "assign",
            Self::Start(_) => "start",
            Self::Renew { .. } => "renew",
            Self::Deliver { .. } => "deliver",
            Self::Verify { .. } => "verify",
            Self::Propose { .. } => "propose",
            Self::ApproveStart(_) | Self::ApproveLanding { .. } => "approve",
            Self::Intend { .. } => "intend to land",
            Self::Land { .. } => "land",
            Self::Conflict { .. } => "conflict",
            Self::Fail { .. } => "fail",
            Self::Lose { .. } => "lose",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::Cancel(_) => "cancel",
            Self::Reopen => "reopen",
            Self::CompleteByHand(_) => "complete by hand",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Adopt { .. } => "adopt",
        }
    }

    /// Returns the token of the attempt that it speaks of.
    pub fn token(&self) -> Option<FencingToken> {
        match self {
            Self::Start(token)
            | Self::Renew { token, .. }
            | Self::Deliver { token, .. }
            | Self::Verify { token, .. }
            | Self::Propose { token, .. }
            | Self::ApproveLanding { token, .. }
            | Self::Intend { token, .. }
            | Self::Land { token, .. }
            | Self::Conflict { token, .. }
            | Self::Fail { token, .. }
            | Self::Lose { token, .. }
            | Self::Checkpoint { token, .. }
            | Self::Adopt { token, .. } => Some(*token),
            Self::Assign(_)
            | Self::ApproveStart(_)
            | Self::Hold
            | Self::Resume
            | Self::Cancel(_)
            | Self::Reopen
            | Self::CompleteByHand(_) => None,
        }
    }
}

/// A step that the table does not have; the task stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllegalTransition {
    /// The state has no such step.
    #[error("cannot {transition} a task that is {state}")]
    WrongState {
        /// Where the task stands.
        state: StateName,
        /// The step.
        transition: &'static str,
    },
    /// The step speaks of another attempt than the present one.
    #[error("cannot {transition} with token {given}: the task is {state} under token {current}")]
    StaleToken {
        /// Where the task stands.
        state: StateName,
        /// The step.
        transition: &'static str,
        /// The token that the step shows.
        given: FencingToken,
        /// The token of the present attempt.
        current: FencingToken,
    },
    /// A new lease must have a greater token than every earlier one.
    #[error("token {given} is not above {last}, the last one of the task")]
    TokenNotAbove {
        /// The token of the new lease.
        given: FencingToken,
        /// The last one.
        last: FencingToken,
    },
}

/// Returns the state that follows, or why none does. `last` is the token of the task's latest lease.
pub fn next(
    state: &TaskState,
    last: FencingToken,
    transition: &Transition,
    at: Timestamp,
) -> Result<TaskState, IllegalTransition> {
    use TaskState as S;
    use Transition as T;

    let wrong = || IllegalTransition::WrongState { state: state.name(), transition: transition.name() };
    if let (Some(given), Some(lease)) = (transition.token(), state.lease())
        && given != lease.token
    {
        let (state, transition, current) = (state.name(), transition.name(), lease.token);
        return Err(IllegalTransition::StaleToken { state, transition, given, current });
    }
    match (state, transition) {
        (S::Pending | S::InConflict(_), T::Assign(lease)) if lease.token > last => Ok(S::Assigned(*lease)),
        (S::Pending | S::InConflict(_), T::Assign(lease)) => {
            Err(IllegalTransition::TokenNotAbove { given: lease.token, last })
        }
        (S::Assigned(lease), T::Start(_)) => Ok(S::Running(*lease)),
        (S::Assigned(lease), T::Renew { expires_at, .. }) => {
            Ok(S::Assigned(Lease { expires_at: *expires_at, ..*lease }))
        }
        (S::Running(lease), T::Renew { expires_at, .. }) => {
            Ok(S::Running(Lease { expires_at: *expires_at, ..*lease }))
        }
        (S::Running(lease), T::Deliver { deliverable, .. }) => {
            Ok(S::Verifying { lease: *lease, delivery: Box::new(Delivery { deliverable: *deliverable, at }) })
        }
        (S::Verifying { lease, delivery }, T::Verify { .. }) => {
            Ok(S::Landing { lease: *lease, delivery: delivery.clone(), intents: Vec::new() })
        }
        (S::Verifying { lease, delivery }, T::Propose { .. }) => {
            Ok(S::AwaitingApproval { lease: *lease, delivery: delivery.clone() })
        }
        (S::AwaitingApproval { lease, delivery }, T::ApproveLanding { .. }) => {
            Ok(S::Landing { lease: *lease, delivery: delivery.clone(), intents: Vec::new() })
        }
        (S::Pending | S::Backoff { .. } | S::InConflict(_) | S::OnHold, T::ApproveStart(_)) => {
            Ok(state.clone())
        }
        (S::Landing { lease, delivery, intents }, T::Intend { intent, .. }) => {
            let mut intents = intents.clone();
            if !intents.contains(intent) {
                intents.push(*intent);
            }
            Ok(S::Landing { lease: *lease, delivery: delivery.clone(), intents })
        }
        (S::Verifying { lease, delivery }, T::Adopt { instance, .. }) => {
            Ok(S::Verifying { lease: Lease { instance: *instance, ..*lease }, delivery: delivery.clone() })
        }
        (S::AwaitingApproval { lease, delivery }, T::Adopt { instance, .. }) => Ok(S::AwaitingApproval {
            lease: Lease { instance: *instance, ..*lease },
            delivery: delivery.clone(),
        }),
        (S::Landing { lease, delivery, intents }, T::Adopt { instance, .. }) => Ok(S::Landing {
            lease: Lease { instance: *instance, ..*lease },
            delivery: delivery.clone(),
            intents: intents.clone(),
        }),
        (S::Landing { lease, .. }, T::Land { landed, .. }) => {
            Ok(S::Completed(Completion::Attempt { lease: *lease, landed: *landed, at }))
        }
        (S::Landing { .. }, T::Conflict { conflict, .. }) => Ok(S::InConflict(Box::new(conflict.clone()))),
        (
            S::Assigned(_)
            | S::Running(_)
            | S::Verifying { .. }
            | S::AwaitingApproval { .. }
            | S::Landing { .. },
            T::Fail { reason, then, .. },
        ) => Ok(match then {
            AfterFailure::Retry(until) => S::Backoff { until: *until },
            AfterFailure::GiveUp => S::Failed { reason: reason.clone() },
        }),
        (S::Assigned(_) | S::Running(_), T::Lose { .. }) => Ok(S::Pending),
        (S::Pending | S::Backoff { .. } | S::InConflict(_), T::Hold) => Ok(S::OnHold),
        (S::OnHold | S::Backoff { .. }, T::Resume) => Ok(S::Pending),
        (S::Running(lease), T::Checkpoint { .. }) => Ok(S::Running(*lease)),
        (S::Failed { .. } | S::Completed(_), T::Reopen) => Ok(S::Pending),
        (
            S::Cancelled(CancelReason::Operator(_) | CancelReason::NotNeeded | CancelReason::Rejected(_)),
            T::Reopen,
        ) => Ok(S::Pending),
        (
            S::Pending | S::Backoff { .. } | S::InConflict(_) | S::OnHold | S::Failed { .. },
            T::CompleteByHand(reason),
        ) => Ok(S::Completed(Completion::ByHand { reason: reason.clone(), at })),
        (
            S::Pending
            | S::Assigned(_)
            | S::Running(_)
            | S::AwaitingApproval { .. }
            | S::Backoff { .. }
            | S::InConflict(_)
            | S::OnHold,
            T::Cancel(reason),
        ) => Ok(S::Cancelled(reason.clone())),
        (
            S::Pending
            | S::Assigned(_)
            | S::Running(_)
            | S::Verifying { .. }
            | S::AwaitingApproval { .. }
            | S::Landing { .. }
            | S::Completed(_)
            | S::Backoff { .. }
            | S::InConflict(_)
            | S::OnHold
            | S::Failed { .. }
            | S::Cancelled(_),
            _,
        ) => Err(wrong()),
    }
}
