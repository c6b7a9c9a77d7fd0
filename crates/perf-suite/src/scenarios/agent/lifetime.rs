//! PR-SESSION: sessions that live for days, and what of them is there after crashes and restarts.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use agent_runtime::event::EventSender;
use agent_runtime::model::{Message, Simulated, SimulatedProfile};
use agent_runtime::react::{Outcome, ReAct, is_unanswered};
use agent_runtime::session::Session;
use agent_runtime::tool::files::{WorkingSet, tools};
use agent_runtime::tool::{Registry, ToolLimits};
use state_store::{Clock, ManualClock, SqliteStore, StateStore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{agent, request, runtime, session};
use crate::disk::DiskFolder;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// Sessions that live for days.
#[derive(Debug, Clone, Copy)]
pub struct LongSessions;

const HOUR: Duration = Duration::from_secs(3600);
/// How often somebody asks for something, and how often the program crashes in the middle of the answer.
const REQUEST_EVERY_HOURS: usize = 2;
const CRASH_EVERY_HOURS: usize = 10;
/// How long a crashing run goes on: until it waits for its model.
const CRASH_AFTER: Duration = Duration::from_millis(20);
/// How long the last append of a crashed run may take: far longer than any flush.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// The bytes that the session of the memory limit may take.
const BYTES_MAX: usize = 1 << 20;

impl Scenario for LongSessions {
    fn id(&self) -> &'static str {
        "PR-SESSION"
    }

    fn statement(&self) -> &'static str {
        "sessions of fifty hours and more, asked every two, with crashes in the middle of answers and restarts"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let (rounds, hours) = by_profile(profile, [(1, 12), (6, 54), (6, 54), (12, 54)]);
        let runtime = runtime()?;
        let (mut kept, mut ages, mut openings) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let folder = DiskFolder::new().map_err(ScenarioFailed::during("finding a disk"))?;
            let lived = runtime.block_on(live(folder.path(), hours))?;
            kept.push(lived.kept as f64 / lived.acknowledged as f64);
            ages.push(lived.age.as_secs_f64());
            openings.extend(lived.openings);
        }
        recorder.record(
            "context-kept",
            "messages that were acknowledged and are there, as they were, at every restart",
            Unit::Ratio,
            kept,
        );
        recorder.record(
            "age",
            "from the first message of a session to its last, by the store's clock",
            Unit::Seconds,
            ages,
        );
        recorder.record(
            "opening",
            "opening the store and the session after a crash",
            Unit::Seconds,
            openings,
        );
        let bytes = (0..6).map(|_| runtime.block_on(fill())).collect::<Result<Vec<_>, _>>()?;
        recorder.record(
            "memory-limit",
            "bytes of a session that has reached its limit of memory, over that limit",
            Unit::Ratio,
            bytes.into_iter().map(|bytes| bytes as f64 / BYTES_MAX as f64).collect(),
        );
        recorder.note("the hours are those of a clock that is set; a crash is a run that is dropped while the model is asked");
        Ok(())
    }
}

/// What came of a session.
#[derive(Default)]
struct Lived {
    acknowledged: usize,
    kept: usize,
    age: Duration,
    openings: Vec<f64>,
}

async fn live(folder: &Path, hours: usize) -> Result<Lived, ScenarioFailed> {
    let clock = Arc::new(ManualClock::default());
    let (mut lived, mut acknowledged) = (Lived::default(), Vec::<Message>::new());
    let (mut opened, mut store) = open(folder, &clock).await?;
    for hour in 1..=hours {
        clock.advance(HOUR);
        if hour % CRASH_EVERY_HOURS == 0 {
            let hangs = Simulated::new(SimulatedProfile::steady(HOUR));
            let run = ask(agent(Arc::new(hangs), []), &mut opened, hour);
            // The future is dropped with all that it holds.
            let _ = timeout(CRASH_AFTER, run).await;
            acknowledged = opened.messages().to_vec();
            drop(opened);
            wait_until_gone(&store).await?;
            let begun = Instant::now();
            (opened, store) = open(folder, &clock).await?;
            lived.openings.push(begun.elapsed().as_secs_f64());
            lived.acknowledged += acknowledged.len();
            let same = opened.messages().iter().zip(&acknowledged).take_while(|(one, other)| one == other);
            lived.kept += same.count();
        }
        if is_unanswered(opened.messages()) || hour % REQUEST_EVERY_HOURS == 0 {
            ask(answering(&opened)?, &mut opened, hour).await?;
        }
    }
    if opened.messages().len() < acknowledged.len() {
        return Err("the session has become shorter").map_err(ScenarioFailed::during("looking at a session"));
    }
    lived.age = opened.age();
    Ok(lived)
}

async fn open(
    folder: &Path,
    clock: &Arc<ManualClock>,
) -> Result<(Session, Weak<dyn StateStore>), ScenarioFailed> {
    let store = SqliteStore::open(&folder.join("state.db"), Arc::clone(clock) as Arc<dyn Clock>)
        .map_err(ScenarioFailed::during("opening a store"))?;
    let store = Arc::new(store) as Arc<dyn StateStore>;
    let session = session(&store, "long").await?;
    Ok((session, Arc::downgrade(&store)))
}

/// Waits until nobody writes any more: an append that was under way when its run was dropped goes on to its end on a thread of its
/// own, which in a crash it would not.
async fn wait_until_gone(store: &Weak<dyn StateStore>) -> Result<(), ScenarioFailed> {
    let begun = Instant::now();
    while store.strong_count() > 0 {
        if begun.elapsed() > STUCK_AFTER {
            return Err("an append does not end")
                .map_err(ScenarioFailed::during("waiting for the last append"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Returns an agent that answers at once, over the files as the session has left them.
fn answering(session: &Session) -> Result<ReAct, ScenarioFailed> {
    let files = Arc::new(WorkingSet::new(std::collections::BTreeMap::new()));
    files.restore(session.messages()).map_err(ScenarioFailed::during("writing again what was written"))?;
    let registry = Registry::new(tools(&files), ToolLimits::default());
    let model = Simulated::new(SimulatedProfile::steady(Duration::ZERO));
    Ok(ReAct::new(Arc::new(model), Arc::new(registry.expect("no two tools have one name"))))
}

/// Goes on with what is not answered, or asks for something new.
async fn ask(agent: ReAct, session: &mut Session, hour: usize) -> Result<(), ScenarioFailed> {
    let (events, cancel) = (EventSender::unheard(), CancellationToken::new());
    let run = if is_unanswered(session.messages()) {
        agent.resume(session, &events, &cancel).await
    } else {
        let request = request(&format!("write notes-{hour}.txt with what there is to say in hour {hour}"));
        agent.run(session, &request, &events, &cancel).await
    };
    let run = run.map_err(ScenarioFailed::during("running an agent"))?;
    match run.outcome {
        Outcome::Answered(_) => Ok(()),
        outcome @ (Outcome::LimitReached(_) | Outcome::Cancelled) => {
            Err(format!("{outcome:?}")).map_err(ScenarioFailed::during("running an agent to its answer"))
        }
    }
}

/// Asks until the session has reached its limit of memory; returns the bytes that it then takes.
async fn fill() -> Result<usize, ScenarioFailed> {
    let model = Simulated::new(SimulatedProfile::steady(Duration::ZERO));
    let mut agent = agent(Arc::new(model), []);
    agent.options.budget.bytes_max = BYTES_MAX;
    let mut session = session(&super::memory(), "large").await?;
    for number in 0.. {
        let request = request(&format!("write {number}.txt with {}", "words ".repeat(2000)));
        let run = agent
            .run(&mut session, &request, &EventSender::unheard(), &CancellationToken::new())
            .await
            .map_err(ScenarioFailed::during("running an agent"))?;
        if matches!(run.outcome, Outcome::LimitReached(_)) {
            break;
        }
    }
    Ok(session.spent().bytes)
}
