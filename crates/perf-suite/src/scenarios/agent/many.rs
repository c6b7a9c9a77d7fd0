//! SK-CONCURRENT: many agents at once in one process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_runtime::event::EventSender;
use agent_runtime::model::{Simulated, SimulatedProfile};
use agent_runtime::session::Session;
use state_store::StateStore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{agent, memory, request, runtime, session};
use crate::memory::PeakMemory;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// Many agents at once.
#[derive(Debug, Clone, Copy)]
pub struct ManyAgents;

/// How long the model takes for a reply.
const LATENCY: Duration = Duration::from_millis(200);
/// How many replies a run takes: it looks, writes, answers.
const REPLIES: u32 = 3;

/// The most sessions of a round that are held until the end, and the fewest whose memory shows in whole pages.
const HELD_MAX: usize = 1000;
const MEMORY_COUNT_MIN: usize = 10;

/// How much of it a profile measures.
struct Extent {
    counts: &'static [usize],
    rounds: usize,
}

impl Extent {
    fn of(profile: Profile) -> Self {
        match profile {
            Profile::Smoke => Self { counts: &[1, 10], rounds: 1 },
            Profile::Quick => Self { counts: &[1, 100, 1000], rounds: 6 },
            Profile::Standard => Self { counts: &[1, 10, 100, 1000], rounds: 6 },
            Profile::Full | Profile::Soak => Self { counts: &[1, 10, 50, 100, 200, 1000, 10_000], rounds: 9 },
        }
    }
}

impl Scenario for ManyAgents {
    fn id(&self) -> &'static str {
        "SK-CONCURRENT"
    }

    fn statement(&self) -> &'static str {
        "many agents at once in one process, each three replies of a model that takes 200 ms"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let extent = Extent::of(profile);
        let runtime = runtime()?;
        // What is freed would be handed out again unseen, so the sessions of the smaller rounds stay.
        let mut all_held = Vec::new();
        for &count in extent.counts {
            let mut growth = Vec::new();
            let mut shares = Vec::new();
            for round in 0..extent.rounds {
                if round > 0 && recorder.out_of_time() {
                    break;
                }
                let watched = PeakMemory::watch();
                let (elapsed, held) = runtime.block_on(run_together(count))?;
                if let Some(bytes) = watched.and_then(PeakMemory::growth_bytes) {
                    growth.push(bytes as f64 / count as f64);
                }
                if count <= HELD_MAX {
                    all_held.push(held);
                }
                shares.push((LATENCY * REPLIES).as_secs_f64() / elapsed.as_secs_f64());
            }
            recorder.record(
                format!("throughput/{count}"),
                "runs a second over those of a process that costs nothing",
                Unit::Ratio,
                shares,
            );
            if !growth.is_empty() && (MEMORY_COUNT_MIN..=HELD_MAX).contains(&count) {
                recorder.record(
                    format!("memory/{count}"),
                    "growth of the resident memory by session, its run and its part of the store included",
                    Unit::Bytes,
                    growth,
                );
            }
        }
        recorder.note("sessions are kept in memory; every run has tools, files and a session of its own");
        Ok(())
    }
}

/// Runs so many agents at once; returns how long that took, and their sessions, idle.
async fn run_together(
    count: usize,
) -> Result<(Duration, (Vec<Session>, Arc<dyn StateStore>)), ScenarioFailed> {
    let store = memory();
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for number in 0..count {
        let store = Arc::clone(&store);
        running.spawn(async move {
            let agent = agent(Arc::new(Simulated::new(SimulatedProfile::steady(LATENCY))), []);
            let mut session = session(&store, &number.to_string()).await?;
            let request = request("write notes.txt with what there is to say");
            let run = agent
                .run(&mut session, &request, &EventSender::unheard(), &CancellationToken::new())
                .await
                .map_err(ScenarioFailed::during("running an agent"))?;
            if run.iterations != REPLIES {
                return Err(format!("{:?}", run.outcome))
                    .map_err(ScenarioFailed::during("running an agent to its answer"));
            }
            Ok(session)
        });
    }
    let mut sessions = Vec::with_capacity(count);
    while let Some(ended) = running.join_next().await {
        sessions.push(ended.map_err(ScenarioFailed::during("joining an agent"))??);
    }
    Ok((begun.elapsed(), (sessions, store)))
}
