//! How a batch of entries is stored: one body of bytes.

use crate::log::Entry;

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
}
