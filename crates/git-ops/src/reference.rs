//! Moving a ref: compare-and-swap under git's own lock, flushed, with a bounded wait for the locks of others.

use std::path::{Path, PathBuf};

use git2::ErrorCode;

use crate::durability;
use crate::id::CommitId;
use crate::lock::{self, HeldLock, LockError};

/// The ref that keeps every pinned result: a chain of commits whose parents are the chain so far and a batch.
pub(crate) const PINS: &str = "refs/super-planner/pins";
/// How often a ref that somebody else has locked is tried; about two seconds.
const TRIES_MAX: u32 = 120;

/// Why a ref was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveRefError {
    /// The ref is not where it was expected to be.
    #[error("{name} is at {}, not at {}", place(found), place(expected))]
    Elsewhere {
        /// The ref.
        name: String,
        /// Where it should have been; `None` if it should not have existed.
        expected: Option<CommitId>,
        /// Where it is; `None` if it does not exist.
        found: Option<CommitId>,
    },
    /// Another program holds git's lock of the ref.
    #[error("{name} is locked; if no git command is running, remove {}", path.display())]
    Locked {
        /// The ref.
        name: String,
        /// The lock file.
        path: PathBuf,
    },
    /// Our note in the lock file could not be written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Git refused, or the ref could not be written.
    #[error("cannot move {name}")]
    Git {
        /// The ref.
        name: String,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// The ref was written but not flushed: it may be lost in a power cut.
    #[error("cannot flush {}", path.display())]
    Flush {
        /// The file of the ref.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Moves a ref from `expected` (`None`: it must not exist) to `new`, durably. It may be at `new` already.
pub(crate) fn compare_and_swap(
    repository: &git2::Repository,
    lock: &mut HeldLock,
    name: &str,
    expected: Option<CommitId>,
    new: CommitId,
) -> Result<(), MoveRefError> {
    lock.announce(name)?;
    let moved = swap(repository, name, expected, new);
    lock.settle()?;
    moved?;
    flush(repository.commondir(), name)
}

/// Returns where a ref is, `None` if it does not exist. A ref that points to another ref is an error.
pub(crate) fn read(repository: &git2::Repository, name: &str) -> Result<Option<CommitId>, git2::Error> {
    match repository.find_reference(name) {
        Ok(reference) => match reference.target() {
            Some(id) => Ok(Some(CommitId::from_oid(id))),
            None => Err(git2::Error::from_str("the ref points to another ref")),
        },
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn swap(
    repository: &git2::Repository,
    name: &str,
    expected: Option<CommitId>,
    new: CommitId,
) -> Result<(), MoveRefError> {
    let failed = |source| MoveRefError::Git { name: name.to_owned(), source };
    // To libgit2 the id of zeros means that the ref must not exist.
    let current = expected.map_or(git2::Oid::ZERO_SHA1, CommitId::oid);
    for tries in 0..TRIES_MAX {
        let moved = repository.reference_matching(name, new.oid(), true, current, "super-planner");
        let Err(error) = moved else { return Ok(()) };
        match error.code() {
            // A folder can vanish between its creation and its use while another git packs refs.
            ErrorCode::Locked | ErrorCode::NotFound if tries + 1 < TRIES_MAX => {
                let found = read(repository, name).map_err(failed)?;
                if found != expected {
                    return elsewhere(name, expected, found, new);
                }
                lock::pause(tries);
            }
            ErrorCode::Locked => break,
            ErrorCode::Modified | ErrorCode::NotFound => {
                let found = read(repository, name).map_err(failed)?;
                return elsewhere(name, expected, found, new);
            }
            _ => return Err(failed(error)),
        }
    }
    Err(MoveRefError::Locked {
        name: name.to_owned(),
        path: lock::ref_lock_path(repository.commondir(), name),
    })
}

fn elsewhere(
    name: &str,
    expected: Option<CommitId>,
    found: Option<CommitId>,
    new: CommitId,
) -> Result<(), MoveRefError> {
    if found == Some(new) {
        return Ok(());
    }
    Err(MoveRefError::Elsewhere { name: name.to_owned(), expected, found })
}

/// Flushes the file of a ref and the folders above it. One that is packed has no file, and git flushed it.
fn flush(git_dir: &Path, name: &str) -> Result<(), MoveRefError> {
    let path = git_dir.join(name);
    match durability::flush_up_to(&path, git_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(MoveRefError::Flush { path, source }),
        Ok(()) => Ok(()),
    }
}

fn place(commit: &Option<CommitId>) -> String {
    commit.map_or_else(|| "no commit".to_owned(), |commit| commit.to_string())
}
