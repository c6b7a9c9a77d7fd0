//! The list of streams: their names, and where each begins.

use std::collections::HashMap;

use parking_lot::Mutex;
use rusqlite::{Connection, Row};

use super::restored;
use super::segments::{storage_error, write_error};
use super::tip::Tip;
use crate::log::{ChainHash, Seq, StoreError, StreamEnd, StreamName};

/// A stream, as the list has it.
#[derive(Debug, Clone)]
pub(super) struct StreamRow {
    pub(super) number: i64,
    pub(super) name: StreamName,
    /// The last entry that is dropped.
    pub(super) base: StreamEnd,
}

/// Finds streams by their names. A stream keeps its number for ever, and a new one gets a higher one than all before:
/// what was read of the list is remembered, and only what follows is read when a name is not known.
#[derive(Debug, Default)]
pub(super) struct StreamList {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<StreamName, i64>,
    /// The list has been read up to here.
    last: i64,
}

impl StreamList {
    /// Returns the row of a stream, checked, or `None` where nobody has written to it.
    pub(super) fn find(
        &self,
        connection: &Connection,
        tip: &Tip,
        stream: &StreamName,
    ) -> Result<Option<StreamRow>, StoreError> {
        let known = self.known.lock().numbers.get(stream).copied();
        if let Some(number) = known {
            let row = row(connection, stream, number)?.filter(|row| row.name == *stream);
            return row.map(Some).ok_or_else(|| lost(stream, number));
        }
        let mut known = self.known.lock();
        let read_before = known.last;
        let (mut found, mut damaged) = (None, None);
        for row in rows(connection, stream, read_before.saturating_add(1), i64::MAX)? {
            match row {
                Ok(row) => {
                    known.last = if damaged.is_none() { row.number } else { known.last };
                    known.numbers.insert(row.name.clone(), row.number);
                    found = (row.name == *stream).then_some(row).or(found);
                }
                // It may be the row of this stream, if that is not found; the other streams are what they were.
                Err(error) => damaged = damaged.or(Some(error)),
            }
        }
        match (found, damaged) {
            (Some(row), _) => return Ok(Some(row)),
            (None, Some(error)) => return Err(error),
            (None, None) => {}
        }
        let missing = |number: i64| known.numbers.values().all(|listed| *listed != number);
        for number in tip.numbers_after(read_before).filter(|number| missing(*number)) {
            // Somebody may have added it since the list was read.
            if row(connection, stream, number)?.is_none() {
                return Err(lost(stream, number));
            }
        }
        Ok(None)
    }
}

/// Returns the names of the streams that can be read, and what is wrong with the list of them, if anything is.
pub(super) fn names(connection: &Connection) -> Result<(Vec<StreamName>, Option<StoreError>), StoreError> {
    let (mut names, mut damage) = (Vec::new(), None);
    for row in rows(connection, &StreamName::workspace(), i64::MIN, i64::MAX)? {
        match row {
            Ok(row) => names.push(row.name),
            Err(error) => damage = damage.or(Some(error)),
        }
    }
    let unlisted = restored::unlisted_numbers(connection)?;
    names.extend(restored::names(connection, &unlisted)?);
    let lost = unlisted.first().map(|number| lost(&StreamName::workspace(), *number));
    Ok((names, damage.or(lost)))
}

/// Returns the row of a stream as it is now.
pub(super) fn again(connection: &Connection, row: &StreamRow) -> Result<StreamRow, StoreError> {
    self::row(connection, &row.name, row.number)?.ok_or_else(|| lost(&row.name, row.number))
}

fn row(connection: &Connection, asked: &StreamName, number: i64) -> Result<Option<StreamRow>, StoreError> {
    rows(connection, asked, number, number)?.pop().transpose()
}

fn lost(asked: &StreamName, number: i64) -> StoreError {
    let reason = format!("the list of streams has lost number {number}");
    StoreError::Corrupt { stream: asked.clone(), at: Seq::START, reason }
}

/// Returns the rows from number `first` to `last`, each checked; `asked` is named where one is damaged.
pub(super) fn rows(
    connection: &Connection,
    asked: &StreamName,
    first: i64,
    last: i64,
) -> Result<Vec<Result<StreamRow, StoreError>>, StoreError> {
    let failed = |source| storage_error("list the streams", asked, StreamEnd::START, source);
    let mut statement = connection
        .prepare_cached(
            "SELECT number, name, base, base_hash, mark FROM streams WHERE number BETWEEN ?1 AND ?2
             ORDER BY number",
        )
        .map_err(failed)?;
    let mut rows = statement.query([first, last]).map_err(failed)?;
    let mut streams = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let checked = checked_row(row);
        let at = Seq::START;
        streams.push(checked.map_err(|reason| StoreError::Corrupt { stream: asked.clone(), at, reason }));
    }
    Ok(streams)
}

fn checked_row(row: &Row<'_>) -> Result<StreamRow, String> {
    let unreadable = |_| "a row of the list of streams cannot be read".to_owned();
    let number: i64 = row.get(0).map_err(unreadable)?;
    let name: String = row.get(1).map_err(unreadable)?;
    let base: i64 = row.get(2).map_err(unreadable)?;
    let hash: Vec<u8> = row.get(3).map_err(unreadable)?;
    let kept: Vec<u8> = row.get(4).map_err(unreadable)?;
    if kept != mark(number, &name, base, &hash) {
        return Err(format!("row {number} of the list of streams is not what was written"));
    }
    let base = StreamEnd { head: Seq::new(base as u64), hash: ChainHash::from_stored(&hash)? };
    Ok(StreamRow { number, name: StreamName::new(&name).map_err(|invalid| invalid.to_string())?, base })
}

/// Adds a stream and returns its number.
pub(super) fn add(connection: &Connection, stream: &StreamName) -> rusqlite::Result<i64> {
    let number =
        connection.query_row("SELECT coalesce(max(number), 0) + 1 FROM streams", [], |row| row.get(0))?;
    let hash = ChainHash::START;
    connection.execute(
        "INSERT INTO streams (number, name, base, base_hash, mark) VALUES (?1, ?2, 0, ?3, ?4)",
        rusqlite::params![
            number,
            stream.as_str(),
            hash.as_bytes().as_slice(),
            mark(number, stream.as_str(), 0, hash.as_bytes())
        ],
    )?;
    Ok(number)
}

/// Notes that the entries up to `base` are dropped.
pub(super) fn set_base(connection: &Connection, row: &StreamRow, base: StreamEnd) -> Result<(), StoreError> {
    let head = base.head.get() as i64;
    connection
        .execute(
            "UPDATE streams SET base = ?2, base_hash = ?3, mark = ?4 WHERE number = ?1",
            rusqlite::params![
                row.number,
                head,
                base.hash.as_bytes().as_slice(),
                mark(row.number, row.name.as_str(), head, base.hash.as_bytes())
            ],
        )
        .map(drop)
        .map_err(|source| write_error("note what is dropped", source))
}

/// Marks rows that come from a format without marks.
pub(super) fn mark_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT number, name FROM streams")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    for row in rows {
        let (number, name) = row?;
        let mark = mark(number, &name, 0, ChainHash::START.as_bytes());
        connection
            .execute("UPDATE streams SET mark = ?2 WHERE number = ?1", rusqlite::params![number, mark])?;
    }
    Ok(())
}

/// Returns the checksum of a row.
fn mark(number: i64, name: &str, base: i64, base_hash: &[u8]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&base.to_le_bytes());
    hasher.update(base_hash);
    hasher.update(name.as_bytes());
    hasher.finalize().as_bytes()[..16].to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{Entry, Seq, SqliteStore, StateStore, StreamName, SystemClock};

    /// Every round adds a stream in each thread while the others look for theirs, which are not there yet.
    #[test]
    fn streams_that_are_added_at_the_same_time_are_no_damage() {
        const THREADS: usize = 8;
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..40 {
                        let stream = StreamName::new(&format!("{thread}/{round}")).unwrap();
                        assert_eq!(store.head(&stream).unwrap(), Seq::START);
                        let entry = Entry { kind: 1, version: 1, body: Vec::new() };
                        store.begin(&stream, Seq::START).unwrap().commit(vec![entry]).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.streams().unwrap().len(), THREADS * 40);
    }
}
