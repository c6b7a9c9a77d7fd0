//! Agents: what the loop of model and tools costs beside the model, alone and in numbers.
//!
//! Models are simulated and everything else is real. Times are those of the wall, tokens are exact.

mod cache;
mod lifetime;
mod long_conversation;
mod many;
mod overhead;
mod skills;
mod streaming;
mod task;
mod trouble;
mod users;

pub use cache::SkillTexts;
pub use lifetime::LongSessions;
pub use long_conversation::LongConversation;
pub use many::ManyAgents;
pub use overhead::AgentOverhead;
pub use skills::SkillTokens;
pub use streaming::SteadyUpdates;
pub use task::SimpleTask;
pub use trouble::{Availability, Recovery};
pub use users::AgentUsers;

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_runtime::model::LanguageModel;
use agent_runtime::react::{ReAct, Request};
use agent_runtime::session::{Session, SessionName};
use agent_runtime::tool::files::{WorkingSet, tools};
use agent_runtime::tool::{Registry, Tool, ToolLimits};
use state_store::{MemoryStore, StateStore, SystemClock};

use crate::scenario::ScenarioFailed;

/// Threads that wait for a store: more of them only wait for each other.
const BLOCKING_THREADS: usize = 4;

/// Returns a runtime with a thread for each processor.
fn runtime() -> Result<tokio::runtime::Runtime, ScenarioFailed> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(ScenarioFailed::during("starting a runtime"))
}

fn memory() -> Arc<dyn StateStore> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock)))
}

/// Returns an agent with the file tools over an empty set of files, and these.
fn agent(model: Arc<dyn LanguageModel>, more: impl IntoIterator<Item = Arc<dyn Tool>>) -> ReAct {
    let files = Arc::new(WorkingSet::new(BTreeMap::new()));
    let tools = Registry::new(tools(&files).into_iter().chain(more), ToolLimits::default());
    ReAct::new(model, Arc::new(tools.expect("no two tools have one name")))
}

fn request(text: &str) -> Request {
    Request { text: text.to_owned(), ..Request::default() }
}

async fn session(store: &Arc<dyn StateStore>, name: &str) -> Result<Session, ScenarioFailed> {
    let name = SessionName::new(name).map_err(ScenarioFailed::during("naming a session"))?;
    Session::open(Arc::clone(store), name).await.map_err(ScenarioFailed::during("opening a session"))
}

/// Returns the value that 99 of 100 samples (or whatever the share says) do not exceed.
fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[at - 1]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::claim::claims;
    use crate::profile::Profile;
    use crate::scenario::{Recorder, Scenario};

    #[test]
    fn a_quantile_is_a_sample_that_so_many_do_not_exceed() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((quantile(&samples, 0.99), quantile(&samples, 0.5)), (99.0, 50.0));
        assert_eq!((quantile(&[7.0], 0.01), quantile(&samples, 1.0)), (7.0, 100.0));
    }

    #[test]
    fn every_scenario_runs_and_measures_what_the_claims_name() {
        let scenarios: [&dyn Scenario; 11] = [
            &AgentOverhead,
            &SimpleTask,
            &SkillTokens,
            &SkillTexts,
            &ManyAgents,
            &AgentUsers,
            &SteadyUpdates,
            &LongSessions,
            &LongConversation,
            &Availability,
            &Recovery,
        ];
        for scenario in scenarios {
            let mut recorder = Recorder::new(Duration::from_secs(3600));
            scenario.run(Profile::Smoke, &mut recorder).unwrap();
            for series in recorder.series() {
                let summary = series.summary().expect("every series has samples");
                assert!(summary.median.is_finite(), "{series:?}");
            }
            let metrics: Vec<&str> = recorder.series().iter().map(|series| series.metric.as_str()).collect();
            // What needs real skills or a larger profile is not measured here.
            let decided = |profile| profile == Profile::Smoke;
            for claim in claims().iter().filter(|claim| claim.scenario == scenario.id()) {
                assert!(!decided(claim.profile), "{}: a smoke run decides nothing", claim.id);
                let kind = claim.metric.split('/').next().unwrap();
                let is_measured = metrics.iter().any(|metric| metric.split('/').next() == Some(kind));
                assert!(is_measured || scenario.id() == SkillTokens.id(), "{} in {metrics:?}", claim.id);
            }
        }
    }
}
