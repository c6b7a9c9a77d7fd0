//! PR-WINDOW: what a model is shown of a conversation that is several times as long as its window.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use agent_runtime::BoxFuture;
use agent_runtime::event::EventSender;
use agent_runtime::model::{LanguageModel, Message, ModelError, Question, Reply};
use agent_runtime::react::Request;
use agent_runtime::token::estimate;
use agent_runtime::tool::{Access, Arguments, Schema, Tool, ToolCall, ToolError, ToolSpec};
use agent_runtime::window::WindowLimits;
use tokio_util::sync::CancellationToken;

use super::{agent, memory, runtime, session};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// A conversation that is longer than its window.
#[derive(Debug, Clone, Copy)]
pub struct LongConversation;

/// The requests of a conversation, each with a fact; the calls of each; and the bytes that each call returns.
const REQUESTS: usize = 20;
const CALLS: usize = 8;
const OUTPUT_BYTES: usize = 12_000;

impl Scenario for LongConversation {
    fn id(&self) -> &'static str {
        "PR-WINDOW"
    }

    fn statement(&self) -> &'static str {
        "a conversation of half a million tokens in a window of 100,000: what of the planted facts a model is shown"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let (rounds, requests) = by_profile(profile, [(1, 3), (6, REQUESTS), (6, REQUESTS), (12, REQUESTS)]);
        let runtime = runtime()?;
        let tokens_max = WindowLimits::default().tokens_max as f64;
        let (mut recalled, mut fill, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let begun = Instant::now();
            let seen = runtime.block_on(converse(requests))?;
            times.push(begun.elapsed().as_secs_f64() / seen.questions as f64);
            recalled.push(seen.recalled as f64 / seen.planted as f64);
            fill.push(seen.tokens_max as f64 / tokens_max);
        }
        recorder.record(
            "recalled",
            "of the facts planted so far, those that a question holds, over all questions",
            Unit::Ratio,
            recalled,
        );
        recorder.record("fill", "tokens of the largest question, over the window", Unit::Ratio, fill);
        recorder.record("question", "time of ours from one question to the next", Unit::Seconds, times);
        recorder.note("tokens are estimates; the session itself keeps every message");
        Ok(())
    }
}

/// What a model has seen.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    questions: usize,
    planted: usize,
    recalled: usize,
    tokens_max: u64,
}

/// A model that calls a tool so often for each request, and looks for the facts in all that it is shown.
#[derive(Default)]
struct Witness(Mutex<Seen>);

impl LanguageModel for Witness {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        let is_request = |message: &&Message| matches!(message, Message::User(_));
        let latest = question.messages.iter().copied().rfind(is_request);
        let planted = latest.and_then(number_of).map_or(0, |number| number + 1);
        let facts = question.messages.iter().filter(|message| matches!(message, Message::Fact(_))).count();
        let tokens = question.messages.iter().map(|message| estimate(message)).sum();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.questions += 1;
        seen.planted += planted;
        seen.recalled += facts.min(planted);
        seen.tokens_max = seen.tokens_max.max(tokens);
        let reply = if seen.questions.is_multiple_of(CALLS + 1) {
            Reply::answer("done")
        } else {
            let call = ToolCall { id: String::new(), name: "talk".to_owned(), arguments: String::new() };
            Reply { calls: vec![call], ..Reply::default() }
        };
        Box::pin(async move { Ok(reply) })
    }
}

fn number_of(request: &Message) -> Option<usize> {
    request.texts().next()?.strip_prefix("request ")?.parse().ok()
}

/// A tool that has much to say.
struct Talk;

impl Tool for Talk {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "talk".to_owned(), description: String::new(), arguments: Schema::new() }
    }

    fn access(&self) -> Access {
        Access::Reads
    }

    fn call(&self, _: Arguments, _: CancellationToken) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async { Ok("word ".repeat(OUTPUT_BYTES / 5)) })
    }
}

async fn converse(requests: usize) -> Result<Seen, ScenarioFailed> {
    let witness = Arc::new(Witness::default());
    let agent = agent(Arc::clone(&witness) as _, [Arc::new(Talk) as Arc<dyn Tool>]);
    let mut session = session(&memory(), "long").await?;
    for number in 0..requests {
        let request = Request {
            facts: vec![format!("the number of request {number} is {}", 7919 * number)],
            text: format!("request {number}"),
            ..Request::default()
        };
        agent
            .run(&mut session, &request, &EventSender::unheard(), &CancellationToken::new())
            .await
            .map_err(ScenarioFailed::during("running an agent"))?;
    }
    let seen = *witness.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(seen)
}
