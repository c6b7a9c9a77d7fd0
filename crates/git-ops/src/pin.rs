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
    let PinRequest { base, edits, message, author, time } = request;
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
    let commit = NewCommit { tree, parents: &[*base], author, time: *time, message };
    let commit = objects.write_commit(&commit.encode())?;
    let changed = tree::count_changes(objects, Some(base_tree), Some(tree))?;
    Ok(Pinned { commit, base: *base, is_empty: tree == base_tree, changed })
}

/// Adds the results to the chain. A batch that is its last link already, because it is repeated, is not added again.
fn keep(
    repository: &git2::Repository,
    objects: &Objects<'_>,
    lock: &mut HeldLock,
    results: Vec<CommitId>,
    time: i64,
) -> Result<(), WriteError> {
    let tip = reference::read(repository, PINS)
        .map_err(|source| ReadError::Reference { name: PINS.to_owned(), source })?;
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
    let author = Signature { name: "super-planner".to_owned(), email: String::new() };
    let message = Message { subject: "keep results".to_owned(), ..Message::default() };
    objects.write_commit(&NewCommit { tree, parents, author: &author, time, message: &message }.encode())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn a_failed_request_does_not_touch_the_others() {
        let test = TestRepository::new(&[("dir/a", "a"), ("b", "b")]);
        let absent = CommitId::from_bytes([7; 20]);
        let requests = [
            pin_request(test.first, &[delete("absent")]),
            pin_request(test.first, &[write("dir", "x")]),
            pin_request(test.first, &[write("b/below", "x")]),
            pin_request(test.first, &[rename("b", "dir/a")]),
            pin_request(test.first, &[rename("absent", "c")]),
            pin_request(test.first, &[delete("dir")]),
            pin_request(absent, &[]),
            pin_request(test.first, &[write("good", "x")]),
        ];
        let answers = test.writer().pin(&requests).unwrap();
        let [a, b, c, d, e, f, g, Ok(good)] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(a, &Err(EditError::MissingFile { path: path("absent") }));
        assert_eq!(b, &Err(EditError::IsFolder { path: path("dir") }));
        assert_eq!(c, &Err(EditError::NotAFolder { path: path("b/below"), file: "b".to_owned() }));
        assert_eq!(d, &Err(EditError::TargetExists { from: path("b"), to: path("dir/a") }));
        assert_eq!(e, &Err(EditError::MissingFile { path: path("absent") }));
        assert_eq!(f, &Err(EditError::IsFolder { path: path("dir") }));
        assert_eq!(g, &Err(EditError::MissingBase { base: absent }));
        assert_eq!((good.base, good.is_empty, good.changed), (test.first, false, 1));
        test.check_invariants();
    }

    #[test]
    fn edits_see_those_before_them() {
        let test = TestRepository::new(&[("dir/a", "a"), ("b", "b")]);
        let edits = [
            delete("dir/a"),
            write("dir", "now a file"),
            rename("b", "c/d/e"),
            write("b/x", "1"),
            delete("b/x"),
        ];
        let commit = test.pin(test.first, &edits);
        let files: Vec<String> = test
            .repository
            .snapshot(commit)
            .unwrap()
            .list()
            .unwrap()
            .files
            .iter()
            .map(|(path, _)| path.to_string())
            .collect();
        assert_eq!(files, ["c/d/e", "dir"]);
    }

    #[test]
    fn an_empty_result_is_said_to_be_empty() {
        let test = TestRepository::new(&[("a", "a")]);
        let requests = [
            pin_request(test.first, &[]),
            pin_request(test.first, &[write("a", "a")]),
            pin_request(test.first, &[delete("a")]),
        ];
        let answers = test.writer().pin(&requests).unwrap();
        let empty: Vec<bool> = answers.iter().map(|answer| answer.as_ref().unwrap().is_empty).collect();
        assert_eq!(empty, [true, true, false]);
        test.check_invariants();
    }

    #[test]
    fn what_is_pinned_survives_the_collector() {
        let test = TestRepository::new(&[("a", "a")]);
        let commits: Vec<CommitId> =
            (0..5).map(|n| test.pin(test.first, &[write("a", &format!("version {n}"))])).collect();
        assert!(test.git(&["gc", "--prune=now", "--quiet"]).0);
        for (n, commit) in commits.into_iter().enumerate() {
            let content = test.repository.snapshot(commit).unwrap().read(&path("a")).unwrap();
            assert_eq!(content.unwrap(), format!("version {n}").into_bytes());
            assert!(matches!(test.land(commit), crate::Preparation::Commit { .. }) == (n == 0));
        }
        test.check_invariants();
    }

    #[test]
    fn a_repeated_batch_gives_the_same_commits_and_adds_no_link() {
        let test = TestRepository::new(&[("a", "a")]);
        let requests =
            [pin_request(test.first, &[write("a", "1")]), pin_request(test.first, &[write("a", "2")])];
        let first = test.writer().pin(&requests).unwrap();
        let link = test.git(&["rev-parse", PINS]);
        assert_eq!(test.writer().pin(&requests).unwrap(), first);
        assert_eq!(test.git(&["rev-parse", PINS]), link);
    }
}
