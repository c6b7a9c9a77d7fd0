//! A store in memory: for tests, simulations and runs that need not survive.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::log::patience::{LOCK_PATIENCE, until};
use crate::log::{
    Base, ChainHash, CommitError, Entry, Recorded, Seq, Snapshot, SnapshotError, StateStore, StoreError,
    StreamEnd, StreamName, Transaction,
};
use crate::{Clock, Timestamp};

/// Streams in memory. Clones share them.
///
/// There is one lock for all: while somebody holds the lock of a stream, whoever reads waits, too.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    streams: Mutex<Streams>,
    appended: Condvar,
}

type Streams = BTreeMap<StreamName, Stream>;

#[derive(Debug)]
struct Stream {
    /// The entries that are not dropped.
    recorded: Vec<Recorded>,
    /// Where they go on from, if any are dropped.
    base: Option<Base>,
    end: StreamEnd,
    snapshot: Option<Snapshot>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { recorded: Vec::new(), base: None, end: StreamEnd::START, snapshot: None }
    }
}

impl Stream {
    /// Returns the last entry that is dropped.
    fn base_end(&self) -> StreamEnd {
        self.base.as_ref().map_or(StreamEnd::START, Base::end)
    }

    fn after(&self, stream: &StreamName, after: Seq) -> Result<&[Recorded], StoreError> {
        let until = self.base_end().head;
        let Some(known) = after.get().checked_sub(until.get()) else {
            return Err(StoreError::Compacted { stream: stream.clone(), until });
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(self.recorded.len());
        Ok(&self.recorded[known..])
    }

    /// Returns the chain's hash at the end of a segment, or `None` where none ends there.
    fn hash_at(&self, stream: &StreamName, seq: Seq) -> Option<ChainHash> {
        let base = self.base_end();
        let mut end = base;
        for segment in self.recorded.chunk_by(|one, next| one.segment == next.segment) {
            if end.head >= seq {
                break;
            }
            let entries: Vec<_> = segment.iter().map(|recorded| recorded.entry.clone()).collect();
            end = end.next(stream, &entries, segment[0].at).end();
        }
        (end.head == seq && seq > base.head).then_some(end.hash)
    }
}

impl MemoryStore {
    /// Returns an empty store that takes its time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: Arc::default() }
    }
}

impl StateStore for MemoryStore {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        let streams = self.shared.streams.try_lock_for(LOCK_PATIENCE).ok_or_else(|| {
            let waited_ms = LOCK_PATIENCE.as_millis() as u64;
            StoreError::Busy { stream: stream.clone(), waited_ms }
        })?;
        let (news, end) = match streams.get(stream) {
            Some(found) => (found.after(stream, after)?.to_vec(), found.end),
            None => (Vec::new(), StreamEnd::START),
        };
        let (at, stream) = (self.clock.now(), stream.clone());
        Ok(Box::new(MemoryTransaction { shared: &self.shared, streams, stream, news, end, at }))
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // Copied, so that a visitor may use the store.
        let recorded = match self.shared.streams.lock().get(stream) {
            Some(found) => found.after(stream, after)?.to_vec(),
            None => Vec::new(),
        };
        let _ = recorded.into_iter().try_for_each(visit);
        Ok(())
    }

    fn end(&self, stream: &StreamName) -> Result<StreamEnd, StoreError> {
        Ok(self.shared.streams.lock().get(stream).map_or(StreamEnd::START, |found| found.end))
    }

    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError> {
        let until = until(patience);
        let mut streams = self.shared.streams.lock();
        loop {
            let end = streams.get(stream).map_or(StreamEnd::START, |found| found.end);
            if end.head > after || self.shared.appended.wait_until(&mut streams, until).timed_out() {
                return Ok(end);
            }
        }
    }

    fn save_snapshot(&self, stream: &StreamName, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let mut streams = self.shared.streams.lock();
        let no_boundary = || SnapshotError::NoBoundary { stream: stream.clone(), at: snapshot.seq };
        let found = streams.get_mut(stream).ok_or_else(no_boundary)?;
        if found.snapshot.as_ref().is_some_and(|last| last.seq >= snapshot.seq) {
            return Ok(());
        }
        found.hash_at(stream, snapshot.seq).ok_or_else(no_boundary)?;
        found.snapshot = Some(snapshot.clone());
        Ok(())
    }

    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.shared.streams.lock().get(stream).and_then(|found| found.snapshot.clone()))
    }

    fn load_base(&self, stream: &StreamName) -> Result<Option<Base>, StoreError> {
        Ok(self.shared.streams.lock().get(stream).and_then(|found| found.base.clone()))
    }

    fn start_after(&self, stream: &StreamName, base: &Base) -> Result<(), CommitError> {
        let mut streams = self.shared.streams.lock();
        if let Some(found) = streams.get(stream) {
            return Err(CommitError::Conflict { expected: Seq::START, found: found.end.head });
        }
        let (end, snapshot) = (base.end(), Some(base.snapshot.clone()));
        let started = Stream { recorded: Vec::new(), base: Some(base.clone()), end, snapshot };
        streams.insert(stream.clone(), started);
        Ok(())
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        let mut streams = self.shared.streams.lock();
        let Some(found) = streams.get_mut(stream) else { return Ok(Seq::START) };
        if let Some(snapshot) = found.snapshot.clone()
            && let Some(hash) = found.hash_at(stream, snapshot.seq)
        {
            found.recorded.retain(|recorded| recorded.seq > snapshot.seq);
            found.base = Some(Base { hash, snapshot });
        }
        Ok(found.base_end().head)
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        Ok(self.shared.streams.lock().keys().cloned().collect())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

struct MemoryTransaction<'a> {
    shared: &'a Shared,
    streams: MutexGuard<'a, Streams>,
    stream: StreamName,
    news: Vec<Recorded>,
    end: StreamEnd,
    at: Timestamp,
}

impl Transaction for MemoryTransaction<'_> {
    fn news(&self) -> &[Recorded] {
        &self.news
    }

    fn head(&self) -> Seq {
        self.end.head
    }

    fn now(&self) -> Timestamp {
        self.at
    }

    fn record_at(&mut self, at: Timestamp) {
        self.at = at;
    }

    fn commit(mut self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError> {
        let (at, head) = (self.at, self.end.head);
        if entries.is_empty() {
            return Ok(head);
        }
        let (end, segment) = (self.end.next(&self.stream, &entries, at).end(), head.plus(1));
        let stream = self.stream.clone();
        let found = self.streams.entry(stream).or_default();
        let numbered = (0..).zip(entries);
        let recorded =
            numbered.map(|(offset, entry)| Recorded { seq: segment.plus(offset), segment, at, entry });
        found.recorded.extend(recorded);
        found.end = end;
        self.shared.appended.notify_all();
        Ok(end.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SystemClock, log::conformance};

    #[test]
    fn it_keeps_the_contract() {
        conformance::check(&|| {
            let store = MemoryStore::new(Arc::new(SystemClock));
            Box::new(move || Box::new(store.clone()))
        });
    }
}
