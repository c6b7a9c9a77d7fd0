//! Branches: where they are, which commits they contain, and which ones some working copy has checked out.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::id::CommitId;
use crate::lock::{HeldLock, LockError};
use crate::name::BranchName;
use crate::object::Objects;
use crate::object_cache::ObjectCache;
use crate::reference::{self, MoveRefError, RefMove, Refs};
use crate::repository::{ReadError, Repository};

const HEADS: &str = "refs/heads/";
/// How far the history is followed before libgit2 is asked, which has to find its way first.
const STEPS_MAX: usize = 2048;

/// Why a branch was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateBranchError {
    /// There is one of that name, at another commit.
    #[error("the branch {branch} exists, at {at}")]
    Exists {
        /// The branch.
        branch: BranchName,
        /// Where it is.
        at: CommitId,
    },
    /// The lock of the writer was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The commit or the branch cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ref cannot be written.
    #[error(transparent)]
    Move(#[from] MoveRefError),
}

/// Why a branch was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteBranchError {
    /// Some working copy shows the branch.
    #[error("the branch {branch} is checked out in a working copy")]
    CheckedOut {
        /// The branch.
        branch: BranchName,
    },
    /// The lock of the writer was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It cannot be told which branches are checked out.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The branch is elsewhere, or its ref cannot be removed.
    #[error(transparent)]
    Move(#[from] MoveRefError),
}

impl Repository {
    /// Returns every branch with the commit that it is at. Names that we would refuse are left out.
    pub fn branches(&self) -> Result<BTreeMap<BranchName, CommitId>, ReadError> {
        let listed = reference::list(self.git_dir(), HEADS)?;
        Ok(listed
            .into_iter()
            .filter_map(|(name, commit)| Some((BranchName::new(&name).ok()?, commit)))
            .collect())
    }

    /// Creates a branch, durably. One that exists at that very commit is fine, one that exists elsewhere is not moved.
    pub fn create_branch(&self, branch: &BranchName, at: CommitId) -> Result<(), CreateBranchError> {
        let created = self.create_branches(&[(branch.clone(), at)])?;
        created.into_iter().next().expect("one branch has one outcome")
    }

    /// Creates branches, which share their flushes, as [`Repository::create_branch`] each.
    ///
    /// The outcomes are in the order of the branches; one that is refused does not touch the others. Where one of the commits
    /// does not exist, no branch is created.
    pub fn create_branches(
        &self,
        branches: &[(BranchName, CommitId)],
    ) -> Result<Vec<Result<(), CreateBranchError>>, CreateBranchError> {
        let (repository, known) = (self.open_raw()?, ObjectCache::default());
        let objects = Objects::open(&repository, &known).map_err(ReadError::Object)?;
        for (_, at) in branches {
            objects.commit(*at).map_err(ReadError::Object)?;
        }
        let as_move = |(branch, at): &(BranchName, CommitId)| RefMove {
            name: branch.ref_name(),
            expected: None,
            new: Some(*at),
        };
        let moves: Vec<RefMove> = branches.iter().map(as_move).collect();
        let lock = HeldLock::acquire_and_search(self.git_dir())?;
        let moved = Refs::new(self.git_dir()).move_all(&lock, &moves);
        let outcomes = moved.into_iter().zip(branches).map(|(moved, (branch, _))| match moved {
            Err(MoveRefError::Elsewhere { found: Some(at), .. }) => {
                Err(CreateBranchError::Exists { branch: branch.clone(), at })
            }
            moved => Ok(moved?),
        });
        Ok(outcomes.collect())
    }

    /// Returns how many commits can be reached from one commit and not from another.
    pub fn distance(&self, from: CommitId, to: CommitId) -> Result<usize, ReadError> {
        let counted = self.open_raw()?.graph_ahead_behind(to.oid(), from.oid());
        counted.map(|(ahead, _)| ahead).map_err(|source| ReadError::History { from: to, source })
    }

    /// Deletes a branch that is at the commit given, durably. One that does not exist is fine.
    ///
    /// A branch that some working copy shows is not deleted. Commits that nothing else reaches are left to git, which
    /// collects them after some weeks.
    pub fn delete_branch(&self, branch: &BranchName, at: CommitId) -> Result<(), DeleteBranchError> {
        let deleted = self.delete_branches(&[(branch.clone(), at)])?;
        deleted.into_iter().next().expect("one branch has one outcome")
    }

    /// Deletes branches, which share their flushes, as [`Repository::delete_branch`] each.
    ///
    /// The outcomes are in the order of the branches; one that is refused does not touch the others.
    pub fn delete_branches(
        &self,
        branches: &[(BranchName, CommitId)],
    ) -> Result<Vec<Result<(), DeleteBranchError>>, DeleteBranchError> {
        let lock = HeldLock::acquire_and_search(self.git_dir())?;
        let shown = self.checked_out_branches()?;
        let is_free = |branch: &&(BranchName, CommitId)| !shown.contains(&branch.0);
        let as_move = |(branch, at): &(BranchName, CommitId)| RefMove {
            name: branch.ref_name(),
            expected: Some(*at),
            new: None,
        };
        let moves: Vec<RefMove> = branches.iter().filter(is_free).map(as_move).collect();
        let mut moved = Refs::new(self.git_dir()).move_all(&lock, &moves).into_iter();
        let outcomes = branches.iter().map(|branch| match is_free(&branch) {
            true => Ok(moved.next().expect("every move has an outcome")?),
            false => Err(DeleteBranchError::CheckedOut { branch: branch.0.clone() }),
        });
        Ok(outcomes.collect())
    }
}

pub(crate) fn tip(git_dir: &Path, branch: &BranchName) -> Result<Option<CommitId>, ReadError> {
    Ok(reference::read(git_dir, &branch.ref_name())?)
}

/// Returns whether a commit can be reached from another.
pub(crate) fn is_ancestor(
    repository: &git2::Repository,
    objects: &Objects<'_>,
    ancestor: CommitId,
    descendant: CommitId,
) -> Result<bool, ReadError> {
    objects.commit(ancestor)?;
    // Mostly the one is a few single-parent commits after the other.
    let mut at = descendant;
    for _ in 0..STEPS_MAX {
        if at == ancestor {
            return Ok(true);
        }
        let [parent] = objects.commit(at)?.parents[..] else { break };
        at = parent;
    }
    repository
        .graph_descendant_of(at.oid(), ancestor.oid())
        .map_err(|source| ReadError::History { from: descendant, source })
}

/// Returns every branch that a working copy shows, or that a rebase there will move, sorted.
pub(crate) fn checked_out(repository: &git2::Repository) -> Result<Vec<BranchName>, ReadError> {
    let git_dir = repository.commondir();
    let mut folders = linked_worktrees(git_dir)?;
    if has_main_worktree(repository) {
        folders.push(git_dir.to_owned());
    }
    let mut branches = Vec::new();
    for folder in folders {
        for file in ["HEAD", "rebase-merge/head-name", "rebase-apply/head-name"] {
            branches.extend(named_branch(&folder.join(file))?);
        }
    }
    branches.sort();
    branches.dedup();
    Ok(branches)
}

/// The repository is open as a bare one, so libgit2 cannot be asked.
fn has_main_worktree(repository: &git2::Repository) -> bool {
    let named_git = repository.commondir().file_name().is_some_and(|name| name == ".git");
    let bare = repository.config().and_then(|config| config.get_bool("core.bare"));
    !bare.unwrap_or(!named_git)
}

fn linked_worktrees(git_dir: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let path = git_dir.join("worktrees");
    let listed =
        std::fs::read_dir(&path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|source| ReadError::Io { path, source }),
    }
}

/// Returns the branch that a file such as `HEAD` names, if it names one.
fn named_branch(path: &Path) -> Result<Option<BranchName>, ReadError> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => {
            return Err(ReadError::Io { path: path.to_owned(), source });
        }
    };
    let name = text.strip_prefix("ref:").unwrap_or(&text).trim();
    // A branch whose name we would refuse cannot be one that we move.
    Ok(name.strip_prefix(HEADS).and_then(|short| BranchName::new(short).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::ObjectError;
    use crate::testing::*;
    use crate::{CommitRequest, Preparation};

    #[test]
    fn a_branch_is_created_once() {
        let test = TestRepository::new(&[("a", "1")]);
        let other = test.pin(test.first, &[write("a", "2")]);
        test.repository.create_branch(&work(), test.first).expect("it is there already");
        let refused = test.repository.create_branch(&work(), other);
        assert!(
            matches!(refused, Err(CreateBranchError::Exists { at, .. }) if at == test.first),
            "{refused:?}"
        );
        let deep = BranchName::new("super-planner/deep/er").unwrap();
        test.repository.create_branch(&deep, other).unwrap();
        assert_eq!(test.repository.tip(&deep).unwrap(), Some(other));
        let absent =
            test.repository.create_branch(&BranchName::new("x").unwrap(), CommitId::from_bytes([8; 20]));
        assert!(matches!(
            absent,
            Err(CreateBranchError::Read(ReadError::Object(ObjectError::Missing { .. })))
        ));
    }

    #[test]
    fn many_branches_are_created_listed_and_deleted_wherever_git_keeps_them() {
        let test = TestRepository::new(&[("a", "1")]);
        let names: Vec<BranchName> =
            (0..300).map(|n| BranchName::new(&format!("many/{}/{n}", n % 7)).unwrap()).collect();
        let wanted: Vec<_> = names.iter().map(|name| (name.clone(), test.first)).collect();
        assert!(test.repository.create_branches(&wanted).unwrap().into_iter().all(|created| created.is_ok()));
        let one = BranchName::new("many/loose").unwrap();
        test.repository.create_branch(&one, test.first).unwrap();
        let git_lists = || {
            let listed = test.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]).1;
            listed.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let we_list = || {
            test.repository.branches().unwrap().into_keys().map(|name| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(we_list(), git_lists());
        assert_eq!(we_list().len(), 303, "with main and work");
        assert!(
            test.git(&["update-ref", "refs/heads/many/0/0", "HEAD"]).0,
            "git can move one that is packed"
        );
        for name in names.iter().take(40).chain([&one]) {
            test.repository.delete_branch(name, test.first).unwrap();
            assert_eq!(test.repository.tip(name).unwrap(), None);
        }
        test.repository.delete_branch(&one, test.first).expect("it is gone already");
        assert_eq!(we_list(), git_lists());
        assert_eq!(we_list().len(), 262);
        test.check_invariants();
    }

    #[test]
    fn ten_thousand_branches_are_made_moved_listed_and_deleted() {
        let test = TestRepository::new(&[("a", "1")]);
        let name = |n: usize| BranchName::new(&format!("fleet/{}/agent{n}", n % 100)).unwrap();
        let all: Vec<_> = (0..10_000).map(|n| (name(n), test.first)).collect();
        for half in all.chunks(5000) {
            assert!(test.repository.create_branches(half).unwrap().into_iter().all(|made| made.is_ok()));
        }
        let lists = || test.git(&["for-each-ref", "--count=20000", "refs/heads/fleet"]).1.lines().count();
        assert_eq!((test.repository.branches().unwrap().len(), lists()), (10_002, 10_000));
        let request =
            |n: usize| CommitRequest { branch: name(n), ..commit_request(test.first, &[write("a", "2")]) };
        let requests: Vec<_> = (0..300).map(|n| request(n * 31)).collect();
        let committed = test.writer().commit(&requests).unwrap();
        assert!(committed.iter().all(|made| matches!(made, Ok(Preparation::Commit { .. }))));
        let mut outcomes = test.repository.delete_branches(&all).unwrap();
        outcomes.retain(|outcome| {
            matches!(outcome, Err(DeleteBranchError::Move(MoveRefError::Elsewhere { .. })))
        });
        assert_eq!(outcomes.len(), 300, "those that have moved on stay");
        assert_eq!((test.repository.branches().unwrap().len(), lists()), (302, 300));
        let Ok(Preparation::Commit { id, .. }) = committed[7] else { panic!() };
        assert_eq!(test.repository.tip(&name(7 * 31)).unwrap(), Some(id));
        test.check_invariants();
    }

    #[test]
    fn a_branch_is_deleted_only_where_it_is_expected_and_not_shown() {
        let test = TestRepository::new(&[("a", "1")]);
        let elsewhere = test.pin(test.first, &[write("a", "2")]);
        let moved = test.repository.delete_branch(&work(), elsewhere);
        assert!(matches!(moved, Err(DeleteBranchError::Move(MoveRefError::Elsewhere { .. }))), "{moved:?}");
        let shown = test.repository.delete_branch(&BranchName::new("main").unwrap(), test.first);
        assert!(matches!(shown, Err(DeleteBranchError::CheckedOut { .. })), "{shown:?}");
        assert_eq!(test.repository.branches().unwrap().len(), 2);
    }

    #[test]
    fn names_that_are_folders_of_each_other_are_refused_as_git_does() {
        let test = TestRepository::new(&[("a", "1")]);
        let name = |text: &str| BranchName::new(text).unwrap();
        for pack in [false, true] {
            if pack {
                assert!(test.git(&["pack-refs", "--all", "--prune"]).0);
            }
            let below = test.repository.create_branch(&name("work/below"), test.first);
            assert!(
                matches!(below, Err(CreateBranchError::Move(MoveRefError::Occupied { .. }))),
                "{below:?}"
            );
            test.repository.create_branch(&name("deep/er"), test.first).unwrap();
            let above = test.repository.create_branch(&name("deep"), test.first);
            assert!(
                matches!(above, Err(CreateBranchError::Move(MoveRefError::Occupied { .. }))),
                "{above:?}"
            );
        }
        test.repository.delete_branch(&name("deep/er"), test.first).unwrap();
        test.repository.create_branch(&name("deep"), test.first).expect("an empty folder is not in the way");
        test.check_invariants();
    }

    #[test]
    fn a_folder_of_refs_that_is_a_link_is_not_followed() {
        let test = TestRepository::new(&[("a", "1")]);
        let outside = test.folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, test.repository.git_dir().join("refs/heads/link")).unwrap();
        std::fs::write(outside.join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), test.repository.git_dir().join("refs/heads/file"))
            .unwrap();
        assert!(test.repository.create_branch(&BranchName::new("link/x").unwrap(), test.first).is_err());
        let read = test.repository.tip(&BranchName::new("file").unwrap());
        assert!(read.is_err(), "{read:?}");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }
}
