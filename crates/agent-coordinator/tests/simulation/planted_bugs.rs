//! One general run finds every planted bug without being told which there is; and none where there is none.

#![expect(clippy::print_stdout, reason = "a general run says what it has found")]

use crate::races;
use crate::storms::{Found, run_seeds};

const TEST: &str = "planted_bugs::one_general_run_finds_every_planted_bug";

const RACE: &str = "planted_bugs::a_race_finds_what_concerns_those_who_race";

const IS_GENERAL_RUN: &str = "AGENT_COORDINATOR_GENERAL_RUN";

/// How many seeds the general run has at the most, and for how many steps each storms.
const SEEDS: u64 = 200;
const STEPS: u64 = 3_000;

fn general_run() {
    let Found { seeds, broken, .. } = run_seeds(1, SEEDS, STEPS);
    match broken {
        Some((_, run)) => println!("\nFOUND after {seeds} seeds, by {}", run.violation.unwrap()),
        None => println!("\nFOUND nothing"),
    }
}

fn general_race() {
    let findings = races::race(1, 100);
    match findings.first_problem {
        Some(problem) => println!("\nFOUND in {} operations: {problem:.300}", findings.operations),
        None => println!("\nFOUND nothing"),
    }
}

fn found_with(test: &str, bug: Option<&str>) -> String {
    let mut run = std::process::Command::new(std::env::current_exe().unwrap());
    run.args([test, "--exact", "--nocapture"]).env(IS_GENERAL_RUN, "1");
    match bug {
        Some(bug) => run.env("AGENT_COORDINATOR_PLANTED_BUG", bug),
        None => run.env_remove("AGENT_COORDINATOR_PLANTED_BUG"),
    };
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match said.lines().find_map(|line| line.strip_prefix("FOUND ")) {
        Some(found) => found.to_owned(),
        // A run that cannot go on has found something, too.
        None => String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join(" "),
    }
}

/// Checks that the general run of a test finds each of the bugs, and nothing where nothing is planted.
fn check_found(test: &str, bugs: Vec<String>) {
    let mut missed = Vec::new();
    for bug in bugs {
        let found = found_with(test, Some(&bug));
        println!("{bug}: {found}");
        if found == "nothing" {
            missed.push(bug);
        }
    }
    assert_eq!(missed, [""; 0], "these were not found");
    assert_eq!(found_with(test, None), "nothing", "nothing is planted");
}

#[test]
fn one_general_run_finds_every_planted_bug() {
    if std::env::var_os(IS_GENERAL_RUN).is_some() {
        return general_run();
    }
    check_found(TEST, agent_coordinator::planted_bugs());
}

#[test]
fn a_race_finds_what_concerns_those_who_race() {
    if std::env::var_os(IS_GENERAL_RUN).is_some() {
        return general_race();
    }
    check_found(RACE, agent_coordinator::planted_bugs_of_races());
}
