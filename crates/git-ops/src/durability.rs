//! Making writes survive a power cut: files are written under another name, flushed, and then given their own.
//!
//! A name is flushed with the folder that holds it. Who gives a file its name flushes the folder, once for all the files
//! that a batch puts there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::planted::{self, Bug};

/// Writes a new file and flushes its content, but not its name. What a dead process has left at the path is replaced.
pub(crate) fn write_new(path: &Path, content: &[u8], permissions: u32) -> io::Result<()> {
    remove_if_there(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(permissions).open(path)?;
    file.write_all(content)?;
    flush_content(&file)
}

/// Flushes the content of a file and what is needed to read it.
pub(crate) fn flush_content(file: &File) -> io::Result<()> {
    if planted::is_on(Bug::SkippedFlush) {
        return Ok(());
    }
    file.sync_data()
}

/// Flushes the names in a folder.
pub(crate) fn flush_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Flushes everything in a folder, and the folder itself.
pub(crate) fn flush_all(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            flush_all(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    flush_folder(folder)
}

/// Removes a file, if there is one.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_replaces_what_a_dead_process_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_new(&path, b"much longer than the next", 0o444).unwrap();
        write_new(&path, b"short", 0o444).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        std::fs::create_dir(folder.path().join("below")).unwrap();
        flush_all(folder.path()).unwrap();
        assert!(flush_all(&folder.path().join("absent")).is_err());
    }
}
