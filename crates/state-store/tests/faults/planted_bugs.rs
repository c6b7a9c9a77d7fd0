//! One run of all harnesses, scaled down, finds every planted bug without being told which there is; and none where
//! there is none.

use std::panic::{AssertUnwindSafe, catch_unwind};

use state_store::log::PLANTED_BUGS;

use crate::effort::Effort;
use crate::{crash_images, damage, failing_operations, races};

const TEST: &str = "planted_bugs::one_general_run_finds_every_planted_bug";

const IS_GENERAL_RUN: &str = "STATE_STORE_GENERAL_RUN";

/// How much of its ordinary work each harness does.
const SHARE: f64 = 0.15;

type Harness = (&'static str, fn(Effort) -> Result<(), String>);

const HARNESSES: [Harness; 5] = [
    ("damage", |effort| damage::run(effort).map(drop)),
    ("failing operations", |effort| failing_operations::run(effort, failing_operations::TEST).map(drop)),
    ("power cuts", |effort| crash_images::run(effort, crash_images::TEST).map(drop)),
    ("failed flushes and power cuts", |effort| {
        crash_images::run_failing(effort, crash_images::FAILING_TEST).map(drop)
    }),
    ("races", |effort| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        races::run(effort, races::SQLITE_TEST, path.to_str().unwrap()).map(drop)
    }),
];

/// Runs the harnesses until one finds something, and says what.
fn general_run() {
    let effort = Effort::from_environment();
    let effort = Effort { scale: effort.scale * SHARE, ..effort };
    for (name, harness) in HARNESSES {
        // A harness that cannot go on has found something, too.
        let outcome = catch_unwind(AssertUnwindSafe(|| harness(effort)));
        let problem = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(problem)) => problem,
            Err(_) => "it could not go on".to_owned(),
        };
        println!("\nFOUND by {name}: {}", problem.replace('\n', " "));
        return;
    }
    println!("\nFOUND nothing");
}

fn found_with(bug: Option<&str>) -> String {
    let mut run = faults::this_test(TEST);
    run.env(IS_GENERAL_RUN, "1").env("RUST_BACKTRACE", "0");
    if let Some(bug) = bug {
        run.env("SUPER_PLANNER_PLANTED_BUG", bug);
    }
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = said.lines().find_map(|line| line.strip_prefix("FOUND "));
    let Some(found) = found else { panic!("{said}{}", String::from_utf8_lossy(&output.stderr)) };
    found.to_owned()
}

#[test]
fn one_general_run_finds_every_planted_bug() {
    if std::env::var_os(IS_GENERAL_RUN).is_some() {
        return general_run();
    }
    let mut missed = Vec::new();
    for bug in PLANTED_BUGS {
        let found = found_with(Some(bug));
        println!("{bug}: {}", found.chars().take(300).collect::<String>());
        if found == "nothing" {
            missed.push(bug);
        }
    }
    assert_eq!(missed, [""; 0], "these were not found");
    assert_eq!(found_with(None), "nothing", "nothing is planted");
}
