//! From a plan to its graph, or to the list of everything that is wrong with it.

use super::csr::{Csr, Edge};
use super::cycle::find_cycles;
use super::hierarchy::{Hierarchy, parent_cycles};
use super::task_graph::{Ignored, IgnoredReason, Node, NodeIndex, TaskGraph, TaskIndex};
use super::{Defect, Origin};
use crate::id_table::{IdTable, Repeat};
use crate::{Plan, Standing, Task, When};

pub(super) fn build(plan: &Plan) -> Result<TaskGraph, Vec<Defect>> {
    let mut defects = Vec::new();
    let by_id = index_ids(plan, &mut defects);
    let excluded: Vec<bool> = plan.tasks.iter().map(is_excluded).collect();
    let hierarchy = hierarchy(plan, &by_id, &excluded, &mut defects);
    let layout = Layout::new(plan, &hierarchy);
    let mut ignored = Vec::new();
    let mut edges = layout.member_edges(hierarchy.parents());
    edges.reserve_exact(plan.tasks.iter().map(|task| task.dependencies.len()).sum());
    let resolving =
        Resolving { plan, by_id: &by_id, excluded: &excluded, hierarchy: &hierarchy, layout: &layout };
    resolving.add_dependencies(&mut edges, &mut ignored, &mut defects);
    let successors = Csr::of(layout.nodes.len(), &edges);
    drop(edges);
    let predecessors = successors.reversed();

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

fn index_ids(plan: &Plan, defects: &mut Vec<Defect>) -> IdTable {
    let (by_id, repeats) = IdTable::of(plan.tasks.iter().map(|task| &task.id));
    defects.extend(repeats.into_iter().map(|Repeat { first, second }| Defect::DuplicateId {
        id: plan.tasks[second as usize].id.clone(),
        first: TaskIndex(first),
        second: TaskIndex(second),
    }));
    by_id
}

/// Returns the forest of effective parents: excluded tasks have none and are nobody's.
fn hierarchy(plan: &Plan, by_id: &IdTable, excluded: &[bool], defects: &mut Vec<Defect>) -> Hierarchy {
    if plan.tasks.iter().all(|task| task.parent.is_none()) {
        return Hierarchy::default();
    }
    let mut written: Vec<Option<TaskIndex>> = Vec::with_capacity(plan.tasks.len());
    for (index, task) in plan.tasks.iter().enumerate() {
        let parent = task.parent.as_ref().and_then(|parent| {
            let known = by_id.place(parent.as_str()).map(TaskIndex);
            if known.is_none() && !excluded[index] {
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
    Hierarchy::new(pass_over_excluded(excluded, written))
}

/// Gives each task its nearest ancestor that is not excluded. Every excluded chain is walked once: what has been found
/// is written into it.
fn pass_over_excluded(excluded: &[bool], written: Vec<Option<TaskIndex>>) -> Vec<Option<TaskIndex>> {
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
        if *excluded {
            *parent = None;
        }
    }
    nearest
}

/// What it takes to tell which dependencies become edges.
struct Resolving<'p> {
    plan: &'p Plan,
    by_id: &'p IdTable,
    excluded: &'p [bool],
    hierarchy: &'p Hierarchy,
    layout: &'p Layout,
}

impl Resolving<'_> {
    fn add_dependencies(&self, edges: &mut Vec<Edge>, ignored: &mut Vec<Ignored>, defects: &mut Vec<Defect>) {
        for (index, from) in self.plan.tasks.iter().enumerate().filter(|(index, _)| !self.excluded[*index]) {
            let task = TaskIndex::from_usize(index);
            for (position, dependency) in from.dependencies.iter().enumerate() {
                let without_edge = |reason| Ignored { task, position, reason };
                match self.by_id.place(dependency.on.as_str()).map(TaskIndex) {
                    None => defects.push(Defect::UnknownDependency {
                        task,
                        id: from.id.clone(),
                        position,
                        on: dependency.on.clone(),
                    }),
                    Some(on) if on == task => {
                        defects.push(Defect::SelfDependency { task, id: from.id.clone(), position });
                    }
                    Some(on) if self.excluded[on.index()] => {
                        ignored.push(without_edge(IgnoredReason::OnExcluded));
                    }
                    Some(on) if self.hierarchy.is_ancestor(on, task) => {
                        ignored.push(without_edge(IgnoredReason::OwnAncestor));
                    }
                    Some(on) if self.hierarchy.is_ancestor(task, on) => {
                        ignored.push(without_edge(IgnoredReason::OwnDescendant));
                    }
                    Some(on) => edges.push(Edge {
                        from: self.layout.finish(on),
                        to: self.layout.start(task),
                        when: dependency.when,
                    }),
                }
            }
        }
    }
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

    fn member_edges(&self, parents: &[Option<TaskIndex>]) -> Vec<Edge> {
        let mut edges = Vec::with_capacity(2 * parents.iter().flatten().count());
        for (index, parent) in parents.iter().enumerate() {
            let Some(group) = *parent else { continue };
            let child = TaskIndex::from_usize(index);
            edges.push(Edge { from: self.start(group), to: self.start(child), when: When::Completed });
            edges.push(Edge { from: self.finish(child), to: self.finish(group), when: When::Completed });
        }
        edges
    }

    /// Returns where the plan says that there is an edge: derived when a cycle is told, not kept for every edge.
    fn origin(&self, plan: &Plan, by_id: &IdTable, from: NodeIndex, to: NodeIndex) -> Origin {
        let (from, to) = (self.nodes[from.index()], self.nodes[to.index()]);
        match (from, to) {
            (Node::GroupStart(_), _) => Origin::Parent { child: to.task() },
            (_, Node::GroupFinish(_)) => Origin::Parent { child: from.task() },
            _ => {
                let position = plan.tasks[to.task().index()]
                    .dependencies
                    .iter()
                    .position(|dependency| by_id.place(dependency.on.as_str()) == Some(from.task().0))
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
        for target in successors.of_node(node) {
            let waits = &mut waits_for[target.node().index()];
            *waits -= 1;
            if *waits == 0 {
                order.push(target.node());
            }
        }
    }
    order
}
