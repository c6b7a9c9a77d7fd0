//! Schedules within renewable resources (RCPSP).
//!
//! A genetic algorithm over activity lists with two-point crossover (S. Hartmann, "A competitive genetic algorithm for
//! resource-constrained project scheduling", Naval Research Logistics 45, 1998), every schedule justified from both ends
//! (V. Valls, F. Ballestín, S. Quintanilla, EJOR 165(2), 2005), the first population drawn by regret about the latest finish
//! (R. Kolisch, A. Drexl, Computers & Operations Research 23(1), 1996).

use super::instance::Solution;
use crate::graph::{Digraph, Times};
use crate::random::Random;

/// The problem, seen forwards and backwards.
struct Problem<'i> {
    sides: [Digraph; 2],
    durations: &'i [u64],
    demands: &'i [Vec<u32>],
    capacities: &'i [u32],
    times: Times,
    lower_bound: u64,
}

/// What is left of each resource at each time.
struct Profile {
    left: Vec<u32>,
    width: usize,
}

impl Profile {
    fn new(capacities: &[u32]) -> Self {
        Self { left: Vec::new(), width: capacities.len() }
    }

    fn clear(&mut self) {
        self.left.clear();
    }

    fn reach(&mut self, end: u64, capacities: &[u32]) {
        while self.left.len() < end as usize * self.width {
            self.left.extend_from_slice(capacities);
        }
    }

    /// Returns the first time from `from` on at which all demands can be met for so long, and takes them.
    fn take(&mut self, from: u64, time: u64, demands: &[u32], capacities: &[u32]) -> u64 {
        if time == 0 {
            return from;
        }
        let mut start = from;
        let mut at = start;
        self.reach(start + time, capacities);
        while at < start + time {
            let row = at as usize * self.width;
            let fits =
                demands.iter().zip(&self.left[row..row + self.width]).all(|(demand, left)| demand <= left);
            at += 1;
            if !fits {
                start = at;
                self.reach(start + time, capacities);
            }
        }
        let rows = start as usize * self.width..(start + time) as usize * self.width;
        for row in self.left[rows].chunks_exact_mut(self.width.max(1)) {
            for (left, demand) in row.iter_mut().zip(demands) {
                *left -= demand;
            }
        }
        start
    }
}

#[derive(Debug, Clone)]
struct Individual {
    list: Vec<u32>,
    starts: Vec<u64>,
    makespan: u64,
}

/// The longest project, in units of time, whose profile is kept.
pub(super) const HORIZON_MAX: u64 = 4_000_000;

/// Returns the schedule of one pass in the order of the latest starts.
pub(super) fn one_pass(
    graph: &Digraph,
    capacities: &[u32],
    durations: &[u64],
    demands: &[Vec<u32>],
) -> Solution {
    let problem = Problem::of(graph, capacities, durations, demands);
    let mut list: Vec<u32> = (0..durations.len() as u32).collect();
    // Of equals, what the order of the graph has first.
    let order = graph.topological_order().unwrap_or_default();
    let waves = graph.waves(&order);
    list.sort_by_key(|task| {
        (problem.times.critical - problem.times.bottom[*task as usize], waves[*task as usize])
    });
    let mut profile = Profile::new(capacities);
    let starts = problem.serial(0, &list, &mut profile);
    problem.solution(starts)
}

/// Returns the best schedule found by making so many.
pub(super) fn improved(
    graph: &Digraph,
    capacities: &[u32],
    durations: &[u64],
    demands: &[Vec<u32>],
    evaluations: usize,
    seed: u64,
) -> Solution {
    let problem = Problem::of(graph, capacities, durations, demands);
    let first = one_pass(graph, capacities, durations, demands);
    if first.makespan == problem.lower_bound {
        return first;
    }
    let mut search = Search {
        problem: &problem,
        profile: Profile::new(capacities),
        random: Random::new(seed),
        left: evaluations,
    };
    let found = search.run();
    match found {
        Some(best) if best.makespan < first.makespan => problem.solution(best.starts),
        _ => first,
    }
}

impl<'i> Problem<'i> {
    fn of(graph: &Digraph, capacities: &'i [u32], durations: &'i [u64], demands: &'i [Vec<u32>]) -> Self {
        let order = graph.topological_order().unwrap_or_default();
        let times = graph.times(&order, durations);
        let shared = capacities.iter().enumerate().filter(|(_, capacity)| **capacity > 0).map(
            |(resource, capacity)| {
                let energy: u64 =
                    durations.iter().zip(demands).map(|(time, own)| time * u64::from(own[resource])).sum();
                energy.div_ceil(u64::from(*capacity))
            },
        );
        let lower_bound = shared.max().unwrap_or(0).max(times.critical);
        Self { sides: [graph.clone(), graph.reversed()], durations, demands, capacities, times, lower_bound }
    }

    fn solution(&self, starts: Vec<u64>) -> Solution {
        let makespan = self.makespan(&starts);
        Solution { agents: vec![0; starts.len()], starts, makespan }
    }

    fn makespan(&self, starts: &[u64]) -> u64 {
        starts.iter().zip(self.durations).map(|(start, time)| start + time).max().unwrap_or(0)
    }

    /// Starts each task of the list as early as it can, one after the other; `list` is in an order of the side.
    fn serial(&self, side: usize, list: &[u32], profile: &mut Profile) -> Vec<u64> {
        profile.clear();
        let mut starts = vec![0_u64; list.len()];
        let mut earliest = vec![0_u64; list.len()];
        for task in list {
            let at = *task as usize;
            let start = profile.take(earliest[at], self.durations[at], &self.demands[at], self.capacities);
            starts[at] = start;
            let end = start + self.durations[at];
            for next in self.sides[side].successors(*task) {
                let from = &mut earliest[*next as usize];
                *from = end.max(*from);
            }
        }
        starts
    }

    /// Moves everything to the right in the order of the ends, then to the left in the order of the starts.
    fn justified(&self, starts: &[u64], waves: &[u32], profile: &mut Profile) -> Individual {
        let mut list: Vec<u32> = (0..starts.len() as u32).collect();
        let end = |starts: &[u64], task: u32| starts[task as usize] + self.durations[task as usize];
        list.sort_by_key(|task| std::cmp::Reverse((end(starts, *task), waves[*task as usize])));
        let turned = self.serial(1, &list, profile);
        // What began last from the right begins first from the left.
        list.sort_by_key(|task| (std::cmp::Reverse(end(&turned, *task)), waves[*task as usize]));
        let starts = self.serial(0, &list, profile);
        let makespan = self.makespan(&starts);
        list.sort_by_key(|task| (starts[*task as usize], waves[*task as usize]));
        Individual { list, starts, makespan }
    }
}

struct Search<'p> {
    problem: &'p Problem<'p>,
    profile: Profile,
    random: Random,
    left: usize,
}

/// A schedule and the two of its justification.
const EVALUATIONS_EACH: usize = 3;

impl Search<'_> {
    fn run(&mut self) -> Option<Individual> {
        const POPULATION: usize = 60;
        // A population that has grown alike is begun anew, as is one that has not improved for long.
        const STALE_MAX: usize = 60;
        let graph = &self.problem.sides[0];
        let order = graph.topological_order()?;
        let waves = graph.waves(&order);
        let mut best: Option<Individual> = None;
        while self.left >= EVALUATIONS_EACH {
            let mut population: Vec<Individual> = Vec::with_capacity(2 * POPULATION);
            while population.len() < POPULATION && self.left >= EVALUATIONS_EACH {
                let list = self.drawn();
                let made = self.made(&list, &waves);
                population.push(made);
            }
            let mut stale = 0;
            let mut least = u64::MAX;
            while self.left >= EVALUATIONS_EACH && stale < STALE_MAX {
                if population.iter().any(|one| one.makespan == self.problem.lower_bound) {
                    break;
                }
                let parents = population.len();
                for _ in 0..parents / 2 {
                    if self.left < 2 * EVALUATIONS_EACH {
                        break;
                    }
                    let pair = [self.random.below(parents), self.random.below(parents)];
                    for (mother, father) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                        let mut list = self.crossed(&population[mother].list, &population[father].list);
                        self.mutate(&mut list);
                        let child = self.made(&list, &waves);
                        population.push(child);
                    }
                }
                population.sort_by_key(|one| one.makespan);
                population.dedup_by(|a, b| a.makespan == b.makespan && a.starts == b.starts);
                population.truncate(POPULATION);
                stale = if population[0].makespan < least { 0 } else { stale + 1 };
                least = population[0].makespan;
                if population.len() < POPULATION / 4 {
                    break;
                }
                if self.left < 2 * EVALUATIONS_EACH {
                    break;
                }
            }
            let found = population.into_iter().min_by_key(|one| one.makespan)?;
            if best.as_ref().is_none_or(|best| found.makespan < best.makespan) {
                best = Some(found);
            }
            if best.as_ref().is_some_and(|best| best.makespan == self.problem.lower_bound) {
                break;
            }
        }
        best
    }

    fn made(&mut self, list: &[u32], waves: &[u32]) -> Individual {
        self.left -= EVALUATIONS_EACH;
        let starts = self.problem.serial(0, list, &mut self.profile);
        self.problem.justified(&starts, waves, &mut self.profile)
    }

    /// Returns a list drawn by regret: the later a task may start, the less likely it comes next.
    fn drawn(&mut self) -> Vec<u32> {
        let graph = &self.problem.sides[0];
        let count = graph.node_count();
        let mut waits = vec![0_u32; count];
        for (_, to) in graph.edges() {
            waits[to as usize] += 1;
        }
        let latest = |task: u32| {
            let at = task as usize;
            self.problem.times.critical + self.problem.durations[at] - self.problem.times.bottom[at]
        };
        let mut ready: Vec<u32> = (0..count as u32).filter(|task| waits[*task as usize] == 0).collect();
        let mut list = Vec::with_capacity(count);
        let mut weights = Vec::new();
        while !ready.is_empty() {
            let worst = ready.iter().map(|task| latest(*task)).max().unwrap_or(0);
            weights.clear();
            weights.extend(ready.iter().map(|task| ((worst - latest(*task) + 1) as f64).powi(2)));
            let mut draw = self.random.unit() * weights.iter().sum::<f64>();
            let place = weights.iter().position(|weight| {
                draw -= weight;
                draw < 0.0
            });
            let task = ready.swap_remove(place.unwrap_or(0));
            list.push(task);
            for next in graph.successors(task) {
                waits[*next as usize] -= 1;
                if waits[*next as usize] == 0 {
                    ready.push(*next);
                }
            }
        }
        list
    }

    /// Takes the beginning and the end from the mother and what is between in the order of the father. The result is in order:
    /// whatever precedes a task does so in both.
    fn crossed(&mut self, mother: &[u32], father: &[u32]) -> Vec<u32> {
        let count = mother.len();
        let (a, b) = (self.random.below(count + 1), self.random.below(count + 1));
        let (first, second) = (a.min(b), a.max(b));
        let mut between = vec![false; count];
        for task in &mother[first..second] {
            between[*task as usize] = true;
        }
        let mut list = Vec::with_capacity(count);
        list.extend_from_slice(&mother[..first]);
        list.extend(father.iter().copied().filter(|task| between[*task as usize]));
        list.extend_from_slice(&mother[second..]);
        list
    }

    fn mutate(&mut self, list: &mut [u32]) {
        const PERCENT: usize = 5;
        for place in 1..list.len() {
            let (before, after) = (list[place - 1], list[place]);
            if self.random.percent(PERCENT) && !self.problem.sides[0].successors(before).contains(&after) {
                list.swap(place - 1, place);
            }
        }
    }
}
