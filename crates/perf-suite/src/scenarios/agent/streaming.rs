//! PR-STREAM: how steadily updates come at the pace that is the default.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_runtime::event::{Pace, Paced, channel};
use agent_runtime::model::{Simulated, SimulatedProfile};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::users::{gaps, watch};
use super::{agent, memory, request, runtime, session};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// A hundred answers that take their time.
#[derive(Debug, Clone, Copy)]
pub struct SteadyUpdates;

const WORD_EVERY: Duration = Duration::from_millis(100);
/// The lines of a request that the model answers with five words each.
const LINES: usize = 15;
/// Those of short profiles: enough for a few updates.
const LINES_FEW: usize = 8;
const LINES_HASTY: usize = 3;

impl Scenario for SteadyUpdates {
    fn id(&self) -> &'static str {
        "PR-STREAM"
    }

    fn statement(&self) -> &'static str {
        "a hundred answers of up to seventy words at ten words a second, told in updates every 2.5 s"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        // The pace of people is too slow for a look at whether all of this works.
        let hasty = (5, LINES_HASTY, Pace { interval: Duration::from_millis(300), ..Pace::default() });
        let brief = (100, LINES_FEW, Pace::default());
        let calm = (100, LINES, Pace::default());
        let (users, lines, pace) = by_profile(profile, [hasty, brief, calm, calm]);
        let intervals = runtime()?.block_on(stream(users, lines, pace))?;
        recorder.record(
            "interval",
            "from one update of a running answer to the next",
            Unit::Seconds,
            intervals,
        );
        Ok(())
    }
}

async fn stream(users: usize, lines: usize, pace: Pace) -> Result<Vec<f64>, ScenarioFailed> {
    let store = memory();
    let text: String = (0..lines).map(|line| format!("read missing-{line}\n")).collect();
    let mut streaming = JoinSet::new();
    for user in 0..users {
        let (store, text) = (Arc::clone(&store), text.clone());
        streaming.spawn(async move {
            let profile = SimulatedProfile { word_every: WORD_EVERY, ..SimulatedProfile::steady(WORD_EVERY) };
            let agent = agent(Arc::new(Simulated::new(profile)), []);
            let mut session = session(&store, &user.to_string()).await?;
            let (events, receiver) = channel(256);
            let watching = tokio::spawn(watch(Paced::new(receiver, pace), Instant::now()));
            agent
                .run(&mut session, &request(&text), &events, &CancellationToken::new())
                .await
                .map_err(ScenarioFailed::during("running an agent"))?;
            drop(events);
            watching.await.map_err(ScenarioFailed::during("watching an agent"))
        });
    }
    let mut intervals = Vec::new();
    while let Some(ended) = streaming.join_next().await {
        let updates = ended.map_err(ScenarioFailed::during("joining a user"))??;
        // Of those that belong to one reply: before its answer the model says a few words and calls its tools.
        intervals.extend(gaps(&updates).skip(1));
    }
    Ok(intervals)
}
