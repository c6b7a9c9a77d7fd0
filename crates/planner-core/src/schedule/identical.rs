//! Schedules for agents that are all alike (P|prec|Cmax).
//!
//! - List scheduling by bottom level (highest level first: T. L. Adam, K. M. Chandy, J. R. Dickson, CACM 17(12), 1974).
//! - Improvement by iterated sampling around the best priorities found, each schedule justified from both ends (forward-backward
//!   improvement: V. Valls, F. Ballestín, S. Quintanilla, EJOR 165(2), 2005).
//! - Where everything passes through one task, what lies before and after are problems of their own, and the sum of their
//!   optima is the optimum.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::instance::Solution;
use crate::graph::Digraph;
use crate::random::Random;

/// The problem from one side: the graph, and how many edges end in each node.
struct Side {
    graph: Digraph,
    waits: Vec<u32>,
}

impl Side {
    fn of(graph: Digraph) -> Self {
        let mut waits = vec![0; graph.node_count()];
        for (_, to) in graph.edges() {
            waits[to as usize] += 1;
        }
        Self { graph, waits }
    }
}

/// One part of the problem that is solved by itself.
struct Part<'d> {
    agents: usize,
    durations: &'d [u64],
    forward: Side,
    backward: Side,
    lower_bound: u64,
}

/// Scratch space of the list scheduler.
#[derive(Default)]
struct Scratch {
    waits: Vec<u32>,
    ready: BinaryHeap<(u64, Reverse<u32>)>,
    running: BinaryHeap<Reverse<(u64, u32)>>,
    starts: Vec<u64>,
    released: Vec<u32>,
}

/// Returns the schedule of one pass: the free agent takes the task with the longest way behind it.
pub(super) fn one_pass(graph: &Digraph, agents: usize, durations: &[u64]) -> Solution {
    let order = graph.topological_order().unwrap_or_default();
    let bottom = graph.times(&order, durations).bottom;
    let mut scratch = Scratch::default();
    let makespan = list(&Side::of(graph.clone()), agents, durations, &bottom, &mut scratch);
    with_agents(scratch.starts, durations, agents, makespan)
}

/// Returns when the last task ends if free agents take what has the longest way behind it by the times that are believed, and
/// tasks take as long as they do. Which task comes next depends on what has ended, not on what was foreseen.
pub fn list_by_belief(graph: &Digraph, agents: usize, durations: &[u64], believed: &[u64]) -> u64 {
    let order = graph.topological_order().unwrap_or_default();
    let bottom = graph.times(&order, believed).bottom;
    list(&Side::of(graph.clone()), agents, durations, &bottom, &mut Scratch::default())
}

/// Returns the best schedule that so many list schedules lead to.
pub(super) fn improved(
    graph: &Digraph,
    agents: usize,
    durations: &[u64],
    evaluations: usize,
    seed: u64,
) -> Solution {
    let order = graph.topological_order().unwrap_or_default();
    let mut starts = vec![0; graph.node_count()];
    let mut begin = 0;
    let cuts = series_cuts(graph, &order);
    let parts: Vec<&[u32]> = order.split_inclusive(|node| cuts[*node as usize]).collect();
    let mut numbers = vec![u32::MAX; graph.node_count()];
    let mut left = evaluations;
    for (place, nodes) in parts.iter().enumerate() {
        for (number, node) in nodes.iter().enumerate() {
            numbers[*node as usize] = number as u32;
        }
        let mut edges = Vec::new();
        for node in *nodes {
            let inside = graph
                .successors(*node)
                .iter()
                .filter(|next| nodes.get(numbers[**next as usize] as usize) == Some(next));
            edges.extend(inside.map(|next| (numbers[*node as usize], numbers[*next as usize])));
        }
        let own: Vec<u64> = nodes.iter().map(|node| durations[*node as usize]).collect();
        let part = Part::of(Digraph::of_edges(nodes.len(), &edges), agents, &own);
        let share = (left / (parts.len() - place)).max(1);
        let (solution, used) = part.improve(share, Random::of([seed, place as u64]));
        left = left.saturating_sub(used);
        for (node, start) in nodes.iter().zip(&solution.starts) {
            starts[*node as usize] = begin + start;
        }
        begin += solution.makespan;
    }
    with_agents(starts, durations, agents, begin)
}

/// Returns which nodes everything passes through: all others lead to them or follow from them.
fn series_cuts(graph: &Digraph, order: &[u32]) -> Vec<bool> {
    let count = order.len();
    let mut place = vec![0_u32; count];
    for (at, node) in order.iter().enumerate() {
        place[*node as usize] = at as u32;
    }
    // Of what stands before a place, how much leads to nothing before it; and the same from the other end.
    let mut first_after = vec![u32::MAX; count];
    let mut last_before = vec![None; count];
    for (from, to) in graph.edges() {
        first_after[from as usize] = first_after[from as usize].min(place[to as usize]);
        last_before[to as usize] = last_before[to as usize].max(Some(place[from as usize]));
    }
    let mut ends_at = vec![0_u32; count + 1];
    let mut begins_at = vec![0_u32; count + 1];
    for node in 0..count {
        if let Some(ends) = ends_at.get_mut(first_after[node] as usize) {
            *ends += 1;
        }
        if let Some(before) = last_before[node] {
            begins_at[before as usize] += 1;
        }
    }
    let mut cuts = vec![false; count];
    let mut open = vec![0_u32; count];
    let mut loose = 0;
    for (at, _) in order.iter().enumerate() {
        loose = loose + 1 - ends_at[at];
        open[at] = loose;
    }
    loose = 0;
    for (at, node) in order.iter().enumerate().rev() {
        loose = loose + 1 - begins_at[at];
        cuts[*node as usize] = open[at] == 1 && loose == 1;
    }
    cuts
}

impl<'d> Part<'d> {
    fn of(graph: Digraph, agents: usize, durations: &'d [u64]) -> Self {
        let order = graph.topological_order().unwrap_or_default();
        let times = graph.times(&order, durations);
        let lower_bound = interval_bound(&times, durations, agents);
        Self {
            agents,
            durations,
            backward: Side::of(graph.reversed()),
            forward: Side::of(graph),
            lower_bound,
        }
    }

    fn bottom(&self, side: &Side) -> Vec<u64> {
        let order = side.graph.topological_order().unwrap_or_default();
        side.graph.times(&order, self.durations).bottom
    }

    /// Returns the best schedule found and how many were made.
    fn improve(&self, evaluations: usize, mut random: Random) -> (Solution, usize) {
        let sides = [&self.forward, &self.backward];
        let levels = sides.map(|side| self.bottom(side));
        let mut scratch = Scratch::default();
        let mut best = Best { makespan: u64::MAX, starts: Vec::new() };
        let mut used = 0;
        // By side: the priorities of the best schedule of that side.
        let mut centres = levels.clone();
        let mut of_side = [u64::MAX; 2];
        let mut priorities = vec![0; self.durations.len()];
        for round in 0.. {
            if used >= evaluations.max(1) || best.makespan == self.lower_bound {
                break;
            }
            let at = round % 2;
            if round < 2 {
                priorities.copy_from_slice(&levels[at]);
            } else {
                // Far and near, around what is known to be good and around the levels.
                let spread = [0.02, 0.06, 0.15, 0.35][random.below(4)];
                let centre = if random.percent(60) { &centres[at] } else { &levels[at] };
                let reach = self.lower_bound as f64 * spread * 0.5;
                for (priority, centre) in priorities.iter_mut().zip(centre) {
                    let shift = (random.unit() - 0.5) * (reach + 2.0 * spread * *centre as f64);
                    *priority = (*centre as f64 * 16.0 + shift * 16.0).max(0.0) as u64;
                }
            }
            let makespan = list(sides[at], self.agents, self.durations, &priorities, &mut scratch);
            used += 1;
            best.take(at == 1, makespan, self.durations, &scratch.starts);
            if makespan <= of_side[at] {
                of_side[at] = makespan;
                let sixteenth = u64::from(round >= 2) * 15 + 1;
                for (centre, priority) in centres[at].iter_mut().zip(&priorities) {
                    *centre = priority / sixteenth;
                }
            }
            if makespan > best.makespan + best.makespan / 50 {
                continue;
            }
            // From the other end, in the order of the ends; and back.
            for side in [1 - at, at] {
                let last = scratch.starts.iter().zip(self.durations).map(|(start, time)| start + time);
                for (priority, end) in priorities.iter_mut().zip(last) {
                    *priority = end;
                }
                let makespan = list(sides[side], self.agents, self.durations, &priorities, &mut scratch);
                used += 1;
                best.take(side == 1, makespan, self.durations, &scratch.starts);
                if best.makespan == self.lower_bound {
                    break;
                }
            }
        }
        (Solution { starts: best.starts, agents: Vec::new(), makespan: best.makespan }, used)
    }
}

struct Best {
    makespan: u64,
    starts: Vec<u64>,
}

impl Best {
    fn take(&mut self, is_backward: bool, makespan: u64, durations: &[u64], starts: &[u64]) {
        if makespan < self.makespan {
            self.makespan = makespan;
            self.starts.clear();
            let turned = starts.iter().zip(durations).map(|(start, time)| match is_backward {
                true => makespan - start - time,
                false => *start,
            });
            self.starts.extend(turned);
        }
    }
}

/// Gives each free agent the ready task of the greatest priority, of equals the first; fills `scratch.starts` and returns when
/// the last task ends.
fn list(side: &Side, agents: usize, durations: &[u64], priorities: &[u64], scratch: &mut Scratch) -> u64 {
    let Scratch { waits, ready, running, starts, released } = scratch;
    waits.clear();
    waits.extend_from_slice(&side.waits);
    starts.clear();
    starts.resize(durations.len(), 0);
    ready.clear();
    running.clear();
    released.clear();
    released.extend((0..waits.len() as u32).filter(|node| waits[*node as usize] == 0));
    let mut now = 0;
    loop {
        // What takes no time needs no agent and is passed at once.
        while let Some(node) = released.pop() {
            if durations[node as usize] > 0 {
                ready.push((priorities[node as usize], Reverse(node)));
            } else {
                starts[node as usize] = now;
                release(side, node, waits, released);
            }
        }
        while running.len() < agents.max(1) {
            let Some((_, Reverse(node))) = ready.pop() else { break };
            starts[node as usize] = now;
            running.push(Reverse((now + durations[node as usize], node)));
        }
        let Some(Reverse((end, _))) = running.peek() else { return now };
        now = *end;
        while let Some(Reverse((end, node))) = running.peek().copied()
            && end == now
        {
            running.pop();
            release(side, node, waits, released);
        }
    }
}

fn release(side: &Side, node: u32, waits: &mut [u32], released: &mut Vec<u32>) {
    for next in side.graph.successors(node) {
        let waits = &mut waits[*next as usize];
        *waits -= 1;
        if *waits == 0 {
            released.push(*next);
        }
    }
}

/// Returns a bound by the work that must be done before, after or between two times (E. B. Fernandez, B. Bussell, IEEE
/// Transactions on Computers C-22(8), 1973), looked for among the times at which tasks can begin or must end.
fn interval_bound(times: &crate::graph::Times, durations: &[u64], agents: usize) -> u64 {
    const TASKS_COMPARED_MAX: usize = 300;
    let count = durations.len();
    let agents = agents.max(1) as u64;
    let work: u64 = durations.iter().sum();
    let simple = times.critical.max(work.div_ceil(agents));
    if count > TASKS_COMPARED_MAX {
        return simple;
    }
    let mut bound = simple;
    // Of the work, what cannot begin before a time and has at least so much behind it.
    let mut heads: Vec<u64> = times.earliest.clone();
    heads.sort_unstable();
    heads.dedup();
    for head in heads {
        let mut late: Vec<(u64, u64)> = (0..count)
            .filter(|task| times.earliest[*task] >= head && durations[*task] > 0)
            .map(|task| (times.bottom[task] - durations[task], durations[task]))
            .collect();
        late.sort_unstable_by(|a, b| b.cmp(a));
        let mut sum = 0;
        for (tail, time) in late {
            sum += time;
            bound = bound.max(head + sum.div_ceil(agents) + tail);
        }
    }
    bound
}

/// Gives agents to tasks that never need more of them than there are.
fn with_agents(starts: Vec<u64>, durations: &[u64], count: usize, makespan: u64) -> Solution {
    let mut order: Vec<usize> = (0..starts.len()).collect();
    order.sort_unstable_by_key(|task| (starts[*task], starts[*task] + durations[*task]));
    let mut free: BinaryHeap<Reverse<(u64, u32)>> =
        (0..count.max(1) as u32).map(|agent| Reverse((0, agent))).collect();
    let mut agents = vec![0; starts.len()];
    for task in order {
        if durations[task] == 0 {
            continue;
        }
        let Some(Reverse((_, agent))) = free.pop() else { continue };
        agents[task] = agent;
        free.push(Reverse((starts[task] + durations[task], agent)));
    }
    Solution { starts, agents, makespan }
}
