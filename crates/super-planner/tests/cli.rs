//! Drives the real program from outside: what it prints, how it ends, and that bad input does no harm.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_coordinator::engine::{AgentSpec, Command, Engine, Policy, Request};
use agent_coordinator::turn;
use serde_json::Value;
use state_store::task::{Deliverable, FailureReason, Host, ProjectKey, ProjectSettings, TaskKey};
use state_store::{SqliteStore, StreamName, SystemClock};

/// A folder of its own for each test, in which the program runs with an environment of its own.
struct TestFolder(tempfile::TempDir);

impl TestFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn program(&self) -> Process {
        let mut program = Process::new(env!("CARGO_BIN_EXE_super-planner"));
        program
            .env_clear()
            .env("HOME", self.0.path())
            .env("COLUMNS", "120")
            .env("TZ", "UTC")
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.0.path());
        program
    }

    fn run(&self, arguments: &[&str]) -> Told {
        Told::of(&self.program().args(arguments).output().unwrap())
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[derive(Debug)]
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Told {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().expect("the program is not killed"),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn lines(&self) -> Vec<&str> {
        self.out.lines().map(str::trim_end).collect()
    }
}

const PLAN: &str = "\
name: small
tasks:
  - { id: A, title: First, effort: 2h }
  - { id: B, title: Second, effort: 3h, dependencies: [A] }
  - { id: C, title: Beside, effort: 1h, dependencies: [A] }
  - { id: D, title: Last, effort: 1h, dependencies: [B, C] }
";

const BROKEN_PLAN: &str = "\
name: broken
tasks:
  - { id: A, title: First, dependencies: [A] }
  - { id: B, title: Second, dependencies: [Aa] }
";

#[test]
fn a_sound_plan_is_called_so() {
    let folder = TestFolder::new();
    folder.write("plan.yaml", PLAN);
    let told = folder.run(&["validate", "plan.yaml"]);
    assert_eq!((told.code, told.out.as_str()), (0, "plan.yaml: sound (4 entries, format yaml)\n"));
    let json = folder.run(&["validate", "plan.yaml", "--json"]).json();
    assert_eq!((&json["version"], &json["errors"]), (&1.into(), &0.into()));
}

#[test]
fn all_defects_are_told_at_once_with_their_lines() {
    let folder = TestFolder::new();
    folder.write("plan.yaml", BROKEN_PLAN);
    let told = folder.run(&["validate", "plan.yaml"]);
    assert_eq!(told.code, 1);
    for part in ["plan.yaml:3:", "plan.yaml:4:", "id: B, title: Second", "plan.yaml: 2 errors"] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    assert!(!told.out.contains('\u{1b}'), "no colours where nobody sees them");
    let json = folder.run(&["validate", "plan.yaml", "--json"]).json();
    let lines: Vec<&Value> = json["diagnostics"].as_array().unwrap().iter().map(|one| &one["line"]).collect();
    assert_eq!(lines, [3, 4]);
    let told = folder.run(&["analyze", "plan.yaml"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains("the plan plan.yaml has 2 defects"), "{}", told.err);
}

#[test]
fn colours_are_there_when_asked_for() {
    let folder = TestFolder::new();
    folder.write("plan.yaml", PLAN);
    assert!(folder.run(&["validate", "plan.yaml", "--color", "always"]).out.contains("\u{1b}["));
}

#[test]
fn a_plan_is_analysed() {
    let folder = TestFolder::new();
    folder.write("plan.yaml", PLAN);
    let told = folder.run(&["analyze", "plan.yaml", "--agents", "2"]);
    let expected = "\
small
  entries        4
  groups         0
  tasks to do    4
  done before    0
  excluded       0
  dependencies   4
  work to do    7h

Waves  3; the widest is number 2 with 2 tasks
  sizes: 1 2 1

Critical path  6h in 3 tasks
  A  2h  First
  B  3h  Second
  D  1h  Last

Slack  3 tasks without any; the least of the others:
  C  2h  Beside

Longest chains  no task in two: work, tasks, and which
   6h  3  A → B → D
   1h  1  C

Bottlenecks  the share of long ways through each, and the critical path without it
  A  100 %  4h  First
  B  100 %  4h  Second
  D  100 %  5h  Last

Least time  6h with 2 agents that can do everything: the critical path takes that long with any number
  at least 3.5h: there are 7h of work, and they take 2 tasks at once";
    assert_eq!(told.lines().join("\n"), expected);
    let json = folder.run(&["analyze", "plan.yaml", "--agents", "1", "--json"]).json();
    assert_eq!(json["least_time"]["hours"], 7.0);
    assert_eq!(json["least_time"]["reason"]["kind"], "work");
    assert_eq!(json["waves"]["count"], 3);
    assert_eq!(json["critical_path"]["tasks"][1]["id"], "B");
}

/// Every kind of bad input: the program says so within a second or so, does not panic, and writes nothing.
#[test]
fn bad_input_is_refused_in_time_and_leaves_nothing_behind() {
    let folder = TestFolder::new();
    folder.write("empty.yaml", "");
    folder.write("latin1.yaml", b"name: caf\xe9\n");
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ('b'..='k').zip('a'..) {
        bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", "));
    }
    folder.write("bomb.yaml", bomb + "tasks: *k\n");
    folder.write("deep.json", format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    folder.write("deep.yaml", format!("tasks: {}{}", "[".repeat(10_000), "]".repeat(10_000)));
    folder.write("self.yaml", "tasks: [{ id: A, dependencies: [A] }]\n");
    folder.write("long.jsonl", format!("{{\"id\": \"a\", \"title\": \"{}\"}}\n", "x".repeat(50_000_000)));
    folder.write("control.yaml", "tasks: [{ id: \"a\\eb\" }]\n");
    folder.write("raw.json", "{\"tasks\": [{\"id\": \"a\u{1b}[2J\u{9b}b\"}]}");
    folder.write("parent.yaml", "tasks: [{ id: ../../etc/passwd }]\n");
    folder.write("noise.bin", (0..=255).cycle().take(100_000).collect::<Vec<u8>>());
    std::fs::create_dir(folder.path("folder")).unwrap();
    let before = folder.files();
    for (name, code) in [
        ("missing.yaml", 2),
        ("empty.yaml", 2),
        ("folder", 2),
        ("latin1.yaml", 2),
        ("bomb.yaml", 2),
        ("deep.json", 2),
        ("deep.yaml", 2),
        ("self.yaml", 1),
        ("long.jsonl", 2),
        ("control.yaml", 1),
        ("raw.json", 2),
        ("parent.yaml", 1),
        ("noise.bin", 2),
    ] {
        for arguments in [&["validate", name][..], &["analyze", name], &["validate", name, "--json"]] {
            let begun = Instant::now();
            let told = folder.run(arguments);
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} took {:?}", begun.elapsed());
            assert_eq!(told.code, code, "{arguments:?}: {told:?}");
            let all = told.out + &told.err;
            assert!(all.len() > 10 && all.len() < 20_000, "{name}: {}", all.len());
            assert!(
                !all.contains("panicked") && !all.chars().any(|c| c.is_control() && c != '\n'),
                "{all:?}"
            );
        }
    }
    assert_eq!(folder.files(), before);
}

#[test]
fn a_title_with_control_characters_is_shown_escaped() {
    let folder = TestFolder::new();
    folder.write("plan.yaml", "name: \"x\\e]0;y\"\ntasks: [{ id: A, title: \"\\e[31mred\\a\" }]\n");
    let told = folder.run(&["analyze", "plan.yaml"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("\\u{1b}[31mred\\u{7}"), "{}", told.out);
    assert!(!told.out.chars().any(|c| c.is_control() && c != '\n'), "{:?}", told.out);
}

#[test]
fn the_documentation_and_the_help_tell_the_same_exit_codes() {
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/exit-codes.md"))
            .unwrap();
    let in_document: Vec<(&str, &str)> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .filter(|(code, _)| code.parse::<u8>().is_ok())
        .collect();
    let help = TestFolder::new().run(&["--help"]);
    assert_eq!(help.code, 0);
    let (_, table) = help.out.split_once("Exit codes:\n").expect("the help ends with the exit codes");
    let flat = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected: Vec<String> =
        in_document.iter().map(|(code, meaning)| format!("{code} {meaning}")).collect();
    assert_eq!(flat, expected.join(" "));
    let codes: Vec<String> =
        super_planner::error::Exit::ALL.iter().map(|exit| exit.code().to_string()).collect();
    assert_eq!(in_document.iter().map(|(code, _)| *code).collect::<Vec<_>>(), codes);
}

#[test]
fn what_cannot_be_understood_ends_with_2() {
    let folder = TestFolder::new();
    for arguments in [
        &[][..],
        &["fly"],
        &["validate"],
        &["analyze", "x", "--agents", "0"],
        &["run", "x", "--failure-rate", "1.5"],
        &["explain"],
        &["status", "--state", "http://localhost/x"],
        &["status", "--state", "memory:"],
        &["completions", "klingon"],
    ] {
        assert_eq!(folder.run(arguments).code, 2, "{arguments:?}");
    }
    assert_eq!(folder.run(&["--version"]).code, 0);
}

#[test]
fn every_shell_gets_completions() {
    let folder = TestFolder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let told = folder.run(&["completions", shell]);
        assert_eq!(told.code, 0);
        assert!(told.out.contains("super-planner") && told.out.contains("validate"), "{shell}");
    }
}

#[test]
fn settings_are_shown_with_their_origins() {
    let folder = TestFolder::new();
    let file = folder.write(".config/super-planner/config.toml", "agents = 4\nlease = '2m'\n");
    let output = folder.program().args(["config", "show", "--json"]).env("SUPER_PLANNER_SEED", "7").output();
    let json = Told::of(&output.unwrap()).json();
    let setting = |name: &str| {
        let settings = json["settings"].as_array().unwrap();
        let one = settings.iter().find(|one| one["name"] == name).unwrap();
        (one["value"].clone(), one["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(setting("agents"), (4.into(), "file, line 1".to_owned()));
    assert_eq!(setting("lease"), ("2m".into(), "file, line 2".to_owned()));
    assert_eq!(setting("seed"), (7.into(), "SUPER_PLANNER_SEED".to_owned()));
    assert_eq!(setting("failures_max"), (3.into(), "default".to_owned()));
    std::fs::write(&file, "agnets = 4\n").unwrap();
    let told = folder.run(&["config", "show"]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("line 1") && told.err.contains("did you mean `agents`?"), "{}", told.err);
    assert_eq!(folder.run(&["config", "show", "--config", "none.toml"]).code, 2);
}

#[test]
fn the_doctor_looks_at_everything() {
    let folder = TestFolder::new();
    let told = folder.run(&["doctor", "--state", "state.db", "--json"]);
    let json = told.json();
    let findings = json["findings"].as_array().unwrap();
    let about: Vec<&str> = findings.iter().map(|one| one["about"].as_str().unwrap()).collect();
    assert_eq!(
        about,
        [
            "configuration",
            "git",
            "repository",
            "sqlite",
            "state",
            "file system",
            "flush",
            "disk space",
            "agents",
            "keys"
        ]
    );
    for finding in findings {
        assert_eq!(finding["level"] == "ok", finding["advice"].is_null(), "{finding}");
    }
    let mut doctor = folder.program();
    doctor.args(["doctor", "--state", "state.db"]).env("OPENAI_API_KEY", "secret-value");
    let told = Told::of(&doctor.output().unwrap());
    assert!(told.out.contains("OPENAI_API_KEY") && !told.out.contains("secret-value"), "{}", told.out);
    assert!(folder.files().is_empty(), "the doctor leaves nothing behind");
    assert_eq!(folder.run(&["doctor"]).code, 1, "there is no repository");
    folder.write("state.db", "not a database, but long enough to look like something that could be one");
    assert_eq!(folder.run(&["doctor", "--state", "state.db"]).code, 1);
}

#[test]
fn a_state_that_is_not_there_is_not_made() {
    let folder = TestFolder::new();
    for command in [&["status"][..], &["explain", "A"], &["log"]] {
        let told = folder.run(&[command, &["--state", "state.db"]].concat());
        assert_eq!(told.code, 3, "{told:?}");
        assert!(told.err.contains("there is no store at"), "{}", told.err);
        assert_eq!(folder.run(command).code, 3, "there is no repository either");
    }
    let told = folder.run(&["status", "--state", "state.db", "--json"]);
    let error: Value = serde_json::from_str(&told.err).unwrap();
    assert_eq!((&error["error"]["kind"], &error["error"]["exit_code"]), (&"store".into(), &3.into()));
    assert!(folder.files().is_empty());
}

const STATE_PLAN: &str = "\
name: parcels
tasks:
  - { id: A, title: Done first, landing: none }
  - { id: B, title: \"Under \\e[31mway\", dependencies: [A], landing: none, priority: critical }
  - { id: C, title: Waits, dependencies: [B] }
  - { id: D, title: Needs somebody else, capabilities: [cobol] }
  - { id: E, title: Fails, dependencies: [A], landing: none }
  - { id: F, title: Never, dependencies: [E] }
  - { id: G, title: A group }
  - { id: G-1, title: In it, parent: G, dependencies: [C] }
";

/// Makes a state in which A is done, B runs, E has failed for good, the rest waits, and `last` was done at the end.
fn make_state(folder: &TestFolder, last: &[Command]) {
    let reading =
        planner_core::read("plan.yaml", STATE_PLAN.as_bytes(), None, &planner_core::Limits::default());
    let plan = reading.unwrap().plan;
    let path = folder.path("state.db");
    let store = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
    let hour = Duration::from_secs(3600);
    let policy = Policy { lease: hour, instance_lease: hour, failures_max: 1, ..Policy::default() };
    let mut engine = Engine::new([7; 16], policy);
    let mut act = |commands: &[Command]| {
        let requests: Vec<Request> = commands.iter().cloned().map(Request::from).collect();
        let turn = turn(&mut engine, &store, &StreamName::workspace(), &requests).unwrap();
        for answer in &turn.answers {
            answer.as_ref().unwrap();
        }
        engine.state().project(ProjectKey(0)).map(|project| project.tasks.clone()).unwrap_or_default()
    };
    let host = Host { boot: "boot".to_owned(), pid: 1, started: 1 };
    let agents = ["anna", "ben"].map(|name| AgentSpec {
        name: name.to_owned(),
        capabilities: ["rust"].into_iter().collect(),
        slots: 1,
        lease: None,
        labels: Vec::new(),
    });
    act(&[Command::Begin { host }]);
    act(&[Command::RegisterAgents(agents.into())]);
    let settings = ProjectSettings { branch: None, checks: false };
    let tasks = act(&[Command::Enter { plan, settings }]);
    let key = |task| TaskKey { project: ProjectKey(0), task };
    let lease = tasks[0].state.lease().expect("A is handed out at once").to_owned();
    act(&[Command::Start { task: key(0), token: lease.token }]);
    let deliverable = Deliverable::NoFiles;
    let tasks =
        act(&[Command::Deliver { task: key(0), token: lease.token, agent: lease.agent, deliverable }]);
    let [running, failing] = [1, 4].map(|task: usize| tasks[task].state.lease().unwrap().token);
    act(&[
        Command::Start { task: key(1), token: running },
        Command::Start { task: key(4), token: failing },
        Command::Fail {
            task: key(4),
            token: failing,
            reason: FailureReason::Agent("no \u{1b}idea".to_owned()),
        },
    ]);
    act(last);
}

#[test]
fn the_status_tells_what_runs_and_why_the_rest_waits() {
    let folder = TestFolder::new();
    make_state(&folder, &[]);
    let told = folder.run(&["status", "--state", "state.db"]);
    assert_eq!(told.code, 0, "{told:?}");
    for part in
        ["parcels", "1 of 7 done", "1 running", "1 failed", "1 ready", "Under \\u{1b}[31mway", "anna", "ben"]
    {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    assert!(!told.out.contains('\u{1b}'));
    let json = folder.run(&["status", "--state", "sqlite:state.db", "--project", "parcels", "--json"]).json();
    let project = &json["projects"][0];
    assert_eq!(
        (&project["tasks"], &project["completed"], &project["ready"]),
        (&7.into(), &1.into(), &1.into())
    );
    assert_eq!(project["running"][0]["task"], "B");
    let waiting: Vec<&str> =
        project["waiting"].as_array().unwrap().iter().map(|one| one["task"].as_str().unwrap()).collect();
    assert_eq!(waiting, ["D", "E", "F", "C", "G-1"], "first what somebody must see to");
    assert_eq!(json["is_moving"], true);
    let told = folder.run(&["status", "--state", "state.db", "--project", "parcel"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains("did you mean `parcels`?"), "{}", told.err);
}

#[test]
fn a_task_and_an_agent_are_explained_in_a_sentence() {
    let folder = TestFolder::new();
    make_state(&folder, &[]);
    let explain = |arguments: &[&str]| {
        let told = folder.run(&[&["explain", "--state", "state.db"], arguments].concat());
        assert_eq!(told.code, 0, "{told:?}");
        told.out
    };
    let done = explain(&["A"]);
    assert!(done.starts_with("A  Done first\nIt is done: by anna, attempt 1, 20"), "{done}");
    assert!(done.ends_with(", without a commit: there was nothing to land.\n"), "{done}");
    assert_eq!(explain(&["C"]), "C  Waits\nIt waits for B (running).\n");
    assert!(explain(&["D"]).contains("lacks cobol"));
    assert!(explain(&["E"]).contains("It has failed after one attempt: the agent failed: no \\u{1b}idea."));
    assert!(explain(&["F"]).contains("It waits for E (failed).\nhint: this wait does not end by itself"));
    assert!(explain(&["G"]).contains("0 of 1 so far"));
    let busy = explain(&["--agent", "anna"]) + &explain(&["--agent", "ben"]);
    assert!(busy.contains("It works on B.") && busy.contains("It is idle"), "{busy}");
    let told = folder.run(&["explain", "--state", "state.db", "G-2"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains("there is no task `G-2`") && told.err.contains("`G-1`"), "{}", told.err);
    let json: Value = serde_json::from_str(&explain(&["C", "--json"])).unwrap();
    assert_eq!(json["explanation"]["reason"], "waiting");
}

#[test]
fn the_log_tells_what_happened_in_order() {
    let folder = TestFolder::new();
    make_state(&folder, &[]);
    let told = folder.run(&["log", "A", "--state", "state.db"]);
    assert_eq!(told.code, 0, "{told:?}");
    let what: Vec<&str> =
        told.lines().iter().skip(1).map(|line| line.split_whitespace().nth(3).unwrap()).collect();
    assert_eq!(what, ["assigned", "started", "delivered", "accepted", "completed"], "{}", told.out);
    assert!(told.out.starts_with("time (UTC)"), "{}", told.out);
    let told = folder.run(&["log", "--state", "state.db", "--json", "--limit", "3"]);
    let lines: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let failed = lines.iter().find(|line| line["event"] == "failed for good").expect("it is among the last");
    assert_eq!(
        (&failed["version"], &failed["task"], &failed["attempt"]),
        (&1.into(), &"E".into(), &1.into())
    );
    assert_eq!(failed["detail"], "the agent failed: no \\u{1b}idea");
}

#[test]
fn watching_ends_when_nobody_is_at_work() {
    let folder = TestFolder::new();
    make_state(&folder, &[Command::End]);
    let told = folder.run(&["status", "--watch", "--state", "state.db"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.ends_with(" parcels: 1 of 7 done, 0 running, 2 ready, 1 failed\n"), "{}", told.out);
    assert_eq!(told.out.lines().count(), 1);
    assert!(folder.run(&["explain", "B", "--state", "state.db"]).out.contains("no coordinator is at work"));
}

#[test]
fn looking_changes_nothing_in_the_log() {
    let folder = TestFolder::new();
    make_state(&folder, &[]);
    let entries = || folder.run(&["log", "--state", "state.db", "--json"]).out;
    let before = entries();
    for arguments in [&["status"][..], &["explain", "A"], &["log"], &["doctor"]] {
        folder.run(&[arguments, &["--state", "state.db"]].concat());
    }
    assert_eq!(entries(), before);
}
