//! Agents that are functions of this process: how programs that embed the crate do the work themselves.

use std::future::Future;
use std::pin::Pin;

use crate::executor::{AgentExecutor, Job, Outcome};

/// Runs each job by an asynchronous function.
#[derive(Debug, Clone)]
pub struct InProcess<F>(F);

impl<F, R> InProcess<F>
where
    F: Fn(Job) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    /// Returns the executor that calls `work` for each job.
    pub fn new(work: F) -> Self {
        Self(work)
    }
}

impl<F, R> AgentExecutor for InProcess<F>
where
    F: Fn(Job) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        Box::pin((self.0)(job))
    }
}
