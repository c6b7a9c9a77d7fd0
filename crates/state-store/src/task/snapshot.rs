//! Loading the state of a workspace through its snapshot, and keeping a new one.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::log::{Recorded, Seq, SnapshotError, StateStore, StoreError, StreamName, try_read};
use crate::task::stored::UnreadableSnapshot;
use crate::task::{State, UnfitEvent};

/// Why a state cannot be had from a log.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It holds something that does not fit.
    #[error("the log does not fit together at entry {at}")]
    Unfit {
        /// Where.
        at: Seq,
        /// What.
        #[source]
        source: UnfitEvent,
    },
    /// Its entries were dropped, and the snapshot of what they came to cannot be read.
    #[error("the snapshot at entry {at} cannot be read, and the entries before it were dropped")]
    Snapshot {
        /// Its place.
        at: Seq,
        /// Why not.
        #[source]
        source: UnreadableSnapshot,
    },
}

/// A state that was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The state at the end of the stream.
    pub state: State,
    /// The place of the snapshot that it was loaded through; [`Seq::START`] where all was read.
    pub snapshot: Seq,
}

impl State {
    /// Returns the state at the end of a stream: what its last snapshot holds, and what was appended since.
    ///
    /// A snapshot that cannot be read is no loss as long as the entries that it covers are there: they are read instead.
    pub fn load(store: &dyn StateStore, stream: &StreamName) -> Result<Loaded, LoadError> {
        let mut dropped = Seq::START;
        loop {
            match Self::load_once(store, stream) {
                // Somebody kept a newer snapshot meanwhile, and dropped what it covers: that one is read.
                Err(LoadError::Store(StoreError::Compacted { until, .. })) if until > dropped => {
                    dropped = until;
                }
                outcome => return outcome,
            }
        }
    }

    fn load_once(store: &dyn StateStore, stream: &StreamName) -> Result<Loaded, LoadError> {
        let snapshot = store.load_snapshot(stream).unwrap_or(None);
        let mut state = match snapshot.as_ref().map(Self::from_snapshot) {
            Some(Ok(state)) => state,
            Some(Err(_)) | None => Self::base(store, stream)?,
        };
        let snapshot = state.seq();
        state.read_on(store, stream)?;
        Ok(Loaded { state, snapshot })
    }

    /// Returns the state before the first entry of a stream that is kept: from here on, the log tells everything.
    pub fn base(store: &dyn StateStore, stream: &StreamName) -> Result<Self, LoadError> {
        let Some(base) = store.load_base(stream)? else { return Ok(Self::default()) };
        let unreadable = |source| LoadError::Snapshot { at: base.snapshot.seq, source };
        Self::from_snapshot(&base.snapshot).map_err(unreadable)
    }

    /// Applies what was appended to a stream since.
    pub fn read_on(&mut self, store: &dyn StateStore, stream: &StreamName) -> Result<(), LoadError> {
        replay(store, stream, self.seq(), |recorded| self.apply_recorded(recorded).map(drop))
    }
}

/// Hands each entry after `after` to `apply`, in order, until one does not fit.
pub fn replay(
    store: &dyn StateStore,
    stream: &StreamName,
    after: Seq,
    mut apply: impl FnMut(&Recorded) -> Result<(), UnfitEvent>,
) -> Result<(), LoadError> {
    try_read(store, stream, after, |recorded| {
        apply(&recorded).map_err(|source| LoadError::Unfit { at: recorded.seq, source })?;
        Ok(ControlFlow::Continue(()))
    })
}

/// When a new snapshot is worth its while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// After that many entries; in a workspace of many tasks after more, because making one costs time by the tasks.
    pub entries: u64,
    /// After that long, if anything was appended at all.
    pub age: Duration,
}

/// In a large workspace, so many entries are waited for for each task: to read them again takes about as long as to read the
/// snapshot, and making one costs each entry little.
const ENTRIES_A_TASK: u64 = 2;

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { entries: 10_000, age: Duration::from_secs(600) }
    }
}

impl SnapshotPolicy {
    /// Returns whether a snapshot of the state is due, the last one being of `last` and `age` old.
    pub fn is_due(&self, state: &State, last: Seq, age: Duration) -> bool {
        let entries = state.seq().get().saturating_sub(last.get());
        if entries < self.entries {
            return entries > 0 && age >= self.age;
        }
        let tasks: usize = state.projects().iter().map(|project| project.tasks.len()).sum();
        entries >= ENTRIES_A_TASK * tasks as u64 || age >= self.age
    }
}

/// Keeps a snapshot of a state that is as far as the end of a segment.
pub fn keep(store: &dyn StateStore, stream: &StreamName, state: &State) -> Result<Seq, SnapshotError> {
    let snapshot = state.to_snapshot();
    store.save_snapshot(stream, &snapshot)?;
    Ok(snapshot.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_by_size_or_by_age_and_never_where_nothing_is_new() {
        let policy = SnapshotPolicy { entries: 10, age: Duration::from_secs(60) };
        let state = State::at(Seq::new(100), Vec::new(), Vec::new());
        let is_due = |last, seconds| policy.is_due(&state, Seq::new(last), Duration::from_secs(seconds));
        assert_eq!(
            [is_due(90, 0), is_due(91, 0), is_due(99, 60), is_due(100, 600)],
            [true, false, true, false]
        );
    }
}
