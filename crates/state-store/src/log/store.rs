//! The contract of a store.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::Timestamp;
use crate::log::{Base, CommitError, Seq, Snapshot, SnapshotError, StoreError, StreamEnd, StreamName};
use crate::tables::TableStep;

/// What is appended: bytes that the store does not look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the bytes are, in the numbering of whoever owns the stream.
    pub kind: u16,
    /// The version of their format.
    pub version: u16,
    /// The bytes.
    pub body: Vec<u8>,
}

/// An entry that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place.
    pub seq: Seq,
    /// The place of the first entry of its segment: what was committed together shares it.
    pub segment: Seq,
    /// When its segment was committed, by the store's clock.
    pub at: Timestamp,
    /// The entry.
    pub entry: Entry,
}

/// Durable streams of entries.
///
/// Every implementation passes [`super::conformance`].
pub trait StateStore: Send + Sync + fmt::Debug {
    /// Takes the write lock of a stream and returns what was appended after `after`.
    ///
    /// Nobody else, in this process or another, begins on the stream until the transaction is committed or dropped.
    /// Waits for the lock, then fails with [`StoreError::Busy`]. A stream that nobody has written to is empty.
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError>;

    /// Visits the committed entries after `after`, in order, until the visitor breaks.
    ///
    /// Does not wait for writers. What it visits is checked against its checksums first, and that nothing is missing
    /// at the end. Fails with [`StoreError::Compacted`] where entries after `after` were dropped, be it while it reads.
    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Returns the end of a stream; cheap enough to poll.
    fn end(&self, stream: &StreamName) -> Result<StreamEnd, StoreError>;

    /// Returns the place of the last committed entry.
    fn head(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        Ok(self.end(stream)?.head)
    }

    /// Waits until a stream has entries after `after`, appended by whomever, and returns its end; or its end as it is
    /// when the time is up.
    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError>;

    /// Keeps a snapshot in the place of the stream's last one. An older one than that is passed over.
    ///
    /// Does not keep writers waiting for longer than a batch of theirs takes. A crash in between leaves the last one.
    fn save_snapshot(&self, stream: &StreamName, snapshot: &Snapshot) -> Result<(), SnapshotError>;

    /// Returns the stream's last snapshot, checked against its checksum, if there is one.
    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError>;

    /// Returns where the stream begins, if entries of it were dropped.
    fn load_base(&self, stream: &StreamName) -> Result<Option<Base>, StoreError>;

    /// Has a stream that nobody has written to begin there: a copy of one whose first entries were dropped.
    ///
    /// Fails with [`CommitError::Conflict`] where somebody has written to it.
    fn start_after(&self, stream: &StreamName, base: &Base) -> Result<(), CommitError>;

    /// Drops the segments that the stream's last snapshot covers, and returns the place up to which none is left.
    ///
    /// They are kept until this is called. The chain goes on from the hash of the last one dropped.
    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError>;

    /// Returns the names of the streams that have entries, sorted.
    fn streams(&self) -> Result<Vec<StreamName>, StoreError>;

    /// Returns the names of the streams that can be read, sorted, and what is wrong with the list of them, if anything is.
    fn legible_streams(&self) -> Result<(Vec<StreamName>, Option<StoreError>), StoreError> {
        match self.streams() {
            Ok(streams) => Ok((streams, None)),
            Err(damage @ StoreError::Corrupt { .. }) => Ok((vec![StreamName::workspace()], Some(damage))),
            Err(error) => Err(error),
        }
    }

    /// Returns the present moment by the store's clock.
    fn now(&self) -> Timestamp;

    /// Returns the place that the tables for people are true for; `None` where the store has none.
    fn tables_seq(&self) -> Result<Option<Seq>, StoreError> {
        Ok(None)
    }

    /// Changes the tables for people, in one short transaction; returns whether they were where the step begins. A step
    /// that goes nowhere only adds rows.
    fn advance_tables(&self, step: &TableStep) -> Result<bool, StoreError> {
        Ok(step.from == step.to)
    }

    /// Returns what the storage engine's own check of its files finds wrong; nothing where it has no such check.
    fn check_engine(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// Visits the committed entries after `after`, in order, until the visitor breaks or fails: [`StateStore::read`] for a
/// visitor that has errors of its own.
pub fn try_read<E: From<StoreError>>(
    store: &dyn StateStore,
    stream: &StreamName,
    after: Seq,
    mut visit: impl FnMut(Recorded) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut outcome = Ok(());
    store.read(stream, after, &mut |recorded| match visit(recorded) {
        Ok(flow) => flow,
        Err(error) => {
            outcome = Err(error);
            ControlFlow::Break(())
        }
    })?;
    outcome
}

/// The write lock of a stream. Dropping it appends nothing.
#[must_use = "dropping a transaction appends nothing and gives the lock back"]
pub trait Transaction {
    /// Returns what was appended after the place that `begin` was given.
    fn news(&self) -> &[Recorded];

    /// Returns the place of the last entry of the stream.
    fn head(&self) -> Seq;

    /// Returns the moment that the entries will be recorded with.
    fn now(&self) -> Timestamp;

    /// Has the entries recorded with another moment than the present: for those that come from another store.
    fn record_at(&mut self, at: Timestamp);

    /// Appends the entries as one segment and returns the place of the last, once they are durable.
    ///
    /// No entries: nothing is written. After [`CommitError::Unknown`] the store refuses everything until it is opened
    /// again, reading too: what it would read may be what is in doubt.
    fn commit(self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError>;
}
