//! Which names and descriptors lie below the root.

use std::ffi::{CStr, c_char, c_int};

use crate::kernel;

/// The folder below which the shim acts: an absolute path without a slash at its end.
pub(crate) struct Root(pub(crate) Vec<u8>);

/// An open file or folder below the root.
pub(crate) struct Opened {
    pub(crate) inode: u64,
    /// Its path from the root, as it was when it was last named; only for those who read the trace.
    pub(crate) path: Vec<u8>,
    pub(crate) length: i64,
}

impl Root {
    /// Returns what a descriptor stands for, if that is a file or folder below the root.
    pub(crate) fn opened(&self, descriptor: c_int) -> Option<Opened> {
        let status = kernel::status_of(descriptor)?;
        if !matches!(status.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR) {
            return None;
        }
        let path = self.below(&kernel::path_of(descriptor)?)?;
        Some(Opened { inode: status.st_ino, path, length: status.st_size })
    }

    /// Returns the path from the root of what a name means, whether it is there or not, if that lies below the root.
    ///
    /// # Safety
    /// `path` ends with a zero.
    pub(crate) unsafe fn named(&self, folder: c_int, path: *const c_char) -> Option<Vec<u8>> {
        if path.is_null() {
            return None;
        }
        // SAFETY: the caller says so.
        let path = unsafe { CStr::from_ptr(path) }.to_bytes();
        let path = &path[..path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1)];
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(0) => (&b"/"[..], &path[1..]),
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b"."[..], path),
        };
        if matches!(name, b"" | b"." | b"..") {
            return None;
        }
        let parent = [parent, b"\0"].concat();
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the name ends with a zero.
        let opened = unsafe { kernel::open(folder, parent.as_ptr().cast(), flags, 0) };
        if opened < 0 {
            return None;
        }
        let parent = kernel::path_of(opened);
        kernel::close(opened);
        let parent = self.below(&parent?)?;
        Some(if parent.is_empty() { name.to_vec() } else { [&parent, &b"/"[..], name].concat() })
    }

    /// Returns the path from the root of an absolute path below it.
    fn below(&self, path: &[u8]) -> Option<Vec<u8>> {
        match path.strip_prefix(self.0.as_slice())? {
            [] => Some(Vec::new()),
            [b'/', rest @ ..] => Some(rest.to_vec()),
            _ => None,
        }
    }
}
