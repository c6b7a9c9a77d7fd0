//! Drives the real program over measurements that were made before. What it measures itself is tested in perf-suite: this build
//! is not optimised, and says so.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("COLUMNS", "120")
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A report of one scenario whose loads take about so many seconds.
fn report(seconds: f64, began_at_ms: u64) -> Value {
    let samples: Vec<f64> = (0..12).map(|n| seconds * (1.0 + f64::from(n) / 500.0)).collect();
    let series = json!({ "metric": "load/1000", "what": "all of it", "unit": "seconds", "samples": samples });
    let usage = json!({ "samples": [], "taken": 0, "seconds": 1.0, "own_cpu": 0.0, "interval_max": 0.1 });
    json!({
        "version": 2, "began_at_ms": began_at_ms, "profile": "quick", "is_complete": true,
        "build": { "version": "0.1.0", "commit": format!("commit{began_at_ms}") },
        "machine": {
            "cpu": "Example", "cores_physical": 1, "cores_logical": 2, "memory_bytes": 1, "system": "Example",
            "load_average": 0.5, "file_system": "ext4"
        },
        "scenarios": [{
            "id": "BENCH-001", "statement": "loading", "truncated": false, "failure": null, "notes": [],
            "series": [series], "usage": usage, "pauses": [], "tail_explained": null
        }]
    })
}

fn put(folder: &Path, name: &str, reports: &[Value]) -> String {
    let lines: Vec<String> = reports.iter().map(Value::to_string).collect();
    std::fs::write(folder.join(name), format!("{}\n", lines.join("\n"))).unwrap();
    name.to_owned()
}

#[test]
fn stored_results_are_compared_with_three_answers() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    put(place, "before.json", &[report(0.010, 1)]);
    put(place, "same.json", &[report(0.010, 2)]);
    put(place, "slower.json", &[report(0.040, 3)]);
    let same = run(place, &["bench", "compare", "before.json", "same.json"]);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    assert!(text(&same.stdout).contains("pass") && text(&same.stdout).contains("weaker evidence"));
    let slower = run(place, &["bench", "compare", "before.json", "slower.json"]);
    assert_eq!(slower.status.code(), Some(1));
    assert!(text(&slower.stdout).contains("REGRESSION (critical)"), "{}", text(&slower.stdout));
    let as_json = run(place, &["bench", "compare", "--json", "before.json", "slower.json"]);
    let value: Value = serde_json::from_slice(&as_json.stdout).unwrap();
    assert_eq!(value["comparison"]["findings"][0]["judgement"]["verdict"], "regression");
    std::fs::write(place.join("bench.toml"), "fail_on = 'critical'\n[thresholds]\ngeneral = 9.0\n").unwrap();
    let allowed = run(place, &["bench", "compare", "--settings", "bench.toml", "before.json", "slower.json"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stdout));
}

#[test]
fn the_history_is_imported_listed_told_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let runs: Vec<Value> =
        (0..20).map(|run| report(if run < 12 { 0.010 } else { 0.015 }, 1_000 + run)).collect();
    put(place, "runs.jsonl", &runs);
    let imported = run(place, &["bench", "history", "import", "runs.jsonl"]);
    assert_eq!(text(&imported.stdout), "20 runs added\n", "{}", text(&imported.stderr));
    assert!(place.join(".local/state/super-planner/bench.db").exists());
    assert_eq!(text(&run(place, &["bench", "history"]).stdout).lines().count(), 20);
    let trends = run(place, &["bench", "history", "trends"]);
    assert_eq!(trends.status.code(), Some(1), "what became worse is a problem: {}", text(&trends.stdout));
    assert!(text(&trends.stdout).contains("+50 % at commit1012"), "{}", text(&trends.stdout));
    let exported = text(&run(place, &["bench", "history", "export"]).stdout);
    assert_eq!(exported.lines().count(), 20);
    let back: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!(back["scenarios"][0]["series"][0]["samples"], runs[0]["scenarios"][0]["series"][0]["samples"]);
    for (format, expected) in [
        ("html", "<!doctype html>"),
        ("markdown", "## Performance"),
        ("junit", "<testsuites>"),
        ("json", "\"version\":3"),
        ("text", "profile  quick"),
    ] {
        let told = run(place, &["bench", "report", "3", "--format", format]);
        assert!(text(&told.stdout).contains(expected), "{format}: {}", text(&told.stdout));
    }
    let claims = text(&run(place, &["bench", "claims"]).stdout);
    for expected in
        ["holds         SP-LOAD.time", "shown         KH-CITIME.limit", "not measured in this run"]
    {
        assert!(claims.contains(expected), "{expected}: {claims}");
    }
}

#[test]
fn what_follows_from_the_figures_is_in_every_form_and_so_are_a_models_words() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let mut measured = report(0.01, 1);
    measured["machine"]["load_average"] = json!(12.5);
    put(place, "run.json", &[measured]);
    for format in ["text", "html", "json", "markdown", "junit"] {
        let form = ["bench", "report", "--from", "run.json", "--format", format];
        let plain = text(&run(place, &form).stdout);
        assert!(
            plain.contains("load 12.5 on 2 processors") && !plain.contains("language model"),
            "{format}: {plain}"
        );
        let worded = run(place, &[&form[..], &["--words", "simulated"]].concat());
        let marked = if format == "json" {
            "\"words\":{\"model\":\"simulated\""
        } else {
            "the language model simulated"
        };
        assert!(
            text(&worded.stdout).contains(marked),
            "{format}: {}{}",
            text(&worded.stdout),
            text(&worded.stderr)
        );
    }
    let unknown = run(place, &["bench", "report", "--from", "run.json", "--words", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("there is no model `nobody`"), "{}", text(&unknown.stderr));
}

#[test]
fn what_cannot_be_used_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    put(place, "good.json", &[report(0.01, 1)]);
    std::fs::write(place.join("cut.json"), &report(0.01, 1).to_string()[..300]).unwrap();
    std::fs::write(place.join("bad.toml"), "pairs = 2").unwrap();
    std::fs::write(
        place.join("not.db"),
        "something else entirely, and long enough to be taken for a header of a file",
    )
    .unwrap();
    for (arguments, code, expected) in [
        (&["bench", "compare", "good.json", "cut.json"][..], 2, "cut.json: it is not a report as JSON"),
        (&["bench", "compare", "good.json", "missing.json"], 2, "missing.json cannot be read"),
        (&["bench", "compare", "good.json"], 2, "not two things to compare"),
        (&["bench", "compare", "--settings", "bad.toml", "good.json", "good.json"], 2, "six are the fewest"),
        (&["bench", "history", "--history", "not.db"], 2, "not a history of measurements"),
        (&["bench", "report", "--history", "new.db"], 2, "nothing has been recorded yet"),
        (&["bench", "report", "7", "--history", "new.db"], 2, "there is no run 7"),
        (
            &["bench", "NONSENSE", "--no-history"],
            2,
            "no scenario has `NONSENSE` in its name; there are BENCH-001",
        ),
    ] {
        let told = run(place, arguments);
        assert_eq!(told.status.code(), Some(code), "{arguments:?}: {}", text(&told.stderr));
        assert!(text(&told.stderr).contains(expected), "{arguments:?}: {}", text(&told.stderr));
    }
    if cfg!(debug_assertions) {
        let refused = run(place, &["bench", "BENCH-001", "--no-history"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains("this is a debug build"));
    }
}
