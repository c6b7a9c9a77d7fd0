//! Agents that ask the log themselves race over tasks, on one SQLite file that each has opened for itself.

use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::ScriptAgent;
use agent_coordinator::engine::Policy;
use agent_coordinator::race::{Findings, LibraryCounter, Racer, add_project, judge};
use planner_core::random::Random;
use state_store::{SqliteStore, StateStore, StreamName, SystemClock};

const RACERS: usize = 16;

/// Each of them shares its name with another.
const NAMES: usize = RACERS / 2;

const LEASE: Duration = Duration::from_millis(400);

/// Lets racers ask so many times each, and judges what they were told.
pub(crate) fn race(seed: u64, operations: usize) -> Findings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let stream = StreamName::workspace();
    let open =
        || -> Arc<dyn StateStore> { Arc::new(SqliteStore::open(&path, Arc::new(SystemClock)).unwrap()) };
    let store = open();
    add_project(&*store, &stream, [1; 16], "race", RACERS * operations / 3, RACERS / 2).unwrap();
    let history = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                let (open, stream) = (&open, stream.clone());
                scope.spawn(move || {
                    let name = format!("racer-{}", racer % NAMES);
                    let policy = Policy { lease: LEASE, ..Policy::default() };
                    let agent = ScriptAgent::open(open(), stream, &name, policy).unwrap();
                    let random = Random::of([seed, racer as u64]);
                    let racer = Racer { agent: name, random, pause: LEASE * 5 / 4 };
                    racer.race(&mut LibraryCounter::new(agent, "race"), operations).unwrap()
                })
            })
            .collect();
        racers.into_iter().flat_map(|racer| racer.join().unwrap()).collect::<Vec<_>>()
    });
    judge(&history, &*store, &stream, "race", LEASE, Duration::from_millis(10)).unwrap()
}

#[test]
fn what_racers_are_told_fits_one_order_and_the_log() {
    let seed = std::env::var("SUPER_PLANNER_TEST_SEED").map_or(1, |text| text.parse().unwrap());
    let scale = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
    println!("SUPER_PLANNER_TEST_SEED={seed} repeats the questions");
    let operations = ((60.0 * f64::min(scale, 20.0)) as usize).max(10);
    let findings = race(seed, operations);
    println!("{findings:?}");
    assert!(findings.are_fine(), "{findings:?}");
    assert_eq!(findings.operations, (RACERS * operations) as u64);
    assert!(findings.trials > 0 && findings.refused > 0 && findings.released > 0, "{findings:?}");
}
