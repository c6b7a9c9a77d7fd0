//! The loop of reasoning and acting: ask the model, make the calls that it wants, show it what came of them, until it
//! answers.
//!
//! Every message goes into the session before it is acted on: a request before the model is asked, a reply before its calls
//! are made, results before the model is asked again. What comes next follows from the messages alone, so
//! [`ReAct::resume`] continues what was cut off, at whichever point. The scheme is that of S. Yao et al., "ReAct: Synergizing
//! Reasoning and Acting in Language Models", 2023.

mod attempt;
mod outcome;
mod request;
mod step;
mod stop;

pub use outcome::{Limit, Outcome, Run, RunError};
pub use request::Request;
pub use step::{is_unanswered, iterations};

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::event::{Event, EventSender};
use crate::model::{LanguageModel, Message};
use crate::retry::RetryPolicy;
use crate::session::Session;
use crate::token::{Estimate, TokenCounter};
use crate::tool::Registry;
use crate::window::{Window, WindowLimits};

use attempt::Attempt;
use outcome::{Halt, with_causes};
use step::{Step, next_step};
use stop::Stop;

/// A model and the tools that it may use.
#[derive(Clone)]
pub struct ReAct {
    /// What is asked.
    pub model: Arc<dyn LanguageModel>,
    /// What it may use.
    pub tools: Arc<Registry>,
    /// What counts the tokens that the model is shown.
    pub counter: Arc<dyn TokenCounter>,
    /// What sums up the part of a long conversation that the model is no longer shown. Where there is none, or it fails,
    /// that part is told by a note.
    pub summariser: Option<Arc<dyn LanguageModel>>,
    /// How far it may go.
    pub options: Options,
}

/// How far a run may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The replies to one request after which the model is not asked again.
    pub iterations_max: NonZeroU32,
    /// The time after which a run ends.
    pub time_max: Duration,
    /// The calls that may run at the same time.
    pub calls_together_max: NonZeroU32,
    /// How much of a conversation the model gets to see.
    pub window: WindowLimits,
    /// What the session may use up in all.
    pub budget: Budget,
    /// When a model that failed is asked again.
    pub retry: RetryPolicy,
    /// What the waits before that are drawn from, together with the session and the place in it.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            iterations_max: NonZeroU32::new(50).expect("fifty is not zero"),
            time_max: Duration::from_secs(30 * 60),
            calls_together_max: NonZeroU32::new(8).expect("eight is not zero"),
            window: WindowLimits::default(),
            budget: Budget::default(),
            retry: RetryPolicy::default(),
            seed: 0,
        }
    }
}

impl ReAct {
    /// Returns an agent without anything out of the ordinary: tokens are estimated, and limits are the default ones.
    pub fn new(model: Arc<dyn LanguageModel>, tools: Arc<Registry>) -> Self {
        Self {
            model,
            tools,
            counter: Arc::new(Estimate::default()),
            summariser: None,
            options: Options::default(),
        }
    }

    /// Adds a request to the session and works until it is answered, a limit is reached or `cancel` is cancelled.
    ///
    /// A request before it that is not answered yet, since it was cancelled or came to a limit, is left as it is: calls of
    /// it that have no result get one that says so. [`ReAct::resume`] goes on with it instead.
    ///
    /// After an error other than [`RunError::Session`] the session can be resumed as well. The future may be dropped at any
    /// await; the session must then be opened again.
    pub async fn run(
        &self,
        session: &mut Session,
        request: &Request,
        events: &EventSender,
        cancel: &CancellationToken,
    ) -> Result<Run, RunError> {
        let mut messages = step::cut_off(session.messages());
        messages.extend(request.opening(session.messages())?);
        self.work(session, messages, events, cancel).await
    }

    /// Goes on with the latest request of the session, as [`ReAct::run`] does. An answer that is there is returned again.
    ///
    /// Calls whose results are not in the session are made, even if they were made before.
    pub async fn resume(
        &self,
        session: &mut Session,
        events: &EventSender,
        cancel: &CancellationToken,
    ) -> Result<Run, RunError> {
        match next_step(session.messages()) {
            Step::AwaitRequest => Err(RunError::NothingToResume),
            Step::Ask | Step::Call(_) | Step::Answered(_) => {
                self.work(session, Vec::new(), events, cancel).await
            }
        }
    }

    async fn work(
        &self,
        session: &mut Session,
        opening: Vec<Message>,
        events: &EventSender,
        cancel: &CancellationToken,
    ) -> Result<Run, RunError> {
        let started = Instant::now();
        let attempt = Attempt {
            agent: self,
            window: Window::new(self.options.window, Arc::clone(&self.counter), session.summary().cloned())
                .with_tools(self.tools.specs()),
            events,
            stop: Stop::new(cancel, self.options.time_max),
        };
        let outcome = match attempt.drive(session, opening).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(Halt::Cancelled) => Outcome::Cancelled,
            Err(Halt::Limit(limit)) => {
                events.send(&Event::LimitReached(limit));
                Outcome::LimitReached(limit)
            }
            Err(Halt::Failed(error)) => {
                events.send(&Event::Failed { error: with_causes(&error) });
                return Err(error);
            }
        };
        events.send(&Event::Finished(outcome.clone()));
        Ok(Run {
            outcome,
            iterations: iterations(session.messages()),
            usage: step::replies(session.messages()).map(|reply| reply.usage).sum(),
            elapsed: started.elapsed(),
        })
    }
}

impl std::fmt::Debug for ReAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReAct")
            .field("tools", &self.tools)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
