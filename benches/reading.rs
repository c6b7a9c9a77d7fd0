//! Reading and analysing large plans, as ratios to plain serde_json and to petgraph in the same run.
//!
//! Every line is the median of five interleaved rounds, in time that the processor spent on it. An argument sets the number of
//! tasks, 1,000,000 by default.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on is to fail")]

mod processor_time;

use std::alloc::System;
use std::fmt::Write as _;
use std::time::Instant;

use cap::Cap;
use planner_core::graph::{Digraph, LiveOrder};
use planner_core::random::Random;
use planner_core::{Analysis, Format, Limits, TaskGraph, read};

use processor_time::millis;

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
    growth(tasks);
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

/// Tells what a task costs in plans that are ten times as large each, up to this many tasks, and how much more than in one of 10,000.
fn growth(tasks_max: usize) {
    const COMPARED_WITH: usize = 10_000;
    let sizes: Vec<usize> = std::iter::successors(Some(1_000), |tasks| Some(tasks * 10))
        .take_while(|tasks| *tasks <= tasks_max)
        .collect();
    let limits = Limits::default();
    println!("microseconds a task, and how many times those of a plan of {COMPARED_WITH} tasks");
    let mut compared: Option<[f64; 5]> = None;
    let mut rows = Vec::new();
    for tasks in sizes {
        let (native, beads) = texts(tasks);
        let plan = read("x.json", native.as_bytes(), Some(Format::Json), &limits).unwrap().plan;
        let graph = TaskGraph::new(&plan).unwrap();
        // Small plans are read many times, so that what is measured is more than the clock's own steps.
        let times = (COMPARED_WITH * 50 / tasks).max(1);
        let each = |run: &mut dyn FnMut() -> usize| {
            let mut rounds: Vec<f64> = (0..ROUNDS)
                .map(|_| millis(&mut || (0..times).map(|_| run()).sum()) * 1000.0 / (times * tasks) as f64)
                .collect();
            rounds.sort_by(f64::total_cmp);
            rounds[ROUNDS / 2]
        };
        let [native_read, beads_read, graphs, analyses] = [
            each(&mut || {
                read("x.json", native.as_bytes(), Some(Format::Json), &limits).unwrap().plan.tasks.len()
            }),
            each(&mut || {
                read("x.jsonl", beads.as_bytes(), Some(Format::Beads), &limits).unwrap().plan.tasks.len()
            }),
            each(&mut || TaskGraph::new(&plan).unwrap().edge_count()),
            each(&mut || Analysis::of(&plan, &graph).waves.len()),
        ];
        let whole = native_read + graphs + analyses;
        let costs = [native_read, beads_read, graphs, analyses, whole];
        if tasks == COMPARED_WITH {
            compared = Some(costs);
        }
        rows.push((tasks, costs));
    }
    println!(
        "{:>9}  {:>14} {:>14} {:>14} {:>14} {:>14}",
        "tasks", "native JSON", "beads", "TaskGraph::new", "Analysis::of", "native, whole"
    );
    for (tasks, costs) in rows {
        let of = compared.unwrap_or(costs);
        let cell = |place: usize| format!("{:.2} ({:.2})", costs[place], costs[place] / of[place]);
        let cells: Vec<String> = (0..costs.len()).map(|place| format!("{:>14}", cell(place))).collect();
        println!("{tasks:>9}  {}", cells.join(" "));
    }
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
