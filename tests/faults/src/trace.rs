//! What programs did to the files below the root, in order.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::wire::{RECORD_HEAD, RecordKind};

/// One step. Paths are from the root; an inode says which file is meant, whatever it is called by then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "paths, inodes, offsets, lengths and bytes say what they are")]
pub enum Operation {
    /// A file was made, empty.
    Create { inode: u64, path: PathBuf },
    /// Bytes were written.
    Write { inode: u64, path: PathBuf, offset: u64, bytes: Vec<u8> },
    /// A file got a new length.
    Truncate { inode: u64, path: PathBuf, length: u64 },
    /// A file or a folder was flushed.
    Sync { inode: u64, path: PathBuf },
    /// A flush of a file or a folder failed.
    FailedSync { inode: u64, path: PathBuf },
    /// What was called `from` is called `to`; what was called so before is not any more.
    Rename { from: PathBuf, to: PathBuf },
    /// What is called `from` is called `to`, too.
    Link { from: PathBuf, to: PathBuf },
    /// A name of a file is gone.
    Unlink { path: PathBuf },
    /// A folder was made.
    MakeFolder { inode: u64, path: PathBuf },
    /// A folder was removed.
    RemoveFolder { path: PathBuf },
    /// A symbolic link was made.
    Symlink { path: PathBuf, target: PathBuf },
    /// The workload said something.
    Mark(Vec<u8>),
}

/// All steps of a session.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// They, in order.
    pub operations: Vec<Operation>,
}

/// Why a trace says nothing that could be relied on.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Its file cannot be read.
    #[error("the trace `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ends in the middle of a record, or holds what is none.
    #[error("the trace is damaged at byte {at}")]
    Damaged {
        /// Where.
        at: usize,
    },
    /// A file was mapped for writing; what is written so cannot be recorded.
    #[error("`{}` was mapped for writing, which the shim cannot follow", path.display())]
    Mapped {
        /// The file.
        path: PathBuf,
    },
    /// Something was moved or linked over the border of the root.
    #[error("`{}` was moved or linked over the border of the root, where the shim cannot follow", path.display())]
    OverBorder {
        /// The end that lies below the root.
        path: PathBuf,
    },
}

impl Trace {
    /// Reads a trace.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let unreadable = |source| TraceError::Unreadable { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let mut operations = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (operation, length) = parse(&bytes[at..]).ok_or(TraceError::Damaged { at })?;
            operations.push(operation?);
            at += length;
        }
        Ok(Self { operations })
    }

    /// Returns what the workload had said before the operation of that number.
    pub fn marks_before(&self, operation: usize) -> Vec<&[u8]> {
        let marks = self.operations[..operation].iter().filter_map(|operation| match operation {
            Operation::Mark(said) => Some(said.as_slice()),
            _ => None,
        });
        marks.collect()
    }
}

/// Returns the first operation and the length of its record, or `None` where the bytes are no record.
fn parse(bytes: &[u8]) -> Option<(Result<Operation, TraceError>, usize)> {
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let length = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (inode, offset) = (number(4)?, number(12)?);
    let (first_length, second_length) = (length(20)?, length(24)?);
    let first = bytes.get(RECORD_HEAD..RECORD_HEAD + first_length)?;
    let end = RECORD_HEAD + first_length + second_length;
    let second = bytes.get(RECORD_HEAD + first_length..end)?;
    let path = path(first);
    let kind = kind(*bytes.first()?)?;
    let is_over_border =
        matches!(kind, RecordKind::Rename | RecordKind::Link) && (first.is_empty() || second.is_empty());
    if is_over_border {
        let path = if first.is_empty() { self::path(second) } else { path };
        return Some((Err(TraceError::OverBorder { path }), end));
    }
    let operation = match kind {
        RecordKind::Create => Operation::Create { inode, path },
        RecordKind::Write => Operation::Write { inode, path, offset, bytes: second.to_vec() },
        RecordKind::Truncate => Operation::Truncate { inode, path, length: offset },
        RecordKind::Sync => Operation::Sync { inode, path },
        RecordKind::FailedSync => Operation::FailedSync { inode, path },
        RecordKind::Rename => Operation::Rename { from: path, to: self::path(second) },
        RecordKind::Link => Operation::Link { from: path, to: self::path(second) },
        RecordKind::Unlink => Operation::Unlink { path },
        RecordKind::MakeFolder => Operation::MakeFolder { inode, path },
        RecordKind::RemoveFolder => Operation::RemoveFolder { path },
        RecordKind::Symlink => Operation::Symlink { path, target: self::path(second) },
        RecordKind::Mark => Operation::Mark(second.to_vec()),
        RecordKind::Mapped => return Some((Err(TraceError::Mapped { path }), end)),
    };
    Some((Ok(operation), end))
}

fn kind(code: u8) -> Option<RecordKind> {
    use RecordKind as K;
    let kinds = [
        K::Create,
        K::Write,
        K::Truncate,
        K::Sync,
        K::FailedSync,
        K::Rename,
        K::Link,
        K::Unlink,
        K::MakeFolder,
        K::RemoveFolder,
        K::Symlink,
        K::Mark,
        K::Mapped,
    ];
    kinds.into_iter().find(|kind| *kind as u8 == code)
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
