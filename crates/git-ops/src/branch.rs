//! Branches: where they are, which commits they contain, and which ones some working copy has checked out.

use std::io;
use std::path::{Path, PathBuf};

use crate::id::CommitId;
use crate::name::BranchName;
use crate::object::Objects;
use crate::reference;
use crate::repository::ReadError;

const HEADS: &str = "refs/heads/";

pub(crate) fn tip(repository: &git2::Repository, branch: &BranchName) -> Result<Option<CommitId>, ReadError> {
    let name = branch.ref_name();
    reference::read(repository, &name).map_err(|source| ReadError::Reference { name, source })
}

/// Returns whether a commit can be reached from another.
pub(crate) fn is_ancestor(
    repository: &git2::Repository,
    ancestor: CommitId,
    descendant: CommitId,
) -> Result<bool, ReadError> {
    Objects::open(repository)?.commit(ancestor)?;
    if ancestor == descendant {
        return Ok(true);
    }
    repository
        .graph_descendant_of(descendant.oid(), ancestor.oid())
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
