//! Solving an instance within a budget.

use super::instance::{Instance, Needs, Solution};
use super::{able, identical, renewable};

/// How much may be tried, and what chance is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many schedules are made; with none, the one of a single pass is all.
    pub evaluations: usize,
    /// The same seed gives the same solution.
    pub seed: u64,
}

/// A solution and how good it is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solved {
    /// The solution; it has passed [`Instance::check`].
    pub solution: Solution,
    /// A time that no solution can beat.
    pub lower_bound: u64,
}

impl Solved {
    /// Returns by what share of the lower bound the makespan is above it.
    pub fn gap(&self) -> f64 {
        match self.lower_bound {
            0 => 0.0,
            bound => self.solution.makespan as f64 / bound as f64 - 1.0,
        }
    }
}

/// Returns the solution of a single pass, in about linear time.
pub fn one_pass(instance: &Instance) -> Solved {
    let graph = &instance.precedence;
    let solution = match &instance.needs {
        Needs::Agents { count, durations } => identical::one_pass(graph, *count, durations),
        Needs::Resources { capacities, durations, demands } => {
            renewable::one_pass(graph, capacities, durations, demands)
        }
        Needs::Able { count, options } => able::one_pass(graph, *count, options),
    };
    solved(instance, solution)
}

/// Returns the best solution found within the budget, never worse than that of a single pass.
///
/// # Panics
///
/// If the precedence has a cycle, a task needs more of a resource than there is, or nobody can do a task.
pub fn solve(instance: &Instance, budget: Budget) -> Solved {
    let first = one_pass(instance);
    if budget.evaluations == 0 || first.solution.makespan == first.lower_bound {
        return first;
    }
    let Budget { evaluations, seed } = budget;
    let graph = &instance.precedence;
    let solution = match &instance.needs {
        Needs::Agents { count, durations } => {
            identical::improved(graph, *count, durations, evaluations, seed)
        }
        Needs::Resources { durations, .. } if durations.iter().sum::<u64>() > renewable::HORIZON_MAX => {
            return first;
        }
        Needs::Resources { capacities, durations, demands } => {
            renewable::improved(graph, capacities, durations, demands, evaluations, seed)
        }
        Needs::Able { count, options } => {
            able::improved(graph, *count, options, first.lower_bound, evaluations, seed)
        }
    };
    match solution.makespan < first.solution.makespan {
        true => solved(instance, solution),
        false => first,
    }
}

fn solved(instance: &Instance, solution: Solution) -> Solved {
    if let Err(fault) = instance.check(&solution) {
        panic!("every schedule that is made is one: {fault}");
    }
    Solved { lower_bound: instance.lower_bound(), solution }
}
