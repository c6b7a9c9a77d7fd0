//! The sample plan is what a newcomer runs first: it is sound, and every task in it can be done and proven.

use planner_core::{Analysis, CapabilitySet, Limits, Plan, TaskGraph, TaskIndex, read, validate};

const SAMPLE: &str = include_str!("../crates/super-planner/data/demo-plan.yaml");

fn sample() -> (Plan, TaskGraph) {
    let reading =
        read("demo-plan.yaml", SAMPLE.as_bytes(), None, &Limits::default()).expect("it can be read");
    let validated = validate(&reading);
    assert!(validated.diagnostics.is_empty(), "{:#?}", validated.diagnostics);
    (reading.plan, validated.graph.expect("a plan without errors has a graph"))
}

/// Returns the folder that a task's file lies in: its top-level group, or `misc`.
fn folder_of(plan: &Plan, graph: &TaskGraph, task: TaskIndex) -> String {
    let top = std::iter::successors(graph.parent_of(task), |group| graph.parent_of(*group)).last();
    top.map_or("misc".to_owned(), |group| plan.tasks[group.index()].id.as_str().to_lowercase())
}

#[test]
fn it_gives_eight_agents_enough_to_do_at_once() {
    let (plan, graph) = sample();
    let analysis = Analysis::of(&plan, &graph);
    let slots = plan.agents.iter().map(|agent| agent.slots).sum::<u32>();
    assert_eq!((plan.agents.len(), slots), (8, 8));
    assert!(analysis.work.as_hours() / analysis.critical_path.effort.as_hours() > 4.0, "{analysis:?}");
}

#[test]
fn every_task_can_be_done_by_two_agents_at_least() {
    let (plan, _) = sample();
    let able =
        |asked: &CapabilitySet| plan.agents.iter().filter(|agent| agent.capabilities.covers(asked)).count();
    for task in &plan.tasks {
        assert!(able(&task.capabilities) >= 2, "{}: {:?}", task.id, task.capabilities);
    }
}

#[test]
fn every_check_looks_for_the_file_of_its_own_task_without_a_shell() {
    let (plan, graph) = sample();
    let mut checks = 0;
    for task in graph.tasks() {
        let asked = &plan.tasks[task.index()];
        let Some(check) = &asked.check else { continue };
        let id = asked.id.as_str();
        let file = format!("{}/{}.md", folder_of(&plan, &graph, task), id.to_lowercase());
        let expected = [vec!["test", "-s", &file], vec!["grep", "-q", id, &file]];
        assert!(expected.iter().any(|command| *command == check.command), "{id}: {:?}", check.command);
        assert!(!graph.is_group(task), "{id}");
        checks += 1;
    }
    assert!(checks >= 15, "{checks}");
}
