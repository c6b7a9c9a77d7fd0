//! Making writes survive a power cut: the one switch in libgit2 that makes it flush, and flushes of our own.
//!
//! By default libgit2 flushes nothing. With the switch it flushes every object, pack and ref that it writes, and the
//! folder that each is in. Folders above that are ours to flush.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Once;

/// Makes libgit2 flush what it writes, for the whole process. To be called before a repository is opened.
#[expect(unsafe_code, reason = "git2 does not wrap this option of libgit2")]
pub(crate) fn enable() {
    static ENABLED: Once = Once::new();
    ENABLED.call_once(|| {
        libgit2_sys::init();
        let option = libgit2_sys::GIT_OPT_ENABLE_FSYNC_GITDIR as std::ffi::c_int;
        // SAFETY: libgit2 is initialised, and this option takes exactly one int, which it stores in a global variable
        // before any repository of ours is opened.
        let code = unsafe { libgit2_sys::git_libgit2_opts(option, 1 as std::ffi::c_int) };
        assert_eq!(code, 0, "libgit2 knows its own option");
    });
}

/// Flushes a file's content or a folder's names.
pub(crate) fn flush(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Flushes a file and every folder from it up to and including `root`.
pub(crate) fn flush_up_to(path: &Path, root: &Path) -> io::Result<()> {
    for part in path.ancestors().take_while(|part| part.starts_with(root)) {
        flush(part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_accepted() {
        enable();
        enable();
    }

    #[test]
    fn a_file_and_its_folders_are_flushed() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("file"), "x").unwrap();
        flush_up_to(&deep.join("file"), folder.path()).unwrap();
        assert!(flush(&folder.path().join("absent")).is_err());
    }
}
