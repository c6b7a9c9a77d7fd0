//! Streams whose row in the list is damaged or gone, found again by what else there is of them.
//!
//! The hash of a segment covers the name of its stream and the hash before it, and that of a snapshot the name and the
//! chain at its place: where one fits, it is known whose rows these are, and from where on they are kept. Such a stream
//! can be read; nothing is written to it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension};

use super::segments::{self, SEQ_MAX, number_of, row_key, storage_error};
use super::snapshots::{self, Which};
use super::streams::{self, StreamRow};
use crate::log::{ChainHash, Seq, StoreError, StreamEnd, StreamName};

/// Returns the row that a stream must have had, where what is stored proves it.
pub(super) fn row_of(connection: &Connection, stream: &StreamName) -> Result<Option<StreamRow>, StoreError> {
    for number in unlisted_numbers(connection)? {
        if let Some(row) = proven(connection, number, stream)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Returns the names of those streams of these numbers, whose rows are not well, that can be told nevertheless.
pub(super) fn names(connection: &Connection, numbers: &[i64]) -> Result<Vec<StreamName>, StoreError> {
    let mut names = Vec::new();
    for &number in numbers {
        let as_written = text_of(connection, number).and_then(|name| StreamName::new(&name).ok());
        for name in as_written.into_iter().chain([StreamName::workspace()]) {
            if proven(connection, number, &name)?.is_some() {
                names.push(name);
                break;
            }
        }
    }
    Ok(names)
}

/// Returns the numbers that segments have and no row of the list that is well.
pub(super) fn unlisted_numbers(connection: &Connection) -> Result<Vec<i64>, StoreError> {
    let asked = StreamName::workspace();
    let failed = |source| storage_error("look for streams", &asked, StreamEnd::START, source);
    let mut next = connection
        .prepare_cached("SELECT key FROM segments WHERE key >= ?1 ORDER BY key LIMIT 1")
        .map_err(failed)?;
    let (mut numbers, mut from) = (Vec::new(), i64::MIN);
    while let Some(key) = next.query_row([from], |row| row.get(0)).optional().map_err(failed)? {
        let number = number_of(key);
        numbers.extend((number > 0).then_some(number));
        from = row_key(number + 1, Seq::START);
    }
    // Read last: who adds a stream adds its row and its first segment together.
    let rows = streams::rows(connection, &asked, i64::MIN, i64::MAX)?;
    let listed: HashSet<i64> = rows.into_iter().flatten().map(|row| row.number).collect();
    numbers.retain(|number| !listed.contains(number));
    Ok(numbers)
}

/// Returns the row of the stream of that name, if the rows under that number are its.
fn proven(connection: &Connection, number: i64, name: &StreamName) -> Result<Option<StreamRow>, StoreError> {
    let from = |base| StreamRow { number, name: name.clone(), base };
    let dropped = snapshots::read_snapshot(connection, &from(StreamEnd::START), Which::Base);
    if let Ok(Some((snapshot, hash))) = dropped {
        return Ok(Some(from(StreamEnd { head: snapshot.seq, hash })));
    }
    for base in [StreamEnd::START].into_iter().chain(base_of(connection, number)) {
        let (row, mut end, mut is_fitting) = (from(base), base, false);
        let read = segments::read_on(connection, &row, &mut end, &mut |_| {
            is_fitting = true;
            ControlFlow::Break(())
        });
        match read {
            Ok(_) if is_fitting => return Ok(Some(row)),
            Ok(_) | Err(StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns the name in a row, whatever it is worth.
fn text_of(connection: &Connection, number: i64) -> Option<String> {
    connection.query_row("SELECT name FROM streams WHERE number = ?1", [number], |row| row.get(0)).ok()
}

/// Returns the base in a row, whatever it is worth.
fn base_of(connection: &Connection, number: i64) -> Option<StreamEnd> {
    let statement = "SELECT base, base_hash FROM streams WHERE number = ?1";
    let fields = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
    let (head, hash) = connection.query_row(statement, [number], fields).ok()?;
    let head = Seq::new(u64::try_from(head).ok()?);
    (head < SEQ_MAX).then_some(StreamEnd { head, hash: ChainHash::from_stored(&hash).ok()? })
}
