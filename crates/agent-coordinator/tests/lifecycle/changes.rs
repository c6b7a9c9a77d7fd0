//! Tasks are added, changed, removed, called off, done again, paused.

use agent_coordinator::engine::{Command, Explanation, IdleReason, Pausable, Reach, Refusal};
use planner_core::{Dependency, Exclusion, Plan, Priority, Standing, Task, TaskId, When};
use state_store::task::{Accepted, AgentKey, Completion, Lease, StateName, TaskState};

use crate::bench::{Bench, PROJECT, task};

fn removed(name: &str) -> Task {
    Task { standing: Standing::Excluded(Exclusion::Tombstone), ..task(name, &[]) }
}

#[test]
fn tasks_are_added_changed_and_removed_while_others_are_at_work() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])], 2);
    let lease = bench.lease("a");
    // A task that is new joins in, one waits for it from now on, and one is not to be done any more.
    bench.set(vec![task("d", &[]), task("c", &["d"]), removed("b")]).unwrap();
    assert_eq!(bench.lease("a"), lease, "whoever is at work goes on");
    assert_eq!([bench.state("d"), bench.state("b")], [StateName::Assigned, StateName::Cancelled]);
    bench.finish("a");
    assert_eq!(bench.state("c"), StateName::Pending);
    bench.finish("d");
    assert_eq!(bench.state("c"), StateName::Assigned);
    bench.finish("c");
    assert!(bench.engine.is_settled(PROJECT));
}

#[test]
fn a_change_that_closes_a_cycle_is_refused_with_the_way_around_before_anything_is_written() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])], 0);
    let seq = bench.engine.seq();
    let refused = bench.set(vec![task("new", &[]), task("a", &["c"])]).unwrap_err();
    let Refusal::UnsoundChange { reason, .. } = &refused else { panic!("{refused:?}") };
    for id in ["a", "b", "c"] {
        assert!(reason.contains(id), "{reason}");
    }
    assert_eq!(bench.engine.seq(), seq);
}

#[test]
fn what_is_under_way_is_not_removed() {
    let mut bench = Bench::new(vec![task("a", &[])], 1);
    let refused = bench.set(vec![removed("a")]);
    assert_eq!(refused, Err(Refusal::UnderWay { task: bench.key("a"), state: StateName::Assigned }));
    let (task, reason) = (bench.key("a"), String::new());
    bench.ask(Command::Cancel { task, reason, reach: Reach::Task }).unwrap();
    bench.set(vec![removed("a")]).unwrap();
    assert!(matches!(bench.explain("a"), Explanation::Cancelled { .. }));
    assert!(matches!(bench.ask(Command::Reopen { task, reach: Reach::Task }), Err(Refusal::Illegal(_))));
    bench.set(vec![self::task("a", &[])]).unwrap();
    assert_eq!(bench.lease("a").attempt, 2, "what is there again is to be done");
}

#[test]
fn a_group_cannot_take_the_place_of_a_task_that_was_worked_on() {
    let mut bench = Bench::new(vec![task("a", &[])], 1);
    let child = Task { parent: Some(TaskId::new("a").unwrap()), ..task("child", &[]) };
    assert!(matches!(bench.set(vec![child]), Err(Refusal::UnsoundChange { .. })));
}

#[test]
fn the_plan_of_an_edited_project_is_entered_again_whatever_its_order() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &[])], 0);
    bench.set(vec![removed("a"), task("c", &["b"])]).unwrap();
    let plan = Plan::clone(&bench.engine.state().projects()[0].plan);
    let settings = bench.engine.state().projects()[0].settings.clone();
    let given = Plan { tasks: vec![task("c", &["b"]), task("b", &[])], ..plan.clone() };
    assert_eq!(
        bench.ask(Command::Enter { plan: given, settings: settings.clone() }),
        Ok(Accepted::Project(PROJECT))
    );
    let other = Plan { tasks: vec![task("b", &[])], ..plan };
    assert!(matches!(bench.ask(Command::Enter { plan: other, settings }), Err(Refusal::OtherPlan { .. })));
}

#[test]
fn a_new_priority_counts_from_the_next_hand_out() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &[]), task("c", &[])], 1);
    assert_eq!(bench.state("a"), StateName::Assigned);
    bench.set(vec![Task { priority: Priority::Critical, ..task("c", &[]) }]).unwrap();
    bench.finish("a");
    assert_eq!([bench.state("b"), bench.state("c")], [StateName::Pending, StateName::Assigned]);
}

#[test]
fn cancelling_goes_as_far_as_is_asked() {
    let tasks = || vec![task("a", &[]), task("b", &["a"]), task("c", &["b"]), task("d", &[])];
    let cancelled = |bench: &Bench| ["a", "b", "c", "d"].map(|id| bench.state(id) == StateName::Cancelled);
    let reason = || "not wanted".to_owned();
    let mut bench = Bench::new(tasks(), 1);
    let task = bench.key("a");
    bench.ask(Command::Cancel { task, reason: reason(), reach: Reach::Task }).unwrap();
    assert_eq!(cancelled(&bench), [true, false, false, false]);
    let Explanation::Waiting { blockers } = bench.explain("b") else { panic!() };
    assert!(blockers[0].is_hopeless, "dependents say that they wait in vain");
    let mut bench = Bench::new(tasks(), 1);
    bench.ask(Command::Cancel { task, reason: reason(), reach: Reach::Dependents }).unwrap();
    assert_eq!(cancelled(&bench), [true, true, true, false]);
    let mut bench = Bench::new(tasks(), 1);
    bench.finish("a");
    bench.ask(Command::CancelProject { project: PROJECT, reason: reason() }).unwrap();
    assert_eq!(cancelled(&bench), [false, true, true, true], "what is done stays done");
    assert!(bench.engine.is_settled(PROJECT));
}

#[test]
fn a_failed_task_is_done_again_with_a_new_limit_and_its_dependents_go_on() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &["a"])], 1);
    bench.fail("a");
    assert_eq!(bench.state("a"), StateName::Failed);
    let task = bench.key("a");
    bench.ask(Command::Reopen { task, reach: Reach::Task }).unwrap();
    assert_eq!(bench.lease("a").attempt, 2);
    let record = bench.engine.state().task(task).unwrap();
    assert!(record.handover.is_some(), "the next attempt is told how the last one failed");
    assert_eq!(record.failures, 0);
    bench.finish("a");
    assert_eq!(bench.state("b"), StateName::Assigned);
}

#[test]
fn reopening_what_is_done_leaves_what_came_after_or_takes_it_along() {
    for (reach, after) in [(Reach::Task, StateName::Completed), (Reach::Dependents, StateName::Pending)] {
        let mut bench = Bench::new(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])], 1);
        bench.finish("a");
        bench.finish("b");
        assert_eq!(bench.state("c"), StateName::Assigned, "it goes on with what it has");
        let task = bench.key("a");
        assert_eq!(bench.engine.completed_dependents(task), [bench.key("b")]);
        bench.ask(Command::Reopen { task, reach }).unwrap();
        assert_eq!(bench.state("b"), after);
        bench.finish("c");
        assert_eq!(bench.state("a"), StateName::Assigned);
        bench.finish("a");
        assert_eq!(bench.state("b") == StateName::Assigned, reach == Reach::Dependents);
    }
}

#[test]
fn a_task_that_waited_for_a_failure_waits_again_once_that_is_done_anew() {
    let rescue = Dependency { on: TaskId::new("a").unwrap(), when: When::Failed };
    let mut bench =
        Bench::new(vec![task("a", &[]), Task { dependencies: vec![rescue], ..task("rescue", &[]) }], 1);
    bench.fail("a");
    assert_eq!(bench.state("rescue"), StateName::Assigned);
    let (task, reason) = (bench.key("rescue"), String::new());
    bench.ask(Command::Cancel { task, reason, reach: Reach::Task }).unwrap();
    bench.ask(Command::Reopen { task: bench.key("a"), reach: Reach::Task }).unwrap();
    bench.ask(Command::Reopen { task, reach: Reach::Task }).unwrap();
    assert!(matches!(bench.explain("rescue"), Explanation::Waiting { .. }));
    bench.finish("a");
    assert_eq!(bench.state("rescue"), StateName::Cancelled, "it is not needed any more");
}

#[test]
fn what_was_done_outside_counts_as_done() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &["a"])], 0);
    let task = bench.key("a");
    bench.ask(Command::CompleteByHand { task, reason: "on the other machine".to_owned() }).unwrap();
    let state = &bench.engine.state().task(task).unwrap().state;
    assert!(
        matches!(state, TaskState::Completed(Completion::ByHand { reason, .. }) if reason == "on the other machine")
    );
    assert!(matches!(bench.explain("a"), Explanation::CompletedByHand { .. }));
    assert!(!matches!(bench.explain("b"), Explanation::Waiting { .. }));
}

#[test]
fn a_checkpoint_is_handed_to_the_next_attempt_and_ends_with_the_task() {
    let mut bench = Bench::new(vec![task("a", &[])], 1);
    let (task, Lease { token, .. }) = bench.start("a");
    let text = "the parser is written, the tests are not".to_owned();
    bench.ask(Command::Checkpoint { task, token, text: text.clone() }).unwrap();
    bench.ask(Command::GiveUp { task, token }).unwrap();
    assert_eq!(bench.engine.state().task(task).unwrap().checkpoint.as_deref(), Some(text.as_str()));
    let stale = bench.ask(Command::Checkpoint { task, token, text });
    assert!(matches!(stale, Err(Refusal::Illegal(_))), "an old attempt leaves no word");
    bench.finish("a");
    assert_eq!(bench.engine.state().task(task).unwrap().checkpoint, None);
}

#[test]
fn a_paused_project_or_agent_gets_nothing_more_and_says_so() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &[]), task("c", &[])], 1);
    let (project, agent) = (Pausable::Project(PROJECT), Pausable::Agent(AgentKey(0)));
    bench.ask(Command::Pause(project)).unwrap();
    bench.finish("a");
    assert_eq!(bench.state("b"), StateName::Pending);
    assert_eq!(bench.explain("b"), Explanation::ProjectPaused);
    assert_eq!(bench.engine.explain_agent(AgentKey(0)), Some(IdleReason::NothingReady));
    assert!(bench.engine.is_settled(PROJECT), "nothing happens unless somebody lets it go on");
    bench.ask(Command::Continue(project)).unwrap();
    assert_eq!(bench.state("b"), StateName::Assigned);
    bench.ask(Command::Pause(agent)).unwrap();
    bench.finish("b");
    assert_eq!(bench.explain("c"), Explanation::AgentsPaused { agents: vec!["agent-0".to_owned()] });
    assert_eq!(bench.engine.explain_agent(AgentKey(0)), Some(IdleReason::Paused));
    bench.ask(Command::Continue(agent)).unwrap();
    assert_eq!(bench.state("c"), StateName::Assigned);
}
