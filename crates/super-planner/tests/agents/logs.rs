//! What agents have printed, and print.

use serde_json::Value;

use crate::{RUN, program, run, with_plan};

#[test]
fn logs_are_followed_while_an_agent_works_and_end_with_its_task() {
    let folder = with_plan(&["A"]);
    let script = folder.path().join("agent.sh");
    let text = "#!/bin/sh\necho begun\nwhile [ ! -e \"$HOME/go-on\" ]; do sleep 0.05; done\necho over; echo x > made.txt\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut running = program(folder.path());
    running.env("HOME", folder.path()).args(RUN).args([
        "--quiet",
        "--agent-command",
        script.to_str().unwrap(),
    ]);
    let mut running = running.stdout(std::process::Stdio::null()).spawn().unwrap();
    let state = folder.path().join("repo/.git/super-planner/state.db-transcripts/tried/A");
    while std::fs::read_dir(&state).map_or(0, Iterator::count) == 0 {
        assert!(running.try_wait().unwrap().is_none(), "the run goes on");
        std::thread::yield_now();
    }
    let mut follower = program(folder.path());
    let mut follower = follower
        .args(["logs", "-f", "A", "--repo", "repo", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(follower.stdout.take().unwrap()));
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["text"].clone();
    assert_eq!(next(), "begun", "it is shown while the agent works");
    std::fs::write(folder.path().join("go-on"), "").unwrap();
    assert_eq!(next(), "over");
    assert!(follower.wait().unwrap().success() && running.wait().unwrap().success());
    let (code, _, said) = run(folder.path(), &["logs", "A", "--attempt", "9", "--repo", "repo"]);
    assert!(code == Some(1) && said.contains("nothing is kept"), "{said}");
}
