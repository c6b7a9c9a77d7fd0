//! How long the critical path would be if one task took another time, or were not there.

use super::remaining_effort;
use super::timing::bottom_levels_of;
use crate::{Effort, Plan, TaskGraph, TaskIndex};

/// Returns the critical path's effort if the task took `effort` instead of its own: nothing for a task that is done or removed,
/// whose dependents still wait for what it waited for. A group takes no effort of its own, so nothing changes with it.
pub fn critical_effort_if(plan: &Plan, graph: &TaskGraph, task: TaskIndex, effort: Effort) -> Effort {
    let mut efforts: Vec<Effort> = graph.nodes().map(|node| remaining_effort(plan, graph, node)).collect();
    if !graph.is_group(task) {
        efforts[graph.start_of(task).index()] = effort;
    }
    bottom_levels_of(graph, &efforts).into_iter().max().unwrap_or_default()
}
