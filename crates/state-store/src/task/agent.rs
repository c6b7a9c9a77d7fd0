//! The agents of a workspace.

use std::time::Duration;

use planner_core::CapabilitySet;

use crate::task::InstanceKey;

/// An agent, as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Its name, unique in the workspace.
    pub name: String,
    /// What it can do.
    pub capabilities: CapabilitySet,
    /// How many tasks it takes at once.
    pub slots: u32,
    /// How long its leases last where the task does not say; as long as those of its coordinator where it does not either.
    pub lease: Option<Duration>,
    /// What people tell it by.
    pub labels: Vec<String>,
    /// The coordinator that looks after it.
    pub instance: InstanceKey,
    /// Whether it takes tasks.
    pub status: AgentStatus,
}

/// Whether an agent takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentStatus {
    /// It does.
    Active,
    /// Its coordinator is gone.
    Retired,
    /// It finishes what it has and takes no more, until somebody says otherwise.
    Paused,
}
