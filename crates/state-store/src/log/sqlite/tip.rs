//! Where each stream ended when it was last written to, in a small file beside the store (`state.db-tip`).
//!
//! SQLite ends its write-ahead log at the first frame that is damaged or missing, and takes what comes after it for
//! never written: the newest commits can be lost without a word. This file is the witness. A slot is written after each
//! commit, without a flush, so it never knows of more than the log held; after a power cut it may know of less, which
//! does no harm. A slot that is damaged says nothing.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::log::{ChainHash, Seq, StreamEnd};

/// Marks a slot, and its layout.
const MAGIC: [u8; 4] = *b"SPt1";

/// Magic, number of the stream (4 bytes), id of the store (8), head (8), hash (32), checksum (8); all little endian.
const SLOT_BYTES: usize = 64;

const CHECKED_BYTES: usize = SLOT_BYTES - 8;

/// The witness file of one store.
#[derive(Debug)]
pub(super) struct Tip {
    /// `None` where there can be no such file; the store works without.
    file: Option<File>,
    /// Slots of another store that was here before are passed over.
    store: u64,
}

impl Tip {
    /// Opens the witness of the store in the file `path` with that id.
    pub(super) fn open(path: &Path, store: u64) -> Self {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(beside(path)).ok();
        Self { file, store }
    }

    /// Returns where the stream of that number ended, if that is known.
    pub(super) fn end(&self, number: i64) -> Option<StreamEnd> {
        let mut slot = [0; SLOT_BYTES];
        read_at(self.file.as_ref()?, &mut slot, offset(number)?)?;
        let found = (checksum(&slot) == slot[CHECKED_BYTES..]
            && slot[..16] == self.slot(number, StreamEnd::START)?[..16])
            .then_some(slot)?;
        let head = u64::from_le_bytes(found[16..24].try_into().ok()?);
        Some(StreamEnd { head: Seq::new(head), hash: ChainHash::from_stored(&found[24..56]).ok()? })
    }

    /// Notes where the stream of that number ends now. That it cannot be noted does not matter to anybody but those who
    /// look for damage later.
    pub(super) fn note(&self, number: i64, end: StreamEnd) {
        if let (Some(file), Some(slot), Some(offset)) = (&self.file, self.slot(number, end), offset(number)) {
            let _ = write_at(file, &slot, offset);
        }
    }

    /// Returns the numbers of the streams that it knows, from the one after `last` on.
    pub(super) fn numbers_after(&self, last: i64) -> impl Iterator<Item = i64> + '_ {
        let bytes = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |found| found.len());
        let slots = i64::try_from(bytes / SLOT_BYTES as u64).unwrap_or(0);
        (last.max(0).saturating_add(1)..=slots).filter(|number| self.end(*number).is_some())
    }

    fn slot(&self, number: i64, end: StreamEnd) -> Option<[u8; SLOT_BYTES]> {
        let mut slot = [0; SLOT_BYTES];
        slot[..4].copy_from_slice(&MAGIC);
        slot[4..8].copy_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
        slot[8..16].copy_from_slice(&self.store.to_le_bytes());
        slot[16..24].copy_from_slice(&end.head.get().to_le_bytes());
        slot[24..56].copy_from_slice(end.hash.as_bytes());
        let checksum = checksum(&slot);
        slot[CHECKED_BYTES..].copy_from_slice(&checksum);
        Some(slot)
    }
}

/// Returns whether beside that path lies the witness of a store that has been written to, whichever that was.
pub(super) fn is_witness_of_any(path: &Path) -> bool {
    let slots = std::fs::read(beside(path)).unwrap_or_default();
    slots.as_chunks::<SLOT_BYTES>().0.iter().any(|slot| checksum(slot) == slot[CHECKED_BYTES..])
}

/// Returns the path of the witness of a store.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-tip");
    PathBuf::from(name)
}

/// Streams are numbered from 1; one beyond 32 bits has no slot.
fn offset(number: i64) -> Option<u64> {
    let place = u32::try_from(number).ok()?.checked_sub(1)?;
    Some(u64::from(place) * SLOT_BYTES as u64)
}

fn checksum(slot: &[u8; SLOT_BYTES]) -> [u8; 8] {
    let hash = blake3::hash(&slot[..CHECKED_BYTES]);
    let mut short = [0; 8];
    short.copy_from_slice(&hash.as_bytes()[..8]);
    short
}

#[cfg(unix)]
fn read_at(file: &File, slot: &mut [u8; SLOT_BYTES], offset: u64) -> Option<()> {
    use std::os::unix::fs::FileExt;
    file.read_exact_at(slot, offset).ok()
}

#[cfg(unix)]
fn write_at(file: &File, slot: &[u8; SLOT_BYTES], offset: u64) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.write_all_at(slot, offset)
}

#[cfg(windows)]
fn read_at(file: &File, slot: &mut [u8; SLOT_BYTES], offset: u64) -> Option<()> {
    use std::os::windows::fs::FileExt;
    (file.seek_read(slot, offset).ok()? == SLOT_BYTES).then_some(())
}

#[cfg(windows)]
fn write_at(file: &File, slot: &[u8; SLOT_BYTES], offset: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    file.seek_write(slot, offset).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(head: u64) -> StreamEnd {
        StreamEnd { head: Seq::new(head), hash: ChainHash::from_stored(&[7; 32]).unwrap() }
    }

    #[test]
    fn what_is_noted_is_known_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let tip = Tip::open(&path, 5);
        tip.note(3, end(9));
        tip.note(1, end(4));
        assert_eq!(
            (tip.end(1), tip.end(2), tip.end(3), tip.end(4)),
            (Some(end(4)), None, Some(end(9)), None)
        );
        assert_eq!(tip.numbers_after(0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(tip.numbers_after(1).collect::<Vec<_>>(), [3]);
        assert_eq!(Tip::open(&path, 6).end(1), None, "the slot of another store says nothing");
        let whole = std::fs::read(beside(&path)).unwrap();
        for bit in 0..SLOT_BYTES * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(beside(&path), flipped).unwrap();
            assert_eq!(Tip::open(&path, 5).end(1), None, "bit {bit}");
        }
    }
}
