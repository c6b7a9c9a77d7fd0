//! The settings that decisions depend on.

use std::num::NonZeroU32;
use std::time::Duration;

use planner_core::Task;
use state_store::task::AgentRecord;

/// How long leases last, and how often and when a failed task is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long an agent's lease lasts before it must be renewed.
    pub lease: Duration,
    /// How long a coordinator's own lease lasts.
    pub instance_lease: Duration,
    /// How many attempts of a task may fail; then the task has failed.
    pub failures_max: u32,
    /// How many attempts of a task may end in silence, by a lease that runs out, where the task does not say; then the task has
    /// failed.
    pub losses_max: u32,
    /// The upper end of the wait after the first failure; it doubles with each further one.
    pub backoff_base: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// What the waits are drawn from, together with task and attempt: the same seed gives the same waits.
    pub seed: u64,
}

/// The longest lease that a task or an agent can ask for.
const LEASE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The shortest lease that a task or an agent can ask for: leases are renewed once a second.
const LEASE_MIN: Duration = Duration::from_secs(3);

impl Policy {
    /// Returns how long a lease of an agent on a task lasts: as long as the task says; else as the agent does; else as long as
    /// all.
    pub(super) fn lease_of(&self, task: &Task, agent: Option<&AgentRecord>) -> Duration {
        let asked = task.limits.lease().or_else(|| agent?.lease);
        asked.map_or(self.lease, |asked| asked.clamp(LEASE_MIN.min(self.lease), LEASE_MAX))
    }

    /// Returns how many attempts of a task may end in silence.
    pub(super) fn losses_max_of(&self, task: &Task) -> u32 {
        task.limits.losses_max.map_or(self.losses_max, NonZeroU32::get)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            instance_lease: Duration::from_secs(10),
            failures_max: 3,
            losses_max: 5,
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            seed: 0,
        }
    }
}
