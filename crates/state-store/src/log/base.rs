//! Where a stream begins whose first entries were dropped.

use crate::log::{ChainHash, Snapshot, StreamEnd};

/// Where a stream begins whose first entries were dropped: what is kept goes on from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The hash of the chain at the last entry that was dropped.
    pub hash: ChainHash,
    /// What the entries that were dropped had come to.
    pub snapshot: Snapshot,
}

impl Base {
    /// Returns the end that the stream had there.
    pub fn end(&self) -> StreamEnd {
        StreamEnd { head: self.snapshot.seq, hash: self.hash }
    }
}
