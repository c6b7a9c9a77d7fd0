//! One part of what is to be done, as whoever breaks it down says it.

use serde::{Deserialize, Serialize};

/// A part of a task. Its key is unique among the parts of one task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// A short name, unique among its siblings.
    pub key: String,
    /// What it is called.
    pub title: String,
    /// What is to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The keys of the siblings that must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// How much work it is, in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort_hours: Option<f64>,
    /// What one must be able to do to do it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// What must hold when it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    /// Whether it is to be broken down further.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compound: bool,
}
