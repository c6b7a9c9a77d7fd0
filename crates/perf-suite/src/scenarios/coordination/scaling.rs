//! SCALING: how much gets done by 1 to 100 agents at once (full: to 1,000), with a fit of the Universal Scalability Law; a plan of
//! 5,000 tasks with 20 agents that is asked while it runs; and 10 agents on 200 tasks.
//!
//! Agents hand their work in at once, so that the coordinator, the disk and git are what limits: what is found is where the
//! system ends and not the agents. On two processors the machine is part of that end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use agent_coordinator::ShutDown;
use agent_coordinator::engine::{AgentSpec, Command};
use agent_coordinator::executor::{AgentExecutor, InProcess, Job, Outcome};
use planner_core::CapabilitySet;
use state_store::task::TaskKey;

use super::by_profile;
use super::world::{World, plan, task, write};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;
use crate::stats::fit_scalability;

/// More and more agents.
#[derive(Debug, Clone, Copy)]
pub struct Scaling;

impl Scenario for Scaling {
    fn id(&self) -> &str {
        "SCALING"
    }

    fn statement(&self) -> &str {
        "tasks a second that land, by 1 to 100 agents at once; 5,000 tasks that are asked about while they run"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let counts: &[usize] = by_profile(
            profile,
            [
                &[1, 4],
                &[1, 4, 16, 64, 100],
                &[1, 2, 4, 8, 16, 32, 64, 100],
                &[1, 2, 4, 8, 16, 32, 64, 100, 300, 1000],
            ],
        );
        let rounds = by_profile(profile, [1, 1, 6, 6]);
        let mut points = Vec::new();
        for agents in counts {
            let mut rates = Vec::new();
            for _ in 0..rounds {
                rates.push(throughput(*agents, by_profile(profile, [12, 100, 200, 400]).max(*agents))?);
            }
            points.extend(rates.iter().map(|rate| (*agents as f64, *rate)));
            recorder.record(
                format!("throughput/{agents}"),
                "tasks a second, from being handed out to being on the branch",
                Unit::PerSecond,
                rates,
            );
        }
        record_law(&points, recorder);
        record_large(
            by_profile(profile, [200, 5000, 5000, 5000]),
            by_profile(profile, [1, 1, 6, 6]),
            recorder,
        )?;
        record_multi(by_profile(profile, [1, 1, 6, 6]), recorder)
    }
}

fn at_once() -> impl AgentExecutor {
    InProcess::new(|job: Job| async move {
        let id = job.task().id.to_string();
        Outcome::Done(vec![write(&format!("work/{id}.md"), format!("# {id}\n"))])
    })
}

fn throughput(agents: usize, tasks: usize) -> Result<f64, ScenarioFailed> {
    let world = World::begin(&[write("README.md", "first\n")], at_once())?;
    let project = world.enter(plan("scaling", (0..tasks).map(|number| task(number, &[])).collect()))?;
    let begun = Instant::now();
    world.register(agents)?;
    world.settle(project)?;
    let rate = tasks as f64 / begun.elapsed().as_secs_f64();
    world.end(ShutDown::Drain)?;
    Ok(rate)
}

fn record_law(points: &[(f64, f64)], recorder: &mut Recorder) {
    let Some(law) = fit_scalability(points) else { return };
    recorder.record(
        "usl/contention",
        "the share that cannot go on at the same time",
        Unit::Ratio,
        vec![law.contention],
    );
    recorder.record("usl/coherence", "what each costs every other", Unit::Ratio, vec![law.coherence]);
    recorder.record(
        "usl/r-squared",
        "the share of the variation that the law explains",
        Unit::Ratio,
        vec![law.r_squared],
    );
    let peak = law.peak().map_or("more agents are always better".to_owned(), |peak| {
        format!("{peak:.0} agents get the most done: {:.0} tasks a second", law.throughput(peak))
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    recorder.note(format!(
        "Universal Scalability Law: {peak}; agents here take no time of their own, and with more of them than the {cores} \
         processors what is measured is the queue for those"
    ));
}

/// Asks a coordinator that works on a large plan.
fn record_large(tasks: usize, rounds: usize, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let (mut entering, mut holding, mut looking) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let agents = InProcess::new(|job: Job| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let id = job.task().id.to_string();
            Outcome::Done(vec![write(&format!("work/{id}.md"), format!("# {id}\n"))])
        });
        let world = World::begin(&[write("README.md", "first\n")], agents)?;
        let begun = Instant::now();
        let project = world.enter(plan("large", (0..tasks).map(|number| task(number, &[])).collect()))?;
        entering.push(begun.elapsed().as_secs_f64());
        world.register(20)?;
        for number in 0..20_u32 {
            let key = TaskKey { project, task: tasks as u32 - 1 - number };
            let begun = Instant::now();
            world.handle().submit_blocking(Command::Hold(key)).map_err(ScenarioFailed::during("asking"))?;
            holding.push(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            world.completed(project)?;
            looking.push(begun.elapsed().as_secs_f64());
        }
        world.end(ShutDown::Now)?;
    }
    recorder.record(format!("enter/{tasks}"), "a plan becoming a project, durably", Unit::Seconds, entering);
    recorder.record(
        format!("hold/{tasks}"),
        "putting a task on hold, durably, while 20 agents work",
        Unit::Seconds,
        holding,
    );
    recorder.record(format!("look/{tasks}"), "looking at the state meanwhile", Unit::Seconds, looking);
    Ok(())
}

/// Runs 10 agents on 200 tasks, and asks for their status and more while they work.
fn record_multi(rounds: usize, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let world = World::begin(&[write("README.md", "first\n")], at_once())?;
        let project = world.enter(plan("multi", (0..200).map(|number| task(number, &[])).collect()))?;
        let begun = Instant::now();
        world.register(10)?;
        let is_over = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| keep_telling(&world, &is_over));
            let settled = world.settle(project);
            is_over.store(true, Ordering::Relaxed);
            settled
        })?;
        times.push(begun.elapsed().as_secs_f64());
        world.end(ShutDown::Drain)?;
    }
    recorder.record("multi/200", "10 agents on 200 tasks, landing all of them", Unit::Seconds, times);
    Ok(())
}

/// Has an agent tell that it is there, ten times a second, as agents do.
fn keep_telling(world: &World, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let spec = AgentSpec {
            name: "agent-001".to_owned(),
            capabilities: CapabilitySet::default(),
            slots: 1,
            lease: None,
            labels: Vec::new(),
        };
        // One that is refused is told again; the run is what is measured.
        let _ = world.handle().submit_blocking(Command::RegisterAgents(vec![spec]));
        std::thread::park_timeout(Duration::from_millis(100));
    }
}
