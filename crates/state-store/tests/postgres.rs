//! The store in PostgreSQL, on a server that the tests start: the contract, and what happens when the server does not
//! keep its part.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod golden;
mod postgres_cluster;

use std::error::Error;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use state_store::log::{
    PostgresAddress, PostgresOpenError, PostgresOptions, PostgresStore, Snapshot, conformance,
};
use state_store::{
    CommitError, Entry, MemoryStore, Seq, SqliteStore, StateStore, StoreError, StreamName, SystemClock,
    Timestamp,
};

use crate::postgres_cluster::Cluster;

fn address(url: &str) -> PostgresAddress {
    PostgresAddress::parse(url).unwrap()
}

fn try_open(url: &str) -> Result<PostgresStore, PostgresOpenError> {
    PostgresStore::open(&address(url), PostgresOptions::default())
}

fn open(url: &str) -> PostgresStore {
    try_open(url).unwrap()
}

/// Returns an empty database of the shared server, by name, and a store in it.
fn fresh() -> (String, PostgresStore) {
    let database = Cluster::shared().fresh_database();
    let store = open(&Cluster::shared().url(&database));
    (database, store)
}

fn stream() -> StreamName {
    StreamName::workspace()
}

fn entry(text: &str) -> Entry {
    Entry { kind: 7, version: 3, body: text.as_bytes().to_vec() }
}

fn append(store: &dyn StateStore, texts: &[&str]) -> Result<Seq, CommitError> {
    let transaction = store.begin(&stream(), Seq::START).map_err(CommitError::Refused)?;
    transaction.commit(texts.iter().map(|text| entry(text)).collect())
}

fn texts(store: &dyn StateStore) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    store.read(&stream(), Seq::START, &mut |recorded| {
        found.push(String::from_utf8(recorded.entry.body).unwrap());
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Returns what a person would be told, cause by cause.
fn told(error: &dyn Error) -> String {
    let (mut told, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let _ = write!(told, ": {error}");
        cause = error.source();
    }
    told
}

#[test]
fn it_keeps_the_contract() {
    conformance::check(&|| {
        let cluster = Cluster::shared();
        let url = cluster.url(&cluster.fresh_database());
        Box::new(move || Box::new(open(&url)))
    });
}

#[test]
fn a_long_stream_is_read_page_by_page() {
    let (_, store) = fresh();
    let numbers: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    for number in &numbers {
        append(&store, &[number]).unwrap();
    }
    assert_eq!(texts(&store).unwrap(), numbers);
    let transaction = store.begin(&stream(), Seq::new(3)).unwrap();
    assert_eq!((transaction.head(), transaction.news().len()), (Seq::new(200), 197));
    // A visitor may use the store.
    let nested = store.read(&stream(), Seq::START, &mut |_| {
        assert_eq!(store.head(&stream()).unwrap(), Seq::new(200));
        ControlFlow::Break(())
    });
    nested.unwrap();
}

#[test]
fn first_starts_at_the_same_moment_do_not_collide() {
    let cluster = Cluster::shared();
    let url = cluster.url(&cluster.fresh_database());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| append(&open(&url), &["x"]).unwrap());
        }
    });
    assert_eq!(texts(&open(&url)).unwrap().len(), 8);
}

const CHILD: &str = "SUPER_PLANNER_TEST_POSTGRES_CHILD";
const CHILD_ROUNDS: usize = 25;

/// No test of its own: what the processes do that `processes_exclude_one_another` starts.
#[test]
fn child_process() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let store = open(&url);
    for _ in 0..CHILD_ROUNDS {
        let transaction = store.begin(&stream(), Seq::START).unwrap();
        let seen = transaction.news().len().to_string();
        transaction.commit(vec![entry(&seen)]).unwrap();
    }
}

/// Each appends the number of entries that it sees: a lost lock, or an append not seen, shows as a repeated number.
#[test]
fn processes_exclude_and_see_one_another() {
    let (database, store) = fresh();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_process"])
            .env(CHILD, Cluster::shared().url(&database))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let expected: Vec<_> = (0..4 * CHILD_ROUNDS).map(|number| number.to_string()).collect();
    assert_eq!(texts(&store).unwrap(), expected);
}

#[test]
fn whoever_waits_too_long_for_the_lock_is_told() {
    let (database, store) = fresh();
    let options = PostgresOptions { lock_timeout: Duration::from_millis(50), ..Default::default() };
    let hasty = PostgresStore::open(&address(&Cluster::shared().url(&database)), options).unwrap();
    append(&store, &["a"]).unwrap();
    let held = store.begin(&stream(), Seq::START).unwrap();
    let error = append(&hasty, &["b"]).unwrap_err();
    assert!(
        matches!(error, CommitError::Refused(StoreError::Busy { waited_ms: 50, .. })),
        "{}",
        told(&error)
    );
    assert_eq!(texts(&hasty).unwrap(), ["a"], "reading does not wait");
    let other = StreamName::new("sessions/1").unwrap();
    drop(hasty.begin(&other, Seq::START).expect("another stream has another lock"));
    drop(held);
    append(&hasty, &["b"]).unwrap();
    assert_eq!(store.streams().unwrap(), [stream()], "looking at a stream does not make it");
}

#[test]
fn careless_settings_are_refused_by_name() {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database();
    cluster.sql(
        &database,
        "CREATE ROLE hasty LOGIN SUPERUSER; ALTER ROLE hasty SET synchronous_commit = 'local'",
    );
    let url = cluster.url_as("hasty", &database);
    let error = try_open(&url).unwrap_err();
    assert_eq!(
        told(&error),
        "the server runs with synchronous_commit=local, which can lose acknowledged work; \
         on or remote_apply is needed"
    );
    let options = PostgresOptions { unsafe_durability: true, ..Default::default() };
    append(&PostgresStore::open(&address(&url), options).unwrap(), &["a"]).unwrap();

    let own = Cluster::start();
    for setting in ["synchronous_commit", "full_page_writes"] {
        own.sql("postgres", &format!("ALTER SYSTEM SET {setting} = off"));
        own.stop();
        own.resume();
        let error = try_open(&own.url("postgres")).unwrap_err();
        assert!(matches!(error, PostgresOpenError::UnsafeSetting { setting: named, .. } if named == setting));
        own.sql("postgres", &format!("ALTER SYSTEM RESET {setting}"));
    }
    own.stop();
    own.resume_with("-c fsync=off");
    let error = try_open(&own.url("postgres")).unwrap_err();
    assert!(matches!(error, PostgresOpenError::UnsafeSetting { setting: "fsync", .. }));
    own.stop();
    own.resume();
    append(&open(&own.url("postgres")), &["a"]).unwrap();
}

#[test]
fn what_is_no_store_of_ours_is_left_alone() {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database();
    let url = cluster.url(&database);
    let existing = || PostgresStore::open_existing(&address(&url), PostgresOptions::default());
    assert!(matches!(existing(), Err(PostgresOpenError::Missing { .. })));
    assert_eq!(cluster.sql(&database, "SELECT to_regnamespace('super_planner') IS NULL"), "t");

    // Whoever looks after the server may have made the schema.
    cluster.sql(&database, "CREATE SCHEMA super_planner");
    assert!(matches!(existing(), Err(PostgresOpenError::Missing { .. })));
    cluster.sql(&database, "CREATE TABLE super_planner.segments (x integer)");
    assert!(matches!(try_open(&url), Err(PostgresOpenError::Foreign { .. })));
    cluster.sql(&database, "DROP TABLE super_planner.segments");
    append(&open(&url), &["a"]).unwrap();
    assert_eq!(texts(&existing().unwrap()).unwrap(), ["a"]);

    cluster.sql(&database, "UPDATE super_planner.format SET version = 99");
    assert!(matches!(try_open(&url), Err(PostgresOpenError::Newer { found: 99, .. })));
    assert!(matches!(existing(), Err(PostgresOpenError::Newer { found: 99, .. })));
}

#[test]
fn no_error_and_no_debug_form_holds_the_password() {
    let url = "postgres://ann:s3cret@127.0.0.1:1/plans";
    let error = try_open(url).unwrap_err();
    let shown = format!("{} {error:?}", told(&error));
    assert!(shown.contains("ann@127.0.0.1:1/plans") && !shown.contains("s3cret"), "{shown}");

    let database = Cluster::shared().fresh_database();
    let store = open(&format!("{}&password=s3cret", Cluster::shared().url(&database)));
    assert!(!format!("{store:?} {}", store.address()).contains("s3cret"));
}

#[test]
fn time_is_the_time_of_the_database() {
    let (database, store) = fresh();
    let clock = || -> u64 {
        let millis = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        Cluster::shared().sql(&database, millis).parse().unwrap()
    };
    let before = clock();
    let now = store.now().as_millis();
    let transaction = store.begin(&stream(), Seq::START).unwrap();
    let at = transaction.now();
    transaction.commit(vec![entry("a")]).unwrap();
    assert!(before <= now && now <= at.as_millis() && at.as_millis() <= clock());
    let mut recorded = None;
    let mut visit = |entry: state_store::Recorded| {
        recorded = Some(entry.at);
        ControlFlow::Continue(())
    };
    store.read(&stream(), Seq::START, &mut visit).unwrap();
    assert_eq!(recorded, Some(at));
}

#[test]
fn a_changed_byte_and_a_missing_segment_are_found() {
    for (vandalism, said) in [
        (
            "UPDATE super_planner.segments SET body = set_byte(body, 9, 84) WHERE first_seq = 2",
            "entry 2: its hash",
        ),
        ("UPDATE super_planner.segments SET at = at + 1 WHERE first_seq = 3", "entry 3: its hash"),
        (
            "UPDATE super_planner.segments SET hash = '' WHERE first_seq = 1",
            "entry 1: the hash has the wrong",
        ),
        ("UPDATE super_planner.segments SET count = -9 WHERE first_seq = 2", "entry 2: its hash"),
        ("DELETE FROM super_planner.segments WHERE first_seq = 2", "entry 3: entry 2 is missing"),
        ("DELETE FROM super_planner.segments WHERE first_seq = 3", "entry 3: entry 3 is missing"),
        ("DELETE FROM super_planner.segments", "entry 1: entry 1 is missing"),
        ("UPDATE super_planner.streams SET head = 9223372036854775807", "entry 4: entry 4 is missing"),
    ] {
        let (database, store) = fresh();
        for text in ["one", "two", "three"] {
            append(&store, &[text]).unwrap();
        }
        Cluster::shared().sql(&database, vandalism);
        let error = texts(&store).unwrap_err().to_string();
        assert!(error.contains(said), "{vandalism}: {error}");
        let error = append(&store, &["four"]).unwrap_err();
        assert!(told(&error).contains(said), "{vandalism}: {}", told(&error));
    }
    let (database, store) = fresh();
    append(&store, &["one"]).unwrap();
    for head in ["0", "-5"] {
        Cluster::shared().sql(&database, &format!("UPDATE super_planner.streams SET head = {head}"));
        assert!(matches!(append(&store, &["two"]), Err(CommitError::Refused(StoreError::Corrupt { .. }))));
    }
}

const END_OTHERS: &str = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[test]
fn a_connection_lost_before_the_commit_leaves_nothing_in_doubt() {
    let (database, store) = fresh();
    append(&store, &["a"]).unwrap();
    Cluster::shared().sql(&database, END_OTHERS);
    assert_eq!(texts(&store).unwrap(), ["a"], "a lost connection is made again");
    append(&store, &["b"]).unwrap();

    let transaction = store.begin(&stream(), Seq::START).unwrap();
    Cluster::shared().sql(&database, END_OTHERS);
    let error = transaction.commit(vec![entry("lost")]).unwrap_err();
    assert!(matches!(error, CommitError::Refused(StoreError::Engine { .. })), "{}", told(&error));
    append(&store, &["c"]).unwrap();

    let dropped = store.begin(&stream(), Seq::START).unwrap();
    Cluster::shared().sql(&database, END_OTHERS);
    drop(dropped);
    append(&store, &["d"]).unwrap();
    assert_eq!(texts(&store).unwrap(), ["a", "b", "c", "d"]);
}

#[test]
fn a_store_of_format_1_is_read_and_written_on() {
    let database = Cluster::shared().fresh_database();
    Cluster::shared().sql(&database, include_str!("data/postgres-format-1.sql"));
    let address = address(&Cluster::shared().url(&database));
    golden::check(&|| Box::new(PostgresStore::open_existing(&address, PostgresOptions::default()).unwrap()));
}

/// Makes `what` happen at a moment of every append: `AFTER` is at its commit, `BEFORE` at its insertion.
fn plant(database: &str, what: &str, trigger: &str) {
    let sql = format!(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NEW; END $$; \
         CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION planted()"
    );
    Cluster::shared().sql(database, &sql);
}

#[test]
fn a_connection_lost_during_the_commit_poisons_the_store() {
    for what in ["PERFORM pg_terminate_backend(pg_backend_pid())", "RAISE EXCEPTION 'planted'"] {
        let (database, store) = fresh();
        append(&store, &["a"]).unwrap();
        let at_commit =
            "CONSTRAINT TRIGGER t AFTER INSERT ON super_planner.segments DEFERRABLE INITIALLY DEFERRED";
        plant(&database, what, at_commit);
        let error = append(&store, &["b"]).unwrap_err();
        assert!(matches!(error, CommitError::Unknown(_)), "{}", told(&error));
        assert!(matches!(append(&store, &["c"]), Err(CommitError::Refused(StoreError::Poisoned))));
        assert!(matches!(texts(&store), Err(StoreError::Poisoned)));
        assert!(matches!(store.head(&stream()), Err(StoreError::Poisoned)));
        assert!(matches!(store.streams(), Err(StoreError::Poisoned)));
        Cluster::shared().sql(&database, "DROP TRIGGER t ON super_planner.segments");
        let again = open(&Cluster::shared().url(&database));
        append(&again, &["d"]).unwrap();
        assert_eq!(texts(&again).unwrap(), ["a", "d"]);
    }
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_without_end() {
    let database = Cluster::shared().fresh_database();
    let address = address(&Cluster::shared().url(&database));
    let options =
        PostgresOptions { answer_timeout: Duration::from_millis(300), ..PostgresOptions::default() };
    let store = PostgresStore::open(&address, options).unwrap();
    append(&store, &["a"]).unwrap();
    let backends = Cluster::shared().sql(
        &database,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let signal = |signal: &str| {
        let pids = backends.split_whitespace();
        assert!(Command::new("kill").arg(signal).args(pids).status().unwrap().success());
    };
    signal("-STOP");
    let read = texts(&store);
    let appended = append(&store, &["b"]);
    signal("-CONT");
    for told in [told(&read.unwrap_err()), told(&appended.unwrap_err())] {
        assert!(told.ends_with("it did not answer within 300 ms"), "{told}");
    }
    assert_eq!(texts(&store).unwrap(), ["a"], "nothing was lost, and nothing is in doubt");
}

#[test]
fn a_full_disk_is_told_and_changes_nothing() {
    let (database, store) = fresh();
    append(&store, &["a"]).unwrap();
    let full = "RAISE EXCEPTION 'no room' USING ERRCODE = '53100'";
    plant(&database, full, "TRIGGER t BEFORE INSERT ON super_planner.segments");
    let error = append(&store, &["b"]).unwrap_err();
    assert!(matches!(error, CommitError::Refused(StoreError::Full)), "{}", told(&error));
    assert_eq!(texts(&store).unwrap(), ["a"]);
    Cluster::shared().sql(&database, "DROP TRIGGER t ON super_planner.segments");
    append(&store, &["c"]).unwrap();
    assert_eq!(texts(&store).unwrap(), ["a", "c"]);
}

#[test]
fn an_append_behind_the_lock_is_a_conflict() {
    let (database, store) = fresh();
    append(&store, &["a"]).unwrap();
    let transaction = store.begin(&stream(), Seq::START).unwrap();
    let behind =
        "INSERT INTO super_planner.segments SELECT stream, 2, 1, at, hash, body FROM super_planner.segments";
    Cluster::shared().sql(&database, behind);
    let error = transaction.commit(vec![entry("b")]).unwrap_err();
    assert!(matches!(error, CommitError::Conflict { expected, .. } if expected == Seq::new(1)));
}

#[test]
fn a_server_killed_while_it_appends_keeps_what_it_acknowledged() {
    let cluster = Cluster::start();
    let url = cluster.url("postgres");
    let acknowledged = Arc::new(AtomicU64::new(0));
    for round in 1..=3 {
        let before = open(&url).head(&stream()).unwrap().get();
        acknowledged.store(before, Ordering::SeqCst);
        let (enough, wait) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let store = open(&url);
                let enough = enough;
                loop {
                    match append(&store, &["one", "two", "three"]) {
                        Ok(head) => acknowledged.store(head.get(), Ordering::SeqCst),
                        Err(error) => return (error, store.head(&stream())),
                    }
                    if acknowledged.load(Ordering::SeqCst) == before + 60 * round {
                        enough.send(()).unwrap();
                    }
                }
            });
            wait.recv().unwrap();
            cluster.kill();
            let (error, after) = writer.join().unwrap();
            match error {
                CommitError::Unknown(_) => assert!(matches!(after, Err(StoreError::Poisoned))),
                CommitError::Refused(StoreError::Engine { .. }) => {}
                CommitError::Refused(_) | CommitError::Conflict { .. } => panic!("{}", told(&error)),
            }
        });
        cluster.resume();
        let found = texts(&open(&url)).unwrap();
        let acknowledged = acknowledged.load(Ordering::SeqCst) as usize;
        assert!([acknowledged, acknowledged + 3].contains(&found.len()), "{acknowledged} {}", found.len());
        assert!(found.chunks(3).all(|segment| segment == ["one", "two", "three"]));
    }
}

/// What is done to all three kinds of store.
#[derive(Debug, Clone)]
enum Act {
    Append { stream: usize, after: u64, sizes: Vec<usize> },
    Drop { stream: usize, after: u64 },
    Read { stream: usize, after: u64, limit: usize },
    Snapshot { stream: usize, seq: u64 },
    Compact { stream: usize },
    Copy { stream: usize, into: usize },
}

fn any_act() -> impl Strategy<Value = Act> {
    let place = || (0..3_usize, 0..12_u64);
    prop_oneof![
        4 => (place(), prop::collection::vec(0..300_usize, 0..4))
            .prop_map(|((stream, after), sizes)| Act::Append { stream, after, sizes }),
        1 => place().prop_map(|(stream, after)| Act::Drop { stream, after }),
        2 => (place(), 1..8_usize).prop_map(|((stream, after), limit)| Act::Read { stream, after, limit }),
        2 => place().prop_map(|(stream, seq)| Act::Snapshot { stream, seq }),
        1 => (0..3_usize).prop_map(|stream| Act::Compact { stream }),
        1 => (0..3_usize, 0..3_usize).prop_map(|(stream, into)| Act::Copy { stream, into }),
    ]
}

/// Does it and returns everything that can be seen of it, errors included.
fn seen(store: &dyn StateStore, act: &Act) -> String {
    let name = |stream: &usize| StreamName::new(["workspace", "sessions/1", "B"][*stream]).unwrap();
    let mut seen = String::new();
    let (stream, outcome) = match act {
        Act::Append { stream, after, sizes } => (stream, append_sizes(store, &name(stream), *after, sizes)),
        Act::Drop { stream, after } => {
            let begun = store.begin(&name(stream), Seq::new(*after));
            (
                stream,
                begun.map(|begun| format!("{} {}", begun.head(), begun.news().len())).map_err(|e| told(&e)),
            )
        }
        Act::Read { stream, after, limit } => {
            let mut left = *limit;
            let mut visit = |recorded: state_store::Recorded| {
                let _ = write!(seen, "{recorded:?}; ");
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let read = store.read(&name(stream), Seq::new(*after), &mut visit);
            (stream, read.map(|()| String::new()).map_err(|error| told(&error)))
        }
        Act::Snapshot { stream, seq } => {
            let snapshot = Snapshot { seq: Seq::new(*seq), kind: 1, version: 1, body: vec![*seq as u8; 9] };
            let kept = store.save_snapshot(&name(stream), &snapshot);
            (stream, kept.map(|()| String::new()).map_err(|error| told(&error)))
        }
        Act::Compact { stream } => {
            let dropped = store.compact(&name(stream));
            (stream, dropped.map(|until| until.to_string()).map_err(|error| told(&error)))
        }
        Act::Copy { stream, into } => match store.load_base(&name(stream)).unwrap() {
            Some(base) => {
                let started = store.start_after(&name(into), &base);
                (into, started.map(|()| String::new()).map_err(|error| told(&error)))
            }
            None => (into, Ok(String::new())),
        },
    };
    let (end, streams) = (store.end(&name(stream)).unwrap(), store.streams().unwrap());
    let (last, base) = (store.load_snapshot(&name(stream)).unwrap(), store.load_base(&name(stream)).unwrap());
    let _ = write!(seen, "{outcome:?} {end:?} {streams:?} {last:?} {base:?}");
    seen
}

fn append_sizes(
    store: &dyn StateStore,
    stream: &StreamName,
    after: u64,
    sizes: &[usize],
) -> Result<String, String> {
    let mut transaction = store.begin(stream, Seq::new(after)).map_err(|error| told(&error))?;
    transaction.record_at(Timestamp::from_millis(after));
    let seen = format!("{} {:?}", transaction.head(), transaction.news());
    let entry = |size: &usize| Entry { kind: *size as u16, version: 1, body: vec![*size as u8; *size] };
    let head = transaction.commit(sizes.iter().map(entry).collect()).map_err(|error| told(&error))?;
    Ok(format!("{seen} {head}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_three_stores_answer_alike(acts in prop::collection::vec(any_act(), 1..40)) {
        let clock = Arc::new(SystemClock);
        let folder = tempfile::tempdir().unwrap();
        let memory = MemoryStore::new(clock.clone());
        let sqlite = SqliteStore::open(&folder.path().join("state.db"), clock).unwrap();
        let (_, postgres) = fresh();
        for act in &acts {
            let expected = seen(&memory, act);
            prop_assert_eq!(&seen(&sqlite, act), &expected);
            prop_assert_eq!(&seen(&postgres, act), &expected);
        }
    }
}
