//! Power cuts at every write: whatever the disk holds then, the store opens, and every promise was kept.

use std::path::Path;

use faults::{Action, Class, CrashPoint, CrashPoints, Disk, Errno, Fault, Names, Operation, Session, Trace};
use planner_core::random::Random;
use state_store::StateStore;

use crate::effort::{Effort, share};
use crate::ledger::{Ledger, Outcome};
use crate::workload::{Producer, append, ledger_of, open, say, stream};

pub(crate) const TEST: &str = "crash_images::every_crash_leaves_a_store_that_keeps_its_promises";

const SECOND_TEST: &str = "crash_images::a_crash_after_a_crash_loses_nothing_either";

pub(crate) const FAILING_TEST: &str =
    "crash_images::a_failed_flush_and_then_a_crash_lose_nothing_that_was_acknowledged";

/// The folders are the store's to make, and to keep.
const PLACE: &str = "made/on/the/way/state.db";

const IMAGES_EACH: usize = 4;

/// What a run has looked at.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) images: usize,
    pub(crate) accepted: usize,
}

/// Several streams, two handles that take turns and a third that writes beside them, while the log is copied again and
/// again.
fn work(folder: &Path) {
    let (seed, steps) = parameters();
    let path = folder.join(PLACE);
    let mut first = Producer::new(&path, &["workspace", "sessions/1"], seed);
    let mut second = Producer::new(&path, &["sessions/2"], seed + 1);
    let mut beside = Producer::new(&path, &["beside"], seed + 2);
    first.step().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..steps / 4).for_each(|_| beside.step().unwrap()));
        for step in 0..steps {
            let producer = if step % 3 == 0 { &mut second } else { &mut first };
            producer.step().unwrap();
            if step % 20 == 7 {
                let mode = ["PASSIVE", "PASSIVE", "RESTART", "TRUNCATE"][(step / 20) % 4];
                checkpoint(&path, mode);
            }
        }
    });
}

/// Copies the log as the store's own thread does, which acts only after megabytes.
fn checkpoint(path: &Path, mode: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
}

const PARAMETERS: &str = "STATE_STORE_CRASH_WORKLOAD";

fn parameters() -> (u64, usize) {
    let text = std::env::var(PARAMETERS).unwrap();
    let (seed, steps) = text.split_once(' ').unwrap();
    (seed.parse().unwrap(), steps.parse().unwrap())
}

/// Runs the workload once and looks at what a crash at each moment of it could leave.
pub(crate) fn run(effort: Effort, test: &str) -> Result<Count, String> {
    let folder = tempfile::tempdir().unwrap();
    let before = Disk::capture(folder.path()).unwrap();
    let session = Session::recording(folder.path()).unwrap();
    let mut child = faults::this_test(test);
    child.env(PARAMETERS, format!("{} {}", effort.seed, effort.of(110)));
    let status = session.run(&mut child).unwrap();
    if !status.success() {
        return Err(format!("the workload ended with {status} though nothing failed"));
    }
    let mut trace = session.trace().unwrap();
    trace.operations.retain(|operation| !is_of_index(operation));
    let shares = std::thread::available_parallelism().map_or(2, usize::from);
    let counts = share(shares, |index| {
        let points = CrashPoints::new(before.clone(), &trace, Names::Strict, effort.seed);
        check_points(points.images_each(IMAGES_EACH).share(index, shares), &[], &trace)
    })?;
    let told = ledger_of(&trace.marks_before(trace.operations.len()));
    if told.accepted() < told.tried() {
        return Err(format!(
            "of {} batches only {} were accepted though nothing failed",
            told.tried(),
            told.accepted()
        ));
    }
    Ok(Count { images: counts.iter().sum(), accepted: told.accepted() })
}

/// SQLite's index of its log is made anew by whoever comes first after a crash.
fn is_of_index(operation: &Operation) -> bool {
    let (Operation::Write { path, .. } | Operation::Truncate { path, .. } | Operation::Sync { path, .. }) =
        operation
    else {
        return false;
    };
    path.to_string_lossy().ends_with("-shm")
}

/// Looks at every point of a trace; what was said before it began was `said`.
fn check_points(points: CrashPoints<'_>, said: &[&[u8]], trace: &Trace) -> Result<usize, String> {
    let mut images = 0;
    for point in points {
        let point = point.unwrap();
        let folder = faults::temporary_folder().unwrap();
        point.image.write_to(folder.path()).unwrap();
        let promised = ledger_of(&[said, &trace.marks_before(point.operations)].concat());
        let path = folder.path().join(PLACE);
        check(&path, promised, point.number == 2).map_err(|problem| format!("{point}: {problem}"))?;
        images += 1;
    }
    Ok(images)
}

/// Opens what a crash left and checks it; if asked to, appends to it and looks again.
fn check(path: &Path, mut promised: Ledger, goes_on: bool) -> Result<(), String> {
    let store = open(path).map_err(|error| format!("the store does not open: {error:?}"))?;
    promised.check(&store)?;
    if !goes_on {
        return Ok(());
    }
    let (stream, batch) = (stream("workspace"), 1_000_000);
    let end = store.end(&stream).map_err(|error| format!("the stream has no end: {error:?}"))?;
    promised.tries(&stream, batch);
    append(&store, &stream, end.head, batch).map_err(|error| format!("nothing can be added: {error:?}"))?;
    promised.settles(&stream, batch, Outcome::Accepted);
    drop(store);
    let store = open(path).map_err(|error| format!("the store does not open again: {error:?}"))?;
    promised.check(&store)
}

/// Opens what a crash left, and appends to it.
fn work_after_a_crash(folder: &Path) {
    let store = open(&folder.join(PLACE)).unwrap();
    let (stream, batch) = (stream("workspace"), 2_000_000);
    let end = store.end(&stream).unwrap();
    say(&format!("try {stream} {batch}"));
    append(&store, &stream, end.head, batch).unwrap();
    say(&format!("accepted {stream} {batch}"));
    checkpoint(&folder.join(PLACE), "TRUNCATE");
}

/// Crashes, opens what is left, and crashes again at every moment of that: the first crash is drawn, the second is not.
fn run_again(effort: Effort, test: &str) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    let before = Disk::capture(folder.path()).unwrap();
    let session = Session::recording(folder.path()).unwrap();
    let mut child = faults::this_test(test);
    child.env(PARAMETERS, format!("{} 30", effort.seed));
    let status = session.run(&mut child).unwrap();
    if !status.success() {
        return Err(format!("the workload ended with {status} though nothing failed"));
    }
    let mut first = session.trace().unwrap();
    first.operations.retain(|operation| !is_of_index(operation));
    let crashes = effort.of(24);
    let moments = (first.operations.len() / crashes).max(1);
    let points = CrashPoints::new(before, &first, Names::Strict, effort.seed).images_each(3);
    // Of each moment that is taken, the last image is one that was left to chance.
    let points = points.share(effort.seed as usize % moments, moments).map(Result::unwrap);
    let points: Vec<CrashPoint> = points.filter(|point| point.number == 2).collect();
    let images = share(points.len(), |number| {
        let point = &points[number];
        let folder = faults::temporary_folder().unwrap();
        point.image.write_to(folder.path()).unwrap();
        let before = Disk::capture(folder.path()).unwrap();
        let session = Session::recording(folder.path()).unwrap();
        let status = session.run(&mut faults::this_test(test)).unwrap();
        if !status.success() {
            return Err(format!("{point}: going on ended with {status}"));
        }
        let mut second = session.trace().unwrap();
        second.operations.retain(|operation| !is_of_index(operation));
        let said = first.marks_before(point.operations);
        let again = CrashPoints::new(before, &second, Names::Strict, effort.seed).images_each(3);
        check_points(again, &said, &second).map_err(|problem| format!("{point}, and again {problem}"))
    })?;
    Ok(images.iter().sum())
}

/// Appends while one flush fails, and goes on after it.
fn work_on_a_failing_disk(folder: &Path) {
    let (seed, steps) = parameters();
    let mut producer = Producer::new(&folder.join(PLACE), &["workspace", "sessions/1"], seed);
    producer.step().unwrap();
    let control = faults::control_of_this_process().unwrap();
    let nth = 1 + Random::new(seed).below(steps) as u64;
    let fault = Fault { classes: vec![Class::Sync], nth, action: Action::Fail(Errno::IO), is_sticky: false };
    control.arm(&fault).unwrap();
    (0..steps).for_each(|_| producer.step().unwrap());
}

/// Runs workloads in each of which one flush fails, and looks at crashes at every moment of each: what such a flush was
/// to make durable is never durable by itself again.
pub(crate) fn run_failing(effort: Effort, test: &str) -> Result<usize, String> {
    let images = share(effort.of(40), |number| {
        let folder = faults::temporary_folder().unwrap();
        let before = Disk::capture(folder.path()).unwrap();
        let session = Session::recording(folder.path()).unwrap();
        let mut child = faults::this_test(test);
        child.env(PARAMETERS, format!("{} 15", effort.seed * 1000 + number as u64));
        let status = session.run(&mut child).unwrap();
        if !status.success() {
            return Err(format!("workload {number} ended with {status}"));
        }
        let mut trace = session.trace().unwrap();
        trace.operations.retain(|operation| !is_of_index(operation));
        let points =
            CrashPoints::new(before, &trace, Names::Strict, effort.seed).images_each(1).share(number % 4, 4);
        check_points(points, &[], &trace).map_err(|problem| format!("workload {number}: {problem}"))
    })?;
    Ok(images.iter().sum())
}

#[test]
fn a_failed_flush_and_then_a_crash_lose_nothing_that_was_acknowledged() {
    if let Some(folder) = faults::workload_folder() {
        return work_on_a_failing_disk(&folder);
    }
    let effort = Effort::from_environment();
    let images = run_failing(effort, FAILING_TEST).unwrap();
    println!("{images} images");
}

#[test]
fn a_crash_after_a_crash_loses_nothing_either() {
    if let Some(folder) = faults::workload_folder() {
        return match std::env::var_os(PARAMETERS) {
            Some(_) => work(&folder),
            None => work_after_a_crash(&folder),
        };
    }
    let effort = Effort::from_environment();
    let images = run_again(effort, SECOND_TEST).unwrap();
    println!("{images} images");
    assert!(images as f64 >= 500.0 * effort.scale, "{images}");
}

#[test]
fn every_crash_leaves_a_store_that_keeps_its_promises() {
    if let Some(folder) = faults::workload_folder() {
        return work(&folder);
    }
    let effort = Effort::from_environment();
    let count = run(effort, TEST).unwrap();
    println!("{count:?}");
    assert!(count.images as f64 >= 5000.0 * effort.scale, "{count:?}");
    assert!(count.accepted as f64 >= 80.0 * effort.scale, "{count:?}");
}
