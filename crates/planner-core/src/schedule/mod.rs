//! A schedule: who does what when. Planned from efforts; what really happens is up to the dispatcher.
//!
//! Everything that is to be done is in it, tasks on hold and tasks that only run on another's failure among them, as if each
//! took its turn. Times are amounts of work from the beginning on.

mod able;
mod check;
mod identical;
mod instance;
mod list;
mod plan;
mod problem;
mod renewable;
mod search;

pub use check::{Violation, check};
pub use identical::list_by_belief;
pub use instance::{Fault, Instance, Needs, Solution};
pub use list::list_schedule;
pub use plan::improved_schedule;
pub use problem::{Problem, Unschedulable};
pub use search::{Budget, Solved, one_pass, solve};

use crate::{Effort, TaskIndex};

/// Who does what when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// One for each task that is to be done, in order of their starts.
    pub assignments: Vec<Assignment>,
    /// When the last task ends.
    pub makespan: Effort,
    /// A time that no schedule for these agents can beat.
    pub lower_bound: Effort,
}

/// One task to one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment {
    /// When it begins.
    pub start: Effort,
    /// The task.
    pub task: TaskIndex,
    /// When it ends.
    pub finish: Effort,
    /// The agent's position among the agents of the problem.
    pub agent: usize,
}

#[cfg(test)]
mod instance_tests;
#[cfg(test)]
mod tests;
