//! Where a task stands.

use std::fmt;

use crate::Timestamp;
use crate::task::{ConflictRecord, Delivery, Intent, Landed, Lease, Review};
use planner_core::Exclusion;

/// Where a task stands. *Ready* is not a state: it follows from this, the graph and the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Nobody works on it.
    Pending,
    /// An agent has it and has not begun.
    Assigned(Lease),
    /// An agent works on it.
    Running(Lease),
    /// A result is there and its check is still to pass.
    Verifying {
        /// The lease under which it was delivered.
        lease: Lease,
        /// The result.
        delivery: Box<Delivery>,
    },
    /// A result is there, its check has passed, and somebody has to agree before it lands.
    AwaitingApproval {
        /// The lease under which it was delivered.
        lease: Lease,
        /// The result.
        delivery: Box<Delivery>,
    },
    /// The result is accepted and on its way to the target branch.
    Landing {
        /// The lease under which it was delivered.
        lease: Lease,
        /// The result.
        delivery: Box<Delivery>,
        /// The commits that it was about to become, the latest last: after a crash, one of them may be on the branch.
        intents: Vec<Intent>,
    },
    /// Done.
    Completed(Completion),
    /// It failed and waits for its next attempt.
    Backoff {
        /// When it may be tried again.
        until: Timestamp,
    },
    /// Its result does not go together with the branch; an agent has to look again.
    InConflict(Box<ConflictRecord>),
    /// It waits until somebody resumes it.
    OnHold,
    /// It failed as often as it may.
    Failed {
        /// How the last attempt failed.
        reason: FailureReason,
    },
    /// It is not to run.
    Cancelled(CancelReason),
}

/// How a task was completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// By an attempt.
    Attempt {
        /// The lease under which it was delivered.
        lease: Lease,
        /// Where the result went.
        landed: Landed,
        /// When.
        at: Timestamp,
    },
    /// Before the plan was loaded.
    Beforehand,
    /// By somebody outside.
    ByHand {
        /// How, in the words of whoever said so.
        reason: String,
        /// When it was said.
        at: Timestamp,
    },
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureReason {
    /// The agent said so.
    Agent(String),
    /// Its check did not pass; with the end of its output.
    Check(String),
    /// It took longer than it may.
    Timeout,
    /// What it delivered cannot be taken.
    Unusable(String),
    /// Somebody who had to agree to its result did not.
    Rejected(Review),
    /// Attempts of it ended in silence, this one too: more are not made.
    Silent {
        /// How many.
        times: u32,
    },
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(text) => write!(f, "the agent failed: {text}"),
            Self::Check(output) => write!(f, "the check failed: {output}"),
            Self::Timeout => f.write_str("the attempt took too long"),
            Self::Unusable(text) => write!(f, "the result cannot be taken: {text}"),
            Self::Rejected(review) => write!(f, "the result was rejected: {review}"),
            Self::Silent { times: 1 } => f.write_str("an attempt ended in silence: its lease ran out"),
            Self::Silent { times } => write!(f, "{times} attempts ended in silence: their leases ran out"),
        }
    }
}

/// Why a task is not to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelReason {
    /// Its plan excludes it.
    Excluded(Exclusion),
    /// Somebody called it off.
    Operator(String),
    /// It was for the case that another task fails, which cannot happen any more.
    NotNeeded,
    /// Somebody who had to agree that it begins did not.
    Rejected(Review),
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excluded(exclusion) => write!(f, "the plan excludes it: {}", exclusion.as_str()),
            Self::Operator(text) if text.is_empty() => f.write_str("called off"),
            Self::Operator(text) => write!(f, "called off: {text}"),
            Self::NotNeeded => f.write_str("not needed: what it waits to fail will not fail any more"),
            Self::Rejected(review) => write!(f, "rejected before its start: {review}"),
        }
    }
}

/// The states without what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// See [`TaskState::Pending`].
    Pending,
    /// See [`TaskState::Assigned`].
    Assigned,
    /// See [`TaskState::Running`].
    Running,
    /// See [`TaskState::Verifying`].
    Verifying,
    /// See [`TaskState::AwaitingApproval`].
    AwaitingApproval,
    /// See [`TaskState::Landing`].
    Landing,
    /// See [`TaskState::Completed`].
    Completed,
    /// See [`TaskState::Backoff`].
    Backoff,
    /// See [`TaskState::InConflict`].
    InConflict,
    /// See [`TaskState::OnHold`].
    OnHold,
    /// See [`TaskState::Failed`].
    Failed,
    /// See [`TaskState::Cancelled`].
    Cancelled,
}

impl StateName {
    /// Returns the name as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::AwaitingApproval => "awaiting approval",
            Self::Landing => "landing",
            Self::Completed => "completed",
            Self::Backoff => "backoff",
            Self::InConflict => "in conflict",
            Self::OnHold => "on hold",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TaskState {
    /// Returns the state without what it holds.
    pub fn name(&self) -> StateName {
        match self {
            Self::Pending => StateName::Pending,
            Self::Assigned(_) => StateName::Assigned,
            Self::Running(_) => StateName::Running,
            Self::Verifying { .. } => StateName::Verifying,
            Self::AwaitingApproval { .. } => StateName::AwaitingApproval,
            Self::Landing { .. } => StateName::Landing,
            Self::Completed(_) => StateName::Completed,
            Self::Backoff { .. } => StateName::Backoff,
            Self::InConflict(_) => StateName::InConflict,
            Self::OnHold => StateName::OnHold,
            Self::Failed { .. } => StateName::Failed,
            Self::Cancelled(_) => StateName::Cancelled,
        }
    }

    /// Returns the lease of the attempt that is under way, from its assignment to its landing.
    pub fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Assigned(lease)
            | Self::Running(lease)
            | Self::Verifying { lease, .. }
            | Self::AwaitingApproval { lease, .. }
            | Self::Landing { lease, .. } => Some(lease),
            Self::Pending
            | Self::Completed(_)
            | Self::Backoff { .. }
            | Self::InConflict(_)
            | Self::OnHold
            | Self::Failed { .. }
            | Self::Cancelled(_) => None,
        }
    }

    /// Returns the same lease, to be changed.
    pub(super) fn lease_mut(&mut self) -> Option<&mut Lease> {
        match self {
            Self::Assigned(lease)
            | Self::Running(lease)
            | Self::Verifying { lease, .. }
            | Self::AwaitingApproval { lease, .. }
            | Self::Landing { lease, .. } => Some(lease),
            Self::Pending
            | Self::Completed(_)
            | Self::Backoff { .. }
            | Self::InConflict(_)
            | Self::OnHold
            | Self::Failed { .. }
            | Self::Cancelled(_) => None,
        }
    }

    /// Returns the lease of an attempt that keeps an agent busy: from its assignment to its report.
    pub fn occupying_lease(&self) -> Option<&Lease> {
        match self {
            Self::Assigned(lease) | Self::Running(lease) => Some(lease),
            _ => None,
        }
    }

    /// Returns the lease of an attempt that has reported a result which is not on its branch yet.
    pub fn delivered_lease(&self) -> Option<&Lease> {
        match self {
            Self::Verifying { lease, .. }
            | Self::AwaitingApproval { lease, .. }
            | Self::Landing { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// Returns whether nothing will change it but somebody's command.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed { .. } | Self::Cancelled(_))
    }
}
