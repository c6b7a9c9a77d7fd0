//! Agents from a shell that race over tasks: real processes on one state, each command one of them.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const AGENTS: usize = 6;
const TASKS: usize = 12;

fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .args(arguments)
        .args(["--state", "state.db", "--json"])
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder)
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Takes tasks, gives every third back, and delivers the others, until there is none. Returns what it was told is done,
/// with the token.
fn work(folder: &Path, agent: &str) -> Vec<(String, u64)> {
    let mut done = Vec::new();
    for turn in 0.. {
        let (code, told) = run(folder, &["task", "acquire", "--agent", agent]);
        if code == 1 && told.contains("null") {
            return done;
        }
        assert_eq!(code, 0, "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        let (task, number) = (told["task"].as_str().unwrap().to_owned(), told["token"].as_u64().unwrap());
        let token = number.to_string();
        let held = [task.as_str(), "--agent", agent, "--token", &token];
        assert_eq!(run(folder, &[&["task", "heartbeat"], &held[..]].concat()).0, 0);
        if turn % 3 == 2 {
            assert_eq!(run(folder, &[&["task", "release"], &held[..]].concat()).0, 0);
        } else {
            assert_eq!(run(folder, &[&["task", "complete"], &held[..]].concat()).0, 0);
            done.push((task, number));
        }
    }
    done
}

#[test]
fn no_task_has_two_accepted_results_and_every_acknowledged_one_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let tasks: String =
        (0..TASKS).map(|task| format!("  - {{ id: T{task}, standing: on_hold }}\n")).collect();
    std::fs::write(folder.path().join("plan.yaml"), format!("name: race\ntasks:\n{tasks}")).unwrap();
    let begin = ["run", "plan.yaml", "--landing", "none", "--agents", "1"];
    assert_eq!(run(folder.path(), &begin).0, 1, "all of it is put aside at first");
    for task in 0..TASKS {
        assert_eq!(run(folder.path(), &["task", "resume", &format!("T{task}")]).0, 0);
    }
    let done: Vec<(String, u64)> = std::thread::scope(|scope| {
        let path = folder.path();
        let agents: Vec<_> =
            (0..AGENTS).map(|agent| scope.spawn(move || work(path, &format!("agent-{agent}")))).collect();
        agents.into_iter().flat_map(|agent| agent.join().unwrap()).collect()
    });
    let acknowledged: BTreeMap<&str, u64> =
        done.iter().map(|(task, token)| (task.as_str(), *token)).collect();
    assert_eq!((acknowledged.len(), done.len()), (TASKS, TASKS), "each is done once: {done:?}");

    let store = state_store::SqliteStore::open_existing(
        &folder.path().join("state.db"),
        std::sync::Arc::new(state_store::SystemClock),
    );
    let state =
        state_store::task::State::load(&store.unwrap(), &state_store::StreamName::workspace()).unwrap().state;
    state.check_invariants().unwrap();
    for (task, record) in state.projects()[0].plan.tasks.iter().zip(&state.projects()[0].tasks) {
        let state_store::task::TaskState::Completed(state_store::task::Completion::Attempt { lease, .. }) =
            &record.state
        else {
            panic!("{} is {}", task.id, record.state.name())
        };
        assert_eq!(acknowledged[task.id.as_str()], lease.token.get(), "{}", task.id);
        assert_eq!(
            u64::from(record.attempts),
            record.last_token.get(),
            "no token was passed over or used twice"
        );
    }
}
