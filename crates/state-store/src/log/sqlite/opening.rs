//! Opening a file as a store: whose it is, its format, the settings that the promises rest on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::segments::engine_error;
use super::{streams, tip};
use crate::log::StoreError;
use crate::log::patience::{LOCK_PATIENCE, until};
use crate::log::planted::{PlantedBug, is_planted};

/// The version of the tables that this program writes.
pub const SQLITE_FORMAT_VERSION: i64 = 2;

/// Marks a file as one of ours (`PRAGMA application_id`): "SPln".
const APPLICATION_ID: i64 = 0x5350_6c6e;

/// The first SQLite without the bug that could lose a write-ahead log when it was reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// The tables that every format has had.
const SEGMENTS: &str = "
    CREATE TABLE segments (
        key INTEGER PRIMARY KEY, count INTEGER NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL);
";

/// The tables of format 2. The list of streams has no index: one that is damaged would hide a stream. It is short, and
/// read whole.
const TABLES: &str = "
    CREATE TABLE store (id INTEGER NOT NULL);
    CREATE TABLE streams (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL, base INTEGER NOT NULL, base_hash BLOB NOT NULL,
        mark BLOB NOT NULL);
    CREATE TABLE snapshots (
        key INTEGER PRIMARY KEY, seq INTEGER NOT NULL, chain BLOB NOT NULL, kind INTEGER NOT NULL,
        version INTEGER NOT NULL, generation INTEGER NOT NULL, parts INTEGER NOT NULL, hash BLOB NOT NULL);
    CREATE TABLE snapshot_parts (key INTEGER PRIMARY KEY, body BLOB NOT NULL);
";

/// Format 1 had `streams (number, name UNIQUE)`. Done before the tables are made, and after.
const UPGRADE_FROM_1: [&str; 2] = [
    "ALTER TABLE streams RENAME TO streams_1",
    "INSERT INTO streams SELECT number, name, 0, zeroblob(32), x'' FROM streams_1; DROP TABLE streams_1",
];

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
    /// It is empty, and was not.
    #[error(
        "the store `{}` is empty, but `{}` says that it was written to: its content is lost",
        path.display(),
        witness.display()
    )]
    Emptied {
        /// The file.
        path: PathBuf,
        /// The file that says so.
        witness: PathBuf,
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
    /// SQLite keeps no write-ahead log for it.
    #[error(
        "SQLite keeps no write-ahead log for the store `{}` (its journal mode is `{mode}`): the folder must allow files \
         to be made and shared memory to be used",
        path.display()
    )]
    NoLog {
        /// The file.
        path: PathBuf,
        /// The mode that it is in.
        mode: String,
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

/// Checks that `path` can be a store and that this SQLite is a safe one, before anything is opened.
pub(super) fn check_place(path: &Path) -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::UnsafeEngine { found: rusqlite::version() });
    }
    if path.is_dir() {
        return Err(OpenError::Foreign { path: path.to_owned(), reason: "it is a folder".to_owned() });
    }
    // SQLite would take it for a new one, and remove its log. One that is not there at all is somebody's decision.
    if path.metadata().is_ok_and(|found| found.len() == 0) && tip::is_witness_of_any(path) {
        return Err(OpenError::Emptied { path: path.to_owned(), witness: tip::beside(path) });
    }
    Ok(())
}

/// What to do where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    Make,
    Refuse,
}

/// Opens a connection, if the file is one of ours or empty, with the settings that the promises rest on.
pub(super) fn connect(path: &Path, absent: Absent) -> Result<Connection, OpenError> {
    let failed = |source| open_error(path, source);
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, absent == Absent::Make);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(LOCK_PATIENCE).map_err(failed)?;
    check_owner(&connection, path)?;
    let mode = enter_wal_mode(&connection).map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::NoLog { path: path.to_owned(), mode });
    }
    let settings = [
        ("synchronous", synchronous()),
        ("fullfsync", "on"),
        ("checkpoint_fullfsync", "on"),
        ("cell_size_check", "on"),
        ("trusted_schema", "off"),
    ];
    for (name, value) in settings {
        connection.pragma_update(None, name, value).map_err(failed)?;
    }
    connection.pragma_update(None, "mmap_size", 0).map_err(failed)?;
    // Checkpoints are made beside the commits.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
    Ok(connection)
}

/// Returns when SQLite flushes: at every commit.
fn synchronous() -> &'static str {
    match () {
        () if is_planted(PlantedBug::NoFlush) => "off",
        () if is_planted(PlantedBug::EarlyAcknowledgement) => "normal",
        () => "full",
    }
}

/// Reads whose file it is and in which format, and changes nothing.
fn check_owner(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| open_error(path, source);
    if count_tables(connection).map_err(failed)? == 0 {
        return Ok(());
    }
    if pragma(connection, "application_id").map_err(failed)? != APPLICATION_ID {
        let reason = "another program's tables are in it".to_owned();
        return Err(OpenError::Foreign { path: path.to_owned(), reason });
    }
    let found = pragma(connection, "user_version").map_err(failed)?;
    if found > SQLITE_FORMAT_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found });
    }
    Ok(())
}

/// Switches a new file to a write-ahead log and returns the mode that it is in then. SQLite does not wait for others who
/// are doing the same, so this does; and it says nothing where it cannot make the log, but stays in another mode.
fn enter_wal_mode(connection: &Connection) -> rusqlite::Result<String> {
    let until = until(LOCK_PATIENCE);
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)) {
            Err(error) if is_busy(&error) && Instant::now() < until => {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            switched => return switched,
        }
    }
}

/// Makes the tables of a new file, or brings those of an older format up to this one; whoever comes second finds them.
///
/// Returns the id of the store.
pub(super) fn prepare_tables(connection: &mut Connection, path: &Path) -> Result<u64, OpenError> {
    let prepare = |connection: &mut Connection| {
        let is_current = |connection: &Connection| -> rusqlite::Result<bool> {
            Ok(pragma(connection, "user_version")? == SQLITE_FORMAT_VERSION)
        };
        if !is_current(connection)? {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !is_current(&transaction)? {
                make_tables(&transaction)?;
            }
            transaction.commit()?;
        }
        connection.query_row("SELECT id FROM store", [], |row| row.get::<_, i64>(0))
    };
    prepare(connection).map(|id| id as u64).map_err(|source| open_error(path, source))
}

fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    if count_tables(connection)? == 0 {
        connection.execute_batch(TABLES)?;
        connection.execute_batch(SEGMENTS)?;
    } else {
        let [before, after] = UPGRADE_FROM_1;
        connection.execute_batch(before)?;
        connection.execute_batch(TABLES)?;
        connection.execute_batch(after)?;
        streams::mark_all(connection)?;
    }
    // Told from every other store, so that what lies beside one is not taken for another's.
    let id = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), "store") as i64;
    connection.execute("INSERT INTO store (id) VALUES (?1)", [id])?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SQLITE_FORMAT_VERSION)
}

/// Returns what SQLite's check of the whole file finds wrong.
pub(super) fn check_integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let check = || {
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        let told = statement.query_map([], |row| row.get::<_, String>(0))?;
        told.collect::<rusqlite::Result<Vec<_>>>()
    };
    match check() {
        Ok(told) => Ok(told.into_iter().filter(|line| line != "ok").collect()),
        // It is found to be damaged before the check can begin.
        Err(source) if source.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(vec![source.to_string()])
        }
        Err(source) => Err(engine_error("check the file", source)),
    }
}

fn count_tables(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn open_error(path: &Path, source: rusqlite::Error) -> OpenError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            OpenError::Foreign { path: path.to_owned(), reason: "it is not an SQLite database".to_owned() }
        }
        _ => OpenError::Engine { path: path.to_owned(), source },
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
