//! A commit's files, as they were: read one, list all, write them to a folder, see what changed there.

use std::path::Path;

use git2::Oid;

use crate::change::FileMode;
use crate::directory::{self, DirectoryChanges, DirectoryError, Exported, Skipped};
use crate::id::CommitId;
use crate::object::{ObjectError, Objects};
use crate::object_cache::ObjectCache;
use crate::path::RepoPath;
use crate::repository::ReadError;
use crate::tree;

/// The files of one commit. Can be sent to another thread but not shared.
pub struct Snapshot {
    repository: git2::Repository,
    known: ObjectCache,
    commit: CommitId,
    tree: Oid,
}

/// What a commit holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by path.
    pub files: Vec<(RepoPath, FileMode)>,
    /// What is not a file or has a path that is unsafe to use.
    pub skipped: Vec<Skipped>,
}

impl Snapshot {
    pub(crate) fn open(repository: git2::Repository, commit: CommitId) -> Result<Self, ReadError> {
        let known = ObjectCache::default();
        let tree = Objects::open(&repository, &known)?.commit(commit)?.tree;
        Ok(Self { repository, known, commit, tree })
    }

    /// Returns the commit.
    #[must_use]
    pub fn commit_id(&self) -> CommitId {
        self.commit
    }

    /// Returns the bytes of a file, `None` if there is no file at the path.
    pub fn read(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, ReadError> {
        let objects = Objects::open(&self.repository, &self.known)?;
        match tree::find(&objects, self.tree, path)? {
            Some(item) if item.is_file() => Ok(Some(objects.blob(item.id)?)),
            Some(_) | None => Ok(None),
        }
    }

    /// Returns the mode of a file, `None` if there is no file at the path.
    pub fn mode(&self, path: &RepoPath) -> Result<Option<FileMode>, ReadError> {
        let objects = Objects::open(&self.repository, &self.known)?;
        Ok(tree::find(&objects, self.tree, path)?.and_then(|item| FileMode::from_raw(item.mode)))
    }

    /// Returns every file with its mode.
    pub fn list(&self) -> Result<Listing, ReadError> {
        let mut listing = Listing::default();
        let objects = Objects::open(&self.repository, &self.known)?;
        directory::walk(&objects, self.tree, &mut |found| {
            match found {
                Ok((path, item)) => {
                    listing.files.extend(FileMode::from_raw(item.mode).map(|mode| (path, mode)));
                }
                Err(skipped) => listing.skipped.push(skipped),
            }
            Ok::<(), ObjectError>(())
        })?;
        listing.files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(listing)
    }

    /// Writes every file below a folder, which is made if it does not exist and must be empty if it does.
    ///
    /// Links and submodules are left out and reported. No link is followed.
    pub fn export_to(&self, folder: &Path) -> Result<Exported, DirectoryError> {
        directory::prepare_empty(folder)?;
        directory::export(&Objects::open(&self.repository, &self.known)?, self.tree, folder)
    }

    /// Returns the edits that turn this snapshot into what a folder holds, to which it was exported before.
    ///
    /// A new path that the folder's `.gitignore` files (or git's own settings) exclude is left out, as git does it; so
    /// is `.git` at the top. Links and everything else that is not a file are reported and left out. More than
    /// `bytes_max` of new and changed content is an error.
    pub fn edits_from_dir(&self, folder: &Path, bytes_max: u64) -> Result<DirectoryChanges, DirectoryError> {
        let given = directory::files_of(&Objects::open(&self.repository, &self.known)?, self.tree)?;
        directory::changes(&self.repository, &given, folder, bytes_max)
    }
}
