//! What a project allows, and what stops it.

use std::num::NonZeroU32;

/// What a project allows, whoever works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectRules {
    /// Whether tasks run at once that could write the same file.
    pub overlapping_writes: OverlappingWrites,
    /// After how many failed attempts without a completed task between them the project is paused.
    pub failures_in_row_max: Option<NonZeroU32>,
    /// After how many failed attempts in all the project is paused.
    pub failures_max: Option<NonZeroU32>,
}

/// What becomes of tasks whose write sets overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverlappingWrites {
    /// They run one after the other.
    #[default]
    Wait,
    /// They run at once.
    Allowed,
}

/// How many attempts of a project have failed since somebody let it go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailureCounts {
    /// Without a completed task between them.
    pub in_row: u32,
    /// In all.
    pub total: u32,
}

/// Why nothing is handed out of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Somebody has said so.
    Operator,
    /// As many attempts have failed as its rules allow.
    Failures(FailureCounts),
}

impl ProjectRules {
    /// Returns whether so many failures are as many as are allowed.
    pub fn is_reached_by(&self, failures: FailureCounts) -> bool {
        let is_reached = |count: u32, max: Option<NonZeroU32>| max.is_some_and(|max| count >= max.get());
        is_reached(failures.in_row, self.failures_in_row_max) || is_reached(failures.total, self.failures_max)
    }
}
