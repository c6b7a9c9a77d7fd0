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
    /// How far the chain is worked out: no bit flips in here, so it is when somebody asks for the end of it, not before.
    chained: StreamEnd,
    snapshot: Option<Snapshot>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { recorded: Vec::new(), base: None, chained: StreamEnd::START, snapshot: None }
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

    fn head(&self) -> Seq {
        self.recorded.last().map_or(self.base_end().head, |last| last.seq)
    }

    /// Returns the end of the chain.
    fn end(&mut self, stream: &StreamName) -> StreamEnd {
        let known = self.chained.head.get() - self.base_end().head.get();
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(self.recorded.len());
        for segment in segments(&self.recorded[known..]) {
            self.chained = chained(self.chained, stream, segment);
        }
        self.chained
    }

    /// Returns whether a segment that is kept ends there.
    fn is_boundary(&self, seq: Seq) -> bool {
        let Some(place) = seq.get().checked_sub(self.base_end().head.get() + 1) else { return false };
        let mut from_there = self.recorded.iter().skip(usize::try_from(place).unwrap_or(usize::MAX));
        let (last, next) = (from_there.next(), from_there.next());
        last.is_some_and(|last| next.is_none_or(|next| next.segment != last.segment))
    }

    /// Returns the chain's hash at the end of a segment, or `None` where none ends there.
    fn hash_at(&self, stream: &StreamName, seq: Seq) -> Option<ChainHash> {
        if !self.is_boundary(seq) {
            return None;
        }
        let until_there = segments(&self.recorded).take_while(|segment| segment[0].seq <= seq);
        Some(until_there.fold(self.base_end(), |end, segment| chained(end, stream, segment)).hash)
    }
}

/// Returns entries by the segments that they were committed in.
fn segments(recorded: &[Recorded]) -> impl Iterator<Item = &[Recorded]> {
    recorded.chunk_by(|one, next| one.segment == next.segment)
}

/// Returns the end of the chain after one more segment.
fn chained(end: StreamEnd, stream: &StreamName, segment: &[Recorded]) -> StreamEnd {
    let entries: Vec<_> = segment.iter().map(|recorded| recorded.entry.clone()).collect();
    end.next(stream, &entries, segment[0].at).end()
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
        let (news, head) = match streams.get(stream) {
            Some(found) => (found.after(stream, after)?.to_vec(), found.head()),
            None => (Vec::new(), Seq::START),
        };
        let (at, stream) = (self.clock.now(), stream.clone());
        Ok(Box::new(MemoryTransaction { shared: &self.shared, streams, stream, news, head, at }))
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
        let mut streams = self.shared.streams.lock();
        Ok(streams.get_mut(stream).map_or(StreamEnd::START, |found| found.end(stream)))
    }

    fn head(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        Ok(self.shared.streams.lock().get(stream).map_or(Seq::START, Stream::head))
    }

    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError> {
        let until = until(patience);
        let mut streams = self.shared.streams.lock();
        loop {
            let head = streams.get(stream).map_or(Seq::START, Stream::head);
            if head > after || self.shared.appended.wait_until(&mut streams, until).timed_out() {
                return Ok(streams.get_mut(stream).map_or(StreamEnd::START, |found| found.end(stream)));
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
        if !found.is_boundary(snapshot.seq) {
            return Err(no_boundary());
        }
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
            return Err(CommitError::Conflict { expected: Seq::START, found: found.head() });
        }
        let (chained, snapshot) = (base.end(), Some(base.snapshot.clone()));
        let started = Stream { recorded: Vec::new(), base: Some(base.clone()), chained, snapshot };
        streams.insert(stream.clone(), started);
        Ok(())
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        let mut streams = self.shared.streams.lock();
        let Some(found) = streams.get_mut(stream) else { return Ok(Seq::START) };
        if let Some(snapshot) = found.snapshot.clone()
            && let Some(hash) = found.hash_at(stream, snapshot.seq)
        {
            // What is chained goes on from what is kept.
            found.end(stream);
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
    head: Seq,
    at: Timestamp,
}

impl Transaction for MemoryTransaction<'_> {
    fn news(&self) -> &[Recorded] {
        &self.news
    }

    fn head(&self) -> Seq {
        self.head
    }

    fn now(&self) -> Timestamp {
        self.at
    }

    fn record_at(&mut self, at: Timestamp) {
        self.at = at;
    }

    fn commit(mut self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError> {
        let (at, head) = (self.at, self.head);
        if entries.is_empty() {
            return Ok(head);
        }
        let segment = head.plus(1);
        let numbered = (0..).zip(entries);
        let recorded =
            numbered.map(|(offset, entry)| Recorded { seq: segment.plus(offset), segment, at, entry });
        let found = self.streams.entry(self.stream).or_default();
        found.recorded.extend(recorded);
        let head = found.head();
        self.shared.appended.notify_all();
        Ok(head)
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
