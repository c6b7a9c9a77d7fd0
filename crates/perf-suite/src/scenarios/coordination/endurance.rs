//! BENCH-005: 30 minutes of 5 operations a second on 1,000 tasks with 10 agents.
//!
//! The four kinds of operations come from a timeline and are asked of the running coordinator. Tasks that have been worked on are
//! done again, so that what the workspace must remember stays as much, and memory that grows is not needed. Success: no
//! leak, memory at its peak below twice its beginning, no operation longer than 100 ms.

mod memory;

use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::ShutDown;
use git_ops::{ReadError, Repository};

use super::by_profile;
use super::operations::{Operations, agents, files};
use super::probe::{FlushProbe, PollProbe, flush_pauses};
use super::world::{Ended, World};
use crate::load::{Done, LoadOutcome, OpenLoad, response_quantile};
use crate::monitor::{INTERVAL, Monitor};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;
use crate::timeline::{Operation, OperationKind, Timeline};

use memory::MemoryLog;

/// Operations for a long time.
#[derive(Debug, Clone, Copy)]
pub struct Endurance;

const AGENTS: usize = 10;
const RATE: f64 = 5.0;
/// How often each kind is asked for: transitions, assignments, agents' status, changes of dependencies.
const WEIGHTS: [u32; 4] = [5, 1, 3, 1];
/// How many asks are at once under way at the most.
const WORKERS: usize = 8;
const WINDOWS: usize = 30;
/// How long an agent works on a task.
const WORK: Duration = Duration::from_millis(50);

impl Scenario for Endurance {
    fn id(&self) -> &str {
        "BENCH-005"
    }

    fn statement(&self) -> &str {
        "30 minutes of 5 operations a second of four kinds, on 1,000 tasks with 10 agents that land their work in git"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let seconds = match profile {
            Profile::Soak => 6 * 3600,
            _ => by_profile(profile, [1, 4, 60, 1800]),
        };
        let tasks = by_profile(profile, [60, 200, 1000, 1000]);
        let world = World::begin(&files(), agents(WORK))?;
        let operations = Operations::enter(&world, tasks, AGENTS)?;
        let outcome = endure(&world, &operations, Duration::from_secs(seconds), recorder)?;
        let landed =
            landed(&world.end(ShutDown::Drain)?).map_err(ScenarioFailed::during("counting commits"))?;
        recorder.note(format!(
            "{} operations in {seconds} s on {tasks} tasks; {} results landed, of {} tasks; {}; {} failed{}",
            outcome.done.len(),
            landed,
            operations.freed().min(operations.worked()),
            outcome.keeping_up(),
            outcome.done.iter().filter(|done| !done.is_well).count(),
            outcome.first_failure.map_or_else(String::new, |why| format!(": {why}")),
        ));
        Ok(())
    }
}

fn endure(
    world: &World,
    operations: &Operations,
    length: Duration,
    recorder: &mut Recorder,
) -> Result<LoadOutcome, ScenarioFailed> {
    let memory = Arc::new(MemoryLog::lasting(length));
    let seen = Arc::clone(&memory);
    let monitor = Monitor::start(INTERVAL, move |usage| seen.add(usage))
        .map_err(ScenarioFailed::during("starting a thread"))?;
    let poll = PollProbe::start(world.runtime());
    let flush = FlushProbe::start(world.folder())?;
    let before = recorder.begun().elapsed().as_secs_f64();
    let count = (RATE * length.as_secs_f64()) as usize;
    let timeline: Vec<Operation> = Timeline::new(RATE, WEIGHTS, 5).take(count).collect();
    let load = OpenLoad { rate: RATE, length, workers: WORKERS };
    let outcome = load.run(&recorder.gauge(), |_, number| operations.ask(world, timeline[number as usize]));
    drop(monitor.finish());
    let flushes = flush.finish()?;
    recorder.pauses(flush_pauses(&flushes, recorder.begun()));
    recorder.pauses(poll.finish(world.runtime(), recorder.begun())?);
    recorder.operations(outcome.operations(before));
    record_operations(&timeline, &outcome.done, recorder);
    memory.record(RATE, recorder);
    Ok(outcome)
}

/// Returns how many commits the branch has more than it began with.
fn landed(ended: &Ended) -> Result<usize, ReadError> {
    match (ended.repository.head()?, ended.repository.tip(&ended.branch)?) {
        (Some(from), Some(to)) => Repository::distance(&ended.repository, from, to),
        (_, None) | (None, _) => Ok(0),
    }
}

fn record_operations(timeline: &[Operation], done: &[Done], recorder: &mut Recorder) {
    for kind in OperationKind::ALL {
        let of_kind = timeline.iter().zip(done).filter(|(operation, _)| operation.kind == kind);
        let samples: Vec<f64> = of_kind.map(|(_, done)| done.response()).collect();
        if !samples.is_empty() {
            let what = "one operation, from when it was due to its answer";
            recorder.record(format!("operation/{}", kind.as_str()), what, Unit::Seconds, thinned(samples));
        }
    }
    let windows = WINDOWS.min(done.len().max(1));
    let last = done.last().map_or(0.0, |done| done.due).max(f64::MIN_POSITIVE);
    let chunks: Vec<&[Done]> =
        done.chunk_by(|a, b| window(a, last, windows) == window(b, last, windows)).collect();
    recorder.record(
        "pause/longest",
        "the slowest operation of a thirtieth of the time: whatever made it wait is in it",
        Unit::Seconds,
        chunks.iter().map(|chunk| response_quantile(chunk, 1.0)).collect(),
    );
    recorder.record(
        "pause/p99",
        "the 99th percentile of a thirtieth of the time",
        Unit::Seconds,
        chunks.iter().map(|chunk| response_quantile(chunk, 0.99)).collect(),
    );
    let medians: Vec<f64> = chunks.iter().map(|chunk| response_quantile(chunk, 0.5)).collect();
    let (earlier, later) = medians.split_at(medians.len() / 2);
    recorder.record(
        "stable",
        "the median operation of the later half over that of the earlier half, stretch by stretch",
        Unit::Ratio,
        later.iter().zip(earlier).map(|(later, earlier)| later / earlier).collect(),
    );
}

fn window(done: &Done, last: f64, windows: usize) -> usize {
    ((done.due / last * windows as f64) as usize).min(windows - 1)
}

/// Keeps a thousand at the most, evenly.
fn thinned(samples: Vec<f64>) -> Vec<f64> {
    let every = samples.len().div_ceil(1000).max(1);
    samples.into_iter().step_by(every).collect()
}
