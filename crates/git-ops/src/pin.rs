//! Pinning: edits become result commits that one ref of our own keeps reachable for ever.
//!
//! The ref is a chain. Each batch adds one commit whose parents are the chain so far and the batch's results, so that
//! one ref keeps any number of results and none ever has to be deleted.

use crate::change::{self, ApplyError, Edit, EditError};
use crate::commit::NewCommit;
use crate::id::CommitId;
use crate::lock::HeldLock;
use crate::message::{Message, Signature};
use crate::object::{ObjectError, Objects};
use crate::reference::{self, PINS};
use crate::repository::ReadError;
use crate::tree;
use crate::tree_edit::Draft;
use crate::writer::WriteError;

/// A result to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRequest {
    /// The commit that the edits start from; the parent of the result.
    pub base: CommitId,
    /// What was done, in order.
    pub edits: Vec<Edit>,
    /// What the result commit says.
    pub message: Message,
    /// Who made it.
    pub author: Signature,
    /// When, in seconds since 1970.
    pub time: i64,
}

/// A result that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// The result commit.
    pub commit: CommitId,
    /// Its only parent.
    pub base: CommitId,
    /// Whether it has the same files as its base.
    pub is_empty: bool,
    /// How many files differ from the base.
    pub changed: usize,
}

pub(crate) fn pin(
    repository: &git2::Repository,
    lock: &mut HeldLock,
    requests: &[PinRequest],
) -> Result<Vec<Result<Pinned, EditError>>, WriteError> {
    let objects = Objects::open(repository)?;
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        answers.push(match write_result(&objects, request) {
            Ok(pinned) => Ok(pinned),
            Err(ApplyError::Edit(error)) => Err(error),
            Err(ApplyError::Object(error)) => return Err(error.into()),
        });
    }
    let mut results: Vec<CommitId> = answers.iter().flatten().map(|pinned| pinned.commit).collect();
    results.sort();
    results.dedup();
    if !results.is_empty() {
        let time = requests.iter().map(|request| request.time).max().unwrap_or(0);
        keep(repository, &objects, lock, results, time)?;
    }
    Ok(answers)
}

fn write_result(objects: &Objects<'_>, request: &PinRequest) -> Result<Pinned, ApplyError> {
    let PinRequest {
        base,
        edits,
        message,
        author,
        time,
    } = request;
    let base_tree = match objects.commit(*base) {
        Ok(record) => record.tree,
        Err(ObjectError::Missing { .. } | ObjectError::Kind { .. }) => {
            return Err(EditError::MissingBase { base: *base }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let mut draft = Draft::new(Some(base_tree));
    change::apply(objects, &mut draft, edits)?;
    let tree = draft.write(objects)?;
    let commit = NewCommit {
        tree,
        parents: &[*base],
        author,
        time: *time,
        message,
    };
    let commit = objects.write_commit(&commit.encode())?;
    let changed = tree::count_changes(objects, Some(base_tree), Some(tree))?;
    Ok(Pinned {
        commit,
        base: *base,
        is_empty: tree == base_tree,
        changed,
    })
}

/// Adds the results to the chain. A batch that is its last link already, because it is repeated, is not added again.
fn keep(
    repository: &git2::Repository,
    objects: &Objects<'_>,
    lock: &mut HeldLock,
    results: Vec<CommitId>,
    time: i64,
) -> Result<(), WriteError> {
    let tip = reference::read(repository, PINS).map_err(|source| ReadError::Reference {
        name: PINS.to_owned(),
        source,
    })?;
    let link = match tip {
        Some(tip) if holds_all(objects, tip, &results)? => tip,
        _ => {
            let parents: Vec<CommitId> = tip.into_iter().chain(results).collect();
            write_link(objects, &parents, time)?
        }
    };
    objects.flush()?;
    reference::compare_and_swap(repository, lock, PINS, tip, link)?;
    Ok(())
}

fn holds_all(objects: &Objects<'_>, link: CommitId, results: &[CommitId]) -> Result<bool, ObjectError> {
    let held = objects.commit(link)?.parents;
    Ok(results.iter().all(|result| held.contains(result)))
}

fn write_link(objects: &Objects<'_>, parents: &[CommitId], time: i64) -> Result<CommitId, ObjectError> {
    let tree = objects.write_tree(Vec::new())?;
    let author = Signature {
        name: "super-planner".to_owned(),
        email: String::new(),
    };
    let message = Message {
        subject: "keep results".to_owned(),
        ..Message::default()
    };
    objects.write_commit(
        &NewCommit {
            tree,
            parents,
            author: &author,
            time,
            message: &message,
        }
        .encode(),
    )
}
