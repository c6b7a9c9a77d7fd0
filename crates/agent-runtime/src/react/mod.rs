//! The loop of reasoning and acting: ask the model, make the calls that it wants, show it what came of them, until it
//! answers.
//!
//! Every message goes into the session before it is acted on: a request before the model is asked, a reply before its calls
//! are made, results before the model is asked again. What comes next follows from the messages alone, so
//! [`ReAct::resume`] continues what was cut off, at whichever point. The scheme is that of S. Yao et al., "ReAct: Synergizing
//! Reasoning and Acting in Language Models", 2023.

mod step;
mod stop;

use std::error::Error as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::event::{Event, EventSender};
use crate::model::{LanguageModel, Message, ModelError, Question, Reply, TokenUsage};
use crate::retry::RetryPolicy;
use crate::session::{Session, SessionError};
use crate::tool::{Registry, ToolCall, ToolSpec};

use step::{Step, next_step};
use stop::{Stop, Stopped};

/// A model and the tools that it may use.
#[derive(Clone)]
pub struct ReAct {
    /// What is asked.
    pub model: Arc<dyn LanguageModel>,
    /// What it may use.
    pub tools: Arc<Registry>,
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
            retry: RetryPolicy::default(),
            seed: 0,
        }
    }
}

/// What is asked of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// What the model must keep to throughout; goes into a session that is empty, and is ignored by one that is not.
    pub instructions: String,
    /// What it is to do.
    pub text: String,
}

/// A run that came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub outcome: Outcome,
    /// The replies to the session's latest request, those of earlier runs included.
    pub iterations: u32,
    /// What they have cost.
    pub usage: TokenUsage,
    /// How long this run took.
    pub elapsed: Duration,
}

/// How a run ended. A session whose run did not end with an answer can be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The model answered.
    Answered(String),
    /// The run reached a limit.
    LimitReached(Limit),
    /// Somebody cancelled the run.
    Cancelled,
}

/// What a run can use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The replies to one request.
    Iterations,
    /// The time.
    Time,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is nothing in the request.
    #[error("the request is empty")]
    EmptyRequest,
    /// The session has a request that is not answered.
    #[error("the session has a request that is not answered: resume it first")]
    Unanswered,
    /// The session has no request.
    #[error("the session has no request to resume")]
    NothingToResume,
    /// The model failed for good.
    #[error("the model failed at attempt {failures} and is not asked again")]
    Model {
        /// How often in a row.
        failures: u32,
        /// The last failure.
        #[source]
        source: ModelError,
    },
    /// The session could not be added to.
    #[error("the conversation could not be kept")]
    Session(#[from] SessionError),
}

/// Why the loop is left without an answer.
enum Halt {
    Stopped(Stopped),
    OutOfIterations,
    Failed(RunError),
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<SessionError> for Halt {
    fn from(error: SessionError) -> Self {
        Self::Failed(error.into())
    }
}

impl ReAct {
    /// Adds a request to the session and works until it is answered, a limit is reached or `cancel` is cancelled.
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
        match next_step(session.messages()) {
            Step::AwaitRequest | Step::Answered(_) => {}
            Step::Ask | Step::Call(_) => return Err(RunError::Unanswered),
        }
        let opening = opening(session.messages(), request)?;
        self.work(session, opening, events, cancel).await
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
        let stop = Stop::new(cancel, self.options.time_max);
        let attempt = Attempt { agent: self, tools: self.tools.specs(), events, stop };
        let limit_reached = |limit| {
            events.send(&Event::LimitReached(limit));
            Outcome::LimitReached(limit)
        };
        let outcome = match attempt.drive(session, opening).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(Halt::Stopped(Stopped::Cancelled)) => Outcome::Cancelled,
            Err(Halt::Stopped(Stopped::TimeUp)) => limit_reached(Limit::Time),
            Err(Halt::OutOfIterations) => limit_reached(Limit::Iterations),
            Err(Halt::Failed(error)) => {
                events.send(&Event::Failed { error: with_causes(&error) });
                return Err(error);
            }
        };
        events.send(&Event::Finished(outcome.clone()));
        Ok(Run {
            outcome,
            iterations: iterations(session),
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

/// Returns the messages that a request begins with.
fn opening(messages: &[Message], request: &Request) -> Result<Vec<Message>, RunError> {
    let (instructions, text) = (request.instructions.trim(), request.text.trim());
    if text.is_empty() {
        return Err(RunError::EmptyRequest);
    }
    let mut opening = Vec::new();
    if messages.is_empty() && !instructions.is_empty() {
        opening.push(Message::System(instructions.to_owned()));
    }
    opening.push(Message::User(text.to_owned()));
    Ok(opening)
}

fn with_causes(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn iterations(session: &Session) -> u32 {
    u32::try_from(step::replies(session.messages()).count()).unwrap_or(u32::MAX)
}

/// One run, and what it needs throughout.
struct Attempt<'a> {
    agent: &'a ReAct,
    tools: Vec<ToolSpec>,
    events: &'a EventSender,
    stop: Stop,
}

impl Attempt<'_> {
    /// The loop. Appending is never cut short, so that session and log stay together.
    async fn drive(&self, session: &mut Session, opening: Vec<Message>) -> Result<String, Halt> {
        self.stop.check()?;
        session.append(opening).await?;
        self.events
            .send(&Event::Started { session: session.name().clone(), messages: session.messages().len() });
        loop {
            match next_step(session.messages()) {
                Step::Answered(text) => return Ok(text),
                Step::Call(calls) => self.call(calls, session).await?,
                Step::Ask => self.ask(session).await?,
                Step::AwaitRequest => unreachable!("a run begins with a request"),
            }
        }
    }

    async fn ask(&self, session: &mut Session) -> Result<(), Halt> {
        if iterations(session) >= self.agent.options.iterations_max.get() {
            return Err(Halt::OutOfIterations);
        }
        let reply = self.reply(session).await?;
        let reply = step::with_distinct_ids(reply, session.messages());
        session.append(vec![Message::Assistant(reply.clone())]).await?;
        self.events.send(&Event::Replied {
            iteration: iterations(session),
            calls: reply.calls.len(),
            usage: reply.usage,
            text: reply.text,
        });
        Ok(())
    }

    /// Asks the model until it replies, for as long as the policy allows.
    async fn reply(&self, session: &Session) -> Result<Reply, Halt> {
        let (model, options, messages) = (&self.agent.model, &self.agent.options, session.messages());
        // Agents that were turned away together do not come back together.
        let seed = options.seed ^ session.name().seed() ^ messages.len() as u64;
        let shown: Vec<&Message> = messages.iter().collect();
        let hear = |piece: &str| {
            if !piece.is_empty() {
                self.events.send(&Event::Text(piece.to_owned()));
            }
        };
        let mut failures = NonZeroU32::MIN;
        loop {
            let question =
                Question { messages: &shown, tools: &self.tools, hear: &hear, cancel: self.stop.cancel() };
            let error = match self.stop.race(model.respond(question)).await? {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let Some(wait) = options.retry.wait_after(&error, failures, seed) else {
                return Err(Halt::Failed(RunError::Model { failures: failures.get(), source: error }));
            };
            self.events.send(&Event::Retrying { failures: failures.get(), wait, error: error.to_string() });
            self.stop.race(tokio::time::sleep(wait)).await?;
            failures = failures.saturating_add(1);
        }
    }

    /// Makes calls: those that are independent at the same time, and each batch is kept before the next begins.
    async fn call(&self, calls: Vec<ToolCall>, session: &mut Session) -> Result<(), Halt> {
        let together_max = self.agent.options.calls_together_max.get() as usize;
        let access = |name: &str| self.agent.tools.access(name);
        for batch in step::batches(calls, together_max, access) {
            let results = self.stop.race(self.call_together(batch)).await?;
            session.append(results).await?;
        }
        Ok(())
    }

    /// Returns the results in the order of the calls. Dropping it stops the tools.
    async fn call_together(&self, calls: Vec<ToolCall>) -> Vec<Message> {
        let mut running = JoinSet::new();
        for (index, call) in calls.into_iter().enumerate() {
            let (tools, cancel) = (Arc::clone(&self.agent.tools), self.stop.cancel().clone());
            let events = self.events.clone();
            running.spawn(async move { (index, call_one(&tools, call, &events, &cancel).await) });
        }
        let mut results = Vec::with_capacity(running.len());
        while let Some(ended) = running.join_next().await {
            results.push(ended.expect("the registry catches what tools do, and nothing here is aborted"));
        }
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, message)| message).collect()
    }
}

async fn call_one(
    tools: &Registry,
    call: ToolCall,
    events: &EventSender,
    cancel: &CancellationToken,
) -> Message {
    events.send(&Event::ToolCalled {
        call_id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
    });
    let started = Instant::now();
    let result = tools.call(&call, cancel).await;
    events.send(&Event::ToolReturned {
        call_id: call.id,
        name: call.name,
        status: result.status,
        bytes: result.text.len(),
        elapsed: started.elapsed(),
    });
    Message::Tool(result)
}

#[cfg(test)]
mod tests;
