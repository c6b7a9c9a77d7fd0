//! The folder that the worktrees of one pool lie in, and what is done about those whose pool is gone.
//!
//! A pool holds an operating-system lock on its folder for as long as it lives, and the kernel gives that back also when the
//! process is killed. So a folder that can be locked belongs to nobody, and whoever comes next removes it.

use std::fs::{DirBuilder, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::checkout;
use crate::worktree_pool::WorktreeError;

/// Nobody else is to look at the files of a repository, or to put any there.
const PERMISSIONS: u32 = 0o700;

/// What the name of every folder of a pool begins with, before the process and a number.
const PREFIX: &str = "pool";
/// An empty file that tells that a folder is one of a pool, whatever its name is.
const MARKER: &str = ".super-planner-worktrees";

/// The folder of a living pool. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct WorktreeHome {
    folder: PathBuf,
    _lock: File,
}

/// The worktrees of one pool, as they lie on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeFolder {
    /// Where they lie.
    pub path: PathBuf,
    /// The process that made the folder.
    pub process: Option<u32>,
    /// Whether its pool is still there; otherwise the next pool removes it.
    pub is_in_use: bool,
    /// How many worktrees it holds.
    pub worktrees: usize,
    /// How many bytes they take.
    pub bytes: u64,
}

impl WorktreeHome {
    /// Removes what pools that are gone have left below a folder, and makes a new folder there.
    pub(crate) fn open(base: &Path) -> Result<Self, WorktreeError> {
        make_private(base)?;
        // The system tells the working folder of a process without links, and that is compared with this.
        let base =
            &base.canonicalize().map_err(|source| WorktreeError::Io { path: base.to_owned(), source })?;
        remove_abandoned(base)?;
        let process = std::process::id();
        for number in 0_u32.. {
            let folder = base.join(format!("{PREFIX}-{process}-{number}"));
            let io = |source| WorktreeError::Io { path: folder.clone(), source };
            match DirBuilder::new().mode(PERMISSIONS).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(io)?,
            }
            // Somebody else may have found it before it was locked, and removed it.
            if let Some(lock) = lock(&folder).map_err(io)?
                && is_at(&lock, &folder)
            {
                File::create_new(folder.join(MARKER)).map_err(io)?;
                return Ok(Self { folder, _lock: lock });
            }
        }
        unreachable!("there are fewer folders than numbers")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for WorktreeHome {
    fn drop(&mut self) {
        // Where this fails the next pool removes it.
        let _ = checkout::remove_all(&self.folder);
    }
}

/// Returns the folders of all pools below a folder, those of living pools included.
pub(crate) fn list(base: &Path) -> Result<Vec<WorktreeFolder>, WorktreeError> {
    let mut listed = Vec::new();
    for path in folders(base)? {
        let io = |source| WorktreeError::Io { path: path.clone(), source };
        let worktrees = std::fs::read_dir(&path).map_err(io)?.filter(is_folder).count();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        listed.push(WorktreeFolder {
            process: numbers(&name).map(|[process, _]| process),
            is_in_use: lock(&path).map_err(io)?.is_none(),
            worktrees,
            bytes: checkout::bytes_below(&path).map_err(io)?,
            path,
        });
    }
    Ok(listed)
}

/// Removes the folders of pools that are gone, and returns which.
pub(crate) fn remove_abandoned(base: &Path) -> Result<Vec<PathBuf>, WorktreeError> {
    let mut removed = Vec::new();
    for path in folders(base)? {
        let io = |source| WorktreeError::Io { path: path.clone(), source };
        let lock = match lock(&path) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            locked => locked.map_err(io)?,
        };
        if lock.is_some() {
            checkout::remove_all(&path).map_err(io)?;
            removed.push(path);
        }
    }
    Ok(removed)
}

/// Makes sure that a folder is there, is no link, and is ours alone: others could put links there, or other files.
fn make_private(base: &Path) -> Result<(), WorktreeError> {
    let io = |source| WorktreeError::Io { path: base.to_owned(), source };
    if let Some(parent) = base.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    match DirBuilder::new().mode(PERMISSIONS).create(base) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(io)?,
    }
    require_private(base, &base.symlink_metadata().map_err(io)?)
}

fn require_private(base: &Path, metadata: &Metadata) -> Result<(), WorktreeError> {
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    if metadata.is_dir() && is_ours {
        return Ok(());
    }
    Err(WorktreeError::NotPrivate { path: base.to_owned() })
}

/// Returns the folders of pools below a folder, which must be ours alone; none where that does not exist.
///
/// All else there is passed over: somebody may have named a folder that holds other things too.
fn folders(base: &Path) -> Result<Vec<PathBuf>, WorktreeError> {
    let io = |source| WorktreeError::Io { path: base.to_owned(), source };
    match base.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => require_private(base, &found.map_err(io)?)?,
    }
    let entries = std::fs::read_dir(base).map_err(io)?;
    let mut found: Vec<PathBuf> = entries
        .filter(is_folder)
        .filter_map(Result::ok)
        .filter(|entry| numbers(&entry.file_name().to_string_lossy()).is_some())
        .map(|entry| entry.path())
        .filter(|path| is_of_a_pool(path))
        .collect();
    found.sort();
    Ok(found)
}

/// Returns the two numbers in the name of a folder of a pool, `None` if it is no such name.
fn numbers(name: &str) -> Option<[u32; 2]> {
    let (process, number) = name.strip_prefix(PREFIX)?.strip_prefix('-')?.split_once('-')?;
    Some([process.parse().ok()?, number.parse().ok()?])
}

/// Returns whether a folder is marked as one of a pool, or is empty, as one whose process was killed before it marked it.
fn is_of_a_pool(folder: &Path) -> bool {
    let is_marked = folder.join(MARKER).symlink_metadata().is_ok_and(|marker| marker.is_file());
    is_marked || std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_folder(entry: &io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

/// Locks a folder, or returns `None` if somebody has locked it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = File::open(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let numbers = |metadata: io::Result<Metadata>| metadata.map(|found| (found.dev(), found.ino())).ok();
    numbers(file.metadata()).is_some_and(|found| numbers(path.symlink_metadata()) == Some(found))
}
