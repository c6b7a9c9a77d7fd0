//! The agents that a run can have: simulated ones, the loop of model and tools, or programs.

use std::future::Future;
use std::pin::Pin;

use agent_coordinator::executor::{AgentExecutor, CommandAgent, Job, Outcome, Simulated};

use crate::react_agent::ReactAgent;

/// What does the work of a run.
#[derive(Debug, Clone)]
pub(crate) enum Agents {
    /// Simulations; no real work is done.
    Simulated(Simulated),
    /// The loop of a model and tools; the model is simulated.
    React(ReactAgent),
    /// One process an attempt.
    Command(CommandAgent),
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
