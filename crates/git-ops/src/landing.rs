//! Landing in two phases: prepare makes the commits, publish moves the branch.
//!
//! Between the two the caller can record which commits are about to land. Because preparing again gives the same ids,
//! a crash at any point is resolved by looking which of them the branch contains.

use crate::branch;
use crate::commit::NewCommit;
use crate::conflict::Conflict;
use crate::id::CommitId;
use crate::lock::HeldLock;
use crate::merge::{self, Merged};
use crate::message::{Message, Signature};
use crate::name::BranchName;
use crate::object::{ObjectError, Objects};
use crate::reference::{self, MoveRefError};
use crate::writer::{LeavesUnknown, WriteError};

/// A pinned result to be landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandRequest {
    /// The result commit, which has one parent.
    pub result: CommitId,
    /// What the landed commit says.
    pub message: Message,
    /// Who made it.
    pub author: Signature,
    /// When, in seconds since 1970.
    pub time: i64,
}

/// Commits that are ready to become part of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing has landed before this is published"]
pub struct Prepared {
    /// The branch.
    pub branch: BranchName,
    /// Where it was, and must still be.
    pub expected_tip: CommitId,
    /// Where it goes: the last commit of `items`, or the expected tip if there is none.
    pub new_tip: CommitId,
    /// What became of each request, in order.
    pub items: Vec<Preparation>,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preparation {
    /// A commit that is ready.
    Commit {
        /// Its id.
        id: CommitId,
        /// Its only parent.
        parent: CommitId,
        /// Whether its files differ from those of the result, because others have changed something meanwhile.
        merged: bool,
    },
    /// Everything in the result is there already.
    Empty,
    /// The result and the branch changed the same places.
    Conflict(Conflict),
}

/// Why a branch was not moved.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Somebody else has moved the branch; prepare again.
    #[error("the branch {branch} moved from {expected} to {}", found.map_or("nowhere".to_owned(), |id| id.to_string()))]
    TipMoved {
        /// The branch.
        branch: BranchName,
        /// Where it was expected to be.
        expected: CommitId,
        /// Where it is; `None` if it was deleted.
        found: Option<CommitId>,
    },
    /// Some working copy shows the branch and would fall behind.
    #[error("the branch {branch} is checked out in a working copy")]
    CheckedOut {
        /// The branch.
        branch: BranchName,
    },
    /// The new tip does not descend from the expected one.
    #[error("{new_tip} does not descend from {expected_tip}")]
    NotADescendant {
        /// Where the branch was to go.
        new_tip: CommitId,
        /// Where it is.
        expected_tip: CommitId,
    },
    /// The branch could not be read or written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl LeavesUnknown for PublishError {
    fn leaves_unknown(&self) -> bool {
        match self {
            Self::Write(error) => LeavesUnknown::leaves_unknown(error),
            Self::TipMoved { .. } | Self::CheckedOut { .. } | Self::NotADescendant { .. } => false,
        }
    }
}

pub(crate) fn prepare(
    repository: &git2::Repository,
    branch: &BranchName,
    requests: &[LandRequest],
) -> Result<Prepared, WriteError> {
    let objects = Objects::open(repository)?;
    let tip = branch::tip(repository, branch)?;
    let expected_tip = tip.ok_or_else(|| WriteError::NoSuchBranch {
        branch: branch.clone(),
    })?;
    let mut new_tip = expected_tip;
    let mut items = Vec::with_capacity(requests.len());
    for request in requests {
        let item = land_on(&objects, new_tip, request)?;
        if let Preparation::Commit { id, .. } = item {
            new_tip = id;
        }
        items.push(item);
    }
    objects.flush()?;
    Ok(Prepared {
        branch: branch.clone(),
        expected_tip,
        new_tip,
        items,
    })
}

fn land_on(
    objects: &Objects<'_>,
    parent: CommitId,
    request: &LandRequest,
) -> Result<Preparation, WriteError> {
    let LandRequest {
        result,
        message,
        author,
        time,
    } = request;
    let theirs = match objects.commit(*result) {
        Ok(record) => record,
        Err(ObjectError::Missing { .. }) => return Err(WriteError::MissingResult { commit: *result }),
        Err(error) => return Err(error.into()),
    };
    let [base] = theirs.parents[..] else {
        return Err(WriteError::NotAResult {
            commit: *result,
            parents: theirs.parents.len(),
        });
    };
    let base_tree = objects.commit(base)?.tree;
    let ours_tree = objects.commit(parent)?.tree;
    let draft = match merge::merge(objects, base_tree, ours_tree, theirs.tree)? {
        Merged::Clean(draft) => draft,
        Merged::Conflict(paths) => {
            return Ok(Preparation::Conflict(Conflict {
                paths,
                base,
                ours: parent,
                theirs: *result,
            }));
        }
    };
    let tree = draft.write(objects)?;
    if tree == ours_tree {
        return Ok(Preparation::Empty);
    }
    let commit = NewCommit {
        tree,
        parents: &[parent],
        author,
        time: *time,
        message,
    };
    let id = objects.write_commit(&commit.encode())?;
    Ok(Preparation::Commit {
        id,
        parent,
        merged: tree != theirs.tree,
    })
}

pub(crate) fn publish(
    repository: &git2::Repository,
    lock: &mut HeldLock,
    prepared: &Prepared,
) -> Result<(), PublishError> {
    let Prepared {
        branch,
        expected_tip,
        new_tip,
        ..
    } = prepared;
    let (expected_tip, new_tip) = (*expected_tip, *new_tip);
    if branch::checked_out(repository)
        .map_err(WriteError::Read)?
        .contains(branch)
    {
        return Err(PublishError::CheckedOut {
            branch: branch.clone(),
        });
    }
    if !branch::is_ancestor(repository, expected_tip, new_tip).map_err(WriteError::Read)? {
        return Err(PublishError::NotADescendant {
            new_tip,
            expected_tip,
        });
    }
    let moved =
        reference::compare_and_swap(repository, lock, &branch.ref_name(), Some(expected_tip), new_tip);
    match moved {
        Ok(()) => Ok(()),
        Err(MoveRefError::Elsewhere { found, .. }) => Err(PublishError::TipMoved {
            branch: branch.clone(),
            expected: expected_tip,
            found,
        }),
        Err(error) => Err(WriteError::Move(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn two_results_from_one_base_land_one_after_the_other() {
        let test = TestRepository::new(&[("a", "1\n2\n3\n4\n5\n"), ("dir/b", "b\n")]);
        let one = test.pin(
            test.first,
            &[write("a", "one\n2\n3\n4\n5\n"), write("new/file", "x")],
        );
        let two = test.pin(test.first, &[write("a", "1\n2\n3\n4\nfive\n"), delete("dir/b")]);
        let mut writer = test.writer();
        let prepared = writer
            .prepare(&work(), &[land_request(one), land_request(two)])
            .unwrap();
        assert_eq!(
            test.repository.tip(&work()).unwrap(),
            Some(test.first),
            "preparing moves nothing"
        );
        writer.publish(&prepared).unwrap();
        assert_eq!(test.repository.tip(&work()).unwrap(), Some(prepared.new_tip));
        let [
            Preparation::Commit {
                id: first,
                parent,
                merged: false,
            },
            Preparation::Commit {
                id,
                parent: second,
                merged: true,
            },
        ] = prepared.items[..]
        else {
            panic!("{prepared:?}");
        };
        assert_eq!((parent, second, id), (test.first, first, prepared.new_tip));
        let snapshot = test.repository.snapshot(prepared.new_tip).unwrap();
        assert_eq!(
            snapshot.read(&path("a")).unwrap().unwrap(),
            b"one\n2\n3\n4\nfive\n"
        );
        assert_eq!(snapshot.read(&path("dir/b")).unwrap(), None);
        assert!(test.repository.contains(&work(), first).unwrap());
        test.check_invariants();
    }
}
