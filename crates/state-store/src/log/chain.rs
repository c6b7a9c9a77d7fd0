//! The chain of segments: each is hashed together with the hash before it.
//!
//! SQLite has no checksums on its pages; the chain is what finds a flipped bit, a missing segment or a swapped one.

use std::fmt;

use crate::Timestamp;
use crate::log::planted::{PlantedBug, is_planted};
use crate::log::{Entry, Recorded, Seq, StreamName, segment};

/// The hash (BLAKE3) of a segment and, through it, of everything before it in its stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// The hash before the first segment of any stream.
    pub const START: Self = Self([0; 32]);

    /// Returns its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the hash that is stored in these bytes, if there are 32.
    pub(super) fn from_stored(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.try_into().map_err(|_| "the hash has the wrong length".to_owned())?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The end of a stream: its last entry, and the hash that the next segment will be chained to.
///
/// Two streams with the same end hold the same entries, committed together in the same segments at the same moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    /// The place of the last entry.
    pub head: Seq,
    /// The hash of the last segment.
    pub hash: ChainHash,
}

/// A segment as a store finds it, nothing of it checked.
#[derive(Clone, Copy)]
pub(super) struct StoredSegment<'a> {
    pub(super) first: Seq,
    pub(super) count: u64,
    pub(super) at: Timestamp,
    pub(super) hash: &'a [u8],
    pub(super) body: &'a [u8],
}

/// A segment that is about to be stored.
pub(super) struct NewSegment {
    pub(super) first: Seq,
    pub(super) count: u64,
    pub(super) at: Timestamp,
    pub(super) hash: ChainHash,
    pub(super) body: Vec<u8>,
}

impl StreamEnd {
    /// The end of a stream without segments.
    pub const START: Self = Self { head: Seq::START, hash: ChainHash::START };

    /// Returns the end after a segment that is taken as it is stored, or what is wrong with it.
    pub(super) fn stored(first: i64, count: i64, hash: &[u8]) -> Result<Self, String> {
        let last = first.checked_add(count).and_then(|next| u64::try_from(next.checked_sub(1)?).ok());
        let last = last.ok_or_else(|| format!("it cannot hold {count} entries"))?;
        Ok(Self { head: Seq::new(last), hash: ChainHash::from_stored(hash)? })
    }

    /// Moves on over the next stored segment and returns its entries, or what is wrong with it.
    pub(super) fn follow(
        &mut self,
        stream: &StreamName,
        stored: StoredSegment<'_>,
    ) -> Result<Vec<Recorded>, String> {
        let StoredSegment { first, count, at, hash, body } = stored;
        if first != self.head.plus(1) {
            return Err(format!("entry {} is missing", self.head.plus(1)));
        }
        let hash = ChainHash::from_stored(hash)?;
        if self.hash_of_next(stream, count, at, body) != hash && !is_planted(PlantedBug::TornTailAccepted) {
            return Err("its hash does not match".to_owned());
        }
        let entries = segment::decode(body, count)?;
        *self = Self { head: self.head.plus(count), hash };
        let recorded = (0..).zip(entries);
        Ok(recorded
            .map(|(offset, entry)| Recorded { seq: first.plus(offset), segment: first, at, entry })
            .collect())
    }

    /// Returns the segment that stores the entries after this end.
    pub(super) fn next(&self, stream: &StreamName, entries: &[Entry], at: Timestamp) -> NewSegment {
        let (first, count, body) = (self.head.plus(1), entries.len() as u64, segment::encode(entries));
        let hash = self.hash_of_next(stream, count, at, &body);
        NewSegment { first, count, at, hash, body }
    }

    fn hash_of_next(&self, stream: &StreamName, count: u64, at: Timestamp, body: &[u8]) -> ChainHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.hash.as_bytes());
        hasher.update(stream.as_str().as_bytes());
        hasher.update(&self.head.plus(1).get().to_le_bytes());
        hasher.update(&count.to_le_bytes());
        hasher.update(&at.as_millis().to_le_bytes());
        hasher.update(body);
        ChainHash(*hasher.finalize().as_bytes())
    }
}

impl NewSegment {
    /// Returns the end of the stream once this segment is stored.
    pub(super) fn end(&self) -> StreamEnd {
        StreamEnd { head: self.first.plus(self.count - 1), hash: self.hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_depends_on_everything_in_the_segment() {
        let (stream, other) = (StreamName::workspace(), StreamName::new("other").unwrap());
        let at = Timestamp::from_millis(7);
        let end = StreamEnd { head: Seq::new(4), hash: ChainHash([1; 32]) };
        let hash = end.hash_of_next(&stream, 2, at, b"body");
        let later = Timestamp::from_millis(8);
        let changed = [
            StreamEnd { hash, ..end }.hash_of_next(&stream, 2, at, b"body"),
            StreamEnd { head: Seq::new(5), ..end }.hash_of_next(&stream, 2, at, b"body"),
            end.hash_of_next(&other, 2, at, b"body"),
            end.hash_of_next(&stream, 3, at, b"body"),
            end.hash_of_next(&stream, 2, later, b"body"),
            end.hash_of_next(&stream, 2, at, b"bodx"),
        ];
        assert!(changed.iter().all(|other| *other != hash));
    }

    #[test]
    fn what_is_stored_is_followed_and_what_is_changed_is_not() {
        let stream = StreamName::workspace();
        let entries = [Entry { kind: 1, version: 1, body: b"one".to_vec() }];
        let segment = StreamEnd::START.next(&stream, &entries, Timestamp::from_millis(7));
        let stored = StoredSegment {
            first: segment.first,
            count: segment.count,
            at: segment.at,
            hash: segment.hash.as_bytes(),
            body: &segment.body,
        };
        let mut end = StreamEnd::START;
        assert_eq!(end.follow(&stream, stored).unwrap()[0].entry, entries[0]);
        assert_eq!(end, segment.end());
        let problem = |stored| {
            let mut end = StreamEnd::START;
            end.follow(&stream, stored).unwrap_err()
        };
        assert_eq!(problem(StoredSegment { first: Seq::new(2), ..stored }), "entry 1 is missing");
        assert_eq!(problem(StoredSegment { count: 2, ..stored }), "its hash does not match");
        assert_eq!(problem(StoredSegment { hash: &[0; 31], ..stored }), "the hash has the wrong length");
    }
}
