//! The agents of a workspace.

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
