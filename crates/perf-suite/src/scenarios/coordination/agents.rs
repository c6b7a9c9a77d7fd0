//! BENCH-002: 2 to 20 agents on ten tasks each, with complex dependencies.
//!
//! Measured from outside the coordinator. The latency of an assignment counts from the last thing that had to happen outside
//! (the last result that the task waits for was handed in, and its agent handed in what it had before) to the beginning of
//! the work: keeping the results, their landing and every flush are in it. Success: every run ends within its time (no
//! deadlock), all tasks are completed, the log is sound. A run that is stuck or loses a task is no figure but a failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_coordinator::ShutDown;
use agent_coordinator::executor::{InProcess, Job, Outcome};
use parking_lot::Mutex;
use planner_core::Plan;
use planner_core::random::Random;
use state_store::task::{Event, TaskState, Transition};

use super::by_profile;
use super::world::{Ended, Seen, World, plan, task, write};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// Agents that share a plan.
#[derive(Debug, Clone, Copy)]
pub struct Coordination;

const TASKS_EACH: usize = 10;
/// How long a task is worked on: long beside a flush, so that agents are busy as they would be.
const WORK: Duration = Duration::from_millis(20);
/// Of every so many tasks, one also changes a file that others change.
const SHARED_EVERY: usize = 5;

impl Scenario for Coordination {
    fn id(&self) -> &str {
        "BENCH-002"
    }

    fn statement(&self) -> &str {
        "2 to 20 agents on ten tasks each with complex dependencies, landing in git, over SQLite with full flushes"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let counts: &[usize] =
            by_profile(profile, [&[2], &[2, 5, 10, 15, 20], &[2, 5, 10, 15, 20], &[2, 5, 10, 15, 20]]);
        let rounds = by_profile(profile, [1, 1, 6, 20]);
        let mut runs: HashMap<usize, Vec<Measured>> = HashMap::new();
        for round in 0..rounds {
            for agents in counts {
                if round > 0 && recorder.out_of_time() {
                    break;
                }
                runs.entry(*agents).or_default().push(run(*agents, round as u64)?);
            }
        }
        for agents in counts {
            record(*agents, &runs[agents], recorder);
        }
        record_degradation(counts, &runs, recorder);
        recorder.note("agents work for 20 ms a task; one task in five also changes a file that others change, so some results are in conflict");
        recorder.note("an assignment counts from the last result that it waits for, and its agent's own last one, to the beginning of the work");
        Ok(())
    }
}

/// What one run came to.
struct Measured {
    register: f64,
    assignments: Vec<f64>,
    resolutions: Vec<f64>,
    wall: f64,
    /// The wall's time over the least that any coordination could reach.
    over_bound: f64,
    /// How far the agent that is furthest from an even share of the work is from it, as a part of that share.
    imbalance: f64,
}

/// What the agents noted: when each task was handed in and began, and when each agent handed in last.
#[derive(Default)]
struct Notes {
    ended: HashMap<String, Instant>,
    agent_free: HashMap<String, Instant>,
    assignments: Vec<f64>,
}

fn run(agents: usize, seed: u64) -> Result<Measured, ScenarioFailed> {
    let tasks = agents * TASKS_EACH;
    let plan = complex(tasks, agents, seed);
    let chain = longest_chain(&plan);
    let notes = Arc::new(Mutex::new(Notes::default()));
    let begun_at = Arc::new(Mutex::new(Instant::now()));
    let shared = [write("shared.md", "first\n")];
    let world = World::begin(&shared, worker(Arc::clone(&notes), Arc::clone(&begun_at)))?;
    let observed = world.observe();
    let project = world.enter(plan)?;
    *begun_at.lock() = Instant::now();
    let begun = Instant::now();
    let register = world.register(agents)?;
    world.settle(project)?;
    let wall = begun.elapsed().as_secs_f64();
    let ended = world.end(ShutDown::Drain)?;
    check(&ended)?;
    let seen = ended.seen(observed)?;
    let (imbalance, resolutions) = (imbalance(&seen, agents), resolutions(&seen));
    let bound = WORK.as_secs_f64() * (tasks as f64 / agents as f64).max(chain as f64);
    let assignments = std::mem::take(&mut notes.lock().assignments);
    let (register, over_bound) = (register.as_secs_f64(), wall / bound);
    Ok(Measured { register, assignments, resolutions, wall, over_bound, imbalance })
}

/// Returns five layers of tasks, each of which waits for one to three of the layer before.
fn complex(tasks: usize, agents: usize, seed: u64) -> Plan {
    let width = tasks / 5;
    let mut random = Random::of([2, agents as u64, seed]);
    let made = (0..tasks).map(|number| {
        let layer = number / width;
        let mut after: Vec<usize> = (0..if layer == 0 { 0 } else { 1 + random.below(3) })
            .map(|_| (layer - 1) * width + random.below(width))
            .collect();
        after.sort_unstable();
        after.dedup();
        task(number, &after)
    });
    plan(&format!("bench-002-{agents}-{seed}"), made.collect())
}

fn longest_chain(plan: &Plan) -> usize {
    let mut depths: HashMap<&str, usize> = HashMap::new();
    for task in &plan.tasks {
        let before = task.dependencies.iter().map(|dependency| depths[dependency.on.as_str()]).max();
        depths.insert(task.id.as_str(), before.unwrap_or(0) + 1);
    }
    depths.into_values().max().unwrap_or(0)
}

fn worker(
    notes: Arc<Mutex<Notes>>,
    begun_at: Arc<Mutex<Instant>>,
) -> impl agent_coordinator::executor::AgentExecutor {
    InProcess::new(move |job: Job| {
        let (notes, begun_at) = (Arc::clone(&notes), Arc::clone(&begun_at));
        async move {
            note_begin(&mut notes.lock(), *begun_at.lock(), &job);
            tokio::time::sleep(WORK).await;
            let edits = edits(&job);
            let mut notes = notes.lock();
            notes.ended.insert(job.task().id.to_string(), Instant::now());
            notes.agent_free.insert(job.agent.clone(), Instant::now());
            edits
        }
    })
}

fn note_begin(notes: &mut Notes, begun_at: Instant, job: &Job) {
    // A further attempt waits for its own time to come round again, which is no assignment's fault.
    if job.attempt > 1 || job.handover.is_some() {
        return;
    }
    let results = job.task().dependencies.iter().filter_map(|on| notes.ended.get(on.on.as_str()));
    let last = results.chain(notes.agent_free.get(&job.agent)).max().copied().unwrap_or(begun_at);
    notes.assignments.push(last.max(begun_at).elapsed().as_secs_f64());
}

fn edits(job: &Job) -> Outcome {
    let id = job.task().id.to_string();
    let mut edits = vec![write(&format!("work/{id}.md"), format!("# {id}\n"))];
    if (job.key.task as usize).is_multiple_of(SHARED_EVERY) {
        let Some(base) = &job.base else { return Outcome::Failed("no files to begin from".to_owned()) };
        let path = git_ops::RepoPath::new("shared.md").expect("the path is plain");
        match base.files().and_then(|files| files.read(&path)) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
                edits.push(write("shared.md", format!("{text}{id}\n")));
            }
            Err(error) => return Outcome::Unable(error.to_string()),
        }
    }
    Outcome::Done(edits)
}

/// Checks that every task was completed.
fn check(ended: &Ended) -> Result<(), ScenarioFailed> {
    let records = ended.state.projects().iter().flat_map(|project| &project.tasks);
    match records.map(|record| &record.state).find(|state| !matches!(state, TaskState::Completed(_))) {
        Some(state) => Err(format!("a task is {}", state.name()))
            .map_err(ScenarioFailed::during("completing every task")),
        None => Ok(()),
    }
}

/// Returns how far the agent that was given least or most, further attempts included, is from an even share.
fn imbalance(seen: &[Seen], agents: usize) -> f64 {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for (_, recorded) in seen {
        if let Event::Task { transition: Transition::Assign(lease), .. } = &recorded.event {
            *counts.entry(lease.agent.0).or_default() += 1;
        }
    }
    if counts.len() < agents {
        // An agent that was given nothing does not show in the counts.
        return 1.0;
    }
    let share = counts.values().sum::<usize>() as f64 / agents as f64;
    counts.values().map(|count| (*count as f64 - share).abs() / share).fold(0.0, f64::max)
}

/// Returns how long each conflict took from being recorded until the task had landed.
pub(super) fn resolutions(seen: &[Seen]) -> Vec<f64> {
    let mut open = HashMap::new();
    let mut found = Vec::new();
    for (at, recorded) in seen {
        let Event::Task { task, transition } = &recorded.event else { continue };
        if matches!(transition, Transition::Conflict { .. }) {
            open.entry(*task).or_insert(*at);
        } else if matches!(transition, Transition::Land { .. })
            && let Some(since) = open.remove(task)
        {
            found.push(at.duration_since(since).as_secs_f64());
        }
    }
    found
}

fn record(agents: usize, runs: &[Measured], recorder: &mut Recorder) {
    let each = |of: fn(&Measured) -> f64| runs.iter().map(of).collect::<Vec<_>>();
    recorder.record(
        format!("register/{agents}"),
        "registering all agents, durably",
        Unit::Seconds,
        each(|run| run.register),
    );
    recorder.record(
        format!("assign/{agents}"),
        "one assignment, from what it waited for to the beginning of the work",
        Unit::Seconds,
        runs.iter().flat_map(|run| run.assignments.iter().copied()).collect(),
    );
    recorder.record(
        format!("register-and-assign/{agents}"),
        "registering, and all assignments of a run added up",
        Unit::Seconds,
        each(|run| run.register + run.assignments.iter().sum::<f64>()),
    );
    recorder.record(format!("run/{agents}"), "a whole run", Unit::Seconds, each(|run| run.wall));
    recorder.record(
        format!("overhead/{agents}"),
        "a whole run over the least that any coordination could reach",
        Unit::Ratio,
        each(|run| run.over_bound),
    );
    recorder.record(
        format!("imbalance/{agents}"),
        "how far the agent that was given most or least is from an even share, as a part of it",
        Unit::Ratio,
        each(|run| run.imbalance),
    );
    let resolutions: Vec<f64> = runs.iter().flat_map(|run| run.resolutions.iter().copied()).collect();
    if !resolutions.is_empty() {
        recorder.record(
            format!("conflict/{agents}"),
            "from a conflict to the landing of what resolved it",
            Unit::Seconds,
            resolutions,
        );
    }
}

/// Records how an assignment among the most agents compares with one among the fewest, run by run.
fn record_degradation(counts: &[usize], runs: &HashMap<usize, Vec<Measured>>, recorder: &mut Recorder) {
    let ([few, ..], [.., many]) = (counts, counts) else { return };
    let typical = |run: &Measured| {
        crate::stats::Sample::new(run.assignments.clone())
            .map_or(f64::NAN, |sample| crate::stats::median(&sample))
    };
    let ratios = runs[many].iter().zip(&runs[few]).map(|(many, few)| typical(many) / typical(few));
    recorder.record(
        "degradation",
        "the median assignment among the most agents over that among the fewest, run by run",
        Unit::Ratio,
        ratios.collect(),
    );
}
