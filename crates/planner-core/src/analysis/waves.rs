//! Waves: which tasks could run side by side, if there were agents for all. For people to look at; dispatch has none.

use super::is_to_do;
use crate::{Node, Plan, TaskGraph, TaskIndex};

/// The leaves that are still to be done, by the length of the longest way to them, counted in tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waves {
    waves: Vec<Vec<TaskIndex>>,
}

impl Waves {
    /// Returns the waves: a task is one wave after the last thing that it waits for. Groups, completed and excluded tasks
    /// are in none.
    pub(super) fn of(plan: &Plan, graph: &TaskGraph) -> Self {
        let mut waves: Vec<Vec<TaskIndex>> = Vec::new();
        let mut reached = vec![0_usize; graph.node_count()];
        for node in graph.topological_order() {
            let after =
                graph.predecessors(*node).map(|(before, _)| reached[before.index()]).max().unwrap_or(0);
            reached[node.index()] = match graph.node(*node) {
                Node::Task(task) if is_to_do(&plan.tasks[task.index()]) => {
                    if waves.len() == after {
                        waves.push(Vec::new());
                    }
                    waves[after].push(task);
                    after + 1
                }
                Node::Task(_) | Node::GroupStart(_) | Node::GroupFinish(_) => after,
            };
        }
        for wave in &mut waves {
            wave.sort_unstable();
        }
        Self { waves }
    }

    /// Returns the tasks of each wave, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[TaskIndex]> {
        self.waves.iter().map(Vec::as_slice)
    }

    /// Returns how many waves there are.
    pub fn len(&self) -> usize {
        self.waves.len()
    }

    /// Returns whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.waves.is_empty()
    }

    /// Returns the number, from 0, and the size of the first of the widest waves.
    pub fn widest(&self) -> Option<(usize, usize)> {
        let sizes = self.waves.iter().map(Vec::len).enumerate();
        sizes.max_by_key(|(number, size)| (*size, std::cmp::Reverse(*number)))
    }
}
