//! The analysis against small plans worked out by hand and against plain recursion.

use proptest::prelude::*;

use super::*;
use crate::{AgentProfile, CapabilitySet, Dependency, Node, NodeIndex, Standing, Task, TaskId, TaskIndex};

/// Builds a plan from (id, hours, dependencies, parent).
fn plan(tasks: &[(&str, f64, &[&str], &str)]) -> Plan {
    let tasks = tasks
        .iter()
        .map(|(id, hours, dependencies, parent)| {
            let mut task = Task::new(TaskId::new(id).unwrap());
            task.effort = Some(Effort::from_hours(*hours).unwrap());
            task.parent = TaskId::new(parent).ok();
            task.dependencies =
                dependencies.iter().map(|on| Dependency::on_completion(TaskId::new(on).unwrap())).collect();
            task
        })
        .collect();
    Plan {
        name: "test".to_owned(),
        description: String::new(),
        agents: Vec::new(),
        tasks,
        extra: serde_json::Map::new(),
    }
}

fn hours(hours: f64) -> Effort {
    Effort::from_hours(hours).unwrap()
}

fn diamond() -> Plan {
    plan(&[("a", 1.0, &[], ""), ("b", 4.0, &["a"], ""), ("c", 2.0, &["a"], ""), ("d", 1.0, &["b", "c"], "")])
}

#[test]
fn a_diamond_has_three_waves_and_slack_on_its_short_side() {
    let plan = diamond();
    let graph = TaskGraph::new(&plan).unwrap();
    let analysis = Analysis::of(&plan, &graph);
    let waves: Vec<Vec<u32>> =
        analysis.waves.iter().map(|wave| wave.iter().map(|task| task.0).collect()).collect();
    assert_eq!(waves, [vec![0], vec![1, 2], vec![3]]);
    assert_eq!(analysis.waves.widest(), Some((1, 2)));
    assert_eq!(analysis.critical_path.tasks, [TaskIndex(0), TaskIndex(1), TaskIndex(3)]);
    assert_eq!(analysis.critical_path.effort, hours(6.0));
    assert_eq!(analysis.work, hours(8.0));
    assert_eq!(analysis.timing.slack_of(&graph, TaskIndex(2)), hours(2.0));
    assert_eq!(analysis.timing.earliest_start(graph.start_of(TaskIndex(3))), hours(5.0));
    assert_eq!(analysis.timing.latest_start(graph.start_of(TaskIndex(2))), hours(3.0));
    assert_eq!(analysis.makespan_lower_bound(NonZeroU32::MIN), hours(8.0));
    assert_eq!(analysis.makespan_lower_bound(NonZeroU32::new(2).unwrap()), hours(6.0));
}

#[test]
fn completed_tasks_weigh_nothing_and_are_in_no_wave() {
    let mut plan = diamond();
    plan.tasks[0].standing = Standing::Completed;
    plan.tasks[1].standing = Standing::Completed;
    let graph = TaskGraph::new(&plan).unwrap();
    let analysis = Analysis::of(&plan, &graph);
    assert_eq!(analysis.waves.len(), 2);
    assert_eq!(analysis.critical_path.tasks, [TaskIndex(2), TaskIndex(3)]);
    assert_eq!(analysis.work, hours(3.0));
    assert_eq!((analysis.counts.completed, analysis.counts.pending, analysis.counts.total()), (2, 2, 4));
}

#[test]
fn groups_add_no_wave_and_no_effort() {
    let plan = plan(&[
        ("first", 1.0, &[], ""),
        ("group", 100.0, &["first"], ""),
        ("x", 2.0, &[], "group"),
        ("y", 3.0, &["x"], "group"),
        ("last", 1.0, &["group"], ""),
    ]);
    let graph = TaskGraph::new(&plan).unwrap();
    let analysis = Analysis::of(&plan, &graph);
    assert_eq!(analysis.waves.len(), 4);
    assert_eq!(analysis.critical_path.effort, hours(7.0));
    assert_eq!(analysis.counts.groups, 1);
}

#[test]
fn longest_chains_share_no_task() {
    let plan = diamond();
    let graph = TaskGraph::new(&plan).unwrap();
    let chains = longest_chains(&plan, &graph, 5);
    let found: Vec<(Vec<u32>, Effort)> =
        chains.iter().map(|chain| (chain.tasks.iter().map(|task| task.0).collect(), chain.effort)).collect();
    assert_eq!(found, [(vec![0, 1, 3], hours(6.0)), (vec![2], hours(2.0))]);
}

#[test]
fn the_bound_knows_what_agents_can_do() {
    let mut plan = plan(&[("a", 4.0, &[], ""), ("b", 4.0, &[], ""), ("c", 4.0, &[], "")]);
    let rust: CapabilitySet = ["rust"].into_iter().collect();
    plan.tasks[0].capabilities = rust.clone();
    plan.tasks[1].capabilities = ["rust", "unsafe"].into_iter().collect();
    let graph = TaskGraph::new(&plan).unwrap();
    let agent = |names: &[&str], slots| AgentProfile {
        name: names.join("-"),
        capabilities: names.iter().copied().collect(),
        slots,
        lease_seconds: None,
        labels: Vec::new(),
    };
    let bound = |agents: &[AgentProfile]| makespan_lower_bound(&plan, &graph, agents);
    assert_eq!(
        bound(&[agent(&["rust", "unsafe"], 1), agent(&[], 2)]),
        Bound { makespan: hours(8.0), reason: BoundReason::Capabilities { required: rust, slots: 1 } }
    );
    assert_eq!(bound(&[agent(&["rust", "unsafe"], 3)]).reason, BoundReason::CriticalPath);
    assert_eq!(bound(&[agent(&["rust", "unsafe"], 1)]).reason, BoundReason::Work { slots: 1 });
    assert!(matches!(bound(&[agent(&["rust"], 1)]).reason, BoundReason::Impossible { .. }));
    assert!(matches!(bound(&[]).reason, BoundReason::Impossible { .. }));
}

proptest! {
    #[test]
    fn analysis_agrees_with_plain_recursion(edges in prop::collection::vec(prop::collection::vec(0..12_usize, 0..3), 1..12),
                                            efforts in prop::collection::vec(0..9_u8, 12),
                                            done in prop::collection::vec(prop::bool::weighted(0.2), 12)) {
        let ids: Vec<String> = (0..edges.len()).map(|n| format!("t{n}")).collect();
        let mut plan = plan(&[]);
        for (n, dependencies) in edges.iter().enumerate() {
            let mut task = Task::new(TaskId::new(&ids[n]).unwrap());
            task.effort = Some(Effort::from_millis(u64::from(efforts[n])));
            task.standing = if done[n] { Standing::Completed } else { Standing::Pending };
            task.dependencies = dependencies.iter().filter(|on| **on < n)
                .map(|on| Dependency::on_completion(TaskId::new(&ids[*on]).unwrap())).collect();
            plan.tasks.push(task);
        }
        let graph = TaskGraph::new(&plan).unwrap();
        let analysis = Analysis::of(&plan, &graph);
        fn top(n: usize, edges: &[Vec<usize>], own: &dyn Fn(usize) -> u64) -> u64 {
            edges[n].iter().filter(|on| **on < n).map(|on| top(*on, edges, own) + own(*on)).max().unwrap_or(0)
        }
        let weight = |n: usize| if done[n] { 0 } else { u64::from(efforts[n]) };
        let count = |n: usize| u64::from(!done[n]);
        for (n, done) in done.iter().copied().enumerate().take(edges.len()) {
            let node = graph.start_of(TaskIndex(n as u32));
            prop_assert_eq!(analysis.timing.earliest_start(node).as_millis(), top(n, &edges, &weight));
            let wave = analysis.waves.iter().position(|wave| wave.contains(&TaskIndex(n as u32)));
            prop_assert_eq!(wave, (!done).then(|| top(n, &edges, &count) as usize));
        }
        let longest = (0..edges.len()).map(|n| top(n, &edges, &weight) + weight(n)).max().unwrap();
        prop_assert_eq!(analysis.critical_path.effort.as_millis(), longest);
        let on_path: u64 = analysis.critical_path.tasks.iter().map(|task| weight(task.index())).sum();
        prop_assert_eq!(on_path, longest);
        for task in &analysis.critical_path.tasks {
            prop_assert!(matches!(graph.node(graph.start_of(*task)), Node::Task(_)));
            prop_assert_eq!(analysis.timing.slack_of(&graph, *task), Effort::ZERO);
        }
    }
}

#[test]
fn what_if_a_task_took_another_time() {
    let plan = diamond();
    let graph = TaskGraph::new(&plan).unwrap();
    let if_b_took = |effort| critical_effort_if(&plan, &graph, TaskIndex(1), hours(effort));
    assert_eq!([if_b_took(4.0), if_b_took(3.0), if_b_took(0.0)], [hours(6.0), hours(5.0), hours(4.0)]);
    for effort in [4.0, 3.0, 0.0] {
        let supposed = suppose(&plan, &[(TaskIndex(1), Supposition::Takes(hours(effort)))]);
        assert_eq!(Analysis::of(&supposed, &graph).critical_path.effort, if_b_took(effort));
    }
    let without = suppose(&plan, &[(TaskIndex(1), Supposition::IsDone)]);
    assert_eq!(Analysis::of(&without, &graph).critical_path.effort, if_b_took(0.0));
}

#[test]
fn the_width_goes_up_and_down_with_the_tasks_that_run() {
    let plan = diamond();
    let graph = TaskGraph::new(&plan).unwrap();
    let steps: Vec<(f64, usize)> = width_profile(&plan, &graph, &Analysis::of(&plan, &graph).timing)
        .into_iter()
        .map(|step| (step.from.as_hours(), step.tasks))
        .collect();
    assert_eq!(steps, [(0.0, 1), (1.0, 2), (3.0, 1), (6.0, 0)]);
}

/// Lists every way from a start to an end, of those steps alone that are on a long one.
fn long_ways(plan: &Plan, graph: &TaskGraph) -> Vec<Vec<usize>> {
    let timing = Analysis::of(plan, graph).timing;
    let critical = timing.bottom_levels().iter().copied().max().unwrap().as_millis();
    let is_long = |node: &NodeIndex| {
        let through = (timing.earliest_start(*node) + timing.bottom_level(*node)).as_millis();
        through > 0 && through >= critical - critical / 10
    };
    let is_step = |from: NodeIndex, to: NodeIndex| {
        let end = timing.earliest_start(from) + remaining_effort(plan, graph, from);
        is_long(&from)
            && is_long(&to)
            && (end + timing.bottom_level(to)).as_millis() >= critical - critical / 10
    };
    let mut open: Vec<Vec<NodeIndex>> = graph
        .nodes()
        .filter(is_long)
        .filter(|node| !graph.predecessors(*node).any(|(before, _)| is_step(before, *node)))
        .map(|node| vec![node])
        .collect();
    let mut ways = Vec::new();
    while let Some(way) = open.pop() {
        let last = *way.last().unwrap();
        let next: Vec<NodeIndex> =
            graph.successors(last).map(|(next, _)| next).filter(|next| is_step(last, *next)).collect();
        if next.is_empty() {
            ways.push(way.iter().map(|node| node.index()).collect());
        }
        open.extend(next.into_iter().map(|next| way.iter().copied().chain([next]).collect()));
    }
    ways
}

proptest! {
    #[test]
    fn bottlenecks_are_on_as_many_long_ways_as_told(seed: u64) {
        let shape = crate::generate::LayeredShape {
            tasks: std::num::NonZeroUsize::new(14).unwrap(),
            layers: std::num::NonZeroUsize::new(5).unwrap(),
            dependencies_max: 3,
        };
        let plan = crate::generate::layered(shape, seed);
        let graph = TaskGraph::new(&plan).unwrap();
        let ways = long_ways(&plan, &graph);
        for found in bottlenecks(&plan, &graph, usize::MAX) {
            let node = graph.start_of(found.task).index();
            let through = ways.iter().filter(|way| way.contains(&node)).count();
            prop_assert!((found.share - through as f64 / ways.len() as f64).abs() < 1e-9);
        }
    }
}
