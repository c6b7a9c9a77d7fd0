//! PR-USERS: a hundred people at once: when they see something, how steadily, and whether the tools work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_runtime::BoxFuture;
use agent_runtime::event::{Event, Pace, Paced, Told, channel};
use agent_runtime::model::{Simulated, SimulatedProfile};
use agent_runtime::tool::{
    Access, Arguments, Registry, Schema, Tool, ToolCall, ToolError, ToolLimits, ToolSpec,
};
use state_store::{Random, StateStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{agent, memory, quantile, request, runtime, session};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// People who wait for answers.
#[derive(Debug, Clone, Copy)]
pub struct AgentUsers;

/// How long it takes until the model begins to answer, and how far that may be off.
const LATENCY: Duration = Duration::from_secs(1);
const SPREAD: f64 = 0.5;
/// An answer of six words or so takes some updates.
const WORD_EVERY: Duration = Duration::from_millis(120);
const PACE: Pace = Pace { interval: Duration::from_millis(250), bytes_max: 16 * 1024 };
/// How often the tool fails for the moment.
const FAILURE_RATE: f64 = 0.05;
const TOOL_CALLS: usize = 2000;

/// How much of it a profile measures.
struct Extent {
    users: usize,
    rounds: usize,
}

impl Extent {
    fn of(profile: Profile) -> Self {
        match profile {
            Profile::Smoke => Self { users: 5, rounds: 1 },
            Profile::Quick | Profile::Standard => Self { users: 100, rounds: 6 },
            Profile::Full | Profile::Soak => Self { users: 100, rounds: 30 },
        }
    }
}

impl Scenario for AgentUsers {
    fn id(&self) -> &'static str {
        "PR-USERS"
    }

    fn statement(&self) -> &'static str {
        "a hundred users at once, with a model that takes 0.5 to 1.5 s: first response, steady updates, tools that fail"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let extent = Extent::of(profile);
        let runtime = runtime()?;
        let mut rounds: Vec<Vec<Felt>> = Vec::new();
        for round in 0..extent.rounds {
            // Six are the fewest that an interval can be told of.
            if round > 5 && recorder.out_of_time() {
                break;
            }
            rounds.push(runtime.block_on(ask_together(extent.users, round as u64))?);
        }
        let each = |of: fn(&Felt) -> f64| -> Vec<f64> {
            rounds.iter().map(|felt| quantile(&felt.iter().map(of).collect::<Vec<_>>(), 0.95)).collect()
        };
        recorder.record(
            format!("first-p95/{}", extent.users),
            "from a request to the first text that a user sees, the 95th percentile of a round",
            Unit::Seconds,
            each(|felt| felt.first.as_secs_f64()),
        );
        recorder.record(
            format!("first-ours-p95/{}", extent.users),
            "our share of that: what the model did not take, the 95th percentile of a round",
            Unit::Seconds,
            each(|felt| felt.first.saturating_sub(felt.model).as_secs_f64()),
        );
        recorder.record(
            format!("answered/{}", extent.users),
            "users who were answered, of all who asked at once",
            Unit::Ratio,
            rounds.iter().map(|felt| felt.len() as f64 / extent.users as f64).collect(),
        );
        let deviations: Vec<f64> = rounds.iter().flatten().flat_map(|felt| felt.deviations.clone()).collect();
        if !deviations.is_empty() {
            recorder.record(
                "update-deviation",
                "how far the time between two updates of a running answer is from the interval of 0.25 s",
                Unit::Seconds,
                deviations,
            );
        }
        record_tools(&runtime, recorder)
    }
}

/// What one user felt.
struct Felt {
    first: Duration,
    /// How long the model took of that.
    model: Duration,
    deviations: Vec<f64>,
}

async fn ask_together(users: usize, round: u64) -> Result<Vec<Felt>, ScenarioFailed> {
    let store = memory();
    let mut asking = JoinSet::new();
    for user in 0..users {
        asking.spawn(ask(Arc::clone(&store), user as u64, round));
    }
    let mut felt = Vec::with_capacity(users);
    while let Some(ended) = asking.join_next().await {
        felt.push(ended.map_err(ScenarioFailed::during("joining a user"))??);
    }
    Ok(felt)
}

async fn ask(store: Arc<dyn StateStore>, user: u64, round: u64) -> Result<Felt, ScenarioFailed> {
    let profile = SimulatedProfile {
        seed: user ^ (round << 32),
        spread: SPREAD,
        word_every: WORD_EVERY,
        ..SimulatedProfile::steady(LATENCY)
    };
    let model = first_latency(&profile);
    let agent = agent(Arc::new(Simulated::new(profile)), []);
    let mut session = session(&store, &user.to_string()).await?;
    let (events, receiver) = channel(256);
    let begun = Instant::now();
    let watching = tokio::spawn(watch(Paced::new(receiver, PACE), begun));
    agent
        .run(&mut session, &request("hello"), &events, &CancellationToken::new())
        .await
        .map_err(ScenarioFailed::during("running an agent"))?;
    drop(events);
    let updates = watching.await.map_err(ScenarioFailed::during("watching an agent"))?;
    let first = updates.first().copied().ok_or("no text came");
    let first = first.map_err(ScenarioFailed::during("watching an agent"))?;
    let deviations = gaps(&updates).map(|gap| (gap - PACE.interval.as_secs_f64()).abs()).collect();
    Ok(Felt { first, model, deviations })
}

/// Returns how long a model of that profile takes until its first reply begins: the draw that it makes itself.
fn first_latency(profile: &SimulatedProfile) -> Duration {
    let factor = 1.0 + profile.spread * (2.0 * Random::of([profile.seed, 0]).unit() - 1.0);
    profile.latency.mul_f64(factor)
}

/// Returns when the updates of a running answer came, counted from a moment.
pub(super) async fn watch(mut paced: Paced, begun: Instant) -> Vec<Duration> {
    let mut texts: Vec<Duration> = Vec::new();
    while let Some(update) = paced.next().await {
        let has_ended = update.iter().any(|told| matches!(told, Told::Event(Event::Finished(_))));
        // The last update of an answer does not wait, and is not measured.
        if !has_ended && update.iter().any(|told| matches!(told, Told::Event(Event::Text(_)))) {
            texts.push(begun.elapsed());
        }
    }
    texts
}

/// Returns the times between updates.
pub(super) fn gaps(updates: &[Duration]) -> impl Iterator<Item = f64> {
    updates.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64())
}

/// A tool that fails for the moment now and then.
struct Unsteady(Mutex<Random>);

impl Tool for Unsteady {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "unsteady".to_owned(), description: String::new(), arguments: Schema::new() }
    }

    fn access(&self) -> Access {
        Access::Reads
    }

    fn call(&self, _: Arguments, _: CancellationToken) -> BoxFuture<'_, Result<String, ToolError>> {
        let fails = self.0.lock().unwrap_or_else(PoisonError::into_inner).chance(FAILURE_RATE);
        Box::pin(async move {
            if fails { Err(ToolError::Passing("not now".to_owned())) } else { Ok("done".to_owned()) }
        })
    }
}

fn record_tools(runtime: &tokio::runtime::Runtime, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let mut shares = Vec::new();
    for seed in 0..6 {
        let tool = Arc::new(Unsteady(Mutex::new(Random::new(seed)))) as Arc<dyn Tool>;
        let limits = ToolLimits { retry_after: Duration::from_millis(1), ..ToolLimits::default() };
        let registry =
            Arc::new(Registry::new([tool], limits).map_err(ScenarioFailed::during("registering a tool"))?);
        runtime.block_on(async {
            let mut calling = JoinSet::new();
            for number in 0..TOOL_CALLS {
                let registry = Arc::clone(&registry);
                calling.spawn(async move {
                    let (id, name) = (number.to_string(), "unsteady".to_owned());
                    let call = ToolCall { id, name, arguments: String::new() };
                    registry.call(&call, &CancellationToken::new()).await
                });
            }
            calling.join_all().await
        });
        let (_, record) = registry.records()[0];
        shares.push(record.succeeded as f64 / record.calls as f64);
    }
    recorder.record(
        "tool-success",
        "calls that succeed in the end, of a tool that fails for the moment 5 times in 100",
        Unit::Ratio,
        shares,
    );
    Ok(())
}
