//! How often the disk is flushed: once for each batch that is committed, and for checkpoints, which are counted.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use faults::{Operation, Session};
use state_store::log::{GroupCommit, copying};
use state_store::{Entry, Seq, StateStore};

use crate::workload::{open, stream};

const TEST: &str = "flushes::a_commit_costs_one_flush_and_a_checkpoint_two_at_the_most";

const COMMITS: usize = 200;

/// Commits one by one what is too little for a checkpoint, then for several threads together, then much.
fn work(folder: &Path) {
    let store = Arc::new(open(&folder.join("state.db")).unwrap());
    let workspace = stream("workspace");
    let commit = |bytes: usize| {
        let transaction = store.begin(&workspace, store.head(&workspace).unwrap()).unwrap();
        transaction.commit(vec![entry(bytes)]).unwrap();
    };
    commit(10);
    faults::mark(b"one by one").unwrap();
    (0..COMMITS).for_each(|_| commit(10));
    faults::mark(b"together").unwrap();
    let group = GroupCommit::start(store.clone(), workspace.clone()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    group.append(vec![entry(10)]).unwrap();
                }
            });
        }
    });
    drop(group);
    faults::mark(b"much").unwrap();
    (0..COMMITS).for_each(|_| commit(64 << 10));
    faults::mark(format!("end {}", store.checkpoints()).as_bytes()).unwrap();
}

fn entry(bytes: usize) -> Entry {
    Entry { kind: 1, version: 1, body: vec![7; bytes] }
}

/// Returns what the workload said, each with the flushes after it: of the log, the file and their folder.
fn flushes(operations: &[Operation]) -> Vec<(String, Flushes)> {
    let mut phases: Vec<(String, Flushes)> = Vec::new();
    for operation in operations {
        match (operation, phases.last_mut()) {
            (Operation::Mark(said), _) => {
                phases.push((String::from_utf8(said.clone()).unwrap(), Flushes::default()));
            }
            (Operation::Sync { path, .. }, Some((_, flushes))) => match &*path.to_string_lossy() {
                "state.db-wal" => flushes.log += 1,
                "state.db" => flushes.file += 1,
                "" => flushes.folder += 1,
                other => panic!("`{other}` is flushed, and nobody knows why"),
            },
            _ => {}
        }
    }
    phases
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Flushes {
    log: usize,
    file: usize,
    folder: usize,
}

impl Flushes {
    fn of_the_log(log: usize) -> Self {
        Self { log, ..Self::default() }
    }
}

fn segments(path: &Path) -> usize {
    let (store, mut count) = (open(path).unwrap(), 0);
    let whole = Seq::new(i64::MAX as u64);
    copying::read_segments(&store, &stream("workspace"), Seq::START, whole, &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    count
}

#[test]
fn a_commit_costs_one_flush_and_a_checkpoint_two_at_the_most() {
    if let Some(folder) = faults::workload_folder() {
        return work(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let session = Session::recording(folder.path()).unwrap();
    assert!(session.run(&mut faults::this_test(TEST)).unwrap().success());
    let phases = flushes(&session.trace().unwrap().operations);
    let [(_, one_by_one), (_, together), (_, much), (end, _)] = &phases[..] else { panic!("{phases:?}") };
    assert_eq!(*one_by_one, Flushes::of_the_log(COMMITS));
    let batches = segments(&folder.path().join("state.db")) - 1 - 2 * COMMITS;
    assert_eq!(*together, Flushes::of_the_log(batches));
    let checkpoints: usize = end.trim_start_matches("end ").parse().unwrap();
    // One more may have been under way at the end.
    assert!(checkpoints >= 2 && (COMMITS..=COMMITS + checkpoints + 1).contains(&much.log), "{phases:?}");
    // Who makes them flushes the folder once, when it first flushes the log.
    assert!(much.file <= checkpoints + 1 && much.folder <= 1, "{phases:?}");
    println!("{phases:?}");
}
