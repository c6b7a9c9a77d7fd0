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

#[test]
fn a_history_goes_from_a_file_to_a_database_and_back_and_what_is_damaged_is_named() {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database();
    let url = cluster.url(&database);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("plan.yaml"), PLAN).unwrap();
    let ok = |arguments: &[&str]| {
        let (code, told) = run(folder, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {told}");
        told
    };
    ok(&["run", "plan.yaml", "--landing", "none", "--time-scale", "1000000", "--state", "a.db"]);
    ok(&["export", "--state", "a.db", "--out", "a.jsonl"]);
    ok(&["import", "a.jsonl", "--state", &url]);
    ok(&["export", "--state", &url, "--out", "b.jsonl"]);
    let body = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(body("a.jsonl"), body("b.jsonl"));
    assert!(ok(&["verify", "--state", &url]).contains("sound"));

    let first =
        "SELECT first_seq FROM super_planner.segments ORDER BY stream DESC, first_seq OFFSET 3 LIMIT 1";
    let bad: u64 = cluster.sql(&database, first).parse().unwrap();
    let damage = format!("UPDATE super_planner.segments SET body = '\\x00' WHERE first_seq = ({first})");
    cluster.sql(&database, &damage);
    let (code, told) = run(folder, &["status", "--state", &url]);
    assert!(code == Some(3) && told.contains(&format!("damaged at entry {bad}")), "{told}");
    ok(&["status", "--state", &url, "--at", &(bad - 1).to_string()]);
    let (code, told) = run(folder, &["verify", "--state", &url]);
    assert!(code == Some(3) && told.contains(&format!("entries up to {} are well", bad - 1)), "{told}");
}

#[test]
fn people_look_at_tables_in_the_database() {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database();
    let url = cluster.url(&database);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("plan.yaml"), PLAN).unwrap();
    let ok = |arguments: &[&str]| {
        let (code, told) = run(folder, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {told}");
        told
    };
    ok(&["run", "plan.yaml", "--landing", "none", "--time-scale", "1000000", "--state", &url]);
    for _ in 0..2 {
        assert!(ok(&["snapshot", "--state", &url]).contains("tables as of entry"));
        let sql = |query: &str| cluster.sql(&database, query);
        assert_eq!(
            sql("SELECT task FROM super_planner.tasks WHERE state = 'completed' ORDER BY task"),
            "A\nB"
        );
        assert_eq!(sql("SELECT count(*) FROM super_planner.leases"), "0");
        let history = "SELECT count(*) = max(seq) AND max(seq) = (SELECT seq FROM super_planner.as_of) \
                       FROM super_planner.history";
        assert_eq!(sql(history), "t");
        assert_eq!(sql("SELECT count(*) > 0 FROM super_planner.agents WHERE status = 'retired'"), "t");
    }
}

#[test]
fn a_careless_server_is_taken_only_when_that_is_said_and_never_in_silence() {
    let own = Cluster::start();
    own.stop();
    own.resume_with("-c fsync=off");
    let url = own.url("postgres");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("plan.yaml"), PLAN).unwrap();
    let start = ["run", "plan.yaml", "--landing", "none", "--time-scale", "1000000", "--state", &url];
    let (code, told) = run(folder, &start);
    assert!(code == Some(3) && told.contains("fsync=off") && told.contains("--unsafe-durability"), "{told}");
    let (code, told) = run(folder, &[&start[..], &["--unsafe-durability"]].concat());
    assert!(code == Some(0) && told.contains("may be lost when the server"), "{told}");
}

#[test]
fn processes_race_over_tasks_in_a_database() {
    let cluster = Cluster::shared();
    let url = cluster.url(&cluster.fresh_database());
    let folder = tempfile::tempdir().unwrap();
    let race =
        ["prove", "races", "--trials", "4", "--operations", "6", "--lease", "3s", "--json", "--state", &url];
    let (code, told) = run(folder.path(), &race);
    assert_eq!(code, Some(0), "{told}");
    let mut answers = serde_json::Deserializer::from_str(&told).into_iter::<Value>();
    let answer = answers.next().unwrap().unwrap();
    assert!(answer["trials"].as_u64() >= Some(4) && answer["unexplained"] == 0, "{answer}");
    let (code, told) = run(folder.path(), &race);
    assert!(code == Some(2) && told.contains("is not empty"), "{told}");
}
