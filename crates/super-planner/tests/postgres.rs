//! Runs of the real program with the state in PostgreSQL, on a server that the test starts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[expect(dead_code, reason = "the tests of the store need more of it")]
#[path = "../../state-store/tests/postgres_cluster/mod.rs"]
mod postgres_cluster;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::postgres_cluster::Cluster;

const PLAN: &str = "
name: small
tasks:
  - { id: A, title: First, effort: 1h }
  - { id: B, title: Second, effort: 1h, dependencies: [A] }
";

/// Runs the program and returns its exit code and what it said.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    command.current_dir(folder).env("XDG_CONFIG_HOME", folder).env_remove("SUPER_PLANNER_CONFIG");
    let output = command.args(arguments).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn a_run_and_those_who_look_at_it_share_a_database() {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database();
    let url = format!("{}&password=s3cret", cluster.url(&database));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("plan.yaml"), PLAN).unwrap();

    let (code, told) = run(folder, &["status", "--state", &url]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("there is no store in"), "{told}");

    let start = ["run", "plan.yaml", "--landing", "none", "--time-scale", "1000000", "--state", &url];
    let (code, told) = run(folder, &start);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("postgres:///{database}")) || told.contains(&database), "{told}");
    assert!(!told.contains("s3cret"), "{told}");

    let (code, told) = run(folder, &["status", "--json", "--state", &url]);
    assert_eq!(code, Some(0), "{told}");
    let status: Value = serde_json::from_str(&told).unwrap();
    assert!(status.to_string().contains("completed"), "{status}");

    let (_, told) = run(folder, &["doctor", "--state", &url]);
    assert!(told.contains("all checksums fit"), "{told}");
    std::fs::write(folder.join("config.toml"), format!("state = '{url}'")).unwrap();
    let config = folder.join("config.toml");
    let (code, told) = run(folder, &["--config", config.to_str().unwrap(), "config", "show"]);
    assert!(code == Some(0) && told.contains(&database) && !told.contains("s3cret"), "{told}");
}
