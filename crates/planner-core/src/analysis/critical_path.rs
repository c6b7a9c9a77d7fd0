//! The longest chains of work: what no number of agents can shorten.

use super::timing::bottom_levels_of;
use super::{Timing, is_to_do, remaining_effort};
use crate::{Effort, Node, NodeIndex, Plan, TaskGraph, TaskIndex};

/// Tasks of which each waits for the one before, directly or through groups and completed tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// The leaves that are still to be done, in order.
    pub tasks: Vec<TaskIndex>,
    /// The sum of their efforts.
    pub effort: Effort,
}

pub(super) fn critical_path(plan: &Plan, graph: &TaskGraph, efforts: &[Effort], timing: &Timing) -> Chain {
    chain_along(plan, graph, efforts, timing.bottom_levels())
}

/// Returns the longest chain of work, then the longest of the tasks that it leaves, and so on: `count` chains, or as many
/// as there are with any effort. No task is in two.
pub fn longest_chains(plan: &Plan, graph: &TaskGraph, count: usize) -> Vec<Chain> {
    let mut efforts: Vec<Effort> = graph.nodes().map(|node| remaining_effort(plan, graph, node)).collect();
    let mut chains = Vec::new();
    while chains.len() < count {
        let mut chain = chain_along(plan, graph, &efforts, &bottom_levels_of(graph, &efforts));
        chain.tasks.retain(|task| efforts[graph.start_of(*task).index()] > Effort::ZERO);
        if chain.tasks.is_empty() {
            break;
        }
        for task in &chain.tasks {
            efforts[graph.start_of(*task).index()] = Effort::ZERO;
        }
        chains.push(chain);
    }
    chains
}

/// Follows the greatest bottom level from the top down; of equals, the first in the file.
fn chain_along(plan: &Plan, graph: &TaskGraph, efforts: &[Effort], bottom: &[Effort]) -> Chain {
    let longest = |nodes: &mut dyn Iterator<Item = NodeIndex>| {
        nodes.max_by_key(|node| (bottom[node.index()], std::cmp::Reverse(*node)))
    };
    let mut chain = Chain::default();
    let mut at = longest(&mut graph.nodes());
    while let Some(node) = at.filter(|node| bottom[node.index()] > Effort::ZERO) {
        if let Node::Task(task) = graph.node(node)
            && is_to_do(&plan.tasks[task.index()])
        {
            chain.tasks.push(task);
            chain.effort += efforts[node.index()];
        }
        at = longest(&mut graph.successors(node).map(|(successor, _)| successor));
    }
    chain
}
