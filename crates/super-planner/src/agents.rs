//! The agents that a run can have: simulated ones, or programs.

use std::future::Future;
use std::pin::Pin;

use agent_coordinator::executor::{AgentExecutor, CommandAgent, Job, Outcome, Simulated};

/// What does the work of a run.
#[derive(Debug, Clone)]
pub(crate) enum Agents {
    /// Simulations; no real work is done.
    Simulated(Simulated),
    /// One process an attempt.
    Command(CommandAgent),
}

impl AgentExecutor for Agents {
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        match self {
            Self::Simulated(agents) => agents.execute(job),
            Self::Command(agents) => agents.execute(job),
        }
    }
}
