//! Whether a schedule is one: written apart from what makes schedules, and sharing nothing with it.

use super::{Assignment, Problem, Schedule};
use crate::analysis::is_to_do;
use crate::{Effort, Node, TaskIndex};

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A task that is to be done is not in it.
    #[error("task {} is not scheduled", .0.0)]
    Missing(TaskIndex),
    /// A task is in it twice, or is no work that is to be done.
    #[error("task {} is scheduled twice, or is nothing to do", .0.0)]
    Needless(TaskIndex),
    /// The agent does not exist or cannot do the task.
    #[error("the agent of task {} cannot do it", .0.0)]
    Unable(TaskIndex),
    /// A task does not take as long as its effort.
    #[error("task {} does not take as long as its effort", .0.0)]
    Length(TaskIndex),
    /// A task begins before something that it waits for has ended.
    #[error("task {} begins before what it waits for has ended", .0.0)]
    TooEarly(TaskIndex),
    /// An agent has more tasks at once than slots.
    #[error("agent {agent} has more tasks than slots when task {} begins", task.0)]
    Crowded {
        /// The agent.
        agent: usize,
        /// The task that is one too many.
        task: TaskIndex,
    },
    /// The makespan is not the end of the last task, or is less than the lower bound.
    #[error("the makespan is not the end of the last task, or below its lower bound")]
    Makespan,
}

/// Returns everything that is wrong with the schedule as a solution of the problem.
pub fn check(problem: &Problem<'_>, schedule: &Schedule) -> Result<(), Vec<Violation>> {
    let mut violations = Vec::new();
    let by_task = assignments_by_task(problem, schedule, &mut violations);
    for assignment in &schedule.assignments {
        check_one(problem, assignment, &mut violations);
    }
    check_order(problem, &by_task, &mut violations);
    check_slots(problem, schedule, &mut violations);
    let last = schedule.assignments.iter().map(|assignment| assignment.finish).max().unwrap_or_default();
    if schedule.makespan != last || schedule.makespan < schedule.lower_bound {
        violations.push(Violation::Makespan);
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

fn assignments_by_task<'s>(
    problem: &Problem<'_>,
    schedule: &'s Schedule,
    violations: &mut Vec<Violation>,
) -> Vec<Option<&'s Assignment>> {
    let mut by_task = vec![None; problem.plan.tasks.len()];
    for assignment in &schedule.assignments {
        let task = &problem.plan.tasks[assignment.task.index()];
        let is_work = is_to_do(task) && !problem.graph.is_group(assignment.task);
        if by_task[assignment.task.index()].replace(assignment).is_some() || !is_work {
            violations.push(Violation::Needless(assignment.task));
        }
    }
    for task in problem.graph.tasks() {
        let is_work = is_to_do(&problem.plan.tasks[task.index()]) && !problem.graph.is_group(task);
        if is_work && by_task[task.index()].is_none() {
            violations.push(Violation::Missing(task));
        }
    }
    by_task
}

fn check_one(problem: &Problem<'_>, assignment: &Assignment, violations: &mut Vec<Violation>) {
    let task = &problem.plan.tasks[assignment.task.index()];
    let agent = problem.agents.get(assignment.agent);
    if !agent.is_some_and(|agent| agent.capabilities.covers(&task.capabilities)) {
        violations.push(Violation::Unable(assignment.task));
    }
    if assignment.start + task.effort_or_default() != assignment.finish {
        violations.push(Violation::Length(assignment.task));
    }
}

fn check_order(problem: &Problem<'_>, by_task: &[Option<&Assignment>], violations: &mut Vec<Violation>) {
    let graph = problem.graph;
    let mut ends = vec![Effort::ZERO; graph.node_count()];
    for node in graph.topological_order() {
        let ready =
            graph.predecessors(*node).map(|(before, _)| ends[before.index()]).max().unwrap_or_default();
        ends[node.index()] = ready;
        if let Node::Task(task) = graph.node(*node)
            && let Some(assignment) = by_task[task.index()]
        {
            if assignment.start < ready {
                violations.push(Violation::TooEarly(task));
            }
            ends[node.index()] = assignment.finish.max(ready);
        }
    }
}

fn check_slots(problem: &Problem<'_>, schedule: &Schedule, violations: &mut Vec<Violation>) {
    // A task that takes no time is never beside another one.
    let mut changes: Vec<(usize, Effort, i64, TaskIndex)> = schedule
        .assignments
        .iter()
        .filter(|assignment| assignment.start < assignment.finish)
        .flat_map(|assignment| {
            let at = |time, change| (assignment.agent, time, change, assignment.task);
            [at(assignment.start, 1), at(assignment.finish, -1)]
        })
        .collect();
    changes.sort_unstable();
    let mut busy = (usize::MAX, 0);
    for (agent, _, change, task) in changes {
        if busy.0 != agent {
            busy = (agent, 0);
        }
        busy.1 += change;
        let slots = problem.agents.get(agent).map_or(0, |agent| i64::from(agent.slots));
        if change > 0 && busy.1 > slots {
            violations.push(Violation::Crowded { agent, task });
        }
    }
}
