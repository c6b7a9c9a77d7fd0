//! A store in memory: for tests, simulations and runs that need not survive.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::log::{CommitError, Entry, Recorded, Seq, StateStore, StoreError, StreamName, Transaction};
use crate::{Clock, Timestamp};

/// Streams in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    streams: Arc<Mutex<BTreeMap<StreamName, Vec<Recorded>>>>,
}

impl MemoryStore {
    /// Returns an empty store that takes its time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, streams: Arc::default() }
    }
}

impl StateStore for MemoryStore {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        let streams = self.streams.lock();
        let recorded = streams.get(stream).map_or(&[][..], Vec::as_slice);
        let transaction = MemoryTransaction {
            news: entries_after(recorded, after).to_vec(),
            head: Seq::new(recorded.len() as u64),
            now: self.clock.now(),
            stream: stream.clone(),
            streams,
        };
        Ok(Box::new(transaction))
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // Copied, so that a visitor may use the store.
        let recorded =
            self.streams.lock().get(stream).map_or_else(Vec::new, |all| entries_after(all, after).to_vec());
        let _ = recorded.into_iter().try_for_each(visit);
        Ok(())
    }

    fn head(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        Ok(Seq::new(self.streams.lock().get(stream).map_or(0, Vec::len) as u64))
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        Ok(self.streams.lock().keys().cloned().collect())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn entries_after(recorded: &[Recorded], after: Seq) -> &[Recorded] {
    let known = usize::try_from(after.get()).unwrap_or(usize::MAX).min(recorded.len());
    &recorded[known..]
}

struct MemoryTransaction<'a> {
    streams: MutexGuard<'a, BTreeMap<StreamName, Vec<Recorded>>>,
    stream: StreamName,
    news: Vec<Recorded>,
    head: Seq,
    now: Timestamp,
}

impl Transaction for MemoryTransaction<'_> {
    fn news(&self) -> &[Recorded] {
        &self.news
    }

    fn head(&self) -> Seq {
        self.head
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn commit(mut self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError> {
        let (at, head) = (self.now, self.head);
        if entries.is_empty() {
            return Ok(head);
        }
        let stream = self.stream.clone();
        let recorded = self.streams.entry(stream).or_default();
        recorded.extend((1..).zip(entries).map(|(offset, entry)| Recorded {
            seq: head.plus(offset),
            at,
            entry,
        }));
        Ok(Seq::new(recorded.len() as u64))
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
