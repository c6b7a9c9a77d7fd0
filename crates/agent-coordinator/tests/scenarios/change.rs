//! Plans that change while agents are at work.

use std::time::{Duration, Instant};

use agent_coordinator::engine::{Command, Refusal};
use planner_core::{Dependency, Task, TaskId};
use state_store::task::StateName;

use crate::fleet::{Fleet, PROJECT, agents, task};

#[test]
fn a_dependency_that_would_close_a_cycle_is_refused_before_anything_is_written() {
    const TASKS: usize = 100_000;
    let name = |number: usize| format!("t{number:06}");
    let chained = |number: usize| match number.checked_sub(1) {
        Some(before) => task(&name(number), &[&name(before)]),
        None => task(&name(0), &[]),
    };
    let mut fleet = Fleet::on_disk((0..TASKS).map(chained).collect(), Vec::new());
    let seq = fleet.engine.seq();
    // In the middle, so that there is a long way around.
    let begin = Instant::now();
    let closing = task(&name(500), &[&name(499), &name(TASKS - 500)]);
    let refused = fleet.ask(Command::SetTasks { project: PROJECT, tasks: vec![closing] }).unwrap_err();
    println!("{TASKS} tasks: refused in {:.2?}", begin.elapsed());
    let Refusal::UnsoundChange { reason, .. } = &refused else { panic!("{refused}") };
    assert!(reason.contains("`t000500` -> `t000501` -> "), "the path is named: {reason}");
    assert!(
        reason.ends_with("leave out the dependency of `t000500` on `t099500`"),
        "and the way out: {reason}"
    );
    assert_eq!(fleet.engine.seq(), seq, "nothing is written");
    assert_eq!(fleet.tasks()[500].dependencies.len(), 1);
}

#[test]
fn a_new_requirement_that_is_broken_down_joins_in_with_agents_at_work() {
    let tasks = vec![task("api", &[]), task("ui", &[]), task("release", &["api", "ui"])];
    let mut fleet = Fleet::on_disk(tasks, agents(2, 1));
    let before = [fleet.lease(fleet.key("api")), fleet.lease(fleet.key("ui"))];
    let group = TaskId::new("search").unwrap();
    let inside = |name: &str, after: &[&str]| Task { parent: Some(group.clone()), ..task(name, after) };
    let mut release = task("release", &["api", "ui"]);
    release.dependencies.push(Dependency::on_completion(group.clone()));
    let changed = vec![
        Task {
            dependencies: vec![Dependency::on_completion(TaskId::new("api").unwrap())],
            ..Task::new(group.clone())
        },
        inside("index", &[]),
        inside("query", &["index"]),
        release,
    ];
    fleet.ask(Command::SetTasks { project: PROJECT, tasks: changed }).unwrap();
    assert_eq!(
        before,
        [fleet.lease(fleet.key("api")), fleet.lease(fleet.key("ui"))],
        "who is at work goes on"
    );
    fleet.run(&|_| Duration::from_secs(60));
    for id in ["api", "ui", "index", "query", "release"] {
        assert_eq!(fleet.state(id), StateName::Completed, "{id}");
    }
    let order: Vec<u32> = fleet.assigned().map(|(task, _)| task.task).collect();
    let place = |id: &str| order.iter().position(|task| *task == fleet.key(id).task).unwrap();
    assert!(
        place("index") > place("api") && place("query") > place("index") && place("release") > place("query")
    );
    assert!(fleet.engine.is_reached(fleet.key("search")), "the group is done with its tasks");
}
