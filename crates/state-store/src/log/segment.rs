//! How a batch of entries is stored: one body of bytes, and a hash that chains it to the segment before.
//!
//! SQLite has no checksums on its pages; the chain is what finds a flipped bit, a missing segment or a swapped one.

use crate::Timestamp;
use crate::log::{Entry, Recorded, Seq, StreamName};

/// The hash of a segment and, through it, of everything before it.
pub(super) type ChainHash = [u8; 32];

/// The hash before the first segment of any stream.
pub(super) const CHAIN_START: ChainHash = [0; 32];

/// The version of the body's encoding.
const BODY_VERSION: u8 = 1;

/// Returns the stored form of a batch: the version, then for each entry kind, version, length (little endian) and bytes.
pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(1 + entries.iter().map(|entry| 8 + entry.body.len()).sum::<usize>());
    body.push(BODY_VERSION);
    for entry in entries {
        let length = u32::try_from(entry.body.len()).expect("an entry is built in memory and below 4 GiB");
        body.extend_from_slice(&entry.kind.to_le_bytes());
        body.extend_from_slice(&entry.version.to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&entry.body);
    }
    body
}

/// Returns the entries of a stored batch, or what is wrong with it.
pub(super) fn decode(body: &[u8], count: u64) -> Result<Vec<Entry>, String> {
    let (version, mut rest) = body.split_first().ok_or("the segment is empty")?;
    if *version != BODY_VERSION {
        return Err(format!("the segment has encoding {version}; this program reads {BODY_VERSION}"));
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(8).ok_or("the segment ends in the head of an entry")?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let (bytes, after) = after.split_at_checked(length).ok_or("the segment ends in an entry")?;
        entries.push(Entry {
            kind: u16::from_le_bytes([header[0], header[1]]),
            version: u16::from_le_bytes([header[2], header[3]]),
            body: bytes.to_vec(),
        });
        rest = after;
    }
    if entries.len() as u64 != count {
        return Err(format!("the segment holds {} entries instead of {count}", entries.len()));
    }
    Ok(entries)
}

/// Returns the hash of a segment that follows one with the hash `before`.
pub(super) fn chain(
    before: &ChainHash,
    stream: &StreamName,
    first: Seq,
    count: u64,
    at: Timestamp,
    body: &[u8],
) -> ChainHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before);
    hasher.update(stream.as_str().as_bytes());
    hasher.update(&first.get().to_le_bytes());
    hasher.update(&count.to_le_bytes());
    hasher.update(&at.as_millis().to_le_bytes());
    hasher.update(body);
    *hasher.finalize().as_bytes()
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

/// The end of a chain of segments: where the next one must begin, and what it must be chained to.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChainEnd {
    pub(super) hash: ChainHash,
    pub(super) head: Seq,
}

impl ChainEnd {
    /// The end of a stream without segments.
    pub(super) const START: Self = Self { hash: CHAIN_START, head: Seq::START };

    /// Returns the end after a segment that is taken as it is stored, or what is wrong with it.
    pub(super) fn stored(first: i64, count: i64, hash: &[u8]) -> Result<Self, String> {
        let last = first.checked_add(count).and_then(|next| u64::try_from(next - 1).ok());
        let last = last.ok_or_else(|| format!("it cannot hold {count} entries"))?;
        Ok(Self { hash: hash_of(hash)?, head: Seq::new(last) })
    }

    /// Moves on over the next segment and returns its entries, or what is wrong with it.
    pub(super) fn follow(
        &mut self,
        stream: &StreamName,
        segment: StoredSegment<'_>,
    ) -> Result<Vec<Recorded>, String> {
        let StoredSegment { first, count, at, hash, body } = segment;
        if first != self.head.plus(1) {
            return Err(format!("entry {} is missing", self.head.plus(1)));
        }
        let hash = hash_of(hash)?;
        if chain(&self.hash, stream, first, count, at, body) != hash {
            return Err("its hash does not match".to_owned());
        }
        let entries = decode(body, count)?;
        *self = Self { hash, head: self.head.plus(count) };
        let recorded = (0..).zip(entries);
        Ok(recorded.map(|(offset, entry)| Recorded { seq: first.plus(offset), at, entry }).collect())
    }
}

fn hash_of(stored: &[u8]) -> Result<ChainHash, String> {
    stored.try_into().map_err(|_| "the hash has the wrong length".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry { kind: 1, version: 1, body: b"one".to_vec() },
            Entry { kind: 513, version: 2, body: Vec::new() },
        ]
    }

    #[test]
    fn the_encoding_is_what_it_was() {
        let body = encode(&entries());
        assert_eq!(body, [1, 1, 0, 1, 0, 3, 0, 0, 0, b'o', b'n', b'e', 1, 2, 2, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&body, 2).unwrap(), entries());
    }

    #[test]
    fn no_truncation_of_a_segment_decodes() {
        let body = encode(&entries());
        for length in 0..body.len() {
            assert!(decode(&body[..length], 2).is_err(), "{length}");
        }
    }

    #[test]
    fn the_chain_depends_on_everything_in_the_segment() {
        let stream = StreamName::workspace();
        let at = Timestamp::from_millis(7);
        let hash = chain(&CHAIN_START, &stream, Seq::new(1), 2, at, b"body");
        assert_ne!(hash, chain(&hash, &stream, Seq::new(1), 2, at, b"body"));
        assert_ne!(hash, chain(&CHAIN_START, &stream, Seq::new(2), 2, at, b"body"));
        assert_ne!(hash, chain(&CHAIN_START, &stream, Seq::new(1), 3, at, b"body"));
        assert_ne!(hash, chain(&CHAIN_START, &stream, Seq::new(1), 2, Timestamp::from_millis(8), b"body"));
        assert_ne!(hash, chain(&CHAIN_START, &stream, Seq::new(1), 2, at, b"bodx"));
    }
}
