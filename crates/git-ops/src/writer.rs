//! The one way to write: each call takes the repository's lock, does one batch and has flushed it when it returns.

use crate::change::EditError;
use crate::id::CommitId;
use crate::landing::{self, LandRequest, Prepared, PublishError};
use crate::lock::{HeldLock, LockError};
use crate::name::BranchName;
use crate::object::ObjectError;
use crate::pin::{self, PinRequest, Pinned};
use crate::reference::MoveRefError;
use crate::repository::ReadError;

/// A writer to one repository. Any number may exist; they take turns, call by call.
///
/// After a failed write nothing more is written by it: what a failed flush has left on the disk is unknown. Such a
/// writer answers [`WriteError::Spent`]; get a new one, and the calls that failed can be repeated as they were.
pub struct Writer {
    repository: git2::Repository,
    spent: bool,
}

/// Why a batch was not written. Unless it says otherwise nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An earlier write of this writer failed.
    #[error("an earlier write failed; a new writer is needed")]
    Spent,
    /// The branch to land on does not exist.
    #[error("there is no branch {branch}")]
    NoSuchBranch {
        /// The branch.
        branch: BranchName,
    },
    /// The commit to be landed is not in the repository.
    #[error("the result {commit} is not in the repository")]
    MissingResult {
        /// The commit.
        commit: CommitId,
    },
    /// The commit to be landed does not have exactly one parent.
    #[error("the commit {commit} has {parents} parents; a result has one")]
    NotAResult {
        /// The commit.
        commit: CommitId,
        /// How many it has.
        parents: usize,
    },
    /// The lock of the writer was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A ref or the history cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object cannot be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The ref that keeps the results cannot be moved.
    #[error(transparent)]
    Move(#[from] MoveRefError),
}

impl WriteError {
    /// Returns whether the disk may be in a state that we do not know.
    fn leaves_unknown(&self) -> bool {
        match self {
            Self::Spent
            | Self::NoSuchBranch { .. }
            | Self::MissingResult { .. }
            | Self::NotAResult { .. } => false,
            Self::Read(_) | Self::Lock(_) => false,
            Self::Object(error) => matches!(error, ObjectError::Write { .. } | ObjectError::Flush { .. }),
            Self::Move(error) => move_leaves_unknown(error),
        }
    }
}

impl Writer {
    pub(crate) fn new(repository: git2::Repository) -> Self {
        Self { repository, spent: false }
    }

    /// Writes the tree and the commit of every result and makes them reachable, for good. Durable when it returns.
    ///
    /// The answers are in the order of the requests. A request that fails does not touch the others. The same request
    /// gives the same commit, so a batch of unknown outcome can be repeated.
    pub fn pin(&mut self, results: &[PinRequest]) -> Result<Vec<Result<Pinned, EditError>>, WriteError> {
        self.guard(|repository, lock| pin::pin(repository, lock, results))
    }

    /// Merges pinned results, in order, onto the tip of a branch and writes the commits. No ref moves.
    ///
    /// Each commit's only parent is the one before it, at first the tip. A result that conflicts or changes nothing
    /// makes no commit and does not stop those after it. The ids follow from the requests and the tip alone.
    /// The commits are flushed when it returns, but git may collect them after some weeks unless they are published.
    pub fn prepare(&mut self, branch: &BranchName, requests: &[LandRequest]) -> Result<Prepared, WriteError> {
        self.guard(|repository, _| landing::prepare(repository, branch, requests))
    }

    /// Moves the branch from the expected tip to the new one, which must descend from it. Durable when it returns.
    ///
    /// Publishing what is published already is fine. A branch that some working copy has checked out is not moved.
    pub fn publish(&mut self, prepared: &Prepared) -> Result<(), PublishError> {
        self.guard(|repository, lock| landing::publish(repository, lock, prepared))
    }

    fn guard<T, E: From<WriteError> + LeavesUnknown>(
        &mut self,
        write: impl FnOnce(&git2::Repository, &mut HeldLock) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.spent {
            return Err(WriteError::Spent.into());
        }
        let mut lock = HeldLock::acquire(self.repository.commondir()).map_err(WriteError::Lock)?;
        let outcome = write(&self.repository, &mut lock);
        self.spent = matches!(&outcome, Err(error) if error.leaves_unknown());
        outcome
    }
}

/// Whether an error means that the disk may be in a state that we do not know.
pub(crate) trait LeavesUnknown {
    fn leaves_unknown(&self) -> bool;
}

impl LeavesUnknown for WriteError {
    fn leaves_unknown(&self) -> bool {
        self.leaves_unknown()
    }
}

pub(crate) fn move_leaves_unknown(error: &MoveRefError) -> bool {
    match error {
        MoveRefError::Elsewhere { .. } | MoveRefError::Locked { .. } => false,
        MoveRefError::Lock(_) | MoveRefError::Git { .. } | MoveRefError::Flush { .. } => true,
    }
}
