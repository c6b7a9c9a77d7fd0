//! What the statuses and types of a foreign format mean here.

use crate::{Exclusion, Standing};

/// One line of a format's table: what a value of a field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusRule {
    /// The field, as the format names it.
    pub field: &'static str,
    /// Its value; compared without regard to case.
    pub value: &'static str,
    /// What it means for the task.
    pub meaning: Meaning,
}

impl StatusRule {
    pub(super) const fn new(field: &'static str, value: &'static str, meaning: Meaning) -> Self {
        Self { field, value, meaning }
    }
}

/// What a status or a type means for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Work: where it stands is told by its status.
    Work,
    /// To be done.
    Pending,
    /// Done before.
    Completed,
    /// Put aside.
    OnHold,
    /// Never to run.
    Excluded(Exclusion),
}

impl Meaning {
    /// Returns where a task of that meaning stands.
    pub fn standing(self) -> Standing {
        match self {
            Self::Work | Self::Pending => Standing::Pending,
            Self::Completed => Standing::Completed,
            Self::OnHold => Standing::OnHold,
            Self::Excluded(reason) => Standing::Excluded(reason),
        }
    }

    /// Returns the meaning in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::OnHold => "on hold",
            Self::Excluded(Exclusion::Tombstone) => "excluded: tombstone",
            Self::Excluded(Exclusion::Cancelled) => "excluded: cancelled",
            Self::Excluded(Exclusion::Message) => "excluded: message",
            Self::Excluded(Exclusion::Event) => "excluded: event",
            Self::Excluded(Exclusion::Agent) => "excluded: agent",
            Self::Excluded(Exclusion::Gate) => "excluded: gate",
            Self::Excluded(Exclusion::Template) => "excluded: template",
        }
    }
}

/// How many entries of a file a rule was applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule.
    pub rule: StatusRule,
    /// How many entries.
    pub entries: usize,
}
