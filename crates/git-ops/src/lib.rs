//! Commits, merges and landing on branches, written straight into the object database. Knows nothing of tasks.
//!
//! A [`CommitQueue`] takes what many agents have done and puts it on branches, one commit each. What waits while one batch
//! is being flushed shares the next: one pack for all its objects, one move for each of its refs. Who has to record what is
//! about to happen before it does lands in steps instead, through the queue or a [`Writer`] of its own:
//!
//! 1. [`Writer::pin`] turns edits into result commits and makes them reachable, durably, from one ref of our own.
//! 2. [`Writer::prepare`] merges pinned results in memory, one after another, onto the tip of a branch, and writes
//!    the commits. Nothing moves yet, and the same input always gives the same ids.
//! 3. [`Writer::publish`] moves the branch there by compare-and-swap.
//!
//! The rules that the crate keeps:
//! - There is no index and no working copy in the way; a branch that is checked out somewhere is never moved, but by
//!   [`WorkingCopy::advance`], which is asked to.
//! - What is acknowledged is flushed: objects, refs and the folders that hold them. Objects come before the refs that
//!   reach them. What failed is not repaired but written anew.
//! - Branches only ever move to a descendant, and one is deleted only when that is asked for.
//! - Nothing that a repository contains is executed: no hooks, no filters, no merge drivers, no attributes. The one program
//!   that is started is a [`MergeDriver`] of the caller's.
//! - Conflict markers are never committed; a [`Conflict`] is data.
//! - Names, times and messages come from the caller. The crate reads no clock that ends up in an object.
//! - Git may work beside us at any time: its locks are honoured, ours are left by no dead process for long, and objects
//!   are protected from its collector until a ref reaches them.

mod branch;
mod change;
mod checkout;
mod commit;
mod commit_queue;
mod commit_request;
mod conflict;
mod directory;
mod durability;
mod file_stamp;
mod history;
mod id;
mod landing;
mod landing_check;
mod lock;
mod merge;
mod merge_driver;
mod merge_policy;
mod message;
mod name;
mod object;
mod object_cache;
mod pack;
mod pack_entry;
mod pack_folder;
mod packed_refs;
mod path;
mod pin;
mod planted;
mod printable;
mod private_git;
mod reference;
mod repack;
mod repository;
mod snapshot;
#[cfg(test)]
mod testing;
mod tree;
mod tree_edit;
mod working_copy;
mod worktree_home;
mod worktree_pool;
mod writer;

pub use branch::{CreateBranchError, DeleteBranchError};
pub use change::{Edit, EditError, FileMode};
pub use commit_queue::{CommitQueue, QueueError};
pub use commit_request::{CommitError, CommitRequest};
pub use conflict::{Conflict, ConflictedPath, EntryKind, Version};
pub use directory::{DirectoryChanges, DirectoryError, Exported, Skipped, SkippedBecause};
pub use history::LoggedCommit;
pub use id::{BlobId, CommitId, InvalidId};
pub use landing::{LandRequest, Preparation, Prepared, PublishError};
pub use landing_check::{CheckVerdict, Checked};
pub use lock::LockError;
pub use merge_driver::{InvalidDriver, MergeDriver};
pub use merge_policy::{InvalidPattern, MergePolicy, PathPattern, Resolution};
pub use message::{Message, Signature};
pub use name::{BranchName, InvalidBranchName};
pub use object::ObjectError;
pub use object_cache::{CACHED_BYTES_MAX, cached_bytes};
pub use pack_folder::JoinPacksError;
pub use path::{InvalidPath, RepoPath};
pub use pin::{PinRequest, Pinned};
pub use reference::{MoveRefError, ReadRefError};
pub use repack::{RepackError, Repacked};
pub use repository::{InitError, OpenError, ReadError, Repository};
pub use snapshot::{Listing, Snapshot};
pub use working_copy::{AdvanceError, WorkingCopy};
pub use worktree_home::WorktreeFolder;
pub use worktree_pool::{Worktree, WorktreeError, WorktreeOptions, WorktreePool};
pub use writer::{WriteError, Writer};
