//! Reading and analysing large plans, as ratios to plain serde_json and to petgraph in the same run.
//!
//! Every line is the median of five interleaved rounds, in time that the processor spent on it where Linux tells (others who
//! are busy on the machine then count less), else in time that passed. An argument sets the number of tasks, 1,000,000 by default.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on is to fail")]

use std::alloc::System;
use std::fmt::Write as _;
use std::time::Instant;

use cap::Cap;
use planner_core::graph::{Digraph, LiveOrder};
use planner_core::random::Random;
use planner_core::{Format, Limits, TaskGraph, read};

const ROUNDS: usize = 5;

/// Counts what is allocated, byte by byte.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What serde_json reads the same bytes into: structs without any check.
#[derive(serde::Deserialize)]
struct PlainPlan {
    tasks: Vec<PlainTask>,
}

#[derive(serde::Deserialize)]
struct PlainTask {
    id: String,
    title: String,
    description: String,
    dependencies: Vec<String>,
    priority: String,
    effort: f64,
}

#[derive(serde::Deserialize)]
struct PlainIssue {
    id: String,
    title: String,
    status: String,
    issue_type: String,
    priority: u8,
    dependencies: Vec<PlainRelation>,
}

#[derive(serde::Deserialize)]
struct PlainRelation {
    issue_id: String,
    depends_on_id: String,
    r#type: String,
}

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let tasks: usize = asked.unwrap_or(1_000_000);
    let (native, beads) = texts(tasks);
    println!(
        "{tasks} tasks, 3 edges each; native JSON {} MB, beads {} MB",
        native.len() >> 20,
        beads.len() >> 20
    );

    // First, because the allocator knows only the most that there ever was.
    memory("native JSON", "x.json", Format::Json, &native);
    memory("beads", "x.jsonl", Format::Beads, &beads);
    let limits = Limits::default();
    ratio(
        "reading native JSON / serde_json into plain structs",
        &mut || {
            let plan: PlainPlan = serde_json::from_str(&native).unwrap();
            plan.tasks
                .iter()
                .map(|task| {
                    task.dependencies.len()
                        + task.id.len()
                        + task.title.len()
                        + task.description.len()
                        + task.priority.len()
                        + task.effort as usize
                })
                .sum()
        },
        &mut || read("x.json", native.as_bytes(), Some(Format::Json), &limits).unwrap().plan.tasks.len(),
    );
    ratio(
        "reading beads / serde_json into plain structs",
        &mut || {
            let issues = beads.lines().map(|line| serde_json::from_str::<PlainIssue>(line).unwrap());
            let issues: Vec<PlainIssue> = issues.collect();
            issues
                .iter()
                .map(|issue| {
                    issue.id.len()
                        + issue.title.len()
                        + issue.status.len()
                        + issue.issue_type.len()
                        + usize::from(issue.priority)
                        + issue
                            .dependencies
                            .iter()
                            .map(|on| on.issue_id.len() + on.depends_on_id.len() + on.r#type.len())
                            .sum::<usize>()
                })
                .sum()
        },
        &mut || read("x.jsonl", beads.as_bytes(), Some(Format::Beads), &limits).unwrap().plan.tasks.len(),
    );
    graphs(tasks);
    let plan = read("x.json", native.as_bytes(), Some(Format::Json), &limits).unwrap().plan;
    let edges = TaskGraph::new(&plan).unwrap().edge_count();
    let time = millis(&mut || TaskGraph::new(&plan).unwrap().edge_count());
    println!("TaskGraph::new, ids and all: {time:.0} ms, {edges} edges");
    println!(
        "a task takes {} bytes, a dependency {}",
        size_of::<planner_core::Task>(),
        size_of::<planner_core::Dependency>()
    );
}

/// Tells how much memory a reading takes: what it holds, its copy of the text included, and at most while it reads.
fn memory(what: &str, name: &str, format: Format, text: &str) {
    let before = MEMORY.allocated();
    let reading = read(name, text.as_bytes(), Some(format), &Limits::default()).unwrap();
    let times = |bytes: usize| bytes as f64 / text.len() as f64;
    let held = MEMORY.allocated() - before;
    let most = times(MEMORY.max_allocated() - before);
    println!(
        "memory of reading {what}: {:.2} times the file held, {most:.2} times at most; {} bytes a task",
        times(held),
        held / reading.plan.tasks.len()
    );
}

/// Compares building a graph and analysing it with petgraph sorting one that is built.
fn graphs(tasks: usize) {
    let mut random = Random::new(3);
    let edges: Vec<(u32, u32)> = (0..tasks * 12 / 5)
        .map(|_| {
            let to = 1 + random.below(tasks - 1);
            (random.below(to) as u32, to as u32)
        })
        .collect();
    let theirs = petgraph::graph::DiGraph::<(), ()>::from_edges(edges.iter().copied());
    let weights: Vec<u64> = (0..tasks).map(|_| 1 + random.below(16) as u64).collect();
    ratio(
        "graph, levels, critical path, slack / petgraph's toposort alone",
        &mut || petgraph::algo::toposort(&theirs, None).unwrap().len(),
        &mut || {
            let graph = Digraph::of_edges(tasks, &edges);
            let order = graph.topological_order().unwrap();
            let waves = graph.waves(&order);
            let times = graph.times(&order, &weights);
            (0..tasks).map(|node| times.slack(node) as usize).sum::<usize>() + waves.len()
        },
    );
    let mut live = LiveOrder::of(&Digraph::of_edges(tasks, &edges)).unwrap();
    let mut times: Vec<f64> = (0..1_001)
        .map(|_| {
            let to = 1 + random.below(tasks - 1);
            let from = random.below(to) as u32;
            let start = Instant::now();
            live.add_edge(from, to as u32).unwrap();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "adding an edge to the graph of {tasks}: median {:.1} µs, 99 % within {:.1} µs",
        times[500], times[990]
    );
}

/// Times both in turns and prints their medians and the ratio.
fn ratio(what: &str, theirs: &mut dyn FnMut() -> usize, ours: &mut dyn FnMut() -> usize) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(millis(theirs));
        times[1].push(millis(ours));
    }
    let [theirs, ours] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    println!("{what}: {ours:.0} ms / {theirs:.0} ms = {:.2}", ours / theirs);
}

fn millis(run: &mut dyn FnMut() -> usize) -> f64 {
    let (start, spent) = (Instant::now(), processor_millis());
    std::hint::black_box(run());
    let passed = start.elapsed().as_secs_f64() * 1000.0;
    processor_millis().zip(spent).map_or(passed, |(now, before)| now - before)
}

/// Returns how long this thread has been on a processor: the first number of proc_pid_schedstat(5), in nanoseconds.
fn processor_millis() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = told.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

fn texts(tasks: usize) -> (String, String) {
    let mut random = Random::new(1);
    // Large enough at once, so that the growing of the texts is not the most that is ever allocated.
    let (mut native, mut beads) = (String::with_capacity(200 * tasks), String::with_capacity(335 * tasks));
    native.push_str("{\"name\":\"large\",\"tasks\":[");
    for number in 0..tasks {
        let before: Vec<usize> = (0..number.min(3)).map(|_| random.below(number)).collect();
        let on: Vec<String> = before.iter().map(|on| format!("\"task-{on}\"")).collect();
        let comma = if number > 0 { "," } else { "" };
        write!(
            native,
            "{comma}{{\"id\":\"task-{number}\",\"title\":\"Do the work of task {number}\",\"description\":\"As it was agreed upon, with tests.\",\
             \"dependencies\":[{}],\"priority\":\"medium\",\"effort\":{}}}",
            on.join(","),
            1 + number % 16
        )
        .unwrap();
        let relations: Vec<String> = before
            .iter()
            .map(|on| {
                format!("{{\"issue_id\":\"bd-{number}\",\"depends_on_id\":\"bd-{on}\",\"type\":\"blocks\"}}")
            })
            .collect();
        writeln!(
            beads,
            "{{\"id\":\"bd-{number}\",\"title\":\"Do the work of task {number}\",\"status\":\"open\",\"issue_type\":\"task\",\"priority\":2,\"dependencies\":[{}]}}",
            relations.join(",")
        )
        .unwrap();
    }
    native.push_str("]}");
    (native, beads)
}
