//! How urgent a task is: the first thing that the dispatcher looks at.

use serde::{Deserialize, Serialize};

/// The priority class of a task; the first variant is the most urgent and the smallest in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before ordinary work.
    High,
    /// Ordinary work.
    #[default]
    Medium,
    /// When nothing better waits.
    Low,
    /// Some day.
    Backlog,
}

impl Priority {
    /// All classes, the most urgent one first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Backlog];

    /// Returns the name that plan files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Backlog => "backlog",
        }
    }

    /// Returns the class of a name in any case, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str().eq_ignore_ascii_case(name))
    }
}
