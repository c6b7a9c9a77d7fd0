//! Keeping a snapshot, in parts that are written under a lock each, so that nobody waits for the whole.

use rusqlite::{Connection, OptionalExtension, params};

use super::segments::{self, engine_error, row_key, storage_error, write_error};
use super::store::{SqliteStore, Writer};
use super::streams::{self, StreamRow};
use super::transaction;
use crate::log::snapshot::PART_BYTES;
use crate::log::{
    Base, ChainHash, CommitError, Seq, Snapshot, SnapshotError, StoreError, StreamEnd, StreamName,
};

/// Which snapshot of a stream.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// The last one that was kept.
    Last,
    /// The one at the place up to which entries were dropped.
    Base,
}

impl Which {
    /// Returns the key of its row.
    const fn key(self, number: i64) -> i64 {
        match self {
            Self::Last => number << 1,
            Self::Base => (number << 1) + 1,
        }
    }
}

/// A part's key is its generation in the upper bits and its number in these lower ones.
const PART_BITS: u32 = 20;

/// How many parts a snapshot can have: 256 GiB of them.
const PARTS_MAX: i64 = 1 << PART_BITS;

/// How often a snapshot is written again because others have dropped parts of it.
const KEEP_TRIES: u32 = 3;

/// How many segments are dropped under one lock.
const SEGMENTS_A_LOCK: u32 = 200;

/// What the row of a snapshot says.
struct SnapshotRow {
    seq: Seq,
    chain: ChainHash,
    kind: u16,
    version: u16,
    generation: i64,
    parts: i64,
    hash: Vec<u8>,
}

impl SqliteStore {
    pub(super) fn keep_snapshot(
        &self,
        stream: &StreamName,
        snapshot: &Snapshot,
    ) -> Result<(), SnapshotError> {
        // Whoever keeps one at the same time may drop parts of this one before it is kept.
        for _ in 0..KEEP_TRIES {
            if self.try_to_keep(stream, snapshot)? {
                return Ok(self.drop_unused_parts(stream)?);
            }
        }
        Err(engine_error("keep a snapshot", "others kept theirs all the time").into())
    }

    /// Returns whether this snapshot, or one of a later place, is kept now.
    fn try_to_keep(&self, stream: &StreamName, snapshot: &Snapshot) -> Result<bool, SnapshotError> {
        let no_boundary = || SnapshotError::NoBoundary { stream: stream.clone(), at: snapshot.seq };
        let (row, end, last) = self
            .under_lock(stream, |writer| {
                let row = self.find_stream(&writer.connection, stream)?;
                let Some(row) = row else { return Ok(None) };
                let end = segments::end_at(&writer.connection, &row, snapshot.seq)?;
                let last = snapshot_row(&writer.connection, &row, Which::Last)?;
                Ok(Some((row, end, last)))
            })?
            .ok_or_else(no_boundary)?;
        if last.as_ref().is_some_and(|last| last.seq >= snapshot.seq) {
            return Ok(true);
        }
        let chain = end.ok_or_else(no_boundary)?.hash;
        let generation = new_generation(snapshot);
        for (number, part) in (0..).zip(parts_of(snapshot)?) {
            self.under_lock(stream, |writer| insert_part(&writer.connection, generation, number, part))?;
        }
        Ok(self.under_lock(stream, |writer| {
            insert_row(&writer.connection, &row, Which::Last, snapshot, &chain, generation)
        })?)
    }

    /// Drops the parts that no snapshot has: those of the last one, and those that a crash has left.
    fn drop_unused_parts(&self, stream: &StreamName) -> Result<(), StoreError> {
        let is_more = |writer: &Writer| {
            let dropped = writer.connection.execute(
                "DELETE FROM snapshot_parts WHERE key IN (
                     SELECT key FROM snapshot_parts
                     WHERE key >> 20 NOT IN (SELECT generation FROM snapshots) LIMIT 1)",
                [],
            );
            dropped.map(|parts| parts > 0).map_err(|source| write_error("drop an old snapshot", source))
        };
        while self.under_lock(stream, |writer| is_more(writer))? {}
        Ok(())
    }

    pub(super) fn find_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError> {
        let found = self.look(stream, |connection, row, _| read_snapshot(connection, row, Which::Last))?;
        Ok(found.flatten().map(|(snapshot, _)| snapshot))
    }

    pub(super) fn find_base(&self, stream: &StreamName) -> Result<Option<Base>, StoreError> {
        let found = self.look(stream, |connection, row, _| read_snapshot(connection, row, Which::Base))?;
        Ok(found.flatten().map(|(snapshot, hash)| Base { hash, snapshot }))
    }

    /// Adds a stream that begins after `base`, in one transaction.
    pub(super) fn keep_base(&self, stream: &StreamName, base: &Base) -> Result<(), CommitError> {
        let Base { hash, snapshot } = base;
        let taken = self
            .under_lock(stream, |writer| {
                let connection = &writer.connection;
                if let Some(row) = self.find_stream(connection, stream)? {
                    return segments::stored_end(connection, &row).map(Some);
                }
                let failed = |source| write_error("add the stream", source);
                let number = streams::add(connection, stream).map_err(failed)?;
                let row = StreamRow { number, name: stream.clone(), base: StreamEnd::START };
                streams::set_base(connection, &row, base.end())?;
                let generation = new_generation(snapshot);
                for (number, part) in (0..).zip(parts_of(snapshot)?) {
                    insert_part(connection, generation, number, part)?;
                }
                for which in [Which::Last, Which::Base] {
                    insert_row(connection, &row, which, snapshot, hash, generation)?;
                }
                Ok(None)
            })
            .map_err(CommitError::Refused)?;
        match taken {
            None => Ok(()),
            Some(end) => Err(CommitError::Conflict { expected: Seq::START, found: end.head }),
        }
    }

    /// Drops the segments that the last snapshot covers, a few under each lock.
    pub(super) fn drop_covered(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        let covered = self.under_lock(stream, |writer| {
            let Some(row) = self.find_stream(&writer.connection, stream)? else { return Ok(None) };
            let base = match read_snapshot(&writer.connection, &row, Which::Last)? {
                Some((snapshot, hash)) if snapshot.seq > row.base.head => {
                    let base = StreamEnd { head: snapshot.seq, hash };
                    streams::set_base(&writer.connection, &row, base)?;
                    execute(
                        &writer.connection,
                        "INSERT OR REPLACE INTO snapshots
                         SELECT ?2, seq, chain, kind, version, generation, parts, hash FROM snapshots
                         WHERE key = ?1",
                        [Which::Last.key(row.number), Which::Base.key(row.number)],
                    )?;
                    base
                }
                _ => row.base,
            };
            Ok(Some((row.number, base.head)))
        })?;
        let Some((number, base)) = covered else { return Ok(Seq::START) };
        let range = [row_key(number, Seq::START), row_key(number, base)];
        let is_more = |writer: &Writer| {
            let dropped = writer.connection.execute(
                "DELETE FROM segments WHERE key IN (
                     SELECT key FROM segments WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3)",
                params![range[0], range[1], SEGMENTS_A_LOCK],
            );
            dropped.map(|segments| segments > 0).map_err(|source| write_error("drop segments", source))
        };
        while self.under_lock(stream, |writer| is_more(writer))? {}
        Ok(base)
    }

    /// Does a piece of work in a transaction of its own.
    pub(super) fn under_lock<T>(
        &self,
        stream: &StreamName,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer(stream)?;
        transaction::lock(&writer.connection, stream)?;
        let worked = work(&mut writer).and_then(|done| {
            let committed = writer.connection.execute_batch("COMMIT");
            committed.map(|()| done).map_err(|source| match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
                _ => {
                    // The flush failed, as in a commit of entries.
                    self.poison();
                    engine_error("commit a transaction", source)
                }
            })
        });
        if !transaction::roll_back(&writer.connection) {
            self.poison();
        }
        worked
    }
}

/// Returns a number for the parts of a snapshot, told from those of anybody else who makes one at the same time.
fn new_generation(snapshot: &Snapshot) -> i64 {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), snapshot.seq);
    (random >> (PART_BITS + 2)) as i64
}

fn parts_of(snapshot: &Snapshot) -> Result<impl Iterator<Item = &[u8]>, StoreError> {
    let parts = snapshot.body.chunks(PART_BYTES);
    if parts.len() as i64 > PARTS_MAX {
        let reason = format!("it has {} parts, and {PARTS_MAX} are the most", parts.len());
        return Err(engine_error("keep a snapshot", reason));
    }
    Ok(parts)
}

fn insert_part(connection: &Connection, generation: i64, number: i64, part: &[u8]) -> Result<(), StoreError> {
    let statement = "INSERT INTO snapshot_parts (key, body) VALUES (?1, ?2)";
    execute(connection, statement, params![part_key(generation, number), part]).map(drop)
}

/// Writes the row of a snapshot, unless some of its parts are gone or there is one of a later place; returns whether it
/// was written.
fn insert_row(
    connection: &Connection,
    row: &StreamRow,
    which: Which,
    snapshot: &Snapshot,
    chain: &ChainHash,
    generation: i64,
) -> Result<bool, StoreError> {
    let rows = execute(
        connection,
        "INSERT INTO snapshots (key, seq, chain, kind, version, generation, parts, hash)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
         WHERE (SELECT count(*) FROM snapshot_parts WHERE key >> 20 = ?6) = ?7
         ON CONFLICT (key) DO UPDATE SET seq = ?2, chain = ?3, kind = ?4, version = ?5,
             generation = ?6, parts = ?7, hash = ?8 WHERE seq < ?2",
        params![
            which.key(row.number),
            snapshot.seq.get() as i64,
            chain.as_bytes().as_slice(),
            snapshot.kind,
            snapshot.version,
            generation,
            snapshot.body.len().div_ceil(PART_BYTES) as i64,
            snapshot.hash(&row.name, chain).as_slice()
        ],
    )?;
    Ok(rows > 0)
}

/// Returns how many rows were changed.
fn execute(
    connection: &Connection,
    statement: &str,
    values: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute(values))
        .map_err(|source| write_error("keep a snapshot", source))
}

/// Returns the place of the last snapshot.
pub(super) fn last_place(connection: &Connection, row: &StreamRow) -> Result<Option<Seq>, StoreError> {
    Ok(snapshot_row(connection, row, Which::Last)?.map(|found| found.seq))
}

fn snapshot_row(
    connection: &Connection,
    row: &StreamRow,
    which: Which,
) -> Result<Option<SnapshotRow>, StoreError> {
    let failed = |source| storage_error("read the snapshot", &row.name, row.base, source);
    let mut statement = connection
        .prepare_cached(
            "SELECT seq, chain, kind, version, generation, parts, hash FROM snapshots WHERE key = ?1",
        )
        .map_err(failed)?;
    let found = statement
        .query_row([which.key(row.number)], |row| {
            let chain: Vec<u8> = row.get(1)?;
            Ok((
                chain,
                SnapshotRow {
                    seq: Seq::new(row.get::<_, i64>(0)? as u64),
                    chain: ChainHash::START,
                    kind: row.get(2)?,
                    version: row.get(3)?,
                    generation: row.get(4)?,
                    parts: row.get(5)?,
                    hash: row.get(6)?,
                },
            ))
        })
        .optional()
        .map_err(failed)?;
    let Some((chain, found)) = found else { return Ok(None) };
    let chain = ChainHash::from_stored(&chain).map_err(|reason| damaged(row, found.seq, &reason))?;
    Ok(Some(SnapshotRow { chain, ..found }))
}

/// Returns the snapshot and the hash of the chain at its place, both checked.
pub(super) fn read_snapshot(
    connection: &Connection,
    row: &StreamRow,
    which: Which,
) -> Result<Option<(Snapshot, ChainHash)>, StoreError> {
    let Some(found) = snapshot_row(connection, row, which)? else { return Ok(None) };
    if !(0..=PARTS_MAX).contains(&found.parts) {
        return Err(damaged(row, found.seq, "the number of its parts cannot be"));
    }
    let failed = |source| storage_error("read the snapshot", &row.name, row.base, source);
    let mut statement = connection
        .prepare_cached("SELECT body FROM snapshot_parts WHERE key BETWEEN ?1 AND ?2 ORDER BY key")
        .map_err(failed)?;
    let range = [part_key(found.generation, 0), part_key(found.generation, found.parts - 1)];
    let mut rows = statement.query(range).map_err(failed)?;
    let mut body = Vec::new();
    while let Some(part) = rows.next().map_err(failed)? {
        let bytes = part.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(failed)?;
        body.extend_from_slice(bytes);
    }
    let snapshot = Snapshot { seq: found.seq, kind: found.kind, version: found.version, body };
    if snapshot.hash(&row.name, &found.chain).as_slice() != found.hash {
        return Err(damaged(row, found.seq, "its hash does not match"));
    }
    Ok(Some((snapshot, found.chain)))
}

fn damaged(row: &StreamRow, at: Seq, reason: &str) -> StoreError {
    StoreError::Corrupt { stream: row.name.clone(), at, reason: format!("its snapshot: {reason}") }
}

const fn part_key(generation: i64, number: i64) -> i64 {
    (generation << PART_BITS) + number
}
