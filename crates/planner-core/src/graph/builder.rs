//! From a plan to its graph, or to the list of everything that is wrong with it.

use std::collections::HashMap;

use super::csr::{Csr, Edge};
use super::cycle::find_cycles;
use super::hierarchy::{Hierarchy, parent_cycles};
use super::task_graph::{Ignored, IgnoredReason, Node, NodeIndex, TaskGraph, TaskIndex};
use super::{Defect, Origin};
use crate::{Plan, Standing, Task, TaskId, When};

pub(super) fn build(plan: &Plan) -> Result<TaskGraph, Vec<Defect>> {
    let mut defects = Vec::new();
    let by_id = index_ids(plan, &mut defects);
    let hierarchy = hierarchy(plan, &by_id, &mut defects);
    let layout = Layout::new(plan, &hierarchy);
    let mut ignored = Vec::new();
    let dependencies = resolve(plan, &by_id, &hierarchy, &mut ignored, &mut defects);

    let mut edges = layout.edges(hierarchy.parents(), &dependencies);
    edges.sort_unstable();
    edges.dedup();
    let successors = Csr::of_sorted(layout.nodes.len(), &edges);
    let mut backward: Vec<Edge> = edges.iter().map(|edge| edge.reversed()).collect();
    backward.sort_unstable();
    let predecessors = Csr::of_sorted(layout.nodes.len(), &backward);

    let order = topological_order(&successors, &predecessors);
    if order.len() < layout.nodes.len() {
        let origin = |from: NodeIndex, to: NodeIndex| layout.origin(plan, &by_id, from, to);
        defects.extend(
            find_cycles(plan, &layout.nodes, &successors, &order, origin).into_iter().map(Defect::Cycle),
        );
    }
    if !defects.is_empty() {
        return Err(defects);
    }
    Ok(TaskGraph {
        nodes: layout.nodes,
        starts: layout.starts,
        parents: hierarchy.into_parents(),
        successors,
        predecessors,
        order,
        by_id,
        ignored,
    })
}

fn is_excluded(task: &Task) -> bool {
    matches!(task.standing, Standing::Excluded(_))
}

fn index_ids(plan: &Plan, defects: &mut Vec<Defect>) -> HashMap<TaskId, TaskIndex> {
    let mut by_id: HashMap<TaskId, TaskIndex> = HashMap::with_capacity(plan.tasks.len());
    for (index, task) in plan.tasks.iter().enumerate() {
        let second = TaskIndex::from_usize(index);
        let first = *by_id.entry(task.id.clone()).or_insert(second);
        if first != second {
            defects.push(Defect::DuplicateId { id: task.id.clone(), first, second });
        }
    }
    by_id
}

/// Returns the forest of effective parents: excluded tasks have none and are nobody's.
fn hierarchy(plan: &Plan, by_id: &HashMap<TaskId, TaskIndex>, defects: &mut Vec<Defect>) -> Hierarchy {
    let mut written: Vec<Option<TaskIndex>> = Vec::with_capacity(plan.tasks.len());
    for (index, task) in plan.tasks.iter().enumerate() {
        let parent = task.parent.as_ref().and_then(|parent| {
            let known = by_id.get(parent).copied();
            if known.is_none() && !is_excluded(task) {
                defects.push(Defect::UnknownParent {
                    task: TaskIndex::from_usize(index),
                    id: task.id.clone(),
                    parent: parent.clone(),
                });
            }
            known
        });
        written.push(parent);
    }
    for tasks in parent_cycles(&written) {
        let ids = tasks.iter().map(|task| plan.tasks[task.index()].id.clone()).collect();
        // Cut, so that the rest of the plan can be looked at.
        written[tasks[0].index()] = None;
        defects.push(Defect::ParentCycle { tasks, ids });
    }
    Hierarchy::new(pass_over_excluded(plan, written))
}

/// Gives each task its nearest ancestor that is not excluded. Every excluded chain is walked once: what has been found
/// is written into it.
fn pass_over_excluded(plan: &Plan, written: Vec<Option<TaskIndex>>) -> Vec<Option<TaskIndex>> {
    let excluded: Vec<bool> = plan.tasks.iter().map(is_excluded).collect();
    let mut nearest = written;
    let mut chain = Vec::new();
    for start in 0..nearest.len() {
        let mut at = TaskIndex::from_usize(start);
        chain.push(at);
        let found = loop {
            match nearest[at.index()] {
                Some(parent) if excluded[parent.index()] => {
                    at = parent;
                    chain.push(at);
                }
                found => break found,
            }
        };
        for task in chain.drain(..) {
            nearest[task.index()] = found;
        }
    }
    for (parent, excluded) in nearest.iter_mut().zip(excluded) {
        if excluded {
            *parent = None;
        }
    }
    nearest
}

/// A dependency that becomes an edge.
struct Resolved {
    task: TaskIndex,
    on: TaskIndex,
    when: When,
}

fn resolve(
    plan: &Plan,
    by_id: &HashMap<TaskId, TaskIndex>,
    hierarchy: &Hierarchy,
    ignored: &mut Vec<Ignored>,
    defects: &mut Vec<Defect>,
) -> Vec<Resolved> {
    let mut resolved = Vec::with_capacity(plan.tasks.iter().map(|task| task.dependencies.len()).sum());
    for (index, from) in plan.tasks.iter().enumerate().filter(|(_, task)| !is_excluded(task)) {
        let task = TaskIndex::from_usize(index);
        for (position, dependency) in from.dependencies.iter().enumerate() {
            let without_edge = |reason| Ignored { task, position, reason };
            match by_id.get(&dependency.on).copied() {
                None => defects.push(Defect::UnknownDependency {
                    task,
                    id: from.id.clone(),
                    position,
                    on: dependency.on.clone(),
                }),
                Some(on) if on == task => {
                    defects.push(Defect::SelfDependency { task, id: from.id.clone(), position });
                }
                Some(on) if is_excluded(&plan.tasks[on.index()]) => {
                    ignored.push(without_edge(IgnoredReason::OnExcluded));
                }
                Some(on) if hierarchy.is_ancestor(on, task) => {
                    ignored.push(without_edge(IgnoredReason::OwnAncestor));
                }
                Some(on) if hierarchy.is_ancestor(task, on) => {
                    ignored.push(without_edge(IgnoredReason::OwnDescendant));
                }
                Some(on) => resolved.push(Resolved { task, on, when: dependency.when }),
            }
        }
    }
    resolved
}

/// Which nodes stand for which task.
struct Layout {
    nodes: Vec<Node>,
    starts: Vec<NodeIndex>,
}

impl Layout {
    fn new(plan: &Plan, hierarchy: &Hierarchy) -> Self {
        let mut nodes = Vec::with_capacity(plan.tasks.len());
        let mut starts = Vec::with_capacity(plan.tasks.len());
        for task in (0..plan.tasks.len()).map(TaskIndex::from_usize) {
            starts.push(NodeIndex::from_usize(nodes.len()));
            if hierarchy.is_group(task) {
                nodes.extend([Node::GroupStart(task), Node::GroupFinish(task)]);
            } else {
                nodes.push(Node::Task(task));
            }
        }
        Self { nodes, starts }
    }

    fn start(&self, task: TaskIndex) -> NodeIndex {
        self.starts[task.index()]
    }

    fn finish(&self, task: TaskIndex) -> NodeIndex {
        let start = self.start(task);
        match self.nodes[start.index()] {
            Node::Task(_) => start,
            Node::GroupStart(_) | Node::GroupFinish(_) => NodeIndex(start.0 + 1),
        }
    }

    fn edges(&self, parents: &[Option<TaskIndex>], dependencies: &[Resolved]) -> Vec<Edge> {
        let members = parents.iter().flatten().count();
        let mut edges = Vec::with_capacity(2 * members + dependencies.len());
        for (index, parent) in parents.iter().enumerate() {
            let Some(group) = *parent else { continue };
            let child = TaskIndex::from_usize(index);
            edges.push(Edge { from: self.start(group), to: self.start(child), when: When::Completed });
            edges.push(Edge { from: self.finish(child), to: self.finish(group), when: When::Completed });
        }
        edges.extend(dependencies.iter().map(|dependency| Edge {
            from: self.finish(dependency.on),
            to: self.start(dependency.task),
            when: dependency.when,
        }));
        edges
    }

    /// Returns where the plan says that there is an edge: derived when a cycle is told, not kept for every edge.
    fn origin(
        &self,
        plan: &Plan,
        by_id: &HashMap<TaskId, TaskIndex>,
        from: NodeIndex,
        to: NodeIndex,
    ) -> Origin {
        let (from, to) = (self.nodes[from.index()], self.nodes[to.index()]);
        match (from, to) {
            (Node::GroupStart(_), _) => Origin::Parent { child: to.task() },
            (_, Node::GroupFinish(_)) => Origin::Parent { child: from.task() },
            _ => {
                let position = plan.tasks[to.task().index()]
                    .dependencies
                    .iter()
                    .position(|dependency| by_id.get(&dependency.on) == Some(&from.task()))
                    .expect("every other edge comes from a dependency");
                Origin::Dependency { task: to.task(), position }
            }
        }
    }
}

/// Returns the nodes that can be put in order; all of them unless there is a cycle.
fn topological_order(successors: &Csr, predecessors: &Csr) -> Vec<NodeIndex> {
    let count = successors.node_count();
    let mut waits_for: Vec<u32> =
        (0..count).map(|node| predecessors.degree(NodeIndex::from_usize(node)) as u32).collect();
    let mut order: Vec<NodeIndex> =
        (0..count).map(NodeIndex::from_usize).filter(|node| waits_for[node.index()] == 0).collect();
    order.reserve(count - order.len());
    let mut next = 0;
    while let Some(node) = order.get(next).copied() {
        next += 1;
        for (successor, _) in successors.of(node) {
            let waits = &mut waits_for[successor.index()];
            *waits -= 1;
            if *waits == 0 {
                order.push(*successor);
            }
        }
    }
    order
}
