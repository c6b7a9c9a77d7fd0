use std::io::Cursor;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::log::{Entry, Origin, Provenance, Seq, Snapshot, StateStore};
use crate::{ManualClock, MemoryStore, SqliteStore, SystemClock, Timestamp};

fn memory() -> MemoryStore {
    MemoryStore::new(Arc::new(ManualClock::new(Timestamp::from_millis(5))))
}

fn append(store: &dyn StateStore, stream: &str, at: u64, bodies: &[&[u8]]) {
    let mut transaction = store.begin(&StreamName::new(stream).unwrap(), Seq::START).unwrap();
    transaction.record_at(Timestamp::from_millis(at));
    let entry = |body: &&[u8]| Entry { kind: 300, version: 2, body: body.to_vec() };
    transaction.commit(bodies.iter().map(entry).collect()).unwrap();
}

fn filled() -> MemoryStore {
    let store = memory();
    append(&store, "workspace", 7, &[b"one", b""]);
    append(&store, "sessions/1", 8, &[&[0, 255]]);
    append(&store, "workspace", 6, &[b"three"]);
    store
}

fn exported(store: &dyn StateStore) -> String {
    let mut out = Vec::new();
    export(store, None, &mut out, &mut |_, recorded| {
        (recorded.seq == Seq::new(3)).then(|| json!({ "event": "three" }))
    })
    .unwrap();
    String::from_utf8(out).unwrap()
}

fn problem(archive: &str) -> String {
    let store = memory();
    let error = import(&store, &mut Cursor::new(archive)).unwrap_err().to_string();
    assert_eq!(store.streams().unwrap(), [], "nothing is written: {error}");
    error
}

#[test]
fn the_format_is_what_it_was() {
    assert_eq!(
        exported(&filled()),
        "\
{\"super_planner_archive\":{\"version\":2,\"exported_at_ms\":5}}
{\"segment\":{\"stream\":\"sessions/1\",\"first\":1,\"at_ms\":8,\"entries\":[{\"kind\":300,\"version\":2,\"body\":\"00ff\"}]}}
{\"segment\":{\"stream\":\"workspace\",\"first\":1,\"at_ms\":7,\"entries\":[{\"kind\":300,\"version\":2,\"body\":\"6f6e65\"},{\"kind\":300,\"version\":2,\"body\":\"\"}]}}
{\"segment\":{\"stream\":\"workspace\",\"first\":3,\"at_ms\":6,\"entries\":[{\"kind\":300,\"version\":2,\"body\":\"7468726565\",\"says\":{\"event\":\"three\"}}]}}
{\"end\":{\"streams\":[{\"stream\":\"sessions/1\",\"entries\":1,\"hash\":\"4afc3daf28cc6737cb57e209a058da16b5a6487c023cdafff2946d35ff990f47\"},{\"stream\":\"workspace\",\"entries\":3,\"hash\":\"b39a61a3ed9f4631ad7b534d2788eeb7272c78ba5a68108c2876deda26ab5b9c\"}]}}
"
    );
}

#[test]
fn what_is_imported_has_the_ends_that_it_had() {
    let (store, folder) = (filled(), tempfile::tempdir().unwrap());
    let archive = exported(&store);
    let sqlite = SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock)).unwrap();
    let streams = import(&sqlite, &mut Cursor::new(&archive)).unwrap();
    assert_eq!(streams.len(), 2);
    for Archived { stream, end } in streams {
        assert_eq!((sqlite.end(&stream).unwrap(), store.end(&stream).unwrap()), (end, end));
    }
    assert!(matches!(Provenance::of(&sqlite).unwrap(), Provenance::Copied(Origin::Import { .. })));
    // And back: what says where a store comes from is not part of the archive.
    let again = memory();
    import(&again, &mut Cursor::new(exported(&sqlite))).unwrap();
    assert_eq!(exported(&again), archive);
}

#[test]
fn an_archive_of_the_first_format_is_imported() {
    let archive = exported(&filled()).replacen("\"version\":2", "\"version\":1", 1);
    let streams = import(&memory(), &mut Cursor::new(archive)).unwrap();
    assert_eq!(streams[1].end, filled().end(&StreamName::workspace()).unwrap());
}

#[test]
fn a_stream_whose_beginning_was_dropped_goes_with_its_snapshot() {
    let (store, workspace) = (filled(), StreamName::workspace());
    let snapshot = Snapshot { seq: Seq::new(2), kind: 3, version: 1, body: b"sum".to_vec() };
    store.save_snapshot(&workspace, &snapshot).unwrap();
    store.compact(&workspace).unwrap();
    let archive = exported(&store);
    let copy = memory();
    import(&copy, &mut Cursor::new(&archive)).unwrap();
    assert_eq!(copy.end(&workspace).unwrap(), store.end(&workspace).unwrap());
    assert_eq!(copy.load_base(&workspace).unwrap(), store.load_base(&workspace).unwrap());
    assert_eq!(exported(&copy), archive);

    let base = archive.lines().find(|line| line.contains("\"base\"")).unwrap();
    for (changed, expected) in [
        (archive.replacen("\"snapshot\":\"73", "\"snapshot\":\"74", 1), "the hash of the snapshot"),
        (archive.replacen("\"seq\":2", "\"seq\":1", 1), "the hash of the snapshot"),
        (archive.replacen(base, &format!("{base}\n{base}"), 1), "has begun before"),
        (archive.replacen(&format!("{base}\n"), "", 1), "goes on at entry 3, not at 1"),
    ] {
        let problem = problem(&changed);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn one_stream_can_be_exported() {
    let mut out = Vec::new();
    let stream = StreamName::new("sessions/1").unwrap();
    let streams = export(&filled(), Some(&stream), &mut out, &mut |_, _| None).unwrap();
    assert_eq!(streams.iter().map(|one| &one.stream).collect::<Vec<_>>(), [&stream]);
    import(&memory(), &mut Cursor::new(out)).unwrap();
}

#[test]
fn a_store_with_something_in_it_takes_no_archive() {
    let archive = exported(&filled());
    let store = memory();
    append(&store, "workspace", 1, &[b"mine"]);
    let error = import(&store, &mut Cursor::new(&archive)).unwrap_err();
    assert_eq!(error.to_string(), "the store is not empty: it has stream `workspace`");
    assert_eq!(store.head(&StreamName::workspace()).unwrap(), Seq::new(1));
}

#[test]
fn no_truncation_of_an_archive_is_imported() {
    let archive = exported(&filled());
    for length in 0..archive.len() {
        problem(&archive[..length]);
    }
    let without_end = archive.rsplit_once("{\"end\"").unwrap().0;
    assert_eq!(problem(without_end), "the archive was cut off after line 4: its last line is missing");
}

#[test]
fn a_changed_archive_is_refused_at_the_line_that_is_changed() {
    let archive = exported(&filled());
    for (from, to, expected) in [
        ("\"version\":2", "\"version\":3", "the archive has format 3; this program reads up to 2"),
        ("super_planner_archive", "archive", "this is no archive: its first line does not say so"),
        ("\"first\":3", "\"first\":4", "line 4: stream `workspace` goes on at entry 4, not at 3"),
        ("6f6e65", "6f6e64", "line 5: stream `workspace` ends at entry 3 with hash"),
        ("\"at_ms\":7", "\"at_ms\":8", "line 5: stream `workspace` ends at entry 3 with hash"),
        ("00ff", "00fg", "line 2: the bytes of an entry are no hexadecimal digits"),
        (
            "\"stream\":\"sessions/1\",\"first\"",
            "\"stream\":\"origin\",\"first\"",
            "line 2: stream `origin` belongs",
        ),
        (
            "[{\"stream\":\"sessions/1\",\"entries\":1,",
            "[{\"stream\":\"sessions/2\",\"entries\":1,",
            "line 5: ",
        ),
        ("]}}\n{\"end\"", "]}}\n]\n{\"end\"", "line 5: expected value"),
    ] {
        let changed = archive.replacen(from, to, 1);
        assert_ne!(changed, archive, "{from}");
        let problem = problem(&changed);
        assert!(problem.contains(expected), "{from}: {problem}");
    }
    let doubled = format!("{archive}{archive}");
    assert_eq!(problem(&doubled), "the archive is damaged at line 6: there is something after its last line");
}

/// A store whose lock is taken away after some commits.
#[derive(Debug)]
struct Failing {
    inner: MemoryStore,
    begins_left: std::sync::atomic::AtomicU32,
}

impl StateStore for Failing {
    fn begin<'a>(
        &'a self,
        stream: &StreamName,
        after: Seq,
    ) -> Result<Box<dyn crate::Transaction + 'a>, crate::StoreError> {
        use std::sync::atomic::Ordering;
        if self.begins_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(crate::StoreError::Full);
        }
        self.inner.begin(stream, after)
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(crate::Recorded) -> std::ops::ControlFlow<()>,
    ) -> Result<(), crate::StoreError> {
        self.inner.read(stream, after, visit)
    }

    fn end(&self, stream: &StreamName) -> Result<StreamEnd, crate::StoreError> {
        self.inner.end(stream)
    }

    fn wait(
        &self,
        stream: &StreamName,
        after: Seq,
        patience: std::time::Duration,
    ) -> Result<StreamEnd, crate::StoreError> {
        self.inner.wait(stream, after, patience)
    }

    fn save_snapshot(
        &self,
        stream: &StreamName,
        snapshot: &Snapshot,
    ) -> Result<(), crate::log::SnapshotError> {
        self.inner.save_snapshot(stream, snapshot)
    }

    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, crate::StoreError> {
        self.inner.load_snapshot(stream)
    }

    fn load_base(&self, stream: &StreamName) -> Result<Option<crate::log::Base>, crate::StoreError> {
        self.inner.load_base(stream)
    }

    fn start_after(&self, stream: &StreamName, base: &crate::log::Base) -> Result<(), crate::CommitError> {
        self.inner.start_after(stream, base)
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, crate::StoreError> {
        self.inner.compact(stream)
    }

    fn streams(&self) -> Result<Vec<StreamName>, crate::StoreError> {
        self.inner.streams()
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}

#[test]
fn an_import_that_breaks_off_anywhere_leaves_a_store_that_says_so() {
    let archive = exported(&filled());
    for begins in 1..5 {
        let store = Failing { inner: memory(), begins_left: begins.into() };
        import(&store, &mut Cursor::new(&archive)).unwrap_err();
        let provenance = Provenance::of(&store).unwrap();
        assert!(
            matches!(provenance, Provenance::Unfinished(Origin::Import { .. })),
            "{begins}: {provenance:?}"
        );
    }
    let store = Failing { inner: memory(), begins_left: 5.into() };
    import(&store, &mut Cursor::new(&archive)).unwrap();
}
