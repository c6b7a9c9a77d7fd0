//! The program is killed while its agents and checks are at work: whoever comes next ends what was left, and no task is worked on
//! twice at once.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{git, program, with_plan};

/// Notes its process, complains where an earlier one of the same task is still there, and works for ever unless it may end.
const AGENT: &str = r#"#!/bin/sh
for earlier in $(cat "$HOME/agents/$SUPER_PLANNER_TASK" 2>/dev/null); do
    case "$(cat "/proc/$earlier/stat" 2>/dev/null)" in
        '' | *') Z '*) ;;
        *) echo "$SUPER_PLANNER_TASK" >> "$HOME/doubled";;
    esac
done
mkdir -p "$HOME/agents"
echo $$ >> "$HOME/agents/$SUPER_PLANNER_TASK"
echo "$SUPER_PLANNER_TASK" > "$SUPER_PLANNER_TASK.txt"
[ -e "$HOME/go-on" ] && exit 0
setsid sleep 600 &
echo $! >> "$HOME/agents/$SUPER_PLANNER_TASK"
sleep 600
"#;

fn start(folder: &Path) -> Child {
    let script = folder.join("agent.sh");
    fs::write(&script, AGENT).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(folder.join("tmp")).unwrap();
    command(folder).arg("--agent-command").arg(&script).spawn().unwrap()
}

fn command(folder: &Path) -> Command {
    let mut command = program(folder);
    command.env("HOME", folder).env("TMPDIR", folder.join("tmp"));
    command.args(["run", "plan.yaml", "--repo", "repo", "--init", "--agents", "2", "--quiet"]);
    command.stdout(Stdio::null());
    command
}

/// Waits until something holds; the program must not end before.
fn wait_until(child: &mut Child, holds: impl Fn() -> bool) {
    while !holds() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended before its time");
        std::thread::yield_now();
    }
}

/// Returns the processes that were noted in a file.
fn noted(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn kill(mut child: Child) {
    // By SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
}

fn agents(folder: &Path) -> Vec<String> {
    ["A", "B"].iter().flat_map(|task| noted(&folder.join("agents").join(task))).collect()
}

fn check_end(folder: &Path, orphans: &[String]) {
    assert!(!folder.join("doubled").exists(), "two worked on {:?} at once", noted(&folder.join("doubled")));
    assert!(orphans.iter().all(|pid| !is_alive(pid)), "what was left is gone: {orphans:?}");
    let subjects = git(
        folder,
        &["log", "--format=%(trailers:key=Task,valueonly,separator=%x2C)", "main..planner/tried"],
    );
    let mut tasks: Vec<&str> = subjects.lines().filter(|line| !line.is_empty()).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, ["A", "B"]);
    let left = fs::read_dir(folder.join("tmp")).unwrap().map(|entry| entry.unwrap().path());
    let left: usize = left.map(|path| fs::read_dir(path).unwrap().count()).sum();
    assert_eq!(left, 0, "no worktree stays");
}

#[test]
fn the_next_run_ends_the_agents_of_one_that_was_killed() {
    let folder = with_plan(&["A", "B"]);
    let folder = folder.path();
    let mut first = start(folder);
    wait_until(&mut first, || agents(folder).len() == 4);
    kill(first);
    let orphans = agents(folder);
    assert!(orphans.iter().all(|pid| is_alive(pid)), "they outlive the program: {orphans:?}");
    fs::write(folder.join("go-on"), "").unwrap();
    assert!(start(folder).wait().unwrap().success());
    check_end(folder, &orphans);
}

#[test]
fn a_run_beside_it_ends_the_agents_of_one_that_was_killed() {
    let folder = with_plan(&["A", "B"]);
    let folder = folder.path();
    let mut first = start(folder);
    wait_until(&mut first, || agents(folder).len() == 4);
    let mut second = start(folder);
    let state = folder.join("repo/.git/super-planner/state.db");
    let coordinators = || {
        let store =
            state_store::SqliteStore::open_existing(&state, std::sync::Arc::new(state_store::SystemClock));
        let loaded = state_store::task::State::load(&store.unwrap(), &state_store::StreamName::workspace());
        loaded.unwrap().state.projects().first().map_or(0, |project| project.coordinators.len())
    };
    wait_until(&mut second, || coordinators() == 2);
    let orphans = agents(folder);
    fs::write(folder.join("go-on"), "").unwrap();
    kill(first);
    assert!(second.wait().unwrap().success());
    check_end(folder, &orphans);
}

#[test]
fn the_next_run_ends_the_landing_check_of_one_that_was_killed() {
    let folder = with_plan(&["A", "B"]);
    let folder = folder.path();
    let config = folder.join("super-planner");
    fs::create_dir(&config).unwrap();
    let check = r#"[ -e "$HOME/checked" ] || { echo $$ >> "$HOME/checks"; sleep 600; }"#;
    fs::write(config.join("config.toml"), format!("[landing]\ncheck = ['sh', '-c', '{check}']\n")).unwrap();
    fs::write(folder.join("go-on"), "").unwrap();
    let mut first = start(folder);
    wait_until(&mut first, || !noted(&folder.join("checks")).is_empty());
    kill(first);
    let orphans = noted(&folder.join("checks"));
    assert!(orphans.iter().all(|pid| is_alive(pid)), "it outlives the program");
    fs::write(folder.join("checked"), "").unwrap();
    assert!(start(folder).wait().unwrap().success());
    check_end(folder, &orphans);
}
