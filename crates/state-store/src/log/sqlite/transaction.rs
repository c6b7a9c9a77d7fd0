//! The write lock of a stream: SQLite's own, so that processes exclude one another too.

use parking_lot::MutexGuard;
use rusqlite::{Connection, ErrorCode};

use super::opening::is_busy;
use super::segments::{self, engine_error, write_error};
use super::store::{SqliteStore, Writer};
use super::streams::{self, StreamRow};
use crate::Timestamp;
use crate::log::chain::NewSegment;
use crate::log::patience::LOCK_PATIENCE;
use crate::log::planted::{PlantedBug, is_planted};
use crate::log::{CommitError, Entry, Recorded, Seq, StoreError, StreamEnd, StreamName, Transaction};

pub(super) struct SqliteTransaction<'a> {
    store: &'a SqliteStore,
    writer: MutexGuard<'a, Writer>,
    stream: StreamName,
    /// The stream's row; `None` while nobody has written to it.
    row: Option<StreamRow>,
    end: StreamEnd,
    news: Vec<Recorded>,
    at: Timestamp,
    is_open: bool,
}

/// Takes SQLite's write lock.
pub(super) fn lock(connection: &Connection, stream: &StreamName) -> Result<(), StoreError> {
    let begin = if is_planted(PlantedBug::LockNotTaken) { "BEGIN" } else { "BEGIN IMMEDIATE" };
    run(connection, begin).map_err(|source| {
        if is_busy(&source) { busy(stream) } else { engine_error("begin a transaction", source) }
    })
}

/// Says that the lock of the stream cannot be had.
pub(super) fn busy(stream: &StreamName) -> StoreError {
    StoreError::Busy { stream: stream.clone(), waited_ms: LOCK_PATIENCE.as_millis() as u64 }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn run(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

impl<'a> SqliteTransaction<'a> {
    /// Takes the lock and reads what was appended after `after`.
    pub(super) fn begin(
        store: &'a SqliteStore,
        writer: MutexGuard<'a, Writer>,
        stream: &StreamName,
        after: Seq,
    ) -> Result<Self, StoreError> {
        lock(&writer.connection, stream)?;
        let mut transaction = Self {
            store,
            writer,
            stream: stream.clone(),
            row: None,
            end: StreamEnd::START,
            news: Vec::new(),
            at: store.clock_now(),
            is_open: true,
        };
        transaction.read_on(after)?;
        Ok(transaction)
    }

    /// Reads on from where this store has read the stream before or, where more is wanted, from `after`.
    fn read_on(&mut self, after: Seq) -> Result<(), StoreError> {
        // The row is looked at each time: another process may have dropped what was read here before.
        let found = self.store.find_stream(&self.writer.connection, &self.stream)?;
        let Some(row) = found else { return Ok(()) };
        self.store.check_kept(&row, after)?;
        let known = self.writer.ends.get(&self.stream).copied();
        let known = known.filter(|end| row.base.head <= end.head && end.head <= after);
        // Read before the log: it never knows of more than that.
        let tip = if known.is_none() { self.store.tip().end(row.number) } else { None };
        let end = match known {
            Some(end) => end,
            None => segments::end_before(&self.writer.connection, &row, after)?,
        };
        if is_planted(PlantedBug::ExpectedSeqIgnored) && self.writer.ends.contains_key(&self.stream) {
            (self.row, self.end) = (Some(row), end);
            return Ok(());
        }
        let mut news = Vec::new();
        let mut end = end;
        // It goes to the end: the visitor never breaks.
        let _ = segments::read_on(&self.writer.connection, &row, &mut end, &mut |entries| {
            news.extend(entries.into_iter().filter(|recorded| recorded.seq > after));
            std::ops::ControlFlow::Continue(())
        })?;
        self.store.check_tip(&row, tip, end)?;
        self.writer.ends.insert(self.stream.clone(), end);
        (self.row, self.end, self.news) = (Some(row), end, news);
        Ok(())
    }

    /// Writes the segment, and the stream if it is new; returns the stream's number.
    fn insert(&self, segment: &NewSegment) -> rusqlite::Result<i64> {
        let number = match &self.row {
            Some(row) => row.number,
            None => streams::add(&self.writer.connection, &self.stream)?,
        };
        segments::insert(&self.writer.connection, number, segment)?;
        Ok(number)
    }

    /// Notes what is durable now.
    fn note(&mut self, number: i64, segment: &NewSegment) {
        self.store.tip().note(number, segment.end());
        self.writer.ends.insert(self.stream.clone(), segment.end());
        self.store.note_commit(segment.body.len());
    }
}

impl Transaction for SqliteTransaction<'_> {
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
        if entries.is_empty() {
            return Ok(self.end.head);
        }
        let segment = self.end.next(&self.stream, &entries, self.at);
        if segment.end().head > segments::SEQ_MAX {
            let reason = format!("a stream holds {} entries at the most", segments::SEQ_MAX);
            return Err(CommitError::Refused(engine_error("append a segment", reason)));
        }
        let inserted = self.insert(&segment);
        if is_planted(PlantedBug::FullDiskSwallowed) && inserted.as_ref().is_err_and(is_full) {
            return Ok(segment.end().head);
        }
        let number = inserted.map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => {
                CommitError::Conflict { expected: self.end.head, found: self.end.head.plus(1) }
            }
            _ => CommitError::Refused(write_error("append a segment", source)),
        })?;
        match run(&self.writer.connection, "COMMIT") {
            Ok(()) => {
                self.is_open = false;
                self.note(number, &segment);
                Ok(segment.end().head)
            }
            Err(source) if is_full(&source) && is_planted(PlantedBug::FullDiskSwallowed) => {
                Ok(segment.end().head)
            }
            Err(source) if is_full(&source) => Err(CommitError::Refused(StoreError::Full)),
            Err(_) if is_planted(PlantedBug::FailedFlushAnsweredAsSuccess) => Ok(segment.end().head),
            Err(source) => {
                // The flush failed: the segment may be in the log or not, and only opening the file again tells.
                if !is_planted(PlantedBug::MissingPoison) {
                    self.store.poison();
                }
                Err(CommitError::Unknown(engine_error("flush a segment", source)))
            }
        }
    }
}

impl Drop for SqliteTransaction<'_> {
    fn drop(&mut self) {
        if self.is_open && !roll_back(&self.writer.connection) {
            self.store.poison();
        }
    }
}

/// Ends a transaction without its changes. SQLite rolls back by itself after some errors; whatever it says here, the
/// store stays consistent only if the connection is outside a transaction afterwards, which this returns.
pub(super) fn roll_back(connection: &Connection) -> bool {
    connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
}
