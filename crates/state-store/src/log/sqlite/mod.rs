//! A store in one SQLite file, shared by any number of processes of one machine.
//!
//! A segment is one row, so a commit is one insertion and one flush of the write-ahead log; `synchronous=FULL` makes
//! that flush happen before the commit returns. Rows are keyed by stream and first entry in one integer, so that
//! appending needs no second index. The log is copied into the file beside the commits, on a connection of its own.
//!
//! What SQLite cannot notice is watched from outside: the chain of hashes finds what was changed, and a small file
//! beside the store says where each stream ended when it was last written to, so that a lost end is found too.

mod checkpoint;
mod folder;
mod opening;
mod restored;
mod segments;
mod snapshots;
mod store;
mod streams;
mod tables;
mod tip;
mod transaction;

pub use opening::{OpenError, SQLITE_FORMAT_VERSION};
pub use store::SqliteStore;
