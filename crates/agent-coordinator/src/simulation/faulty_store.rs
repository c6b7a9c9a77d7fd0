//! A store in memory that fails when it is told to.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use parking_lot::Mutex;
use state_store::log::{
    Base, CommitError, Entry, Recorded, Snapshot, SnapshotError, StateStore, StreamEnd, Transaction,
};
use state_store::{MemoryStore, Seq, StoreError, StreamName, Timestamp};

/// How the next transaction fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreFault {
    /// The lock is not to be had, however often it is asked for.
    Busy,
    /// The commit is refused.
    Refusal,
    /// The commit fails after it was written, or before.
    Doubt {
        /// Whether it was written.
        is_written: bool,
    },
}

/// A store in memory, and how its next transaction fails.
pub(super) struct FaultyStore {
    inner: MemoryStore,
    armed: Mutex<Option<StoreFault>>,
}

impl FaultyStore {
    pub(super) fn new(inner: MemoryStore) -> Self {
        Self { inner, armed: Mutex::new(None) }
    }

    /// Sets how transactions fail from now on.
    pub(super) fn arm(&self, fault: Option<StoreFault>) {
        *self.armed.lock() = fault;
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("armed", &self.armed).finish_non_exhaustive()
    }
}

fn failure() -> StoreError {
    StoreError::Engine { action: "write", source: "the simulation has it fail".into() }
}

impl StateStore for FaultyStore {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        let armed = *self.armed.lock();
        if armed == Some(StoreFault::Busy) {
            return Err(StoreError::Busy { stream: stream.clone(), waited_ms: 0 });
        }
        let inner = self.inner.begin(stream, after)?;
        Ok(Box::new(FaultyTransaction { inner, fault: armed }))
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.inner.read(stream, after, visit)
    }

    fn end(&self, stream: &StreamName) -> Result<StreamEnd, StoreError> {
        self.inner.end(stream)
    }

    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError> {
        self.inner.wait(stream, after, patience)
    }

    fn save_snapshot(&self, stream: &StreamName, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.inner.save_snapshot(stream, snapshot)
    }

    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError> {
        self.inner.load_snapshot(stream)
    }

    fn load_base(&self, stream: &StreamName) -> Result<Option<Base>, StoreError> {
        self.inner.load_base(stream)
    }

    fn start_after(&self, stream: &StreamName, base: &Base) -> Result<(), CommitError> {
        self.inner.start_after(stream, base)
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        self.inner.compact(stream)
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        self.inner.streams()
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}

struct FaultyTransaction<'a> {
    inner: Box<dyn Transaction + 'a>,
    fault: Option<StoreFault>,
}

impl Transaction for FaultyTransaction<'_> {
    fn news(&self) -> &[Recorded] {
        self.inner.news()
    }

    fn head(&self) -> Seq {
        self.inner.head()
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn record_at(&mut self, at: Timestamp) {
        self.inner.record_at(at);
    }

    fn commit(self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError> {
        match self.fault {
            None | Some(StoreFault::Busy) => self.inner.commit(entries),
            Some(StoreFault::Refusal) => Err(CommitError::Refused(failure())),
            Some(StoreFault::Doubt { is_written }) => {
                if is_written {
                    self.inner.commit(entries)?;
                }
                Err(CommitError::Unknown(failure()))
            }
        }
    }
}
