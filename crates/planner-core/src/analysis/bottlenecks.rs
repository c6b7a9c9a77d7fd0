//! Tasks that most of the long ways lead through.

use super::remaining_effort;
use crate::{Effort, Node, NodeIndex, Plan, TaskGraph, TaskIndex};

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
/// Ways are counted of which every step lies on some long way, so the cost is linear; there can be more than any number holds, so
/// their logarithms are added.
pub fn bottlenecks(plan: &Plan, graph: &TaskGraph, count: usize) -> Vec<Bottleneck> {
    let efforts: Vec<Effort> = graph.nodes().map(|node| remaining_effort(plan, graph, node)).collect();
    let timing = super::Timing::of(graph, &efforts);
    let critical = timing.bottom_levels().iter().copied().max().unwrap_or_default();
    let least = Effort::from_millis((critical.as_millis() - critical.as_millis() / 10).max(1));
    let is_long = |node: NodeIndex| timing.earliest_start(node) + timing.bottom_level(node) >= least;
    // A step between two such nodes may still be a short cut past what makes them long.
    let leads_on = |from: NodeIndex, to: NodeIndex| {
        is_long(from)
            && is_long(to)
            && timing.earliest_start(from) + efforts[from.index()] + timing.bottom_level(to) >= least
    };
    let order = graph.topological_order();
    let none = f64::NEG_INFINITY;
    let mut to = vec![none; graph.node_count()];
    let mut on = to.clone();
    let mut all = none;
    for node in order.iter().copied().filter(|node| is_long(*node)) {
        let before = graph.predecessors(node).filter(|(before, _)| leads_on(*before, node));
        let before = before.map(|(before, _)| to[before.index()]).fold(none, log_add);
        to[node.index()] = if before == none { 0.0 } else { before };
    }
    for node in order.iter().rev().copied().filter(|node| is_long(*node)) {
        let after = graph.successors(node).filter(|(after, _)| leads_on(node, *after));
        let after = after.map(|(after, _)| on[after.index()]).fold(none, log_add);
        on[node.index()] = if after == none { 0.0 } else { after };
        if !graph.predecessors(node).any(|(before, _)| leads_on(before, node)) {
            all = log_add(all, on[node.index()]);
        }
    }
    let mut found: Vec<Bottleneck> = graph
        .nodes()
        .filter(|node| is_long(*node) && efforts[node.index()] > Effort::ZERO)
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
