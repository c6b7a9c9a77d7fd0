//! What `docs/configuration.md` says is what the program does.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::process::Command;

use serde_json::Value;

const MANUAL: &str = include_str!("../../../docs/configuration.md");

/// A line of the table of settings.
struct Row {
    setting: &'static str,
    flag: &'static str,
    variable: &'static str,
    default: &'static str,
}

fn rows() -> Vec<Row> {
    let lines = MANUAL.lines().filter(|line| line.starts_with("| `"));
    let rows = lines.map(|line| {
        let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
        let mut cell = || cells.next().unwrap();
        let (setting, flag, variable, _) = (cell(), cell(), cell(), cell());
        Row { setting, flag, variable, default: cell() }
    });
    rows.collect()
}

fn example() -> &'static str {
    let (_, from_example) = MANUAL.split_once("```toml\n").unwrap();
    from_example.split_once("```").unwrap().0
}

/// Runs the program in an environment of its own and returns what it printed.
fn run(arguments: &[&str], variables: &[(&str, String)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .env_clear()
        .env("HOME", home.path())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the settings that `config show --json` names.
fn shown(arguments: &[&str], variables: &[(&str, String)]) -> Vec<Value> {
    let text = run(&[&["config", "show", "--json"], arguments].concat(), variables);
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["settings"].as_array().unwrap().clone()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns what the program shows with the example as its file.
fn shown_of_example() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, example()).unwrap();
    shown(&["--config", file.to_str().unwrap()], &[])
}

#[test]
fn the_table_has_every_setting_and_its_default() {
    let (rows, settings) = (rows(), shown(&[], &[]));
    let names: Vec<&str> = settings.iter().map(|setting| setting["name"].as_str().unwrap()).collect();
    let told: Vec<&str> = rows.iter().map(|row| row.setting).collect();
    assert_eq!(told, names);
    for (row, setting) in rows.iter().zip(&settings) {
        assert_eq!(setting["origin"], "default");
        let value = &setting["value"];
        if value.is_string() || value.is_number() {
            assert_eq!(row.default, text_of(value), "{}", row.setting);
        }
    }
}

#[test]
fn the_example_loads_and_sets_everything() {
    for setting in shown_of_example() {
        assert!(setting["origin"].as_str().unwrap().starts_with("file, line "), "{setting}");
    }
}

#[test]
fn the_variables_and_flags_of_the_table_are_those_of_the_program() {
    let help = run(&["run", "--help"], &[]);
    for (row, setting) in rows().iter().zip(shown_of_example()) {
        assert!(help.contains(row.flag), "{}", row.flag);
        if !row.variable.is_empty() {
            let with_variable = shown(&[], &[(row.variable, text_of(&setting["value"]))]);
            let now = with_variable.iter().find(|other| other["name"] == row.setting).unwrap();
            assert_eq!(now["origin"], row.variable);
            assert_eq!(now["value"], setting["value"]);
        }
    }
}
