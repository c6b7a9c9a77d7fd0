//! The commands that make, change and draw plans.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn super_planner(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs it, asserts its exit code and returns what it printed.
fn ran(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = super_planner(folder, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

const PLAN: &str = "\
name: parcels
tasks:
  - {id: API, children: [{id: API-1, effort: 3h}, {id: API-2, effort: 2h, depends_on: [API-1]}]}
  - {id: WEB-1, effort: 4h, capabilities: [web], status: completed}
";

#[test]
fn an_analysis_tells_what_would_be_if() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "tasks: [{id: a, effort: 4h}, {id: b, effort: 2h, dependencies: [a]}, {id: c, effort: 3h}]";
    std::fs::write(folder.path().join("plan.yaml"), plan).unwrap();
    let analyze = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_super-planner"))
            .current_dir(folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .args(["analyze", "plan.yaml", "--agents", "1"])
            .args(arguments)
            .output()
            .unwrap()
    };
    let told = analyze(&["--if", "a=30m", "--without", "b", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let what_if = &told["what_if"];
    assert_eq!((&what_if["critical_hours"], &what_if["work_hours"]), (&3.0.into(), &3.5.into()));
    assert_eq!((&what_if["least_hours"], &told["least_time"]["hours"]), (&3.5.into(), &9.0.into()));
    assert_eq!(told["least_time"]["bounds"].as_array().unwrap().len(), 2);
    let b = &told["tasks"][1];
    assert_eq!((&b["earliest_start_hours"], &b["latest_start_hours"]), (&4.0.into(), &4.0.into()));
    assert_eq!((&b["bottom_level_hours"], &b["wave"]), (&2.0.into(), &2.into()));
    let text = String::from_utf8(analyze(&["--without", "a"]).stdout).unwrap();
    assert!(text.contains("What if  a is done"), "{text}");
    let unknown = analyze(&["--without", "A"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("did you mean `a`?"));
}

#[test]
fn a_plan_goes_to_another_format_and_back_and_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("plan.yaml"), PLAN).unwrap();
    for out in ["plan.json", "plan.toml", "plan.csv", "plan.dot", "plan.md"] {
        ran(folder, &["convert", "plan.yaml", out], 0);
        let name_differs = matches!(out, "plan.csv");
        let difference = ran(folder, &["plan-diff", "plan.yaml", out], i32::from(name_differs));
        assert_eq!(difference, if name_differs { "~ the plan: name\n" } else { "" }, "{out}");
    }
    ran(folder, &["convert", "plan.yaml", "backlog", "--to", "backlog"], 0);
    assert!(ran(folder, &["validate", "backlog"], 0).contains("format backlog"));
    let beads = ran(folder, &["convert", "plan.yaml", "-", "--to", "beads"], 0);
    assert_eq!(beads.lines().count(), 4);
    let refused = super_planner(folder, &["convert", "plan.yaml", "plan.json"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force replaces it"));
    ran(folder, &["convert", "plan.yaml", "plan.json", "--force"], 0);
}

#[test]
fn a_broken_plan_is_repaired_into_one_that_can_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("plan.yaml"),
        "tasks: [{id: a, depends_on: [b, B, no]}, {id: b, depends_on: [a]}]\n",
    )
    .unwrap();
    ran(folder, &["validate", "plan.yaml"], 1);
    let told = ran(folder, &["repair", "plan.yaml", "sound.yaml"], 0);
    assert!(told.contains("a: no longer depends on no: there is no such task"), "{told}");
    ran(folder, &["validate", "sound.yaml"], 0);
}

#[test]
fn a_goal_becomes_a_plan_by_methods_and_by_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ran(folder, &["plan", "A web shop with payments", "--out", "plan.yaml", "--yes"], 0);
    ran(folder, &["validate", "plan.yaml"], 0);
    // Nobody says yes on an input that is empty.
    ran(folder, &["plan", "A web shop", "--out", "other.yaml"], 1);
    assert!(!folder.join("other.yaml").exists());
    std::fs::write(
        folder.join("answer.sh"),
        "read -r first\nif [ -e asked ]; then echo '[{\"title\": \"Do it\"}, {\"title\": \"Test it\", \"after\": [\"do-it\"]}]'\n\
         else touch asked; echo 'Let me think.'; fi\n",
    )
    .unwrap();
    ran(folder, &["plan", "A thing", "--out", "thing.json", "--command", "sh answer.sh", "--yes"], 0);
    let plan = std::fs::read_to_string(folder.join("thing.json")).unwrap();
    assert!(plan.contains("\"test-it\"") && plan.contains("acceptance"), "{plan}");
    std::fs::write(folder.join("notes.md"), "# Notes\n- [ ] One\n- [ ] Two (after: One)\n").unwrap();
    ran(folder, &["plan", "--outline", "notes.md", "--out", "notes.yaml", "--yes"], 0);
    assert!(std::fs::read_to_string(folder.join("notes.yaml")).unwrap().contains("two"));
}

#[test]
fn graphs_and_schedules_are_drawn_and_the_schema_is_json() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("plan.yaml"), PLAN).unwrap();
    for (option, file, holds) in [
        ("--graph", "graph.dot", "\"API-1\" -> \"API-2\""),
        ("--graph", "graph.mmd", "flowchart LR"),
        ("--graph", "graph.svg", "<svg"),
        ("--gantt", "schedule.svg", "API-2"),
    ] {
        ran(folder, &["analyze", "plan.yaml", option, file, "--agents", "2"], 0);
        let drawn = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(drawn.contains(holds), "{file}: {drawn}");
    }
    let analysis: serde_json::Value =
        serde_json::from_str(&ran(folder, &["analyze", "plan.yaml", "--json"], 0)).unwrap();
    assert_eq!(analysis["bottlenecks"][0]["share_of_long_ways"], 1.0);
    let schema: serde_json::Value = serde_json::from_str(&ran(folder, &["schema"], 0)).unwrap();
    assert!(schema["$defs"]["task"]["properties"]["id"].is_object());
}

#[test]
fn a_lenient_look_tells_what_is_set_aside_and_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plan =
        "tasks: [{id: a, effort: much}, {id: b, depends_on: [a]}, {id: c, depends_on: [no]}, {id: d}]\n";
    std::fs::write(folder.join("plan.yaml"), plan).unwrap();
    ran(folder, &["validate", "plan.yaml"], 1);
    let told = ran(folder, &["validate", "plan.yaml", "--lenient"], 0);
    assert!(told.contains("with --lenient, 1 of 4 tasks are left to run"), "{told}");
    let run =
        ["run", "plan.yaml", "--landing", "none", "--state", "memory:", "--time-scale", "1000000", "--json"];
    ran(folder, &run, 1);
    let told = ran(folder, &[run.as_slice(), &["--lenient"]].concat(), 1);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let set_aside: Vec<&str> =
        told["set_aside"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
    assert_eq!(
        set_aside,
        [
            "c: no longer depends on no: there is no such task",
            "a: put on hold: something about it could not be read",
            "c: put on hold: c: no longer depends on no: there is no such task",
            "b: put on hold: what it waits for is on hold",
        ]
    );
}

#[test]
fn limits_are_set_by_flag_variable_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ran(folder, &["generate", "simple", "plan.json", "--tasks", "50"], 0);
    ran(folder, &["validate", "plan.json"], 0);
    let refused = super_planner(folder, &["validate", "plan.json", "--plan-limit", "tasks=49"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("more than the 49 tasks allowed"),
        "{refused:?}"
    );
    std::fs::write(folder.join("c.toml"), "limit_dependencies = 10\n").unwrap();
    ran(folder, &["validate", "plan.json", "--config", "c.toml"], 2);
    ran(folder, &["validate", "plan.json", "--config", "c.toml", "--plan-limit", "dependencies=49"], 0);
    ran(folder, &["validate", "plan.json", "--plan-limit", "task=49"], 2);
}

#[test]
fn plans_are_made_up_in_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for out in ["plan.json", "plan.yaml", "plan.jsonl", "plan.toml", "plan.csv"] {
        ran(folder, &["generate", "extreme", out, "--tasks", "120", "--seed", "3"], 0);
        ran(folder, &["validate", out], 0);
    }
    assert_eq!(ran(folder, &["plan-diff", "plan.json", "plan.yaml"], 0), "");
    ran(folder, &["generate", "extreme", "plan.json"], 2);
    let beads = ran(folder, &["generate", "grid", "-", "--tasks", "9", "--to", "beads"], 0);
    assert_eq!(beads.lines().count(), 9);
}
