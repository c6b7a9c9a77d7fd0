//! `prove`, in short: the real program killing itself, and racing against itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;
use std::process::{Command, Output};

fn prove(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    program.env_clear().env("HOME", folder).args(["prove", "crash", "--dir"]).arg(folder).args(arguments);
    program.output().unwrap()
}

#[test]
fn what_killed_processes_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let scale: f64 = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
    let seed = std::env::var("SUPER_PLANNER_TEST_SEED").unwrap_or_else(|_| "1".to_owned());
    println!("SUPER_PLANNER_TEST_SEED={seed} repeats this");
    let rounds = ((20.0 * scale) as u64).max(1);
    let output = prove(folder.path(), &["--rounds", &rounds.to_string(), "--seed", &seed, "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["rounds"].as_u64(), Some(rounds));
    for wrong in ["lost", "half", "out_of_order"] {
        assert_eq!(answer[wrong].as_u64(), Some(0), "{answer}");
    }
    assert!(
        answer["acknowledged"].as_u64().unwrap() >= rounds,
        "each victim has acknowledged something: {answer}"
    );
    assert!(answer["found"].as_u64() >= answer["acknowledged"].as_u64(), "{answer}");
    assert!(said.contains("acknowledged, 0 lost"), "it tells how far it is: {said}");
}

#[test]
fn a_store_that_is_there_is_not_tried_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.db"), b"somebody's").unwrap();
    let output = prove(folder.path(), &["--rounds", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is a store"), "{output:?}");
    assert_eq!(std::fs::read(folder.path().join("state.db")).unwrap(), b"somebody's");
}

#[test]
fn processes_that_race_over_tasks_are_told_what_fits_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    program
        .env_clear()
        .env("HOME", folder.path())
        .args(["prove", "races", "--json", "--dir"])
        .arg(folder.path());
    let output = program.args(["--trials", "8", "--operations", "10", "--lease", "3s"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("{name} in {answer}"));
    for wrong in ["unexplained", "accepted_twice", "tokens_not_growing", "not_recorded"] {
        assert_eq!(count(wrong), 0, "{answer}");
    }
    assert!(count("trials") >= 8 && count("operations") == 160 * count("rounds"), "{answer}");
    assert!(count("refused") > 0 && count("prolonged") > 0, "{answer}");
    assert!(count("accepted") == count("trials") && said.contains("trials in"), "{answer}{said}");
}
