//! The agents that a run can have: simulated ones, the loop of model and tools, or programs.

use std::future::Future;
use std::pin::Pin;

use agent_coordinator::executor::{AgentExecutor, CommandAgent, Job, Outcome, Simulated, SimulatedProfile};

use crate::react_agent::ReactAgent;

/// What does the work of a run.
#[derive(Debug, Clone)]
pub(crate) enum Agents {
    /// Simulations; no real work is done.
    Simulated(Simulated),
    /// The loop of a model and tools.
    React(ReactAgent),
    /// One process an attempt.
    Command(CommandAgent),
}

/// How simulated agents, and agents that ask simulated models, do their work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simulation {
    /// What everything is drawn from, together with task and attempt.
    pub(crate) seed: u64,
    /// How many times faster than planned the work goes.
    pub(crate) time_scale: f64,
    /// The share of attempts that fail.
    pub(crate) failure_rate: f64,
    /// The share of results that also change a file which others change too.
    pub(crate) shared_rate: f64,
}

impl Agents {
    /// Returns agents that only pretend.
    pub(crate) fn simulated(simulation: Simulation) -> Self {
        let Simulation { seed, time_scale, failure_rate, shared_rate } = simulation;
        let profile = SimulatedProfile::default();
        Self::Simulated(Simulated::new(SimulatedProfile {
            seed,
            time_scale,
            failure_rate,
            shared_rate,
            ..profile
        }))
    }
}

impl AgentExecutor for Agents {
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        match self {
            Self::Simulated(agents) => agents.execute(job),
            Self::React(agents) => agents.execute(job),
            Self::Command(agents) => agents.execute(job),
        }
    }
}
