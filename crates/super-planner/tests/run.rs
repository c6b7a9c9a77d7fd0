//! Whole runs of the real program: on plans that people have, with each kind of agent, and where it must refuse.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PLAN: &str = "
name: small
tasks:
  - { id: G, title: A group }
  - { id: A, parent: G, title: First, effort: 1h }
  - { id: B, parent: G, title: Second, effort: 1h, dependencies: [A] }
  - { id: C, title: Third, effort: 1h, dependencies: [G] }
";

struct Folder(tempfile::TempDir);

#[derive(Debug)]
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Folder {
    /// A folder with a plan and a repository.
    fn new(plan: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path("plan.yaml"), plan).unwrap();
        folder.git(&["init", "-q", "-b", "main", "."]);
        folder.git(&[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "start",
        ]);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
            .current_dir(self.0.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env_remove("SUPER_PLANNER_CONFIG")
            .args(["run", "plan.yaml", "--time-scale", "1000000"])
            .args(arguments)
            .output()
            .unwrap();
        Told {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn report(&self, arguments: &[&str]) -> Value {
        let told = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(told.code, 0, "{told:?}");
        serde_json::from_str::<Value>(&told.out).unwrap()["report"].clone()
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(self.0.path(), arguments)
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_ends_and_the_next_one_finds_nothing_to_do() {
    let folder = Folder::new(PLAN);
    let first = folder.report(&[]);
    assert_eq!((&first["tasks"]["completed"], &first["landings"]["commits"]), (&3.into(), &3.into()));
    let tip = folder.git(&["rev-parse", "planner/small"]);
    let second = folder.report(&[]);
    assert_eq!(second["tasks"]["completed"], 3);
    assert_eq!(folder.git(&["rev-parse", "planner/small"]), tip);
    assert_eq!(folder.git(&["status", "--porcelain"]), "?? plan.yaml\n", "the working copy is left alone");
}

#[test]
fn every_kind_of_agent_lands_its_work() {
    for agent in [&["--agent", "simulated"][..], &["--agent", "react"], &["--agent-command", "touch made"]] {
        let folder = Folder::new("name: small\ntasks: [{ id: A, title: First, effort: 1h }]\n");
        let scale = if agent[0] == "--agent-command" { vec![] } else { vec!["--time-scale", "1000000"] };
        let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
            .current_dir(folder.0.path())
            .env("XDG_CONFIG_HOME", folder.path("config"))
            .args(["run", "plan.yaml", "--quiet"])
            .args(scale)
            .args(agent)
            .output()
            .unwrap();
        assert!(output.status.success(), "{agent:?}: {}", String::from_utf8_lossy(&output.stderr));
        let made = folder.git(&["ls-tree", "-r", "--name-only", "planner/small"]);
        let expected = if agent[0] == "--agent-command" { "made\n" } else { "misc/a.md\n" };
        assert_eq!(made, expected, "{agent:?}");
    }
}

#[test]
fn agents_that_ask_models_fail_share_files_and_keep_their_sessions() {
    let folder = Folder::new(PLAN);
    let react = ["--agent", "react", "--failure-rate", "0.4", "--shared-rate", "1", "--seed", "3"];
    let report = folder.report(&react);
    assert_eq!(report["tasks"]["completed"], 3, "{report}");
    let notes = folder.git(&["show", "planner/small:g/NOTES.md"]);
    assert_eq!(notes.lines().count(), 2, "each of the group has added its line: {notes}");
    let sessions = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .current_dir(folder.0.path())
        .env("XDG_CONFIG_HOME", folder.path("config"))
        .args(["sessions", "list", "--json"])
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&sessions.stdout).unwrap();
    let names: Vec<&str> =
        told["sessions"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.len() >= 3 && names.iter().all(|name| name.starts_with("run/0/")), "{names:?}");
}

#[test]
fn a_program_that_an_agent_changes_stays_a_program() {
    let folder = Folder::new("name: small\ntasks: [{ id: A, title: First, effort: 1h }]\n");
    std::fs::create_dir(folder.path("misc")).unwrap();
    std::fs::write(folder.path("misc/NOTES.md"), "#!/bin/cat\r\n").unwrap();
    folder.git(&["add", "misc/NOTES.md"]);
    folder.git(&["update-index", "--chmod=+x", "misc/NOTES.md"]);
    folder.git(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "a program"]);
    folder.report(&["--agent", "react", "--shared-rate", "1"]);
    let listed = folder.git(&["ls-tree", "planner/small", "misc/NOTES.md", "misc/a.md"]);
    let modes: Vec<&str> = listed.lines().map(|line| &line[..6]).collect();
    assert_eq!(modes, ["100755", "100644"], "{listed}");
    let text = folder.git(&["show", "planner/small:misc/NOTES.md"]);
    assert!(text.contains("#!/bin/cat\r\n") && text.lines().count() == 2, "{text:?}");
}

#[test]
fn only_agents_that_ask_models_can_be_told_which() {
    let folder = Folder::new(PLAN);
    for wrong in [
        &["--model", "simulated"][..],
        &["--skills", "."],
        &["--agent", "react", "--model", "simulated", "--model", "openai:x"],
        &["--agent", "react", "--model", "nobody"],
        &["--agent", "react", "--summarise"],
    ] {
        let told = folder.run(wrong);
        assert_eq!(told.code, 2, "{wrong:?}: {told:?}");
    }
}

#[test]
fn a_plan_that_fails_ends_with_its_own_exit_code_and_says_what_is_open() {
    let folder = Folder::new(PLAN);
    let told = folder.run(&["--failure-rate", "1"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("not all done"), "{}", told.out);
    assert!(told.out.contains("A is failed: the agent failed"), "{}", told.out);
    assert!(told.out.contains("B is pending"), "{}", told.out);
}

#[test]
fn checks_that_nobody_approved_are_not_run_and_nothing_is_written() {
    let check =
        "name: small\ntasks: [{ id: A, check: { command: [touch, /tmp/super-planner-must-not-be] } }]\n";
    let folder = Folder::new(check);
    let told = folder.run(&[]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.err.contains("`touch /tmp/super-planner-must-not-be`"), "{}", told.err);
    assert!(told.err.contains("--trust-checks"), "{}", told.err);
    assert!(!folder.path(".git/super-planner").exists());
    assert!(!Path::new("/tmp/super-planner-must-not-be").exists());
    assert_eq!(folder.run(&["--skip-checks", "--quiet"]).code, 0);
    assert!(!Path::new("/tmp/super-planner-must-not-be").exists());
}

#[test]
fn approved_checks_are_run_on_the_files_of_the_result() {
    let plan =
        |file: &str| format!("name: small\ntasks: [{{ id: A, check: {{ command: [test, -s, {file}] }} }}]\n");
    assert_eq!(Folder::new(&plan("misc/a.md")).run(&["--trust-checks", "--quiet"]).code, 0);
    let told = Folder::new(&plan("misc/b.md")).run(&["--trust-checks", "--quiet"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("the check failed: `test -s misc/b.md` ended with 1"), "{}", told.out);
}

#[test]
fn a_plan_that_changed_is_refused_with_how_it_differs() {
    let folder = Folder::new(PLAN);
    folder.report(&[]);
    std::fs::write(folder.path("plan.yaml"), PLAN.replace("Third", "Other") + "  - { id: D }\n").unwrap();
    let told = folder.run(&[]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.err.contains("added 1 (`D`), removed none, changed 1 (`C`)"), "{}", told.err);
}

#[test]
fn what_has_landed_must_still_be_there() {
    let folder = Folder::new(PLAN);
    folder.report(&[]);
    let other = folder.run(&["--branch", "other"]);
    assert_eq!(other.code, 3, "{other:?}");
    assert!(other.err.contains("3 results of the project have landed on planner/small"), "{}", other.err);
    let elsewhere = folder.run(&["--state", ".git/super-planner/state.db", "--repo", "new", "--init"]);
    assert_eq!(elsewhere.code, 3, "{elsewhere:?}");
    folder.git(&["branch", "-q", "-D", "planner/small"]);
    let gone = folder.run(&[]);
    assert_eq!(gone.code, 3, "{gone:?}");
    assert!(gone.err.contains("planner/small does not hold the last of them"), "{}", gone.err);
    assert_eq!(folder.git(&["branch", "--list", "planner/small"]), "", "it is not made again without a word");
}

#[test]
fn a_branch_that_is_checked_out_is_not_landed_on() {
    let folder = Folder::new(PLAN);
    let told = folder.run(&["--branch", "main"]);
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.err.contains("the branch main is checked out"), "{}", told.err);
    assert!(!folder.path(".git/super-planner").exists());
}

#[test]
fn without_a_repository_it_says_what_to_do() {
    let folder = Folder::new(PLAN);
    std::fs::remove_dir_all(folder.path(".git")).unwrap();
    let told = folder.run(&[]);
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.err.contains("--init makes one"), "{}", told.err);
    assert_eq!(folder.run(&["--repo", "new", "--init", "--quiet"]).code, 0);
    let nothing_lands = folder.report(&["--landing", "none", "--state", "memory:"]);
    assert_eq!(nothing_lands["landings"]["without_files"], 3);
}

#[test]
fn the_demo_ends_well_and_leaves_what_it_says() {
    let folder = Folder::new(PLAN);
    let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .current_dir(folder.0.path())
        .args(["demo", "--dir", "demo", "--seed", "7", "--time-scale", "200000", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["report"]["tasks"]["completed"], 47);
    assert!(told["report"]["attempts"]["retried"].as_u64() > Some(0), "some attempts fail on purpose");
    let demo = folder.path("demo");
    assert!(std::fs::read_to_string(demo.join("schedule.svg")).unwrap().starts_with("<svg"));
    let commits = git(&demo.join("repository"), &["rev-list", "--count", "main..planner/demo"]);
    assert_eq!(commits.trim(), told["report"]["landings"]["commits"].to_string());
    git(&demo.join("repository"), &["fsck", "--full", "--strict"]);
}

#[test]
fn an_agent_that_cannot_be_run_is_told_before_anything_is_written() {
    let folder = Folder::new(PLAN);
    for agent in ["/nonexistent/agent", "./plan.yaml", "no-such-program-anywhere", " "] {
        let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
            .current_dir(folder.0.path())
            .args(["run", "plan.yaml", "--agent-command", agent])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{agent}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!folder.path(".git/super-planner").exists());
}

#[test]
fn what_an_agent_made_counts_as_a_whole_or_not_at_all() {
    let folder = Folder::new("name: small\ntasks: [{ id: A, title: First }]\n");
    let script = folder.path("agent.sh");
    std::fs::write(&script, "#!/bin/sh\necho x > good.txt; ln -s /etc/passwd link\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .current_dir(folder.0.path())
        .env("XDG_CONFIG_HOME", folder.path("config"))
        .args(["run", "plan.yaml", "--agent-command", script.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("what it made cannot be taken: 1 paths are links"), "{told}");
    assert_eq!(folder.git(&["ls-tree", "-r", "--name-only", "planner/small"]), "");
}

#[test]
fn two_plans_run_on_one_repository_and_each_run_keeps_to_its_own() {
    let folder = Folder::new(PLAN);
    // The first is interrupted by its own failures; its tasks stay open for nobody but itself.
    std::fs::write(folder.path("other.yaml"), PLAN.replace("name: small", "name: other")).unwrap();
    assert_eq!(folder.run(&["--failure-rate", "1", "--quiet"]).code, 1);
    let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .current_dir(folder.0.path())
        .env("XDG_CONFIG_HOME", folder.path("config"))
        .args(["run", "other.yaml", "--time-scale", "1000000", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["report"]["tasks"]["completed"], 3);
    assert_eq!(report["report"]["coordinators"], 1);
    assert_eq!(folder.git(&["rev-list", "--count", "main..planner/small"]), "0\n");
    assert_eq!(folder.git(&["rev-list", "--count", "main..planner/other"]), "3\n");
}

/// Real plans of other people, to the end.
#[test]
fn plans_that_people_have_run_to_the_end() {
    let Some(corpus) = std::env::var_os("SUPER_PLANNER_CORPUS") else {
        println!("left out: SUPER_PLANNER_CORPUS names no folder");
        return;
    };
    let plans = Path::new(&corpus).join("plans");
    let golden = std::fs::read(plans.join("superplanner/complex_microservices_platform.json")).unwrap();
    let beads =
        Command::new("gzip").arg("-dc").arg(plans.join("beads_beads_3077.jsonl.gz")).output().unwrap().stdout;
    for (plan, to_do, before, excluded) in [(golden, 16, 0, 0), (beads, 312, 1525, 1120)] {
        let folder = Folder::new("");
        std::fs::write(folder.path("plan.yaml"), plan).unwrap();
        let report = folder.report(&[]);
        let tasks = &report["tasks"];
        assert_eq!(
            (
                &tasks["completed"],
                &tasks["completed_before"],
                &tasks["excluded"],
                &tasks["open"],
                &tasks["failed"]
            ),
            (&to_do.into(), &before.into(), &excluded.into(), &0.into(), &0.into())
        );
        assert_eq!(report["landings"]["commits"], to_do);
        let branch = report["branch"].as_str().unwrap();
        let commits = folder.git(&["rev-list", "--count", &format!("main..{branch}")]);
        assert_eq!(commits.trim(), to_do.to_string());
        folder.git(&["fsck", "--full", "--strict"]);
    }
}
