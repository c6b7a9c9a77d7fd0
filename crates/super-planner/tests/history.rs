//! The real program on a history: looked at as it was, exported and imported, verified, damaged.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PLAN: &str = "
name: small
tasks:
  - { id: A, title: First, effort: 1h }
  - { id: B, title: Second, effort: 1h, dependencies: [A] }
";

/// A folder with a history in `state.db`.
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
        std::fs::write(place.path("plan.yaml"), PLAN).unwrap();
        let told = place.run(&[
            "run",
            "plan.yaml",
            "--agents",
            "2",
            "--landing",
            "none",
            "--time-scale",
            "1e9",
            "--state",
            "state.db",
        ]);
        assert_eq!(told.code, 0, "{}", told.err);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Told {
        let mut program = Command::new(env!("CARGO_BIN_EXE_super-planner"));
        program.env_clear().env("HOME", self.0.path()).env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
        let output = program.current_dir(self.0.path()).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("the program is not killed");
        Told { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that must go well.
    fn ok(&self, arguments: &[&str]) -> Told {
        let told = self.run(arguments);
        assert_eq!(told.code, 0, "{arguments:?}: {}{}", told.out, told.err);
        told
    }

    fn head(&self) -> u64 {
        self.ok(&["status", "--json", "--state", "state.db"]).json()["seq"].as_u64().unwrap()
    }
}

fn vandalise(path: &Path, statement: &str) {
    let changed = rusqlite::Connection::open(path).unwrap().execute(statement, []).unwrap();
    assert!(changed > 0, "{statement}");
}

#[test]
fn the_state_is_told_as_it_was() {
    let place = Place::new();
    let head = place.head();
    let status = |at: &str| place.ok(&["status", "--json", "--state", "state.db", "--at", at]).json();
    assert_eq!(status("0")["projects"], Value::Array(Vec::new()));
    let done = |at: u64| status(&at.to_string())["projects"][0]["completed"].as_u64().unwrap_or(0);
    let counts: Vec<_> = (0..=head).map(done).collect();
    assert!(counts.is_sorted() && counts.contains(&1) && counts[head as usize] == 2, "{counts:?}");
    let first = counts.iter().position(|count| *count == 1).unwrap().to_string();

    let told = place.ok(&["explain", "B", "--state", "state.db", "--at", &first]);
    assert!(!told.out.contains("It is done"), "{}", told.out);
    assert!(place.ok(&["explain", "B", "--state", "state.db"]).out.contains("It is done"));
    let told = place.ok(&["status", "--state", "state.db", "--at", &first]);
    assert!(
        told.out.contains(&format!("as of entry {first}")) && told.out.contains("1 of 2 done"),
        "{}",
        told.out
    );
    assert_eq!(status("2001-01-01")["seq"], 0);
    assert_eq!(status("2999-01-01T00:00:00Z")["seq"], head);
    let told = place.run(&["status", "--state", "state.db", "--at", "9999"]);
    assert_eq!(
        (told.code, told.err.contains(&format!("the log ends with {head}"))),
        (1, true),
        "{}",
        told.err
    );
    assert_eq!(place.run(&["status", "--state", "state.db", "--at", "yesterday"]).code, 2);
}

#[test]
fn what_differs_between_two_points_is_told_by_meaning() {
    let place = Place::new();
    let head = place.head().to_string();
    let told = place.ok(&["log", "diff", "0", &head, "--state", "state.db"]);
    for part in ["project small is new", "agent agent-1 is new", "completed"] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    let json = place.ok(&["log", "diff", "0", &head, "--state", "state.db", "--json"]).json();
    let tasks = json["difference"]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2, "{json}");
    assert!(tasks[0]["before"].is_null() && tasks[0]["after"]["state"] == "completed", "{json}");
    let told = place.ok(&["log", "diff", &head, &head, "--state", "state.db"]);
    assert!(told.out.contains("nothing differs"), "{}", told.out);
}

#[test]
fn the_history_of_a_task_is_told_alone() {
    let place = Place::new();
    for arguments in [&["log", "B"][..], &["log", "--task", "B"]] {
        let told = place.ok(&[arguments, &["--state", "state.db", "--json"]].concat());
        let events: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(events.iter().all(|event| event["task"] == "B"));
        let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!((names.first(), names.last()), (Some(&"assigned"), Some(&"completed")), "{names:?}");
    }
}

#[test]
fn a_history_is_exported_and_imported() {
    let place = Place::new();
    place.ok(&["export", "--state", "state.db", "--out", "history.jsonl"]);
    let archive = std::fs::read_to_string(place.path("history.jsonl")).unwrap();
    assert!(archive.contains("\"event\":\"completed\",\"project\":\"small\",\"task\":\"B\""), "{archive}");
    let told = place.run(&["export", "--state", "state.db", "--out", "history.jsonl"]);
    assert_eq!(told.code, 2, "a file is not overwritten: {}", told.err);

    let told = place.ok(&["import", "history.jsonl", "--state", "copy.db"]);
    assert!(told.out.contains("imported"), "{}", told.out);
    let told = place.ok(&["export", "--state", "copy.db"]);
    let body = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(body(&told.out), body(&archive), "the same but for the line that says when");
    let hash = |state: &str| place.ok(&["verify", "--state", state, "--json"]).json()["streams"].clone();
    let workspace = |state| hash(state).as_array().unwrap().last().unwrap().clone();
    assert_eq!(workspace("copy.db"), workspace("state.db"));

    let told = place.run(&["import", "history.jsonl", "--state", "copy.db"]);
    assert_eq!((told.code, told.err.contains("not empty")), (3, true), "{}", told.err);
    std::fs::write(place.path("cut.jsonl"), &archive[..archive.len() / 2]).unwrap();
    let told = place.run(&["import", "cut.jsonl", "--state", "new.db"]);
    assert_eq!((told.code, told.err.contains("cut off after line")), (2, true), "{}", told.err);
    place.ok(&["import", "history.jsonl", "--state", "new.db"]);
}

#[test]
fn a_store_whose_import_broke_off_is_refused() {
    let place = Place::new();
    place.ok(&["export", "--state", "state.db", "--out", "history.jsonl"]);
    place.ok(&["import", "history.jsonl", "--state", "copy.db"]);
    // As it is where the program is killed before it notes that everything is there.
    let last = "(SELECT max(key) FROM segments WHERE key >> 40 = (SELECT number FROM streams WHERE name = 'origin'))";
    vandalise(&place.path("copy.db"), &format!("DELETE FROM segments WHERE key = {last}"));
    std::fs::remove_file(place.path("copy.db-tip")).unwrap();
    for command in [&["status"][..], &["log"], &["export"], &["run", "plan.yaml", "--landing", "none"]] {
        let told = place.run(&[command, &["--state", "copy.db"]].concat());
        assert_eq!(
            (told.code, told.err.contains("an import into it did not come to its end")),
            (3, true),
            "{}",
            told.err
        );
    }
    let told = place.run(&["verify", "--state", "copy.db"]);
    assert_eq!((told.code, told.out.contains("an import into it did not")), (3, true), "{}", told.out);
}

#[test]
fn a_damaged_store_says_what_is_lost_and_is_read_up_to_there() {
    let place = Place::new();
    let told = place.ok(&["verify", "--state", "state.db"]);
    assert!(told.out.contains("sound") && told.out.contains("workspace"), "{}", told.out);
    let path = place.path("state.db");
    let bad = "(SELECT key FROM segments ORDER BY key LIMIT 1 OFFSET 4)";
    let first: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row(&format!("SELECT {bad} & 65535"), [], |row| row.get(0))
        .unwrap();
    vandalise(&path, &format!("UPDATE segments SET body = zeroblob(9) WHERE key = {bad}"));

    let well = (first - 1).to_string();
    let before = std::fs::read(&path).unwrap();
    for command in [&["status"][..], &["log"], &["explain", "A"], &["run", "plan.yaml", "--landing", "none"]]
    {
        let told = place.run(&[command, &["--state", "state.db"]].concat());
        assert_eq!(told.code, 3, "{command:?}: {}", told.err);
        let err = told.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(&format!("damaged at entry {first}")), "{err}");
        assert!(err.contains(&format!("entries up to {well} are well")), "{err}");
    }
    for command in [&["status"][..], &["log"], &["explain", "A"]] {
        place.ok(&[command, &["--state", "state.db", "--at", &well]].concat());
    }
    let json = place.run(&["verify", "--state", "state.db", "--json"]);
    assert_eq!(json.code, 3);
    let workspace = json.json()["streams"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(workspace["sound_until"].to_string(), well, "{workspace}");
    let told = place.run(&["verify", "--state", "state.db"]);
    assert!(told.out.contains("damaged") && told.out.contains(&format!("--at {well}")), "{}", told.out);
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing is written to it");
}

#[test]
fn what_is_well_of_a_damaged_store_is_recovered_and_the_plan_goes_on() {
    let place = Place::new();
    vandalise(&place.path("state.db"), "UPDATE segments SET body = zeroblob(9) WHERE key & 255 = 13");
    let before = std::fs::read(place.path("state.db")).unwrap();
    let recover =
        |to: &str, out: &str| place.run(&["recover", "--to", to, "--out", out, "--state", "state.db"]);
    let told = recover("13", "new.db");
    assert_eq!((told.code, told.err.contains("--to 12")), (1, true), "{}", told.err);
    assert!(!place.path("new.db").exists(), "nothing is made where nothing is recovered");
    let told = recover("12", "new.db");
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("up to entry 12") && told.out.contains("left out"), "{}", told.out);
    assert_eq!(recover("12", "new.db").code, 2, "never over another");
    assert_eq!(std::fs::read(place.path("state.db")).unwrap(), before, "the damaged one is as it was");

    assert!(place.ok(&["log", "--state", "new.db"]).out.contains("recovered"));
    let status = place.ok(&["status", "--state", "new.db", "--json"]).json();
    assert_eq!(status["projects"][0]["completed"], 1, "{status}");
    let again = ["run", "plan.yaml", "--agents", "2", "--landing", "none", "--time-scale", "1e9"];
    let told = place.run(&[&again[..], &["--state", "new.db"]].concat());
    let lost = "its coordinator is gone";
    assert!(told.code == 0, "{}{}", told.out, told.err);
    assert!(place.ok(&["log", "B", "--state", "new.db"]).out.contains(lost));
    assert!(place.ok(&["verify", "--state", "new.db"]).out.contains("sound"));
}

#[test]
fn people_look_at_tables_and_what_a_snapshot_covers_is_dropped_when_that_is_said() {
    let place = Place::new();
    let head = place.head();
    let told = place.run(&["compact", "--yes", "--state", "state.db"]);
    assert_eq!((told.code, told.err.contains("super-planner snapshot")), (1, true), "{}", told.err);
    let told = place.ok(&["snapshot", "--state", "state.db"]);
    assert!(told.out.contains(&format!("tables as of entry {head}")), "{}", told.out);
    let connection = rusqlite::Connection::open(place.path("state.db")).unwrap();
    let query = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(query("SELECT count(*) FROM tasks WHERE state = 'completed'"), 2);
    assert_eq!(query("SELECT count(*) FROM history"), head as i64);
    assert_eq!(query("SELECT count(*) FROM leases"), 0);
    assert_eq!(query("SELECT count(*) FROM agents WHERE status = 'retired'"), 2);

    let told = place.ok(&["compact", "--state", "state.db"]);
    assert!(told.err.contains("nothing was dropped"), "nobody is there to say yes: {}", told.err);
    place.ok(&["log", "A", "--state", "state.db"]);
    let told = place.ok(&["compact", "--yes", "--state", "state.db"]);
    assert!(told.out.contains(&format!("up to {head}")), "{}", told.out);
    place.ok(&["verify", "--state", "state.db"]);
    let status = place.ok(&["status", "--state", "state.db", "--json"]).json();
    assert_eq!(status["projects"][0]["completed"], 2, "{status}");
    place.ok(&["export", "--state", "state.db", "--out", "rest.jsonl"]);
    place.ok(&["import", "rest.jsonl", "--state", "rest.db"]);
    let status = place.ok(&["status", "--state", "rest.db", "--json"]).json();
    assert_eq!(status["projects"][0]["completed"], 2, "{status}");
    assert_eq!(place.run(&["status", "--at", "3", "--state", "state.db"]).code, 3);
}

#[test]
fn careless_settings_are_for_databases_alone() {
    let place = Place::new();
    let told = place.run(&["status", "--state", "state.db", "--unsafe-durability"]);
    assert_eq!((told.code, told.err.contains("PostgreSQL")), (2, true), "{}", told.err);
}
