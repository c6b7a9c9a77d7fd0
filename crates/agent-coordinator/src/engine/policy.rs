//! The settings that decisions depend on.

use std::time::Duration;

use planner_core::Task;

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

/// The longest lease that a task can ask for, in seconds.
const LEASE_SECONDS_MAX: u64 = 7 * 24 * 3600;

impl Policy {
    /// Returns how long the lease of a task lasts: as long as its field `lease_seconds` says, where it has one.
    pub(super) fn lease_of(&self, task: &Task) -> Duration {
        let asked = task.extra.get("lease_seconds").and_then(serde_json::Value::as_u64);
        match asked {
            Some(seconds @ 1..) => Duration::from_secs(seconds.min(LEASE_SECONDS_MAX)),
            Some(0) | None => self.lease,
        }
    }
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
