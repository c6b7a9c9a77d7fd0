//! Places in a stream.

use std::fmt;

/// A place in a stream: the number of its last entry, counted from 1. [`Seq::START`] is before the first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Seq(u64);

impl Seq {
    /// The place before the first entry.
    pub const START: Self = Self(0);

    /// Returns the place of that number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the place that many entries further on; one that cannot be counted is the last that can.
    #[must_use]
    pub const fn plus(self, entries: u64) -> Self {
        Self(self.0.saturating_add(entries))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
