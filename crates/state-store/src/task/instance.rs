//! The coordinators that have worked on a workspace. Effects belong to the one that began them.

use crate::Timestamp;

/// A coordinator, as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// Its id: unique, also across machines.
    pub id: [u8; 16],
    /// The process it runs in.
    pub host: Host,
    /// Whether it is at work.
    pub status: InstanceStatus,
}

/// Where a coordinator runs, so that another one on the same machine can see that it is gone before its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Which boot of which machine.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// When that process began, in the units of its operating system: process ids are used again.
    pub started: u64,
}

impl Host {
    /// The host of one that takes its turns in processes that do not stay: only its lease tells whether it is there.
    pub const NOBODY: Self = Self { boot: String::new(), pid: 0, started: 0 };

    /// Returns whether a process stays, that could be looked for.
    pub fn is_process(&self) -> bool {
        *self != Self::NOBODY
    }
}

/// Whether a coordinator is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceStatus {
    /// It is, until its lease ends.
    Active {
        /// When, unless it is renewed.
        expires_at: Timestamp,
    },
    /// It is not.
    Ended,
}
