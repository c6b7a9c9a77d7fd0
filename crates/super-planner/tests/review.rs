//! The real program where somebody has to agree: a run that waits, what is said about it, and how it goes on.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const PLAN: &str = "
name: guarded
tasks:
  - { id: A, title: First, approval: start }
  - { id: B, title: Second, approval: landing }
  - { id: C, title: Third, depends_on: [A, B] }
";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::write(place.0.path().join("plan.yaml"), PLAN).unwrap();
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
    let place = Place::new();
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
