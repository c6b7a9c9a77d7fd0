//! The graph against petgraph, and against the plain meaning of groups.

use std::collections::{BTreeSet, HashMap};

use petgraph::algo::{is_cyclic_directed, tarjan_scc, toposort};
use petgraph::graph::DiGraph;
use proptest::prelude::*;

use super::*;
use crate::{Analysis, Dependency, Exclusion, Plan, Standing, Task, TaskId, When};

/// Builds a plan from lines such as `b: a, c < group !` (dependencies, parent, excluded).
fn plan(lines: &[&str]) -> Plan {
    let tasks = lines
        .iter()
        .map(|line| {
            let (id, rest) = line.split_once(':').unwrap_or((line, ""));
            let mut task = Task::new(TaskId::new(id.trim()).unwrap());
            if rest.contains('!') {
                task.standing = Standing::Excluded(Exclusion::Cancelled);
            }
            let rest = rest.replace('!', "");
            let (dependencies, parent) = rest.split_once('<').unwrap_or((&rest, ""));
            task.parent = TaskId::new(parent.trim()).ok();
            task.dependencies = dependencies
                .split(',')
                .filter_map(|on| TaskId::new(on.trim()).ok())
                .map(Dependency::on_completion)
                .collect();
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

fn check(graph: &TaskGraph) {
    let mut place = vec![usize::MAX; graph.node_count()];
    for (at, node) in graph.topological_order().iter().enumerate() {
        assert_eq!(place[node.index()], usize::MAX, "each node once");
        place[node.index()] = at;
    }
    let mut edges = 0;
    for node in graph.nodes() {
        for (successor, when) in graph.successors(node) {
            edges += 1;
            assert!(place[node.index()] < place[successor.index()], "in order");
            assert!(graph.predecessors(successor).any(|edge| edge == (node, when)));
        }
        assert_eq!(
            graph.start_of(graph.node(node).task()) == node,
            !matches!(graph.node(node), Node::GroupFinish(_))
        );
    }
    assert_eq!(edges, graph.edge_count());
}

fn names(graph: &TaskGraph, plan: &Plan) -> Vec<String> {
    graph
        .topological_order()
        .iter()
        .map(|node| match graph.node(*node) {
            Node::Task(task) => plan.tasks[task.index()].id.to_string(),
            Node::GroupStart(task) => format!("{}[", plan.tasks[task.index()].id),
            Node::GroupFinish(task) => format!("{}]", plan.tasks[task.index()].id),
        })
        .collect()
}

fn defects(lines: &[&str]) -> Vec<String> {
    TaskGraph::new(&plan(lines)).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_group_is_a_start_and_a_finish_around_its_children() {
    let plan = plan(&["a", "g: a", "x: < g", "y: x < g", "b: g"]);
    let graph = TaskGraph::new(&plan).unwrap();
    check(&graph);
    assert_eq!(names(&graph, &plan), ["a", "g[", "x", "y", "g]", "b"]);
    assert_eq!((graph.node_count(), graph.edge_count()), (6, 7));
    assert_eq!(graph.parent_of(TaskIndex(2)), Some(TaskIndex(1)));
    assert!(graph.is_group(TaskIndex(1)) && !graph.is_group(TaskIndex(2)));
}

#[test]
fn a_dependency_on_ones_own_group_or_member_is_left_out() {
    let plan = plan(&["g: x", "x: g < g", "h: < g", "y: g, h < h"]);
    let graph = TaskGraph::new(&plan).unwrap();
    check(&graph);
    let reasons: Vec<_> = graph.ignored().iter().map(|ignored| (ignored.task.0, ignored.reason)).collect();
    assert_eq!(
        reasons,
        [
            (0, IgnoredReason::OwnDescendant),
            (1, IgnoredReason::OwnAncestor),
            (3, IgnoredReason::OwnAncestor),
            (3, IgnoredReason::OwnAncestor),
        ]
    );
}

#[test]
fn nothing_waits_for_an_excluded_task_and_its_children_move_up() {
    let plan =
        plan(&["top", "gone: unknown, b < top !", "a: gone < gone", "b: a", "alone", "grave: < alone !"]);
    let graph = TaskGraph::new(&plan).unwrap();
    check(&graph);
    assert_eq!(graph.parent_of(TaskIndex(2)), Some(TaskIndex(0)));
    assert_eq!(graph.in_degree(graph.start_of(TaskIndex(1))), 0);
    assert_eq!(graph.successors(graph.start_of(TaskIndex(1))).count(), 0);
    assert!(!graph.is_group(TaskIndex(4)), "its only child is excluded");
}

#[test]
fn an_edge_is_kept_once_for_each_of_its_meanings() {
    let mut plan = plan(&["a", "b: a, a"]);
    plan.tasks[1].dependencies.push(Dependency { on: TaskId::new("a").unwrap(), when: When::Failed });
    assert_eq!(TaskGraph::new(&plan).unwrap().edge_count(), 2);
}

#[test]
fn all_defects_are_told_at_once() {
    assert_eq!(
        defects(&["a: a", "b: nowhere", "b", "c: < nobody", "d: < e", "e: < d", "f: g", "g: f"]),
        [
            "the id `b` is given twice",
            "the parent `nobody` of `c` is not in the plan",
            "the parents of 2 tasks form a circle, `d` among them",
            "`a` depends on itself",
            "`b` depends on `nowhere`, which is not in the plan",
            "these tasks wait for each other: `f` -> `g` -> `f`",
        ]
    );
}

#[test]
fn each_cycle_is_told_by_a_shortest_way_and_its_cheapest_cut() {
    // Two ways around share the edge a -> b: cutting it breaks both.
    let plan = plan(&["a: c, e", "b: a", "c: b", "d: b", "e: d", "p: q", "q: p"]);
    let defects = TaskGraph::new(&plan).unwrap_err();
    let cycles: Vec<&Cycle> = defects
        .iter()
        .map(|defect| match defect {
            Defect::Cycle(cycle) => cycle,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(cycles.len(), 2);
    assert_eq!(cycles[0].path.len(), 3);
    assert_eq!(cycles[0].tasks_involved, 5);
    let [cut] = cycles[0].cuts[..] else { panic!("{:?}", cycles[0].cuts) };
    assert_eq!(cut.origin, Origin::Dependency { task: TaskIndex(1), position: 0 });
}

#[test]
fn several_cuts_are_told_where_one_does_not_do_and_never_more_than_needed() {
    // Three ways around, no two of which share an edge.
    let plan = plan(&["a: b, c, d", "b: a", "c: a", "d: a"]);
    let Defect::Cycle(cycle) = TaskGraph::new(&plan).unwrap_err().remove(0) else { panic!("a cycle") };
    let cuts: Vec<Origin> = cycle.cuts.iter().map(|cut| cut.origin).collect();
    let of = |task| Origin::Dependency { task: TaskIndex(task), position: 0 };
    assert_eq!((cuts.len(), cycle.is_parted), (3, true), "{cuts:?}");
    assert!(cuts.contains(&of(3)), "{cuts:?}");
}

#[test]
fn where_cuts_are_too_many_to_be_proved_the_one_that_does_the_most_comes_first() {
    // Five ways around share the edge from a to b, and seven more share none.
    let plan = plan(&[
        "a: c, d, e, f, g, h, i, j, k, l, m, n",
        "b: a",
        "c: b",
        "d: b",
        "e: b",
        "f: b",
        "g: b",
        "h: a",
        "i: a",
        "j: a",
        "k: a",
        "l: a",
        "m: a",
        "n: a",
    ]);
    let Defect::Cycle(cycle) = TaskGraph::new(&plan).unwrap_err().remove(0) else { panic!("a cycle") };
    assert_eq!((cycle.cuts.len(), cycle.is_parted), (8, true), "{:?}", cycle.cuts);
}

#[test]
fn a_cycle_through_a_group_names_the_parents_on_its_way() {
    let plan = plan(&["g: b", "x: < g", "b: g"]);
    let Defect::Cycle(cycle) = TaskGraph::new(&plan).unwrap_err().remove(0) else {
        panic!("expected a cycle")
    };
    assert_eq!(cycle.to_string(), "these tasks wait for each other: `g` -> `x` -> `g` -> `b` -> `g`");
    let parents = cycle.path.iter().filter(|edge| edge.origin == Origin::Parent { child: TaskIndex(1) });
    assert_eq!(parents.count(), 2);
}

#[test]
fn a_chain_of_a_million_tasks_needs_no_deep_stack() {
    const TASKS: usize = 1_000_000;
    // Enough to overflow a stack where there is recursion, and quick enough to be built three times.
    const FEWER: usize = 100_000;
    let run = || {
        let ids: Vec<TaskId> = (0..TASKS).map(|n| TaskId::new(&format!("t{n}")).unwrap()).collect();
        let mut chain = plan(&[]);
        for (n, id) in ids.iter().enumerate() {
            let mut task = Task::new(id.clone());
            task.dependencies
                .extend(n.checked_sub(1).map(|before| Dependency::on_completion(ids[before].clone())));
            chain.tasks.push(task);
        }
        let graph = TaskGraph::new(&chain).unwrap();
        assert_eq!(Analysis::of(&chain, &graph).critical_path.tasks.len(), TASKS);
        drop(graph);
        chain.tasks.truncate(FEWER);
        chain.tasks[0].dependencies.push(Dependency::on_completion(ids[FEWER - 1].clone()));
        let defects = TaskGraph::new(&chain).unwrap_err();
        assert!(matches!(&defects[..], [Defect::Cycle(cycle)] if cycle.path.len() == FEWER));
        chain.tasks[0].dependencies.clear();
        for n in 1..FEWER {
            chain.tasks[n].dependencies.clear();
            chain.tasks[n].parent = Some(ids[n - 1].clone());
        }
        assert_eq!(TaskGraph::new(&chain).unwrap().node_count(), 2 * FEWER - 1);
        chain.tasks[0].parent = Some(ids[FEWER - 1].clone());
        let defects = TaskGraph::new(&chain).unwrap_err();
        assert!(matches!(&defects[..], [Defect::ParentCycle { tasks, .. }] if tasks.len() == FEWER));
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

/// Plans of up to 14 tasks with groups, excluded entries and dependencies in every direction.
fn any_plan() -> impl Strategy<Value = Plan> {
    let task = (prop::collection::vec(0..14_usize, 0..3), prop::option::weighted(0.3, 0..14_usize), 0..8_u8);
    prop::collection::vec(task, 1..14).prop_map(|tasks| {
        let count = tasks.len();
        let lines: Vec<String> = tasks
            .into_iter()
            .enumerate()
            .map(|(n, (dependencies, parent, kind))| {
                let dependencies: Vec<String> = dependencies
                    .iter()
                    .map(|on| on % count)
                    .filter(|on| *on != n)
                    .map(|on| format!("t{on}"))
                    .collect();
                // A parent comes before its children, so that parents form no cycle.
                let parent = parent.map(|parent| parent % count).filter(|parent| *parent < n);
                let parent = parent.map_or(String::new(), |parent| format!("< t{parent}"));
                format!("t{n}: {} {parent} {}", dependencies.join(","), if kind == 0 { "!" } else { "" })
            })
            .collect();
        plan(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    })
}

/// Returns which leaf waits for which, read off the plan by its plain meaning: every leaf under a group waits for
/// every leaf under what the group depends on.
fn plain_meaning(plan: &Plan) -> BTreeSet<(usize, usize)> {
    let excluded = |n: usize| matches!(plan.tasks[n].standing, Standing::Excluded(_));
    let at: HashMap<&str, usize> =
        plan.tasks.iter().enumerate().map(|(n, task)| (task.id.as_str(), n)).collect();
    let parent = |n: usize| {
        let mut up = plan.tasks[n].parent.as_ref().map(|parent| at[parent.as_str()]);
        while let Some(group) = up.filter(|group| excluded(*group)) {
            up = plan.tasks[group].parent.as_ref().map(|parent| at[parent.as_str()]);
        }
        up.filter(|_| !excluded(n))
    };
    let is_under = |n: usize, group: usize| {
        let mut up = Some(n);
        while let Some(at) = up {
            if at == group {
                return true;
            }
            up = parent(at);
        }
        false
    };
    let all = 0..plan.tasks.len();
    let is_leaf = |n: usize| !all.clone().any(|child| parent(child) == Some(n));
    let leaves =
        |group: usize| -> Vec<usize> { all.clone().filter(|n| is_leaf(*n) && is_under(*n, group)).collect() };
    let mut waits = BTreeSet::new();
    for n in all.clone().filter(|n| !excluded(*n)) {
        for dependency in &plan.tasks[n].dependencies {
            let on = at[dependency.on.as_str()];
            if excluded(on) || is_under(n, on) || is_under(on, n) {
                continue;
            }
            for first in leaves(on) {
                waits.extend(leaves(n).into_iter().map(|then| (first, then)));
            }
        }
    }
    waits
}

proptest! {
    #[test]
    fn the_graph_is_the_plain_meaning_of_the_plan(plan in any_plan()) {
        let mut plain: DiGraph<(), ()> = DiGraph::new();
        let nodes: Vec<_> = plan.tasks.iter().map(|_| plain.add_node(())).collect();
        for (first, then) in plain_meaning(&plan) {
            plain.add_edge(nodes[first], nodes[then], ());
        }
        match TaskGraph::new(&plan) {
            Ok(graph) => {
                check(&graph);
                prop_assert!(!is_cyclic_directed(&plain));
                prop_assert!(!is_cyclic_directed(&graph));
                prop_assert_eq!(toposort(&graph, None).unwrap().len(), graph.node_count());
                prop_assert_eq!(tarjan_scc(&graph).len(), graph.node_count());
                for (first, then) in graph.tasks().flat_map(|a| graph.tasks().map(move |b| (a, b))) {
                    if first == then || graph.is_group(first) || graph.is_group(then) {
                        continue;
                    }
                    let ours = petgraph::algo::has_path_connecting(&graph, graph.start_of(first), graph.start_of(then), None);
                    let theirs = petgraph::algo::has_path_connecting(&plain, nodes[first.index()], nodes[then.index()], None);
                    prop_assert_eq!(ours, theirs, "{:?} before {:?}", first, then);
                }
            }
            Err(defects) => {
                prop_assert!(is_cyclic_directed(&plain));
                for defect in defects {
                    let Defect::Cycle(cycle) = defect else { panic!("only cycles are generated") };
                    for (place, edge) in cycle.path.iter().enumerate() {
                        prop_assert_eq!(edge.to, cycle.path[(place + 1) % cycle.path.len()].from);
                    }
                    prop_assert!(cycle.path.contains(&cycle.cuts[0]));
                    for cut in &cycle.cuts {
                        let is_dependency = matches!(cut.origin, Origin::Dependency { .. });
                        prop_assert!(is_dependency);
                    }
                }
            }
        }
    }

    #[test]
    fn cycles_are_petgraphs_components(plan in any_plan()) {
        let mut flat = plan;
        for task in &mut flat.tasks {
            task.parent = None;
            task.standing = Standing::Pending;
        }
        let mut plain: DiGraph<(), ()> = DiGraph::new();
        let nodes: Vec<_> = flat.tasks.iter().map(|_| plain.add_node(())).collect();
        for (first, then) in plain_meaning(&flat) {
            plain.add_edge(nodes[first], nodes[then], ());
        }
        let mut theirs: Vec<usize> = tarjan_scc(&plain).iter().map(Vec::len).filter(|size| *size > 1).collect();
        let mut ours: Vec<usize> = TaskGraph::new(&flat)
            .err()
            .into_iter()
            .flatten()
            .map(|defect| match defect {
                Defect::Cycle(cycle) => cycle.tasks_involved,
                other => panic!("{other}"),
            })
            .collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn the_cuts_are_the_fewest_that_part_a_cycle(edges in proptest::collection::vec((0..5_usize, 0..5_usize), 1..11)) {
        let mut edges: Vec<_> = edges.into_iter().filter(|(first, then)| first != then).collect();
        edges.sort_unstable();
        edges.dedup();
        let without = |left_out: u32| {
            let mut graph: DiGraph<(), ()> = DiGraph::new();
            let nodes: Vec<_> = (0..5).map(|_| graph.add_node(())).collect();
            for (_, (first, then)) in edges.iter().enumerate().filter(|(place, _)| left_out >> place & 1 == 0) {
                graph.add_edge(nodes[*first], nodes[*then], ());
            }
            graph
        };
        let sets = 0..1_u32 << edges.len();
        let fewest = sets.filter(|set| !is_cyclic_directed(&without(*set))).map(u32::count_ones).min().unwrap();
        let mut plan = plan(&["a", "b", "c", "d", "e"]);
        for (first, then) in &edges {
            let on = plan.tasks[*first].id.clone();
            plan.tasks[*then].dependencies.push(Dependency::on_completion(on));
        }
        let cycles: Vec<Cycle> = TaskGraph::new(&plan).err().into_iter().flatten().map(|defect| match defect {
            Defect::Cycle(cycle) => cycle,
            other => panic!("{other}"),
        }).collect();
        let cuts: Vec<CycleEdge> = cycles.iter().flat_map(|cycle| cycle.cuts.clone()).collect();
        prop_assert_eq!(cuts.len() as u32, fewest);
        let is_cut = |first: usize, then: usize| {
            cuts.iter().any(|cut| (cut.from.task().index(), cut.to.task().index()) == (first, then))
        };
        let left_out = edges.iter().enumerate().filter(|(_, (first, then))| is_cut(*first, *then));
        let left_out = left_out.fold(0, |set, (place, _)| set | 1 << place);
        prop_assert!(!is_cyclic_directed(&without(left_out)));
    }
}
