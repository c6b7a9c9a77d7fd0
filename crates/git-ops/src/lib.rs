//! Commits, merges and landing on branches, written straight into the object database. Knows nothing of tasks.
//!
//! Many agents produce results; this crate keeps every one of them and puts them on a branch one after another:
//!
//! 1. [`Writer::pin`] turns edits into result commits and makes them reachable, durably, from one ref of our own.
//! 2. [`Writer::prepare`] merges pinned results in memory, one after another, onto the tip of a branch, and writes
//!    the commits. Nothing moves yet, and the same input always gives the same ids.
//! 3. [`Writer::publish`] moves the branch there by compare-and-swap.
//!
//! The rules that the crate keeps:
//! - There is no index and no working copy in the way; a branch that is checked out somewhere is never moved.
//! - What is acknowledged is flushed: objects, refs and the folders that hold them.
//! - Refs only ever move to a descendant, and none is deleted.
//! - Nothing that a repository contains is executed: no hooks, no filters, no merge drivers, no attributes.
//! - Conflict markers are never committed; a [`Conflict`] is data.
//! - Names, times and messages come from the caller. The crate reads no clock that ends up in an object.

mod branch;
mod change;
mod commit;
mod conflict;
mod directory;
mod durability;
mod id;
mod landing;
mod lock;
mod merge;
mod message;
mod name;
mod object;
mod path;
mod pin;
mod printable;
mod reference;
mod repository;
mod snapshot;
#[cfg(test)]
mod testing;
mod tree;
mod tree_edit;
mod writer;

pub use change::{Edit, EditError, FileMode};
pub use conflict::{Conflict, ConflictedPath, EntryKind, Version};
pub use directory::{DirectoryChanges, DirectoryError, Exported, Skipped, SkippedBecause};
pub use id::{BlobId, CommitId, InvalidId};
pub use landing::{LandRequest, Preparation, Prepared, PublishError};
pub use lock::LockError;
pub use message::{Message, Signature};
pub use name::{BranchName, InvalidBranchName};
pub use object::ObjectError;
pub use path::{InvalidPath, RepoPath};
pub use pin::{PinRequest, Pinned};
pub use reference::MoveRefError;
pub use repository::{CreateBranchError, InitError, OpenError, ReadError, Repository};
pub use snapshot::{Listing, Snapshot};
pub use writer::{WriteError, Writer};
