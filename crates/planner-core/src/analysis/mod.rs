//! What a plan amounts to: waves, the critical path, slack, and the least time that any schedule takes.
//!
//! Everything is about what is still to be done: completed and excluded tasks weigh nothing, groups never do. All of it
//! is linear in the size of the graph.

mod bottlenecks;
mod bounds;
mod critical_path;
mod timing;
mod waves;
mod what_if;
mod width;
mod work;

pub use bottlenecks::{Bottleneck, bottlenecks};
pub use bounds::{Bound, BoundReason, makespan_lower_bound, makespan_lower_bounds};
pub use critical_path::{Chain, longest_chains};
pub use timing::{Timing, bottom_levels, bottom_levels_by};
pub use waves::Waves;
pub use what_if::{Supposition, critical_effort_if, suppose};
pub use width::{WidthStep, width_profile};
pub use work::{Counts, is_to_do, remaining_effort};

use std::num::NonZeroU32;

use crate::{Effort, Plan, TaskGraph};

/// What a plan amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// How many tasks there are of each kind.
    pub counts: Counts,
    /// The sum of all efforts still to be done.
    pub work: Effort,
    /// Which tasks could run side by side, if there were agents for all.
    pub waves: Waves,
    /// When each node can and must begin.
    pub timing: Timing,
    /// The chain of tasks that no number of agents can shorten.
    pub critical_path: Chain,
}

impl Analysis {
    /// Returns the analysis of the plan, whose graph is `graph`.
    pub fn of(plan: &Plan, graph: &TaskGraph) -> Self {
        let efforts: Vec<Effort> = graph.nodes().map(|node| remaining_effort(plan, graph, node)).collect();
        let timing = Timing::of(graph, &efforts);
        Self {
            counts: Counts::of(plan, graph),
            work: efforts.iter().copied().sum(),
            waves: Waves::of(plan, graph),
            critical_path: critical_path::critical_path(plan, graph, &efforts, &timing),
            timing,
        }
    }

    /// Returns a time that no schedule on that many slots can beat, whatever the agents can do.
    pub fn makespan_lower_bound(&self, slots: NonZeroU32) -> Effort {
        let shared = Effort::from_millis(self.work.as_millis().div_ceil(u64::from(slots.get())));
        shared.max(self.critical_path.effort)
    }
}

#[cfg(test)]
mod tests;
