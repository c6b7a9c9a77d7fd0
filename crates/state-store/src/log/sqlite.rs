//! A store in one SQLite file, shared by any number of processes of one machine.
//!
//! A segment is one row, so a commit is one insertion and one flush of the write-ahead log; `synchronous=FULL` makes
//! that flush happen before the commit returns. Rows are keyed by stream and first entry in one integer, so that
//! appending needs no second index.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use crate::log::segment::{self, CHAIN_START, ChainEnd, ChainHash, StoredSegment};
use crate::log::{CommitError, Entry, Recorded, Seq, StateStore, StoreError, StreamName, Transaction};
use crate::{Clock, Timestamp};

/// The version of the tables that this program writes.
pub const SQLITE_FORMAT_VERSION: i64 = 1;

/// Marks a file as one of ours (`PRAGMA application_id`): "SPln".
const APPLICATION_ID: i64 = 0x5350_6c6e;

/// The first SQLite without the bug that could lose a write-ahead log when it was reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// A row's key is the stream's number in the upper bits and the number of its first entry in these lower ones.
const SEQ_BITS: u32 = 40;

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS streams (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS segments (
        key INTEGER PRIMARY KEY, count INTEGER NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL);
";

/// Streams in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    poisoned: AtomicBool,
    /// Which file it is, so that one that was removed or replaced is not written to unseen.
    identity: Option<FileIdentity>,
}

/// Why a file cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder of the file cannot be made.
    #[error("the folder of the store `{}` cannot be made", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// There is no such store, and none was to be made.
    #[error("there is no store at `{}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("`{}` is not a store of super-planner: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How that is known.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("the store `{}` has format {found}; this program reads up to {SQLITE_FORMAT_VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// SQLite is older than the first one that is safe.
    #[error("SQLite {found} can lose a write-ahead log; 3.51.3 or newer is needed")]
    UnsafeEngine {
        /// Its version.
        found: &'static str,
    },
    /// SQLite cannot open it.
    #[error("SQLite cannot open the store `{}`", path.display())]
    Engine {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}

impl SqliteStore {
    /// Opens the store at `path`; makes it, and the folders above it, where there is none.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        }
        Self::open_with(path, clock)
    }

    /// Opens the store at `path`; writes nothing where there is none.
    pub fn open_existing(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        Self::open_with(path, clock)
    }

    fn open_with(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            return Err(OpenError::UnsafeEngine { found: rusqlite::version() });
        }
        if path.is_dir() {
            return Err(OpenError::Foreign { path: path.to_owned(), reason: "it is a folder".to_owned() });
        }
        let mut writer = connect(path)?;
        make_tables(&mut writer, path)?;
        let reader = connect(path)?;
        Ok(Self {
            path: path.to_owned(),
            clock,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            poisoned: AtomicBool::new(false),
            identity: identity_of(path),
        })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a connection, if the file is one of ours or empty, with the settings that the promises rest on.
fn connect(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| open_error(path, source);
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    check_owner(&connection, path)?;
    enter_wal_mode(&connection).map_err(failed)?;
    for (name, value) in [("synchronous", "full"), ("fullfsync", "on"), ("checkpoint_fullfsync", "on")] {
        connection.pragma_update(None, name, value).map_err(failed)?;
    }
    connection.pragma_update(None, "mmap_size", 0).map_err(failed)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(failed)?;
    Ok(connection)
}

/// Reads whose file it is and in which format, and changes nothing.
fn check_owner(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| open_error(path, source);
    if count_tables(connection).map_err(failed)? == 0 {
        return Ok(());
    }
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if pragma("application_id").map_err(failed)? != APPLICATION_ID {
        let reason = "another program's tables are in it".to_owned();
        return Err(OpenError::Foreign { path: path.to_owned(), reason });
    }
    let found = pragma("user_version").map_err(failed)?;
    if found > SQLITE_FORMAT_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found });
    }
    Ok(())
}

/// Switches a new file to a write-ahead log. SQLite does not wait for others who are doing the same, so this does.
fn enter_wal_mode(connection: &Connection) -> rusqlite::Result<()> {
    let patience = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error) if is_busy(&error) && Instant::now() < patience => {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            switched => return switched,
        }
    }
}

/// Makes the tables of a new file; whoever comes second finds them.
fn make_tables(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let make = |connection: &mut Connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if count_tables(&transaction)? == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SQLITE_FORMAT_VERSION)?;
        }
        transaction.commit()
    };
    make(connection).map_err(|source| open_error(path, source))
}

fn count_tables(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

fn open_error(path: &Path, source: rusqlite::Error) -> OpenError {
    match rusqlite_code(&source) {
        Some(ErrorCode::NotADatabase) => {
            OpenError::Foreign { path: path.to_owned(), reason: "it is not an SQLite database".to_owned() }
        }
        _ => OpenError::Engine { path: path.to_owned(), source },
    }
}

impl StateStore for SqliteStore {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        let connection = self.writer.lock();
        if self.poisoned.load(Ordering::SeqCst) {
            return Err(StoreError::Poisoned);
        }
        if identity_of(&self.path) != self.identity {
            return Err(StoreError::Replaced { place: self.path.display().to_string() });
        }
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|source| {
            if is_busy(&source) {
                StoreError::Busy { stream: stream.clone(), waited_ms: BUSY_TIMEOUT.as_millis() as u64 }
            } else {
                engine_error("begin a transaction", source)
            }
        })?;
        let mut transaction = SqliteTransaction {
            store: self,
            connection,
            stream: stream.clone(),
            number: None,
            head: Seq::START,
            hash: CHAIN_START,
            news: Vec::new(),
            now: self.clock.now(),
            is_open: true,
        };
        transaction.read_on(after)?;
        Ok(Box::new(transaction))
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let connection = self.reader.lock();
        let Some(number) = stream_number(&connection, stream)? else {
            return Ok(());
        };
        read_segments(&connection, stream, number, after, &mut |segment| {
            segment.entries.into_iter().filter(|recorded| recorded.seq > after).try_for_each(&mut *visit)
        })
    }

    fn head(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        let connection = self.reader.lock();
        let Some(number) = stream_number(&connection, stream)? else {
            return Ok(Seq::START);
        };
        let mut statement = connection
            .prepare_cached(
                "SELECT key, count FROM segments WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1",
            )
            .map_err(|source| engine_error("look for the last segment", source))?;
        let last = statement
            .query_row([row_key(number, Seq::START), row_key(number + 1, Seq::START) - 1], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
            .optional()
            .map_err(|source| engine_error("look for the last segment", source))?;
        Ok(last.map_or(Seq::START, |(key, count)| Seq::new((first_of(key) + count - 1) as u64)))
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        let connection = self.reader.lock();
        let failed = |source| engine_error("list the streams", source);
        let mut statement =
            connection.prepare_cached("SELECT name FROM streams ORDER BY name").map_err(failed)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        names.map(|name| parse_name(&name.map_err(failed)?)).collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

struct SqliteTransaction<'a> {
    store: &'a SqliteStore,
    connection: MutexGuard<'a, Connection>,
    stream: StreamName,
    /// The stream's number; `None` while nobody has written to it.
    number: Option<i64>,
    head: Seq,
    hash: ChainHash,
    news: Vec<Recorded>,
    now: Timestamp,
    is_open: bool,
}

impl SqliteTransaction<'_> {
    /// Reads the entries after `after`, and the place and hash of the last segment.
    fn read_on(&mut self, after: Seq) -> Result<(), StoreError> {
        self.number = stream_number(&self.connection, &self.stream)?;
        let Some(number) = self.number else { return Ok(()) };
        let (mut head, mut hash, mut news) = (Seq::START, CHAIN_START, Vec::new());
        read_segments(&self.connection, &self.stream, number, after, &mut |segment| {
            hash = segment.hash;
            head = segment.entries.last().map_or(head, |recorded| recorded.seq);
            news.extend(segment.entries.into_iter().filter(|recorded| recorded.seq > after));
            ControlFlow::Continue(())
        })?;
        (self.head, self.hash, self.news) = (head, hash, news);
        Ok(())
    }

    fn insert(&mut self, entries: &[Entry]) -> rusqlite::Result<()> {
        let number = match self.number {
            Some(number) => number,
            None => {
                self.connection.execute("INSERT INTO streams (name) VALUES (?1)", [self.stream.as_str()])?;
                self.connection.last_insert_rowid()
            }
        };
        let (first, count, body) = (self.head.plus(1), entries.len() as u64, segment::encode(entries));
        let hash = segment::chain(&self.hash, &self.stream, first, count, self.now, &body);
        self.connection
            .prepare_cached("INSERT INTO segments (key, count, at, hash, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(rusqlite::params![
                row_key(number, first),
                count as i64,
                self.now.as_millis() as i64,
                hash.as_slice(),
                body
            ])?;
        Ok(())
    }
}

impl Transaction for SqliteTransaction<'_> {
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
        if entries.is_empty() {
            return Ok(self.head);
        }
        self.insert(&entries).map_err(|source| match rusqlite_code(&source) {
            Some(ErrorCode::ConstraintViolation) => {
                CommitError::Conflict { expected: self.head, found: self.head.plus(1) }
            }
            Some(ErrorCode::DiskFull) => CommitError::Refused(StoreError::Full),
            _ => CommitError::Refused(engine_error("append a segment", source)),
        })?;
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => {
                self.is_open = false;
                Ok(self.head.plus(entries.len() as u64))
            }
            Err(source) if rusqlite_code(&source) == Some(ErrorCode::DiskFull) => {
                Err(CommitError::Refused(StoreError::Full))
            }
            Err(source) => {
                // The flush failed: the segment may be in the log or not, and only opening the file again tells.
                self.store.poisoned.store(true, Ordering::SeqCst);
                Err(CommitError::Unknown(engine_error("flush a segment", source)))
            }
        }
    }
}

impl Drop for SqliteTransaction<'_> {
    fn drop(&mut self) {
        // SQLite rolls back by itself after some errors; whatever it says here, the store stays consistent only if
        // the connection is outside a transaction.
        if self.is_open
            && !self.connection.is_autocommit()
            && self.connection.execute_batch("ROLLBACK").is_err()
        {
            self.store.poisoned.store(true, Ordering::SeqCst);
        }
    }
}

struct Segment {
    hash: ChainHash,
    entries: Vec<Recorded>,
}

/// Visits the segments of a stream from the one that holds `after` on; each is checked against the chain first.
fn read_segments(
    connection: &Connection,
    stream: &StreamName,
    number: i64,
    after: Seq,
    visit: &mut dyn FnMut(Segment) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let failed = |source| engine_error("read the segments", source);
    // The last segment that begins at or before `after` gives the hash to go on from.
    let known: Option<i64> = connection
        .prepare_cached("SELECT max(key) FROM segments WHERE key BETWEEN ?1 AND ?2")
        .and_then(|mut statement| {
            statement.query_row([row_key(number, Seq::START), row_key(number, after)], |row| row.get(0))
        })
        .map_err(failed)?;
    let mut statement = connection
        .prepare_cached(
            "SELECT key, count, at, hash, body FROM segments WHERE key >= ?1 AND key < ?2 ORDER BY key",
        )
        .map_err(failed)?;
    let start = known.unwrap_or_else(|| row_key(number, Seq::START));
    let mut rows = statement.query([start, row_key(number + 1, Seq::START)]).map_err(failed)?;
    // The hash before the very first segment is known; before a later one it is taken from the row before that.
    let mut end = match known {
        Some(key) => end_before(connection, stream, number, key)?,
        None => ChainEnd::START,
    };
    while let Some(row) = rows.next().map_err(failed)? {
        let key: i64 = row.get(0).map_err(failed)?;
        let first = Seq::new(first_of(key) as u64);
        let corrupt = |reason: String| StoreError::Corrupt { stream: stream.clone(), at: first, reason };
        let (count, at): (i64, i64) = (row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
        let hash = row
            .get_ref(3)
            .and_then(|value| Ok(value.as_bytes()?))
            .map_err(|_| corrupt("the hash has the wrong length".to_owned()))?;
        let body = row
            .get_ref(4)
            .and_then(|value| Ok(value.as_bytes()?))
            .map_err(|_| corrupt("its body is gone".to_owned()))?;
        let (count, at) = (count as u64, Timestamp::from_millis(at as u64));
        let entries = end.follow(stream, StoredSegment { first, count, at, hash, body }).map_err(corrupt)?;
        let segment = Segment { hash: end.hash, entries };
        if visit(segment).is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns the end of the chain before the segment with that key.
fn end_before(
    connection: &Connection,
    stream: &StreamName,
    number: i64,
    key: i64,
) -> Result<ChainEnd, StoreError> {
    let before: Option<(i64, i64, Vec<u8>)> = connection
        .prepare_cached(
            "SELECT key, count, hash FROM segments WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT 1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([row_key(number, Seq::START), key], |row| {
                    Ok((first_of(row.get(0)?), row.get(1)?, row.get(2)?))
                })
                .optional()
        })
        .map_err(|source| engine_error("read the chain", source))?;
    let Some((first, count, hash)) = before else { return Ok(ChainEnd::START) };
    ChainEnd::stored(first, count, &hash).map_err(|reason| StoreError::Corrupt {
        stream: stream.clone(),
        at: Seq::new(first as u64),
        reason,
    })
}

fn stream_number(connection: &Connection, stream: &StreamName) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT number FROM streams WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([stream.as_str()], |row| row.get(0)).optional())
        .map_err(|source| engine_error("find the stream", source))
}

fn parse_name(name: &str) -> Result<StreamName, StoreError> {
    StreamName::new(name).map_err(|invalid| engine_error("read the name of a stream", invalid))
}

const fn row_key(number: i64, first: Seq) -> i64 {
    (number << SEQ_BITS) + first.get() as i64
}

const fn first_of(key: i64) -> i64 {
    key & ((1 << SEQ_BITS) - 1)
}

/// Device and number of a file.
type FileIdentity = (u64, u64);

#[cfg(unix)]
fn identity_of(path: &Path) -> Option<FileIdentity> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity_of(_path: &Path) -> Option<FileIdentity> {
    None
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(rusqlite_code(error), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn rusqlite_code(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

fn engine_error(
    action: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Engine { action, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SystemClock, log::conformance};

    fn open(path: &Path) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(path, Arc::new(SystemClock))
    }

    fn entry(text: &str) -> Entry {
        Entry { kind: 1, version: 1, body: text.as_bytes().to_vec() }
    }

    fn append(store: &SqliteStore, texts: &[&str]) -> Seq {
        let stream = StreamName::workspace();
        let entries = texts.iter().map(|text| entry(text)).collect();
        store.begin(&stream, Seq::START).unwrap().commit(entries).unwrap()
    }

    #[test]
    fn it_keeps_the_contract() {
        conformance::check(&|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.db");
            // The folder lives as long as the test; the operating system removes what a test leaves.
            let _kept = folder.keep();
            Box::new(move || Box::new(open(&path).unwrap()))
        });
    }

    #[test]
    fn the_settings_that_the_promises_rest_on_are_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("state.db")).unwrap();
        let connection = store.writer.lock();
        let pragma = |name: &str| -> String {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .map(|value| format!("{value:?}"))
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma("synchronous"), "Integer(2)");
        assert_eq!(pragma("mmap_size"), "Integer(0)");
    }

    #[test]
    fn a_changed_byte_in_any_segment_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        for text in ["one", "two", "three"] {
            append(&store, &[text]);
        }
        let vandal = Connection::open(&path).unwrap();
        vandal.execute("UPDATE segments SET body = replace(body, 't', 'T') WHERE key & 255 = 2", []).unwrap();
        let error =
            store.read(&StreamName::workspace(), Seq::START, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.to_string(), "stream `workspace` is damaged at entry 2: its hash does not match");
        vandal.execute("DELETE FROM segments WHERE key & 255 = 2", []).unwrap();
        let error =
            store.read(&StreamName::workspace(), Seq::START, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.to_string(), "stream `workspace` is damaged at entry 3: entry 2 is missing");
    }

    #[test]
    fn a_store_that_was_removed_or_replaced_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        append(&store, &["one"]);
        std::fs::remove_file(&path).unwrap();
        let begin = || store.begin(&StreamName::workspace(), Seq::START).map(drop);
        assert!(matches!(begin(), Err(StoreError::Replaced { .. })));
        let other = open(&path).unwrap();
        assert!(matches!(begin(), Err(StoreError::Replaced { .. })));
        append(&other, &["two"]);
    }

    #[test]
    fn a_new_store_is_opened_by_many_at_once() {
        for _ in 0..60 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.db");
            std::thread::scope(|scope| {
                let opening: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).map(drop))).collect();
                for opened in opening {
                    opened.join().unwrap().unwrap();
                }
            });
        }
    }

    #[test]
    fn what_is_no_store_of_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "these are notes, and long enough to be read as the head of a file").unwrap();
        assert!(matches!(open(&text), Err(OpenError::Foreign { .. })), "{:?}", open(&text));
        assert!(matches!(open(folder.path()), Err(OpenError::Foreign { .. })));

        let foreign = folder.path().join("other.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let before = std::fs::read(&foreign).unwrap();
        assert!(matches!(open(&foreign), Err(OpenError::Foreign { .. })));
        assert_eq!(std::fs::read(&foreign).unwrap(), before, "not a byte of it is changed");

        let missing = folder.path().join("missing.db");
        let error = SqliteStore::open_existing(&missing, Arc::new(SystemClock)).unwrap_err();
        assert!(matches!(error, OpenError::Missing { .. }));
        assert!(!missing.exists());

        let newer = folder.path().join("newer.db");
        drop(open(&newer).unwrap());
        Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(&newer), Err(OpenError::Newer { found: 99, .. })));
    }
}
