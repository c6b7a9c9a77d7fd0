//! A commit in one step: edits that were made to some base become one commit on the tip of a branch.

use std::path::Path;
use std::sync::Arc;

use git2::Oid;

use crate::branch;
use crate::change::{self, ApplyError, Edit, EditError, ReadyEdit};
use crate::commit::NewCommit;
use crate::conflict::Conflict;
use crate::id::CommitId;
use crate::landing::Preparation;
use crate::merge::{self, Merged};
use crate::merge_policy::MergePolicy;
use crate::message::{Message, Signature};
use crate::name::BranchName;
use crate::object::{ObjectError, Objects};
use crate::path::RepoPath;
use crate::pin::{self, ReadyResult};
use crate::reference::RefMove;
use crate::tree;
use crate::tree_edit::Draft;
use crate::writer::WriteError;

/// Edits to be committed on a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRequest {
    /// The branch that the commit becomes the tip of.
    pub branch: BranchName,
    /// The commit that the edits start from, on the branch or not.
    pub base: CommitId,
    /// What was done, in order.
    pub edits: Vec<Edit>,
    /// What the commit says.
    pub message: Message,
    /// Who made it.
    pub author: Signature,
    /// When, in seconds since 1970.
    pub time: i64,
}

/// Why a request made no commit. The other requests of its batch are not affected unless it says so.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The edits do not fit what they start from.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The branch does not exist.
    #[error("there is no branch {branch}")]
    NoSuchBranch {
        /// The branch.
        branch: BranchName,
    },
    /// Some working copy shows the branch and would fall behind.
    #[error("the branch {branch} is checked out in a working copy")]
    CheckedOut {
        /// The branch.
        branch: BranchName,
    },
    /// Somebody else has moved the branch; try again.
    #[error("the branch {branch} was moved by somebody else")]
    TipMoved {
        /// The branch.
        branch: BranchName,
    },
    /// The batch of the request failed. Whether the commit was made shows in the branch.
    #[error(transparent)]
    Batch(#[from] Arc<WriteError>),
    /// The queue has ended.
    #[error("the queue has ended")]
    Ended,
}

/// A request whose contents are objects already.
#[derive(Debug, Clone)]
pub(crate) struct ReadyCommit {
    pub(crate) branch: BranchName,
    pub(crate) result: ReadyResult,
}

impl ReadyCommit {
    pub(crate) fn new(request: CommitRequest) -> Result<Self, ObjectError> {
        let CommitRequest { branch, base, edits, message, author, time } = request;
        let edits = edits.into_iter().map(ReadyEdit::new).collect::<Result<_, _>>()?;
        Ok(Self { branch, result: ReadyResult { base, edits, message, author, time } })
    }
}

/// A branch while commits are put on it.
#[derive(Debug)]
pub(crate) struct Advance {
    pub(crate) branch: BranchName,
    pub(crate) expected: CommitId,
    pub(crate) tip: CommitId,
}

impl Advance {
    /// Returns the branch as it is, if commits may be put on it.
    pub(crate) fn begin(
        git_dir: &Path,
        branch: &BranchName,
        checked_out: &[BranchName],
    ) -> Result<Self, CommitError> {
        if checked_out.contains(branch) {
            return Err(CommitError::CheckedOut { branch: branch.clone() });
        }
        let tip = branch::tip(git_dir, branch).map_err(|error| Arc::new(WriteError::from(error)))?;
        let tip = tip.ok_or_else(|| CommitError::NoSuchBranch { branch: branch.clone() })?;
        Ok(Self { branch: branch.clone(), expected: tip, tip })
    }

    /// Returns whether there is anything to move.
    pub(crate) fn is_due(&self) -> bool {
        self.tip != self.expected
    }

    pub(crate) fn as_move(&self) -> RefMove {
        RefMove { name: self.branch.ref_name(), expected: Some(self.expected), new: Some(self.tip) }
    }

    /// Adds the commit of a request to the batch, on the tip.
    pub(crate) fn add(
        &mut self,
        objects: &Objects<'_>,
        policy: &MergePolicy,
        result: &ReadyResult,
    ) -> Result<Preparation, ApplyError> {
        let base_tree = pin::base_tree(objects, result.base)?;
        let tip_tree = objects.commit(self.tip)?.tree;
        let draft = match edited_tip(objects, base_tree, tip_tree, &result.edits)? {
            Some(draft) => draft,
            None => match self.merge(objects, policy, [base_tree, tip_tree], result)? {
                Ok(draft) => draft,
                Err(conflict) => return Ok(Preparation::Conflict(conflict)),
            },
        };
        let tree = draft.write(objects)?;
        if tree == tip_tree {
            return Ok(Preparation::Empty);
        }
        let ReadyResult { author, time, message, .. } = result;
        let parent = self.tip;
        let commit = NewCommit { tree, parents: &[parent], author, time: *time, message };
        self.tip = objects.add_commit(commit.encode())?;
        Ok(Preparation::Commit { id: self.tip, parent, merged: tip_tree != base_tree })
    }

    /// Merges the result with the tip, as one that was pinned before.
    fn merge(
        &self,
        objects: &Objects<'_>,
        policy: &MergePolicy,
        [base_tree, tip_tree]: [Oid; 2],
        result: &ReadyResult,
    ) -> Result<Result<Draft, Conflict>, ApplyError> {
        let theirs = pin::add_result(objects, result)?.commit;
        Ok(match merge::merge(objects, policy, [base_tree, tip_tree, objects.commit(theirs)?.tree])? {
            Merged::Clean(draft) => Ok(draft),
            Merged::Conflict(paths) => Err(Conflict { paths, base: result.base, ours: self.tip, theirs }),
        })
    }
}

/// Applies edits straight to the tip where it has at all their paths what the base has there; merging would come to the
/// same. Returns `None` where it does not, or where the edits do not fit.
fn edited_tip(
    objects: &Objects<'_>,
    base_tree: Oid,
    tip_tree: Oid,
    edits: &[ReadyEdit],
) -> Result<Option<Draft>, ObjectError> {
    let same = |path: &RepoPath| {
        Ok::<_, ObjectError>(tree::find(objects, base_tree, path)? == tree::find(objects, tip_tree, path)?)
    };
    if base_tree != tip_tree {
        for path in edits.iter().flat_map(ReadyEdit::paths) {
            if !same(path)? {
                return Ok(None);
            }
        }
    }
    let mut draft = Draft::new(Some(tip_tree));
    match change::apply(objects, &mut draft, edits) {
        Ok(()) => Ok(Some(draft)),
        Err(ApplyError::Edit(_)) => Ok(None),
        Err(ApplyError::Object(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge_policy::Resolution;
    use crate::testing::*;

    fn commit_all(
        test: &TestRepository,
        requests: &[CommitRequest],
    ) -> Vec<Result<Preparation, CommitError>> {
        let answers = test.writer().commit(requests).unwrap();
        test.check_invariants();
        answers
    }

    #[test]
    fn each_request_becomes_the_next_commit_of_its_branch() {
        let test = TestRepository::new(&[("a", "a"), ("dir/b", "b")]);
        let other = BranchName::new("other").unwrap();
        test.repository.create_branch(&other, test.first).unwrap();
        let mut requests = [
            commit_request(test.first, &[write("a", "1")]),
            commit_request(test.first, &[write("dir/b", "2"), write("dir/c", "3")]),
            commit_request(test.first, &[delete("a")]),
        ];
        requests[2].branch = other.clone();
        let answers = commit_all(&test, &requests);
        let [
            Ok(Preparation::Commit { id: one, parent, merged: false }),
            Ok(Preparation::Commit { id: two, parent: second, merged: true }),
            Ok(Preparation::Commit { id: three, parent: third, merged: false }),
        ] = answers[..]
        else {
            panic!("{answers:?}");
        };
        assert_eq!([parent, second, third], [test.first, one, test.first]);
        assert_eq!(test.repository.tip(&work()).unwrap(), Some(two));
        assert_eq!(test.repository.tip(&other).unwrap(), Some(three));
        assert_eq!(test.git(&["show", "work:a"]).1, "1");
        assert_eq!(test.git(&["ls-tree", "-r", "--name-only", "other"]).1, "dir/b\n");
    }

    #[test]
    fn the_short_way_and_the_merge_come_to_the_same_tree() {
        let files = [("a", "1\n2\n3\n4\n5\n"), ("dir/b", "b")];
        let edits = [write("dir/b", "changed"), rename("a", "dir/a"), write("x/y", "new")];
        let direct = TestRepository::new(&files);
        commit_all(&direct, &[commit_request(direct.first, &[write("other", "x")])]);
        commit_all(&direct, &[commit_request(direct.first, &edits)]);
        let landed = TestRepository::new(&files);
        landed.land(landed.pin(landed.first, &[write("other", "x")]));
        landed.land(landed.pin(landed.first, &edits));
        let tree = |test: &TestRepository| test.git(&["rev-parse", "work^{tree}"]).1;
        assert_eq!(tree(&direct), tree(&landed));
    }

    #[test]
    fn changes_to_one_file_are_merged_or_kept_as_a_conflict() {
        let test = TestRepository::new(&[("a", "1\n2\n3\n4\n5\n")]);
        let requests = ["one\n2\n3\n4\n5\n", "1\n2\n3\n4\nfive\n", "uno\n2\n3\n4\n5\n"]
            .map(|text| commit_request(test.first, &[write("a", text)]));
        let answers = commit_all(&test, &requests);
        let [
            Ok(Preparation::Commit { .. }),
            Ok(Preparation::Commit { id, .. }),
            Ok(Preparation::Conflict(conflict)),
        ] = &answers[..]
        else {
            panic!("{answers:?}");
        };
        assert_eq!(test.git(&["show", "work:a"]).1, "one\n2\n3\n4\nfive\n");
        assert_eq!((conflict.base, conflict.ours), (test.first, *id));
        assert!(test.git(&["gc", "--prune=now", "--quiet"]).0);
        let kept = test.repository.snapshot(conflict.theirs).unwrap().read(&path("a")).unwrap();
        assert_eq!(kept.unwrap(), b"uno\n2\n3\n4\n5\n");
    }

    #[test]
    fn a_file_in_the_way_on_the_tip_is_a_conflict_and_one_in_the_base_an_error() {
        let test = TestRepository::new(&[("a", "a"), ("file", "f")]);
        commit_all(&test, &[commit_request(test.first, &[write("d", "a file")])]);
        let requests = [
            commit_request(test.first, &[write("d/x", "in a folder")]),
            commit_request(test.first, &[write("file/x", "x")]),
            commit_request(test.first, &[delete("absent")]),
            commit_request(test.first, &[write("a", "a")]),
            commit_request(CommitId::from_bytes([3; 20]), &[]),
        ];
        let answers = commit_all(&test, &requests);
        assert!(matches!(answers[0], Ok(Preparation::Conflict(_))), "{:?}", answers[0]);
        assert!(matches!(answers[1], Err(CommitError::Edit(EditError::NotAFolder { .. }))));
        assert!(matches!(answers[2], Err(CommitError::Edit(EditError::MissingFile { .. }))));
        assert!(matches!(answers[3], Ok(Preparation::Empty)));
        assert!(matches!(answers[4], Err(CommitError::Edit(EditError::MissingBase { .. }))));
    }

    #[test]
    fn branches_that_are_absent_or_checked_out_are_refused_alone() {
        let test = TestRepository::new(&[("a", "a")]);
        let mut requests = [(); 3].map(|()| commit_request(test.first, &[write("a", "1")]));
        requests[0].branch = BranchName::new("absent").unwrap();
        requests[1].branch = BranchName::new("main").unwrap();
        let answers = commit_all(&test, &requests);
        assert!(matches!(answers[0], Err(CommitError::NoSuchBranch { .. })));
        assert!(matches!(answers[1], Err(CommitError::CheckedOut { .. })));
        assert!(matches!(answers[2], Ok(Preparation::Commit { .. })));
    }

    #[test]
    fn a_policy_resolves_conflicts_by_path() {
        let files = ["mine", "yours", "both", "undecided"].map(|name| (name, "1\n2\n3\n"));
        let test = TestRepository::new(&[&files[..], &[("gone", "x\n")]].concat());
        let rule = |text: &str, resolution| (text.parse().unwrap(), resolution);
        let rules = vec![
            rule("mine", Resolution::Ours),
            rule("yours", Resolution::Theirs),
            rule("both", Resolution::Union),
            rule("go*", Resolution::Theirs),
        ];
        let mut writer = test.writer().with_policy(MergePolicy::new(rules));
        let edits = |word: &str, names: &[&str]| -> Vec<Edit> {
            names.iter().map(|name| write(name, &format!("1\n{word}\n3\n"))).collect()
        };
        let names = ["mine", "yours", "both"];
        let one = [edits("one", &names), vec![write("gone", "changed\n")]].concat();
        let two = [edits("two", &names), vec![delete("gone")]].concat();
        let answers =
            writer.commit(&[commit_request(test.first, &one), commit_request(test.first, &two)]).unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Preparation::Commit { .. }))), "{answers:?}");
        let show = |name: &str| test.git(&["show", &format!("work:{name}")]);
        assert_eq!(names.map(|name| show(name).1), ["1\none\n3\n", "1\ntwo\n3\n", "1\none\ntwo\n3\n"]);
        assert!(!show("gone").0, "what theirs deleted is gone");
        let undecided = ["one", "two"].map(|word| commit_request(test.first, &edits(word, &["undecided"])));
        let answers = writer.commit(&undecided).unwrap();
        assert!(matches!(answers[1], Ok(Preparation::Conflict(_))), "{answers:?}");
        test.check_invariants();
    }

    #[test]
    fn a_driver_merges_what_lines_cannot() {
        let test = TestRepository::new(&[("numbers.lock", "1\n"), ("other", "1\n")]);
        let script = "echo $(($(cat $2) + $(cat $3) - $(cat $1))) > $2";
        let words = ["sh", "-c", script, "sum", "{base}", "{ours}", "{theirs}"].map(str::to_owned);
        let driver = Resolution::Driver(crate::MergeDriver::new(words.to_vec()).unwrap());
        let policy = MergePolicy::new(vec![("**.lock".parse().unwrap(), driver)]);
        let mut writer = test.writer().with_policy(policy);
        let set =
            |path: &str, number: u32| commit_request(test.first, &[write(path, &format!("{number}\n"))]);
        let answers = writer.commit(&[set("numbers.lock", 5), set("numbers.lock", 11)]).unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Preparation::Commit { .. }))), "{answers:?}");
        assert_eq!(test.git(&["show", "work:numbers.lock"]).1, "15\n");
        let answers = writer.commit(&[set("other", 5), set("other", 11)]).unwrap();
        assert!(matches!(answers[1], Ok(Preparation::Conflict(_))), "{answers:?}");
        test.check_invariants();
    }

    #[test]
    fn a_mode_is_an_edit() {
        let test = TestRepository::new(&[("a", "a")]);
        let edit = Edit::SetMode { path: path("a"), mode: crate::FileMode::Executable };
        commit_all(&test, &[commit_request(test.first, &[edit])]);
        assert!(test.git(&["ls-tree", "work"]).1.starts_with("100755 blob"));
    }

    #[test]
    fn a_request_that_cannot_be_merged_does_not_fail_those_beside_it() {
        let test = TestRepository::new(&[("a", "base\n"), ("b", "b\n")]);
        let absent = ["/absent/driver", "{ours}", "{theirs}"].map(str::to_owned).to_vec();
        let driver = crate::MergeDriver::new(absent).unwrap();
        let rules = vec![("a".parse().unwrap(), Resolution::Driver(driver))];
        let mut writer = test.writer().with_policy(MergePolicy::new(rules));
        let requests = [("a", "one\n"), ("a", "two\n"), ("b", "three\n")];
        let requests = requests.map(|(path, text)| commit_request(test.first, &[write(path, text)]));
        let answers = writer.commit(&requests).unwrap();
        assert!(
            matches!(
                &answers[..],
                [Ok(Preparation::Commit { .. }), Err(CommitError::Batch(_)), Ok(Preparation::Commit { .. })]
            ),
            "{answers:?}"
        );
        assert_eq!(test.git(&["rev-list", "--count", "work"]).1.trim(), "3");
        test.check_invariants();
    }

    #[test]
    fn a_new_pack_is_protected_from_collectors_until_the_branch_has_it() {
        let test = TestRepository::new(&[("a", "a")]);
        let git_dir = test.repository.git_dir();
        let lock = crate::lock::ref_lock_path(git_dir, "refs/heads/work");
        std::fs::write(&lock, "").unwrap();
        let is_kept = || {
            let mut packs = std::fs::read_dir(git_dir.join("objects/pack")).unwrap();
            packs.any(|entry| entry.unwrap().path().extension().is_some_and(|kind| kind == "keep"))
        };
        let committed = std::thread::scope(|scope| {
            let committing =
                scope.spawn(|| test.writer().commit(&[commit_request(test.first, &[write("a", "b")])]));
            while !is_kept() {
                assert!(
                    !committing.is_finished(),
                    "it waited for the branch, and its pack was not protected"
                );
                std::thread::yield_now();
            }
            std::fs::remove_file(&lock).unwrap();
            committing.join().unwrap()
        });
        assert!(matches!(committed.unwrap()[..], [Ok(Preparation::Commit { .. })]));
        assert!(!is_kept(), "a protection that nobody needs would stay for ever");
    }
}
