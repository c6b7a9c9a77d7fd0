//! One writer of ours at a time: an operating-system lock that the kernel releases when its holder dies.
//!
//! A process that is killed while it moves a ref leaves `<ref>.lock` behind, and that blocks the ref for ever. So each lock
//! of a ref that we make is another name of our own lock file and holds its mark. Whoever has taken our lock knows that a
//! marked lock belongs to a dead process, and removes it. The lock files of others are never removed.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::durability;
use crate::pack_folder::PackFolder;
use crate::planted::{self, Bug};

/// The name of the lock file in the git directory.
pub(crate) const FILE_NAME: &str = "super-planner.lock";
/// The name of the folder, in the git directory, for files that are about to get their name.
pub(crate) const FOLDER_NAME: &str = "super-planner";
/// What the lock file holds, and so every lock of a ref that is ours.
const MARK: &str = "locked by super-planner; where no process of it runs, it is removed by the next one\n";
/// How long to wait for another writer of ours.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// How deep folders of refs are searched for locks.
const DEPTH_MAX: usize = 64;

/// Why the writer's lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another writer holds it.
    #[error("another process has been writing for {} s; it holds {}", WAIT_MAX.as_secs(), path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be used, or what a dead writer left cannot be removed.
    #[error("cannot use the lock file {}", path.display())]
    Io {
        /// The lock file, or the folder with what was left.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The lock, for as long as this lives.
#[must_use = "the lock is released when this is dropped"]
pub(crate) struct HeldLock {
    file: File,
    path: PathBuf,
    git_dir: PathBuf,
}

impl HeldLock {
    /// Waits for the lock of a repository, takes it and removes what a dead holder left behind.
    ///
    /// That somebody left the lock of a ref shows in the number of names that the lock file has.
    pub(crate) fn acquire(git_dir: &Path) -> Result<Self, LockError> {
        let lock = Self::wait(git_dir)?;
        let names = lock.file.metadata().map_err(|source| lock.failed(source))?.nlink();
        if names > 1 {
            lock.sweep()?;
        }
        Ok(lock)
    }

    /// As [`HeldLock::acquire`], but looks for what was left even where nothing points to it, as after a power cut.
    pub(crate) fn acquire_and_search(git_dir: &Path) -> Result<Self, LockError> {
        let lock = Self::wait(git_dir)?;
        lock.sweep()?;
        Ok(lock)
    }

    /// Makes a lock file as git has them for a ref or a pack, if there is none.
    ///
    /// It is another name of our own lock file, so that it holds the mark from the first moment.
    pub(crate) fn lock_beside(&self, path: &Path) -> io::Result<()> {
        std::fs::hard_link(&self.path, path)
    }

    /// Returns the folder for files that are about to get their name, made if there is none.
    pub(crate) fn workshop(&self) -> io::Result<PathBuf> {
        own_folder(&self.git_dir)
    }

    fn wait(git_dir: &Path) -> Result<Self, LockError> {
        let path = git_dir.join(FILE_NAME);
        let file = match lock_file(&path) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(LockError::Busy { path }),
            Err(source) => return Err(LockError::Io { path, source }),
        };
        let mut lock = Self { file, path, git_dir: git_dir.to_owned() };
        lock.mark().map_err(|source| lock.failed(source))?;
        Ok(lock)
    }

    /// Writes the mark, durably, if it is not there. Every lock is to be known again, also after a power cut.
    fn mark(&mut self) -> io::Result<()> {
        let mut text = String::new();
        if self.file.metadata()?.len() == MARK.len() as u64 {
            self.file.rewind()?;
            if (&self.file).read_to_string(&mut text).is_ok() && text == MARK {
                return Ok(());
            }
        }
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(MARK.as_bytes())?;
        durability::flush_content(&self.file)?;
        durability::flush_folder(&self.git_dir)
    }

    fn sweep(&self) -> Result<(), LockError> {
        if planted::is_on(Bug::UnsweptLocks) {
            return Ok(());
        }
        let io = |path: &Path, result: io::Result<()>| {
            result.map_err(|source| LockError::Io { path: path.to_owned(), source })
        };
        let refs = self.git_dir.join("refs");
        io(&refs, sweep_locks(&refs, 0))?;
        let packed = self.git_dir.join("packed-refs.lock");
        io(&packed, remove_if_marked(&packed))?;
        io(&self.git_dir, PackFolder::new(&self.git_dir).sweep())
    }

    fn failed(&self, source: io::Error) -> LockError {
        LockError::Io { path: self.path.clone(), source }
    }
}

/// Returns the folder of our own in a repository, made if there is none.
pub(crate) fn own_folder(git_dir: &Path) -> io::Result<PathBuf> {
    plain_folder(git_dir.join(FOLDER_NAME))
}

/// Returns a folder, made if there is none. One that is a link could lead anywhere and is refused.
pub(crate) fn plain_folder(path: PathBuf) -> io::Result<PathBuf> {
    match std::fs::create_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    if path.symlink_metadata()?.is_dir() {
        Ok(path)
    } else {
        Err(io::Error::other("it is no folder of ours"))
    }
}

/// Returns where git puts the lock of a ref.
pub(crate) fn ref_lock_path(git_dir: &Path, ref_name: &str) -> PathBuf {
    git_dir.join(format!("{ref_name}.lock"))
}

fn sweep_locks(folder: &Path, depth: usize) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        // Git removes folders that became empty.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < DEPTH_MAX {
            sweep_locks(&entry.path(), depth + 1)?;
        } else if kind.is_file() && entry.file_name().as_encoded_bytes().ends_with(b".lock") {
            remove_if_marked(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file that [`HeldLock::lock_beside`] made, and so, as we hold our own lock, that of a dead writer.
pub(crate) fn remove_if_marked(path: &Path) -> io::Result<()> {
    match std::fs::read(path) {
        Ok(content) if content == MARK.as_bytes() => durability::remove_if_there(path),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits a little longer each time, by a different amount in every process.
#[expect(
    clippy::disallowed_methods,
    reason = "neither flock nor git can wait with a bound, and no driver is here"
)]
pub(crate) fn pause(tries: u32) {
    let longest = Duration::from_micros(500).saturating_mul(1 << tries.min(10)).min(PAUSE_MAX);
    let random = RandomState::new().hash_one(tries) % 1000;
    std::thread::sleep(longest.mul_f64(0.5 + random as f64 / 2000.0));
}

/// Returns the locked file, or `None` if somebody held on to it for too long.
fn lock_file(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let started = Instant::now();
    for tries in 0.. {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(error);
            }
            Err(_) if started.elapsed() > WAIT_MAX => return Ok(None),
            Err(_) => pause(tries),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git_dir() -> tempfile::TempDir {
        let git_dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(git_dir.path().join("refs/heads/deep")).unwrap();
        git_dir
    }

    #[test]
    fn only_locks_that_are_ours_are_swept() {
        let git_dir = git_dir();
        let path = |name: &str| git_dir.path().join(name);
        let ours = ["refs/heads/deep/a.lock", "refs/heads/b.lock", "packed-refs.lock"].map(path);
        let foreign = ["refs/heads/c.lock", "refs/heads/deep/d.lock", "refs/heads/e"].map(path);
        std::fs::write(&foreign[0], "").unwrap();
        std::fs::write(&foreign[1], format!("{}\n", "0".repeat(40))).unwrap();
        std::fs::write(&foreign[2], MARK).unwrap();
        let dying = HeldLock::acquire(git_dir.path()).unwrap();
        for path in &ours {
            dying.lock_beside(path).unwrap();
        }
        let refused = dying.lock_beside(&foreign[0]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        drop(dying);
        drop(HeldLock::acquire(git_dir.path()).unwrap());
        assert!(ours.iter().all(|path| !path.exists()));
        assert!(foreign.iter().all(|path| path.exists()));
    }

    #[test]
    fn a_search_finds_locks_that_nothing_points_to() {
        let git_dir = git_dir();
        let lock = git_dir.path().join("refs/heads/a.lock");
        std::fs::write(&lock, MARK).unwrap();
        drop(HeldLock::acquire(git_dir.path()).unwrap());
        assert!(lock.exists());
        drop(HeldLock::acquire_and_search(git_dir.path()).unwrap());
        assert!(!lock.exists());
    }

    #[test]
    fn a_lock_file_of_any_content_gets_the_mark() {
        let git_dir = git_dir();
        for content in ["", "refs/heads/main", &"x".repeat(MARK.len())] {
            std::fs::write(git_dir.path().join(FILE_NAME), content).unwrap();
            drop(HeldLock::acquire(git_dir.path()).unwrap());
            assert_eq!(std::fs::read_to_string(git_dir.path().join(FILE_NAME)).unwrap(), MARK);
        }
    }
}
