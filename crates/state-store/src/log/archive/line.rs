//! What the lines of an archive hold. These types are the stored format.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::log::{Archived, Base, ChainHash, Entry, Recorded, Seq, Snapshot, StreamName};

/// The version of the format that this program writes; a newer one is refused.
pub const ARCHIVE_VERSION: u32 = 2;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeaderLine {
    pub(super) super_planner_archive: Header,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
    #[serde(default)]
    pub(super) exported_at_ms: u64,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// Since version 2.
    Base(BaseLine),
    Segment(SegmentLine),
    End(EndLine),
}

/// Where a stream begins whose first entries were dropped. It comes before the stream's segments.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BaseLine {
    pub(super) stream: String,
    /// The last entry that was dropped.
    pub(super) seq: u64,
    /// The hash of the chain there.
    pub(super) hash: String,
    /// The kind of the snapshot of that place, its version, its bytes in hexadecimal digits, and its hash.
    pub(super) kind: u16,
    pub(super) version: u16,
    pub(super) snapshot: String,
    pub(super) snapshot_hash: String,
}

/// What was committed together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentLine {
    pub(super) stream: String,
    /// The place of its first entry.
    pub(super) first: u64,
    pub(super) at_ms: u64,
    pub(super) entries: Vec<EntryLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryLine {
    pub(super) kind: u16,
    pub(super) version: u16,
    /// The bytes, in hexadecimal digits.
    pub(super) body: String,
    /// What it says, for people and their programs; importing passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) says: Option<serde_json::Value>,
}

/// The last line: without it, the archive was cut off.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    pub(super) streams: Vec<StreamLine>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamLine {
    pub(super) stream: String,
    pub(super) entries: u64,
    pub(super) hash: String,
}

impl BaseLine {
    pub(super) fn new(stream: &StreamName, base: &Base) -> Self {
        let Base { hash, snapshot } = base;
        Self {
            stream: stream.as_str().to_owned(),
            seq: snapshot.seq.get(),
            hash: hash.to_string(),
            kind: snapshot.kind,
            version: snapshot.version,
            snapshot: to_hex(&snapshot.body),
            snapshot_hash: to_hex(&snapshot.hash(stream, hash)),
        }
    }

    /// Returns where the stream begins, or what is wrong with that.
    pub(super) fn base(&self, stream: &StreamName) -> Result<Base, String> {
        let bytes = |text: &str| from_hex(text).ok_or("there are no hexadecimal digits where they should be");
        let hash = ChainHash::from_stored(&bytes(&self.hash)?)?;
        let (kind, version, body) = (self.kind, self.version, bytes(&self.snapshot)?);
        let snapshot = Snapshot { seq: Seq::new(self.seq), kind, version, body };
        if snapshot.hash(stream, &hash).as_slice() != bytes(&self.snapshot_hash)? {
            return Err(format!("the hash of the snapshot of stream `{stream}` does not match"));
        }
        Ok(Base { hash, snapshot })
    }
}

impl SegmentLine {
    pub(super) fn new(stream: &StreamName, first: &Recorded, entries: Vec<EntryLine>) -> Self {
        Self {
            stream: stream.as_str().to_owned(),
            first: first.segment.get(),
            at_ms: first.at.as_millis(),
            entries,
        }
    }

    pub(super) fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at_ms)
    }

    /// Returns the entries, or what is wrong with them.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, String> {
        self.entries.iter().map(EntryLine::entry).collect()
    }
}

impl EntryLine {
    pub(super) fn new(entry: &Entry, says: Option<serde_json::Value>) -> Self {
        Self { kind: entry.kind, version: entry.version, body: to_hex(&entry.body), says }
    }

    fn entry(&self) -> Result<Entry, String> {
        let body = from_hex(&self.body).ok_or("the bytes of an entry are no hexadecimal digits")?;
        Ok(Entry { kind: self.kind, version: self.version, body })
    }
}

impl From<&Archived> for StreamLine {
    fn from(archived: &Archived) -> Self {
        Self {
            stream: archived.stream.as_str().to_owned(),
            entries: archived.end.head.get(),
            hash: archived.end.hash.to_string(),
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
