//! The settings that decisions depend on.

use std::time::Duration;

/// How long leases last, and how often and when a failed task is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long an agent's lease lasts before it must be renewed.
    pub lease: Duration,
    /// How long a coordinator's own lease lasts.
    pub instance_lease: Duration,
    /// How many attempts of a task may fail; then the task has failed.
    pub failures_max: u32,
    /// The upper end of the wait after the first failure; it doubles with each further one.
    pub backoff_base: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// What the waits are drawn from, together with task and attempt: the same seed gives the same waits.
    pub seed: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            instance_lease: Duration::from_secs(10),
            failures_max: 3,
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            seed: 0,
        }
    }
}
