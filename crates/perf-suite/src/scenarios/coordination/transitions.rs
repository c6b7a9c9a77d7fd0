//! BENCH-003: 10 to 500 state transitions a second, while 8 agents are at work.
//!
//! A transition puts a task on hold or lets it go on, asked of the running coordinator by one of 8 clients and answered when
//! it is durable. They are due at a steady rate whatever the coordinator does, and count from when they were due. Success:
//! less than one in a hundred fails at 200 a second, each within 100 ms; every task is in the state that its last accepted
//! transition left it in, as the log tells when it is read again. Anything else is a failure of the scenario, not a figure.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agent_coordinator::ShutDown;
use agent_coordinator::engine::Command;
use agent_coordinator::executor::{InProcess, Job, Outcome};
use state_store::task::{ProjectKey, StateName, TaskKey};

use super::by_profile;
use super::probe::{FlushProbe, PollProbe, flush_pauses};
use super::world::{World, plan, task, write};
use crate::load::{Done, LoadOutcome, OpenLoad};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// Transitions at a rate.
#[derive(Debug, Clone, Copy)]
pub struct Transitions;

const AGENTS: usize = 8;
const TASKS_EACH: usize = 25;
/// The stretches of a load whose quantiles are its samples.
const WINDOWS: usize = 10;
/// How many single responses of a rate are kept.
const SAMPLES_MAX: usize = 1000;

impl Scenario for Transitions {
    fn id(&self) -> &str {
        "BENCH-003"
    }

    fn statement(&self) -> &str {
        "10 to 500 durable state transitions a second, due at a steady rate, while 8 agents are at work"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let rates: &[u32] = by_profile(
            profile,
            [&[50], &[10, 50, 100, 200, 500], &[10, 50, 100, 200, 500], &[10, 50, 100, 200, 500]],
        );
        let length = by_profile(profile, [400, 1_200, 8_000, 60_000]);
        let mut kept = Vec::new();
        for rate in rates {
            if recorder.gauge().is_stopped() {
                break;
            }
            let throughput = at_rate(*rate, Duration::from_millis(length), recorder)?;
            kept.push((*rate, throughput));
        }
        record_degradation(&kept, recorder);
        recorder.note(format!(
            "each rate for {:.1} s; a transition counts from when it was due, so what waits behind a slow one is slow too",
            length as f64 / 1000.0
        ));
        Ok(())
    }
}

/// Runs one rate on a world of its own; returns how many transitions a second ended well in each stretch.
fn at_rate(rate: u32, length: Duration, recorder: &mut Recorder) -> Result<Vec<f64>, ScenarioFailed> {
    let world = World::begin(&[write("README.md", "first\n")], busy_agents())?;
    let quiet = quiet_flushes(&world)?;
    let project = enter(&world)?;
    let tasks = Tasks::new(project);
    let poll = PollProbe::start(world.runtime());
    let flush = FlushProbe::start(world.folder())?;
    let before = recorder.begun().elapsed();
    let load = OpenLoad { rate: f64::from(rate), length, workers: AGENTS };
    let outcome = load.run(&recorder.gauge(), |client, number| tasks.toggle(&world, client, number));
    let flushes = flush.finish()?;
    recorder.pauses(flush_pauses(&flushes, recorder.begun()));
    recorder.pauses(poll.finish(world.runtime(), recorder.begun())?);
    recorder.operations(outcome.operations(before.as_secs_f64()));
    let checkpoints = world.checkpoints();
    let ended = world.end(ShutDown::Now)?;
    tasks.check(&ended.state)?;
    let accepted = tasks.accepted.load(Ordering::Relaxed);
    record(rate, &outcome, recorder);
    let busy: Vec<f64> = flushes.iter().map(|(_, length)| length.as_secs_f64()).collect();
    recorder.record(
        format!("contention/{rate}"),
        "a flush of another file on the same disk while this goes on, over its median before",
        Unit::Ratio,
        busy.iter().map(|flush| flush / quiet).collect(),
    );
    recorder.note(format!(
        "at {rate}/s: {accepted} transitions in {} flushes, {checkpoints} checkpoints, {}{}",
        ended.flushes,
        outcome.keeping_up(),
        outcome.first_failure.map_or_else(String::new, |why| format!("; the first that failed: {why}")),
    ));
    Ok(throughputs(&outcome.done, f64::from(rate)))
}

/// Returns agents that keep their task until they are told to stop.
fn busy_agents() -> impl agent_coordinator::executor::AgentExecutor {
    InProcess::new(|job: Job| async move {
        job.stop.cancelled().await;
        Outcome::Failed("stopped".to_owned())
    })
}

/// Returns the median of a few flushes before anything else goes on.
fn quiet_flushes(world: &World) -> Result<f64, ScenarioFailed> {
    let path = world.folder().join("quiet");
    let mut times = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        std::fs::File::create(&path)
            .and_then(|mut file| {
                std::io::Write::write_all(&mut file, &[0; 512])?;
                file.sync_data()
            })
            .map_err(ScenarioFailed::during("flushing a file"))?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Enters a plan, gives each agent a task that keeps it busy, and leaves the others waiting.
fn enter(world: &World) -> Result<ProjectKey, ScenarioFailed> {
    let busy = (0..AGENTS).map(|number| task(number, &[]));
    // They wait for a task that never ends, so that no agent takes them while they are not on hold.
    let waiting = (AGENTS..AGENTS * (1 + TASKS_EACH)).map(|number| task(number, &[0]));
    let project = world.enter(plan("bench-003", busy.chain(waiting).collect()))?;
    world.register(AGENTS)?;
    Ok(project)
}

/// The tasks that the clients move: each client its own.
struct Tasks {
    project: ProjectKey,
    held: Vec<AtomicBool>,
    accepted: AtomicU64,
}

impl Tasks {
    fn new(project: ProjectKey) -> Self {
        let held = (0..AGENTS * TASKS_EACH).map(|_| AtomicBool::new(false)).collect();
        Self { project, held, accepted: AtomicU64::new(0) }
    }

    fn key(&self, index: usize) -> TaskKey {
        TaskKey { project: self.project, task: (AGENTS + index) as u32 }
    }

    fn toggle(&self, world: &World, client: usize, number: u64) -> Result<(), String> {
        let index = client * TASKS_EACH + (number as usize / AGENTS) % TASKS_EACH;
        let held = &self.held[index];
        let is_held = held.load(Ordering::Relaxed);
        let command = if is_held { Command::Resume(self.key(index)) } else { Command::Hold(self.key(index)) };
        world.handle().submit_blocking(command).map_err(|error| error.to_string())?;
        held.store(!is_held, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Checks that the log tells of each task what was last accepted.
    fn check(&self, state: &state_store::task::State) -> Result<(), ScenarioFailed> {
        let expected = |held: bool| if held { StateName::OnHold } else { StateName::Pending };
        for (index, held) in self.held.iter().enumerate() {
            let found = state.task(self.key(index)).map(|record| record.state.name());
            let expected = expected(held.load(Ordering::Relaxed));
            if found != Some(expected) {
                return Err(format!("{} is {found:?} and should be {expected:?}", self.key(index)))
                    .map_err(ScenarioFailed::during("comparing the log with what was accepted"));
            }
        }
        Ok(())
    }
}

fn record(rate: u32, outcome: &LoadOutcome, recorder: &mut Recorder) {
    let quantiles =
        |share: f64| outcome.by_window(WINDOWS, |done| crate::load::response_quantile(done, share));
    let every = outcome.done.len().div_ceil(SAMPLES_MAX).max(1);
    recorder.record(
        format!("transition/{rate}"),
        "one transition, from when it was due to its durable answer",
        Unit::Seconds,
        outcome.done.iter().step_by(every).map(Done::response).collect(),
    );
    recorder.record(
        format!("p99/{rate}"),
        "the 99th percentile of a tenth of the time",
        Unit::Seconds,
        quantiles(0.99),
    );
    recorder.record(
        format!("slowest/{rate}"),
        "the slowest of a tenth of the time",
        Unit::Seconds,
        quantiles(1.0),
    );
    recorder.record(
        format!("throughput/{rate}"),
        "transitions a second that ended well, by a tenth of the time",
        Unit::PerSecond,
        throughputs(&outcome.done, f64::from(rate)),
    );
    let failed = |done: &[Done]| done.iter().filter(|done| !done.is_well).count() as f64 / done.len() as f64;
    let mut errors = outcome.by_window(WINDOWS, failed);
    if outcome.dropped > 0 {
        // Those that were never begun belong to no stretch; they count in all of them.
        errors.iter_mut().for_each(|rate| *rate = rate.max(outcome.error_rate()));
    }
    recorder.record(
        format!("errors/{rate}"),
        "the share that failed or was never begun, by a tenth of the time",
        Unit::Ratio,
        errors,
    );
}

/// Returns how many a second ended well in each tenth of the time in which they ended.
fn throughputs(done: &[Done], rate: f64) -> Vec<f64> {
    let end = done.iter().map(|done| done.ended).fold(done.len() as f64 / rate, f64::max);
    let width = end / WINDOWS as f64;
    let mut counts = [0_u32; WINDOWS];
    for one in done.iter().filter(|done| done.is_well) {
        counts[((one.ended / width) as usize).min(WINDOWS - 1)] += 1;
    }
    counts.map(|count| f64::from(count) / width).to_vec()
}

/// Records whether the highest rate gets at least as much done as the one below it.
fn record_degradation(kept: &[(u32, Vec<f64>)], recorder: &mut Recorder) {
    let [.., (_, lower), (rate, higher)] = kept else { return };
    recorder.record(
        format!("degradation/{rate}"),
        "what gets done at the highest rate over what gets done at the one below, stretch by stretch",
        Unit::Ratio,
        higher.iter().zip(lower).map(|(higher, lower)| higher / lower).collect(),
    );
}
