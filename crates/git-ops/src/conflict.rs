//! What could not be merged: the paths, and what each side has there. Data for an agent to resolve, never markers.

use crate::change::FileMode;
use crate::id::{BlobId, CommitId};
use crate::tree::{self, Item};

/// Two results that changed the same places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Every path that needs a decision, sorted. Never empty.
    pub paths: Vec<ConflictedPath>,
    /// The commit that the result started from.
    pub base: CommitId,
    /// The tip that the result was merged with.
    pub ours: CommitId,
    /// The result.
    pub theirs: CommitId,
}

/// One path that needs a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictedPath {
    /// The path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// What the base has there, if it is not a folder.
    pub base: Option<Version>,
    /// What the tip has there, if it is not a folder.
    pub ours: Option<Version>,
    /// What the result has there, if it is not a folder.
    pub theirs: Option<Version>,
}

/// What a path holds in one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its content.
    pub blob: BlobId,
    /// What it is.
    pub kind: EntryKind,
}

/// What a path can be, besides a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File(FileMode),
    /// A symbolic link; the content is its target.
    Link,
    /// A commit of another repository.
    Submodule,
}

impl Version {
    pub(crate) fn of(item: Item) -> Self {
        let kind = match FileMode::from_raw(item.mode) {
            Some(mode) => EntryKind::File(mode),
            None if item.mode == tree::MODE_LINK => EntryKind::Link,
            None => EntryKind::Submodule,
        };
        Self { blob: BlobId::from_oid(item.id), kind }
    }
}
