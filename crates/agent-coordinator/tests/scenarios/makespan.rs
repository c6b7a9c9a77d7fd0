//! How long it takes in all: against the planned schedule, and against simpler orders.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use planner_core::graph::{Node, TaskGraph};
use planner_core::random::Random;
use planner_core::schedule::{Problem, list_schedule};
use planner_core::{AgentProfile, CapabilitySet, Plan, TaskIndex};

use crate::fleet::{Fleet, agents, plan};
use crate::scale::tasks;

const AGENTS: usize = 8;

/// The shapes that are compared: how many tasks in how many layers.
const SHAPES: [(usize, usize); 4] = [(200, 5), (200, 20), (400, 10), (400, 40)];

fn run(plan: &Plan, took: &[Duration]) -> Duration {
    let mut fleet = Fleet::in_memory(plan.tasks.clone(), agents(AGENTS, 1));
    fleet.run(&|task| took[task.task as usize]);
    fleet.check_all_done();
    fleet.makespan()
}

/// Returns how long it takes where whoever is free gets the ready task that `order` puts first.
fn by_order(plan: &Plan, took: &[Duration], mut order: impl FnMut(usize, usize) -> u64) -> Duration {
    let graph = TaskGraph::new(plan).unwrap();
    let tasks = (0..plan.tasks.len() as u32).map(TaskIndex);
    let mut open: Vec<usize> = tasks.clone().map(|task| graph.in_degree(graph.start_of(task))).collect();
    let mut arrived = 0;
    let mut ready = BTreeSet::new();
    let mut arrive = |task: usize, ready: &mut BTreeSet<(u64, usize)>| {
        arrived += 1;
        ready.insert((order(task, arrived), task));
    };
    (0..open.len()).filter(|task| open[*task] == 0).for_each(|task| arrive(task, &mut ready));
    let (mut ends, mut now, mut free) = (BinaryHeap::new(), Duration::ZERO, AGENTS);
    loop {
        while let Some((_, task)) = ready.pop_first().filter(|_| free > 0) {
            free -= 1;
            ends.push(Reverse((now + took[task], task)));
            if free == 0 {
                break;
            }
        }
        let Some(Reverse((end, task))) = ends.pop() else { return now };
        (now, free) = (end, free + 1);
        for (after, _) in graph.successors(graph.finish_of(TaskIndex(task as u32))) {
            let Node::Task(after) = graph.node(after) else { continue };
            open[after.index()] -= 1;
            if open[after.index()] == 0 {
                arrive(after.index(), &mut ready);
            }
        }
    }
}

fn efforts(plan: &Plan) -> Vec<Duration> {
    plan.tasks.iter().map(|task| task.effort_or_default().as_duration()).collect()
}

#[test]
fn a_run_takes_as_long_as_planned_where_durations_are_as_estimated() {
    for (count, layers) in SHAPES {
        let plan = plan(tasks(count, layers, 11));
        let graph = TaskGraph::new(&plan).unwrap();
        let profile = |number| AgentProfile {
            name: format!("{number}"),
            capabilities: CapabilitySet::default(),
            slots: 1,
        };
        let profiles: Vec<_> = (0..AGENTS).map(profile).collect();
        let problem = Problem::new(&plan, &graph, &profiles).unwrap();
        let planned = list_schedule(&problem).makespan.as_duration();
        let ratio = run(&plan, &efforts(&plan)).as_secs_f64() / planned.as_secs_f64();
        println!("{count} tasks in {layers} layers: {ratio:.4} times the planned schedule");
        assert!(ratio < 1.03, "{count} tasks in {layers} layers: {ratio}");
    }
}

#[test]
fn where_durations_vary_by_half_the_order_beats_first_come_first_served_and_chance() {
    let (mut sums, mut runs) = ([0.0; 3], 0);
    for (count, layers) in SHAPES {
        for seed in 0..3 {
            let plan = plan(tasks(count, layers, 100 + seed));
            let vary = |(place, effort): (usize, &Duration)| {
                effort.mul_f64(0.5 + Random::of([seed, place as u64]).unit())
            };
            let took: Vec<Duration> = efforts(&plan).iter().enumerate().map(vary).collect();
            let mut random = Random::new(seed);
            let times = [
                run(&plan, &took),
                by_order(&plan, &took, |_, arrived| arrived as u64),
                by_order(&plan, &took, |_, _| random.next_u64()),
            ];
            let [ours, first, chance] = times.map(|time| time.as_secs_f64() / 3600.0);
            println!(
                "{count} tasks, {layers} layers, seed {seed}: {ours:.1} h; FIFO {first:.1} h; random {chance:.1} h"
            );
            for (sum, time) in sums.iter_mut().zip([ours, first, chance]) {
                *sum += time / first;
            }
            runs += 1;
        }
    }
    let [ours, _, chance] = sums.map(|sum| sum / f64::from(runs));
    println!("on the mean of {runs} runs: {ours:.3} of FIFO, random {chance:.3}");
    assert!(ours < 1.0 && ours < chance, "{ours} {chance}");
}
