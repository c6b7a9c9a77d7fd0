//! A pack and its index as bytes. Pure: the same entries in the same order give the same files.
//!
//! The formats are those of git's `gitformat-pack`: version 2 of both. What is made here holds whole objects only.

use std::collections::BTreeMap;
use std::ops::Range;

use git2::Oid;
use sha1::{Digest as _, Sha1};

/// The bytes of a checksum, at the end of a pack and twice at the end of an index.
const CHECKSUM_BYTES: usize = 20;
/// The bytes before the first object of a pack.
const HEADER_BYTES: usize = 12;
/// What an index begins with: its mark and its version.
const INDEX_HEAD: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
/// The number of counts at the head of an index.
const FANOUT: usize = 256;
/// An offset that does not fit in 31 bits is in a table of its own.
const LARGE_OFFSET: u64 = 1 << 31;

/// A pack that is ready to be written.
pub(crate) struct Pack {
    /// The checksum of the pack as 40 digits, which is its name.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) index: Vec<u8>,
}

/// Objects, and where each is in its pack.
pub(crate) type Places = Vec<(Oid, Range<usize>)>;

/// Why the bytes of a pack or an index make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DamagedPack(pub(crate) &'static str);

impl Pack {
    /// Returns the pack with these objects, each of which is given by its id and by its bytes in a pack.
    pub(crate) fn new<'a>(entries: impl ExactSizeIterator<Item = (Oid, &'a [u8])>) -> Self {
        let count = u32::try_from(entries.len()).expect("a batch has fewer than 2^32 objects");
        let mut bytes = Vec::from(*b"PACK\0\0\0\x02");
        bytes.extend_from_slice(&count.to_be_bytes());
        let mut places = BTreeMap::new();
        for (id, packed) in entries {
            places.insert(id, (libdeflater::crc32(packed), bytes.len() as u64));
            bytes.extend_from_slice(packed);
        }
        assert_eq!(places.len(), count as usize, "each object is there once");
        let checksum: [u8; CHECKSUM_BYTES] = Sha1::digest(&bytes).into();
        bytes.extend_from_slice(&checksum);
        Self::with_index(bytes, encode_index(&places, &checksum))
    }

    /// Returns a pack that is complete, with its index.
    pub(crate) fn with_index(bytes: Vec<u8>, index: Vec<u8>) -> Self {
        let checksum = &bytes[bytes.len().saturating_sub(CHECKSUM_BYTES)..];
        let name = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name, bytes, index }
    }
}

/// Returns the index of a pack: of each object the checksum of its bytes in the pack and the place where they begin.
fn encode_index(places: &BTreeMap<Oid, (u32, u64)>, pack_checksum: &[u8]) -> Vec<u8> {
    let mut counts = [0_u32; FANOUT];
    for id in places.keys() {
        counts[usize::from(id.as_bytes()[0])] += 1;
    }
    let mut index = Vec::with_capacity(INDEX_HEAD.len() + 4 * FANOUT + 28 * places.len() + 40);
    index.extend_from_slice(&INDEX_HEAD);
    let mut total = 0;
    for count in counts {
        total += count;
        index.extend_from_slice(&u32::to_be_bytes(total));
    }
    for id in places.keys() {
        index.extend_from_slice(id.as_bytes());
    }
    for (crc, _) in places.values() {
        index.extend_from_slice(&crc.to_be_bytes());
    }
    let mut large: Vec<u64> = Vec::new();
    for (_, offset) in places.values() {
        let short = if *offset < LARGE_OFFSET {
            *offset
        } else {
            large.push(*offset);
            LARGE_OFFSET | (large.len() as u64 - 1)
        };
        index.extend_from_slice(&u32::try_from(short).expect("it has 32 bits").to_be_bytes());
    }
    for offset in large {
        index.extend_from_slice(&offset.to_be_bytes());
    }
    index.extend_from_slice(pack_checksum);
    let checksum = Sha1::digest(&index);
    index.extend_from_slice(&checksum);
    index
}

/// Returns each object of a pack with the range of its bytes there, in the order of the pack; `None` if the pack holds
/// differences, which mean nothing outside of it.
pub(crate) fn whole_objects(pack: &[u8], index: &[u8]) -> Result<Option<Places>, DamagedPack> {
    let mut places = parse_index(index)?;
    places.sort_by_key(|(_, offset)| *offset);
    let end = pack.len().checked_sub(CHECKSUM_BYTES).ok_or(DamagedPack("the pack is cut off"))?;
    let checksum = index.len().checked_sub(2 * CHECKSUM_BYTES).ok_or(DamagedPack("the index is cut off"))?;
    if pack[end..] != index[checksum..checksum + CHECKSUM_BYTES] {
        return Err(DamagedPack("the index belongs to another pack"));
    }
    if Sha1::digest(&pack[..end])[..] != pack[end..] {
        return Err(DamagedPack("the checksum of the pack is wrong"));
    }
    let ends = places.iter().skip(1).map(|(_, offset)| *offset).chain([end as u64]).collect::<Vec<_>>();
    let mut objects = Vec::with_capacity(places.len());
    for ((id, start), end) in places.into_iter().zip(ends) {
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok()).map(|(start, end)| start..end);
        let range = range.filter(|range| range.start >= HEADER_BYTES && range.start < range.end);
        let range = range.ok_or(DamagedPack("an object is at an impossible place"))?;
        if !is_whole_type(pack[range.start]) {
            return Ok(None);
        }
        objects.push((id, range));
    }
    Ok(Some(objects))
}

/// Returns the objects that an index lists.
pub(crate) fn ids(index: &[u8]) -> Result<Vec<Oid>, DamagedPack> {
    Ok(parse_index(index)?.into_iter().map(|(id, _)| id).collect())
}

/// How many bytes tell how an object is packed: its type and size, and the head of what zlib has made.
pub(crate) const HEAD_BYTES: usize = 16;
/// The second byte of what zlib makes where it was told to be fast rather than small.
const ZLIB_FASTEST: u8 = 0x01;

/// Returns whether a pack was made in haste: of whole objects only, compressed as fast as can be. `head` returns the bytes
/// from a place of the pack on.
pub(crate) fn is_hasty<E: From<DamagedPack>>(
    index: &[u8],
    mut head: impl FnMut(u64) -> Result<[u8; HEAD_BYTES], E>,
) -> Result<bool, E> {
    for (_, place) in parse_index(index)? {
        let head = head(place)?;
        let size_bytes = head.iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
        if !is_whole_type(head[0]) || head.get(size_bytes + 1) != Some(&ZLIB_FASTEST) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether the first byte of an object says that it is whole.
fn is_whole_type(byte: u8) -> bool {
    matches!(byte >> 4 & 7, 1..=4)
}

/// Returns each object that an index lists with its place in the pack, in the order of the ids.
fn parse_index(index: &[u8]) -> Result<Vec<(Oid, u64)>, DamagedPack> {
    let cut_off = DamagedPack("the index is cut off");
    if index.get(..INDEX_HEAD.len()) != Some(&INDEX_HEAD) {
        return Err(DamagedPack("the index is of another version"));
    }
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?)) };
    let ids_at = INDEX_HEAD.len() + 4 * FANOUT;
    let count = word(ids_at - 4).ok_or(cut_off)? as usize;
    let offsets_at = ids_at + count * 24;
    let large_at = offsets_at + count * 4;
    if index.len() < large_at + 2 * CHECKSUM_BYTES {
        return Err(cut_off);
    }
    let mut places = Vec::with_capacity(count);
    for n in 0..count {
        let id = Oid::from_bytes(&index[ids_at + 20 * n..ids_at + 20 * (n + 1)]).map_err(|_| cut_off)?;
        let short = u64::from(word(offsets_at + 4 * n).ok_or(cut_off)?);
        let offset = if short < LARGE_OFFSET {
            short
        } else {
            let at = large_at + 8 * (short - LARGE_OFFSET) as usize;
            let bytes = index.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_be_bytes(bytes.ok_or(cut_off)?)
        };
        places.push((id, offset));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use git2::ObjectType;

    use super::*;
    use crate::pack_entry::PackEntry;

    fn entries(count: usize) -> Vec<PackEntry> {
        (0..count)
            .map(|n| {
                PackEntry::new(ObjectType::Blob, format!("content {n}\n").repeat(n).into_bytes()).unwrap()
            })
            .collect()
    }

    fn pack(entries: &[PackEntry]) -> Pack {
        Pack::new(entries.iter().map(|entry| (entry.id, &*entry.packed)))
    }

    #[test]
    fn what_was_put_in_is_found_again() {
        let entries = entries(40);
        let Pack { bytes, index, .. } = pack(&entries);
        let found = whole_objects(&bytes, &index).unwrap().unwrap();
        assert_eq!(found.len(), entries.len());
        for (entry, (id, range)) in entries.iter().zip(found) {
            assert_eq!((entry.id, &*entry.packed), (id, &bytes[range]));
        }
    }

    #[test]
    fn offsets_beyond_two_gigabytes_are_found_again() {
        let far = [5, LARGE_OFFSET - 1, LARGE_OFFSET, u64::from(u32::MAX) + 7];
        let places = entries(4).iter().zip(far).map(|(entry, at)| (entry.id, (1, at))).collect();
        let index = encode_index(&places, &[0; CHECKSUM_BYTES]);
        let expected: Vec<(Oid, u64)> = places.into_iter().map(|(id, (_, at))| (id, at)).collect();
        assert_eq!(parse_index(&index).unwrap(), expected);
    }

    #[test]
    fn damage_is_an_error() {
        let Pack { bytes, index, .. } = pack(&entries(3));
        for cut in 0..index.len() {
            assert!(whole_objects(&bytes, &index[..cut]).is_err(), "the index cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            assert!(whole_objects(&flipped, &index).is_err(), "the pack flipped at {at}");
        }
        assert!(whole_objects(&[], &index).is_err());
    }

    #[test]
    fn a_pack_of_ours_was_made_in_haste() {
        let Pack { bytes, index, .. } = pack(&entries(300));
        let head = |place: u64| -> Result<_, DamagedPack> {
            Ok(bytes[place as usize..][..HEAD_BYTES].try_into().unwrap())
        };
        assert_eq!(is_hasty(&index, head), Ok(true));
        let slowly = |place: u64| {
            head(place).map(|head| head.map(|byte| if byte == ZLIB_FASTEST { 0x9c } else { byte }))
        };
        assert_eq!(is_hasty(&index, slowly), Ok(false));
    }

    #[test]
    fn a_pack_with_differences_is_not_taken_apart() {
        let delta = [0x70 | 5, 1, 2, 3];
        let id = entries(1)[0].id;
        let Pack { bytes, index, .. } = Pack::new([(id, &delta[..])].into_iter());
        assert_eq!(whole_objects(&bytes, &index), Ok(None));
    }
}
