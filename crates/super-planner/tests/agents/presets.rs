//! Presets for coding agents, each tried with a stand-in that speaks as the tool does.

use serde_json::Value;

use crate::{RUN, git, run, with_plan};

/// Runs a plan of a task that works and one that fails with a preset, and returns what was used up and the arguments.
fn try_preset(name: &str) -> (Value, String) {
    let folder = with_plan(&["WORKS", "FAILS"]);
    let more = ["--agent-preset", name, "--agent-argument=--model", "--agent-argument=best one", "--json"];
    let (code, told, said) = run(folder.path(), &[&RUN[..], &more].concat());
    assert_eq!(code, Some(1), "{name}: one has failed: {told}{said}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let tasks = &told["report"]["tasks"];
    assert!(tasks["completed"] == 1 && tasks["failed"] == 1, "{name}: {told}");
    let (_, why, _) = run(folder.path(), &["explain", "FAILS", "--repo", "repo"]);
    assert!(why.contains("it took too many turns"), "{name}: {why}");
    let (code, logs, _) = run(folder.path(), &["logs", "FAILS", "--repo", "repo"]);
    assert!(code == Some(0) && logs.contains("it took too many turns"), "{name}: {logs}");
    (told["usage"]["all"].clone(), git(folder.path(), &["show", "planner/tried:made.txt"]))
}

fn counted(usage: &Value) -> [u64; 3] {
    ["tokens_input", "tokens_output", "cost_micros"].map(|name| usage[name].as_u64().unwrap())
}

#[test]
fn claude_is_told_and_understood() {
    let (usage, arguments) = try_preset("claude");
    assert_eq!(counted(&usage), [3130, 405, 750_000]);
    assert!(
        arguments.contains("--output-format\nstream-json\n--verbose\n")
            && arguments.ends_with("--model\nbest one\n")
    );
}

#[test]
fn codex_is_told_and_understood() {
    let (usage, arguments) = try_preset("codex");
    assert_eq!(counted(&usage), [3120, 400, 0]);
    assert!(
        arguments.starts_with("exec\n--json\n-C\n/") && arguments.ends_with("--model\nbest one\n-\n"),
        "{arguments}"
    );
}

#[test]
fn gemini_is_told_and_understood() {
    let (usage, arguments) = try_preset("gemini");
    assert_eq!(counted(&usage), [3130, 405, 0]);
    assert!(arguments.starts_with("-o\nstream-json\n"), "{arguments}");
}

#[test]
fn opencode_is_told_and_understood() {
    let (usage, arguments) = try_preset("opencode");
    assert_eq!(counted(&usage), [3120, 400, 250_000]);
    assert!(arguments.starts_with("run\n--format\njson\n--model\nbest one\n# WORKS"), "{arguments}");
}

#[test]
fn goose_is_told_and_understood() {
    let (usage, arguments) = try_preset("goose");
    assert_eq!(counted(&usage), [3520, 0, 0]);
    assert!(arguments.starts_with("run\n--no-session\n"), "{arguments}");
}

#[test]
fn aider_is_told_and_understood() {
    let (usage, arguments) = try_preset("aider");
    assert_eq!(counted(&usage), [3120, 400, 250_000]);
    assert!(arguments.starts_with("--message-file\n/"), "{arguments}");
}

#[test]
fn presets_are_listed_shown_and_replaced_by_those_of_the_user() {
    let folder = with_plan(&["WORKS"]);
    let (code, told, _) = run(folder.path(), &["agent", "presets"]);
    assert!(code == Some(0) && told.contains("Claude Code") && told.contains("standard input"), "{told}");
    let (_, shown, _) = run(folder.path(), &["agent", "presets", "codex"]);
    let config = folder.path().join("super-planner");
    std::fs::create_dir(&config).unwrap();
    let own = shown.replace("input_tokens", "cached_input_tokens")
        + "\n[codex.price]\ninput = 2.0\noutput = 10.0\n";
    std::fs::write(config.join("agents.toml"), own).unwrap();
    let (code, told, said) = run(folder.path(), &[&RUN[..], &["--agent-preset", "codex", "--json"]].concat());
    assert_eq!(code, Some(0), "{told}{said}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(counted(&told["usage"]["all"]), [3000, 400, 10_000], "as the user's file says: {told}");
    let (_, told, _) = run(folder.path(), &["agent", "presets"]);
    assert!(told.contains("your file"), "{told}");
    let (code, _, said) = run(folder.path(), &[&RUN[..], &["--agent-preset", "codecs"]].concat());
    assert!(code == Some(1) && said.contains("did you mean `codex`?"), "{said}");
    std::fs::write(config.join("agents.toml"), "[mine]\nprogram = 'x'\nprompt = 'file'\n").unwrap();
    let (code, _, said) = run(folder.path(), &["agent", "presets"]);
    assert!(code == Some(2) && said.contains("no argument holds {prompt_file}"), "{said}");
    std::fs::write(config.join("agents.toml"), "[mine]\nprogramme = 'x'\n").unwrap();
    let (code, _, said) = run(folder.path(), &["agent", "presets"]);
    assert!(code == Some(2) && said.contains("programme"), "{said}");
}

#[test]
fn a_budget_of_a_run_outlives_it() {
    let folder = with_plan(&["WORKS-1", "WORKS-2", "WORKS-3"]);
    let more = ["--agent-preset", "claude", "--budget", "run=0.4usd"];
    let start = [&RUN[..], &more].concat();
    for _ in 0..2 {
        let (code, told, said) = run(folder.path(), &start);
        assert!(code != Some(0) && said.contains("the budget of the run is spent"), "{told}{said}");
        assert!(said.contains("used up     7040 tokens, 0.50 USD"), "{told}{said}");
    }
    let (code, told, said) = run(folder.path(), &[&RUN[..], &["--agent-preset", "claude"]].concat());
    assert!(code == Some(0) && told.contains("used up"), "{told}{said}");
    let (code, _, said) = run(folder.path(), &[&RUN[..], &["--budget", "run=1usd"]].concat());
    assert!(code == Some(2) && said.contains("--agent-preset"), "{said}");
}
