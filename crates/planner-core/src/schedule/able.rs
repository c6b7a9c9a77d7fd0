//! Schedules for agents that differ in what they can do and in how fast (flexible job shop, projects with skills).
//!
//! Tabu search by taking one critical task out and putting it in where the longest way through it is shortest (M. Mastrolilli,
//! L. M. Gambardella, "Effective neighbourhood functions for the flexible job shop problem", Journal of Scheduling 3, 2000):
//! of the tasks of an agent, those that must end before the moved one can begin stay before it, those that must follow stay
//! behind, so that no circle can come of it. Precedence may be any acyclic graph.

use super::instance::Solution;
use crate::graph::Digraph;
use crate::random::Random;

const NOBODY: u32 = u32::MAX;

/// The problem and a solution of it as a graph: the order of tasks, and the order on each agent.
#[derive(Clone)]
struct State<'i> {
    options: &'i [Vec<(u32, u64)>],
    agent: Vec<u32>,
    time: Vec<u64>,
    /// By agent, its tasks in order.
    lines: Vec<Vec<u32>>,
    /// By task, its neighbours on its agent's line.
    before: Vec<u32>,
    after: Vec<u32>,
    /// By task: when it begins, and what is behind its end.
    heads: Vec<u64>,
    tails: Vec<u64>,
    order: Vec<u32>,
    makespan: u64,
}

struct Graphs {
    forward: Digraph,
    backward: Digraph,
}

/// Returns the schedule of one pass: of all ready tasks, the one with the longest way behind it goes to whom it ends first on.
pub(super) fn one_pass(graph: &Digraph, agents: usize, options: &[Vec<(u32, u64)>]) -> Solution {
    dispatched(graph, agents, options, &mut |level, _| level)
}

/// Returns the schedule of one pass by priorities that `priority` makes of the longest way behind and the number of a task.
fn dispatched(
    graph: &Digraph,
    agents: usize,
    options: &[Vec<(u32, u64)>],
    priority: &mut dyn FnMut(u64, u32) -> u64,
) -> Solution {
    let order = graph.topological_order().unwrap_or_default();
    let least: Vec<u64> =
        options.iter().map(|able| able.iter().map(|(_, time)| *time).min().unwrap_or(0)).collect();
    let bottom = graph.times(&order, &least).bottom;
    let mut waits = vec![0_u32; order.len()];
    for (_, to) in graph.edges() {
        waits[to as usize] += 1;
    }
    let mut free = vec![0_u64; agents];
    // How much work is left that an agent could do: of two that end at once, the one that is less asked for is taken.
    let mut asked = vec![0.0_f64; agents];
    for able in options {
        for (agent, time) in able {
            asked[*agent as usize] += *time as f64 / able.len() as f64;
        }
    }
    let mut from = vec![0_u64; order.len()];
    let mut solution = Solution { starts: vec![0; order.len()], agents: vec![0; order.len()], makespan: 0 };
    let mut ready: Vec<(u64, u32)> = Vec::new();
    for task in (0..order.len() as u32).filter(|task| waits[*task as usize] == 0) {
        ready.push((priority(bottom[task as usize], task), task));
    }
    while !ready.is_empty() {
        // The task that could begin first; of those that could begin about then, the one of the greatest priority.
        let begin = |task: u32| {
            let able = options[task as usize].iter();
            able.map(|(agent, _)| free[*agent as usize].max(from[task as usize])).min().unwrap_or(0)
        };
        let first = ready.iter().map(|(_, task)| begin(*task)).min().unwrap_or(0);
        let chosen = (0..ready.len())
            .filter(|place| begin(ready[*place].1) <= first)
            .max_by_key(|place| (ready[*place].0, std::cmp::Reverse(ready[*place].1)));
        let (_, task) = ready.swap_remove(chosen.unwrap_or(0));
        let at = task as usize;
        let end = |(agent, time): &(u32, u64)| free[*agent as usize].max(from[at]) + time;
        let Some((agent, time)) = options[at].iter().copied().min_by(|a, b| {
            let busy = |option: &(u32, u64)| asked[option.0 as usize];
            end(a).cmp(&end(b)).then(busy(a).total_cmp(&busy(b)))
        }) else {
            continue;
        };
        let start = free[agent as usize].max(from[at]);
        for (able, time) in &options[at] {
            asked[*able as usize] -= *time as f64 / options[at].len() as f64;
        }
        (solution.starts[at], solution.agents[at]) = (start, agent);
        free[agent as usize] = start + time;
        solution.makespan = solution.makespan.max(start + time);
        for next in graph.successors(task) {
            from[*next as usize] = from[*next as usize].max(start + time);
            waits[*next as usize] -= 1;
            if waits[*next as usize] == 0 {
                ready.push((priority(bottom[*next as usize], *next), *next));
            }
        }
    }
    solution
}

/// Returns the best schedule found within so many moves.
pub(super) fn improved(
    graph: &Digraph,
    agents: usize,
    options: &[Vec<(u32, u64)>],
    lower_bound: u64,
    evaluations: usize,
    seed: u64,
) -> Solution {
    let mut random = Random::new(seed);
    let graphs = Graphs { forward: graph.clone(), backward: graph.reversed() };
    let mut start = one_pass(graph, agents, options);
    for _ in 0..evaluations.min(30) {
        let spread = 0.1 + 0.4 * random.unit();
        let drawn = dispatched(graph, agents, options, &mut |level, _| {
            (level as f64 * 64.0 * (1.0 + spread * (random.unit() - 0.5))) as u64
        });
        if drawn.makespan < start.makespan {
            start = drawn;
        }
    }
    if start.makespan <= lower_bound || evaluations == 0 {
        return start;
    }
    let mut best = State::of(&graphs, agents, options, &start);
    let mut elite: Vec<State<'_>> = vec![best.clone()];
    let mut left = evaluations;
    let mut at = best.clone();
    while left > 0 && best.makespan > lower_bound {
        let rounds = left.min(600 + 12 * options.len());
        let found = walk(&graphs, &mut at, rounds, lower_bound, &mut random);
        left -= rounds;
        let State { makespan, .. } = found;
        if makespan < best.makespan {
            best = found.clone();
        }
        if elite.iter().all(|one| one.makespan != makespan || one.agent != found.agent) {
            elite.push(found);
            elite.sort_by_key(|one| one.makespan);
            elite.truncate(5);
        }
        // On from one of the best, shaken a little.
        at = elite[random.below(elite.len())].clone();
        for _ in 0..2 + random.below(6) {
            at.shake(&graphs, &mut random);
        }
    }
    Solution { starts: best.heads, agents: best.agent, makespan: best.makespan }
}

/// Moves critical tasks, never one back to where it was of late; returns the best state on the way.
fn walk<'i>(
    graphs: &Graphs,
    at: &mut State<'i>,
    rounds: usize,
    lower_bound: u64,
    random: &mut Random,
) -> State<'i> {
    let mut best = at.clone();
    // By task and option.
    let mut firsts = Vec::with_capacity(at.options.len());
    let mut count = 0;
    for able in at.options {
        firsts.push(count);
        count += able.len();
    }
    let mut forbidden_until = vec![0_usize; count];
    let mut since = 0;
    for round in 1..=rounds {
        let critical = at.critical(random);
        let tenure = 8 + critical.len() / 4 + random.below(8);
        let mut chosen: Option<(u64, u64, Move)> = None;
        for task in &critical {
            for candidate in at.moves(graphs, *task) {
                let is_forbidden = forbidden_until[firsts[*task as usize] + candidate.option] > round;
                if is_forbidden && candidate.through >= best.makespan {
                    continue;
                }
                let key = (candidate.through, random.next_u64());
                if chosen.is_none_or(|(through, tie, _)| key < (through, tie)) {
                    chosen = Some((key.0, key.1, candidate));
                }
            }
        }
        let Some((.., chosen)) = chosen else {
            at.shake(graphs, random);
            continue;
        };
        let task = chosen.task as usize;
        let from = at.options[task].iter().position(|(agent, _)| *agent == at.agent[task]).unwrap_or(0);
        forbidden_until[firsts[task] + from] = round + tenure;
        at.apply(graphs, chosen);
        since += 1;
        if at.makespan < best.makespan {
            best = at.clone();
            since = 0;
            if best.makespan <= lower_bound {
                break;
            }
        }
        if since > 400 + 4 * at.options.len() {
            *at = best.clone();
            for _ in 0..1 + random.below(4) {
                at.shake(graphs, random);
            }
            since = 0;
        }
    }
    best
}

/// A task to a place on an agent's line.
#[derive(Debug, Clone, Copy)]
struct Move {
    task: u32,
    /// Which of the task's options.
    option: usize,
    /// The place on the line without the task.
    place: usize,
    /// About how long the longest way through the task will be.
    through: u64,
}

impl<'i> State<'i> {
    fn of(graphs: &Graphs, agents: usize, options: &'i [Vec<(u32, u64)>], start: &Solution) -> Self {
        let count = options.len();
        let time = |task: usize| {
            let own = options[task].iter().find(|(agent, _)| *agent == start.agents[task]);
            own.map_or(0, |(_, time)| *time)
        };
        let mut lines = vec![Vec::new(); agents];
        let mut tasks: Vec<u32> = graphs.forward.topological_order().unwrap_or_default();
        // Stable: what takes no time stays in its order.
        tasks.sort_by_key(|task| start.starts[*task as usize]);
        for task in tasks {
            lines[start.agents[task as usize] as usize].push(task);
        }
        let mut state = Self {
            options,
            agent: start.agents.clone(),
            time: (0..count).map(time).collect(),
            lines,
            before: vec![NOBODY; count],
            after: vec![NOBODY; count],
            heads: vec![0; count],
            tails: vec![0; count],
            order: Vec::with_capacity(count),
            makespan: 0,
        };
        for agent in 0..agents {
            state.link(agent);
        }
        state.evaluate(graphs);
        state
    }

    fn link(&mut self, agent: usize) {
        let line = &self.lines[agent];
        for (place, task) in line.iter().enumerate() {
            self.before[*task as usize] = if place > 0 { line[place - 1] } else { NOBODY };
            self.after[*task as usize] = line.get(place + 1).copied().unwrap_or(NOBODY);
        }
    }

    /// Computes heads, tails and the makespan; returns whether the lines agree with the order of tasks.
    fn evaluate(&mut self, graphs: &Graphs) -> bool {
        let count = self.options.len();
        let mut waits: Vec<u32> = (0..count as u32)
            .map(|task| {
                graphs.backward.successors(task).len() as u32
                    + u32::from(self.before[task as usize] != NOBODY)
            })
            .collect();
        self.order.clear();
        self.order.extend((0..count as u32).filter(|task| waits[*task as usize] == 0));
        self.heads.iter_mut().for_each(|head| *head = 0);
        let mut next = 0;
        while let Some(task) = self.order.get(next).copied() {
            next += 1;
            let end = self.heads[task as usize] + self.time[task as usize];
            let on_line = Some(self.after[task as usize]).filter(|after| *after != NOBODY);
            for later in graphs.forward.successors(task).iter().copied().chain(on_line) {
                let head = &mut self.heads[later as usize];
                *head = end.max(*head);
                waits[later as usize] -= 1;
                if waits[later as usize] == 0 {
                    self.order.push(later);
                }
            }
        }
        if self.order.len() < count {
            return false;
        }
        self.makespan = 0;
        for task in self.order.iter().rev() {
            let at = *task as usize;
            let on_line = Some(self.after[at]).filter(|after| *after != NOBODY);
            let later = graphs.forward.successors(*task).iter().copied().chain(on_line);
            let behind = |later: u32| self.tails[later as usize] + self.time[later as usize];
            self.tails[at] = later.map(behind).max().unwrap_or(0);
            self.makespan = self.makespan.max(self.heads[at] + self.time[at] + self.tails[at]);
        }
        true
    }

    /// Returns one longest way.
    fn critical(&self, random: &mut Random) -> Vec<u32> {
        let is_critical = |task: u32| {
            let at = task as usize;
            self.heads[at] + self.time[at] + self.tails[at] == self.makespan && self.time[at] > 0
        };
        let all: Vec<u32> = self.order.iter().copied().filter(|task| is_critical(*task)).collect();
        let mut path: Vec<u32> = Vec::new();
        let mut end = 0;
        while end < self.makespan {
            let next: Vec<u32> =
                all.iter().copied().filter(|task| self.heads[*task as usize] == end).collect();
            let Some(task) = next.get(random.below(next.len())).copied() else { break };
            end += self.time[task as usize];
            path.push(task);
        }
        path
    }

    /// Returns for each agent that can do the task the best place on its line.
    fn moves(&self, graphs: &Graphs, task: u32) -> Vec<Move> {
        let at = task as usize;
        // When it could begin and what would be behind it, were it on no line.
        let end = |other: u32| self.heads[other as usize] + self.time[other as usize];
        let behind = |other: u32| self.tails[other as usize] + self.time[other as usize];
        let head = graphs.backward.successors(task).iter().map(|other| end(*other)).max().unwrap_or(0);
        let tail = graphs.forward.successors(task).iter().map(|other| behind(*other)).max().unwrap_or(0);
        let mut moves = Vec::with_capacity(self.options[at].len());
        for (option, (agent, time)) in self.options[at].iter().enumerate() {
            let line = &self.lines[*agent as usize];
            let others = || line.iter().copied().filter(|other| *other != task);
            // Those that end after it could begin stay or come behind; those with more behind them than it stay before.
            let first = others().filter(|other| end(*other) <= head).count();
            let count = others().count();
            let last = count - others().filter(|other| behind(*other) <= tail).count();
            let (low, high) = (first.min(last), first.max(last));
            let own =
                if *agent == self.agent[at] { line.iter().position(|other| *other == task) } else { None };
            let list: Vec<u32> = others().collect();
            let mut best: Option<Move> = None;
            for place in low..=high {
                if own == Some(place) {
                    continue;
                }
                let begin = if place > 0 { head.max(end(list[place - 1])) } else { head };
                let rest = list.get(place).map_or(tail, |next| tail.max(behind(*next)));
                let through = begin + time + rest;
                if best.is_none_or(|best| through < best.through) {
                    best = Some(Move { task, option, place, through });
                }
            }
            moves.extend(best);
        }
        moves
    }

    /// Makes the move; one that would close a circle is taken back.
    fn apply(&mut self, graphs: &Graphs, chosen: Move) {
        let at = chosen.task as usize;
        let (old_agent, old_time) = (self.agent[at], self.time[at]);
        let old_place =
            self.lines[old_agent as usize].iter().position(|task| *task == chosen.task).unwrap_or(0);
        let (agent, time) = self.options[at][chosen.option];
        self.put(chosen.task, agent, time, chosen.place);
        if !self.evaluate(graphs) {
            self.put(chosen.task, old_agent, old_time, old_place);
            self.evaluate(graphs);
        }
    }

    fn put(&mut self, task: u32, agent: u32, time: u64, place: usize) {
        let at = task as usize;
        let from = self.agent[at] as usize;
        self.lines[from].retain(|other| *other != task);
        self.lines[agent as usize].insert(place, task);
        (self.agent[at], self.time[at]) = (agent, time);
        self.link(from);
        self.link(agent as usize);
    }

    /// Moves a critical task anywhere it can go.
    fn shake(&mut self, graphs: &Graphs, random: &mut Random) {
        let critical = self.critical(random);
        let Some(task) = critical.get(random.below(critical.len())).copied() else { return };
        let moves = self.moves(graphs, task);
        if let Some(chosen) = moves.get(random.below(moves.len())) {
            self.apply(graphs, *chosen);
        }
    }
}
