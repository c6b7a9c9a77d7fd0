//! Streams of durable entries.
//!
//! A stream is a sequence of opaque entries, numbered from 1. Whoever wants to append takes the stream's write lock
//! with [`StateStore::begin`], sees what others have appended, and commits one segment: all of it or nothing.

pub mod conformance;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod segment;
mod sqlite;
mod store;

pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{
    InvalidPostgresAddress, POSTGRES_FORMAT_VERSION, PostgresAddress, PostgresOpenError, PostgresOptions,
    PostgresStore,
};
pub use sqlite::{OpenError, SQLITE_FORMAT_VERSION, SqliteStore};
pub use store::{
    CommitError, Entry, InvalidStreamName, Recorded, Seq, StateStore, StoreError, StreamName, Transaction,
};
