//! The log that is in the golden stores: what it says, and that it can be written on.

use std::ops::ControlFlow;

use state_store::task::{State, StateName};
use state_store::{Entry, Recorded, Seq, StateStore, StreamName};

/// Reads the log in a store that an earlier program wrote, appends to it, and reads it with another handle.
pub(crate) fn check(open: &dyn Fn() -> Box<dyn StateStore>) {
    let stream = StreamName::workspace();
    let store = open();
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
    let entry = Entry { kind: 9, version: 1, body: b"more".to_vec() };
    assert_eq!(transaction.commit(vec![entry]).unwrap(), Seq::new(25));
    drop(store);
    let again = open();
    assert_eq!(again.streams().unwrap(), std::slice::from_ref(&stream));
    assert_eq!(again.head(&stream).unwrap(), Seq::new(25));
}
