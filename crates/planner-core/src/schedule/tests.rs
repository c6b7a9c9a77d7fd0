//! Schedules of random plans pass the check; spoilt ones do not.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;
use crate::generate::{LayeredShape, complex, layered};
use crate::{AgentProfile, Plan, Task, TaskGraph};

fn agents(capabilities: &[&[&str]], slots: u32) -> Vec<AgentProfile> {
    let agent = |(place, names): (usize, &&[&str])| AgentProfile {
        name: format!("agent-{place}"),
        capabilities: names.iter().copied().collect(),
        slots,
        lease_seconds: None,
        labels: Vec::new(),
    };
    capabilities.iter().enumerate().map(agent).collect()
}

fn layered_plan(seed: u64) -> Plan {
    let shape = LayeredShape {
        tasks: NonZeroUsize::new(60).unwrap(),
        layers: NonZeroUsize::new(6).unwrap(),
        dependencies_max: 3,
    };
    layered(shape, seed)
}

#[test]
fn two_agents_share_a_diamond() {
    let json = r#"{"name": "d", "tasks": [
        {"id": "a", "effort": 1}, {"id": "b", "effort": 4, "dependencies": ["a"]},
        {"id": "c", "effort": 2, "dependencies": ["a"]}, {"id": "d", "effort": 1, "dependencies": ["b", "c"]}]}"#;
    let plan = Plan::from_json(json.as_bytes()).unwrap();
    let graph = TaskGraph::new(&plan).unwrap();
    let agents = agents(&[&[], &[]], 1);
    let problem = Problem::new(&plan, &graph, &agents).unwrap();
    let schedule = list_schedule(&problem);
    let who: Vec<(u32, usize, f64)> =
        schedule.assignments.iter().map(|a| (a.task.0, a.agent, a.start.as_hours())).collect();
    assert_eq!(who, [(0, 0, 0.0), (1, 0, 1.0), (2, 1, 1.0), (3, 0, 5.0)]);
    assert_eq!(schedule.makespan, schedule.lower_bound);
    check(&problem, &schedule).unwrap();
}

#[test]
fn specialists_are_taken_before_those_who_can_do_more() {
    let json = r#"{"name": "d", "tasks": [{"id": "a"}, {"id": "b", "capabilities": ["rust"]}]}"#;
    let plan = Plan::from_json(json.as_bytes()).unwrap();
    let graph = TaskGraph::new(&plan).unwrap();
    let agents = agents(&[&["rust"], &[]], 1);
    let schedule = list_schedule(&Problem::new(&plan, &graph, &agents).unwrap());
    assert_eq!(schedule.assignments.iter().map(|a| a.agent).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn a_task_that_no_agent_can_do_is_named() {
    let mut plan = layered_plan(1);
    let mut task = Task::new("x".parse().unwrap());
    task.capabilities = ["magic"].into_iter().collect();
    plan.tasks.push(task);
    let graph = TaskGraph::new(&plan).unwrap();
    let error = Problem::new(&plan, &graph, &agents(&[&[]], 1)).unwrap_err();
    assert_eq!(error.to_string(), "no agent can do `layer-0-task-0`, which asks for `devops`");
}

#[test]
fn the_check_finds_what_is_spoilt() {
    let plan = layered_plan(7);
    let graph = TaskGraph::new(&plan).unwrap();
    let agents = agents(&[&["rust", "python", "web", "database", "security", "qa", "docs", "devops"]], 3);
    let problem = Problem::new(&plan, &graph, &agents).unwrap();
    let good = list_schedule(&problem);
    check(&problem, &good).unwrap();
    let spoilt = |spoil: &dyn Fn(&mut Schedule)| {
        let mut schedule = good.clone();
        spoil(&mut schedule);
        check(&problem, &schedule).unwrap_err()
    };
    let last = good.assignments.len() - 1;
    let task = good.assignments[last].task;
    assert!(spoilt(&|s| s.assignments.truncate(last)).contains(&Violation::Missing(task)));
    assert!(spoilt(&|s| s.assignments.push(s.assignments[last])).contains(&Violation::Needless(task)));
    assert!(spoilt(&|s| s.assignments[last].agent = 5).contains(&Violation::Unable(task)));
    assert!(spoilt(&|s| s.assignments[last].finish = Effort::ZERO).contains(&Violation::Length(task)));
    assert!(spoilt(&|s| s.assignments[last].start = Effort::ZERO).contains(&Violation::TooEarly(task)));
    assert_eq!(spoilt(&|s| s.makespan += Effort::DEFAULT), [Violation::Makespan]);
    let all_at_once = spoilt(&|s| s.assignments.iter_mut().for_each(|a| a.start = Effort::ZERO));
    assert!(all_at_once.iter().any(|violation| matches!(violation, Violation::Crowded { .. })));
}

proptest! {
    #[test]
    fn list_schedules_pass_the_check(seed: u64, slots in 1..4_u32, tasks in 1..300_usize) {
        let all: &[&str] = &["rust", "python", "web", "database", "security", "qa", "docs", "devops"];
        let agents = agents(&[&["rust"], all, &["web", "qa"], &[]], slots);
        for plan in [layered_plan(seed), complex(tasks, seed)] {
            let graph = TaskGraph::new(&plan).unwrap();
            let problem = Problem::new(&plan, &graph, &agents).unwrap();
            let schedule = list_schedule(&problem);
            prop_assert_eq!(check(&problem, &schedule), Ok(()));
            prop_assert_eq!(&list_schedule(&problem), &schedule);
            let better = improved_schedule(&problem, Budget { evaluations: 10, seed });
            prop_assert_eq!(check(&problem, &better), Ok(()));
            prop_assert!(better.lower_bound <= better.makespan && better.makespan <= schedule.makespan);
        }
    }
}
