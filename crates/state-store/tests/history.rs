//! Histories: states as they were, what differs between two of them, archives, and what verification finds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use state_store::log::{Origin, Provenance, export, import};
use state_store::recovery::{RecoveryError, RecoveryPlan};
use state_store::tables::{self, TableStep, TaskRow};
use state_store::task::{
    AfterFailure, AgentKey, CancelReason, CheckRecord, CommitHash, ConflictRecord, Deliverable, Difference,
    Event, FailureReason, FencingToken, Host, InstanceKey, Landed, Lease, LoadError, Moment, ProjectKey,
    ProjectSettings, ReplayError, State, StateName, TaskKey, TaskRecord, Transition, snapshot, transition,
};
use state_store::verification::{Problem, Verification};
use state_store::{
    Entry, MemoryStore, Recorded, Seq, SqliteStore, StateStore, StoreError, StreamName, SystemClock,
    Timestamp,
};

const TASKS: u32 = 3;
const PLAN: &str =
    r#"{"name":"p","tasks":[{"id":"A","title":"A"},{"id":"B","title":"B"},{"id":"C","title":"C"}]}"#;

fn stream() -> StreamName {
    StreamName::workspace()
}

fn memory() -> MemoryStore {
    MemoryStore::new(Arc::new(SystemClock))
}

fn sqlite(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Arc::new(SystemClock)).unwrap()
}

/// What every history begins with: a coordinator, an agent, a project.
fn beginning() -> Vec<Event> {
    let host = Host { boot: "b".to_owned(), pid: 1, started: 1 };
    let instance = InstanceKey(0);
    vec![
        Event::InstanceStarted { id: [1; 16], host, expires_at: Timestamp::from_millis(100) },
        Event::AgentRegistered {
            name: "a".to_owned(),
            capabilities: Vec::new().into(),
            slots: 9,
            lease: None,
            instance,
            labels: Vec::new(),
        },
        Event::ProjectAdded {
            name: "p".to_owned(),
            plan: PLAN.as_bytes().to_vec(),
            settings: ProjectSettings { branch: None, checks: false },
        },
    ]
}

/// A step of a task with that token as its latest one; many are refused by the table.
fn step(number: usize, token: u64) -> Transition {
    let (instance, agent) = (InstanceKey(0), AgentKey(0));
    let expires_at = Timestamp::from_millis(1_000 + number as u64);
    let commit = CommitHash([7; 20]);
    let conflict = ConflictRecord { theirs: commit, base: commit, ours: commit, paths: vec!["a".to_owned()] };
    let lease = Lease { agent, instance, token: FencingToken::new(token + 1), attempt: 0, expires_at };
    let token = FencingToken::new(token);
    let (reason, now) = (FailureReason::Timeout, Timestamp::from_millis(5));
    match number {
        0..4 => Transition::Assign(lease),
        4..8 => Transition::Start(token),
        8 => Transition::Renew { token, expires_at },
        9 | 10 => Transition::Deliver { token, deliverable: Deliverable::NoFiles },
        11 => Transition::Verify { token, check: CheckRecord::NotNamed },
        12 => Transition::Land { token, landed: Landed::NotAsked },
        13 => Transition::Conflict { token, conflict },
        14 => Transition::Fail { token, reason, then: AfterFailure::Retry(now) },
        15 => Transition::Fail { token, reason, then: AfterFailure::GiveUp },
        16 => Transition::Lose { token, why: transition::Lost::LeaseExpired },
        17 => Transition::Hold,
        18 => Transition::Resume,
        _ => Transition::Cancel(CancelReason::NotNeeded),
    }
}

const STEPS: usize = 20;

/// Writes a history of what the table allows of these steps; a segment ends where the flag says so.
fn write(store: &dyn StateStore, steps: &[(u32, usize, bool)]) -> State {
    let mut state = State::default();
    let at = |seq: u64| Timestamp::from_millis(seq * 10);
    let mut segment: Vec<Event> = Vec::new();
    let commit = |segment: &mut Vec<Event>, state: &State| {
        let mut transaction = store.begin(&stream(), state.seq()).unwrap();
        transaction.record_at(at(transaction.head().get() + 1));
        transaction.commit(segment.drain(..).map(|event| event.to_entry()).collect()).unwrap();
    };
    for event in beginning() {
        state.apply(&event, at(1)).unwrap();
        segment.push(event);
    }
    commit(&mut segment, &state);
    let mut first = state.seq().get() + 1;
    for (task, number, ends) in steps {
        let task = TaskKey { project: ProjectKey(0), task: *task };
        let record = state.task(task).unwrap();
        let mut transition = step(*number, record.last_token.get());
        if let Transition::Assign(lease) = &mut transition {
            lease.attempt = record.attempts + 1;
        }
        let event = Event::Task { task, transition };
        if state.apply(&event, at(first)).is_ok() {
            segment.push(event);
        }
        if *ends {
            commit(&mut segment, &state);
            first = state.seq().get() + 1;
        }
    }
    commit(&mut segment, &state);
    state
}

fn steps() -> impl Strategy<Value = Vec<(u32, usize, bool)>> {
    prop::collection::vec((0..TASKS, 0..STEPS, any::<bool>()), 1..80)
}

fn folded(store: &dyn StateStore) -> Vec<State> {
    let mut states = vec![State::default()];
    store
        .read(&stream(), Seq::START, &mut |recorded: Recorded| {
            let mut state = states.last().unwrap().clone();
            state.apply_recorded(&recorded).unwrap();
            states.push(state);
            ControlFlow::Continue(())
        })
        .unwrap();
    states
}

/// Everything about the tasks, also how long their leases last.
fn tasks(state: &State) -> String {
    let projects: Vec<_> = state.projects().iter().map(|project| &project.tasks).collect();
    format!("{} {projects:?} {:?} {:?}", state.seq(), state.agents(), state.instances())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The state as of an entry is what the history up to it comes to, and nothing differs between the two.
    #[test]
    fn a_state_of_the_past_is_what_the_history_up_to_it_comes_to(steps in steps()) {
        let store = memory();
        let last = write(&store, &steps);
        let states = folded(&store);
        prop_assert_eq!(tasks(states.last().unwrap()), tasks(&last));
        for (seq, expected) in (0..).zip(&states) {
            let found = State::as_of(&store, &stream(), Moment::At(Seq::new(seq))).unwrap();
            prop_assert_eq!(tasks(&found), tasks(expected));
            prop_assert!(Difference::between(&found, expected).is_empty());
        }
        let beyond = State::as_of(&store, &stream(), Moment::At(last.seq().plus(1)));
        let is_told = matches!(beyond, Err(ReplayError::Beyond { head, .. }) if head == last.seq());
        prop_assert!(is_told, "{:?}", beyond.map(|state| state.seq()));
    }

    /// The state as of a time is that of the last segment committed by then, never of a part of one.
    #[test]
    fn a_state_of_a_time_is_of_whole_segments(steps in steps(), time in 0..900_u64) {
        let store = memory();
        write(&store, &steps);
        let mut expected = Seq::START;
        store.read(&stream(), Seq::START, &mut |recorded: Recorded| {
            if recorded.at.as_millis() <= time {
                expected = recorded.seq;
            }
            ControlFlow::Continue(())
        }).unwrap();
        let found = State::as_of(&store, &stream(), Moment::Time(Timestamp::from_millis(time))).unwrap();
        prop_assert_eq!(found.seq(), expected);
    }

    /// What differs is exactly the tasks whose record does, and putting them into the first state gives the second.
    #[test]
    fn a_difference_is_all_that_differs(steps in steps(), from in 0..80_usize, to in 0..80_usize) {
        let store = memory();
        write(&store, &steps);
        let states = folded(&store);
        let (before, after) = (&states[from % states.len()], &states[to % states.len()]);
        let difference = Difference::between(before, after);
        let names = |state: &State| -> Vec<(StateName, u32, u32)> {
            let tasks = state.projects().iter().flat_map(|project| &project.tasks);
            tasks.map(|record| (record.state.name(), record.attempts, record.failures)).collect()
        };
        let mut patched = names(before);
        patched.resize(names(after).len(), (StateName::Pending, 99, 99));
        for change in &difference.tasks {
            prop_assert_ne!(change.before, change.after);
            if let Some(record) = change.after {
                patched[change.key.task as usize] = (record.state.name(), record.attempts, record.failures);
            }
        }
        prop_assert_eq!(patched, names(after));
        prop_assert_eq!(difference.projects.len(), usize::from(before.projects().len() != after.projects().len()));
    }

    /// An archive gives another store the same ends and the same state; what it holds verifies.
    #[test]
    fn an_archive_gives_the_same_state(steps in steps()) {
        let store = memory();
        let expected = write(&store, &steps);
        let mut archive = Vec::new();
        export(&store, None, &mut archive, &mut |_, _| None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let copy = sqlite(&folder.path().join("state.db"));
        import(&copy, &mut Cursor::new(archive)).unwrap();
        prop_assert_eq!(copy.end(&stream()).unwrap(), store.end(&stream()).unwrap());
        let state = State::as_of(&copy, &stream(), Moment::At(expected.seq())).unwrap();
        prop_assert_eq!(tasks(&state), tasks(&expected));
        let found = Verification::of(&copy).unwrap();
        prop_assert!(found.is_sound(), "{:?}", found);
    }
}

#[test]
fn that_a_lease_was_prolonged_is_no_difference() {
    let store = memory();
    write(&store, &[(0, 0, true), (0, 4, true), (0, 8, true)]);
    let states = folded(&store);
    assert_ne!(tasks(&states[5]), tasks(&states[6]));
    assert!(Difference::between(&states[5], &states[6]).is_empty());
    assert!(!Difference::between(&states[4], &states[5]).is_empty());
}

/// A store in a file with 43 entries in segments of one or two, and a stream that is nobody's workspace.
fn long_history(path: &Path) -> State {
    let store = sqlite(path);
    let life = [(0, true), (4, true), (16, false)];
    let steps: Vec<_> = (0..60)
        .map(|turn| (turn / 3 % TASKS, life[turn as usize % 3].0, life[turn as usize % 3].1))
        .collect();
    let session = StreamName::new("sessions/1").unwrap();
    let entry = Entry { kind: 9, version: 1, body: b"said".to_vec() };
    store.begin(&session, Seq::START).unwrap().commit(vec![entry]).unwrap();
    write(&store, &steps)
}

fn vandalise(path: &Path, statement: &str) {
    let changed = rusqlite::Connection::open(path).unwrap().execute(statement, []).unwrap();
    assert!(changed > 0, "{statement}");
}

#[test]
fn verification_names_the_first_bad_place_and_what_is_before_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (name, statement, at) in [
        (
            "body",
            "UPDATE segments SET body = zeroblob(length(body)) WHERE key & 255 = 20 AND key >> 40 = 2",
            20,
        ),
        ("hash", "UPDATE segments SET hash = zeroblob(32) WHERE key & 255 = 20 AND key >> 40 = 2", 20),
        ("gap", "DELETE FROM segments WHERE key & 255 = 20 AND key >> 40 = 2", 20),
        ("end", "DELETE FROM segments WHERE key & 255 >= 50 AND key >> 40 = 2", 50),
    ] {
        let path = folder.path().join(name);
        let last = long_history(&path);
        assert!(Verification::of(&sqlite(&path)).unwrap().is_sound());
        vandalise(&path, statement);
        let store = sqlite(&path);
        let found = Verification::of(&store).unwrap();
        assert!(!found.is_sound(), "{name}");
        let [session, workspace] = found.streams.as_slice() else { panic!("{found:?}") };
        assert!(session.problem.is_none() && session.head == Seq::new(1), "{session:?}");
        // Segments of two begin with odd or even places; the last one that is well ends before the bad one.
        assert!(workspace.head.get() < at && workspace.head.get() >= at - 2, "{name}: {workspace:?}");
        assert!(matches!(workspace.problem, Some(Problem::Store(_))), "{workspace:?}");
        let before = State::as_of(&store, &stream(), Moment::At(workspace.head)).unwrap();
        assert_eq!(before.seq(), workspace.head);
        State::as_of(&store, &stream(), Moment::At(last.seq())).unwrap_err();
    }
}

#[test]
fn what_the_list_of_streams_has_lost_is_found_by_its_hashes_and_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let damages = [
        "DELETE FROM streams",
        "UPDATE streams SET name = 'x' || name WHERE number = 2",
        "UPDATE streams SET base = base + 1",
        "UPDATE streams SET base_hash = zeroblob(31)",
        "UPDATE streams SET mark = x'00'",
    ];
    for (number, (damage, is_compacted)) in
        damages.into_iter().flat_map(|damage| [(damage, false), (damage, true)]).enumerate()
    {
        let path = folder.path().join(number.to_string());
        let last = long_history(&path);
        if is_compacted {
            let store = sqlite(&path);
            let early = State::as_of(&store, &stream(), Moment::At(Seq::new(13))).unwrap();
            snapshot::keep(&store, &stream(), &early).unwrap();
            assert_eq!(store.compact(&stream()).unwrap(), early.seq());
        }
        vandalise(&path, damage);
        let store = sqlite(&path);
        let found = Verification::of(&store).unwrap();
        assert!(found.list_damage.is_some() && !found.is_sound(), "{damage}");
        let workspace = found.streams.last().unwrap();
        assert!(workspace.problem.is_none() && workspace.head == last.seq(), "{damage}: {found:?}");
        assert!(matches!(store.begin(&stream(), Seq::START), Err(StoreError::Corrupt { .. })), "{damage}");
        let into = sqlite(&folder.path().join(format!("{number}.new")));
        let recovery = RecoveryPlan::new(&store, last.seq()).unwrap();
        recovery.carry_out(&store, "damaged", &into).unwrap();
        assert!(Verification::of(&into).unwrap().is_sound());
        let recovered = State::as_of(&into, &stream(), Moment::At(last.seq())).unwrap();
        assert_eq!(tasks(&recovered), tasks(&last), "{damage}");
        let is_session_named = !damage.contains("DELETE");
        assert_eq!(into.streams().unwrap().len(), if is_session_named { 3 } else { 2 }, "{damage}");
    }
}

#[test]
fn verification_finds_an_event_that_does_not_fit() {
    let store = memory();
    write(&store, &[(0, 0, true)]);
    let task = TaskKey { project: ProjectKey(0), task: 1 };
    let wrong = Event::Task { task, transition: Transition::Resume };
    store.begin(&stream(), Seq::START).unwrap().commit(vec![wrong.to_entry()]).unwrap();
    let found = Verification::of(&store).unwrap();
    let problem = found.streams[0].problem.as_ref().unwrap();
    assert!(matches!(problem, Problem::Unfit { at, .. } if *at == Seq::new(5)), "{problem}");
    assert_eq!(found.streams[0].head, Seq::new(4));
}

#[test]
fn verification_finds_what_must_hold_and_does_not() {
    let store = memory();
    write(&store, &[]);
    let task = TaskKey { project: ProjectKey(0), task: 1 };
    let Transition::Assign(lease) = step(0, 0) else { panic!("the first step") };
    let second = Event::Task { task, transition: Transition::Assign(Lease { attempt: 2, ..lease }) };
    store.begin(&stream(), Seq::START).unwrap().commit(vec![second.to_entry()]).unwrap();
    let found = Verification::of(&store).unwrap();
    let problem = found.streams[0].problem.as_ref().unwrap();
    assert!(matches!(problem, Problem::Broken { at, .. } if *at == Seq::new(4)), "{problem}");
}

#[test]
fn verification_hears_what_sqlite_finds_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    long_history(&path);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)")
        .unwrap();
    connection
        .execute_batch(
            "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE type = 'index'; \
             PRAGMA writable_schema = 0; PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    drop(connection);
    let found = Verification::of(&sqlite(&path)).unwrap();
    assert!(!found.engine.is_empty() && !found.is_sound(), "{found:?}");
}

/// The greatest token that a history hands out.
fn last_token(state: &State) -> FencingToken {
    let tasks = state.projects().iter().flat_map(|project| &project.tasks);
    tasks.map(|record| record.last_token).max().unwrap()
}

#[test]
fn what_is_well_is_recovered_and_what_was_handed_out_is_fenced_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    let lost = long_history(&path);
    let damage = "UPDATE segments SET body = zeroblob(9) WHERE key >> 40 = 2 AND key & 255 = 20";
    vandalise(&path, damage);
    let damaged = sqlite(&path);
    let sound = Verification::of(&damaged).unwrap().streams[1].head;

    for (place, to) in [sound, Seq::new(sound.get() - 1), Seq::new(12), Seq::new(3)].into_iter().enumerate() {
        let store = sqlite(&folder.path().join(format!("{place}.db")));
        let recovery = RecoveryPlan::new(&damaged, to).unwrap();
        let tokens_to = recovery.carry_out(&damaged, "damaged.db", &store).unwrap();
        assert!(recovery.to <= to && recovery.to.get() + 2 > to.get(), "{recovery:?}");
        assert!(recovery.left_out.iter().any(|told| told.contains("workspace")), "{recovery:?}");
        let found = Verification::of(&store).unwrap();
        assert!(found.is_sound(), "{found:?}");
        let origin = Provenance::Copied(Origin::Recovery {
            from: "damaged.db".to_owned(),
            streams: recovery.streams.clone(),
            left_out: recovery.left_out.clone(),
        });
        assert_eq!(found.provenance.unwrap(), origin);

        let as_it_was = State::as_of(&damaged, &stream(), Moment::At(recovery.to)).unwrap();
        let up_to_there = State::as_of(&store, &stream(), Moment::At(recovery.to)).unwrap();
        assert_eq!(tasks(&up_to_there), tasks(&as_it_was));
        let session = StreamName::new("sessions/1").unwrap();
        assert_eq!(store.end(&session).unwrap(), damaged.end(&session).unwrap());

        // No token of the history that was lost is handed out again, and none of them moves anything.
        let mut state = State::as_of(&store, &stream(), Moment::At(recovery.to.plus(1))).unwrap();
        state.check_invariants().unwrap();
        assert!(tokens_to >= last_token(&lost));
        for task in (0..TASKS).map(|task| TaskKey { project: ProjectKey(0), task }) {
            assert!(state.task(task).unwrap().last_token >= tokens_to);
            for token in 0..=last_token(&lost).get() {
                for number in 0..17 {
                    let event = Event::Task { task, transition: step(number, token) };
                    state.apply(&event, Timestamp::default()).unwrap_err();
                }
            }
        }
    }
}

#[test]
fn only_what_is_well_is_recovered_and_only_into_an_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    long_history(&path);
    vandalise(&path, "DELETE FROM segments WHERE key >> 40 = 2 AND key & 255 = 20");
    let damaged = sqlite(&path);
    let into = memory();
    let refused = RecoveryPlan::new(&damaged, Seq::new(40)).unwrap_err();
    assert!(matches!(refused, RecoveryError::NotSound { .. }), "{refused}");
    let refused = RecoveryPlan::new(&damaged, Seq::new(1)).unwrap_err();
    assert!(matches!(refused, RecoveryError::Nothing { .. }), "{refused}");
    let plan = RecoveryPlan::new(&damaged, Seq::new(12)).unwrap();
    plan.carry_out(&damaged, "x", &into).unwrap();
    let refused = plan.carry_out(&damaged, "x", &into).unwrap_err();
    assert!(matches!(refused, RecoveryError::Origin(_)), "{refused}");
}

#[test]
fn verification_finds_a_snapshot_of_another_state() {
    let store = memory();
    write(&store, &[(0, 0, true), (1, 0, true)]);
    let other = memory();
    let of_another = write(&other, &[(0, 0, true), (2, 0, true)]);
    let good = State::as_of(&store, &stream(), Moment::At(Seq::new(4))).unwrap();
    snapshot::keep(&store, &stream(), &good).unwrap();
    let found = Verification::of(&store).unwrap();
    assert!(found.is_sound() && found.streams[0].snapshot == Some(Seq::new(4)), "{found:?}");
    snapshot::keep(&store, &stream(), &of_another).unwrap();
    let found = Verification::of(&store).unwrap();
    let problem = found.streams[0].problem.as_ref().unwrap();
    assert!(matches!(problem, Problem::OtherState { at } if *at == Seq::new(5)), "{problem}");
}

#[test]
fn a_log_whose_beginning_was_dropped_is_verified_and_looked_back_at_from_there_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(&folder.path().join("state.db"));
    let last = write(&store, &[(0, 0, true), (0, 4, true), (1, 0, true), (0, 16, true)]);
    let states = folded(&store);
    let middle = State::as_of(&store, &stream(), Moment::At(Seq::new(5))).unwrap();
    snapshot::keep(&store, &stream(), &middle).unwrap();
    store.compact(&stream()).unwrap();
    snapshot::keep(&store, &stream(), &last).unwrap();
    let found = Verification::of(&store).unwrap();
    assert!(found.is_sound(), "{found:?}");
    assert_eq!((found.streams[0].base, found.streams[0].head), (Seq::new(5), last.seq()));
    for seq in 5..=7 {
        let state = State::as_of(&store, &stream(), Moment::At(Seq::new(seq))).unwrap();
        assert_eq!(tasks(&state), tasks(&states[seq as usize]));
    }
    let dropped = |moment| match State::as_of(&store, &stream(), moment) {
        Err(ReplayError::Load(LoadError::Store(StoreError::Compacted { until, .. }))) => until == Seq::new(5),
        _ => false,
    };
    assert!(dropped(Moment::At(Seq::new(4))) && dropped(Moment::Time(Timestamp::from_millis(1))));

    let mut archive = Vec::new();
    export(&store, None, &mut archive, &mut |_, _| None).unwrap();
    let imported = memory();
    import(&imported, &mut Cursor::new(archive)).unwrap();
    assert_eq!(imported.end(&stream()).unwrap(), store.end(&stream()).unwrap());
    assert_eq!(tasks(&State::load(&imported, &stream()).unwrap().state), tasks(&last));
    assert!(Verification::of(&imported).unwrap().is_sound());

    for to in [5, 6] {
        let recovered = memory();
        let plan = RecoveryPlan::new(&store, Seq::new(to)).unwrap();
        plan.carry_out(&store, "state.db", &recovered).unwrap();
        let found = Verification::of(&recovered).unwrap();
        assert!(found.is_sound() && found.streams[1].base == Seq::new(5), "{found:?}");
        let state = State::as_of(&recovered, &stream(), Moment::At(Seq::new(to))).unwrap();
        assert_eq!(tasks(&state), tasks(&states[to as usize]));
    }
    let refused = RecoveryPlan::new(&store, Seq::new(4)).unwrap_err();
    assert!(matches!(refused, RecoveryError::Nothing { .. }), "{refused}");
}

fn rows(path: &Path, query: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Compares the tables for people with the state that they are to be true for.
fn check_tables(path: &Path, state: &State) {
    let head = state.seq().to_string();
    assert_eq!(rows(path, "SELECT CAST(seq AS TEXT) FROM as_of"), [head.as_str()]);
    let tasks = state.projects().iter().flat_map(|project| project.plan.tasks.iter().zip(&project.tasks));
    let tasks: Vec<_> = tasks.collect();
    let told = |asked: &planner_core::Task, record: &TaskRecord| {
        format!("{}|{}|{}|{}", asked.id, record.state.name(), record.attempts, record.failures)
    };
    let expected: Vec<_> = tasks.iter().map(|(asked, record)| told(asked, record)).collect();
    let query = "SELECT task || '|' || state || '|' || attempts || '|' || failures FROM tasks ORDER BY task";
    assert_eq!(rows(path, query), expected);
    let leased: Vec<_> = tasks
        .iter()
        .filter_map(|(asked, record)| Some(format!("{}|a|{}", asked.id, record.state.lease()?.token)))
        .collect();
    let query = "SELECT task || '|' || agent || '|' || token FROM leases ORDER BY task";
    assert_eq!(rows(path, query), leased);
    let query = "SELECT name || '|' || status FROM agents";
    let agents: Vec<_> = state.agents().iter().map(|agent| format!("{}|active", agent.name)).collect();
    assert_eq!(rows(path, query), agents);
    assert_eq!(rows(path, "SELECT CAST(count(*) AS TEXT) FROM history"), [head.as_str()]);
    assert_eq!(rows(path, "SELECT CAST(max(seq) AS TEXT) FROM history"), [head.as_str()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Brought up at once or from one moment to the next, the tables tell what the state is.
    #[test]
    fn the_tables_for_people_tell_the_state(steps in steps(), often in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let (store, source) = (sqlite(&path), memory());
        let last = write(&source, &steps);
        let mut segments: Vec<Vec<Recorded>> = Vec::new();
        source.read(&stream(), Seq::START, &mut |recorded: Recorded| {
            match segments.last_mut().filter(|segment| segment[0].segment == recorded.segment) {
                Some(segment) => segment.push(recorded),
                None => segments.push(vec![recorded]),
            }
            ControlFlow::Continue(())
        }).unwrap();
        for segment in segments {
            let mut transaction = store.begin(&stream(), Seq::START).unwrap();
            transaction.record_at(segment[0].at);
            let head = transaction.commit(segment.into_iter().map(|recorded| recorded.entry).collect()).unwrap();
            if often {
                prop_assert_eq!(tables::bring_up(&store).unwrap(), Some(head));
                check_tables(&path, &State::as_of(&store, &stream(), Moment::At(head)).unwrap());
            }
        }
        prop_assert_eq!(tables::bring_up(&store).unwrap(), Some(last.seq()));
        check_tables(&path, &last);
        prop_assert_eq!(tables::bring_up(&store).unwrap(), Some(last.seq()));
        check_tables(&path, &last);
        prop_assert!(Verification::of(&store).unwrap().is_sound());
    }
}

#[test]
fn the_tables_are_true_for_one_place_while_they_are_brought_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = sqlite(&path);
    write(&store, &[(0, 0, true)]);
    tables::bring_up(&store).unwrap();
    let before = rows(&path, "SELECT task FROM tasks");
    let row = TaskRow {
        project: "q".to_owned(),
        task: "Z".to_owned(),
        title: String::new(),
        state: "running",
        attempts: 1,
        failures: 0,
        agent: None,
        token: Some(1),
        expires_at: None,
        commit: None,
        reason: None,
        since: Seq::new(9),
    };
    let (from, to) = (Seq::new(4), Seq::new(9));
    let early = TableStep { from, to: from, tasks: vec![row], ..TableStep::default() };
    assert!(store.advance_tables(&early).unwrap());
    assert_eq!(rows(&path, "SELECT task FROM tasks"), before, "not shown before its place");
    assert_eq!(rows(&path, "SELECT task FROM leases"), ["A"]);
    assert!(store.advance_tables(&TableStep { from, to, ..TableStep::default() }).unwrap());
    assert_eq!(rows(&path, "SELECT task FROM tasks WHERE project = 'q'"), ["Z"]);
    assert!(!store.advance_tables(&early).unwrap(), "somebody else has moved on");
}

#[test]
fn what_was_dropped_before_the_tables_knew_of_it_is_told_by_its_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = sqlite(&path);
    let last = write(&store, &[(0, 0, true), (0, 4, true), (1, 0, true)]);
    snapshot::keep(&store, &stream(), &last).unwrap();
    store.compact(&stream()).unwrap();
    assert_eq!(tables::bring_up(&store).unwrap(), Some(last.seq()));
    assert_eq!(
        rows(&path, "SELECT task || ' ' || state FROM tasks ORDER BY task"),
        ["A running", "B assigned", "C pending"]
    );
}
