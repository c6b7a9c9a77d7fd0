//! REPLAY: the events of a run that was made, played back: from the store into a state, and through the engine.

use std::ops::ControlFlow;
use std::time::Instant;

use agent_coordinator::ShutDown;
use agent_coordinator::engine::{Engine, Policy};
use agent_coordinator::executor::{InProcess, Job, Outcome};
use state_store::log::StateStore;
use state_store::task::{State, TaskState};
use state_store::{Seq, StreamName};

use super::world::{World, plan, task, write};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// A run played back.
#[derive(Debug, Clone, Copy)]
pub struct Replay;

impl Scenario for Replay {
    fn id(&self) -> &str {
        "REPLAY"
    }

    fn statement(&self) -> &str {
        "the events of a real run, played back from the store"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let tasks = by_profile(profile, [20, 100, 400, 1000]);
        let rounds = by_profile(profile, [2, 12, 40, 100]);
        let agents = InProcess::new(|job: Job| async move {
            let id = job.task().id.to_string();
            Outcome::Done(vec![write(&format!("work/{id}.md"), format!("# {id}\n"))])
        });
        let world = World::begin(&[write("README.md", "first\n")], agents)?;
        let project = world.enter(plan("replay", (0..tasks).map(|number| task(number, &[])).collect()))?;
        world.register(8)?;
        world.settle(project)?;
        let (store, stream) = (world.store(), StreamName::workspace());
        let ended = world.end(ShutDown::Drain)?;
        let head = store.head(&stream).map_err(ScenarioFailed::during("reading the store"))?;
        let (mut loads, mut replays) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let begun = Instant::now();
            let loaded =
                State::load(&*store, &stream).map_err(ScenarioFailed::during("loading the state"))?;
            loads.push(head.get() as f64 / begun.elapsed().as_secs_f64());
            let mut engine = Engine::observer(Policy::default());
            let begun = Instant::now();
            play_back(&*store, &stream, &mut engine)?;
            replays.push(head.get() as f64 / begun.elapsed().as_secs_f64());
            if states(engine.state()) != states(&loaded.state)
                || states(&loaded.state) != states(&ended.state)
            {
                return Err("another state")
                    .map_err(ScenarioFailed::during("comparing what was played back"));
            }
        }
        recorder.record("load", "events a second, from the store into a state", Unit::PerSecond, loads);
        recorder.record("engine", "events a second, through the engine", Unit::PerSecond, replays);
        recorder.note(format!("{} events of {tasks} tasks that 8 agents have landed", head.get()));
        Ok(())
    }
}

/// Has the engine apply every event of the store.
fn play_back(store: &dyn StateStore, stream: &StreamName, engine: &mut Engine) -> Result<(), ScenarioFailed> {
    let mut unfit = None;
    let mut visit = |recorded: state_store::Recorded| match engine.apply_recorded(&recorded) {
        Ok(_) => ControlFlow::Continue(()),
        Err(error) => {
            unfit = Some(error);
            ControlFlow::Break(())
        }
    };
    store.read(stream, Seq::START, &mut visit).map_err(ScenarioFailed::during("reading the store"))?;
    match unfit {
        Some(error) => Err(error).map_err(ScenarioFailed::during("playing back")),
        None => Ok(()),
    }
}

fn states(state: &State) -> Vec<TaskState> {
    let records = state.projects().iter().flat_map(|project| &project.tasks);
    records.map(|record| record.state.clone()).collect()
}
