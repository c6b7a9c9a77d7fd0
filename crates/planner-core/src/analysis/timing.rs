//! When each node can begin at the earliest, and must at the latest, with as many agents as one likes.

use super::is_to_do;
use crate::{Effort, Node, NodeIndex, Plan, Task, TaskGraph, TaskIndex};

/// Start times by node, from the beginning of the work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    earliest: Vec<Effort>,
    bottom: Vec<Effort>,
    critical: Effort,
}

impl Timing {
    pub(super) fn of(graph: &TaskGraph, efforts: &[Effort]) -> Self {
        let mut earliest = vec![Effort::ZERO; graph.node_count()];
        for node in graph.topological_order() {
            let finish = earliest[node.index()] + efforts[node.index()];
            for (successor, _) in graph.successors(*node) {
                let start = &mut earliest[successor.index()];
                *start = finish.max(*start);
            }
        }
        let bottom = bottom_levels_of(graph, efforts);
        let critical = bottom.iter().copied().max().unwrap_or_default();
        Self { earliest, bottom, critical }
    }

    /// Returns when everything that the node waits for can be done.
    pub fn earliest_start(&self, node: NodeIndex) -> Effort {
        self.earliest[node.index()]
    }

    /// Returns when the node must begin so that the whole takes no longer than its critical path.
    pub fn latest_start(&self, node: NodeIndex) -> Effort {
        self.critical - self.bottom[node.index()]
    }

    /// Returns the longest effort from the node's start to the end of the plan.
    pub fn bottom_level(&self, node: NodeIndex) -> Effort {
        self.bottom[node.index()]
    }

    /// Returns the bottom levels of all nodes, to be indexed by [`NodeIndex::index`].
    pub fn bottom_levels(&self) -> &[Effort] {
        &self.bottom
    }

    /// Returns how long the node can be late without delaying the whole.
    pub fn slack(&self, node: NodeIndex) -> Effort {
        self.latest_start(node) - self.earliest_start(node)
    }

    /// Returns how long the start of the task or group can be late without delaying the whole.
    pub fn slack_of(&self, graph: &TaskGraph, task: TaskIndex) -> Effort {
        self.slack(graph.start_of(task))
    }
}

/// Returns for each node the longest effort from its start to the end of the plan; this is what urgency is measured by.
pub fn bottom_levels(plan: &Plan, graph: &TaskGraph) -> Vec<Effort> {
    bottom_levels_by(plan, graph, Task::effort_or_default)
}

/// Returns the same by other efforts than those of the plan; what is not to be done any more takes none.
pub fn bottom_levels_by(plan: &Plan, graph: &TaskGraph, effort: impl Fn(&Task) -> Effort) -> Vec<Effort> {
    let of_node = |node| match graph.node(node) {
        Node::Task(task) if is_to_do(&plan.tasks[task.index()]) => effort(&plan.tasks[task.index()]),
        Node::Task(_) | Node::GroupStart(_) | Node::GroupFinish(_) => Effort::ZERO,
    };
    let efforts: Vec<Effort> = graph.nodes().map(of_node).collect();
    bottom_levels_of(graph, &efforts)
}

pub(super) fn bottom_levels_of(graph: &TaskGraph, efforts: &[Effort]) -> Vec<Effort> {
    let mut bottom = vec![Effort::ZERO; graph.node_count()];
    for node in graph.topological_order().iter().rev() {
        let after =
            graph.successors(*node).map(|(successor, _)| bottom[successor.index()]).max().unwrap_or_default();
        bottom[node.index()] = after + efforts[node.index()];
    }
    bottom
}
