//! Agents that are programs: what they print is kept and read, and what they may use up is bounded.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use agent_coordinator::Running;
use agent_coordinator::engine::Policy;
use agent_coordinator::executor::{AgentProgram, Budget, Ledger, PromptBy, Transcripts};
use planner_core::AttemptLimits;
use serde_json::json;
use state_store::task::{ProjectKey, StateName, TaskState};

use crate::world::{World, add, end, plan, settle, states, task};

/// Returns a program that speaks lines of JSON: `{"spent": USD}`, `{"end": "done" or "failed", "why": TEXT}`.
fn speaking(script: &str) -> AgentProgram {
    let rules = json!([
        { "when": {}, "tokens_output": ["/tokens"], "cost_usd": "/spent", "counts": "more" },
        { "when": { "/end": "done" }, "ends": "done" },
        { "when": { "/end": "failed" }, "ends": "failed", "text": "/why" },
    ]);
    let arguments = ["-c", script].map(str::to_owned).to_vec();
    AgentProgram {
        json: serde_json::from_value(rules).unwrap(),
        ..AgentProgram::plain("sh".to_owned(), arguments)
    }
}

fn ledger(budgets: &[&str]) -> Ledger {
    Ledger::open(budgets.iter().map(|text| Budget::parse(text).unwrap()).collect(), None).unwrap()
}

async fn reason(running: &Running, project: ProjectKey) -> String {
    let look = move |engine: &agent_coordinator::engine::Engine, _: &agent_coordinator::Metrics| match &engine
        .state()
        .project(project)
        .unwrap()
        .tasks[0]
        .state
    {
        TaskState::Failed { reason } => format!("{reason:?}"),
        other => other.name().to_string(),
    };
    running.handle.inspect(look).await.unwrap()
}

/// Runs a plan of one task, and returns how it ended and why.
async fn run_one(world: &World, program: AgentProgram, budgets: &[&str]) -> (Vec<StateName>, String) {
    let running = world.start(1, world.program_agent(program, ledger(budgets)));
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    settle(&running, project).await;
    let ended = (states(&running, project).await, reason(&running, project).await);
    end(running).await;
    ended
}

#[tokio::test]
async fn what_a_program_prints_is_kept_and_its_word_counts() {
    let world = World::new();
    let script = r#"echo made > made.txt; printf '\033[31mred\n{broken\n[1,2]\n{"end":"done","why":7}\n'; echo oops >&2"#;
    let (states, _) = run_one(&world, speaking(script), &[]).await;
    assert_eq!(states, [StateName::Completed]);
    let kept = Transcripts::of_task(&world.transcripts(), "test", "a");
    let text = std::fs::read_to_string(&kept[0].path).unwrap();
    assert!(text.contains(" out \\u{1b}[31mred\n") && text.contains(" out {broken\n"), "{text}");
    assert!(text.contains(" err oops\n"), "{text}");

    let world = World::new();
    let (_, reason) = run_one(&world, speaking(r#"echo '{"end":"failed","why":"no key"}'"#), &[]).await;
    assert!(reason.contains("no key"), "its exit code is 0, its word is not: {reason}");
    assert_eq!(Transcripts::of_task(&world.transcripts(), "test", "a").len(), 3, "one for each attempt");
    let (_, reason) = run_one(&World::new(), speaking("echo '{}'"), &[]).await;
    assert!(reason.contains("without saying that it is done"), "{reason}");
    let (_, reason) = run_one(&World::new(), speaking(r#"echo '{"end":"done"}'; exit 4"#), &[]).await;
    assert!(reason.contains("ended with 4"), "{reason}");
}

#[tokio::test]
async fn a_program_that_is_done_and_does_not_end_is_ended() {
    let world = World::new();
    let began = Instant::now();
    let (states, _) = run_one(&world, speaking(r#"echo x > x; echo '{"end":"done"}'; sleep 600"#), &[]).await;
    assert_eq!(states, [StateName::Completed]);
    assert_eq!(world.commits().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_task_that_uses_up_its_budget_is_stopped_and_says_so() {
    let script = r#"while :; do echo '{"spent":0.3,"tokens":10}'; sleep 0.05; done"#;
    let (states, reason) = run_one(&World::new(), speaking(script), &["task=1usd"]).await;
    assert_eq!(states, [StateName::Failed]);
    assert!(reason.contains("the budget of the task is spent: 40 tokens, 1.20 USD of 1.00 USD"), "{reason}");
}

#[tokio::test]
async fn an_agent_that_has_used_up_its_budget_is_paused_and_others_go_on() {
    let world = World::new();
    let script = r#"case $SUPER_PLANNER_AGENT in
        agent-1) echo '{"tokens":100}'; sleep 600;;
        *) echo x > $SUPER_PLANNER_TASK; echo '{"tokens":1,"end":"done"}';;
    esac"#;
    let running = world.start(1, world.program_agent(speaking(script), ledger(&["agent=50tokens"])));
    let project = add(&running, plan(vec![task("a", &[]), task("b", &[])]), world.settings(), 2).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 2]);
    let look = |engine: &agent_coordinator::engine::Engine, _: &agent_coordinator::Metrics| {
        engine.state().agents().iter().map(|agent| format!("{:?}", agent.status)).collect::<Vec<_>>()
    };
    assert_eq!(running.handle.inspect(look).await.unwrap(), ["Paused", "Active"]);
    end(running).await;
}

#[tokio::test]
async fn a_run_that_has_used_up_its_budget_comes_to_its_end_and_says_why() {
    let world = World::new();
    let script = r#"echo x > $SUPER_PLANNER_TASK; echo '{"spent":0.6,"end":"done"}'"#;
    let running = world.start(1, world.program_agent(speaking(script), ledger(&["run=1usd"])));
    let tasks = vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])];
    let project = add(&running, plan(tasks), world.settings(), 1).await;
    assert!(running.handle.settled(project).await.is_err(), "it ends before everything is done");
    let error = running.ended().await.unwrap_err().to_string();
    assert!(error.contains("the budget of the run is spent: 0 tokens, 1.20 USD of 1.00 USD"), "{error}");
    assert_eq!(world.commits().len(), 1, "what was done before stays");
}

#[tokio::test]
async fn a_prompt_goes_by_file_or_argument_and_leaves_nothing_behind() {
    for (prompt, place) in [(PromptBy::File, "{prompt_file}"), (PromptBy::Argument, "{prompt}")] {
        let world = World::new();
        let script = r#"if [ -f "$1" ]; then cp "$1" told; else printf %s "$1" > told; fi; cat >> told"#;
        let arguments = ["-c", script, "sh", place].map(str::to_owned).to_vec();
        let program = AgentProgram { prompt, ..AgentProgram::plain("sh".to_owned(), arguments) };
        let (states, reason) = run_one(&world, program, &[]).await;
        assert_eq!(states, [StateName::Completed], "{reason}");
        let told = world.git(&["show", &format!("{}:told", world.branch)]);
        assert!(told.starts_with("# a: a\n") && told.ends_with("if you failed.\n"), "{told}");
        let files = world.git(&["ls-tree", "--name-only", world.branch.as_str()]);
        assert_eq!(files, "README.md\ntold\n");
    }
}

#[tokio::test]
async fn a_lease_is_renewed_only_while_the_program_prints_something() {
    let world = World::new();
    // The first attempt of one hangs in silence; the other works for longer than a lease, and says so.
    let script = r#"case $SUPER_PLANNER_TASK-$SUPER_PLANNER_ATTEMPT in
        silent-1) sleep 600;;
        busy-*) for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo still; sleep 0.1; done;;
    esac
    echo $SUPER_PLANNER_ATTEMPT > $SUPER_PLANNER_TASK"#;
    let policy = Policy { lease: Duration::from_millis(500), ..Policy::default() };
    let running = world.start_with(1, world.script_agent(script), policy);
    let project =
        add(&running, plan(vec![task("silent", &[]), task("busy", &[])]), world.settings(), 2).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 2]);
    end(running).await;
    let attempt = |task: &str| world.git(&["show", &format!("{}:{task}", world.branch)]);
    assert_eq!((attempt("silent").as_str(), attempt("busy").as_str()), ("2\n", "1\n"));
}

#[tokio::test]
async fn a_task_names_how_long_its_agents_may_be_silent_and_what_always_hangs_fails() {
    let world = World::new();
    // Longer in silence than others may be; never a word; longer than it may take; slow to begin, which it may be.
    let script = r#"case $SUPER_PLANNER_TASK in
        thinks) echo begun; sleep 1.2; echo done > thinks;;
        hangs) sleep 600;;
        takes) while :; do echo still; sleep 0.1; done;;
        begins) sleep 1.2; echo done > begins;;
    esac"#;
    let policy = Policy { lease: Duration::from_millis(300), failures_max: 1, ..Policy::default() };
    let limited = |name: &str, set: fn(&mut AttemptLimits)| {
        let mut task = task(name, &[]);
        set(&mut task.limits);
        task
    };
    let tasks = vec![
        limited("thinks", |limits| limits.silence_seconds = NonZeroU32::new(60)),
        limited("hangs", |limits| limits.losses_max = NonZeroU32::new(2)),
        limited("takes", |limits| limits.attempt_seconds = NonZeroU32::new(1)),
        limited("begins", |limits| limits.start_seconds = NonZeroU32::new(60)),
    ];
    let running = world.start_with(1, world.script_agent(script), policy);
    let project = add(&running, plan(tasks), world.settings(), 4).await;
    settle(&running, project).await;
    let expected = [StateName::Completed, StateName::Failed, StateName::Failed, StateName::Completed];
    assert_eq!(states(&running, project).await, expected);
    let attempts = running.handle.inspect(move |engine, _| {
        let tasks = &engine.state().projects()[project.index()].tasks;
        tasks.iter().map(|record| record.attempts).collect::<Vec<_>>()
    });
    assert_eq!(attempts.await.unwrap(), [1, 2, 1, 1]);
    end(running).await;
}

#[tokio::test]
async fn what_a_program_commits_is_its_result_as_one_commit_and_what_is_ignored_is_not() {
    let world = World::new();
    let script = r#"set -e
        seen=$(git status --porcelain; git log --format=%s); echo noise > noise.log
        echo '*.log' > .gitignore; echo one > a.txt; git add -A
        git -c user.name=a -c user.email=a@example.org commit -qm mine
        echo two > a.txt; git rm -q README.md; git -c user.name=a -c user.email=a@example.org commit -qam again
        echo "$seen" > told.txt"#;
    let arguments = ["-c", script].map(str::to_owned).to_vec();
    let program = AgentProgram { git: true, ..AgentProgram::plain("sh".to_owned(), arguments) };
    let (states, reason) = run_one(&world, program, &[]).await;
    assert_eq!(states, [StateName::Completed], "{reason}");
    let files = world.git(&["ls-tree", "--name-only", world.branch.as_str()]);
    assert_eq!(files, ".gitignore\na.txt\ntold.txt\n");
    let shown = |file: &str| world.git(&["show", &format!("{}:{file}", world.branch)]);
    assert_eq!((shown("a.txt").as_str(), shown("told.txt").as_str()), ("two\n", "The files to begin from\n"));
    assert_eq!(world.commits(), ["a: a"], "its own commits are its own affair");
}
