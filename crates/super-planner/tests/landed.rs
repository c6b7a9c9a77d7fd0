//! What has landed in real runs: `log --git`, what `--verify` finds when somebody has changed the branch, and `land`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const PLAN: &str = "
name: small
tasks:
  - { id: A, title: First, effort: 1h }
  - { id: B, title: 'Second\\nTask: forged', effort: 1h, dependencies: [A] }
";

fn git(folder: &Path, arguments: &[&str]) -> String {
    let options = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let git = &mut Command::new("git");
    let output =
        git.arg("-C").arg(folder).args(options).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn super_planner(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_super-planner"))
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env_remove("SUPER_PLANNER_CONFIG")
        .args(arguments)
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Returns a repository in which both tasks of the plan have landed.
fn landed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.yaml"), PLAN).unwrap();
    git(folder.path(), &["init", "-q", "-b", "main", "."]);
    git(folder.path(), &["commit", "-q", "--allow-empty", "-m", "start"]);
    let (code, said) =
        super_planner(folder.path(), &["run", "plan.yaml", "--time-scale", "1000000", "--quiet"]);
    assert_eq!(code, 0, "{said}");
    folder
}

fn verified(folder: &Path) -> (i32, Value) {
    let (code, said) = super_planner(folder, &["log", "--git", "--verify", "--json"]);
    (code, serde_json::from_str(&said).unwrap())
}

#[test]
fn a_task_leads_to_its_commit_and_a_commit_to_its_task() {
    let folder = landed();
    let (code, said) = super_planner(folder.path(), &["log", "--git", "--json"]);
    assert_eq!(code, 0, "{said}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["task"]).collect::<Vec<_>>(), ["B", "A"]);
    assert_eq!(lines[0]["commit"], git(folder.path(), &["rev-parse", "planner/small"]));
    assert_eq!((&lines[0]["project"], &lines[0]["attempt"]), (&"small".into(), &"1".into()));
    let (_, only) = super_planner(folder.path(), &["log", "A", "--git", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(only.trim()).unwrap(), lines[1]);
    let hash = lines[1]["commit"].as_str().unwrap().to_ascii_uppercase();
    for asked in [&hash, &hash[..8]] {
        let (code, back) = super_planner(folder.path(), &["log", "--git", "--json", "--commit", asked]);
        assert_eq!((code, serde_json::from_str::<Value>(back.trim()).unwrap()), (0, lines[1].clone()));
    }
    let start = git(folder.path(), &["rev-parse", "main"]);
    for asked in [&*start, "", "no hash"] {
        assert_eq!(super_planner(folder.path(), &["log", "--git", "--commit", asked]).0, 1, "`{asked}`");
    }
    let (_, table) = super_planner(folder.path(), &["log", "--git", "--limit", "1"]);
    assert!(
        table.contains(&lines[0]["commit"].as_str().unwrap()[..10]) && !table.contains("First"),
        "{table}"
    );
}

#[test]
fn what_has_not_been_touched_agrees() {
    let folder = landed();
    let (code, found) = verified(folder.path());
    assert_eq!((code, &found["agrees"], &found["commits"]), (0, &true.into(), &2.into()), "{found}");
    let (code, said) = super_planner(folder.path(), &["log", "--git", "--verify"]);
    assert!(code == 0 && said.contains("agree"), "{said}");
}

#[test]
fn a_commit_that_is_gone_is_found() {
    let folder = landed();
    let tip = git(folder.path(), &["rev-parse", "planner/small"]);
    git(folder.path(), &["update-ref", "refs/heads/planner/small", "planner/small^"]);
    let (code, found) = verified(folder.path());
    assert_eq!(code, 1, "{found}");
    assert_eq!(found["findings"][0]["finding"], "not-on-branch");
    assert_eq!((&found["findings"][0]["task"], &found["findings"][0]["commit"]), (&"B".into(), &tip.into()));
}

#[test]
fn a_forged_commit_and_a_rewritten_one_are_found() {
    let folder = landed();
    let forge = |message: &str, parent: &str| {
        git(folder.path(), &["commit-tree", "planner/small^{tree}", "-p", parent, "-m", message])
    };
    let forged = forge("A: again\n\nTask: A\nProject: small\nAgent: x\nAttempt: 1", "planner/small");
    git(folder.path(), &["update-ref", "refs/heads/planner/small", &forged]);
    let (code, found) = verified(folder.path());
    assert_eq!((code, &found["findings"].as_array().unwrap().len()), (1, &1), "{found}");
    assert_eq!(found["findings"][0]["finding"], "not-in-state");
    assert_eq!(found["findings"][0]["commit"], forged);
    let rewritten = forge("B: Second\n\nTask: B\nProject: small\nAgent: x\nAttempt: 7", "planner/small~2");
    git(folder.path(), &["update-ref", "refs/heads/planner/small", &rewritten]);
    let (code, found) = verified(folder.path());
    let kinds: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|f| f["finding"].as_str().unwrap()).collect();
    assert_eq!((code, kinds), (1, vec!["not-on-branch", "not-in-state"]), "{found}");
}

#[test]
fn what_has_landed_comes_to_the_branch_that_is_checked_out_with_its_files() {
    let folder = landed();
    let (code, said) = super_planner(folder.path(), &["land"]);
    assert_eq!(code, 2, "main is checked out, and that was not asked for: {said}");
    let (code, said) = super_planner(folder.path(), &["land", "--checkout", "--json"]);
    assert_eq!(code, 0, "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&told["outcome"], &told["commits"]), (&"landed".into(), &2.into()));
    assert_eq!(
        git(folder.path(), &["rev-parse", "main"]),
        git(folder.path(), &["rev-parse", "planner/small"])
    );
    assert_eq!(git(folder.path(), &["status", "--porcelain"]), "?? plan.yaml");
    assert!(folder.path().join("misc/a.md").exists());
    let (code, said) = super_planner(folder.path(), &["land", "--checkout"]);
    assert!(code == 0 && said.contains("has all of it"), "{said}");
}

#[test]
fn a_branch_that_went_its_own_way_gets_commits_that_say_the_same() {
    let folder = landed();
    git(folder.path(), &["branch", "release"]);
    let tree = git(folder.path(), &["mktree"]);
    let own = git(folder.path(), &["commit-tree", &tree, "-p", "release", "-m", "its own"]);
    git(folder.path(), &["update-ref", "refs/heads/release", &own]);
    let (code, said) = super_planner(folder.path(), &["land", "--onto", "release"]);
    assert_eq!(code, 0, "{said}");
    let messages = |branch: &str| git(folder.path(), &["log", "-2", "--format=%B", branch]);
    assert_eq!(messages("release"), messages("planner/small"));
    assert_eq!(git(folder.path(), &["rev-parse", "release~2"]), own);
    assert_eq!(git(folder.path(), &["fsck", "--strict", "--no-dangling"]), "");
}

#[test]
fn what_was_brought_over_once_is_not_brought_again() {
    let folder = landed();
    let folder = folder.path();
    let first = git(folder, &["rev-parse", "planner/small^"]);
    let both = git(folder, &["rev-parse", "planner/small"]);
    git(folder, &["update-ref", "refs/heads/planner/small", &first]);
    git(folder, &["commit", "-q", "--allow-empty", "-m", "its own way"]);
    let land = |outcome: &str| {
        let (code, said) = super_planner(folder, &["land", "--checkout", "--json"]);
        let told: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((code, &told["outcome"]), (0, &outcome.into()), "{said}");
    };
    land("landed");
    git(folder, &["revert", "--no-edit", "HEAD"]);
    land("nothing-to-do");
    git(folder, &["commit", "-q", "--amend", "--allow-empty", "-m", "taken back"]);
    git(folder, &["update-ref", "refs/heads/planner/small", &both]);
    land("landed");
    let subjects = git(folder, &["log", "-4", "--format=%s", "main"]);
    assert_eq!(subjects, "B: Second\\nTask: forged\ntaken back\nA: First\nits own way");
    assert!(!folder.join("misc/a.md").exists(), "the user took it back");
    // Git makes them again too.
    git(folder, &["checkout", "-q", "-b", "moved", "main~3"]);
    git(folder, &["commit", "-q", "--allow-empty", "-m", "another way"]);
    git(folder, &["cherry-pick", "--allow-empty", "main~2", "main"]);
    let (code, said) = super_planner(folder, &["land", "--onto", "moved"]);
    assert!(code == 0 && said.contains("has all of it"), "{said}");
}

#[test]
fn a_conflict_or_changed_files_move_nothing() {
    let folder = landed();
    std::fs::create_dir(folder.path().join("misc")).unwrap();
    std::fs::write(folder.path().join("misc/a.md"), "mine").unwrap();
    let before = git(folder.path(), &["rev-parse", "main"]);
    let (code, said) = super_planner(folder.path(), &["land", "--checkout"]);
    assert_eq!(code, 3, "a file is in the way: {said}");
    assert_eq!(std::fs::read_to_string(folder.path().join("misc/a.md")).unwrap(), "mine");
    assert_eq!(git(folder.path(), &["rev-parse", "main"]), before);
    git(folder.path(), &["add", "misc"]);
    git(folder.path(), &["commit", "-q", "-m", "mine"]);
    let before = git(folder.path(), &["rev-parse", "main"]);
    let (code, said) = super_planner(folder.path(), &["land", "--checkout", "--json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &told["outcome"], &told["paths"][0]), (1, &"conflict".into(), &"misc/a.md".into()));
    assert_eq!(git(folder.path(), &["rev-parse", "main"]), before);
    assert_eq!(git(folder.path(), &["status", "--porcelain"]), "?? plan.yaml");
}

#[test]
fn a_run_of_programs_leaves_no_folder_and_those_of_the_dead_are_shown_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let worktrees = folder.path().join("worktrees");
    let text = format!(
        "[landing]\ncheck = ['test', '-s', 'made']\nmessage = '{{type}}({{project}}): {{title}}'\n[worktrees]\nfolder = '{}'\n",
        worktrees.display()
    );
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    std::fs::write(folder.path().join("plan.yaml"), PLAN).unwrap();
    git(folder.path(), &["init", "-q", "-b", "main", "."]);
    git(folder.path(), &["commit", "-q", "--allow-empty", "-m", "start"]);
    let (code, said) = super_planner(
        folder.path(),
        &["--config", "config.toml", "run", "plan.yaml", "--quiet", "--agent-command", "tee -a made"],
    );
    assert_eq!(code, 0, "{said}");
    let subjects = git(folder.path(), &["log", "-2", "--format=%s", "planner/small"]);
    assert_eq!(subjects, "chore(small): Second\\nTask: forged\nchore(small): First");
    let trailers = git(
        folder.path(),
        &["log", "-1", "--format=%(trailers:key=Landing-Check,valueonly)", "planner/small"],
    );
    assert_eq!(trailers, "test -s made");
    assert_eq!(verified(folder.path()).0, 0);
    assert_eq!(std::fs::read_dir(&worktrees).unwrap().count(), 0, "the folder of the run is gone");
    std::fs::create_dir_all(worktrees.join("pool-4000000000-0/1")).unwrap();
    std::fs::write(worktrees.join("pool-4000000000-0/.super-planner-worktrees"), "").unwrap();
    let (_, said) = super_planner(folder.path(), &["--config", "config.toml", "worktrees", "--json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&told["folders"][0]["in_use"], &told["folders"][0]["worktrees"]), (&false.into(), &1.into()));
    let (_, said) = super_planner(folder.path(), &["--config", "config.toml", "worktrees", "--clean"]);
    assert!(said.contains("removed") && said.contains("4000000000-0"), "{said}");
    assert_eq!(std::fs::read_dir(&worktrees).unwrap().count(), 0);
    let (code, said) = super_planner(folder.path(), &["repack", "--json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert!(code == 0 && told["packs"].as_u64() > Some(1), "{said}");
    assert_eq!(verified(folder.path()).0, 0);
    git(folder.path(), &["fsck", "--full", "--strict"]);
}
