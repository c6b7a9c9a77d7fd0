//! The folder of a store: made where it is missing, so that it outlives a power cut.

use std::io;
use std::path::Path;

/// Makes a folder and those above it that are missing. The name of each is flushed before the next is made: the store's
/// own files are flushed by SQLite, but nobody would find them in a folder that has lost its name.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make(parent)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => return Err(error),
        Ok(()) | Err(_) => {}
    }
    flush(parent.unwrap_or(Path::new(".")))
}

/// Flushes the names in the folder of a file.
pub(super) fn flush_around(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    flush(folder.unwrap_or(Path::new(".")))
}

#[cfg(unix)]
fn flush(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be flushed.
#[cfg(not(unix))]
fn flush(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_once_and_a_file_in_the_way_is_told() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b/c");
        make(&folder).unwrap();
        make(&folder).unwrap();
        assert!(folder.is_dir());
        std::fs::write(place.path().join("file"), b"").unwrap();
        assert!(make(&place.path().join("file")).is_err());
        assert!(make(&place.path().join("file/below")).is_err());
    }
}
