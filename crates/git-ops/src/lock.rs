//! One writer of ours at a time: an operating-system lock that the kernel releases when its holder dies.
//!
//! A process that is killed while git moves a ref leaves `<ref>.lock` behind, and that blocks the ref for ever. So the
//! holder notes in the lock file which ref it is about to move. Whoever takes the lock next and finds a note knows that
//! the ref's lock file, if there is one, belongs to a dead process, and removes it. The lock files of others are never
//! removed.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::reference::PINS;

/// The name of the lock file in the git directory.
const FILE_NAME: &str = "super-planner.lock";
/// How long to wait for another writer of ours.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// The longest note that is read back.
const NOTE_BYTES_MAX: u64 = 4096;

/// Why the writer's lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another writer holds it.
    #[error("another process has been writing for {} s; it holds {}", WAIT_MAX.as_secs(), path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be used.
    #[error("cannot use the lock file {}", path.display())]
    Io {
        /// The lock file, or the stale lock of a ref.
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
    pub(crate) fn acquire(git_dir: &Path) -> Result<Self, LockError> {
        let path = git_dir.join(FILE_NAME);
        let file = match lock_file(&path) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(LockError::Busy { path }),
            Err(source) => return Err(LockError::Io { path, source }),
        };
        let mut lock = Self { file, path, git_dir: git_dir.to_owned() };
        lock.sweep()?;
        Ok(lock)
    }

    /// Notes durably that a ref is about to be moved, so that its lock file is known to be ours if we die.
    pub(crate) fn announce(&mut self, ref_name: &str) -> Result<(), LockError> {
        let written = (|| {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(ref_name.as_bytes())?;
            self.file.sync_data()
        })();
        written.map_err(|source| self.failed(source))
    }

    /// Takes the note back: the ref has been moved, or the move was refused.
    pub(crate) fn settle(&mut self) -> Result<(), LockError> {
        self.file.set_len(0).map_err(|source| self.failed(source))
    }

    fn sweep(&mut self) -> Result<(), LockError> {
        let mut note = Vec::new();
        let read = self.file.rewind().and_then(|()| (&self.file).take(NOTE_BYTES_MAX).read_to_end(&mut note));
        read.map_err(|source| self.failed(source))?;
        let noted = String::from_utf8(note).ok().filter(|name| git2::Reference::is_valid_name(name));
        // Nobody else ever moves our own ref, so its lock needs no note.
        for name in [Some(PINS.to_owned()), noted].into_iter().flatten() {
            let stale = ref_lock_path(&self.git_dir, &name);
            match std::fs::remove_file(&stale) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(LockError::Io { path: stale, source });
                }
                Ok(()) | Err(_) => {}
            }
        }
        self.settle()
    }

    fn failed(&self, source: io::Error) -> LockError {
        LockError::Io { path: self.path.clone(), source }
    }
}

/// Returns where git puts the lock of a ref.
pub(crate) fn ref_lock_path(git_dir: &Path, ref_name: &str) -> PathBuf {
    git_dir.join(format!("{ref_name}.lock"))
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

    #[test]
    fn only_the_noted_lock_and_that_of_our_own_ref_are_swept() {
        let git_dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(git_dir.path().join("refs/heads")).unwrap();
        std::fs::create_dir_all(git_dir.path().join("refs/super-planner")).unwrap();
        let stale = [ref_lock_path(git_dir.path(), "refs/heads/main"), ref_lock_path(git_dir.path(), PINS)];
        let foreign = ref_lock_path(git_dir.path(), "refs/heads/other");
        for path in stale.iter().chain([&foreign]) {
            std::fs::write(path, "").unwrap();
        }
        let mut dying = HeldLock::acquire(git_dir.path()).unwrap();
        dying.announce("refs/heads/main").unwrap();
        drop(dying);
        drop(HeldLock::acquire(git_dir.path()).unwrap());
        assert!(stale.iter().all(|path| !path.exists()));
        assert!(foreign.exists());
    }

    #[test]
    fn a_settled_or_hostile_note_sweeps_nothing() {
        let git_dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(git_dir.path().join("refs/heads")).unwrap();
        let other = ref_lock_path(git_dir.path(), "refs/heads/main");
        std::fs::write(&other, "").unwrap();
        let mut lock = HeldLock::acquire(git_dir.path()).unwrap();
        lock.announce("refs/heads/main").unwrap();
        lock.settle().unwrap();
        drop(lock);
        drop(HeldLock::acquire(git_dir.path()).unwrap());
        std::fs::write(git_dir.path().join(FILE_NAME), "refs/heads/../heads/main").unwrap();
        drop(HeldLock::acquire(git_dir.path()).unwrap());
        assert!(other.exists());
    }
}
