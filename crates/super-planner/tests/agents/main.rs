//! The real program with agents that are programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod logs;
mod orphans;
mod presets;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn stand_ins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_ins")
}

/// Returns the program, in a folder that is also its configuration; the stand-ins are on its path.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    let path = std::env::var("PATH").unwrap();
    command.current_dir(folder).env("XDG_CONFIG_HOME", folder).env_remove("SUPER_PLANNER_CONFIG");
    command.env("PATH", format!("{}:{path}", stand_ins().display())).env("SUPER_PLANNER_FAILURES_MAX", "1");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(folder).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder.join("repo")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn with_plan(tasks: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tasks: String = tasks.iter().map(|id| format!("  - {{ id: {id}, title: Try it }}\n")).collect();
    std::fs::write(folder.path().join("plan.yaml"), format!("name: tried\ntasks:\n{tasks}")).unwrap();
    folder
}

/// Carries out `plan.yaml` by one agent.
const RUN: [&str; 7] = ["run", "plan.yaml", "--repo", "repo", "--init", "--agents", "1"];
