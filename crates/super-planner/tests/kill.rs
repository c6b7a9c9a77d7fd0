//! The real program, killed without warning in the middle of a run with git, again and again.
//!
//! After each kill: the repository is sound, what was acknowledged is in the log, and the log has no gap. In the end the
//! run finishes, and every task is exactly one commit on the branch.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use planner_core::random::Random;
use state_store::task::{Completion, Landed, State, TaskRecord, TaskState};
use state_store::{Recorded, Seq, SqliteStore, StateStore, StreamName, SystemClock};
use super_planner::agent_runtime::model::Message;
use super_planner::agent_runtime::session::{Session, SessionName};

const TASKS_PER_KILL: usize = 12;

/// Variables that scale and repeat the test.
fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn program(folder: &Path, agent: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    command.current_dir(folder).env("XDG_CONFIG_HOME", folder).env_remove("SUPER_PLANNER_CONFIG");
    // Which attempts a kill interrupts is chance, and so is which of the others fail; no task is to fail for good.
    command.env("SUPER_PLANNER_FAILURES_MAX", "100");
    command.args(["run", "plan.yaml", "--repo", "repository", "--init", "--agents", "6", "--seed", "5"]);
    command.args([
        "--time-scale",
        "60000",
        "--shared-rate",
        "0.3",
        "--failure-rate",
        "0.05",
        "--branch",
        "work",
        "--agent",
        agent,
    ]);
    command
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new("git").arg("-C").arg(folder.join("repository")).args(arguments).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "git {arguments:?}: {text}{errors}");
    text.into_owned()
}

fn plan(tasks: usize) -> String {
    let task = |number: usize| match number {
        0..10 => format!("  - {{ id: t{number}, effort: 0.5h }}\n"),
        _ => format!(
            "  - {{ id: t{number}, effort: 0.5h, dependencies: [t{}, t{}] }}\n",
            number - 10,
            number / 2
        ),
    };
    format!("name: killed\ntasks:\n{}", (0..tasks).map(task).collect::<String>())
}

/// Runs the program until it has acknowledged that many events, kills it, and returns what it acknowledged.
fn run_and_kill(folder: &Path, agent: &str, events: u64) -> Vec<(u64, String)> {
    let mut child =
        program(folder, agent).arg("--events").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    for line in lines.take(events as usize) {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        acknowledged.push((line["seq"].as_u64().unwrap(), line["event"].as_str().unwrap().to_owned()));
    }
    // Ends it by SIGKILL, if it has not ended by itself.
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged
}

fn history(folder: &Path) -> BTreeMap<u64, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .current_dir(folder)
        .args(["log", "--repo", "repository", "--json", "--limit", "1000000"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let parsed = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    parsed.map(|line| (line["seq"].as_u64().unwrap(), line["event"].as_str().unwrap().to_owned())).collect()
}

/// Reads the whole log: every hash of the chain is checked, every event fits, no number is missing.
fn check_log(folder: &Path) -> State {
    let path = folder.join("repository/.git/super-planner/state.db");
    let store = SqliteStore::open_existing(&path, Arc::new(SystemClock)).unwrap();
    let mut state = State::default();
    let mut next = Seq::START;
    let mut visit = |recorded: Recorded| {
        next = next.plus(1);
        assert_eq!(recorded.seq, next, "the log has a gap");
        state.apply_recorded(&recorded).unwrap();
        state.check_invariants().unwrap();
        std::ops::ControlFlow::Continue(())
    };
    store.read(&StreamName::workspace(), Seq::START, &mut visit).unwrap();
    state
}

/// Returns the messages of every session of an agent.
fn sessions(folder: &Path) -> BTreeMap<SessionName, Vec<Message>> {
    let path = folder.join("repository/.git/super-planner/state.db");
    let store: Arc<dyn StateStore> =
        Arc::new(SqliteStore::open_existing(&path, Arc::new(SystemClock)).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let names = Session::list(&*store).unwrap();
    let messages = |name: SessionName| {
        let session = runtime.block_on(Session::open(Arc::clone(&store), name.clone())).unwrap();
        (name, session.messages().to_vec())
    };
    names.into_iter().map(messages).collect()
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    kill_and_go_on("simulated", 20.0);
}

#[test]
fn agents_that_ask_models_go_on_with_their_sessions() {
    let sessions = kill_and_go_on("react", 6.0);
    let is_request = |message: &&Message| matches!(message, Message::User(_));
    let requests = sessions.values().map(|messages| messages.iter().filter(is_request).count());
    assert!(requests.sum::<usize>() >= 6 * TASKS_PER_KILL, "each task was asked for");
}

/// Kills runs, and lets a last one come to its end; returns the sessions of its agents.
#[expect(clippy::print_stdout, reason = "a test says how it can be repeated")]
fn kill_and_go_on(agent: &str, ordinary: f64) -> BTreeMap<SessionName, Vec<Message>> {
    let seed = from_environment("SUPER_PLANNER_TEST_SEED", 1);
    let scale = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
    let kills = (ordinary * scale) as u64;
    println!("seed {seed}, {kills} kills: SUPER_PLANNER_TEST_SEED repeats it");
    let mut sessions_before: BTreeMap<SessionName, Vec<Message>> = BTreeMap::new();
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let tasks = kills as usize * TASKS_PER_KILL;
    std::fs::write(folder.path().join("plan.yaml"), plan(tasks)).unwrap();

    for kill in 0..kills {
        let acknowledged = run_and_kill(folder.path(), agent, 5 + random.below(60) as u64);
        git(folder.path(), &["fsck", "--full", "--strict"]);
        check_log(folder.path());
        let sessions_now = sessions(folder.path());
        for (name, messages) in &sessions_before {
            let now: &Vec<Message> = &sessions_now[name];
            assert!(now.starts_with(messages), "kill {kill}: the session {name} has changed");
        }
        sessions_before = sessions_now;
        let recorded = history(folder.path());
        for (seq, event) in acknowledged {
            assert_eq!(recorded.get(&seq), Some(&event), "kill {kill}: entry {seq} was acknowledged");
        }
        assert!(
            landed(folder.path()).len() < tasks,
            "the run ended before kill {kill}: it was not in the middle"
        );
    }

    let output = program(folder.path(), agent).arg("--json").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}{}", String::from_utf8_lossy(&output.stdout));
    git(folder.path(), &["fsck", "--full", "--strict"]);
    let landed = landed(folder.path());
    assert_eq!(landed.len(), tasks, "each task is on the branch");
    assert!(landed.values().all(|commits| *commits == 1), "each task is one commit: {landed:?}");
    let recorded = recorded_commits(&check_log(folder.path()));
    let mut on_branch: Vec<_> =
        git(folder.path(), &["rev-list", "main..work"]).lines().map(str::to_owned).collect();
    on_branch.sort();
    assert_eq!(recorded, on_branch, "the log tells the commits of the branch, no more and no fewer");
    let locks = git(folder.path(), &["rev-parse", "--git-path", "refs"]);
    let locks = walk(&folder.path().join("repository").join(locks.trim()));
    assert!(locks.iter().all(|path| !path.ends_with(".lock")), "{locks:?}");
    sessions(folder.path())
}

/// Returns how many commits of the branch each task has.
fn landed(folder: &Path) -> BTreeMap<String, usize> {
    let tasks = git(folder, &["log", "--format=%(trailers:key=Task,valueonly,separator=%x2C)", "main..work"]);
    let mut landed = BTreeMap::new();
    for task in tasks.lines().filter(|line| !line.is_empty()) {
        *landed.entry(task.to_owned()).or_default() += 1;
    }
    landed
}

/// Returns the commits that the log says the tasks have become, sorted.
fn recorded_commits(state: &State) -> Vec<String> {
    let commit = |record: &TaskRecord| match record.state {
        TaskState::Completed(Completion::Attempt { landed: Landed::Commit { commit, .. }, .. }) => {
            commit.to_string()
        }
        _ => format!("{:?}", record.state),
    };
    let mut commits: Vec<_> = state.projects()[0].tasks.iter().map(commit).collect();
    commits.sort();
    commits
}

fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}
