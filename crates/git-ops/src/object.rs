//! The object database: reading what commits and trees hold, and writing objects that survive a power cut.
//!
//! Every read checks the hash of what it read, so a damaged object is an error and never wrong content.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use git2::{ObjectType, Oid};

use crate::commit::{self, CommitRecord};
use crate::durability;
use crate::id::CommitId;
use crate::tree::{self, TreeEntry};

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
    /// The database could not be opened, or did not take an object.
    #[error("cannot write a {kind} to the object database")]
    Write {
        /// What was to be written.
        kind: &'static str,
        /// Why.
        #[source]
        source: git2::Error,
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
    /// A file or folder of the database could not be flushed.
    #[error("cannot flush {}", path.display())]
    Flush {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The object database of one open repository.
pub(crate) struct Objects<'repo> {
    odb: git2::Odb<'repo>,
    folder: PathBuf,
    /// The objects known to be flushed, so that one that many commits share is looked at once.
    flushed: RefCell<BTreeSet<Oid>>,
}

impl<'repo> Objects<'repo> {
    pub(crate) fn open(repository: &'repo git2::Repository) -> Result<Self, ObjectError> {
        let odb = repository.odb().map_err(|source| ObjectError::Write { kind: "database", source })?;
        Ok(Self { odb, folder: repository.commondir().join("objects"), flushed: RefCell::default() })
    }

    pub(crate) fn blob(&self, id: Oid) -> Result<Vec<u8>, ObjectError> {
        self.read(id, ObjectType::Blob, <[u8]>::to_vec)
    }

    /// Returns the entries of a folder, in no particular order; an absent folder has none.
    pub(crate) fn tree(&self, id: Option<Oid>) -> Result<Vec<TreeEntry>, ObjectError> {
        let Some(id) = id else { return Ok(Vec::new()) };
        self.read(id, ObjectType::Tree, tree::parse)?.map_err(|reason| damaged(id, "tree", reason))
    }

    pub(crate) fn commit(&self, id: CommitId) -> Result<CommitRecord, ObjectError> {
        let record = self.read(id.oid(), ObjectType::Commit, commit::parse)?;
        record.map_err(|reason| damaged(id.oid(), "commit", reason))
    }

    pub(crate) fn write_blob(&self, content: &[u8]) -> Result<Oid, ObjectError> {
        self.write(ObjectType::Blob, content)
    }

    pub(crate) fn write_tree(&self, entries: Vec<TreeEntry>) -> Result<Oid, ObjectError> {
        self.write(ObjectType::Tree, &tree::encode(entries))
    }

    pub(crate) fn write_commit(&self, bytes: &[u8]) -> Result<CommitId, ObjectError> {
        self.write(ObjectType::Commit, bytes).map(CommitId::from_oid)
    }

    /// Flushes the folder that holds the database's own folders; to be called once before a ref points to new objects.
    pub(crate) fn flush(&self) -> Result<(), ObjectError> {
        durability::flush(&self.folder)
            .map_err(|source| ObjectError::Flush { path: self.folder.clone(), source })
    }

    fn read<T>(
        &self,
        id: Oid,
        expected: ObjectType,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ObjectError> {
        let object = self.odb.read(id).map_err(|source| match source.code() {
            git2::ErrorCode::NotFound => ObjectError::Missing { id: id.to_string() },
            _ => ObjectError::Read { id: id.to_string(), source },
        })?;
        if object.kind() != expected {
            let (expected, found) = (expected.str(), object.kind().str());
            return Err(ObjectError::Kind { id: id.to_string(), expected, found });
        }
        Ok(parse(object.data()))
    }

    /// Writes an object and flushes it, its name included.
    ///
    /// libgit2 leaves an object alone that is there already. Its writer may have been git itself, which does not flush
    /// loose objects, or one of us that was killed between the rename and the flush; so it is flushed here.
    fn write(&self, kind: ObjectType, bytes: &[u8]) -> Result<Oid, ObjectError> {
        let failed = |source| ObjectError::Write { kind: kind.str(), source };
        let id = Oid::hash_object(kind, bytes).map_err(failed)?;
        if self.flushed.borrow().contains(&id) {
            return Ok(id);
        }
        if self.odb.exists(id) {
            self.flush_loose(id)?;
        }
        let written = self.odb.write(kind, bytes).map_err(failed)?;
        assert_eq!(written, id, "an object's id follows from its bytes");
        self.flushed.borrow_mut().insert(id);
        Ok(id)
    }

    fn flush_loose(&self, id: Oid) -> Result<(), ObjectError> {
        let name = id.to_string();
        let folder = self.folder.join(&name[..2]);
        for path in [folder.join(&name[2..]), folder] {
            match durability::flush(&path) {
                // The object is in a pack; git flushes those.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ObjectError::Flush { path, source }),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

fn damaged(id: Oid, kind: &'static str, reason: &'static str) -> ObjectError {
    ObjectError::Damaged { id: id.to_string(), kind, reason }
}
