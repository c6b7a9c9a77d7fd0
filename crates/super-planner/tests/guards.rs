//! The real program where something holds tasks up: somebody's approval, the files of others, too many failures.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const GATES: &str = "
name: guarded
tasks:
  - { id: A, title: First, approval: start }
  - { id: B, title: Second, approval: landing }
  - { id: C, title: Third, depends_on: [A, B] }
";

struct Place(tempfile::TempDir);

impl Place {
    fn new(plan: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::write(place.0.path().join("plan.yaml"), plan).unwrap();
        place
    }

    fn ran(&self, arguments: &[&str], code: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
            .args(arguments)
            .args(["--state", "state.db"])
            .current_dir(Path::new(self.0.path()))
            .env("XDG_CONFIG_HOME", self.0.path())
            .env("USER", "ann")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn run(&self, code: i32) -> Value {
        let run = ["run", "plan.yaml", "--landing", "none", "--agents", "2", "--time-scale", "1e9", "--json"];
        serde_json::from_str(&self.ran(&run, code)).unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ran(&[arguments, &["--json"]].concat(), 0)).unwrap()
    }
}

#[test]
fn a_run_stops_at_its_gates_and_goes_on_where_somebody_agrees() {
    let place = Place::new(GATES);
    let report = place.run(1);
    let open: Vec<&str> = report["report"]["open"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["why"].as_str().unwrap())
        .collect();
    assert!(open[0].contains("agree that it begins") && open[1].contains("agree to its result"), "{open:?}");
    let status = place.ran(&["status"], 0);
    assert!(status.contains("somebody has to agree first"), "{status}");
    assert_eq!(place.ask(&["explain", "B"])["explanation"]["reason"], "awaiting_landing");

    let answer = place.ask(&["approve", "A", "--comment", "go"]);
    assert_eq!((answer["gate"].as_str(), answer["state"].as_str()), (Some("start"), Some("pending")));
    assert_eq!(place.ask(&["reject", "B", "--comment", "no tests"])["state"], "backoff");
    place.run(1);
    assert_eq!(place.ask(&["approve", "B"])["state"], "completed");
    let told = place.ran(&["approve", "C"], 1);
    assert_eq!(told, "", "nobody has to agree to it");
    let report = place.run(0);
    assert_eq!(report["report"]["tasks"]["completed"], 3);
    let log = place.ran(&["log", "--json"], 0);
    for said in ["by ann: go", "the result was rejected: by ann: no tests", "landing approved"] {
        assert!(log.contains(said), "{said} in {log}");
    }
}

const FILES: &str = "
name: files
tasks:
  - { id: A, writes: [src/] }
  - { id: B, writes: src/lib.rs }
  - { id: C, writes: docs/ }
";

#[test]
fn a_script_gets_no_task_that_could_write_the_files_of_another() {
    let place = Place::new(&FILES.replace("writes", "standing: on_hold, writes"));
    place.run(1);
    for task in ["A", "B", "C"] {
        place.ask(&["task", "resume", task]);
    }
    assert_eq!(place.ask(&["task", "acquire", "--agent", "one"])["task"], "A");
    assert_eq!(place.ask(&["task", "acquire", "--agent", "two"])["task"], "C");
    let told = place.ask(&["explain", "B"]);
    assert_eq!(told["explanation"]["reason"], "writes_overlap");
    assert_eq!(told["explanation"]["task"], "A", "{told}");
}

#[test]
fn agents_are_listed_with_what_they_are_at_and_lose_what_they_have_where_they_are_stopped() {
    let place = Place::new(&FILES.replace("writes", "standing: on_hold, writes"));
    place.run(1);
    place.ask(&["task", "resume", "A"]);
    place.ask(&["task", "acquire", "--agent", "one", "--label", "big", "--label", "cold"]);
    let conditions = |told: &Value| -> Vec<String> {
        let agents = told["agents"].as_array().unwrap().iter();
        agents.map(|agent| format!("{} {}", agent["name"], agent["condition"]).replace('"', "")).collect()
    };
    assert_eq!(conditions(&place.ask(&["agent", "list"])), ["one busy"]);
    assert_eq!(conditions(&place.ask(&["agent", "list", "--label", "cold", "--label", "big"])), ["one busy"]);
    assert!(conditions(&place.ask(&["agent", "list", "--label", "hot"])).is_empty());
    assert_eq!(place.ask(&["agent", "drain", "one"])["agent"]["condition"], "draining");
    assert_eq!(place.ask(&["agent", "stop", "one"])["agent"]["condition"], "paused");
    assert_eq!(place.ask(&["task", "acquire", "--agent", "two"])["task"], "A");
    assert_eq!(place.ask(&["task", "hold", "A"])["state"], "on_hold", "also while it is worked on");
    assert_eq!(place.ask(&["agent", "resume", "one"])["agent"]["condition"], "idle");
}

#[test]
fn a_project_of_which_too_much_fails_is_paused_and_says_so() {
    let place = Place::new("{name: doomed, tasks: [{id: A}, {id: B}, {id: C}]}");
    std::fs::write(place.0.path().join("own.toml"), "project_failures_in_row_max = 2\nfailures_max = 1\n")
        .unwrap();
    let own = ["--config", "own.toml", "--failure-rate", "1"];
    let run = ["run", "plan.yaml", "--landing", "none", "--agents", "1", "--time-scale", "1e9", "--json"];
    let report: Value = serde_json::from_str(&place.ran(&[&run[..], &own].concat(), 1)).unwrap();
    let open = report["report"]["open"].as_array().unwrap().last().unwrap();
    assert_eq!(open["why"], "the project is paused after 2 failed attempts, 2 of them in a row");
    assert_eq!(place.ask(&["explain", "C"])["explanation"]["reason"], "too_many_failures");
    place.ask(&["continue", "--project", "doomed"]);
    assert_eq!(place.ask(&["explain", "C"])["explanation"]["reason"], "no_coordinator");
}
