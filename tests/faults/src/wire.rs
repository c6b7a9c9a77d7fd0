//! What the shim and the harness say to one another: environment variables, the control page, the records of a trace.
//!
//! Both packages compile this file, because the shim is not linked into what uses the harness.

/// The variable that names the folder below which the shim acts: an absolute path without links.
pub const ROOT_VARIABLE: &str = "FAULT_SHIM_ROOT";
/// The variable that names the control page, a file of [`CONTROL_BYTES`] bytes outside the root.
pub const CONTROL_VARIABLE: &str = "FAULT_SHIM_CONTROL";
/// The variable that names the trace, a file outside the root that records are appended to. Without it none are.
pub const TRACE_VARIABLE: &str = "FAULT_SHIM_TRACE";

/// How long the control page is.
pub const CONTROL_BYTES: usize = 128;

/// The numbers of the control page, each of 8 bytes in the order of the machine. All processes under the shim share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Slot {
    /// The classes that the armed fault meets, one bit each; 0 while none is armed.
    Classes = 0,
    /// Which operation of them fails first, counted from 1 after arming.
    Nth = 1,
    /// What happens to it: an [`ActionCode`].
    Action = 2,
    /// The number of the error.
    Error = 3,
    /// 1 where every later one fails too.
    IsSticky = 4,
    /// How many operations the armed fault has met.
    Met = 5,
    /// How many it has spoilt.
    Spoilt = 6,
    /// The first of the counters, one for each class.
    Counts = 8,
}

/// The kinds of operations that are counted and can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum Class {
    /// Opening a file for writing, or making it.
    Open = 0,
    /// Reading from a file.
    Read = 1,
    /// Writing to a file.
    Write = 2,
    /// Flushing a file or a folder.
    Sync = 3,
    /// Changing a file's length.
    Truncate = 4,
    /// Changing names: making, renaming, linking and removing files and folders.
    Name = 5,
}

/// What the armed fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum ActionCode {
    /// The operation is not done and fails.
    Fail = 0,
    /// Of a write, the first half is done, and that is what is answered.
    Short = 1,
    /// Of a write, the first half is done, and yet it fails.
    Torn = 2,
    /// The process is killed instead.
    Kill = 3,
}

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// A file was made: its inode, its path.
    Create = 1,
    /// Bytes were written: inode, offset, path, the bytes.
    Write = 2,
    /// A file's length was set: inode, the length as offset, path.
    Truncate = 3,
    /// A file or folder was flushed: inode, path.
    Sync = 4,
    /// Flushing a file or folder failed: inode, path.
    FailedSync = 5,
    /// A name was given to what had another one: both paths.
    Rename = 6,
    /// A second name was given: the first and the second path.
    Link = 7,
    /// The name of a file was removed: its path.
    Unlink = 8,
    /// A folder was made: its inode, its path.
    MakeFolder = 9,
    /// A folder was removed: its path.
    RemoveFolder = 10,
    /// A symbolic link was made: its path, where it points.
    Symlink = 11,
    /// The workload had something to say: the bytes.
    Mark = 12,
    /// A file was mapped so that it can be changed unseen: inode, path.
    Mapped = 13,
}

/// The length of what precedes the two byte strings of a record.
pub const RECORD_HEAD: usize = 28;

/// Returns a record: kind, inode, offset, the lengths of both byte strings, and the strings.
///
/// It is appended in one write, so that the records of several threads and processes do not mix.
pub fn encode_record(kind: RecordKind, inode: u64, offset: u64, first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_HEAD + first.len() + second.len());
    record.extend_from_slice(&[kind as u8, 0, 0, 0]);
    record.extend_from_slice(&inode.to_le_bytes());
    record.extend_from_slice(&offset.to_le_bytes());
    record.extend_from_slice(&(first.len() as u32).to_le_bytes());
    record.extend_from_slice(&(second.len() as u32).to_le_bytes());
    record.extend_from_slice(first);
    record.extend_from_slice(second);
    record
}
