//! The rows of the segments: their keys, and reading them along the chain.

use std::ops::ControlFlow;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row};

use super::streams::StreamRow;
use crate::Timestamp;
use crate::log::chain::{NewSegment, StoredSegment};
use crate::log::planted::{PlantedBug, is_planted};
use crate::log::{Recorded, Seq, StoreError, StreamEnd, StreamName};

/// A row's key is the stream's number in the upper bits and the number of its first entry in these lower ones.
const SEQ_BITS: u32 = 40;

/// The last place that a stream can have.
pub(super) const SEQ_MAX: Seq = Seq::new((1 << SEQ_BITS) - 1);

/// Returns the key of the segment of a stream that begins with `first`.
pub(super) const fn row_key(number: i64, first: Seq) -> i64 {
    (number << SEQ_BITS) + first.get() as i64
}

/// Returns the number of the stream that the row of that key is of.
pub(super) const fn number_of(key: i64) -> i64 {
    key >> SEQ_BITS
}

const fn first_of(key: i64) -> i64 {
    key & ((1 << SEQ_BITS) - 1)
}

/// Writes a segment; fails with a violated constraint where one that begins there is already stored.
pub(super) fn insert(connection: &Connection, number: i64, segment: &NewSegment) -> rusqlite::Result<()> {
    let statement = if is_planted(PlantedBug::ExpectedSeqIgnored) {
        "INSERT OR REPLACE INTO segments (key, count, at, hash, body) VALUES (?1, ?2, ?3, ?4, ?5)"
    } else {
        "INSERT INTO segments (key, count, at, hash, body) VALUES (?1, ?2, ?3, ?4, ?5)"
    };
    connection
        .prepare_cached(statement)?
        .execute(rusqlite::params![
            row_key(number, segment.first),
            segment.count as i64,
            segment.at.as_millis() as i64,
            segment.hash.as_bytes().as_slice(),
            segment.body
        ])
        .map(drop)
}

/// Visits the segments after `end`, each checked against the chain first, and moves `end` on over them.
pub(super) fn read_on(
    connection: &Connection,
    row: &StreamRow,
    end: &mut StreamEnd,
    visit: &mut dyn FnMut(Vec<Recorded>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let stream = &row.name;
    let failed = |end, source| storage_error("read the segments", stream, end, source);
    let mut statement = connection
        .prepare_cached(
            "SELECT key, count, at, hash, body FROM segments WHERE key > ?1 AND key < ?2 ORDER BY key",
        )
        .map_err(|source| failed(*end, source))?;
    let range = [row_key(row.number, end.head.min(SEQ_MAX)), row_key(row.number + 1, Seq::START)];
    let mut rows = statement.query(range).map_err(|source| failed(*end, source))?;
    while let Some(found) = rows.next().map_err(|source| failed(*end, source))? {
        let at = Seq::new(first_of(found.get(0).map_err(|source| failed(*end, source))?) as u64);
        let corrupt = |reason| StoreError::Corrupt { stream: stream.clone(), at, reason };
        let stored = stored_segment(found, at).map_err(corrupt)?;
        let entries = end.follow(stream, stored).map_err(corrupt)?;
        if visit(entries).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Returns the end of the chain before the segment that holds the entry after `after`.
pub(super) fn end_before(
    connection: &Connection,
    row: &StreamRow,
    after: Seq,
) -> Result<StreamEnd, StoreError> {
    let corrupt = |first: i64, reason| StoreError::Corrupt {
        stream: row.name.clone(),
        at: Seq::new(first as u64),
        reason,
    };
    // Of the last two that begin at or before `after`, the one that ends there or earlier.
    let mut before = last_two(connection, row, after)?;
    while let Some((key, count, hash)) = before.pop() {
        let first = first_of(key);
        let end = StreamEnd::stored(first, count, &hash).map_err(|reason| corrupt(first, reason))?;
        if end.head <= after {
            return Ok(end);
        }
    }
    Ok(row.base)
}

type Place = (i64, i64, Vec<u8>);

/// Returns the last two segments that begin at or before `seq`, the later one last.
fn last_two(connection: &Connection, row: &StreamRow, seq: Seq) -> Result<Vec<Place>, StoreError> {
    let failed = |source| storage_error("read the chain", &row.name, row.base, source);
    let seq = seq.min(SEQ_MAX);
    let mut statement = connection
        .prepare_cached(
            "SELECT key, count, hash FROM segments WHERE key > ?1 AND key <= ?2 ORDER BY key DESC LIMIT 2",
        )
        .map_err(failed)?;
    let range = [row_key(row.number, row.base.head), row_key(row.number, seq)];
    let places = statement
        .query_map(range, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<Place>>>)
        .map_err(failed)?;
    Ok(places.into_iter().rev().collect())
}

/// Returns the end of a stream as its last row has it, unchecked.
pub(super) fn stored_end(connection: &Connection, row: &StreamRow) -> Result<StreamEnd, StoreError> {
    let failed = |source| storage_error("look for the last segment", &row.name, row.base, source);
    let mut statement = connection
        .prepare_cached(
            "SELECT key, count, hash FROM segments WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT 1",
        )
        .map_err(failed)?;
    let range = [row_key(row.number, row.base.head), row_key(row.number + 1, Seq::START)];
    let last: Option<Place> = statement
        .query_row(range, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .map_err(failed)?;
    let Some((key, count, hash)) = last else { return Ok(row.base) };
    StreamEnd::stored(first_of(key), count, &hash).map_err(|reason| StoreError::Corrupt {
        stream: row.name.clone(),
        at: Seq::new(first_of(key) as u64),
        reason,
    })
}

/// Returns the end of the segment that ends with `seq`, or `None` where none that is kept does.
pub(super) fn end_at(
    connection: &Connection,
    row: &StreamRow,
    seq: Seq,
) -> Result<Option<StreamEnd>, StoreError> {
    let end = end_before(connection, row, seq)?;
    if is_planted(PlantedBug::SnapshotNewerThanLog) {
        return Ok(Some(end));
    }
    Ok((end.head == seq && seq > row.base.head).then_some(end))
}

fn stored_segment<'a>(row: &'a Row<'_>, first: Seq) -> Result<StoredSegment<'a>, String> {
    let number = |column| match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => Ok(number as u64),
        _ => Err("a number of its row cannot be read".to_owned()),
    };
    let bytes = |column| match row.get_ref(column) {
        Ok(ValueRef::Blob(bytes)) => Ok(bytes),
        _ => Err("its bytes are gone".to_owned()),
    };
    Ok(StoredSegment {
        first,
        count: number(1)?,
        at: Timestamp::from_millis(number(2)?),
        hash: bytes(3)?,
        body: bytes(4)?,
    })
}

/// Returns what an error of SQLite in reading means: `end` is how far everything was well.
pub(super) fn storage_error(
    action: &'static str,
    stream: &StreamName,
    end: StreamEnd,
    source: rusqlite::Error,
) -> StoreError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    let is_damage = match &source {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => true,
        other => {
            matches!(other.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }
    };
    if !is_damage {
        return engine_error(action, source);
    }
    let reason = format!("SQLite could not {action}: {source}");
    StoreError::Corrupt { stream: stream.clone(), at: end.head.plus(1), reason }
}

/// Returns what an error of SQLite in writing means.
pub(super) fn write_error(action: &'static str, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        _ => engine_error(action, source),
    }
}

pub(super) fn engine_error(
    action: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Engine { action, source: source.into() }
}
