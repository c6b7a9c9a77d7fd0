//! What a file looks like from outside. One that was changed looks different, so that its content need not be read.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::Stat;

/// The size, the times and the number of a file.
///
/// The time of the last change of a file's status cannot be set by a program, only by the clock of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    inode: u64,
    size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl FileStamp {
    #[expect(
        clippy::unnecessary_cast,
        trivial_numeric_casts,
        reason = "the types of these fields differ between systems"
    )]
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }

    pub(crate) fn of_file(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::of(&rustix::fs::fstat(file)?))
    }

    /// Returns whether the file was last changed before another one was. One that was not could change once more without
    /// looking different, because clocks tick slowly.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.changed < other.changed
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}
