//! SK-TASK: a simple task from the request to the answer, and what many of them leave behind.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_runtime::event::EventSender;
use agent_runtime::model::{Simulated, SimulatedProfile};
use agent_runtime::react::Outcome;
use state_store::{SqliteStore, StateStore, SystemClock};
use tokio_util::sync::CancellationToken;

use super::{agent, request, runtime, session};
use crate::disk::DiskFolder;
use crate::memory::PeakMemory;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// A simple task, again and again.
#[derive(Debug, Clone, Copy)]
pub struct SimpleTask;

/// How long the model takes for a reply, and how far that may be off.
const LATENCY: Duration = Duration::from_millis(200);
const SPREAD: f64 = 0.3;
impl Scenario for SimpleTask {
    fn id(&self) -> &'static str {
        "SK-TASK"
    }

    fn statement(&self) -> &'static str {
        "a simple task (look, write, answer) with a model that takes 200 ms, and the memory that fifty of them leave behind"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let (rounds, executions) = by_profile(profile, [(1, 3), (6, 50), (8, 50), (20, 50)]);
        let folder = DiskFolder::new().map_err(ScenarioFailed::during("finding a disk"))?;
        let runtime = runtime()?;
        let store = open(folder.path())?;
        let (mut tasks, mut growth) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            if round > 6 && recorder.out_of_time() {
                break;
            }
            tasks.push(runtime.block_on(execute(&store, &format!("slow/{round}"), LATENCY))?.as_secs_f64());
        }
        // The first fifty warm up what stays for good.
        for round in 0..=rounds {
            let watched = PeakMemory::watch();
            for number in 0..executions {
                runtime.block_on(execute(&store, &format!("{round}/{number}"), Duration::ZERO))?;
            }
            if let Some(bytes) = watched.and_then(PeakMemory::growth_bytes).filter(|_| round > 0) {
                growth.push(bytes as f64);
            }
        }
        recorder.record(
            "task",
            "from the request to the answer, three replies of the model included",
            Unit::Seconds,
            tasks,
        );
        if !growth.is_empty() {
            recorder.record(
                format!("growth/{executions}"),
                "growth of the resident memory over so many executions, after as many to warm up",
                Unit::Bytes,
                growth,
            );
        }
        recorder.note("each session is kept on the disk, every message flushed before it is acted on");
        Ok(())
    }
}

fn open(folder: &Path) -> Result<Arc<dyn StateStore>, ScenarioFailed> {
    let store = SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock));
    Ok(Arc::new(store.map_err(ScenarioFailed::during("opening a store"))?))
}

async fn execute(
    store: &Arc<dyn StateStore>,
    name: &str,
    latency: Duration,
) -> Result<Duration, ScenarioFailed> {
    let begun = Instant::now();
    let profile = SimulatedProfile { spread: SPREAD, ..SimulatedProfile::steady(latency) };
    let agent = agent(Arc::new(Simulated::new(profile)), []);
    let mut session = session(store, name).await?;
    let request = request("write notes.txt with what there is to say");
    let run = agent
        .run(&mut session, &request, &EventSender::unheard(), &CancellationToken::new())
        .await
        .map_err(ScenarioFailed::during("running an agent"))?;
    match run.outcome {
        Outcome::Answered(_) => Ok(begun.elapsed()),
        outcome @ (Outcome::LimitReached(_) | Outcome::Cancelled) => {
            Err(format!("{outcome:?}")).map_err(ScenarioFailed::during("running an agent to its answer"))
        }
    }
}
