//! The store: one connection that writes, some that read.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::Connection;

use super::checkpoint::{self, Checkpointer};
use super::folder;
use super::opening::{self, Absent, OpenError};
use super::restored;
use super::segments::{self, engine_error, storage_error};
use super::snapshots;
use super::streams::{self, StreamList, StreamRow};
use super::tables;
use super::tip::Tip;
use super::transaction::{SqliteTransaction, busy};
use crate::log::patience::{LOCK_PATIENCE, until};
use crate::log::{
    Base, CommitError, Recorded, Seq, Snapshot, SnapshotError, StateStore, StoreError, StreamEnd, StreamName,
    Transaction,
};
use crate::tables::TableStep;
use crate::{Clock, Timestamp};

/// How much is read in one look, with the segment that goes beyond it.
const PAGE_BYTES: usize = 1 << 20;

/// Some segments, one after the other.
struct Page {
    entries: Vec<Recorded>,
    end: StreamEnd,
    /// How the reading ended, if it did.
    outcome: Option<Result<(), StoreError>>,
}

/// How often the file is looked at for what other processes have appended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Streams in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    checkpointer: Checkpointer,
    tip: Tip,
    streams: StreamList,
    writer: Mutex<Writer>,
    /// Connections that nobody reads on at the moment.
    readers: Mutex<Vec<Connection>>,
    commits: Mutex<u64>,
    committed: Condvar,
    poisoned: AtomicBool,
    /// Which file it is, so that one that was removed or replaced is not written to unseen.
    identity: Option<FileIdentity>,
}

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: Connection,
    /// How far each stream has been read and checked here.
    pub(super) ends: HashMap<StreamName, StreamEnd>,
    /// Whether what an earlier process may have left unflushed has been made durable.
    is_settled: bool,
}

impl SqliteStore {
    /// Opens the store at `path`; makes it, and the folders above it, where there is none.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        if let Some(parent) = path.parent() {
            folder::make(parent).map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        }
        Self::open_with(path, clock, Absent::Make)
    }

    /// Opens the store at `path`; writes nothing where there is none.
    pub fn open_existing(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        Self::open_with(path, clock, Absent::Refuse)
    }

    fn open_with(path: &Path, clock: Arc<dyn Clock>, absent: Absent) -> Result<Self, OpenError> {
        opening::check_place(path)?;
        let mut connection = opening::connect(path, absent)?;
        let id = opening::prepare_tables(&mut connection, path)?;
        Ok(Self {
            path: path.to_owned(),
            clock,
            checkpointer: Checkpointer::new(path.to_owned()),
            tip: Tip::open(path, id),
            streams: StreamList::default(),
            writer: Mutex::new(Writer { connection, ends: HashMap::new(), is_settled: false }),
            readers: Mutex::default(),
            commits: Mutex::default(),
            committed: Condvar::new(),
            poisoned: AtomicBool::new(false),
            identity: identity_of(path),
        })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many checkpoints this handle has made. Each flushes the log and the file.
    pub fn checkpoints(&self) -> u64 {
        self.checkpointer.count()
    }

    pub(super) fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Returns the row of a stream, or `None` where nobody has written to it.
    pub(super) fn find_stream(
        &self,
        connection: &Connection,
        stream: &StreamName,
    ) -> Result<Option<StreamRow>, StoreError> {
        self.streams.find(connection, &self.tip, stream)
    }

    pub(super) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Has the store refuse everything until it is opened again.
    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    /// Returns the connection that writes, unless nothing may be written; `stream` is what it is wanted for.
    pub(super) fn writer(&self, stream: &StreamName) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let mut writer = self.writer.try_lock_for(LOCK_PATIENCE).ok_or_else(|| busy(stream))?;
        self.check_poison()?;
        self.check_identity()?;
        if !writer.is_settled {
            // A flush that failed in an earlier process may have left commits that only the operating system's memory
            // holds, and that no later flush of the log brings to the disk. Copying the log does.
            let is_settled = checkpoint::settle(&writer.connection, LOCK_PATIENCE)
                .map_err(|source| engine_error("make the write-ahead log durable", source))?;
            if !is_settled {
                let reason = "somebody has been reading an older state of it all the time";
                return Err(engine_error("make the write-ahead log durable", reason));
            }
            // SQLite flushes the name of its log, too, but is content where that fails. The log is there by now, and
            // stays as long as this connection does.
            folder::flush_around(&self.path)
                .map_err(|source| engine_error("make the write-ahead log durable", source))?;
            writer.is_settled = true;
        }
        Ok(writer)
    }

    fn check_poison(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::SeqCst) { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn check_identity(&self) -> Result<(), StoreError> {
        if identity_of(&self.path) == self.identity {
            return Ok(());
        }
        Err(StoreError::Replaced { place: self.path.display().to_string() })
    }

    /// Opens another connection to the file that the store was opened from.
    fn connect(&self) -> Result<Connection, StoreError> {
        self.check_identity()?;
        let connection = opening::connect(&self.path, Absent::Refuse)
            .map_err(|source| engine_error("open a connection to read on", source))?;
        self.check_identity()?;
        Ok(connection)
    }

    /// Lends a connection to read on.
    pub(super) fn with_reader<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check_poison()?;
        let idle = self.readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let outcome = read(&connection);
        self.readers.lock().push(connection);
        outcome
    }

    /// Looks at one stream as it is at one moment, whatever others do to it meanwhile: its row, and where it was known to
    /// end before the look. Returns `None` where nobody has written to it.
    pub(super) fn look<T>(
        &self,
        stream: &StreamName,
        read: impl FnOnce(&Connection, &StreamRow, Option<StreamEnd>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.with_reader(|connection| {
            let (found, is_listed) = match self.find_stream(connection, stream) {
                Ok(Some(found)) => (found, true),
                Ok(None) => return Ok(None),
                Err(damage @ StoreError::Corrupt { .. }) => {
                    (restored::row_of(connection, stream)?.ok_or(damage)?, false)
                }
                Err(error) => return Err(error),
            };
            // Read before the log: it never knows of more than that.
            let tip = self.tip.end(found.number);
            let look = connection
                .unchecked_transaction()
                .map_err(|source| storage_error("look at the stream", stream, found.base, source))?;
            let row = if is_listed { streams::again(&look, &found)? } else { found };
            read(&look, &row, tip).map(Some)
        })
    }

    /// Reads and checks the next segments after `from`.
    fn read_page(
        &self,
        connection: &Connection,
        row: &StreamRow,
        tip: Option<StreamEnd>,
        from: StreamEnd,
    ) -> Result<Page, StoreError> {
        let (mut end, mut entries, mut bytes) = (from, Vec::new(), 0);
        let read = segments::read_on(connection, row, &mut end, &mut |segment| {
            bytes += segment.iter().map(|recorded| recorded.entry.body.len()).sum::<usize>();
            entries.extend(segment);
            if bytes < PAGE_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let outcome = match read {
            Ok(ControlFlow::Break(())) => None,
            Ok(ControlFlow::Continue(())) => Some(self.check_end(connection, row, tip, end)),
            // What is well is handed out first.
            Err(error) => Some(Err(error)),
        };
        Ok(Page { entries, end, outcome })
    }

    /// Checks that a stream does not end before what is known of it: by its witness, and by its snapshot.
    fn check_end(
        &self,
        connection: &Connection,
        row: &StreamRow,
        tip: Option<StreamEnd>,
        end: StreamEnd,
    ) -> Result<(), StoreError> {
        self.check_tip(row, tip, end)?;
        match snapshots::last_place(connection, row)? {
            Some(seq) if seq > end.head => {
                let reason = format!("entries up to {seq} were there, as its snapshot says, and are lost");
                Err(StoreError::Corrupt { stream: row.name.clone(), at: end.head.plus(1), reason })
            }
            _ => Ok(()),
        }
    }

    /// Takes note of a commit: those who wait for one are woken, and a checkpoint is made from time to time.
    pub(super) fn note_commit(&self, bytes: usize) {
        // The page that the row is on is written whole.
        self.checkpointer.note(bytes as u64 + 4096);
        *self.commits.lock() += 1;
        self.committed.notify_all();
    }

    /// Checks that the entries after `after` are there to be read.
    pub(super) fn check_kept(&self, row: &StreamRow, after: Seq) -> Result<(), StoreError> {
        if after < row.base.head {
            return Err(StoreError::Compacted { stream: row.name.clone(), until: row.base.head });
        }
        Ok(())
    }

    /// Checks that a stream does not end earlier, or otherwise, than it was once known to.
    pub(super) fn check_tip(
        &self,
        row: &StreamRow,
        tip: Option<StreamEnd>,
        end: StreamEnd,
    ) -> Result<(), StoreError> {
        let Some(tip) = tip else { return Ok(()) };
        let corrupt = |at, reason| Err(StoreError::Corrupt { stream: row.name.clone(), at, reason });
        if tip.head > end.head {
            return corrupt(end.head.plus(1), format!("entries up to {} were there and are lost", tip.head));
        }
        if tip.head == end.head && tip.hash != end.hash {
            return corrupt(end.head, "it is not the entry that was there".to_owned());
        }
        Ok(())
    }
}

impl StateStore for SqliteStore {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        Ok(Box::new(SqliteTransaction::begin(self, self.writer(stream)?, stream, after)?))
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut read = None;
        // The visitor may take its time: it is called between the looks, because a look keeps the log from being copied.
        while let Some(page) = self.look(stream, |connection, row, tip| {
            let from = match read {
                Some(end) => end,
                None => {
                    self.check_kept(row, after)?;
                    segments::end_before(connection, row, after)?
                }
            };
            self.check_kept(row, from.head)?;
            self.read_page(connection, row, tip, from)
        })? {
            let mut unseen = page.entries.into_iter().filter(|recorded| recorded.seq > after);
            if unseen.try_for_each(&mut *visit).is_break() {
                return Ok(());
            }
            if let Some(outcome) = page.outcome {
                return outcome;
            }
            read = Some(page.end);
        }
        Ok(())
    }

    fn end(&self, stream: &StreamName) -> Result<StreamEnd, StoreError> {
        let end = self.look(stream, |connection, row, _| segments::stored_end(connection, row))?;
        Ok(end.unwrap_or(StreamEnd::START))
    }

    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError> {
        let until = until(patience);
        loop {
            let commits = *self.commits.lock();
            let end = self.end(stream)?;
            let now = Instant::now();
            if end.head > after || now >= until {
                return Ok(end);
            }
            let mut seen = self.commits.lock();
            if *seen == commits {
                self.committed.wait_until(&mut seen, until.min(now + LOOK_EVERY));
            }
        }
    }

    fn save_snapshot(&self, stream: &StreamName, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.keep_snapshot(stream, snapshot)
    }

    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError> {
        self.find_snapshot(stream)
    }

    fn load_base(&self, stream: &StreamName) -> Result<Option<Base>, StoreError> {
        self.find_base(stream)
    }

    fn start_after(&self, stream: &StreamName, base: &Base) -> Result<(), CommitError> {
        self.keep_base(stream, base)
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        self.drop_covered(stream)
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        match self.legible_streams()? {
            (names, None) => Ok(names),
            (_, Some(damage)) => Err(damage),
        }
    }

    fn legible_streams(&self) -> Result<(Vec<StreamName>, Option<StoreError>), StoreError> {
        self.with_reader(|connection| {
            let (mut names, damage) = streams::names(connection)?;
            names.sort_unstable();
            Ok((names, damage))
        })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn tables_seq(&self) -> Result<Option<Seq>, StoreError> {
        self.with_reader(tables::seq).map(Some)
    }

    fn advance_tables(&self, step: &TableStep) -> Result<bool, StoreError> {
        self.under_lock(&StreamName::workspace(), |writer| tables::advance(&writer.connection, step))
    }

    fn check_engine(&self) -> Result<Vec<String>, StoreError> {
        self.with_reader(opening::check_integrity)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;
    use crate::log::{Entry, conformance};

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
        let writer = store.writer.lock();
        let pragma = |name: &str| -> String {
            writer
                .connection
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
        let change = "UPDATE segments SET body = CAST(replace(body, 't', 'T') AS BLOB) WHERE key & 255 = 2";
        vandal.execute(change, []).unwrap();
        let error =
            store.read(&StreamName::workspace(), Seq::START, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.to_string(), "stream `workspace` is damaged at entry 2: its hash does not match");
        vandal.execute("DELETE FROM segments WHERE key & 255 = 2", []).unwrap();
        let error =
            store.read(&StreamName::workspace(), Seq::START, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.to_string(), "stream `workspace` is damaged at entry 3: entry 2 is missing");
    }

    #[test]
    fn a_lost_end_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let lost = |statement: &str| {
            let store = open(&path).unwrap();
            append(&store, &["one"]);
            append(&store, &["two"]);
            drop(store);
            Connection::open(&path).unwrap().execute(statement, []).unwrap();
            let store = open(&path).unwrap();
            let read = store.read(&StreamName::workspace(), Seq::START, &mut |_| ControlFlow::Continue(()));
            let begun = store.begin(&StreamName::workspace(), Seq::START).map(drop);
            assert_eq!(read.as_ref().unwrap_err().to_string(), begun.unwrap_err().to_string());
            drop(store);
            std::fs::remove_file(&path).unwrap();
            read.unwrap_err().to_string()
        };
        let problem = lost("DELETE FROM segments WHERE key & 255 = 2");
        assert_eq!(
            problem,
            "stream `workspace` is damaged at entry 2: entries up to 2 were there and are lost"
        );
    }

    #[test]
    fn a_stream_whose_row_of_the_list_is_not_well_is_read_and_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        for (statement, problem) in [
            ("DELETE FROM streams", "the list of streams has lost number 1"),
            ("UPDATE streams SET name = 'workspacd'", "row 1 of the list of streams is not what was written"),
        ] {
            let store = open(&path).unwrap();
            append(&store, &["one"]);
            append(&store, &["two"]);
            drop(store);
            Connection::open(&path).unwrap().execute(statement, []).unwrap();
            let store = open(&path).unwrap();
            assert_eq!(store.head(&StreamName::workspace()).unwrap(), Seq::new(2));
            let other = StreamName::new("sessions/1").unwrap();
            let told = format!("stream `{{}}` is damaged at entry 0: {problem}");
            for stream in [StreamName::workspace(), other] {
                let error = store.begin(&stream, Seq::START).map(drop).unwrap_err();
                assert_eq!(error.to_string(), told.replace("{}", stream.as_str()));
            }
            assert_eq!(store.streams().unwrap_err().to_string(), told.replace("{}", "workspace"));
            drop(store);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_new_store_in_the_place_of_a_removed_one_is_not_measured_by_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        append(&open(&path).unwrap(), &["one"]);
        std::fs::remove_file(&path).unwrap();
        let store = open(&path).unwrap();
        assert_eq!(store.head(&StreamName::workspace()).unwrap(), Seq::START);
        append(&store, &["two"]);
    }

    #[test]
    fn a_damaged_snapshot_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        append(&store, &["one"]);
        let snapshot = Snapshot { seq: Seq::new(1), kind: 1, version: 1, body: vec![7; 600_000] };
        store.save_snapshot(&StreamName::workspace(), &snapshot).unwrap();
        let vandal = Connection::open(&path).unwrap();
        for statement in [
            "DELETE FROM snapshot_parts WHERE key & 255 = 1",
            "UPDATE snapshots SET seq = 2",
            "UPDATE snapshots SET version = 2",
        ] {
            vandal.execute_batch(&format!("BEGIN; {statement}; COMMIT")).unwrap();
            let error = store.load_snapshot(&StreamName::workspace()).unwrap_err();
            assert!(error.to_string().ends_with("its snapshot: its hash does not match"), "{error}");
            assert!(store.compact(&StreamName::workspace()).is_err(), "nothing is dropped for it");
        }
    }

    #[test]
    fn parts_of_a_snapshot_that_was_never_finished_are_dropped_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        append(&store, &["one"]);
        let vandal = Connection::open(&path).unwrap();
        vandal.execute("INSERT INTO snapshot_parts (key, body) VALUES (77 << 20, x'00')", []).unwrap();
        let snapshot = Snapshot { seq: Seq::new(1), kind: 1, version: 1, body: vec![7; 600_000] };
        store.save_snapshot(&StreamName::workspace(), &snapshot).unwrap();
        let parts: i64 =
            vandal.query_row("SELECT count(*) FROM snapshot_parts", [], |row| row.get(0)).unwrap();
        assert_eq!(parts, 3);
    }

    #[test]
    fn the_log_is_copied_into_the_file_beside_the_commits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        let text = "x".repeat(1 << 20);
        let mut appended = 0;
        while store.checkpoints() == 0 {
            append(&store, &[&text]);
            appended += 1;
            assert!(appended < 1000, "no checkpoint after {appended} MiB");
        }
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
    fn whoever_takes_their_time_to_read_keeps_nobody_from_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        append(&store, &["one"]);
        append(&store, &["two"]);
        let mut seen = 0;
        let mut visit = |_| {
            seen += 1;
            append(&open(&path).unwrap(), &["more"]);
            ControlFlow::<()>::Continue(())
        };
        store
            .read(&StreamName::workspace(), Seq::START, &mut |recorded| {
                if recorded.seq <= Seq::new(2) { visit(recorded) } else { ControlFlow::Break(()) }
            })
            .unwrap();
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_damaged_row_of_the_list_hides_no_other_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let other = StreamName::new("sessions/1").unwrap();
        let store = open(&path).unwrap();
        append(&store, &["one"]);
        store.begin(&other, Seq::START).unwrap().commit(vec![entry("x")]).unwrap();
        drop(store);
        let vandal = Connection::open(&path).unwrap();
        vandal.execute("UPDATE streams SET base = 7 WHERE name = 'sessions/1'", []).unwrap();
        let store = open(&path).unwrap();
        assert_eq!(store.head(&StreamName::workspace()).unwrap(), Seq::new(1));
        assert!(matches!(store.begin(&other, Seq::START), Err(StoreError::Corrupt { .. })));
        assert!(matches!(store.streams(), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn an_end_that_is_lost_without_its_witness_is_told_by_the_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        append(&store, &["one"]);
        append(&store, &["two"]);
        let snapshot = Snapshot { seq: Seq::new(2), kind: 1, version: 1, body: vec![7] };
        store.save_snapshot(&StreamName::workspace(), &snapshot).unwrap();
        drop(store);
        std::fs::remove_file(folder.path().join("state.db-tip")).unwrap();
        Connection::open(&path).unwrap().execute("DELETE FROM segments WHERE key & 255 = 2", []).unwrap();
        let store = open(&path).unwrap();
        let error =
            store.read(&StreamName::workspace(), Seq::START, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains("entries up to 2 were there"), "{error}");
    }

    #[test]
    fn whoever_reads_makes_no_new_file_in_the_place_of_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(store.head(&StreamName::workspace()), Err(StoreError::Replaced { .. })));
        assert!(!path.exists());
    }

    #[test]
    fn numbers_that_cannot_be_are_damage_and_no_panic() {
        let stream = StreamName::workspace();
        let changes = ["segments SET count", "segments SET at", "snapshots SET parts", "snapshots SET kind"];
        let numbers = [i64::MIN, -1, 1 << 40, i64::MAX].map(|number| number.to_string());
        for (change, value) in changes
            .iter()
            .flat_map(|change| numbers.iter().map(move |number| (change, number.as_str())))
            .chain([(&"snapshots SET seq", "'x'"), (&"segments SET body", "7")])
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.db");
            let store = open(&path).unwrap();
            append(&store, &["one"]);
            let snapshot = Snapshot { seq: Seq::new(1), kind: 1, version: 1, body: vec![7; 100] };
            store.save_snapshot(&stream, &snapshot).unwrap();
            append(&store, &["two"]);
            let vandal = Connection::open(&path).unwrap();
            vandal.execute(&format!("UPDATE {change} = {value}"), []).unwrap();
            let problems = [
                store.read(&stream, Seq::START, &mut |_| ControlFlow::Continue(())).err(),
                store.load_snapshot(&stream).err(),
                store.compact(&stream).err(),
                store.end(&stream).err(),
            ];
            let problems: Vec<_> = problems.into_iter().flatten().collect();
            assert!(!problems.is_empty(), "{change} = {value}");
            let is_damage = |problem| matches!(problem, &StoreError::Corrupt { .. });
            assert!(problems.iter().all(is_damage), "{change} = {value}: {problems:?}");
        }
    }

    /// What an earlier process may have left unflushed is copied before anything is written behind it; somebody who
    /// reads an older version keeps it from being copied.
    #[test]
    fn nothing_is_written_until_what_was_left_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = open(&path).unwrap();
        append(&store, &["one"]);
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM segments").unwrap();
        append(&store, &["two"]);
        let settle = |patience| {
            checkpoint::settle(&opening::connect(&path, Absent::Refuse).unwrap(), patience).unwrap()
        };
        assert!(!settle(Duration::from_millis(30)), "the reader still needs the older version");
        std::thread::scope(|scope| {
            let settling = scope.spawn(|| settle(Duration::from_secs(60)));
            reader.execute_batch("COMMIT").unwrap();
            assert!(settling.join().unwrap());
        });
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
