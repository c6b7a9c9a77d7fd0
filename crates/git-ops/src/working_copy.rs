//! A working copy of somebody: the one place where a branch that is checked out is moved, because that was asked for.
//!
//! Nothing is overwritten that git does not have: a working copy with changes, or with a file in the way of a new one, be it
//! ignored, is left as it is. libgit2 writes the files; it runs no hooks and no programs. Line ends are as the attributes say.

use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{CheckoutNotificationType, RepositoryState, StatusOptions, StatusShow};

use crate::branch;
use crate::landing::Prepared;
use crate::lock::{HeldLock, LockError};
use crate::name::BranchName;
use crate::object::Objects;
use crate::object_cache::ObjectCache;
use crate::reference::{MoveRefError, RefMove, Refs};
use crate::repository::{OpenError, ReadError, Repository};

/// How many paths an error names.
const PATHS_SHOWN: usize = 10;

/// A folder with the files of a branch, as a person has it.
#[derive(Debug, Clone)]
pub struct WorkingCopy {
    repository: Repository,
    folder: PathBuf,
}

/// Why a working copy was not brought forward. Unless it says otherwise nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// There is no working copy.
    #[error("{} is not in a working copy", path.display())]
    NoWorkingCopy {
        /// The path, as given.
        path: PathBuf,
    },
    /// It shows another branch, or none.
    #[error("the working copy at {} does not show {branch}", path.display())]
    OtherBranch {
        /// The working copy.
        path: PathBuf,
        /// The branch that was to be moved.
        branch: BranchName,
    },
    /// The branch is not where it was expected, or the new tip is no descendant.
    #[error("the branch {branch} has moved, or would not move forward")]
    NotForward {
        /// The branch.
        branch: BranchName,
    },
    /// Git is in the middle of a merge, a rebase or the like.
    #[error("git is in the middle of something in {}; end it first", path.display())]
    InProgress {
        /// The working copy.
        path: PathBuf,
    },
    /// Files were changed and not committed.
    #[error("{} has changes that are not committed: {}", path.display(), paths.join(", "))]
    Changed {
        /// The working copy.
        path: PathBuf,
        /// Some of the paths.
        paths: Vec<String>,
    },
    /// Files that git does not know are where new ones go.
    #[error("files of {} would be overwritten: {}", path.display(), paths.join(", "))]
    InTheWay {
        /// The working copy.
        path: PathBuf,
        /// Some of the paths.
        paths: Vec<String>,
    },
    /// Our own lock was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The repository cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The branch cannot be moved, mostly because git has just moved it. The files are those of the new tip already.
    #[error("the files were brought forward, but not the branch; `git status` shows the difference")]
    Move(#[from] MoveRefError),
    /// The files cannot be written, or not all of them. The branch has not moved; `git status` shows what was written.
    #[error("the files in {} cannot be brought forward; `git status` shows what was written", path.display())]
    Files {
        /// The working copy.
        path: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// The working copy cannot be looked at.
    #[error("cannot look at the working copy at {}", path.display())]
    Look {
        /// The working copy.
        path: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
}

impl WorkingCopy {
    /// Returns the working copy that a path is in.
    pub fn open(path: &Path) -> Result<Self, AdvanceError> {
        let repository = Repository::open(path)?;
        let raw = git2::Repository::discover(path).ok();
        let folder = raw.as_ref().and_then(git2::Repository::workdir).map(Path::to_owned);
        let folder = folder.ok_or_else(|| AdvanceError::NoWorkingCopy { path: path.to_owned() })?;
        Ok(Self { repository, folder })
    }

    /// Returns the branch that it shows, `None` if it shows none.
    pub fn branch(&self) -> Result<Option<BranchName>, AdvanceError> {
        self.shown(&self.raw()?)
    }

    /// Moves the branch that is shown here from the expected tip to the new one, and the files with it.
    ///
    /// The branch is moved by compare-and-swap, after the files. Files that git does not know and that are not in the way
    /// stay.
    pub fn advance(&self, prepared: &Prepared) -> Result<(), AdvanceError> {
        let Prepared { branch, expected_tip, new_tip, .. } = prepared;
        let lock = HeldLock::acquire_and_search(self.repository.git_dir())?;
        let raw = self.raw()?;
        if self.shown(&raw)?.as_ref() != Some(branch) {
            return Err(AdvanceError::OtherBranch { path: self.folder.clone(), branch: branch.clone() });
        }
        let known = ObjectCache::default();
        let objects = Objects::open(&raw, &known).map_err(ReadError::Object)?;
        let forward = branch::is_ancestor(&raw, &objects, *expected_tip, *new_tip)?;
        if !forward || self.repository.tip(branch)? != Some(*expected_tip) {
            return Err(AdvanceError::NotForward { branch: branch.clone() });
        }
        self.refuse_changes(&raw)?;
        let tree = objects.commit(*new_tip).map_err(ReadError::Object)?.tree;
        let tree = raw.find_tree(tree).map_err(|source| self.look(source))?;
        // The files first: libgit2 tells what has changed by comparing with what the branch has.
        self.write_files(&raw, &tree)?;
        let to = RefMove { name: branch.ref_name(), expected: Some(*expected_tip), new: Some(*new_tip) };
        Ok(Refs::new(self.repository.git_dir()).compare_and_swap(&lock, to)?)
    }

    fn refuse_changes(&self, raw: &git2::Repository) -> Result<(), AdvanceError> {
        if raw.state() != RepositoryState::Clean {
            return Err(AdvanceError::InProgress { path: self.folder.clone() });
        }
        let mut options = StatusOptions::new();
        options.show(StatusShow::IndexAndWorkdir).include_untracked(false).exclude_submodules(true);
        let statuses = raw.statuses(Some(&mut options)).map_err(|source| self.look(source))?;
        let paths: Vec<String> = statuses
            .iter()
            .take(PATHS_SHOWN)
            .map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned())
            .collect();
        if paths.is_empty() {
            Ok(())
        } else {
            Err(AdvanceError::Changed { path: self.folder.clone(), paths })
        }
    }

    /// Writes the files of a tree, or none of them where others are in the way.
    fn write_files(&self, raw: &git2::Repository, tree: &git2::Tree<'_>) -> Result<(), AdvanceError> {
        let mut paths = Vec::new();
        let mut options = CheckoutBuilder::new();
        options.safe().overwrite_ignored(false).notify_on(CheckoutNotificationType::CONFLICT);
        options.notify(|_, path, _, _, _| {
            paths.extend(path.map(|path| path.display().to_string()));
            true
        });
        let written = raw.checkout_tree(tree.as_object(), Some(&mut options));
        drop(options);
        written.map_err(|source| {
            let path = self.folder.clone();
            paths.truncate(PATHS_SHOWN);
            if paths.is_empty() {
                AdvanceError::Files { path, source }
            } else {
                AdvanceError::InTheWay { path, paths }
            }
        })
    }

    fn shown(&self, raw: &git2::Repository) -> Result<Option<BranchName>, AdvanceError> {
        let head = raw.find_reference("HEAD").map_err(|source| self.look(source))?;
        let name = head.symbolic_target().ok().flatten().and_then(|name| name.strip_prefix("refs/heads/"));
        Ok(name.and_then(|name| BranchName::new(name).ok()))
    }

    fn raw(&self) -> Result<git2::Repository, AdvanceError> {
        git2::Repository::open(&self.folder).map_err(|source| self.look(source))
    }

    fn look(&self, source: git2::Error) -> AdvanceError {
        AdvanceError::Look { path: self.folder.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use crate::{CommitId, Edit};

    fn prepared(test: &TestRepository, edits: &[Edit]) -> Prepared {
        let result = test.pin(test.first, edits);
        let main = BranchName::new("main").unwrap();
        test.writer().prepare(&main, &[land_request(result)]).unwrap()
    }

    fn status(test: &TestRepository) -> String {
        test.git(&["status", "--porcelain", "--branch"]).1.trim().to_owned()
    }

    fn tip(test: &TestRepository) -> Option<CommitId> {
        test.repository.tip(&BranchName::new("main").unwrap()).unwrap()
    }

    #[test]
    fn a_clean_working_copy_moves_with_its_branch() {
        let test = TestRepository::new(&[("a", "1"), ("gone", "x"), ("dir/b", "2")]);
        std::fs::write(test.path().join("mine"), "untracked").unwrap();
        let edits = [write("a", "one"), delete("gone"), write("dir/new/c", "3"), rename("dir/b", "b")];
        let prepared = prepared(&test, &edits);
        let copy = WorkingCopy::open(&test.path()).unwrap();
        assert_eq!(copy.branch().unwrap(), Some(BranchName::new("main").unwrap()));
        copy.advance(&prepared).unwrap();
        assert_eq!(tip(&test), Some(prepared.new_tip));
        assert_eq!(status(&test), "## main\n?? mine", "git sees no difference");
        assert_eq!(std::fs::read(test.path().join("dir/new/c")).unwrap(), b"3");
        assert!(!test.path().join("gone").exists() && !test.path().join("dir/b").exists());
        test.check_invariants();
    }

    #[test]
    fn what_git_does_not_have_is_not_overwritten() {
        let test = TestRepository::new(&[("a", "1"), ("b", "2")]);
        std::fs::write(test.path().join(".git/info/exclude"), ".env\n").unwrap();
        let prepared = prepared(&test, &[write("a", "one"), write("new", "ours"), write(".env", "ours")]);
        let copy = WorkingCopy::open(&test.path()).unwrap();
        std::fs::write(test.path().join("b"), "changed").unwrap();
        let refused = copy.advance(&prepared);
        assert!(
            matches!(&refused, Err(AdvanceError::Changed { paths, .. }) if paths == &["b"]),
            "{refused:?}"
        );
        assert!(test.git(&["add", "b"]).0);
        assert!(matches!(copy.advance(&prepared), Err(AdvanceError::Changed { .. })), "it is in the index");
        assert!(test.git(&["reset", "--quiet", "--hard"]).0);
        std::fs::write(test.path().join("new"), "mine").unwrap();
        let refused = copy.advance(&prepared);
        assert!(
            matches!(&refused, Err(AdvanceError::InTheWay { paths, .. }) if paths == &["new"]),
            "{refused:?}"
        );
        assert_eq!(std::fs::read(test.path().join("new")).unwrap(), b"mine");
        std::fs::rename(test.path().join("new"), test.path().join(".env")).unwrap();
        let refused = copy.advance(&prepared);
        assert!(
            matches!(&refused, Err(AdvanceError::InTheWay { paths, .. }) if paths == &[".env"]),
            "{refused:?}"
        );
        assert_eq!(std::fs::read(test.path().join(".env")).unwrap(), b"mine", "nor what git ignores");
        assert_eq!((tip(&test), &*status(&test)), (Some(test.first), "## main"));
    }

    #[test]
    fn only_the_branch_that_is_shown_moves_and_only_forward() {
        let test = TestRepository::new(&[("a", "1")]);
        let prepared = prepared(&test, &[write("a", "one")]);
        let copy = WorkingCopy::open(&test.path()).unwrap();
        let backward = Prepared { expected_tip: prepared.new_tip, new_tip: test.first, ..prepared.clone() };
        assert!(matches!(copy.advance(&backward), Err(AdvanceError::NotForward { .. })));
        let other = Prepared { branch: work(), ..prepared.clone() };
        assert!(matches!(copy.advance(&other), Err(AdvanceError::OtherBranch { .. })));
        std::fs::write(test.repository.git_dir().join("MERGE_HEAD"), format!("{}\n", test.first)).unwrap();
        assert!(matches!(copy.advance(&prepared), Err(AdvanceError::InProgress { .. })));
        std::fs::remove_file(test.repository.git_dir().join("MERGE_HEAD")).unwrap();
        assert!(test.git(&["checkout", "--quiet", "--detach"]).0);
        assert!(matches!(copy.advance(&prepared), Err(AdvanceError::OtherBranch { .. })));
        assert!(matches!(
            WorkingCopy::open(&test.path().join(".git")).unwrap().advance(&prepared),
            Err(AdvanceError::OtherBranch { .. })
        ));
        assert_eq!(tip(&test), Some(test.first));
    }
}
