//! The contract of a store.

use std::fmt;
use std::ops::ControlFlow;

use crate::Timestamp;

/// A place in a stream: the number of its last entry, counted from 1. [`Seq::START`] is before the first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Seq(u64);

impl Seq {
    /// The place before the first entry.
    pub const START: Self = Self(0);

    /// Returns the place of that number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the place that many entries further on.
    #[must_use]
    pub const fn plus(self, entries: u64) -> Self {
        Self(self.0 + entries)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

/// A text that cannot name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot name a stream: 1 to 128 ASCII letters, digits, `.`, `_`, `-` or `/`")]
pub struct InvalidStreamName {
    /// The text given.
    pub name: String,
}

impl StreamName {
    /// Returns the name, if it is 1 to 128 ASCII letters, digits, `.`, `_`, `-` or `/`.
    pub fn new(name: &str) -> Result<Self, InvalidStreamName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
            return Err(InvalidStreamName { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the stream of a workspace: its projects and the agents that they share.
    pub fn workspace() -> Self {
        Self("workspace".to_owned())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is appended: bytes that the store does not look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the bytes are, in the numbering of whoever owns the stream.
    pub kind: u16,
    /// The version of their format.
    pub version: u16,
    /// The bytes.
    pub body: Vec<u8>,
}

/// An entry that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place.
    pub seq: Seq,
    /// When its segment was committed, by the store's clock.
    pub at: Timestamp,
    /// The entry.
    pub entry: Entry,
}

/// Durable streams of entries.
///
/// Every implementation passes [`super::conformance`].
pub trait StateStore: Send + Sync + fmt::Debug {
    /// Takes the write lock of a stream and returns what was appended after `after`.
    ///
    /// Nobody else, in this process or another, begins on the stream until the transaction is committed or dropped.
    /// Waits for the lock, then fails with [`StoreError::Busy`]. A stream that nobody has written to is empty.
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError>;

    /// Visits the committed entries after `after`, in order, until the visitor breaks.
    ///
    /// Does not wait for writers. What it visits is checked against its checksums first.
    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Returns the place of the last committed entry; cheap enough to poll.
    fn head(&self, stream: &StreamName) -> Result<Seq, StoreError>;

    /// Returns the names of the streams that have entries, sorted.
    fn streams(&self) -> Result<Vec<StreamName>, StoreError>;

    /// Returns the present moment by the store's clock.
    fn now(&self) -> Timestamp;
}

/// The write lock of a stream. Dropping it appends nothing.
#[must_use = "dropping a transaction appends nothing and gives the lock back"]
pub trait Transaction {
    /// Returns what was appended after the place that `begin` was given.
    fn news(&self) -> &[Recorded];

    /// Returns the place of the last entry of the stream.
    fn head(&self) -> Seq;

    /// Returns the moment that the entries will be recorded with.
    fn now(&self) -> Timestamp;

    /// Appends the entries as one segment and returns the place of the last, once they are durable.
    ///
    /// No entries: nothing is written. After [`CommitError::Unknown`] the store refuses everything until it is opened
    /// again.
    fn commit(self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError>;
}

/// Why a store could not do what it was asked; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer kept the lock for too long.
    #[error("another writer kept the lock of stream `{stream}` for more than {waited_ms} ms")]
    Busy {
        /// The stream.
        stream: StreamName,
        /// How long this one waited.
        waited_ms: u64,
    },
    /// What is stored is not what was written.
    #[error("stream `{stream}` is damaged at entry {at}: {reason}")]
    Corrupt {
        /// The stream.
        stream: StreamName,
        /// The first bad place.
        at: Seq,
        /// What does not fit.
        reason: String,
    },
    /// An earlier write ended in doubt.
    #[error("the store must be opened again: an earlier write to it ended in doubt")]
    Poisoned,
    /// What the store was opened from is not there any more.
    #[error("`{place}` is not the store that was opened: it was removed or replaced")]
    Replaced {
        /// Where it was.
        place: String,
    },
    /// The disk is full.
    #[error("no room is left on the disk of the store")]
    Full,
    /// The storage engine failed.
    #[error("the store could not {action}")]
    Engine {
        /// What it was about to do.
        action: &'static str,
        /// What the engine says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody appended despite the lock: nothing was written; read on and decide again.
    #[error("the stream is at {found}, not at {expected}")]
    Conflict {
        /// Where the stream was expected to be.
        expected: Seq,
        /// Where it is.
        found: Seq,
    },
    /// Nothing was written.
    #[error("the entries were refused")]
    Refused(#[source] StoreError),
    /// The entries may be in the log or not: open the store again and look.
    #[error("the commit ended in doubt")]
    Unknown(#[source] StoreError),
}
