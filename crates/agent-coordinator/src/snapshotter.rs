//! Keeping snapshots of the workspace from time to time, on a thread beside the driver.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use state_store::task::{SnapshotPolicy, State, snapshot};
use state_store::{Seq, StateStore, StreamName, tables};

/// Keeps a snapshot when one is due. Dropping it waits for the one that is being made.
#[derive(Debug)]
pub(crate) struct Snapshotter {
    store: Arc<dyn StateStore>,
    stream: StreamName,
    policy: SnapshotPolicy,
    /// The place of the last one that was kept or begun.
    last: Seq,
    /// When that was; for one of an earlier run, when this one began.
    since: Instant,
    thread: Option<JoinHandle<()>>,
}

impl Snapshotter {
    pub(crate) fn new(store: Arc<dyn StateStore>, stream: StreamName) -> Self {
        Self {
            store,
            stream,
            policy: SnapshotPolicy::default(),
            last: Seq::START,
            since: Instant::now(),
            thread: None,
        }
    }

    /// Takes note of where the last snapshot is that can be read.
    pub(crate) fn begin(&mut self, last: Seq) {
        self.last = last;
    }

    /// Begins to keep a snapshot of the state, if one is due and none is being made. The state is at the end of a
    /// segment; it is copied here and written on another thread.
    pub(crate) fn keep_if_due(&mut self, state: &State) {
        let is_busy = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if is_busy || !self.policy.is_due(state, self.last, self.since.elapsed()) {
            return;
        }
        let (store, stream, state) = (Arc::clone(&self.store), self.stream.clone(), state.clone());
        (self.last, self.since) = (state.seq(), Instant::now());
        let work = move || {
            // Nothing is lost without these: the log is whole, and the next ones are tried in their time. The tables
            // come first, because they go on from the snapshot that is replaced.
            if let Err(error) = tables::bring_up(&*store) {
                tracing::warn!(%error, "the tables for people could not be brought up to date");
            }
            if let Err(error) = snapshot::keep(&*store, &stream, &state) {
                tracing::warn!(%error, "a snapshot could not be kept");
            }
        };
        self.thread = std::thread::Builder::new().name("snapshot".to_owned()).spawn(work).ok();
    }
}

impl Drop for Snapshotter {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // It has nothing to say but its panic, which has been printed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use state_store::task::{Event, Host};
    use state_store::{MemoryStore, SystemClock, Timestamp};

    use super::*;

    #[test]
    fn a_snapshot_that_is_due_is_kept_and_the_state_loads_through_it() {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let stream = StreamName::workspace();
        let host = Host { boot: String::new(), pid: 1, started: 1 };
        let begun = Event::InstanceStarted { id: [1; 16], host, expires_at: Timestamp::default() };
        store.begin(&stream, Seq::START).unwrap().commit(vec![begun.to_entry(), begun.to_entry()]).unwrap();
        let state = State::load(&*store, &stream).unwrap().state;

        let mut snapshots = Snapshotter::new(store.clone(), stream.clone());
        snapshots.keep_if_due(&state);
        drop(snapshots);
        assert_eq!(store.load_snapshot(&stream).unwrap(), None, "it is not due yet");

        let mut snapshots = Snapshotter::new(store.clone(), stream.clone());
        snapshots.policy = SnapshotPolicy { entries: 2, age: Duration::MAX };
        snapshots.keep_if_due(&state);
        drop(snapshots);
        assert_eq!(store.load_snapshot(&stream).unwrap(), Some(state.to_snapshot()));
        store.compact(&stream).unwrap();
        assert_eq!(State::load(&*store, &stream).unwrap().state.instances(), state.instances());
    }
}
