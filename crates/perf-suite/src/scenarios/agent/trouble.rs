//! PR-UPTIME and PR-RECOVERY: models that fail, are overloaded or cannot be reached, and who is answered all the same.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_runtime::event::EventSender;
use agent_runtime::guard::{BreakerLimits, Provider, ProviderLimits, Providers, Rate, UserLimits, Users};
use agent_runtime::model::{LanguageModel, Simulated, SimulatedProfile};
use agent_runtime::react::{Outcome, ReAct};
use agent_runtime::retry::RetryPolicy;
use agent_runtime::tool::{Registry, ToolLimits};
use state_store::{Random, StateStore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{memory, quantile, request, runtime, session};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// People who ask while things go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Availability;

/// What happens after a cause has ended.
#[derive(Debug, Clone, Copy)]
pub struct Recovery;

/// How many times faster than in life things go wrong, and are mended: a model of a second takes ten milliseconds.
const ACCELERATION: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);
/// What a user may expect of an answer.
const DEADLINE: Duration = Duration::from_secs(60);
const USERS: u64 = 100;
const REQUESTS: u64 = 20;
/// The longest pause of a user between two requests.
const PAUSE_MAX_SECONDS: usize = 10;
/// How long a round takes, in which the troubles are.
const ROUND_SECONDS: usize = 150;

impl Scenario for Availability {
    fn id(&self) -> &'static str {
        "PR-UPTIME"
    }

    fn statement(&self) -> &'static str {
        "a hundred users while two providers fail, are overloaded, and are down for half a minute now and then; a hundred times \
         faster than in life"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let (users, rounds) = by_profile(profile, [(10, 1), (USERS, 6), (USERS, 8), (USERS, 40)]);
        let runtime = runtime()?;
        let (mut shares, mut slowest) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            if round > 5 && recorder.out_of_time() {
                break;
            }
            let answers = runtime.block_on(live_through(users, round))?;
            let in_time =
                answers.iter().flatten().filter(|elapsed| **elapsed <= DEADLINE / ACCELERATION).count();
            shares.push(in_time as f64 / answers.len() as f64);
            let elapsed: Vec<f64> = answers.iter().flatten().map(Duration::as_secs_f64).collect();
            slowest.push(quantile(&elapsed, 1.0) * f64::from(ACCELERATION));
        }
        recorder.record(
            "available",
            "requests that are answered within their deadline of a minute",
            Unit::Ratio,
            shares,
        );
        recorder.record(
            "slowest",
            "the slowest answer of a round, in the time of life",
            Unit::Seconds,
            slowest,
        );
        recorder.note("5 % of the questions fail, 5 % find the model overloaded; each provider is down or overloaded several times a round");
        Ok(())
    }
}

/// Returns how long each request took to be answered; none for those that were not.
async fn live_through(users: u64, round: u64) -> Result<Vec<Option<Duration>>, ScenarioFailed> {
    let limits = provider_limits(ACCELERATION);
    let providers = [2 * round, 2 * round + 1]
        .map(|seed| Provider::new(seed.to_string(), Arc::new(Simulated::new(troubled(seed))), limits));
    let model = Arc::new(Providers::new(providers.into(), 45 * SECOND / ACCELERATION));
    let limits = UserLimits::default();
    let rate = Rate { every: limits.rate.every / ACCELERATION, ..limits.rate };
    let guard = Users::new(UserLimits { rate, wait_max: DEADLINE / ACCELERATION, ..limits });
    let store = memory();
    let mut asking = JoinSet::new();
    for user in 0..users {
        let (model, store) = (guard.model_of(user.to_string(), Arc::clone(&model) as _), Arc::clone(&store));
        asking.spawn(async move {
            let mut random = Random::of([round, user]);
            let mut answers = Vec::new();
            for number in 0..REQUESTS {
                let pause = Duration::from_secs(random.below(PAUSE_MAX_SECONDS) as u64);
                sleep(pause / ACCELERATION).await;
                let name = format!("{user}/{number}");
                answers.push(ask(&store, Arc::clone(&model), &name).await?);
            }
            Ok::<_, ScenarioFailed>(answers)
        });
    }
    let mut answers = Vec::new();
    while let Some(ended) = asking.join_next().await {
        answers.extend(ended.map_err(ScenarioFailed::during("joining a user"))??);
    }
    Ok(answers)
}

/// Returns how a model behaves for a round.
fn troubled(seed: u64) -> SimulatedProfile {
    let mut random = Random::new(seed);
    let mut spans = |count: usize, length: Duration| -> Vec<Range<Duration>> {
        let begins = (0..count).map(|_| Duration::from_secs(random.below(ROUND_SECONDS) as u64));
        begins.map(|at| at / ACCELERATION..(at + length) / ACCELERATION).collect()
    };
    SimulatedProfile {
        seed,
        latency: SECOND / ACCELERATION,
        spread: 0.5,
        overloaded_rate: 0.05,
        unavailable_rate: 0.05,
        retry_after: Some(2 * SECOND / ACCELERATION),
        down: spans(2, 30 * SECOND),
        storms: spans(3, 5 * SECOND),
        ..SimulatedProfile::default()
    }
}

fn provider_limits(acceleration: u32) -> ProviderLimits {
    let limits = ProviderLimits::default();
    let breaker = BreakerLimits { probe_every: limits.breaker.probe_every / acceleration, ..limits.breaker };
    let rate = Rate { every: limits.rate.every / acceleration, ..limits.rate };
    ProviderLimits { rate, breaker, reply_time_max: 20 * SECOND / acceleration }
}

/// Returns how long an answer took; none where there was none.
async fn ask(
    store: &Arc<dyn StateStore>,
    model: Arc<dyn LanguageModel>,
    name: &str,
) -> Result<Option<Duration>, ScenarioFailed> {
    let tools = Registry::new([], ToolLimits::default()).expect("there are no two tools");
    let mut agent = ReAct::new(model, Arc::new(tools));
    let policy = RetryPolicy::default();
    agent.options.retry = RetryPolicy { backoff_base: policy.backoff_base / ACCELERATION, ..policy };
    let mut session = session(store, name).await?;
    let begun = Instant::now();
    let (events, cancel) = (EventSender::unheard(), CancellationToken::new());
    let run = agent.run(&mut session, &request("hello"), &events, &cancel).await;
    let is_answered = run.is_ok_and(|run| matches!(run.outcome, Outcome::Answered(_)));
    Ok(is_answered.then(|| begun.elapsed()))
}

/// How long the trouble takes, and how many ask meanwhile.
const TROUBLE: Duration = Duration::from_millis(700);
const ASKING: usize = 40;

impl Scenario for Recovery {
    fn id(&self) -> &'static str {
        "PR-RECOVERY"
    }

    fn statement(&self) -> &'static str {
        "forty who ask while the model is down or overloaded for 0.7 s: when they are answered after that; and when another takes \
         over"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let rounds = by_profile(profile, [1, 6, 6, 12]);
        let runtime = runtime()?;
        let trouble = Duration::ZERO..TROUBLE;
        let steady = SimulatedProfile::steady(Duration::from_millis(20));
        let down = SimulatedProfile { down: vec![trouble.clone()], ..steady.clone() };
        let storm = SimulatedProfile { storms: vec![trouble], ..steady.clone() };
        let (mut after_down, mut after_storm, mut taken_over) = (Vec::new(), Vec::new(), Vec::new());
        let (mut asked, mut answered) = (0, 0);
        for _ in 0..rounds {
            // Each has models and a store of its own, so they may be in trouble at the same time.
            let ended = runtime.block_on(async {
                tokio::try_join!(
                    ask_in_trouble(vec![down.clone()]),
                    ask_in_trouble(vec![storm.clone()]),
                    ask_in_trouble(vec![down.clone(), steady.clone()])
                )
            })?;
            for (ended, after, samples) in [
                (ended.0, TROUBLE, &mut after_down),
                (ended.1, TROUBLE, &mut after_storm),
                (ended.2, Duration::ZERO, &mut taken_over),
            ] {
                asked += ASKING;
                answered += ended.iter().flatten().count();
                let last = ended.into_iter().flatten().max().unwrap_or_default();
                samples.push(last.saturating_sub(after).as_secs_f64());
            }
        }
        recorder.record(
            "after-down",
            "from the moment at which a model can be reached again until all who asked before are answered",
            Unit::Seconds,
            after_down,
        );
        recorder.record(
            "after-storm",
            "the same, where it was overloaded and said until when",
            Unit::Seconds,
            after_storm,
        );
        recorder.record(
            "fail-over",
            "until all are answered where the first model is down and there is a second",
            Unit::Seconds,
            taken_over,
        );
        let share = f64::from(u32::try_from(answered).unwrap_or(u32::MAX)) / asked as f64;
        recorder.record(
            "answered",
            "of all who asked in trouble, those who were answered",
            Unit::Ratio,
            vec![share; rounds],
        );
        Ok(())
    }
}

/// Returns, for each of those who ask, when they were answered, counted from the beginning of the trouble.
async fn ask_in_trouble(profiles: Vec<SimulatedProfile>) -> Result<Vec<Option<Duration>>, ScenarioFailed> {
    let provider = |profile: SimulatedProfile| {
        Provider::new("model", Arc::new(Simulated::new(profile)), ProviderLimits::default())
    };
    let model = Arc::new(Providers::new(profiles.into_iter().map(provider).collect(), 60 * SECOND));
    let (store, begun) = (memory(), Instant::now());
    let mut asking = JoinSet::new();
    for number in 0..ASKING {
        let (model, store) = (Arc::clone(&model) as Arc<dyn LanguageModel>, Arc::clone(&store));
        asking.spawn(async move {
            sleep(TROUBLE / 2 * number as u32 / ASKING as u32).await;
            let answer = ask(&store, model, &number.to_string()).await?;
            Ok::<_, ScenarioFailed>(answer.map(|_| begun.elapsed()))
        });
    }
    let mut ended = Vec::with_capacity(ASKING);
    while let Some(answer) = asking.join_next().await {
        ended.push(answer.map_err(ScenarioFailed::during("joining a user"))??);
    }
    Ok(ended)
}
