//! A scheduling problem in numbers, as the literature states it, and the independent check of its solutions.

use crate::graph::Digraph;

/// Tasks in an order, and what they need. Times are whole numbers of some unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Which task must end before which begins; acyclic.
    pub precedence: Digraph,
    /// What a task needs.
    pub needs: Needs,
}

/// What tasks need to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// One of several agents that are all alike (P|prec|Cmax).
    Agents {
        /// How many agents.
        count: usize,
        /// How long each task takes.
        durations: Vec<u64>,
    },
    /// Amounts of renewable resources while it runs (RCPSP).
    Resources {
        /// How much there is of each.
        capacities: Vec<u32>,
        /// How long each task takes.
        durations: Vec<u64>,
        /// How much of each resource each task needs.
        demands: Vec<Vec<u32>>,
    },
    /// One of the agents that can do it, each at its own speed (skills; the flexible job shop).
    Able {
        /// How many agents.
        count: usize,
        /// By task: who can do it, and how long it takes then; never empty.
        options: Vec<Vec<(u32, u64)>>,
    },
}

/// When each task begins, and on whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Solution {
    /// By task.
    pub starts: Vec<u64>,
    /// By task; 0 where tasks need amounts of resources.
    pub agents: Vec<u32>,
    /// When the last task ends.
    pub makespan: u64,
}

/// What is wrong with a solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A task has no start or no agent that can do it.
    #[error("task {0} has no start, or an agent that cannot do it")]
    Unplaced(usize),
    /// A task begins before one that it waits for has ended.
    #[error("task {0} begins before task {1} has ended")]
    TooEarly(usize, usize),
    /// An agent does two tasks at once.
    #[error("tasks {0} and {1} overlap on one agent")]
    Overlap(usize, usize),
    /// More of a resource is used than there is.
    #[error("resource {0} is overdrawn at the start of task {1}")]
    Overdrawn(usize, usize),
    /// The makespan is not when the last task ends.
    #[error("the makespan is not when the last task ends")]
    Makespan,
}

impl Instance {
    /// Returns how many tasks there are.
    pub fn task_count(&self) -> usize {
        self.precedence.node_count()
    }

    /// Returns the least time that a task can take.
    pub fn duration_min(&self, task: usize) -> u64 {
        match &self.needs {
            Needs::Agents { durations, .. } | Needs::Resources { durations, .. } => durations[task],
            Needs::Able { options, .. } => options[task].iter().map(|(_, time)| *time).min().unwrap_or(0),
        }
    }

    /// Returns how long the task takes on an agent; none if that cannot do it.
    pub fn duration(&self, task: usize, agent: u32) -> Option<u64> {
        match &self.needs {
            Needs::Agents { count, durations } => ((agent as usize) < *count).then(|| durations[task]),
            Needs::Resources { durations, .. } => Some(durations[task]),
            Needs::Able { options, .. } => {
                options[task].iter().find(|(able, _)| *able == agent).map(|(_, time)| *time)
            }
        }
    }

    /// Returns a time that no solution can beat: the longest way, and the work shared among those who can do it.
    pub fn lower_bound(&self) -> u64 {
        let count = self.task_count();
        let least: Vec<u64> = (0..count).map(|task| self.duration_min(task)).collect();
        let critical = match self.precedence.topological_order() {
            Some(order) => self.precedence.times(&order, &least).critical,
            None => 0,
        };
        let shared = match &self.needs {
            Needs::Agents { count, durations } => {
                durations.iter().sum::<u64>().div_ceil((*count).max(1) as u64)
            }
            Needs::Resources { capacities, durations, demands } => {
                let energy = |resource: usize| -> u64 {
                    let used = durations.iter().zip(demands);
                    used.map(|(time, demands)| time * u64::from(demands[resource])).sum()
                };
                let bounds = capacities.iter().enumerate().filter(|(_, capacity)| **capacity > 0);
                bounds
                    .map(|(resource, capacity)| energy(resource).div_ceil(u64::from(*capacity)))
                    .max()
                    .unwrap_or(0)
            }
            Needs::Able { count, options } => work_bound(*count, options),
        };
        critical.max(shared)
    }

    /// Returns the first thing that is wrong with a solution. It shares nothing with what makes solutions.
    pub fn check(&self, solution: &Solution) -> Result<(), Fault> {
        let count = self.task_count();
        let mut ends = Vec::with_capacity(count);
        for task in 0..count {
            let place = solution.starts.get(task).zip(solution.agents.get(task));
            let end = place.and_then(|(start, agent)| Some(start + self.duration(task, *agent)?));
            ends.push(end.ok_or(Fault::Unplaced(task))?);
        }
        for (before, after) in self.precedence.edges() {
            if solution.starts[after as usize] < ends[before as usize] {
                return Err(Fault::TooEarly(after as usize, before as usize));
            }
        }
        match &self.needs {
            Needs::Agents { .. } | Needs::Able { .. } => check_overlap(solution, &ends)?,
            Needs::Resources { capacities, demands, .. } => {
                check_resources(solution, &ends, capacities, demands)?;
            }
        }
        match solution.makespan == ends.into_iter().max().unwrap_or(0) {
            true => Ok(()),
            false => Err(Fault::Makespan),
        }
    }
}

/// Returns the greatest share of work that some tasks leave to those who can do any of them.
fn work_bound(count: usize, options: &[Vec<(u32, u64)>]) -> u64 {
    const SETS_COMPARED_MAX: usize = 400;
    let mut sets: Vec<(Vec<u32>, u64)> = Vec::new();
    for able in options {
        let mut who: Vec<u32> = able.iter().map(|(agent, _)| *agent).collect();
        who.sort_unstable();
        let time = able.iter().map(|(_, time)| *time).min().unwrap_or(0);
        match sets.iter().position(|(other, _)| *other == who) {
            Some(place) => sets[place].1 += time,
            None if sets.len() < SETS_COMPARED_MAX => sets.push((who, time)),
            None => {}
        }
    }
    let all: u64 = sets.iter().map(|(_, work)| work).sum();
    let within = |inner: &[u32], outer: &[u32]| inner.iter().all(|agent| outer.binary_search(agent).is_ok());
    let bounds = sets.iter().map(|(who, _)| {
        let work: u64 = sets.iter().filter(|(other, _)| within(other, who)).map(|(_, work)| work).sum();
        work.div_ceil(who.len().max(1) as u64)
    });
    bounds.max().unwrap_or(0).max(all.div_ceil(count.max(1) as u64))
}

fn check_overlap(solution: &Solution, ends: &[u64]) -> Result<(), Fault> {
    let mut order: Vec<usize> = (0..ends.len()).filter(|task| ends[*task] > solution.starts[*task]).collect();
    order.sort_unstable_by_key(|task| (solution.agents[*task], solution.starts[*task]));
    for pair in order.windows(2) {
        let [first, second] = [pair[0], pair[1]];
        if solution.agents[first] == solution.agents[second] && solution.starts[second] < ends[first] {
            return Err(Fault::Overlap(first, second));
        }
    }
    Ok(())
}

fn check_resources(
    solution: &Solution,
    ends: &[u64],
    capacities: &[u32],
    demands: &[Vec<u32>],
) -> Result<(), Fault> {
    // What ends at a time is given back before what begins then takes it.
    let mut changes: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * ends.len());
    for task in (0..ends.len()).filter(|task| ends[*task] > solution.starts[*task]) {
        changes.push((ends[task], false, task));
        changes.push((solution.starts[task], true, task));
    }
    changes.sort_unstable();
    let mut used = vec![0_u64; capacities.len()];
    for (_, begins, task) in changes {
        for (resource, demand) in demands[task].iter().enumerate() {
            if !begins {
                used[resource] -= u64::from(*demand);
                continue;
            }
            used[resource] += u64::from(*demand);
            if used[resource] > u64::from(capacities[resource]) {
                return Err(Fault::Overdrawn(resource, task));
            }
        }
    }
    Ok(())
}
