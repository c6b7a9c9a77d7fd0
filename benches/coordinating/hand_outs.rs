//! Tasks that cost nothing: what remains is handing them out.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_coordinator::engine::{Command, Engine, Policy, Request};
use agent_coordinator::executor::{InProcess, Job, Outcome as Work};
use agent_coordinator::turn;
use perf_suite::DiskFolder;
use planner_core::Plan;
use state_store::task::Host;
use state_store::{MemoryStore, SqliteStore, StateStore, StreamName, SystemClock};
use tokio::runtime::Runtime;

use crate::figures::{show, show_ratio};
use crate::workspace::{agents, end, enter, handed_out, plan, settings, start};
use crate::{Effort, Outcome};

const AGENTS: usize = 20;

/// How many tasks are handed out at once where that is looked at.
const BATCH: usize = 100;

/// The same graph by twenty threads in Python.
const THREADS: &str = "
import graphlib, json, queue, sys, threading, time
graph = json.load(open(sys.argv[1]))
sorter = graphlib.TopologicalSorter(graph)
sorter.prepare()
jobs, done = queue.SimpleQueue(), queue.SimpleQueue()
def work():
    while (job := jobs.get()) is not None:
        done.put(job)
threads = [threading.Thread(target=work) for _ in range(int(sys.argv[2]))]
for thread in threads: thread.start()
begun = time.perf_counter()
while sorter.is_active():
    for task in sorter.get_ready(): jobs.put(task)
    sorter.done(done.get())
print(time.perf_counter() - begun)
for thread in threads: jobs.put(None)
";

/// Compares the coordinator, in memory, with threads in Python and with the engine alone.
pub(crate) fn beside_threads(effort: Effort) -> Outcome<()> {
    let plan = plan(effort.tasks);
    let folder = tempfile::tempdir()?;
    let (script, graph) = (folder.path().join("threads.py"), folder.path().join("graph.json"));
    std::fs::write(&script, THREADS)?;
    write_graph(&plan, &graph)?;
    let (mut ours, mut bare, mut python) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        ours.push(rate(effort.tasks, coordinator(store, &plan, folder.path())?));
        bare.push(rate(effort.tasks, engine_alone(&plan)?));
        python.extend(threads(&script, &graph)?.map(|took| rate(effort.tasks, took)));
    }
    println!("{} tasks that cost nothing, {AGENTS} agents in this process, in memory", effort.tasks);
    show("coordinator", &ours, "/s");
    show("the engine alone, without channels", &bare, "/s");
    show_ratio("coordinator / engine alone", &ours, &bare, "0.5");
    if python.is_empty() {
        println!("  there is no python3 with graphlib: not compared with it");
    } else {
        show("threads in Python, with graphlib", &python, "/s");
        show_ratio("coordinator / threads in Python", &ours, &python, "2");
    }
    println!();
    Ok(())
}

/// Compares the coordinator on SQLite with what the flushes of the disk allow.
pub(crate) fn durable(effort: Effort) -> Outcome<()> {
    let tasks = effort.tasks / 5;
    let plan = plan(tasks);
    let (mut ours, mut flushes) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let folder = DiskFolder::new()?;
        let store = SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock))?;
        ours.push(rate(tasks, coordinator(Arc::new(store), &plan, folder.path())?));
        flushes.push(flushes_a_second(&folder.path().join("plain"))?);
    }
    // Each agent takes part in every flush, and a task needs two: one that hands it out, one that takes its result.
    let bound: Vec<f64> = flushes.iter().map(|flushes| flushes * AGENTS as f64 / 2.0).collect();
    println!("{tasks} tasks that cost nothing, {AGENTS} agents in this process, on SQLite, flushed in full");
    show("coordinator", &ours, "/s");
    show("flushes of a plain file", &flushes, "/s");
    show("what these allow", &bound, "/s");
    show_ratio("coordinator / what flushes allow", &ours, &bound, "0.5");
    println!();
    Ok(())
}

/// Shows what a task costs in projects of different sizes.
pub(crate) fn by_size(effort: Effort) -> Outcome<()> {
    println!("what a task costs in projects of different sizes, in memory");
    let folder = tempfile::tempdir()?;
    let mut costs = Vec::new();
    let sizes = [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= effort.tasks_most);
    for size in sizes {
        let plan = plan(size);
        let cost = |_| -> Outcome<f64> {
            let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
            Ok(coordinator(store, &plan, folder.path())?.as_secs_f64() * 1e6 / size as f64)
        };
        let values = (0..effort.rounds).map(cost).collect::<Outcome<Vec<f64>>>()?;
        show(&format!("{size} tasks"), &values, "us");
        costs.push(values);
    }
    if let (Some(first), Some(last)) = (costs.first(), costs.last()) {
        show_ratio("the largest / the smallest", last, first, "less than 2");
    }
    println!();
    Ok(())
}

/// Shows what it costs to hand out tasks of projects in which ever more are ready.
pub(crate) fn by_ready(effort: Effort) -> Outcome<()> {
    println!("turns that hand out {BATCH} tasks each, by how many are ready; the engine alone");
    let mut costs = Vec::new();
    let sizes = [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= effort.tasks_most);
    for size in sizes {
        let mut plan = plan(size);
        plan.tasks.iter_mut().for_each(|task| task.dependencies.clear());
        let values = (0..effort.rounds).map(|_| batches(&plan)).collect::<Outcome<Vec<f64>>>()?;
        show(&format!("{size} ready"), &values, "us a task");
        costs.push(values);
    }
    if let (Some(first), Some(last)) = (costs.first(), costs.last()) {
        show_ratio("the most / the fewest", last, first, "less than 2");
    }
    println!();
    Ok(())
}

/// Returns what a hand-out costs in a turn of many, in microseconds: the median of several turns.
fn batches(plan: &Plan) -> Outcome<f64> {
    let (store, stream) = (MemoryStore::new(Arc::new(SystemClock)), StreamName::workspace());
    let mut engine = begun(&store, &stream, plan)?;
    let mut costs = Vec::new();
    for batch in agents(9 * BATCH).chunks(BATCH) {
        let requests = [Command::RegisterAgents(batch.to_vec()).into()];
        let begun = Instant::now();
        let turn = turn(&mut engine, &store, &stream, &requests)?;
        costs.push(begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
        let given = turn.effects.iter().filter_map(handed_out).count();
        assert_eq!(given, BATCH, "there is something to do for everybody");
    }
    costs.sort_unstable_by(f64::total_cmp);
    Ok(costs[costs.len() / 2])
}

fn rate(tasks: usize, took: Duration) -> f64 {
    tasks as f64 / took.as_secs_f64()
}

/// Returns how long the coordinator takes from the moment at which agents are there until all is done.
fn coordinator(store: Arc<dyn StateStore>, plan: &Plan, folder: &Path) -> Outcome<Duration> {
    let runtime = Runtime::new()?;
    let running = start(store, InProcess::new(|_: Job| async { Work::Done(Vec::new()) }), folder, &runtime)?;
    runtime.block_on(async {
        let project = enter(&running.handle, plan.clone()).await?;
        let begun = Instant::now();
        running.handle.submit(Command::RegisterAgents(agents(AGENTS))).await?;
        running.handle.settled(project).await?;
        let took = begun.elapsed();
        end(running).await?;
        Ok(took)
    })
}

/// Returns an engine that works on a project, without agents.
fn begun(store: &MemoryStore, stream: &StreamName, plan: &Plan) -> Outcome<Engine> {
    let mut engine = Engine::new([1; 16], Policy::default());
    let host = Host { boot: String::new(), pid: 0, started: 0 };
    let enter = Command::Enter { plan: plan.clone(), settings: settings() };
    turn(&mut engine, store, stream, &[Command::Begin { host }.into(), enter.into()])?;
    Ok(engine)
}

/// Returns how long the engine takes for the same in a loop: each turn reports what the one before has handed out.
fn engine_alone(plan: &Plan) -> Outcome<Duration> {
    let (store, stream) = (MemoryStore::new(Arc::new(SystemClock)), StreamName::workspace());
    let mut engine = begun(&store, &stream, plan)?;
    let begun = Instant::now();
    let mut requests: Vec<Request> = vec![Command::RegisterAgents(agents(AGENTS)).into()];
    while !requests.is_empty() {
        let effects = turn(&mut engine, &store, &stream, &requests)?.effects;
        requests.clear();
        let reports = effects.iter().filter_map(handed_out);
        requests.extend(reports.flat_map(|(start, deliver)| [start, deliver]));
    }
    Ok(begun.elapsed())
}

/// Returns how long threads in Python take; nothing where there are none.
fn threads(script: &Path, graph: &Path) -> Outcome<Option<Duration>> {
    let mut python = Process::new("python3");
    let Ok(output) = python.arg(script).arg(graph).arg(AGENTS.to_string()).output() else { return Ok(None) };
    if !output.status.success() {
        return Ok(None);
    }
    let seconds: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(Some(Duration::from_secs_f64(seconds)))
}

fn write_graph(plan: &Plan, path: &Path) -> Outcome<()> {
    let graph: serde_json::Map<String, serde_json::Value> = plan
        .tasks
        .iter()
        .map(|task| {
            let on = task.dependencies.iter().map(|dependency| dependency.on.to_string());
            (task.id.to_string(), on.collect::<Vec<_>>().into())
        })
        .collect();
    Ok(serde_json::to_writer(BufWriter::new(File::create(path)?), &graph)?)
}

/// Returns how often a second a file can be appended to and flushed.
fn flushes_a_second(path: &Path) -> Outcome<f64> {
    const FLUSHES: u32 = 300;
    let mut file = File::create_new(path)?;
    let begun = Instant::now();
    for _ in 0..FLUSHES {
        file.write_all(&[0; 2048])?;
        file.sync_data()?;
    }
    Ok(f64::from(FLUSHES) / begun.elapsed().as_secs_f64())
}
