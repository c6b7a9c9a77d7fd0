//! Landing in two phases: prepare makes the commits, publish moves the branch.
//!
//! Between the two the caller can record which commits are about to land. Because preparing again gives the same ids,
//! a crash at any point is resolved by looking which of them the branch contains.

use std::path::Path;
use std::sync::Arc;

use crate::branch;
use crate::commit::NewCommit;
use crate::conflict::Conflict;
use crate::id::CommitId;
use crate::merge::{self, Merged};
use crate::merge_policy::MergePolicy;
use crate::message::{Message, Signature};
use crate::name::BranchName;
use crate::object::{ObjectError, Objects};
use crate::reference::{MoveRefError, RefMove};
use crate::writer::WriteError;

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
    /// Its files cannot be merged, such as by a merge driver that cannot be run. Nothing of it is ready.
    Unmergeable {
        /// Why.
        reason: String,
    },
}

impl Preparation {
    /// Returns the commit that is ready, if there is one.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        match self {
            Self::Commit { id, .. } => Some(*id),
            Self::Empty | Self::Conflict(_) | Self::Unmergeable { .. } => None,
        }
    }
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
    /// Git has collected what was prepared, as nothing reaches it before it is published; prepare again.
    #[error("git has collected {new_tip}, which was prepared for {branch}")]
    Collected {
        /// The branch.
        branch: BranchName,
        /// Where the branch was to go.
        new_tip: CommitId,
    },
    /// The branch could not be read or written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The batch that was to move the branch failed.
    #[error(transparent)]
    Batch(Arc<WriteError>),
    /// The queue has ended.
    #[error("the queue has ended")]
    Ended,
}

impl PublishError {
    /// Returns whether it goes away by itself, as another program lets go of a lock.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Write(error) => error.may_pass(),
            Self::Batch(error) => error.may_pass(),
            Self::TipMoved { .. }
            | Self::CheckedOut { .. }
            | Self::NotADescendant { .. }
            | Self::Collected { .. }
            | Self::Ended => false,
        }
    }
}

/// Adds to the batch what the results become on a branch.
pub(crate) fn prepare(
    objects: &Objects<'_>,
    policy: &MergePolicy,
    git_dir: &Path,
    branch: &BranchName,
    requests: &[LandRequest],
) -> Result<Prepared, WriteError> {
    let tip = branch::tip(git_dir, branch)?;
    let expected_tip = tip.ok_or_else(|| WriteError::NoSuchBranch { branch: branch.clone() })?;
    let mut new_tip = expected_tip;
    let mut items = Vec::with_capacity(requests.len());
    for request in requests {
        let item = land_on(objects, policy, new_tip, request)?;
        new_tip = item.commit().unwrap_or(new_tip);
        items.push(item);
    }
    Ok(Prepared { branch: branch.clone(), expected_tip, new_tip, items })
}

fn land_on(
    objects: &Objects<'_>,
    policy: &MergePolicy,
    parent: CommitId,
    request: &LandRequest,
) -> Result<Preparation, WriteError> {
    let LandRequest { result, message, author, time } = request;
    let theirs = match objects.commit(*result) {
        Ok(record) => record,
        Err(ObjectError::Missing { .. }) => return Err(WriteError::MissingResult { commit: *result }),
        Err(error) => return Err(error.into()),
    };
    let [base] = theirs.parents[..] else {
        return Err(WriteError::NotAResult { commit: *result, parents: theirs.parents.len() });
    };
    let base_tree = objects.commit(base)?.tree;
    let ours_tree = objects.commit(parent)?.tree;
    let draft = match merge::merge(objects, policy, [base_tree, ours_tree, theirs.tree]) {
        // It is about this result alone.
        Err(error @ (ObjectError::MergeDriver { .. } | ObjectError::MergeFile { .. })) => {
            return Ok(Preparation::Unmergeable { reason: error.to_string() });
        }
        Err(error) => return Err(error.into()),
        Ok(Merged::Clean(draft)) => draft,
        Ok(Merged::Conflict(paths)) => {
            return Ok(Preparation::Conflict(Conflict { paths, base, ours: parent, theirs: *result }));
        }
    };
    let tree = draft.write(objects)?;
    if tree == ours_tree {
        return Ok(Preparation::Empty);
    }
    let commit = NewCommit { tree, parents: &[parent], author, time: *time, message };
    let id = objects.add_commit(commit.encode())?;
    Ok(Preparation::Commit { id, parent, merged: tree != theirs.tree })
}

/// Returns the move that publishes what is prepared, or why it must not be made.
pub(crate) fn planned_move(
    repository: &git2::Repository,
    objects: &Objects<'_>,
    checked_out: &[BranchName],
    prepared: &Prepared,
) -> Result<RefMove, PublishError> {
    let Prepared { branch, expected_tip, new_tip, .. } = prepared;
    let (expected_tip, new_tip) = (*expected_tip, *new_tip);
    if checked_out.contains(branch) {
        return Err(PublishError::CheckedOut { branch: branch.clone() });
    }
    if matches!(objects.commit(new_tip), Err(ObjectError::Missing { .. })) {
        return Err(PublishError::Collected { branch: branch.clone(), new_tip });
    }
    if !branch::is_ancestor(repository, objects, expected_tip, new_tip).map_err(WriteError::Read)? {
        return Err(PublishError::NotADescendant { new_tip, expected_tip });
    }
    Ok(RefMove { name: branch.ref_name(), expected: Some(expected_tip), new: Some(new_tip) })
}

/// Returns what the outcome of a move means for the branch.
pub(crate) fn published(prepared: &Prepared, moved: Result<(), MoveRefError>) -> Result<(), PublishError> {
    match moved {
        Ok(()) => Ok(()),
        Err(MoveRefError::Elsewhere { found, .. }) => {
            let Prepared { branch, expected_tip, .. } = prepared;
            Err(PublishError::TipMoved { branch: branch.clone(), expected: *expected_tip, found })
        }
        Err(error) => Err(WriteError::Move(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::HeldLock;
    use crate::testing::*;

    #[test]
    fn two_results_from_one_base_land_one_after_the_other() {
        let test = TestRepository::new(&[("a", "1\n2\n3\n4\n5\n"), ("dir/b", "b\n")]);
        let one = test.pin(test.first, &[write("a", "one\n2\n3\n4\n5\n"), write("new/file", "x")]);
        let two = test.pin(test.first, &[write("a", "1\n2\n3\n4\nfive\n"), delete("dir/b")]);
        let mut writer = test.writer();
        let prepared = writer.prepare(&work(), &[land_request(one), land_request(two)]).unwrap();
        assert_eq!(test.repository.tip(&work()).unwrap(), Some(test.first), "preparing moves nothing");
        writer.publish(&prepared).unwrap();
        assert_eq!(test.repository.tip(&work()).unwrap(), Some(prepared.new_tip));
        let [
            Preparation::Commit { id: first, parent, merged: false },
            Preparation::Commit { id, parent: second, merged: true },
        ] = prepared.items[..]
        else {
            panic!("{prepared:?}");
        };
        assert_eq!((parent, second, id), (test.first, first, prepared.new_tip));
        let snapshot = test.repository.snapshot(prepared.new_tip).unwrap();
        assert_eq!(snapshot.read(&path("a")).unwrap().unwrap(), b"one\n2\n3\n4\nfive\n");
        assert_eq!(snapshot.read(&path("dir/b")).unwrap(), None);
        assert!(test.repository.contains(&work(), first).unwrap());
        test.check_invariants();
    }
    /// Returns two results that changed the same line.
    fn rivals(test: &TestRepository) -> [CommitId; 2] {
        ["one\n", "two\n"].map(|content| test.pin(test.first, &[write("a", content)]))
    }

    #[test]
    fn a_conflict_is_data_and_stops_nobody() {
        let test = TestRepository::new(&[("a", "base\n")]);
        let [one, two] = rivals(&test);
        let free = test.pin(test.first, &[write("b", "b")]);
        let requests = [one, two, free].map(land_request);
        let prepared = test.writer().prepare(&work(), &requests).unwrap();
        let [
            Preparation::Commit { id, .. },
            Preparation::Conflict(conflict),
            Preparation::Commit { parent, .. },
        ] = &prepared.items[..]
        else {
            panic!("{prepared:?}");
        };
        assert_eq!(parent, id);
        assert_eq!((conflict.base, conflict.ours, conflict.theirs), (test.first, *id, two));
        let [at] = &conflict.paths[..] else { panic!("{conflict:?}") };
        assert_eq!(at.path, "a");
        let content = |version: Option<crate::Version>| test.repository.blob(version.unwrap().blob).unwrap();
        assert_eq!(content(at.base), b"base\n");
        assert_eq!(content(at.ours), b"one\n");
        assert_eq!(content(at.theirs), b"two\n");
        test.check_invariants();
    }

    #[test]
    fn a_result_whose_driver_cannot_be_run_stops_nobody() {
        let test = TestRepository::new(&[("a", "base\n")]);
        let [one, two] = rivals(&test);
        let free = test.pin(test.first, &[write("b", "b")]);
        let absent = ["/absent/driver", "{ours}", "{theirs}"].map(str::to_owned).to_vec();
        let driver = crate::Resolution::Driver(crate::MergeDriver::new(absent).unwrap());
        let policy = MergePolicy::new(vec![("a".parse().unwrap(), driver)]);
        let requests = [one, two, free].map(land_request);
        let prepared = test.writer().with_policy(policy).prepare(&work(), &requests).unwrap();
        let [Preparation::Commit { .. }, Preparation::Unmergeable { reason }, Preparation::Commit { .. }] =
            &prepared.items[..]
        else {
            panic!("{prepared:?}");
        };
        assert!(reason.contains("driver"), "{reason}");
        assert_eq!(prepared.items[2].commit(), Some(prepared.new_tip));
    }

    #[test]
    fn what_is_there_already_makes_no_commit() {
        let test = TestRepository::new(&[("a", "a")]);
        let result = test.pin(test.first, &[write("b", "b")]);
        let empty = test.pin(test.first, &[]);
        assert!(matches!(test.land(result), Preparation::Commit { merged: false, .. }));
        let tip = test.repository.tip(&work()).unwrap();
        assert_eq!(test.land(result), Preparation::Empty);
        assert_eq!(test.land(empty), Preparation::Empty);
        assert_eq!(test.repository.tip(&work()).unwrap(), tip);
    }

    #[test]
    fn preparing_gives_the_same_commits_every_time_and_everywhere() {
        let prepare = || {
            let test = TestRepository::new(&[("a", "1\n2\n3\n4\n5\n")]);
            let one = test.pin(test.first, &[write("a", "one\n2\n3\n4\n5\n")]);
            let two = test.pin(test.first, &[write("a", "1\n2\n3\n4\nfive\n")]);
            let requests = [one, two].map(land_request);
            let prepared = test.writer().prepare(&work(), &requests).unwrap();
            assert_eq!(test.writer().prepare(&work(), &requests).unwrap(), prepared);
            prepared
        };
        assert_eq!(prepare(), prepare());
    }

    #[test]
    fn a_branch_that_moved_is_left_alone() {
        let test = TestRepository::new(&[("a", "a")]);
        let [one, two] = rivals(&test);
        let mut writer = test.writer();
        let first = writer.prepare(&work(), &[land_request(one)]).unwrap();
        let second = writer.prepare(&work(), &[land_request(two)]).unwrap();
        writer.publish(&first).unwrap();
        let refused = writer.publish(&second);
        let found = Some(first.new_tip);
        assert!(
            matches!(refused, Err(PublishError::TipMoved { found: at, .. }) if at == found),
            "{refused:?}"
        );
        assert_eq!(test.repository.tip(&work()).unwrap(), found);
        writer.publish(&first).expect("what is published can be published again");
        assert!(test.git(&["update-ref", "-d", "refs/heads/work"]).0);
        assert!(matches!(writer.publish(&first), Err(PublishError::TipMoved { found: None, .. })));
    }

    #[test]
    fn a_branch_in_a_working_copy_is_left_alone() {
        let test = TestRepository::new(&[("a", "a")]);
        let [one, _] = rivals(&test);
        let main = BranchName::new("main").unwrap();
        let mut writer = test.writer();
        let on_main = writer.prepare(&main, &[land_request(one)]).unwrap();
        assert!(matches!(writer.publish(&on_main), Err(PublishError::CheckedOut { .. })));
        let linked = test.folder.path().join("linked");
        assert!(test.git(&["worktree", "add", "--quiet", linked.to_str().unwrap(), "work"]).0);
        assert_eq!(test.repository.checked_out_branches().unwrap(), [main.clone(), work()]);
        let on_work = writer.prepare(&work(), &[land_request(one)]).unwrap();
        assert!(matches!(writer.publish(&on_work), Err(PublishError::CheckedOut { .. })));
        assert!(git(&linked, &["checkout", "--quiet", "--detach"]).0);
        writer.publish(&on_work).unwrap();
        assert_eq!(test.repository.tip(&main).unwrap(), Some(test.first));
    }

    #[test]
    fn a_branch_only_goes_forward() {
        let test = TestRepository::new(&[("a", "a")]);
        let [one, two] = rivals(&test);
        let items = Vec::new();
        let prepared = Prepared { branch: work(), expected_tip: one, new_tip: two, items };
        assert!(matches!(test.writer().publish(&prepared), Err(PublishError::NotADescendant { .. })));
    }

    #[test]
    fn what_git_has_collected_is_not_published_and_can_be_prepared_again() {
        let test = TestRepository::new(&[("a", "1\n2\n3\n")]);
        let one = test.pin(test.first, &[write("a", "one\n2\n3\n")]);
        let two = test.pin(test.first, &[write("a", "1\n2\nthree\n")]);
        let requests = [one, two].map(land_request);
        let mut writer = test.writer();
        let prepared = writer.prepare(&work(), &requests).unwrap();
        assert!(test.git(&["gc", "--quiet", "--prune=now"]).0);
        let refused = writer.publish(&prepared);
        assert!(matches!(refused, Err(PublishError::Collected { .. })), "{refused:?}");
        assert_eq!(test.repository.tip(&work()).unwrap(), Some(test.first));
        assert_eq!(writer.prepare(&work(), &requests).unwrap(), prepared);
        writer.publish(&prepared).unwrap();
        test.check_invariants();
    }

    #[test]
    fn nonsense_is_refused() {
        let test = TestRepository::new(&[("a", "a")]);
        let mut writer = test.writer();
        let nowhere = BranchName::new("nowhere").unwrap();
        assert!(matches!(writer.prepare(&nowhere, &[]), Err(WriteError::NoSuchBranch { .. })));
        let root = writer.prepare(&work(), &[land_request(test.first)]);
        assert!(matches!(root, Err(WriteError::NotAResult { parents: 0, .. })));
        let absent = writer.prepare(&work(), &[land_request(CommitId::from_bytes([9; 20]))]);
        assert!(matches!(absent, Err(WriteError::MissingResult { .. })));
        let nothing = writer.prepare(&work(), &[]).unwrap();
        assert_eq!(nothing.new_tip, test.first);
        writer.publish(&nothing).unwrap();
    }

    #[test]
    fn landing_goes_on_after_the_refs_were_packed() {
        let test = TestRepository::new(&[("a", "a")]);
        let [one, _] = rivals(&test);
        assert!(test.git(&["pack-refs", "--all", "--prune"]).0);
        assert_eq!(test.repository.tip(&work()).unwrap(), Some(test.first));
        assert!(matches!(test.land(one), Preparation::Commit { .. }));
        test.check_invariants();
    }

    #[test]
    fn a_lock_that_a_dead_writer_left_is_swept_and_that_of_another_program_is_not() {
        let test = TestRepository::new(&[("a", "a")]);
        let [one, _] = rivals(&test);
        let prepared = test.writer().prepare(&work(), &[land_request(one)]).unwrap();
        let lock = crate::lock::ref_lock_path(test.repository.git_dir(), "refs/heads/work");
        std::fs::write(&lock, "").unwrap();
        let refused = test.writer().publish(&prepared);
        let locked = matches!(&refused, Err(PublishError::Write(WriteError::Move(MoveRefError::Locked { path, .. }))) if *path == lock);
        assert!(locked && lock.exists(), "{refused:?}");
        std::fs::remove_file(&lock).unwrap();
        HeldLock::acquire(test.repository.git_dir()).unwrap().lock_beside(&lock).unwrap();
        test.writer().publish(&prepared).unwrap();
        assert!(!lock.exists());
    }

    #[test]
    fn two_writers_take_turns() {
        let test = TestRepository::new(&[("a", "a")]);
        let mut commits = std::thread::scope(|scope| {
            let threads = ["x", "y"].map(|name| scope.spawn(|| land_ten(&test, name)));
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        commits.sort();
        commits.dedup();
        assert_eq!(commits.len(), 20);
        assert!(commits.iter().all(|commit| test.repository.contains(&work(), *commit).unwrap()));
        let (_, count) = test.git(&["rev-list", "--count", "work"]);
        assert_eq!(count.trim(), "21", "no commit is lost and none is there twice");
        test.check_invariants();
    }

    fn land_ten(test: &TestRepository, name: &str) -> Vec<CommitId> {
        let mut writer = test.writer();
        let land = |n| {
            let result = test.pin(test.first, &[write(&format!("{name}{n}"), name)]);
            loop {
                let prepared = writer.prepare(&work(), &[land_request(result)]).unwrap();
                match writer.publish(&prepared) {
                    Ok(()) => return prepared.new_tip,
                    Err(PublishError::TipMoved { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        (0..10).map(land).collect()
    }
}
