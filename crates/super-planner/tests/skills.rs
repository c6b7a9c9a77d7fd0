//! Drives the real program over folders of skills.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    program.env_clear().env("HOME", "/nowhere").env("COLUMNS", "120").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn put(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Three skills: one that keeps to the format, one whose body is too long, one without a head.
fn skills() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(
        folder.path(),
        "make-pdf/SKILL.md",
        "---\nname: make-pdf\ndescription: Makes a PDF.\n---\nPrint it.\n",
    );
    put(folder.path(), "make-pdf/references/sizes.md", "A4 and A5.\n");
    let long = "word \u{1b}[2J\n".repeat(600);
    put(folder.path(), "long/SKILL.md", &format!("---\nname: long\ndescription: Is long.\n---\n{long}"));
    put(folder.path(), "broken/SKILL.md", "no head");
    folder
}

#[test]
fn skills_are_listed_and_shown_with_nothing_that_a_terminal_would_act_on() {
    let folder = skills();
    let place = folder.path().to_str().unwrap();
    let listed = run(&["skills", "list", place]);
    assert_eq!(listed.status.code(), Some(0));
    assert_eq!(text(&listed.stdout).lines().count(), 3);
    assert!(text(&listed.stderr).contains("broken: it does not begin with"), "{}", text(&listed.stderr));
    let shown = text(&run(&["skills", "show", place, "make-pdf"]).stdout);
    assert!(shown.contains("Print it.") && shown.contains("- references/sizes.md"), "{shown}");
    let file = run(&["skills", "show", place, "make-pdf", "--file", "references/sizes.md"]);
    assert_eq!(text(&file.stdout), "A4 and A5.\n");
    assert!(!text(&run(&["skills", "show", place, "long"]).stdout).contains('\u{1b}'));
    let missing = run(&["skills", "show", place, "make-pfd"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("did you mean `make-pdf`?"), "{}", text(&missing.stderr));
    let outside = run(&["skills", "show", place, "make-pdf", "--file", "../long/SKILL.md"]);
    assert_eq!(outside.status.code(), Some(2));
    assert_eq!(run(&["skills", "list", "/nowhere"]).status.code(), Some(1));
}

#[test]
fn what_skills_cost_is_counted_exactly() {
    let folder = skills();
    let told = run(&["skills", "cost", folder.path().to_str().unwrap(), "--skills", "1", "--json"]);
    let costs: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&costs["exact"], &costs["vocabulary"]), (&Value::from(true), &Value::from("o200k_base")));
    let skills = costs["skills"].as_array().unwrap();
    let advised: Vec<_> = skills.iter().map(|skill| skill["as_advised"].as_bool().unwrap()).collect();
    assert_eq!(advised, [false, true]);
    // "Print", " it", "."
    assert_eq!(skills[1]["body_tokens"], 3);
    let tokens = |name: &str| {
        let way = costs["ways"].as_array().unwrap().iter().find(|way| way["name"] == name).unwrap();
        way["tokens"].as_u64().unwrap()
    };
    let body_of_both = skills.iter().map(|skill| skill["body_tokens"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(tokens("all bodies"), body_of_both);
    assert!(tokens("start") < tokens("dearest session"));
    assert!(tokens("everything") > tokens("all bodies"));
}

/// On real skills, where there are some: the start saves nine tenths, a session of three skills most.
#[test]
fn real_skills_save_most_of_their_tokens() {
    let Some(corpus) = std::env::var_os("SUPER_PLANNER_CORPUS") else {
        println!("SUPER_PLANNER_CORPUS names no folder: nothing was tested");
        return;
    };
    let folder = Path::new(&corpus).join("skills");
    let told = run(&["skills", "cost", folder.to_str().unwrap(), "--json"]);
    let costs: Value = serde_json::from_slice(&told.stdout).unwrap();
    let saved = |name: &str, of: &str| {
        let way = costs["ways"].as_array().unwrap().iter().find(|way| way["name"] == name).unwrap();
        way[of].as_f64().unwrap()
    };
    assert!(saved("start", "saved_of_bodies") > 0.9);
    assert!(saved("mean session", "saved_of_bodies") > 0.6);
    let skills = costs["skills"].as_array().unwrap();
    let large = skills.iter().find(|skill| skill["name"] == "claude-api").unwrap();
    assert_eq!((&large["as_advised"], &large["body_tokens"]), (&Value::from(false), &Value::from(18_336)));
}
