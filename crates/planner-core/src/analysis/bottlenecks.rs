//! Tasks that most of the long ways lead through.

use super::remaining_effort;
use crate::{Effort, Node, Plan, TaskGraph, TaskIndex};

/// A task and how much hangs on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bottleneck {
    /// The task.
    pub task: TaskIndex,
    /// The share, from 0 to 1, of the long ways that lead through it.
    pub share: f64,
}

/// Returns the tasks that the most long ways lead through, those with the greatest share first; of equals, the first in the
/// file. A way is long if it takes at least nine tenths of the critical path, and goes from a start to an end.
///
/// Only ways all of whose tasks lie on some long way are counted, so the cost is linear; there can be more ways than any number
/// holds, so their logarithms are added.
pub fn bottlenecks(plan: &Plan, graph: &TaskGraph, count: usize) -> Vec<Bottleneck> {
    let efforts: Vec<Effort> = graph.nodes().map(|node| remaining_effort(plan, graph, node)).collect();
    let timing = super::Timing::of(graph, &efforts);
    let critical = timing.bottom_levels().iter().copied().max().unwrap_or_default();
    let is_long: Vec<bool> = graph
        .nodes()
        .map(|node| {
            let through = timing.earliest_start(node) + timing.bottom_level(node);
            through > Effort::ZERO && through.as_millis() >= critical.as_millis() - critical.as_millis() / 10
        })
        .collect();
    let order = graph.topological_order();
    let mut to = vec![f64::NEG_INFINITY; graph.node_count()];
    let mut on = to.clone();
    for node in order.iter().filter(|node| is_long[node.index()]) {
        let before =
            graph.predecessors(*node).map(|(before, _)| to[before.index()]).fold(f64::NEG_INFINITY, log_add);
        to[node.index()] = if before == f64::NEG_INFINITY { 0.0 } else { before };
    }
    for node in order.iter().rev().filter(|node| is_long[node.index()]) {
        let after =
            graph.successors(*node).map(|(after, _)| on[after.index()]).fold(f64::NEG_INFINITY, log_add);
        on[node.index()] = if after == f64::NEG_INFINITY { 0.0 } else { after };
    }
    let begins =
        |node: &&crate::NodeIndex| graph.predecessors(**node).all(|(before, _)| !is_long[before.index()]);
    let starts = order.iter().filter(|node| is_long[node.index()]).filter(begins);
    let all = starts.map(|node| on[node.index()]).fold(f64::NEG_INFINITY, log_add);
    let mut found: Vec<Bottleneck> = graph
        .nodes()
        .filter(|node| is_long[node.index()] && efforts[node.index()] > Effort::ZERO)
        .filter_map(|node| match graph.node(node) {
            Node::Task(task) => {
                Some(Bottleneck { task, share: (to[node.index()] + on[node.index()] - all).exp2().min(1.0) })
            }
            Node::GroupStart(_) | Node::GroupFinish(_) => None,
        })
        .collect();
    found.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.task.cmp(&b.task)));
    found.truncate(count);
    found
}

/// Returns the logarithm to base 2 of the sum of two numbers of which the logarithms are given.
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2 }
}
