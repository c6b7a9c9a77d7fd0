//! The list of checks that every implementation of [`StateStore`] passes.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::Timestamp;
use crate::log::{
    CommitError, Entry, Recorded, Seq, Snapshot, SnapshotError, StateStore, StoreError, StreamEnd, StreamName,
};

/// Opens one store, again and again: each call returns a handle on the same streams.
pub type Opener = Box<dyn Fn() -> Box<dyn StateStore> + Send + Sync>;

type Check = fn(&Opener);

/// The checks by name.
pub const CHECKS: &[(&str, Check)] = &[
    ("an empty stream has no entries", empty_stream),
    ("a commit appends its entries in order", append_in_order),
    ("a dropped transaction appends nothing", dropped_transaction),
    ("an empty commit appends nothing", empty_commit),
    ("begin returns what others have appended", news_of_others),
    ("reading can begin anywhere and end early", read_from_the_middle),
    ("streams do not mix", streams_are_apart),
    ("what was committed is there when opened again", reopened),
    ("writers exclude one another", writers_exclude),
    ("the end tells histories apart", ends_tell_histories),
    ("waiting ends with an append or with patience", waiting),
    ("a snapshot is kept until a newer one is", snapshots),
    ("a snapshot is of the end of a segment", snapshot_at_a_boundary),
    ("what a snapshot covers is dropped when asked", compaction),
    ("what others have dropped is not written over", compaction_by_others),
    ("dropping entries while somebody reads them is no damage", compaction_beside_a_reader),
    ("a snapshot of a place that was dropped is passed over", snapshot_of_what_is_dropped),
    ("a copy begins where its stream does", copy_of_what_is_kept),
];

/// Runs every check on a fresh store; `fresh` returns the opener of one.
///
/// # Panics
/// Where an implementation breaks the contract, with the name of the check in the standard error output.
pub fn check(fresh: &dyn Fn() -> Opener) {
    for (name, check) in CHECKS {
        let named = NamedOnPanic(name);
        check(&fresh());
        std::mem::forget(named);
    }
}

/// Says which check was running when it is dropped, which is only on a panic.
struct NamedOnPanic(&'static str);

impl Drop for NamedOnPanic {
    #[expect(clippy::print_stderr, reason = "the name of the check that failed goes where the panic goes")]
    fn drop(&mut self) {
        eprintln!("conformance check failed: {}", self.0);
    }
}

fn stream() -> StreamName {
    StreamName::workspace()
}

fn entry(text: &str) -> Entry {
    Entry { kind: 7, version: 3, body: text.as_bytes().to_vec() }
}

fn append(store: &dyn StateStore, stream: &StreamName, texts: &[&str]) -> Seq {
    let transaction = store.begin(stream, Seq::START).expect("the stream is free");
    transaction.commit(texts.iter().map(|text| entry(text)).collect()).expect("the entries are appended")
}

fn texts(store: &dyn StateStore, stream: &StreamName, after: u64) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Seq::new(after);
    let mut visit = |recorded: Recorded| {
        next = next.plus(1);
        assert_eq!(recorded.seq, next, "entries are numbered without gaps");
        assert_eq!((recorded.entry.kind, recorded.entry.version), (7, 3));
        found.push(String::from_utf8(recorded.entry.body).expect("the bytes come back as they went"));
        ControlFlow::Continue(())
    };
    store.read(stream, Seq::new(after), &mut visit).expect("the stream is readable");
    found
}

fn empty_stream(open: &Opener) {
    let store = open();
    assert_eq!(texts(&*store, &stream(), 0), [""; 0]);
    assert_eq!(store.head(&stream()).expect("readable"), Seq::START);
    assert_eq!(store.streams().expect("readable"), []);
    let transaction = store.begin(&stream(), Seq::START).expect("free");
    assert_eq!((transaction.head(), transaction.news()), (Seq::START, &[][..]));
}

fn append_in_order(open: &Opener) {
    let store = open();
    assert_eq!(append(&*store, &stream(), &["a", "b"]), Seq::new(2));
    assert_eq!(append(&*store, &stream(), &["c"]), Seq::new(3));
    assert_eq!(texts(&*store, &stream(), 0), ["a", "b", "c"]);
    assert_eq!(store.head(&stream()).expect("readable"), Seq::new(3));
}

fn dropped_transaction(open: &Opener) {
    let store = open();
    append(&*store, &stream(), &["a"]);
    drop(store.begin(&stream(), Seq::START).expect("free"));
    append(&*store, &stream(), &["b"]);
    assert_eq!(texts(&*store, &stream(), 0), ["a", "b"]);
}

fn empty_commit(open: &Opener) {
    let store = open();
    assert_eq!(append(&*store, &stream(), &[]), Seq::START);
    assert_eq!(append(&*store, &stream(), &["a"]), Seq::new(1));
    assert_eq!(append(&*store, &stream(), &[]), Seq::new(1));
}

fn news_of_others(open: &Opener) {
    let (store, other) = (open(), open());
    append(&*store, &stream(), &["a"]);
    append(&*other, &stream(), &["b", "c"]);
    let transaction = store.begin(&stream(), Seq::new(1)).expect("free");
    let news: Vec<_> = transaction.news().iter().map(|recorded| recorded.entry.body.as_slice()).collect();
    assert_eq!(news, [b"b", b"c"]);
    assert_eq!(transaction.head(), Seq::new(3));
}

fn read_from_the_middle(open: &Opener) {
    let store = open();
    append(&*store, &stream(), &["a", "b", "c"]);
    append(&*store, &stream(), &["d"]);
    for (after, expected) in [(1, &["b", "c", "d"][..]), (3, &["d"][..]), (4, &[][..]), (9, &[][..])] {
        assert_eq!(texts(&*store, &stream(), after), expected, "after {after}");
    }
    let mut visited = 0;
    let mut once = |_| {
        visited += 1;
        ControlFlow::Break(())
    };
    store.read(&stream(), Seq::START, &mut once).expect("readable");
    assert_eq!(visited, 1);
}

fn streams_are_apart(open: &Opener) {
    let store = open();
    let other = StreamName::new("sessions/1").expect("a valid name");
    append(&*store, &stream(), &["a"]);
    append(&*store, &other, &["x", "y"]);
    append(&*store, &stream(), &["b"]);
    assert_eq!(texts(&*store, &stream(), 0), ["a", "b"]);
    assert_eq!(texts(&*store, &other, 0), ["x", "y"]);
    assert_eq!(store.streams().expect("readable"), [other, stream()]);
}

fn reopened(open: &Opener) {
    append(&*open(), &stream(), &["a", "b"]);
    assert_eq!(texts(&*open(), &stream(), 0), ["a", "b"]);
    append(&*open(), &stream(), &["c"]);
    assert_eq!(texts(&*open(), &stream(), 1), ["b", "c"]);
}

/// Several writers count: each appends the number of entries that it sees, so a lost lock shows as a repeated number.
fn writers_exclude(open: &Opener) {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 25;
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let store = open();
                for _ in 0..ROUNDS {
                    let transaction = store.begin(&stream(), Seq::START).expect("the lock comes free");
                    let seen = entry(&transaction.news().len().to_string());
                    transaction.commit(vec![seen]).expect("the entry is appended");
                }
            });
        }
    });
    let expected: Vec<_> = (0..WRITERS * ROUNDS).map(|number| number.to_string()).collect();
    assert_eq!(texts(&*open(), &stream(), 0), expected);
}

fn append_at(store: &dyn StateStore, stream: &StreamName, at: u64, texts: &[&str]) -> StreamEnd {
    let mut transaction = store.begin(stream, Seq::START).expect("the stream is free");
    transaction.record_at(Timestamp::from_millis(at));
    transaction.commit(texts.iter().map(|text| entry(text)).collect()).expect("the entries are appended");
    store.end(stream).expect("readable")
}

/// The same entries in the same segments at the same moments have the same end in every store; it is all in the hash.
fn ends_tell_histories(open: &Opener) {
    const EXPECTED: &str = "c71dcae9c7f41e2b642fd3f1365611450b0242fd19f8136ed6ee5ad92a46dc52";
    let store = open();
    assert_eq!(store.end(&stream()).expect("readable"), StreamEnd::START);
    append_at(&*store, &stream(), 7, &["a", "b"]);
    let end = append_at(&*store, &stream(), 8, &["c"]);
    assert_eq!((end.head, end.hash.to_string().as_str()), (Seq::new(3), EXPECTED));
    let mut segments = Vec::new();
    let mut visit = |recorded: Recorded| {
        segments.push((recorded.segment.get(), recorded.at.as_millis()));
        ControlFlow::Continue(())
    };
    store.read(&stream(), Seq::START, &mut visit).expect("readable");
    assert_eq!(segments, [(1, 7), (1, 7), (3, 8)]);
}

fn waiting(open: &Opener) {
    const LONG: Duration = Duration::from_secs(60);
    let (store, other) = (open(), open());
    let end = store.wait(&stream(), Seq::START, Duration::from_millis(1)).expect("readable");
    assert_eq!(end, StreamEnd::START, "patience is at an end");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.wait(&stream(), Seq::START, LONG).expect("readable").head);
        append(&*other, &stream(), &["a", "b"]);
        assert_eq!(waiting.join().expect("no panic"), Seq::new(2));
    });
    let end = store.wait(&stream(), Seq::new(1), Duration::MAX).expect("readable");
    assert_eq!(end.head, Seq::new(2));
}

fn snapshot(seq: u64, body: &[u8]) -> Snapshot {
    Snapshot { seq: Seq::new(seq), kind: 3, version: 2, body: body.to_vec() }
}

fn snapshots(open: &Opener) {
    let (store, other) = (open(), StreamName::new("sessions/1").expect("a valid name"));
    assert_eq!(store.load_snapshot(&stream()).expect("readable"), None);
    append(&*store, &stream(), &["a", "b"]);
    append(&*store, &stream(), &["c"]);
    append(&*store, &other, &["x", "y", "z"]);
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    for kept in [snapshot(2, b"ab"), snapshot(3, &large)] {
        store.save_snapshot(&stream(), &kept).expect("kept");
        assert_eq!(store.load_snapshot(&stream()).expect("readable"), Some(kept.clone()));
        assert_eq!(open().load_snapshot(&stream()).expect("readable"), Some(kept));
    }
    store.save_snapshot(&stream(), &snapshot(2, b"older")).expect("passed over");
    assert_eq!(store.load_snapshot(&stream()).expect("readable"), Some(snapshot(3, &large)));
    assert_eq!(store.load_snapshot(&other).expect("readable"), None);
    assert_eq!(texts(&*store, &stream(), 0), ["a", "b", "c"], "the entries are still there");
}

fn snapshot_at_a_boundary(open: &Opener) {
    let store = open();
    append(&*store, &stream(), &["a", "b"]);
    for seq in [0, 1, 3] {
        let refused = store.save_snapshot(&stream(), &snapshot(seq, b"?")).expect_err("no boundary");
        assert!(matches!(refused, SnapshotError::NoBoundary { at, .. } if at == Seq::new(seq)), "{refused}");
    }
    let nobody = StreamName::new("nobody").expect("a valid name");
    let refused = store.save_snapshot(&nobody, &snapshot(1, b"?")).expect_err("no such stream");
    assert!(matches!(refused, SnapshotError::NoBoundary { .. }), "{refused}");
    assert_eq!(store.load_snapshot(&stream()).expect("readable"), None);
}

fn base_snapshot(store: &dyn StateStore) -> Option<Snapshot> {
    store.load_base(&stream()).expect("readable").map(|base| base.snapshot)
}

fn compaction(open: &Opener) {
    let store = open();
    assert_eq!(store.compact(&stream()).expect("nothing to do"), Seq::START);
    append(&*store, &stream(), &["a", "b"]);
    append(&*store, &stream(), &["c"]);
    let end = store.end(&stream()).expect("readable");
    assert_eq!(store.compact(&stream()).expect("nothing is covered"), Seq::START);
    assert_eq!(store.load_base(&stream()).expect("readable"), None);
    store.save_snapshot(&stream(), &snapshot(2, b"ab")).expect("kept");
    assert_eq!(store.compact(&stream()).expect("dropped"), Seq::new(2));
    assert_eq!(store.end(&stream()).expect("readable"), end, "the end is what it was");
    let refused =
        store.read(&stream(), Seq::new(1), &mut |_| ControlFlow::Continue(())).expect_err("dropped");
    assert!(matches!(refused, StoreError::Compacted { until, .. } if until == Seq::new(2)), "{refused}");
    let refused = store.begin(&stream(), Seq::START).map(drop).expect_err("dropped");
    assert!(matches!(refused, StoreError::Compacted { .. }), "{refused}");
    assert_eq!(texts(&*open(), &stream(), 2), ["c"]);
    assert_eq!(base_snapshot(&*open()), Some(snapshot(2, b"ab")));

    let again = open();
    again.save_snapshot(&stream(), &snapshot(3, b"abc")).expect("kept");
    assert_eq!(base_snapshot(&*again), Some(snapshot(2, b"ab")), "as long as c is kept");
    assert_eq!(again.compact(&stream()).expect("dropped"), Seq::new(3));
    assert_eq!(
        again.end(&stream()).expect("readable"),
        end,
        "the end of a stream whose entries are all dropped"
    );
    assert_eq!(base_snapshot(&*again), Some(snapshot(3, b"abc")));
    let transaction = store.begin(&stream(), Seq::new(3)).expect("free");
    assert_eq!((transaction.head(), transaction.news()), (Seq::new(3), &[][..]));
    transaction.commit(vec![entry("d")]).expect("appended");
    assert_eq!(texts(&*open(), &stream(), 3), ["d"]);
}

fn compaction_by_others(open: &Opener) {
    let (store, other) = (open(), open());
    append(&*store, &stream(), &["a"]);
    append(&*other, &stream(), &["b"]);
    other.save_snapshot(&stream(), &snapshot(2, b"ab")).expect("kept");
    assert_eq!(other.compact(&stream()).expect("dropped"), Seq::new(2));
    let refused = store.begin(&stream(), Seq::new(1)).map(drop).expect_err("b was dropped unseen");
    assert!(matches!(refused, StoreError::Compacted { until, .. } if until == Seq::new(2)), "{refused}");
    let transaction = store.begin(&stream(), Seq::new(2)).expect("free");
    assert_eq!(transaction.head(), Seq::new(2));
    assert_eq!(transaction.commit(vec![entry("c")]).expect("appended"), Seq::new(3));
    assert_eq!(texts(&*other, &stream(), 2), ["c"]);
}

fn compaction_beside_a_reader(open: &Opener) {
    const SEGMENTS: u64 = 200;
    let (store, other) = (open(), open());
    for number in 0..SEGMENTS {
        append(&*store, &stream(), &[&number.to_string()]);
    }
    other.save_snapshot(&stream(), &snapshot(SEGMENTS, b"all")).expect("kept");
    let mut visited = 0;
    let mut visit = |recorded: Recorded| {
        if recorded.seq == Seq::new(1) {
            assert_eq!(other.compact(&stream()).expect("dropped"), Seq::new(SEGMENTS));
        }
        visited += 1;
        ControlFlow::Continue(())
    };
    match store.read(&stream(), Seq::START, &mut visit) {
        Ok(()) => assert_eq!(visited, SEGMENTS),
        Err(StoreError::Compacted { until, .. }) => assert_eq!(until, Seq::new(SEGMENTS)),
        Err(error) => panic!("nothing is damaged: {error}"),
    }
}

fn snapshot_of_what_is_dropped(open: &Opener) {
    let store = open();
    append(&*store, &stream(), &["a"]);
    append(&*store, &stream(), &["b"]);
    store.save_snapshot(&stream(), &snapshot(2, b"ab")).expect("kept");
    store.compact(&stream()).expect("dropped");
    store.save_snapshot(&stream(), &snapshot(1, b"a")).expect("passed over");
    assert_eq!(store.load_snapshot(&stream()).expect("readable"), Some(snapshot(2, b"ab")));
}

fn copy_of_what_is_kept(open: &Opener) {
    let (store, copy) = (open(), StreamName::new("copy").expect("a valid name"));
    append(&*store, &stream(), &["a", "b"]);
    store.save_snapshot(&stream(), &snapshot(2, &[7; 600_000])).expect("kept");
    store.compact(&stream()).expect("dropped");
    let base = store.load_base(&stream()).expect("readable").expect("entries were dropped");
    assert_eq!(base.end(), store.end(&stream()).expect("readable"));

    store.start_after(&copy, &base).expect("nobody has written to it");
    assert_eq!(store.load_base(&copy).expect("readable").as_ref(), Some(&base));
    assert_eq!(store.load_snapshot(&copy).expect("readable").as_ref(), Some(&base.snapshot));
    assert_eq!(open().end(&copy).expect("readable"), base.end());
    assert_eq!(store.streams().expect("readable"), [copy.clone(), stream()]);
    let transaction = open().begin(&copy, Seq::new(2)).map(|begun| begun.commit(vec![entry("c")]));
    assert_eq!(transaction.expect("free").expect("appended"), Seq::new(3));
    assert_eq!(texts(&*store, &copy, 2), ["c"]);
    let refused = store.start_after(&copy, &base).expect_err("it has begun");
    assert!(matches!(refused, CommitError::Conflict { found, .. } if found == Seq::new(3)), "{refused}");
}
