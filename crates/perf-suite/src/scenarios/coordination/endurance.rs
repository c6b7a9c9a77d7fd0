//! BENCH-005: 30 minutes of 5 operations a second on 1,000 tasks with 10 agents.
//!
//! The four kinds of operations come from a timeline: tasks are put on hold and go on, tasks become free and are worked on and
//! land, agents tell that they are there, dependencies change (in the live order of the graph: a plan that runs does not
//! change yet). Success: no leak in the resident memory that no file is behind, its peak below twice its beginning, no
//! operation longer than 100 ms.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent_coordinator::ShutDown;
use agent_coordinator::engine::{AgentSpec, Command};
use agent_coordinator::executor::{AgentExecutor, InProcess, Job, Outcome};
use parking_lot::Mutex;
use planner_core::CapabilitySet;
use planner_core::graph::LiveOrder;
use planner_core::random::Random;
use state_store::task::{ProjectKey, TaskKey};

use super::by_profile;
use super::probe::{FlushProbe, PollProbe, flush_pauses};
use super::world::{World, plan, task, write};
use crate::leak::{GrowthVerdict, growth_over_time};
use crate::load::{Done, OpenLoad, response_quantile};
use crate::monitor::{INTERVAL, Monitor};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;
use crate::timeline::{Operation, OperationKind, Timeline};

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
/// How many files there are from the beginning; each piece of work replaces one of them, so that a later commit is no larger.
const FILES: usize = 400;

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
            _ => by_profile(profile, [1, 6, 60, 1800]),
        };
        let tasks = by_profile(profile, [60, 200, 1000, 1000]);
        let files: Vec<_> =
            (0..FILES).map(|number| write(&file(number), format!("file {number}\n"))).collect();
        let world = World::begin(&files, agents())?;
        let work = Work::enter(&world, tasks)?;
        let length = Duration::from_secs(seconds);
        let outcome = endure(&world, &work, length, recorder)?;
        let ended = world.end(ShutDown::Drain)?;
        let landed = git_ops::Repository::distance(
            &ended.repository,
            ended
                .repository
                .head()
                .ok()
                .flatten()
                .ok_or("no head")
                .map_err(ScenarioFailed::during("reading git"))?,
            ended
                .repository
                .tip(&ended.branch)
                .ok()
                .flatten()
                .ok_or("no branch")
                .map_err(ScenarioFailed::during("reading git"))?,
        )
        .map_err(ScenarioFailed::during("counting commits"))?;
        recorder.note(format!(
            "{} operations in {seconds} s on {tasks} tasks, {landed} of which were worked on and landed; {} late starts, {} \
             never begun, {} failed{}",
            outcome.done.len(),
            outcome.late_starts(),
            outcome.dropped,
            outcome.done.iter().filter(|done| !done.is_well).count(),
            outcome.first_failure.map_or_else(String::new, |why| format!(": {why}")),
        ));
        Ok(())
    }
}

fn endure(
    world: &World,
    work: &Work,
    length: Duration,
    recorder: &mut Recorder,
) -> Result<crate::load::LoadOutcome, ScenarioFailed> {
    let memory = Arc::new(Mutex::new(Vec::new()));
    let samples = Arc::clone(&memory);
    let monitor =
        Monitor::start(INTERVAL, move |usage| samples.lock().push((usage.at, usage.anonymous as f64)))
            .map_err(ScenarioFailed::during("starting a thread"))?;
    let poll = PollProbe::start(world.runtime());
    let flush = FlushProbe::start(world.folder())?;
    let before = recorder.begun().elapsed().as_secs_f64();
    let count = (RATE * length.as_secs_f64()) as usize;
    let timeline: Vec<Operation> = Timeline::new(RATE, WEIGHTS, 5).take(count).collect();
    let load = OpenLoad { rate: RATE, length, workers: WORKERS };
    let outcome = load.run(&recorder.gauge(), |_, number| work.ask(world, timeline[number as usize]));
    drop(monitor.finish());
    let flushes = flush.finish()?;
    recorder.pauses(flush_pauses(&flushes, recorder.begun()));
    recorder.pauses(poll.finish(world.runtime(), recorder.begun())?);
    recorder.operations(outcome.operations(before));
    record_operations(&timeline, &outcome.done, recorder);
    let memory = std::mem::take(&mut *memory.lock());
    record_memory(&memory, recorder);
    Ok(outcome)
}

/// Returns the file that a task replaces.
fn file(task: usize) -> String {
    let file = task % FILES;
    format!("dir-{}/file-{file}.md", file % 20)
}

/// Returns agents that take a moment and write a file.
fn agents() -> impl AgentExecutor {
    InProcess::new(|job: Job| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let id = job.task().id.to_string();
        Outcome::Done(vec![write(&file(job.key.task as usize), format!("# {id}\n"))])
    })
}

/// What operations are about.
struct Work {
    project: ProjectKey,
    tasks: usize,
    /// The tasks up to this one are put on hold and go on; those after it become free, one after another.
    parked: usize,
    next_free: AtomicUsize,
    toggles: Vec<Mutex<bool>>,
    order: Mutex<(LiveOrder, Vec<(u32, u32)>)>,
}

impl Work {
    /// Enters a plan whose tasks all wait, so that no agent takes one before it is free.
    fn enter(world: &World, tasks: usize) -> Result<Self, ScenarioFailed> {
        let parked = tasks / 10;
        // The parked ones wait for a task that stays on hold.
        let made = (0..tasks)
            .map(|number| if (1..parked).contains(&number) { task(number, &[0]) } else { task(number, &[]) });
        let project = world.enter(plan("bench-005", made.collect()))?;
        let key = |number: usize| TaskKey { project, task: number as u32 };
        let held = [0].into_iter().chain(parked..tasks);
        let hold = |number: usize| world.handle().submit_blocking(Command::Hold(key(number)));
        // Several at once, because each waits for its flush.
        let numbers = Mutex::new(held);
        let failed = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    loop {
                        let Some(number) = numbers.lock().next() else { return };
                        if let Err(error) = hold(number) {
                            failed.lock().get_or_insert(error);
                        }
                    }
                });
            }
        });
        if let Some(error) = failed.into_inner() {
            return Err(error).map_err(ScenarioFailed::during("putting tasks on hold"));
        }
        world.register(AGENTS)?;
        let mut order = LiveOrder::default();
        for _ in 0..tasks {
            order.add_node();
        }
        Ok(Self {
            project,
            tasks,
            parked,
            next_free: AtomicUsize::new(parked),
            toggles: (0..parked).map(|_| Mutex::new(false)).collect(),
            order: Mutex::new((order, Vec::new())),
        })
    }

    fn key(&self, number: usize) -> TaskKey {
        TaskKey { project: self.project, task: number as u32 }
    }

    fn ask(&self, world: &World, operation: Operation) -> Result<(), String> {
        let mut random = Random::new(operation.draw);
        match operation.kind {
            OperationKind::Transition => self.toggle(world, 1 + random.below(self.parked - 1)),
            OperationKind::Assignment => {
                let number = self.next_free.fetch_add(1, Ordering::Relaxed);
                // Where all have been worked on, one of the parked ones moves instead.
                if number < self.tasks {
                    submit(world, Command::Resume(self.key(number)))
                } else {
                    self.toggle(world, 1 + random.below(self.parked - 1))
                }
            }
            OperationKind::AgentStatus => {
                let name = format!("agent-{:03}", 1 + random.below(AGENTS));
                let spec = AgentSpec { name, capabilities: CapabilitySet::default(), slots: 1 };
                submit(world, Command::RegisterAgents(vec![spec]))
            }
            OperationKind::DependencyChange => {
                self.change_dependencies(&mut random);
                Ok(())
            }
        }
    }

    fn toggle(&self, world: &World, number: usize) -> Result<(), String> {
        // The lock is held until the answer: another client that moves the same task comes after.
        let mut is_held = self.toggles[number].lock();
        let key = self.key(number);
        submit(world, if *is_held { Command::Resume(key) } else { Command::Hold(key) })?;
        *is_held = !*is_held;
        Ok(())
    }

    /// Adds a dependency or takes one away.
    fn change_dependencies(&self, random: &mut Random) {
        let mut locked = self.order.lock();
        let (order, edges) = &mut *locked;
        if edges.len() > 2 * self.tasks {
            let (from, to) = edges.swap_remove(random.below(edges.len()));
            order.remove_edge(from, to);
            return;
        }
        let (from, to) = (random.below(self.tasks) as u32, random.below(self.tasks) as u32);
        if from == to || edges.contains(&(from, to)) {
            return;
        }
        // One that would close a circle is refused, which is the right answer.
        if order.add_edge(from, to).is_ok() {
            edges.push((from, to));
        }
    }
}

fn submit(world: &World, command: Command) -> Result<(), String> {
    world.handle().submit_blocking(command).map(drop).map_err(|error| error.to_string())
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

fn record_memory(memory: &[(f64, f64)], recorder: &mut Recorder) {
    let Some(growth) = growth_over_time(memory) else {
        recorder.note("the run was too short for a verdict on memory, or this system does not tell");
        return;
    };
    recorder.record(
        "memory/baseline",
        "resident memory that no file is behind, after warming up: the first sixth of the blocks",
        Unit::Bytes,
        growth.baseline.clone(),
    );
    let baseline = growth.baseline.iter().sum::<f64>() / growth.baseline.len() as f64;
    recorder.record(
        "memory/over-baseline",
        "the most of each block after warming up over the baseline",
        Unit::Ratio,
        growth.peaks.iter().map(|peak| peak / baseline).collect(),
    );
    recorder.record(
        "memory/growth-per-hour",
        "Theil-Sen slope over blocks after warming up: its lower end, itself, its upper end",
        Unit::Bytes,
        vec![
            growth.slope.interval.low * 3600.0,
            growth.slope.slope * 3600.0,
            growth.slope.interval.high * 3600.0,
        ],
    );
    let is_leak = matches!(growth.verdict, GrowthVerdict::Grows);
    recorder.record(
        "leak",
        "whether the memory grows steadily after warming up: 1 where both tests say so, else 0 (the same six times, as a verdict has no spread)",
        Unit::Ratio,
        vec![f64::from(u8::from(is_leak)); 6],
    );
    recorder.note(format!(
        "memory {}; the smallest steady growth that this run could have told is {} an hour",
        growth.verdict.as_str(),
        Unit::Bytes.format(growth.smallest_visible * 3600.0)
    ));
}
