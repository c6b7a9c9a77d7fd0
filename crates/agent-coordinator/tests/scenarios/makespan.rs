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

/// Returns how long a plan takes a number of agents whose attempts take so long.
pub(crate) fn run(plan: &Plan, count: usize, took: &[Duration]) -> Duration {
    let mut fleet = Fleet::in_memory(plan.tasks.clone(), agents(count, 1));
    fleet.run(&|task| took[task.task as usize]);
    fleet.check_all_done();
    fleet.makespan()
}

/// Returns how long it takes where whoever is free gets the ready task that `order` puts first.
fn by_order(
    plan: &Plan,
    count: usize,
    took: &[Duration],
    mut order: impl FnMut(usize, usize) -> u64,
) -> Duration {
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
    let (mut ends, mut now, mut free) = (BinaryHeap::new(), Duration::ZERO, count);
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

pub(crate) fn efforts(plan: &Plan) -> Vec<Duration> {
    plan.tasks.iter().map(|task| task.effort_or_default().as_duration()).collect()
}

/// Returns how long the planned schedule takes with so many agents.
pub(crate) fn planned(plan: &Plan, count: usize) -> Duration {
    let graph = TaskGraph::new(plan).unwrap();
    let profile = |number| AgentProfile {
        name: format!("{number}"),
        capabilities: CapabilitySet::default(),
        slots: 1,
        lease_seconds: None,
        labels: Vec::new(),
    };
    let profiles: Vec<_> = (0..count).map(profile).collect();
    list_schedule(&Problem::new(plan, &graph, &profiles).unwrap()).makespan.as_duration()
}

#[test]
fn a_run_takes_as_long_as_planned_where_durations_are_as_estimated() {
    for (count, layers) in SHAPES {
        let plan = plan(tasks(count, layers, 11));
        let ratio = run(&plan, AGENTS, &efforts(&plan)).as_secs_f64() / planned(&plan, AGENTS).as_secs_f64();
        println!("{count} tasks in {layers} layers: {ratio:.4} times the planned schedule");
        assert!(ratio < 1.03, "{count} tasks in {layers} layers: {ratio}");
    }
}

/// Returns how long it takes in our order, in the order of arrival, and by chance, in hours, where durations vary by half.
pub(crate) fn compare(plan: &Plan, count: usize, seed: u64) -> [f64; 3] {
    let vary =
        |(place, effort): (usize, &Duration)| effort.mul_f64(0.5 + Random::of([seed, place as u64]).unit());
    let took: Vec<Duration> = efforts(plan).iter().enumerate().map(vary).collect();
    let mut random = Random::new(seed);
    let times = [
        run(plan, count, &took),
        by_order(plan, count, &took, |_, arrived| arrived as u64),
        by_order(plan, count, &took, |_, _| random.next_u64()),
    ];
    times.map(|time| time.as_secs_f64() / 3600.0)
}

#[test]
fn where_durations_vary_by_half_the_order_beats_first_come_first_served_and_chance() {
    let (mut sums, mut runs) = ([0.0; 3], 0);
    for (count, layers) in SHAPES {
        for seed in 0..3 {
            let [ours, first, chance] = compare(&plan(tasks(count, layers, 100 + seed)), AGENTS, seed);
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

/// Returns the leaves of a real plan as if nothing of it were done yet, anybody could do it, and nothing were urgent.
pub(crate) fn real_plan(name: &str, bytes: &[u8]) -> Option<Plan> {
    let reading = planner_core::read(name, bytes, None, &planner_core::Limits::default()).ok()?;
    let (repaired, _) = planner_core::repair(&reading.plan);
    let parents: BTreeSet<_> = repaired.tasks.iter().filter_map(|task| task.parent.clone()).collect();
    let leaves: BTreeSet<_> =
        repaired.tasks.iter().map(|task| task.id.clone()).filter(|id| !parents.contains(id)).collect();
    let leaf = |task: &planner_core::Task| planner_core::Task {
        dependencies: task.dependencies.iter().filter(|one| leaves.contains(&one.on)).cloned().collect(),
        effort: task.effort,
        ..planner_core::Task::new(task.id.clone())
    };
    Some(plan(repaired.tasks.iter().filter(|task| leaves.contains(&task.id)).map(leaf).collect()))
}

#[test]
fn real_plans_take_as_long_as_planned_and_no_longer_than_first_come_first_served() {
    let Some(corpus) = std::env::var_os("SUPER_PLANNER_CORPUS") else {
        println!("left out: SUPER_PLANNER_CORPUS is not set");
        return;
    };
    let folder = std::path::PathBuf::from(corpus).join("plans");
    let mut sums = [0.0; 3];
    let names = [
        "beads_liftsys_383.jsonl",
        "tm_nutrisensia_177.json",
        "tm_smartinsight_203.json",
        "tm_testcraft_145.json",
    ];
    for name in names {
        let plan = real_plan(name, &std::fs::read(folder.join(name)).unwrap()).unwrap();
        let ratio = run(&plan, AGENTS, &efforts(&plan)).as_secs_f64() / planned(&plan, AGENTS).as_secs_f64();
        let [ours, first, chance] = compare(&plan, AGENTS, 1);
        println!(
            "{name}, {} tasks: {ratio:.4} times the planned schedule; vary by half: {ours:.1} h; FIFO {first:.1} h; random {chance:.1} h",
            plan.tasks.len()
        );
        assert!(ratio < 1.03, "{name}: {ratio}");
        for (sum, time) in sums.iter_mut().zip([ours, first, chance]) {
            *sum += time / first / names.len() as f64;
        }
    }
    println!("on the mean: {:.3} of FIFO, random {:.3}", sums[0], sums[2]);
    assert!(sums[0] <= 1.0, "{sums:?}");
}
