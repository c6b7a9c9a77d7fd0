//! What a plan would amount to if some of its tasks took another time, or were not there.

use super::remaining_effort;
use super::timing::bottom_levels_of;
use crate::{Effort, Plan, Standing, TaskGraph, TaskIndex};

/// What is supposed of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supposition {
    /// It takes so long.
    Takes(Effort),
    /// It need not be done; what waits for it still waits for what it waited for.
    IsDone,
}

/// Returns the plan as it would be; its graph is that of the plan. Nothing changes with a group, which takes no effort of its own.
pub fn suppose(plan: &Plan, suppositions: &[(TaskIndex, Supposition)]) -> Plan {
    let mut supposed = plan.clone();
    for (task, supposition) in suppositions {
        let task = &mut supposed.tasks[task.index()];
        match supposition {
            Supposition::Takes(effort) => task.effort = Some(*effort),
            Supposition::IsDone => task.standing = Standing::Completed,
        }
    }
    supposed
}

/// Returns the critical path's effort if the task took `effort` instead of its own: nothing for a task that is done or removed,
/// whose dependents still wait for what it waited for. A group takes no effort of its own, so nothing changes with it.
pub fn critical_effort_if(plan: &Plan, graph: &TaskGraph, task: TaskIndex, effort: Effort) -> Effort {
    let mut efforts: Vec<Effort> = graph.nodes().map(|node| remaining_effort(plan, graph, node)).collect();
    if !graph.is_group(task) {
        efforts[graph.start_of(task).index()] = effort;
    }
    bottom_levels_of(graph, &efforts).into_iter().max().unwrap_or_default()
}
