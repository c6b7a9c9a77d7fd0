//! EVALUATION: looking at a run again: analysing, scheduling and simulating its plan, from a cold file, a warm one, the store, and
//! memory; and on several threads at once.
//!
//! A checkpoint is the snapshot of a plan of 1,000 tasks. From a file it is read and parsed first; from the store it is read
//! from SQLite and decoded; from memory it is there. A cold file is one whose pages the system was asked to drop, where it can be
//! asked. The evaluation itself is the same each time, and its result is checked to be.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use planner_core::format::{Limits, read};
use planner_core::generate::complex;
use planner_core::schedule::{Problem, check, list_schedule};
use planner_core::{AgentProfile, Analysis, CapabilitySet, Plan, TaskGraph};
use state_store::task::{Event, ProjectSettings, State};
use state_store::{SqliteStore, StateStore, StreamName, SystemClock};

use super::by_profile;
use crate::disk::DiskFolder;
use crate::leak::{GrowthVerdict, growth_by_operation};
use crate::monitor::anonymous_memory;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// Looking at a run again.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation;

const AGENTS: usize = 10;
const THREADS: [usize; 3] = [1, 2, 4];
/// How many plans are evaluated on several threads.
const PLANS: usize = 24;

impl Scenario for Evaluation {
    fn id(&self) -> &str {
        "EVALUATION"
    }

    fn statement(&self) -> &str {
        "analysing, scheduling and simulating a plan of 1,000 tasks: from a cold file, a warm one, the store, and memory"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let tasks = by_profile(profile, [200, 1000, 1000, 1000]);
        let rounds = by_profile(profile, [2, 12, 40, 120]);
        let folder = DiskFolder::new().map_err(ScenarioFailed::during("finding a disk"))?;
        let plan = complex(tasks, 7);
        let sources = Sources::make(folder.path(), plan)?;
        record_sources(&sources, rounds, recorder)?;
        record_threads(&sources.plan, by_profile(profile, [1, 6, 12, 30]), recorder)?;
        record_memory(&sources.plan, recorder)
    }
}

/// A plan in each place that it can be evaluated from.
struct Sources {
    file: std::path::PathBuf,
    store: SqliteStore,
    plan: Plan,
}

impl Sources {
    fn make(folder: &Path, plan: Plan) -> Result<Self, ScenarioFailed> {
        let file = folder.join("plan.json");
        fs::write(&file, plan.to_json()).map_err(ScenarioFailed::during("writing a plan"))?;
        let written = fs::File::open(&file).map_err(ScenarioFailed::during("opening a plan"))?;
        written.sync_all().map_err(ScenarioFailed::during("flushing a plan"))?;
        let store = SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock))
            .map_err(ScenarioFailed::during("making a store"))?;
        let added = Event::ProjectAdded {
            name: plan.name.clone(),
            plan: plan.to_json().into_bytes(),
            settings: ProjectSettings { branch: None, checks: false },
        };
        let stream = StreamName::workspace();
        store
            .begin(&stream, state_store::Seq::START)
            .map_err(ScenarioFailed::during("writing to a store"))?
            .commit(vec![added.to_entry()])
            .map_err(ScenarioFailed::during("writing to a store"))?;
        Ok(Self { file, store, plan })
    }

    fn evaluate_file(&self) -> Result<u64, ScenarioFailed> {
        let bytes = fs::read(&self.file).map_err(ScenarioFailed::during("reading a plan"))?;
        let reading = read("plan.json", &bytes, None, &Limits::default())
            .map_err(ScenarioFailed::during("parsing a plan"))?;
        evaluate(&reading.plan)
    }

    fn evaluate_store(&self) -> Result<u64, ScenarioFailed> {
        let state = State::load(&self.store, &StreamName::workspace())
            .map_err(ScenarioFailed::during("reading a store"))?
            .state;
        evaluate(&state.projects()[0].plan)
    }

    /// Asks the system to drop the file's pages; one that does not know how goes on with a warm file.
    fn cool(&self) -> Result<(), ScenarioFailed> {
        let file = fs::File::open(&self.file).map_err(ScenarioFailed::during("opening a plan"))?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
            .map_err(ScenarioFailed::during("dropping a file's pages"))?;
        drop(file);
        Ok(())
    }
}

/// Analyses the plan, schedules it on ten agents, and lets the schedule run by its rules; returns how long it would take.
fn evaluate(plan: &Plan) -> Result<u64, ScenarioFailed> {
    let graph = TaskGraph::new(plan).map_err(|defects| format!("{defects:?}"));
    let graph = graph.map_err(ScenarioFailed::during("building a graph"))?;
    let analysis = Analysis::of(plan, &graph);
    let agents = generalists(plan);
    let problem = Problem::new(plan, &graph, &agents).map_err(ScenarioFailed::during("posing a problem"))?;
    let schedule = list_schedule(&problem);
    check(&problem, &schedule)
        .map_err(|violations| format!("{} violations", violations.len()))
        .map_err(ScenarioFailed::during("simulating a schedule"))?;
    std::hint::black_box(analysis);
    Ok(schedule.makespan.as_millis())
}

fn generalists(plan: &Plan) -> Vec<AgentProfile> {
    let all: Vec<_> = plan.tasks.iter().flat_map(|task| task.capabilities.iter().cloned()).collect();
    let agent = |number| AgentProfile {
        name: format!("agent-{number}"),
        capabilities: CapabilitySet::from(all.clone()),
        slots: 1,
        lease_seconds: None,
        labels: Vec::new(),
    };
    (0..AGENTS).map(agent).collect()
}

fn record_sources(sources: &Sources, rounds: usize, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let expected = evaluate(&sources.plan)?;
    let timed = |evaluated: &dyn Fn() -> Result<u64, ScenarioFailed>| -> Result<f64, ScenarioFailed> {
        let begun = Instant::now();
        let found = evaluated()?;
        let took = begun.elapsed().as_secs_f64();
        if found == expected {
            Ok(took)
        } else {
            Err("another result").map_err(ScenarioFailed::during("evaluating again"))
        }
    };
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..rounds {
        if round > 0 && recorder.out_of_time() {
            break;
        }
        sources.cool()?;
        let cold = timed(&|| sources.evaluate_file())?;
        let warm = timed(&|| sources.evaluate_file())?;
        let store = timed(&|| sources.evaluate_store())?;
        let memory = timed(&|| evaluate(&sources.plan))?;
        for (all, one) in times.iter_mut().zip([cold, warm, store, memory]) {
            all.push(one);
        }
    }
    let over_memory = |from: &[f64]| from.iter().zip(&times[3]).map(|(from, memory)| from / memory).collect();
    recorder.record(
        "speedup/cold-file",
        "from a cold file over from memory, pair by pair",
        Unit::Ratio,
        over_memory(&times[0]),
    );
    recorder.record(
        "speedup/store",
        "from the store over from memory, pair by pair",
        Unit::Ratio,
        over_memory(&times[2]),
    );
    let names = ["cold-file", "warm-file", "store", "memory"];
    for (name, times) in names.into_iter().zip(times) {
        recorder.record(format!("evaluate/{name}"), "one evaluation", Unit::Seconds, times);
    }
    Ok(())
}

/// Evaluates the same plans on one, two and four threads.
fn record_threads(plan: &Plan, rounds: usize, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let mut speedups: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        let walls = THREADS.map(|threads| on_threads(plan, threads));
        let [alone, ..] = &walls;
        let alone = alone.as_ref().map_or(f64::NAN, |wall| *wall);
        for (speedups, wall) in speedups.iter_mut().zip(walls) {
            speedups.push(alone / wall?);
        }
    }
    for (threads, speedups) in THREADS.into_iter().zip(speedups).skip(1) {
        let efficiency = speedups.iter().map(|speedup| speedup / threads as f64).collect();
        recorder.record(
            format!("parallel/{threads}"),
            "how many times as fast as on one thread",
            Unit::Ratio,
            speedups,
        );
        recorder.record(format!("efficiency/{threads}"), "the same by thread", Unit::Ratio, efficiency);
    }
    Ok(())
}

fn on_threads(plan: &Plan, threads: usize) -> Result<f64, ScenarioFailed> {
    let begun = Instant::now();
    let work = || (0..PLANS / threads).try_for_each(|_| evaluate(plan).map(drop));
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(_) => Err("a thread panicked").map_err(ScenarioFailed::during("evaluating on threads")),
        })
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Watches what evaluations leave behind.
fn record_memory(plan: &Plan, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    const CYCLES: usize = 8;
    const EVALUATIONS: usize = 10;
    let mut live = Vec::with_capacity(CYCLES);
    for _ in 0..CYCLES {
        for _ in 0..EVALUATIONS {
            evaluate(plan)?;
        }
        live.extend(anonymous_memory().map(|bytes| bytes as f64));
    }
    let Some(growth) = growth_by_operation(&live, EVALUATIONS) else {
        recorder.note("this system does not tell the memory, so what is left behind is not measured");
        return Ok(());
    };
    let grows = growth.verdict == GrowthVerdict::Grows;
    let steps: Vec<f64> =
        live.windows(2).skip(1).map(|pair| (pair[1] - pair[0]) / EVALUATIONS as f64).collect();
    recorder.record(
        "left-behind",
        "resident memory more after an evaluation than before",
        Unit::Bytes,
        steps,
    );
    recorder.note(format!(
        "memory {}: {:.0} bytes by evaluation; the least that could have been told is {:.0}",
        if grows { "grows" } else { "does not grow" },
        growth.bytes_by_operation,
        growth.smallest_visible
    ));
    Ok(())
}
