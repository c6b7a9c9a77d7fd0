//! Leave to work on a task, for a time.

use std::fmt;

use crate::Timestamp;
use crate::task::{AgentKey, InstanceKey};

/// Tells one attempt at a task from every other: each is greater than all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FencingToken(u64);

impl FencingToken {
    /// Returns the token of that number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the token that comes after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Leave of one agent to work on one task until a moment. It is leave to report, not proof of being the only one at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub agent: AgentKey,
    /// The coordinator that carries out its effects.
    pub instance: InstanceKey,
    /// What every report about the attempt must show.
    pub token: FencingToken,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// When it ends, by the store's clock, unless it is renewed.
    pub expires_at: Timestamp,
}
