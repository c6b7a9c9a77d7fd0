//! CHAOS: faults while tasks are worked on: agents that fail and that panic, and coordinators that are stopped in the middle, one
//! after another.
//!
//! Measured: how long nothing was begun after a coordinator was stopped. Success: all tasks are completed all the same, and the
//! log is sound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_coordinator::ShutDown;
use agent_coordinator::engine::Command;
use agent_coordinator::executor::{AgentExecutor, InProcess, Job, Outcome};
use parking_lot::Mutex;
use planner_core::random::Random;
use state_store::task::{ProjectSettings, TaskState};

use super::world::{STUCK_AFTER, World, plan, task, write};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// Faults while it works.
#[derive(Debug, Clone, Copy)]
pub struct Chaos;

const AGENTS: usize = 8;
const WORK: Duration = Duration::from_millis(20);
/// Of every hundred attempts, so many fail and so many panic.
const FAILING: usize = 10;
const PANICKING: usize = 2;

impl Scenario for Chaos {
    fn id(&self) -> &str {
        "CHAOS"
    }

    fn statement(&self) -> &str {
        "agents that fail and panic, and coordinators that are stopped in the middle, one after another"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let (tasks, stops) = by_profile(profile, [(40, 1), (150, 6), (400, 12), (1000, 30)]);
        let begins = Arc::new(Mutex::new(Vec::new()));
        let mut world = World::begin(&[write("README.md", "first\n")], unsteady(&begins))?;
        let plan = plan("chaos", (0..tasks).map(|number| task(number, &[])).collect());
        let project = world.enter(plan.clone())?;
        world.register(AGENTS)?;
        let mut recoveries = Vec::new();
        for stop in 1..=stops {
            let begun = Instant::now();
            while world.completed(project)? < tasks * stop / (stops + 2) {
                if begun.elapsed() > STUCK_AFTER {
                    return Err("tasks are not completed any more")
                        .map_err(ScenarioFailed::during("waiting for the next stop"));
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
            let stopped = world.replace_coordinator(unsteady(&begins))?;
            let settings = ProjectSettings { branch: Some(world.branch.as_str().to_owned()), checks: false };
            world
                .handle()
                .submit_blocking(Command::Enter { plan: plan.clone(), settings })
                .map_err(ScenarioFailed::during("entering the plan again"))?;
            world.register(AGENTS)?;
            recoveries.push(first_after(&begins, stopped)?.as_secs_f64());
        }
        world.settle(project)?;
        let ended = world.end(ShutDown::Drain)?;
        let records = ended.state.projects().iter().flat_map(|project| &project.tasks);
        let lost = records.filter(|record| !matches!(record.state, TaskState::Completed(_))).count();
        if lost > 0 {
            return Err(format!("{lost} tasks are not completed"))
                .map_err(ScenarioFailed::during("completing every task"));
        }
        recorder.record(
            "recovery",
            "from the stop of a coordinator to the first task that the next one has begun",
            Unit::Seconds,
            recoveries,
        );
        recorder.note(format!(
            "{FAILING} of 100 attempts fail and {PANICKING} panic; {stops} coordinators are stopped; all {tasks} tasks are completed"
        ));
        Ok(())
    }
}

fn unsteady(begins: &Arc<Mutex<Vec<Instant>>>) -> impl AgentExecutor {
    let begins = Arc::clone(begins);
    InProcess::new(move |job: Job| {
        begins.lock().push(Instant::now());
        async move {
            tokio::time::sleep(WORK).await;
            let drawn = Random::of([u64::from(job.key.task), u64::from(job.attempt)]).below(100);
            // The last attempt that a task has is made well, so that no task fails for good.
            if job.attempt == 1 && drawn < PANICKING {
                std::panic::resume_unwind(Box::new("an agent breaks"));
            }
            if job.attempt == 1 && drawn < PANICKING + FAILING {
                return Outcome::Failed("the agent gave up".to_owned());
            }
            let id = job.task().id.to_string();
            Outcome::Done(vec![write(&format!("work/{id}.md"), format!("# {id}\n"))])
        }
    })
}

/// Returns how long after a moment the first attempt began, waiting for it.
fn first_after(begins: &Mutex<Vec<Instant>>, moment: Instant) -> Result<Duration, ScenarioFailed> {
    const PATIENCE: Duration = Duration::from_secs(60);
    while moment.elapsed() < PATIENCE {
        // Attempts that were begun before the stop was noticed are before the moment, or were stopped with their coordinator.
        if let Some(begun) = begins.lock().iter().find(|begun| **begun > moment + Duration::from_millis(1)) {
            return Ok(begun.duration_since(moment));
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    Err("nothing was begun for a minute").map_err(ScenarioFailed::during("recovering"))
}
