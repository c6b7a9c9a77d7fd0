//! What the dispatcher needs to know of a task that has moved: how it stood before.

use state_store::Timestamp;
use state_store::task::{Lease, TaskState};

/// How a task stood before a step, as far as the dispatcher keeps something about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// Whether nothing but a command could move it.
    pub(super) is_settled: bool,
    /// Whether it was among the ready, or waited for the files of another, or could have.
    pub(super) is_up_for_hand_out: bool,
    /// Until when it was to wait.
    pub(super) delayed_until: Option<Timestamp>,
    /// The lease by which it kept an agent busy.
    pub(super) occupying: Option<Lease>,
    /// Whether it held its files.
    pub(super) is_held: bool,
}

impl Before {
    pub(super) fn of(state: &TaskState) -> Self {
        Self {
            is_settled: state.is_settled(),
            is_up_for_hand_out: matches!(state, TaskState::Pending | TaskState::InConflict(_)),
            delayed_until: match state {
                TaskState::Backoff { until } => Some(*until),
                _ => None,
            },
            occupying: state.occupying_lease().copied(),
            is_held: state.lease().is_some(),
        }
    }
}
