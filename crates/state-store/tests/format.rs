//! Stores that earlier programs wrote: read as they are, and never written to by older programs afterwards.

use std::ops::ControlFlow;
use std::sync::Arc;

use state_store::task::{State, StateName};
use state_store::{Recorded, Seq, SqliteStore, StateStore, StreamName, SystemClock};

const FORMAT_1: &str = include_str!("data/store-format-1.sql");

#[test]
fn a_store_of_format_1_is_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(FORMAT_1).unwrap();
    let stream = StreamName::workspace();

    let store = SqliteStore::open_existing(&path, Arc::new(SystemClock)).unwrap();
    let end = store.end(&stream).unwrap();
    assert_eq!(end.head, Seq::new(24));
    assert_eq!(end.hash.to_string(), "db4aa5ed1ead04cfa35a2c8947ccfe82e90df0730b99b76c3cdaf331f301c42c");
    let mut state = State::default();
    let mut apply = |recorded: Recorded| {
        state.apply_recorded(&recorded).unwrap();
        ControlFlow::Continue(())
    };
    store.read(&stream, Seq::START, &mut apply).unwrap();
    state.check_invariants().unwrap();
    let project = state.project(state.project_named("golden").unwrap()).unwrap();
    assert!(project.tasks.iter().all(|record| record.state.name() == StateName::Completed));
    assert_eq!(project.tasks.iter().map(|record| record.attempts).collect::<Vec<_>>(), [1, 1, 1]);

    let transaction = store.begin(&stream, end.head).unwrap();
    let entry = state_store::Entry { kind: 9, version: 1, body: b"more".to_vec() };
    assert_eq!(transaction.commit(vec![entry]).unwrap(), Seq::new(25));
    drop(store);
    let again = SqliteStore::open_existing(&path, Arc::new(SystemClock)).unwrap();
    assert_eq!(again.streams().unwrap(), std::slice::from_ref(&stream));
    assert_eq!(again.head(&stream).unwrap(), Seq::new(25));
}
