//! SK-LOOP: what one iteration, one request, one event and one agent cost beside the model.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use agent_runtime::BoxFuture;
use agent_runtime::event::{Event, EventSender, channel};
use agent_runtime::model::{LanguageModel, Message, ModelError, Question, Reply};
use agent_runtime::skill::{Catalogue, SkillCache, SkillTools};
use agent_runtime::tool::ToolCall;
use agent_runtime::tool::files::LIST_FILES;
use state_store::{SqliteStore, StateStore, SystemClock};
use tokio_util::sync::CancellationToken;

use super::{agent, memory, quantile, request, runtime, session};
use crate::disk::DiskFolder;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// What the loop costs beside the model.
#[derive(Debug, Clone, Copy)]
pub struct AgentOverhead;

/// How much of it a profile measures.
struct Extent {
    /// How many runs are made.
    rounds: usize,
    /// How many replies each takes.
    iterations: usize,
}

impl Extent {
    fn of(profile: Profile) -> Self {
        match profile {
            Profile::Smoke => Self { rounds: 2, iterations: 10 },
            Profile::Quick | Profile::Standard => Self { rounds: 10, iterations: 40 },
            Profile::Full | Profile::Soak => Self { rounds: 50, iterations: 49 },
        }
    }
}

/// The messages of the conversation that a request is added to.
const MESSAGES_BEFORE: usize = 400;
/// The things done between two looks at the clock, where one alone is shorter than its look.
const BATCH: usize = 1000;
const SKILLS: usize = 14;

impl Scenario for AgentOverhead {
    fn id(&self) -> &'static str {
        "SK-LOOP"
    }

    fn statement(&self) -> &'static str {
        "the loop of model and tools beside the model: an iteration, a request, an event, an agent"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let extent = Extent::of(profile);
        let folder = DiskFolder::new().map_err(ScenarioFailed::during("finding a disk"))?;
        let runtime = runtime()?;
        runtime.block_on(async {
            record_iterations(&memory(), "memory", &extent, recorder).await?;
            let store = SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock))
                .map_err(ScenarioFailed::during("opening a store"))?;
            record_iterations(&(Arc::new(store) as Arc<dyn StateStore>), "sqlite", &extent, recorder).await?;
            record_requests(&extent, recorder).await
        })?;
        record_events(&extent, recorder);
        record_composing(folder.path(), &extent, recorder)?;
        recorder.note("an iteration is a call of a file tool and two appends; in memory nothing is flushed, in SQLite each append is");
        recorder
            .note("a request is taken into a conversation of 400 messages and some 40,000 tokens, estimated");
        Ok(())
    }
}

/// A model that answers at once, and notes how long it was left alone between two questions.
struct Metronome {
    iterations: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: usize,
    first_asked_at: Option<Instant>,
    replied_at: Option<Instant>,
    gaps: Vec<f64>,
}

impl Metronome {
    fn new(iterations: usize) -> Arc<Self> {
        Arc::new(Self { iterations, state: Mutex::default() })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self) -> Reply {
        let now = Instant::now();
        let mut state = self.state();
        state.first_asked_at.get_or_insert(now);
        if let Some(replied_at) = state.replied_at {
            state.gaps.push(now.duration_since(replied_at).as_secs_f64());
        }
        state.asked += 1;
        let reply = if state.asked < self.iterations {
            let call =
                ToolCall { id: String::new(), name: LIST_FILES.to_owned(), arguments: "{}".to_owned() };
            Reply { calls: vec![call], ..Reply::default() }
        } else {
            Reply::answer("done")
        };
        state.replied_at = Some(Instant::now());
        reply
    }
}

impl LanguageModel for Metronome {
    fn respond<'a>(&'a self, _: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        let reply = self.reply();
        Box::pin(async move { Ok(reply) })
    }
}

async fn record_iterations(
    store: &Arc<dyn StateStore>,
    kind: &str,
    extent: &Extent,
    recorder: &mut Recorder,
) -> Result<(), ScenarioFailed> {
    let (mut all, mut worst) = (Vec::new(), Vec::new());
    for round in 0..extent.rounds {
        if round > 1 && recorder.out_of_time() {
            break;
        }
        let model = Metronome::new(extent.iterations);
        let agent = agent(Arc::clone(&model) as _, []);
        let mut session = session(store, &format!("iteration-{round}")).await?;
        agent
            .run(&mut session, &request("go"), &EventSender::unheard(), &CancellationToken::new())
            .await
            .map_err(ScenarioFailed::during("running an agent"))?;
        let gaps = std::mem::take(&mut model.state().gaps);
        worst.push(quantile(&gaps, 0.99));
        all.extend(gaps);
    }
    recorder.record(
        format!("iteration/{kind}"),
        "from one reply to the next question: all of it, every iteration",
        Unit::Seconds,
        all,
    );
    recorder.record(
        format!("iteration-p99/{kind}"),
        "the 99th percentile of the iterations of one run, run by run",
        Unit::Seconds,
        worst,
    );
    Ok(())
}

async fn record_requests(extent: &Extent, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let store = memory();
    let mut session = session(&store, "requests").await?;
    let turn =
        |number| [Message::User(format!("{number} {}", "please ".repeat(50))), Message::Assistant(answer())];
    let before = (0..MESSAGES_BEFORE / 2).flat_map(turn).collect();
    session.append(before).await.map_err(ScenarioFailed::during("filling a session"))?;
    let mut samples = Vec::new();
    for _ in 0..extent.rounds * 5 {
        let model = Metronome::new(1);
        let agent = agent(Arc::clone(&model) as _, []);
        let begun = Instant::now();
        agent
            .run(&mut session, &request("and now?"), &EventSender::unheard(), &CancellationToken::new())
            .await
            .map_err(ScenarioFailed::during("running an agent"))?;
        let asked_at = model.state().first_asked_at.expect("the model was asked");
        samples.push(asked_at.duration_since(begun).as_secs_f64());
    }
    recorder.record(
        "preprocess",
        "from a request to the first question to the model",
        Unit::Seconds,
        samples,
    );
    Ok(())
}

fn answer() -> Reply {
    Reply::answer("There is a good deal to say about that. ".repeat(10))
}

fn record_events(extent: &Extent, recorder: &mut Recorder) {
    let (sender, receiver) = channel(256);
    let second = sender.subscribe();
    let samples = (0..extent.rounds * 5).map(|_| {
        let begun = Instant::now();
        for _ in 0..BATCH {
            sender.send(&Event::Text("a piece of text ".to_owned()));
        }
        begun.elapsed().as_secs_f64() / BATCH as f64
    });
    let samples = samples.collect();
    drop((receiver, second));
    recorder.record("event", "telling two readers that are behind of an event", Unit::Seconds, samples);
}

fn record_composing(folder: &Path, extent: &Extent, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    for skill in 0..SKILLS {
        let place = folder.join(format!("skill-{skill}"));
        let text =
            format!("---\nname: skill-{skill}\ndescription: Does what skill {skill} does.\n---\nDo it.\n");
        std::fs::create_dir(&place)
            .and_then(|()| std::fs::write(place.join("SKILL.md"), text))
            .map_err(ScenarioFailed::during("writing a skill"))?;
    }
    let catalogue = Arc::new(Catalogue::load(&[folder.to_owned()]));
    let (cache, model) = (Arc::new(SkillCache::default()), Metronome::new(1));
    let samples = (0..extent.rounds * 5).map(|_| {
        let begun = Instant::now();
        for _ in 0..BATCH {
            let skills = SkillTools::new(Arc::clone(&catalogue), Arc::clone(&cache), &[]);
            std::hint::black_box(agent(Arc::clone(&model) as _, skills.tools()));
        }
        begun.elapsed().as_secs_f64() / BATCH as f64
    });
    let samples = samples.collect();
    recorder.record(
        "compose",
        "making an agent with four file tools and the tools of 14 skills, one thread",
        Unit::Seconds,
        samples,
    );
    Ok(())
}
