//! What an attempt delivers, what its check said, and where it landed.

use std::fmt;

use crate::Timestamp;

/// The id of a git commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitHash(pub [u8; 20]);

impl fmt::Display for CommitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an attempt delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliverable {
    /// No files: the task's landing policy is `none`.
    NoFiles,
    /// Files that are the same as before.
    Unchanged,
    /// Files, in a commit that is kept reachable from before this was recorded.
    Commit {
        /// The pinned commit.
        result: CommitHash,
        /// The commit that the agent began from, its parent.
        base: CommitHash,
    },
}

/// What was delivered, and when: all that the commit it becomes depends on, beside the task and the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// What.
    pub deliverable: Deliverable,
    /// When.
    pub at: Timestamp,
}

/// What a task's check said about an attempt's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckRecord {
    /// The task names no check.
    NotNamed,
    /// It passed.
    Passed {
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
}

/// A commit that a result is about to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// The commit.
    pub commit: CommitHash,
    /// Whether its files differ from those of the result, because others have changed the branch.
    pub merged: bool,
}

/// How an accepted result was landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// As one commit on the target branch.
    Commit {
        /// The commit.
        commit: CommitHash,
        /// Whether others had changed the branch since the agent began.
        merged: bool,
    },
    /// The result changes nothing on the target branch.
    Empty,
    /// The task's landing policy is `none`.
    NotAsked,
}

/// Two changes that do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRecord {
    /// The result that does not go together with the branch; kept reachable.
    pub theirs: CommitHash,
    /// What it was based on.
    pub base: CommitHash,
    /// The tip of the branch that it was merged with.
    pub ours: CommitHash,
    /// The paths in conflict.
    pub paths: Vec<String>,
}
