//! A plan: what was asked.

use serde::{Deserialize, Serialize};

use crate::{CapabilitySet, Task};

/// What was asked: tasks, and the agents that the plan counts on. The serialised shape is the native format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the project.
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The agents that the plan counts on; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentProfile>,
    /// The tasks and groups, in the order of the file.
    pub tasks: Vec<Task>,
    /// The fields of its file that have no meaning here, kept as they were.
    #[serde(default, flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// An agent that a plan counts on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentProfile {
    /// Its name, unique in the plan.
    pub name: String,
    /// What it can do.
    #[serde(default)]
    pub capabilities: CapabilitySet,
    /// How many tasks it takes at once.
    #[serde(default = "one_slot")]
    pub slots: u32,
}

fn one_slot() -> u32 {
    1
}
