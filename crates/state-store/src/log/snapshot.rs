//! A snapshot: what the entries of a stream come to at one place, so that opening it need not replay them all.

use crate::log::{ChainHash, Seq, StreamName};

/// What the entries of a stream up to a place come to, in bytes that the store does not look into.
///
/// It can be made again from the log, as long as that is not compacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The place: the last entry of a segment.
    pub seq: Seq,
    /// What the bytes are, in the numbering of whoever owns the stream.
    pub kind: u16,
    /// The version of their format.
    pub version: u16,
    /// The bytes.
    pub body: Vec<u8>,
}

/// How many bytes of a snapshot are written under one lock, so that writers wait no longer for it than for one another.
pub(super) const PART_BYTES: usize = 256 << 10;

impl Snapshot {
    /// Returns the hash that is stored beside it. It covers the chain, so that a snapshot of another history is told
    /// from one of this.
    pub(super) fn hash(&self, stream: &StreamName, chain: &ChainHash) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(chain.as_bytes());
        hasher.update(stream.as_str().as_bytes());
        hasher.update(&self.seq.get().to_le_bytes());
        hasher.update(&self.kind.to_le_bytes());
        hasher.update(&self.version.to_le_bytes());
        hasher.update(&self.body);
        *hasher.finalize().as_bytes()
    }
}
