//! A folder for what must be flushed to a real disk.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::machine::file_system_of;

/// A folder on a disk, deleted when it is dropped.
#[derive(Debug)]
pub struct DiskFolder(TempDir);

/// Why there is no such folder.
#[derive(Debug, thiserror::Error)]
pub enum NotOnDisk {
    /// The folder is in memory, where a flush costs nothing.
    #[error(
        "{} is in memory ({file_system}), where flushes cost nothing: set TMPDIR to a folder on a disk",
        folder.display()
    )]
    InMemory {
        /// The folder.
        folder: PathBuf,
        /// What it is on.
        file_system: String,
    },
    /// The folder cannot be made.
    #[error("no folder can be made in {}", folder.display())]
    Io {
        /// Where.
        folder: PathBuf,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
}

impl DiskFolder {
    /// Returns a new folder in that of temporary files, or says why it would measure nothing.
    pub fn new() -> Result<Self, NotOnDisk> {
        let parent = std::env::temp_dir();
        check(&parent, file_system_of(&parent))?;
        match TempDir::with_prefix_in("perf-suite-", &parent) {
            Ok(folder) => Ok(Self(folder)),
            Err(cause) => Err(NotOnDisk::Io { folder: parent, cause }),
        }
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn check(folder: &Path, file_system: String) -> Result<(), NotOnDisk> {
    match file_system.as_str() {
        "tmpfs" | "ramfs" | "devtmpfs" => Err(NotOnDisk::InMemory { folder: folder.to_owned(), file_system }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_refused_and_a_disk_is_not() {
        let refused = check(Path::new("/dev/shm"), "tmpfs".to_owned()).unwrap_err().to_string();
        assert!(refused.contains("/dev/shm") && refused.contains("TMPDIR"), "{refused}");
        assert!(check(Path::new("/"), "ext4".to_owned()).is_ok());
    }
}
