//! The check before the branch moves: it sees exactly what the branch would hold, and finds out whose fault it is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_coordinator::executor::{InProcess, Job, Outcome};
use agent_coordinator::{DriverError, LandingRules, ShutDown};
use git_ops::{MergeDriver, MergePolicy, Resolution};
use planner_core::Check;
use state_store::task::{Handover, StateName};

use crate::world::{World, add, end, plan, settle, states, task, write};

/// A world whose branch must pass a script with every result.
fn checked_by(script: &str) -> World {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    let check = Some(Check { command, timeout_seconds: None });
    World::new().with_landing(LandingRules { check, ..LandingRules::default() })
}

/// Returns every commit of the branch whose files hold a word.
fn commits_with(world: &World, word: &str) -> Vec<String> {
    let commits = world.git(&["rev-list", world.branch.as_str()]);
    let holds = |commit: &&str| {
        world
            .git(&["ls-tree", "-r", "--name-only", commit])
            .lines()
            .any(|file| world.git(&["show", &format!("{commit}:{file}")]).contains(word))
    };
    commits.lines().filter(holds).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_result_does_not_take_the_good_ones_with_it_and_never_reaches_the_branch() {
    let world = checked_by("! grep -rq bad . --include=*.txt");
    let tasks: Vec<_> = (0..12).map(|number| task(&format!("t{number}"), &[])).collect();
    let retried = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&retried);
    let work = move |job: Job| {
        let counted = Arc::clone(&counted);
        async move {
            let name = job.task().id.to_string();
            let is_bad = job.attempt == 1 && ["t3", "t4", "t9"].contains(&&*name);
            if let Some(Handover::Failure(reason)) = &job.handover {
                assert!(reason.contains("with what is on planner/test"), "{reason}");
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Done(vec![write(&format!("{name}.txt"), if is_bad { "bad" } else { "good" })])
        }
    };
    let running = world.start(1, InProcess::new(work));
    let project = add(&running, plan(tasks), world.settings(), 12).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 12]);
    end(running).await;
    assert_eq!(retried.load(Ordering::Relaxed), 3, "only the bad ones were tried again");
    assert_eq!(world.commits().len(), 12);
    assert_eq!(commits_with(&world, "bad"), [] as [&str; 0]);
    let said =
        world.git(&["log", "-1", "--format=%(trailers:key=Landing-Check,valueonly)", world.branch.as_str()]);
    assert_eq!(said.trim(), "sh -c ! grep -rq bad . --include=*.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_good_alone_and_bad_together_do_not_land_together() {
    let world = checked_by("! { test -e a.txt && test -e b.txt; }");
    let work = |job: Job| async move {
        let name = if job.attempt == 1 { job.task().id.to_string() } else { "c".to_owned() };
        Outcome::Done(vec![write(&format!("{name}.txt"), "text")])
    };
    let running = world.start(1, InProcess::new(work));
    let project = add(&running, plan(vec![task("a", &[]), task("b", &[])]), world.settings(), 2).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 2]);
    end(running).await;
    let files = world.git(&["ls-tree", "--name-only", world.branch.as_str()]);
    assert!(files == "README.md\na.txt\nc.txt\n" || files == "README.md\nb.txt\nc.txt\n", "{files}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_ends_during_the_check_leaves_a_result_that_lands_once() {
    let folder = tempfile::tempdir().unwrap();
    let [begun, go] = ["begun", "go"].map(|name| folder.path().join(name));
    let script = format!("touch {}; while [ ! -e {} ]; do sleep 0.02; done", begun.display(), go.display());
    let world = checked_by(&script);
    let work = |_| async { Outcome::Done(vec![write("a.txt", "text")]) };
    let running = world.start(1, InProcess::new(work));
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    appears(&begun).await;
    assert_eq!(states(&running, project).await, [StateName::Landing]);
    running.handle.shut_down(ShutDown::Now);
    running.ended().await.unwrap();
    assert_eq!(world.commits().len(), 0);
    std::fs::write(&go, "").unwrap();
    let running = world.start(2, InProcess::new(work));
    add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed]);
    end(running).await;
    assert_eq!(world.commits(), ["a: a"]);
}

async fn appears(path: &Path) {
    while !path.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_bad_already_stops_the_run_and_fails_no_task() {
    let world = checked_by("echo broken; false");
    let running = world.start(1, InProcess::new(crate::world::file_of));
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    running.handle.settled(project).await.unwrap_err();
    let ended = running.ended().await;
    let Err(DriverError::Hindered(hindrance)) = ended else { panic!("{ended:?}") };
    assert!(hindrance.reason.contains("broken"), "{hindrance:?}");
    assert_eq!(world.commits().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_result_would_have_brought_is_no_outcome_where_that_does_not_land() {
    let folder = tempfile::tempdir().unwrap();
    let (begun, go) = (folder.path().join("begun"), folder.path().join("go"));
    let script = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.02; done; ! test -e bad.txt",
        begun.display(),
        go.display()
    );
    let world = checked_by(&script);
    // While the first result is checked, a bad one and one that has its good part wait for the next batch.
    let (turn, turns) = tokio::sync::watch::channel(0);
    let work = move |job: Job| {
        let mut turns = turns.clone();
        async move {
            let (own, edits) = match (&*job.task().id.to_string(), job.attempt) {
                ("first", _) => (0, vec![write("first.txt", "text")]),
                ("bad", 1) => (1, vec![write("shared.txt", "text"), write("bad.txt", "text")]),
                ("bad", _) => (1, vec![write("other.txt", "text")]),
                _ => (2, vec![write("shared.txt", "text")]),
            };
            turns.wait_for(|turn| *turn >= own).await.unwrap();
            Outcome::Done(edits)
        }
    };
    let running = world.start(1, InProcess::new(work));
    let tasks = vec![task("first", &[]), task("bad", &[]), task("same", &[])];
    let project = add(&running, plan(tasks), world.settings(), 3).await;
    appears(&begun).await;
    for number in 1..3 {
        turn.send(number).unwrap();
        while states(&running, project).await[number] != StateName::Landing {
            tokio::task::yield_now().await;
        }
    }
    std::fs::write(&go, "").unwrap();
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 3]);
    end(running).await;
    let files = world.git(&["ls-tree", "--name-only", world.branch.as_str()]);
    assert_eq!(files, "README.md\nfirst.txt\nother.txt\nshared.txt\n", "what is done is on the branch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_another_program_gives_back_costs_a_try_and_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (tried, lock) = (folder.path().join("tried"), folder.path().join("lock"));
    // The check runs just before the branch is moved: the first time another program takes the lock, the next time it is free.
    let script = format!(
        "lock=$(cat {lock}); if [ -e {tried} ]; then rm -f $lock; else touch {tried} $lock; fi",
        lock = lock.display(),
        tried = tried.display()
    );
    let world = checked_by(&script);
    let path = world.git(&["rev-parse", "--absolute-git-dir"]).trim().to_owned()
        + &format!("/refs/heads/{}.lock", world.branch);
    std::fs::write(&lock, &path).unwrap();
    let running = world.start(1, InProcess::new(crate::world::file_of));
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed]);
    end(running).await;
    assert_eq!(world.commits().len(), 1);
    assert!(!Path::new(&path).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_driver_that_cannot_be_run_fails_one_attempt_and_not_the_run() {
    let absent = ["/absent/driver", "{ours}", "{theirs}"].map(str::to_owned).to_vec();
    let driver = Resolution::Driver(MergeDriver::new(absent).unwrap());
    let conflicts = MergePolicy::new(vec![("README.md".parse().unwrap(), driver)]);
    let world = World::new().with_landing(LandingRules { conflicts, ..LandingRules::default() });
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let unusable = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&unusable);
    let work = move |job: Job| {
        let (both, counted) = (Arc::clone(&both), Arc::clone(&counted));
        async move {
            if job.attempt == 1 {
                both.wait().await;
            }
            if let Some(Handover::Failure(reason)) = &job.handover {
                assert!(reason.contains("driver"), "{reason}");
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Done(vec![write("README.md", &format!("by {}\n", job.task().id))])
        }
    };
    let running = world.start(1, InProcess::new(work));
    let project = add(&running, plan(vec![task("a", &[]), task("b", &[])]), world.settings(), 2).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 2]);
    end(running).await;
    assert_eq!((world.commits().len(), unusable.load(Ordering::Relaxed)), (2, 1));
}
