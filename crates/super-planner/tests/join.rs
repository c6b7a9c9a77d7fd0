//! A plan file that has changed since its last run: refused with the difference, or joined in; by the real program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

const PLAN: &str = "
name: small
description: three tasks
tasks:
  - { id: A, title: First }
  - { id: B, title: Second, dependencies: [A] }
  - { id: C, title: Third, standing: on_hold }
";

/// A folder with a plan of which A and B were carried out, and C was put aside.
struct Folder(tempfile::TempDir);

struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let first = folder.run(PLAN, &[]);
        assert_eq!(first.code, 1, "C waits: {}{}", first.out, first.err);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ask(&self, arguments: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
            .args(arguments)
            .args(["--state", "state.db"])
            .current_dir(self.0.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env_remove("SUPER_PLANNER_CONFIG")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Told { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a plan in the place of the one that was there.
    fn run(&self, plan: &str, arguments: &[&str]) -> Told {
        std::fs::write(self.path("plan.yaml"), plan).unwrap();
        let how = ["run", "plan.yaml", "--landing", "none", "--time-scale", "10000000", "--json"];
        self.ask(&[&how[..], arguments].concat())
    }

    fn joined(&self, plan: &str) -> (i32, Value) {
        let told = self.run(plan, &["--join"]);
        let value: Value =
            serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}", told.err));
        (told.code, value["joined"].clone())
    }

    /// Returns where a task stands.
    fn state(&self, id: &str) -> String {
        let told: Value = serde_json::from_str(&self.ask(&["explain", id, "--json"]).out).unwrap();
        told["explanation"]["reason"].as_str().unwrap().to_owned()
    }

    fn assert_states(&self, expected: &[(&str, &str)]) {
        for (id, state) in expected {
            assert_eq!(self.state(id), *state, "{id}");
        }
    }
}

#[test]
fn a_changed_file_is_refused_with_the_difference_and_nothing_is_written() {
    let folder = Folder::new();
    let before = std::fs::read(folder.path("state.db")).unwrap();
    let changed = PLAN.replace("title: Second", "title: Other").replace("id: C,", "id: D,");
    let told = folder.run(&changed, &[]);
    assert_eq!(told.code, 1, "{}", told.out);
    for expected in ["- C", "+ D", "~ B: title", "Other", "--join"] {
        assert!(told.err.contains(expected), "{expected}: {}", told.err);
    }
    assert_eq!(std::fs::read(folder.path("state.db")).unwrap(), before);
    folder.assert_states(&[("A", "completed"), ("B", "completed"), ("C", "on_hold")]);
}

#[test]
fn tasks_that_were_added_changed_and_removed_are_joined_in_and_carried_out() {
    let folder = Folder::new();
    let changed = "
name: small
tasks:
  - { id: A, title: First }
  - { id: B, title: Other, dependencies: [A, D], effort: 3h }
  - { id: D, title: Fourth, dependencies: [E] }
  - { id: E, title: Fifth }
";
    let (code, joined) = folder.joined(changed);
    assert_eq!((code, &joined["added"], &joined["removed"]), (0, &["D", "E"].into(), &["C"].into()));
    assert_eq!(joined["changed"][0]["id"], "B");
    folder.assert_states(&[("A", "completed"), ("B", "completed"), ("D", "completed"), ("E", "completed")]);
    // The next run finds the plan that is recorded, also what was put back is.
    let (code, joined) = folder.joined(changed);
    assert_eq!(
        (code, &joined["added"], &joined["changed"]),
        (0, &Value::Array(vec![]), &Value::Array(vec![]))
    );
    assert_eq!(folder.run(changed, &[]).code, 0);
    let (code, joined) = folder.joined(&format!("{changed}  - {{ id: C, title: Third }}\n"));
    assert_eq!((code, &joined["added"]), (0, &["C"].into()));
    assert_eq!(folder.state("C"), "completed", "what was removed and is there again is done");
}

#[test]
fn states_that_people_give_in_the_file_move_the_tasks() {
    let folder = Folder::new();
    // B is to be done again, C was done by hand, and D is put aside from the start.
    let changed = PLAN
        .replace("standing: on_hold", "standing: completed")
        .replace("dependencies: [A]", "dependencies: [A], standing: on_hold")
        .replace("title: First", "title: First, standing: completed");
    let told = folder.run(&changed, &["--join"]);
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.err.contains("`B` is completed, and the file has it on hold"), "{}", told.err);
    folder.assert_states(&[("A", "completed"), ("B", "completed"), ("C", "on_hold")]);

    let changed = PLAN.replace("standing: on_hold", "standing: completed");
    let (code, joined) = folder.joined(&changed);
    assert_eq!((code, &joined["changed"][0]["id"]), (0, &"C".into()));
    folder.assert_states(&[("A", "completed"), ("B", "completed"), ("C", "completed_by_hand")]);
    let told = folder.ask(&["explain", "C"]);
    assert!(told.out.contains("the plan file says"), "{}", told.out);

    // What the file takes back is done, and so is what it calls off no more.
    let (code, joined) = folder.joined(&PLAN.replace(", standing: on_hold", ""));
    assert_eq!((code, &joined["changed"][0]["id"]), (0, &"C".into()));
    let told = folder.ask(&["log", "C", "--json"]);
    assert!(told.out.contains("reopen"), "{}", told.out);
    folder.assert_states(&[("A", "completed"), ("B", "completed"), ("C", "completed")]);
}

#[test]
fn what_is_said_around_the_tasks_and_states_that_were_reached_are_no_difference() {
    let folder = Folder::new();
    let same = PLAN
        .replace("description: three tasks", "agents: [{ name: ada, capabilities: [rust] }]\nowner: me")
        .replace("title: First", "title: First, standing: completed");
    let told = folder.run(&same, &[]);
    assert_eq!(told.code, 1, "C waits: {}", told.err);
    let log = folder.ask(&["log", "--json"]);
    assert!(log.out.contains("\"ada\""), "the agents are those of the file: {}", log.out);
}

#[test]
fn what_is_under_way_elsewhere_is_not_removed_and_a_cycle_is_refused() {
    let folder = Folder::new();
    let with_d = format!("{PLAN}  - {{ id: D, title: Fourth, standing: on_hold }}\n");
    assert_eq!(folder.joined(&with_d).0, 1);
    assert_eq!(folder.ask(&["task", "resume", "D"]).code, 0);
    let told = folder.ask(&["task", "acquire", "--agent", "script"]);
    assert_eq!(told.code, 0, "{}", told.err);
    let told = folder.run(PLAN, &["--join"]);
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.err.contains("`D` is running, and the file does not have it"), "{}", told.err);
    let told = folder.ask(&["apply", "plan.yaml"]);
    assert_eq!(told.code, 1, "{}", told.out);

    let circle = PLAN.replace("title: First", "title: First, dependencies: [B]");
    let told = folder.run(&circle, &["--join"]);
    assert_eq!((told.code, told.err.contains("wait for each other")), (1, true), "{}", told.err);
    assert_eq!(folder.state("A"), "completed");
}

#[test]
fn what_a_killed_run_has_left_under_way_can_be_removed() {
    let folder = Folder(tempfile::tempdir().unwrap());
    std::fs::write(folder.path("plan.yaml"), PLAN).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .args([
            "run",
            "plan.yaml",
            "--state",
            "state.db",
            "--landing",
            "none",
            "--time-scale",
            "1",
            "--events",
        ])
        .current_dir(folder.0.path())
        .env("XDG_CONFIG_HOME", folder.path("config"))
        .env_remove("SUPER_PLANNER_CONFIG")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    assert_eq!(events.next().unwrap()["seq"], 1, "all that happens is told");
    assert!(events.any(|event| event["event"] == "started"), "A is worked on for an hour");
    run.kill().unwrap();
    run.wait().unwrap();
    let without_a = PLAN.replace("  - { id: A, title: First }\n", "").replace(", dependencies: [A]", "");
    let (code, joined) = folder.joined(&without_a);
    assert_eq!((code, &joined["removed"]), (1, &["A"].into()), "C waits");
    folder.assert_states(&[("A", "cancelled"), ("B", "completed"), ("C", "on_hold")]);
}

#[test]
fn a_group_that_loses_all_its_tasks_is_a_task() {
    let grouped = "name: small\ntasks: [{ id: G, title: Group }, { id: A, parent: G, standing: on_hold }]\n";
    let folder = Folder(tempfile::tempdir().unwrap());
    assert_eq!(folder.run(grouped, &[]).code, 1);
    let (code, joined) = folder.joined("name: small\ntasks: [{ id: G, title: Group }]\n");
    assert_eq!((code, &joined["removed"]), (0, &["A"].into()));
    let told = folder.ask(&["log", "G", "--json"]);
    assert!(told.out.contains("assign"), "it is worked on: {}", told.out);
}
