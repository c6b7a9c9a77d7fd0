//! One object as a pack holds it: named, compressed and summed up. Pure, so that any thread can make one.

use std::cell::RefCell;
use std::fmt;

use git2::{ObjectType, Oid};
use libdeflater::{CompressionLvl, Compressor};

/// The level of compression. The next ones cost more time than they save space: the repacking of git itself, which looks
/// for similar objects, compresses again anyway.
const LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Compressor> =
        RefCell::new(Compressor::new(CompressionLvl::new(LEVEL).expect("1 is a level of zlib")));
}

/// An object that is ready to be put into a pack.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PackEntry {
    pub(crate) id: Oid,
    pub(crate) kind: ObjectType,
    /// The object itself.
    pub(crate) content: Vec<u8>,
    /// What the pack holds: the header and the compressed content.
    pub(crate) packed: Vec<u8>,
}

impl PackEntry {
    /// Returns the entry of an object. Fails where libgit2 refuses to name it, as for two contents that were made to
    /// have one SHA-1.
    pub(crate) fn new(kind: ObjectType, content: Vec<u8>) -> Result<Self, git2::Error> {
        let id = Oid::hash_object(kind, &content)?;
        let mut packed = header(kind, content.len());
        COMPRESSOR.with_borrow_mut(|compressor| {
            let start = packed.len();
            packed.resize(start + compressor.zlib_compress_bound(content.len()), 0);
            let written = compressor.zlib_compress(&content, &mut packed[start..]);
            packed.truncate(start + written.expect("the room was asked for"));
        });
        packed.shrink_to_fit();
        Ok(Self { id, kind, content, packed })
    }
}

impl fmt::Debug for PackEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {} bytes", self.kind, self.id, self.content.len())
    }
}

/// Returns the type and the size of an object as a pack has them before its content.
fn header(kind: ObjectType, size: usize) -> Vec<u8> {
    let number: u8 = match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Blob => 3,
        ObjectType::Tag => 4,
        ObjectType::Any => panic!("an object is of some kind"),
    };
    let mut rest = size >> 4;
    let mut bytes = vec![number << 4 | (size & 0x0f) as u8];
    while rest > 0 {
        *bytes.last_mut().expect("there is a first byte") |= 0x80;
        bytes.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_the_type_and_the_size() {
        assert_eq!(header(ObjectType::Blob, 0), [0x30]);
        assert_eq!(header(ObjectType::Blob, 15), [0x3f]);
        assert_eq!(header(ObjectType::Commit, 16), [0x90, 0x01]);
        assert_eq!(header(ObjectType::Tree, 0x7ff), [0xaf, 0x7f]);
        assert_eq!(header(ObjectType::Tag, 0x800), [0xc0, 0x80, 0x01]);
    }

    #[test]
    fn the_id_is_that_of_git() {
        let entry = PackEntry::new(ObjectType::Blob, b"hello\n".to_vec()).unwrap();
        assert_eq!(entry.id.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
