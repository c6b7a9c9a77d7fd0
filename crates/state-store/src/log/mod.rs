//! Streams of durable entries.
//!
//! A stream is a sequence of opaque entries, numbered from 1. Whoever wants to append takes the stream's write lock
//! with [`StateStore::begin`], sees what others have appended, and commits one segment: all of it or nothing.

mod archive;
mod base;
mod chain;
pub mod conformance;
pub mod copying;
mod error;
mod group_commit;
mod memory;
mod origin;
mod patience;
mod planted;
#[cfg(feature = "postgres")]
mod postgres;
mod segment;
mod seq;
mod snapshot;
mod sqlite;
mod store;
mod stream_name;

pub use archive::{ARCHIVE_VERSION, Archived, ExportError, ImportError, export, import};
pub use base::Base;
pub use chain::{ChainHash, StreamEnd};
pub use error::{CommitError, SnapshotError, StoreError};
pub use group_commit::{AppendError, GroupCommit};
pub use memory::MemoryStore;
pub use origin::{Copied, Origin, OriginError, Provenance};
#[cfg(feature = "planted-bugs")]
pub use planted::PLANTED_BUGS;
#[cfg(feature = "postgres")]
pub use postgres::{
    InvalidPostgresAddress, POSTGRES_FORMAT_VERSION, PostgresAddress, PostgresOpenError, PostgresOptions,
    PostgresStore,
};
pub use seq::Seq;
pub use snapshot::Snapshot;
pub use sqlite::{OpenError, SQLITE_FORMAT_VERSION, SqliteStore};
pub use store::{Entry, Recorded, StateStore, Transaction, try_read};
pub use stream_name::{InvalidStreamName, StreamName};
