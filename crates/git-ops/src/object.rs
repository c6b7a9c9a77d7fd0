//! The object database: reading what commits and trees hold, and adding objects, a pack for each batch.
//!
//! Every read checks the hash of what it read, so a damaged object is an error and never wrong content.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use git2::{ObjectType, Oid};

use crate::commit::{self, CommitRecord};
use crate::id::CommitId;
use crate::merge_driver::DriverTime;
use crate::object_cache::ObjectCache;
use crate::pack::Pack;
use crate::pack_entry::PackEntry;
use crate::pack_folder::PackFolder;
use crate::tree::{self, Item, TreeEntry};

/// Why an object could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("the object {id} is not in the repository")]
    Missing {
        /// Its id.
        id: String,
    },
    /// The object is there but is something else.
    #[error("the object {id} is a {found}, not a {expected}")]
    Kind {
        /// Its id.
        id: String,
        /// What was asked for.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The object is there but breaks its format.
    #[error("the {kind} {id} is damaged: {reason}")]
    Damaged {
        /// Its id.
        id: String,
        /// What it should be.
        kind: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// Folders are nested deeper than we follow.
    #[error("folders are nested too deeply at {path:?}")]
    TooDeep {
        /// The path of the folder.
        path: String,
    },
    /// The object could not be read.
    #[error("cannot read the object {id}")]
    Read {
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// The database could not be opened, or an object got no name.
    #[error("cannot put a {kind} into the object database")]
    Write {
        /// What was to be written.
        kind: &'static str,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// The objects could not be written or flushed.
    #[error("cannot write {}", path.display())]
    WritePack {
        /// The pack that was to hold them.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program that merges two files could not be run.
    #[error("the merge driver for {path:?} cannot be run")]
    MergeDriver {
        /// Their path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two files could not be merged.
    #[error("cannot merge the content of {path:?}")]
    MergeFile {
        /// Their path.
        path: String,
        /// Why.
        #[source]
        source: git2::Error,
    },
}

/// The object database of one open repository, and the objects that a batch is about to add to it.
pub(crate) struct Objects<'repo> {
    odb: git2::Odb<'repo>,
    known: &'repo ObjectCache,
    batch: RefCell<Batch>,
    /// What the merge drivers of the batch may still take.
    pub(crate) driver_time: DriverTime,
}

/// Objects that are not in the database yet, in the order in which they came.
#[derive(Default)]
struct Batch {
    entries: Vec<Arc<PackEntry>>,
    places: HashMap<Oid, usize>,
}

impl<'repo> Objects<'repo> {
    pub(crate) fn open(
        repository: &'repo git2::Repository,
        known: &'repo ObjectCache,
    ) -> Result<Self, ObjectError> {
        let odb = repository.odb().map_err(|source| ObjectError::Write { kind: "database", source })?;
        Ok(Self { odb, known, batch: RefCell::default(), driver_time: DriverTime::default() })
    }

    pub(crate) fn blob(&self, id: Oid) -> Result<Vec<u8>, ObjectError> {
        self.read(id, ObjectType::Blob, <[u8]>::to_vec)
    }

    /// Returns the entries of a folder, in no particular order; an absent folder has none.
    pub(crate) fn tree(&self, id: Option<Oid>) -> Result<Vec<TreeEntry>, ObjectError> {
        let Some(id) = id else { return Ok(Vec::new()) };
        self.read(id, ObjectType::Tree, tree::parse)?.map_err(|reason| damaged(id, "tree", reason))
    }

    /// Returns what a name stands for in a folder, `None` if it is not there.
    pub(crate) fn entry(&self, id: Oid, name: &[u8]) -> Result<Option<Item>, ObjectError> {
        let found = self.read(id, ObjectType::Tree, |bytes| {
            let mut entries = tree::entries(bytes);
            entries
                .find(|entry| entry.as_ref().is_ok_and(|entry| entry.name == name) || entry.is_err())
                .transpose()
                .map(|entry| entry.map(|entry| entry.item))
        })?;
        found.map_err(|reason| damaged(id, "tree", reason))
    }

    /// Returns a folder as it is stored, once it was looked through.
    pub(crate) fn tree_bytes(&self, id: Oid) -> Result<Vec<u8>, ObjectError> {
        let bytes = self.read(id, ObjectType::Tree, |bytes| {
            tree::entries(bytes).try_for_each(|entry| entry.map(drop)).map(|()| bytes.to_vec())
        })?;
        bytes.map_err(|reason| damaged(id, "tree", reason))
    }

    pub(crate) fn commit(&self, id: CommitId) -> Result<CommitRecord, ObjectError> {
        let record = self.read(id.oid(), ObjectType::Commit, commit::parse)?;
        record.map_err(|reason| damaged(id.oid(), "commit", reason))
    }

    /// Returns the bytes of a commit.
    pub(crate) fn commit_bytes(&self, id: CommitId) -> Result<Vec<u8>, ObjectError> {
        self.read(id.oid(), ObjectType::Commit, <[u8]>::to_vec)
    }

    pub(crate) fn add_tree(&self, entries: Vec<TreeEntry>) -> Result<Oid, ObjectError> {
        self.add_tree_bytes(tree::encode(entries))
    }

    pub(crate) fn add_tree_bytes(&self, bytes: Vec<u8>) -> Result<Oid, ObjectError> {
        self.add_new(ObjectType::Tree, bytes)
    }

    pub(crate) fn add_commit(&self, bytes: Vec<u8>) -> Result<CommitId, ObjectError> {
        self.add_new(ObjectType::Commit, bytes).map(CommitId::from_oid)
    }

    /// Adds an object to the batch, and returns its id.
    ///
    /// Whether the database has it already is not asked: it could be one that nothing reaches and that a collector is
    /// about to remove, or one that was never flushed.
    pub(crate) fn add(&self, entry: Arc<PackEntry>) -> Oid {
        let id = entry.id;
        let Batch { entries, places } = &mut *self.batch.borrow_mut();
        places.entry(id).or_insert_with(|| {
            entries.push(entry);
            entries.len() - 1
        });
        id
    }

    /// Returns the batch as a pack, `None` if nothing was added.
    pub(crate) fn pack(&self) -> Option<Pack> {
        let Batch { entries, .. } = &*self.batch.borrow();
        (!entries.is_empty()).then(|| Pack::new(entries.iter().map(|entry| (entry.id, &*entry.packed))))
    }

    /// Empties the batch, whose pack is in the database now.
    pub(crate) fn stored(&self) {
        for entry in self.batch.take().entries {
            self.known.insert(entry.id, entry.kind, entry.content.as_slice().into());
        }
    }

    /// Writes the batch as one pack and flushes it.
    pub(crate) fn store(&self, packs: &PackFolder) -> Result<(), ObjectError> {
        if let Some(pack) = self.pack() {
            packs.store(&pack)?;
            self.stored();
        }
        Ok(())
    }

    fn add_new(&self, kind: ObjectType, content: Vec<u8>) -> Result<Oid, ObjectError> {
        let entry = PackEntry::new(kind, content);
        entry
            .map(|entry| self.add(Arc::new(entry)))
            .map_err(|source| ObjectError::Write { kind: kind.str(), source })
    }

    fn read<T>(
        &self,
        id: Oid,
        expected: ObjectType,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ObjectError> {
        if let Some(entry) = self.batched(id) {
            check_kind(id, expected, entry.kind)?;
            return Ok(parse(&entry.content));
        }
        if let Some((kind, content)) = self.known.get(id) {
            check_kind(id, expected, kind)?;
            return Ok(parse(&content));
        }
        let object = self.odb.read(id).map_err(|source| match source.code() {
            git2::ErrorCode::NotFound => ObjectError::Missing { id: id.to_string() },
            _ => ObjectError::Read { id: id.to_string(), source },
        })?;
        check_kind(id, expected, object.kind())?;
        self.known.insert(id, object.kind(), object.data().into());
        Ok(parse(object.data()))
    }

    fn batched(&self, id: Oid) -> Option<Arc<PackEntry>> {
        let batch = self.batch.borrow();
        batch.places.get(&id).map(|at| Arc::clone(&batch.entries[*at]))
    }
}

fn check_kind(id: Oid, expected: ObjectType, found: ObjectType) -> Result<(), ObjectError> {
    if found == expected {
        return Ok(());
    }
    Err(ObjectError::Kind { id: id.to_string(), expected: expected.str(), found: found.str() })
}

fn damaged(id: Oid, kind: &'static str, reason: &'static str) -> ObjectError {
    ObjectError::Damaged { id: id.to_string(), kind, reason }
}
