//! The real program as agents from a shell, and as people who change what is to be done.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const PLAN: &str = "
name: small
tasks:
  - { id: A, title: First }
  - { id: B, title: Second, dependencies: [A] }
  - { id: C, title: Third, capabilities: [rust] }
";

/// A folder with a plan that is recorded, of which nothing is done: all of it is put aside at first.
struct Place(tempfile::TempDir);

struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let held = PLAN.replace(" }", ", standing: on_hold }");
        std::fs::write(place.0.path().join("plan.yaml"), held).unwrap();
        let told = place.run(&[
            "run",
            "plan.yaml",
            "--state",
            "state.db",
            "--landing",
            "none",
            "--agents",
            "1",
            "--quiet",
        ]);
        assert_eq!(told.code, 1, "{}{}", told.out, told.err);
        for task in ["A", "B", "C"] {
            assert_eq!(place.ask(&["task", "resume", task]).code, 0);
        }
        place
    }

    fn run(&self, arguments: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
            .args(arguments)
            .current_dir(Path::new(self.0.path()))
            .env("XDG_CONFIG_HOME", self.0.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Told { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn ask(&self, arguments: &[&str]) -> Told {
        self.run(&[arguments, &["--state", "state.db", "--json"]].concat())
    }
}

#[test]
fn a_script_takes_part_without_a_process_beside_it() {
    let place = Place::new();
    let first = place.ask(&["task", "acquire", "--agent", "one"]).json();
    assert_eq!((first["task"].as_str(), first["attempt"].as_u64()), (Some("A"), Some(1)));
    let again = place.ask(&["task", "acquire", "--agent", "one"]).json();
    assert_eq!(again["token"], first["token"], "it has one, and goes on with it");
    let token = first["token"].to_string();
    let held = ["--agent", "one", "--token", &token];

    let none = place.ask(&["task", "acquire", "--agent", "two"]);
    assert_eq!((none.code, none.json()["task"].is_null()), (1, true), "B waits, and C asks for rust");
    let rust = place.ask(&["task", "acquire", "--agent", "three", "--can", "rust"]).json();
    assert_eq!(rust["task"], "C");

    assert_eq!(place.ask(&[&["task", "heartbeat", "A"], &held[..]].concat()).code, 0);
    let word = ["task", "checkpoint", "A", "--text", "half of it"];
    assert_eq!(place.ask(&[&word[..], &held].concat()).code, 0);
    assert_eq!(place.ask(&[&["task", "release", "A"], &held[..]].concat()).json()["state"], "pending");
    let late = place.ask(&[&["task", "heartbeat", "A"], &held[..]].concat());
    assert_eq!(late.code, 1, "{}", late.err);

    let second = place.ask(&["task", "acquire", "--agent", "two"]).json();
    assert_eq!((second["task"].as_str(), second["checkpoint"].as_str()), (Some("A"), Some("half of it")));
    let zombie = place.ask(&[&["task", "complete", "A"], &held[..]].concat());
    assert_eq!(zombie.code, 1, "the one that has given it back delivers nothing");
    let token = second["token"].to_string();
    let deliver = ["task", "complete", "A", "--agent", "two", "--token", &token, "--request-id", "r-1"];
    assert_eq!(place.ask(&deliver).json()["state"], "completed");
    assert_eq!(place.ask(&deliver).json()["state"], "completed", "asked again, it is answered again");
    assert_eq!(place.ask(&["task", "acquire", "--agent", "two"]).json()["task"], "B");
    let log = place.run(&["log", "--state", "state.db", "--json"]).out;
    assert_eq!(log.matches("late result kept").count(), 1, "{log}");
}

#[test]
fn people_change_what_is_to_be_done() {
    let place = Place::new();
    assert_eq!(place.ask(&["task", "hold", "A"]).json()["state"], "on_hold");
    assert_eq!(place.ask(&["task", "complete", "A", "--reason", "by hand"]).json()["state"], "completed");
    assert_eq!(place.ask(&["task", "cancel", "C", "--reason", "no need"]).json()["state"], "cancelled");
    assert_eq!(place.ask(&["task", "retry", "C"]).json()["state"], "pending");
    let twice = place.ask(&["task", "retry", "C"]);
    assert_eq!((twice.code, twice.err.contains("refused")), (1, true), "{}", twice.err);
    assert_eq!(place.ask(&["task", "priority", "C", "critical"]).code, 0);
    assert_eq!(place.ask(&["pause", "--project", "small"]).json()["is_paused"], true);
    assert_eq!(place.ask(&["task", "acquire", "--agent", "one", "--can", "rust"]).code, 1);
    let told = place.ask(&["explain", "B"]).json();
    assert_eq!(told["explanation"]["reason"], "project_paused", "{told}");
    assert_eq!(place.ask(&["continue", "--project", "small"]).json()["is_paused"], false);
    assert_eq!(place.ask(&["task", "acquire", "--agent", "one", "--can", "rust"]).json()["task"], "C");
    assert_eq!(place.ask(&["task", "cancel", "--all", "--project", "small"]).code, 0);
    assert_eq!(place.ask(&["task", "acquire", "--agent", "one"]).code, 1);
}

#[test]
fn the_plan_of_a_project_is_made_that_of_a_file() {
    let place = Place::new();
    let cyclic = PLAN.replace("title: First", "title: First, dependencies: [B]");
    std::fs::write(place.0.path().join("cyclic.yaml"), cyclic).unwrap();
    assert_eq!(place.ask(&["apply", "cyclic.yaml"]).code, 1);
    let changed =
        PLAN.replace("  - { id: B, title: Second, dependencies: [A] }", "  - { id: D, title: Fourth }");
    std::fs::write(place.0.path().join("changed.yaml"), changed).unwrap();
    let told = place.ask(&["apply", "changed.yaml", "--dry-run"]).json();
    assert_eq!(told["changes"]["added"][0], "D");
    assert_eq!(place.ask(&["apply", "changed.yaml"]).json()["changes"]["removed"][0], "B");
    let told = place.ask(&["apply", "changed.yaml"]).json();
    assert_eq!(told["changes"]["added"].as_array().unwrap().len(), 0, "{told}");
    let run = ["run", "changed.yaml", "--state", "state.db", "--landing", "none", "--agents", "2", "--quiet"];
    let told = place.run(&[&run[..], &["--time-scale", "1000000"]].concat());
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}
