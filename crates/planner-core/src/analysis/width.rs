//! How many tasks would run at once if each began as early as it can.

use super::{Timing, remaining_effort};
use crate::{Effort, Plan, TaskGraph};

/// A time from which on so many tasks run, until the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WidthStep {
    /// The time.
    pub from: Effort,
    /// How many tasks run.
    pub tasks: usize,
}

/// Returns the steps in order of time; the last one has no tasks.
pub fn width_profile(plan: &Plan, graph: &TaskGraph, timing: &Timing) -> Vec<WidthStep> {
    let mut changes: Vec<(Effort, isize)> = Vec::with_capacity(2 * graph.node_count());
    for node in graph.nodes() {
        let effort = remaining_effort(plan, graph, node);
        if effort > Effort::ZERO {
            let start = timing.earliest_start(node);
            changes.extend([(start, 1), (start + effort, -1)]);
        }
    }
    changes.sort_unstable();
    let mut steps: Vec<WidthStep> = Vec::new();
    let mut running = 0_isize;
    for chunk in changes.chunk_by(|a, b| a.0 == b.0) {
        running += chunk.iter().map(|(_, change)| change).sum::<isize>();
        let step = WidthStep { from: chunk[0].0, tasks: running.unsigned_abs() };
        if steps.last().map(|last| last.tasks) != Some(step.tasks) {
            steps.push(step);
        }
    }
    steps
}
