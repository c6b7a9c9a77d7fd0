//! Stores that earlier programs wrote: read as they are, and never written to by older programs afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod golden;

use std::sync::Arc;

use state_store::{SqliteStore, SystemClock};

const FORMAT_1: &str = include_str!("data/store-format-1.sql");

#[test]
fn a_store_of_format_1_is_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(FORMAT_1).unwrap();
    golden::check(&|| Box::new(SqliteStore::open_existing(&path, Arc::new(SystemClock)).unwrap()));
}
