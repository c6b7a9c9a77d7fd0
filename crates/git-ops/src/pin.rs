//! Pinning: edits become result commits that one ref of our own keeps reachable for ever.
//!
//! The ref is a chain. Each batch adds one commit whose parents are the chain so far and the batch's results, so that
//! one ref keeps any number of results and none ever has to be deleted.

use std::path::Path;

use git2::Oid;

use crate::change::{self, ApplyError, Edit, EditError, ReadyEdit};
use crate::commit::NewCommit;
use crate::id::CommitId;
use crate::message::{Message, Signature};
use crate::object::{ObjectError, Objects};
use crate::reference::{self, PINS, RefMove};
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

/// A request whose contents are objects already.
#[derive(Debug, Clone)]
pub(crate) struct ReadyResult {
    pub(crate) base: CommitId,
    pub(crate) edits: Vec<ReadyEdit>,
    pub(crate) message: Message,
    pub(crate) author: Signature,
    pub(crate) time: i64,
}

impl ReadyResult {
    pub(crate) fn new(request: PinRequest) -> Result<Self, ObjectError> {
        let PinRequest { base, edits, message, author, time } = request;
        let edits = edits.into_iter().map(ReadyEdit::new).collect::<Result<_, _>>()?;
        Ok(Self { base, edits, message, author, time })
    }
}

/// Adds the tree and the commit of a result to the batch.
pub(crate) fn add_result(objects: &Objects<'_>, result: &ReadyResult) -> Result<Pinned, ApplyError> {
    let ReadyResult { base, edits, message, author, time } = result;
    let base_tree = base_tree(objects, *base)?;
    let mut draft = Draft::new(Some(base_tree));
    change::apply(objects, &mut draft, edits)?;
    let tree = draft.write(objects)?;
    let commit = NewCommit { tree, parents: &[*base], author, time: *time, message };
    let commit = objects.add_commit(commit.encode())?;
    let changed = tree::count_changes(objects, Some(base_tree), Some(tree))?;
    Ok(Pinned { commit, base: *base, is_empty: tree == base_tree, changed })
}

/// Returns the tree of the commit that edits start from.
pub(crate) fn base_tree(objects: &Objects<'_>, base: CommitId) -> Result<Oid, ApplyError> {
    match objects.commit(base) {
        Ok(record) => Ok(record.tree),
        Err(ObjectError::Missing { .. } | ObjectError::Kind { .. }) => {
            Err(EditError::MissingBase { base }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Adds a link with the results to the chain, and returns the move of its ref; `None` if there are no results.
///
/// A batch that is the last link already, because it is repeated, is not added again.
pub(crate) fn keep(
    objects: &Objects<'_>,
    git_dir: &Path,
    mut results: Vec<CommitId>,
    time: i64,
) -> Result<Option<RefMove>, WriteError> {
    results.sort();
    results.dedup();
    if results.is_empty() {
        return Ok(None);
    }
    let tip = reference::read(git_dir, PINS).map_err(ReadError::from)?;
    let link = match tip {
        Some(tip) if holds_all(objects, tip, &results)? => tip,
        _ => {
            let parents: Vec<CommitId> = tip.into_iter().chain(results).collect();
            add_link(objects, &parents, time)?
        }
    };
    Ok(Some(RefMove { name: PINS.to_owned(), expected: tip, new: Some(link) }))
}

fn holds_all(objects: &Objects<'_>, link: CommitId, results: &[CommitId]) -> Result<bool, ObjectError> {
    let held = objects.commit(link)?.parents;
    Ok(results.iter().all(|result| held.contains(result)))
}

fn add_link(objects: &Objects<'_>, parents: &[CommitId], time: i64) -> Result<CommitId, ObjectError> {
    let tree = objects.add_tree(Vec::new())?;
    let author = Signature { name: "super-planner".to_owned(), email: String::new() };
    let message = Message { subject: "keep results".to_owned(), ..Message::default() };
    objects.add_commit(NewCommit { tree, parents, author: &author, time, message: &message }.encode())
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
