//! What is still to be done.

use crate::{Effort, Node, NodeIndex, Plan, Standing, Task, TaskGraph};

/// Returns whether the task itself is still to be done: neither completed nor excluded.
pub fn is_to_do(task: &Task) -> bool {
    match task.standing {
        Standing::Pending | Standing::OnHold => true,
        Standing::Completed | Standing::Excluded(_) => false,
    }
}

/// Returns the effort that is left in a node: the effort of a leaf that is still to be done, nothing for anything else.
pub fn remaining_effort(plan: &Plan, graph: &TaskGraph, node: NodeIndex) -> Effort {
    match graph.node(node) {
        Node::Task(task) if is_to_do(&plan.tasks[task.index()]) => {
            plan.tasks[task.index()].effort_or_default()
        }
        Node::Task(_) | Node::GroupStart(_) | Node::GroupFinish(_) => Effort::ZERO,
    }
}

/// How many entries of a plan there are of each kind; each entry counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Leaves that are to be done.
    pub pending: usize,
    /// Leaves that were put aside.
    pub on_hold: usize,
    /// Leaves that were done before.
    pub completed: usize,
    /// Groups.
    pub groups: usize,
    /// Entries that never run.
    pub excluded: usize,
}

impl Counts {
    pub(super) fn of(plan: &Plan, graph: &TaskGraph) -> Self {
        let mut counts = Self::default();
        for index in graph.tasks() {
            let kind = match plan.tasks[index.index()].standing {
                Standing::Excluded(_) => &mut counts.excluded,
                _ if graph.is_group(index) => &mut counts.groups,
                Standing::Pending => &mut counts.pending,
                Standing::OnHold => &mut counts.on_hold,
                Standing::Completed => &mut counts.completed,
            };
            *kind += 1;
        }
        counts
    }

    /// Returns how many entries there are in all.
    pub fn total(&self) -> usize {
        self.pending + self.on_hold + self.completed + self.groups + self.excluded
    }
}
