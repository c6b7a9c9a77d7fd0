//! How a store fails.

use crate::log::{Seq, StreamName};

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
    /// The entries were dropped after a snapshot had been made of what they came to.
    #[error("the entries of stream `{stream}` up to {until} were dropped: begin with its snapshot")]
    Compacted {
        /// The stream.
        stream: StreamName,
        /// The last one dropped.
        until: Seq,
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

/// Why a snapshot was not kept; the last one is still there.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is of a moment between two commits, or of one that is still to come.
    #[error("a snapshot at entry {at} of stream `{stream}` is not at the end of a segment")]
    NoBoundary {
        /// The stream.
        stream: StreamName,
        /// Its place.
        at: Seq,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
