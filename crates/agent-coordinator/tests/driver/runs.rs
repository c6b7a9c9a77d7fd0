//! Whole runs: the real driver, the real store, real git; agents are functions of the test or simulated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_coordinator::ShutDown;
use agent_coordinator::executor::{InProcess, Job, Outcome, Simulated, SimulatedProfile};
use git_ops::RepoPath;
use planner_core::{Check, Task};
use state_store::task::{Completion, Landed, StateName, TaskState};
use state_store::{SqliteStore, SystemClock};

use crate::world::{World, add, end, file_of, id, plan, settle, states, task, write};

#[tokio::test]
async fn every_task_becomes_one_commit_after_what_it_depends_on() {
    let world = World::new();
    let running = world.start(1, InProcess::new(file_of));
    let tasks = vec![task("d", &["b", "c"]), task("b", &["a"]), task("c", &["a"]), task("a", &[])];
    let project = add(&running, plan(tasks), world.settings(), 3).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 4]);
    end(running).await;

    let commits = world.commits();
    assert_eq!(commits.len(), 4, "{commits:?}");
    assert_eq!((commits[0].as_str(), commits[3].as_str()), ("d: d", "a: a"));
    let message = world.git(&["log", "-1", "--format=%B", world.branch.as_str()]);
    assert!(message.contains("Task: d\nProject: test\nAgent: agent-"), "{message}");
    world.check_repository();
}

#[tokio::test]
async fn groups_complete_with_their_children_and_hold_back_what_depends_on_them() {
    let world = World::new();
    let running = world.start(1, InProcess::new(file_of));
    let child = |name: &str, parent: &str| Task { parent: Some(id(parent)), ..task(name, &[]) };
    let tasks =
        vec![task("g", &[]), child("h", "g"), child("x", "h"), child("y", "g"), task("after", &["g"])];
    let project = add(&running, plan(tasks), world.settings(), 2).await;
    settle(&running, project).await;
    end(running).await;
    let commits = world.commits();
    assert_eq!(commits.len(), 3, "{commits:?}");
    assert_eq!(commits[0], "after: after");
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_and_a_hopeless_task_blocks_only_what_needs_it() {
    let world = World::new();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let running = world.start(
        1,
        InProcess::new(move |job: Job| {
            let counted = Arc::clone(&counted);
            async move {
                match job.task().id.as_str() {
                    "flaky" if counted.fetch_add(1, Ordering::SeqCst) == 0 => {
                        Outcome::Failed("once".to_owned())
                    }
                    "hopeless" => Outcome::Failed("always".to_owned()),
                    "panics" => panic!("on purpose"),
                    _ => file_of(job).await,
                }
            }
        }),
    );
    let tasks = vec![
        task("flaky", &[]),
        task("hopeless", &[]),
        task("panics", &[]),
        task("blocked", &["hopeless"]),
        task("fine", &["flaky"]),
    ];
    let project = add(&running, plan(tasks), world.settings(), 2).await;
    settle(&running, project).await;
    use StateName::{Completed, Failed, Pending};
    assert_eq!(states(&running, project).await, [Completed, Failed, Failed, Pending, Completed]);
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    end(running).await;
}

#[tokio::test]
async fn a_result_whose_check_fails_goes_back_with_the_output() {
    let world = World::new();
    let running = world.start(
        1,
        InProcess::new(|job: Job| async move {
            let told = format!("{:?}", job.handover);
            let content = if told.contains("the check failed") { "good" } else { "bad" };
            Outcome::Done(vec![write("result.txt", content)])
        }),
    );
    let check = Check {
        command: ["grep", "-q", "good", "result.txt"].map(str::to_owned).to_vec(),
        timeout_seconds: None,
    };
    let tasks = vec![Task { check: Some(Box::new(check)), ..task("a", &[]) }];
    let project = add(&running, plan(tasks), world.settings(), 1).await;
    settle(&running, project).await;
    let attempts =
        running.handle.view().get(state_store::task::TaskKey { project, task: 0 }).unwrap().attempts;
    assert_eq!(attempts, 2);
    assert_eq!(states(&running, project).await, [StateName::Completed]);
    end(running).await;
    assert_eq!(world.git(&["show", &format!("{}:result.txt", world.branch)]), "good");
}

#[tokio::test]
async fn conflicting_results_go_back_and_land_in_the_end() {
    let world = World::new();
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let running = world.start(
        1,
        InProcess::new(move |job: Job| {
            let barrier = Arc::clone(&barrier);
            async move {
                let path = RepoPath::new("shared.txt").unwrap();
                let text =
                    job.base.as_ref().unwrap().files().unwrap().read(&path).unwrap().unwrap_or_default();
                if job.attempt == 1 {
                    // Both have read the same files before either reports.
                    barrier.wait().await;
                }
                let text = format!("{}{}\n", String::from_utf8(text).unwrap(), job.task().id);
                Outcome::Done(vec![write("shared.txt", &text)])
            }
        }),
    );
    let project = add(&running, plan(vec![task("a", &[]), task("b", &[])]), world.settings(), 2).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 2]);
    end(running).await;
    let shared = world.git(&["show", &format!("{}:shared.txt", world.branch)]);
    let mut lines: Vec<_> = shared.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b"]);
    assert_eq!(world.commits().len(), 2);
}

#[tokio::test]
async fn a_task_without_files_completes_without_a_commit() {
    let world = World::new();
    let running = world.start(1, InProcess::new(|_| async { Outcome::Done(Vec::new()) }));
    let none = Task { landing: planner_core::Landing::None, ..task("none", &[]) };
    let project = add(&running, plan(vec![none, task("empty", &[])]), world.settings(), 1).await;
    settle(&running, project).await;
    let look = move |engine: &agent_coordinator::engine::Engine, _: &agent_coordinator::Metrics| {
        let tasks = &engine.state().project(project).unwrap().tasks;
        let landed = tasks.iter().map(|record| match record.state {
            TaskState::Completed(Completion::Attempt { landed, .. }) => landed,
            _ => panic!("{:?}", record.state),
        });
        landed.collect::<Vec<_>>()
    };
    assert_eq!(running.handle.inspect(look).await.unwrap(), [Landed::NotAsked, Landed::Empty]);
    end(running).await;
    assert_eq!(world.commits(), [""; 0]);
}

#[tokio::test]
async fn simulated_agents_finish_a_plan_on_a_durable_store() {
    let world = World::with_store(|folder| {
        Arc::new(SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock)).unwrap())
    });
    let profile =
        SimulatedProfile { seed: 7, time_scale: 1e6, failure_rate: 0.1, ..SimulatedProfile::default() };
    let running = world.start(1, Simulated::new(profile));
    let tasks: Vec<_> = (0..40)
        .map(|number| match number {
            0..5 => task(&format!("t{number}"), &[]),
            _ => task(&format!("t{number}"), &[&format!("t{}", number / 2 - 1)]),
        })
        .collect();
    let project = add(&running, plan(tasks), world.settings(), 5).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 40]);
    end(running).await;
    assert_eq!(world.commits().len(), 40);
    world.check_repository();
}

/// A coordinator that stops in the middle leaves everything to the next one: nothing is lost and nothing done twice.
#[tokio::test]
async fn the_next_coordinator_goes_on_where_the_last_one_stopped() {
    let world = World::new();
    let profile =
        SimulatedProfile { seed: 3, time_scale: 2e5, failure_rate: 0.0, ..SimulatedProfile::default() };
    let running = world.start(1, Simulated::new(profile.clone()));
    let tasks: Vec<_> = (0..30).map(|number| task(&format!("t{number}"), &[])).collect();
    let project = add(&running, plan(tasks.clone()), world.settings(), 4).await;
    let mut events = running.handle.events();
    for _ in 0..60 {
        events.recv().await.unwrap();
    }
    running.handle.shut_down(ShutDown::Now);
    running.ended().await.unwrap();
    let landed_before = world.commits().len();
    assert!(landed_before < 30);

    let running = world.start(2, Simulated::new(profile));
    assert_eq!(add(&running, plan(tasks), world.settings(), 4).await, project);
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 30]);
    end(running).await;
    let mut commits = world.commits();
    commits.sort();
    commits.dedup();
    assert_eq!(commits.len(), 30);
    assert_eq!(world.commits().len(), 30);
}

#[tokio::test]
async fn a_program_is_an_agent() {
    let world = World::new();
    // The first attempt fails; the second finds that out from its input, and changes, makes and removes files.
    let script = "
        text=$(cat)
        case \"$text\" in *'was not accepted'*) ;; *) echo no luck; exit 3;; esac
        echo \"$SUPER_PLANNER_TASK $SUPER_PLANNER_ATTEMPT\" > made.txt
        mkdir -p sub && echo x > sub/run.sh && chmod +x sub/run.sh
        rm README.md
    ";
    let running = world.start(1, world.script_agent(script));
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed]);
    end(running).await;
    assert_eq!(world.git(&["show", &format!("{}:made.txt", world.branch)]), "a 2\n");
    let changes = world.git(&["diff", "--summary", "--no-renames", "main", world.branch.as_str()]);
    let expected =
        " delete mode 100644 README.md\n create mode 100644 made.txt\n create mode 100755 sub/run.sh\n";
    assert_eq!(changes, expected);
}
