//! A model that only pretends: it takes its time, fails now and then, and follows plain instructions with the tools, all
//! from a seed.
//!
//! It understands a request line by line: `write FILE with CONTENT`, `read FILE` and `list FOLDER`. It looks around first,
//! then writes, then answers what it has done; a request without any such line is answered at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::model::{LanguageModel, Message, ModelError, Reply, TokenUsage};
use crate::random::Random;
use crate::tool::files::{LIST_FILES, READ_FILE, WRITE_FILE};
use crate::tool::{ToolCall, ToolResult, ToolSpec, ToolStatus};

/// How simulated models behave.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedProfile {
    /// What everything is drawn from, together with the number of the question.
    pub seed: u64,
    /// How long a reply takes.
    pub latency: Duration,
    /// How far a reply may be from that: a factor between 1 - this and 1 + this, evenly.
    pub spread: f64,
    /// The share of questions for which it is overloaded.
    pub overloaded_rate: f64,
    /// The share of questions at which it breaks off.
    pub unavailable_rate: f64,
}

impl Default for SimulatedProfile {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: Duration::from_millis(20),
            spread: 0.3,
            overloaded_rate: 0.03,
            unavailable_rate: 0.02,
        }
    }
}

/// A simulated model. What it draws depends on how often it was asked, so give each session one of its own where runs have
/// to repeat.
#[derive(Debug, Default)]
pub struct Simulated {
    profile: SimulatedProfile,
    questions: AtomicU64,
}

impl Simulated {
    /// Returns a model that behaves so.
    pub fn new(profile: SimulatedProfile) -> Self {
        Self { profile, questions: AtomicU64::new(0) }
    }

    fn draw(&self) -> Draw {
        let question = self.questions.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::of([self.profile.seed, question]);
        let factor = 1.0 + self.profile.spread * (2.0 * random.unit() - 1.0);
        let chance = random.unit();
        let failure = if chance < self.profile.overloaded_rate {
            Some(ModelError::Overloaded { retry_after: None })
        } else if chance < self.profile.overloaded_rate + self.profile.unavailable_rate {
            Some(ModelError::Unavailable { reason: "simulated: the connection broke off".to_owned() })
        } else {
            None
        };
        Draw { latency: self.profile.latency.mul_f64(factor.max(0.0)), failure }
    }
}

/// What one question turns out to be.
struct Draw {
    latency: Duration,
    failure: Option<ModelError>,
}

impl LanguageModel for Simulated {
    fn respond<'a>(
        &'a self,
        messages: &'a [Message],
        tools: &'a [ToolSpec],
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Reply, ModelError>> {
        let draw = self.draw();
        Box::pin(async move {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(ModelError::Cancelled),
                () = tokio::time::sleep(draw.latency) => {}
            }
            draw.failure.map_or_else(|| Ok(reply(messages, tools)), Err)
        })
    }
}

/// What a line of a request asks for.
enum Instruction<'a> {
    Write { path: &'a str, content: &'a str },
    Read { path: &'a str },
    List { folder: &'a str },
}

impl<'a> Instruction<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (verb, rest) = line.trim().split_once(' ')?;
        let rest = rest.trim();
        match verb.to_ascii_lowercase().as_str() {
            "write" => {
                rest.split_once(" with ").map(|(path, content)| Self::Write { path: path.trim(), content })
            }
            "read" => Some(Self::Read { path: rest }),
            "list" => Some(Self::List { folder: rest }),
            _ => None,
        }
    }

    /// The call that only looks: before a file is written, what there is.
    fn look(&self) -> (&'static str, String) {
        match self {
            Self::Write { .. } => (LIST_FILES, json!({}).to_string()),
            Self::Read { path } => (READ_FILE, json!({ "path": path }).to_string()),
            Self::List { folder } => (LIST_FILES, json!({ "folder": folder }).to_string()),
        }
    }

    fn change(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Write { path, content } => {
                Some((WRITE_FILE, json!({ "path": path, "content": content }).to_string()))
            }
            Self::Read { .. } | Self::List { .. } => None,
        }
    }
}

/// The policy: looks, then changes, then the answer.
fn reply(messages: &[Message], tools: &[ToolSpec]) -> Reply {
    let last_request = messages.iter().rposition(|message| matches!(message, Message::User(_)));
    let (request, turn) = match last_request.map(|at| (&messages[at], &messages[at + 1..])) {
        Some((Message::User(text), turn)) => (text.as_str(), turn),
        _ => ("", messages),
    };
    let instructions: Vec<Instruction<'_>> = request.lines().filter_map(Instruction::parse).collect();
    let looks = instructions.iter().map(Instruction::look).collect();
    let changes = instructions.iter().filter_map(Instruction::change).collect();
    let (text, calls) = [("I look around first.", looks), ("Now I make the changes.", changes)]
        .into_iter()
        .map(|(text, wanted)| (text.to_owned(), not_yet_made(wanted, turn, tools)))
        .find(|(_, calls)| !calls.is_empty())
        .unwrap_or_else(|| (answer(turn, instructions.len()), Vec::new()));
    let calls: Vec<ToolCall> = (1..)
        .zip(calls)
        .map(|(index, (name, arguments))| ToolCall {
            id: format!("call-{}-{index}", messages.len()),
            name: name.to_owned(),
            arguments,
        })
        .collect();
    let usage = usage(messages, &text, &calls);
    Reply { text, calls, usage }
}

/// Returns the wanted calls of tools on offer that nobody has made in this turn, each once.
fn not_yet_made(
    wanted: Vec<(&'static str, String)>,
    turn: &[Message],
    tools: &[ToolSpec],
) -> Vec<(&'static str, String)> {
    let made = |name: &str, arguments: &str| {
        calls_of(turn).any(|call| call.name == name && call.arguments == arguments)
    };
    let mut calls = Vec::new();
    for (name, arguments) in wanted {
        let offered = tools.iter().any(|tool| tool.name == name);
        if offered && !made(name, &arguments) && !calls.contains(&(name, arguments.clone())) {
            calls.push((name, arguments));
        }
    }
    calls
}

fn answer(turn: &[Message], instructions: usize) -> String {
    let results = |wanted: fn(&ToolResult) -> bool| {
        turn.iter().filter_map(move |message| match message {
            Message::Tool(result) if wanted(result) => Some(result),
            _ => None,
        })
    };
    let made = results(|result| result.status == ToolStatus::Succeeded).count();
    let failed: Vec<&str> =
        results(|result| result.status != ToolStatus::Succeeded).map(|result| result.text.as_str()).collect();
    match (instructions, failed.is_empty()) {
        (0, _) => "There was nothing in the request that I know how to do.".to_owned(),
        (_, true) => format!("Done: {made} calls of tools succeeded."),
        (_, false) => format!("I could not do all of it: {}", failed.join("; ")),
    }
}

fn calls_of(turn: &[Message]) -> impl Iterator<Item = &ToolCall> {
    turn.iter().flat_map(|message| match message {
        Message::Assistant(reply) => reply.calls.as_slice(),
        Message::System(_) | Message::User(_) | Message::Tool(_) => &[],
    })
}

/// A guess, at four bytes a token.
fn usage(messages: &[Message], text: &str, calls: &[ToolCall]) -> TokenUsage {
    let bytes_of = |text: &str, calls: &[ToolCall]| {
        text.len() + calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>()
    };
    let shown: usize = messages
        .iter()
        .map(|message| match message {
            Message::System(text) | Message::User(text) => text.len(),
            Message::Assistant(reply) => bytes_of(&reply.text, &reply.calls),
            Message::Tool(result) => result.text.len(),
        })
        .sum();
    TokenUsage { input: shown as u64 / 4, output: bytes_of(text, calls) as u64 / 4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcomes(seed: u64) -> Vec<Result<Reply, ModelError>> {
        let profile = SimulatedProfile {
            seed,
            overloaded_rate: 0.25,
            unavailable_rate: 0.25,
            ..SimulatedProfile::default()
        };
        let model = Simulated::new(profile);
        let mut outcomes = Vec::new();
        for _ in 0..200 {
            let messages = [Message::User("do something".to_owned())];
            outcomes.push(model.respond(&messages, &[], &CancellationToken::new()).await);
        }
        outcomes
    }

    #[tokio::test(start_paused = true)]
    async fn failures_repeat_with_the_seed_and_can_all_be_tried_again() {
        let first = outcomes(7).await;
        assert_eq!(first, outcomes(7).await);
        assert_ne!(first, outcomes(8).await);
        let failures: Vec<_> = first.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        assert!((60..140).contains(&failures.len()), "{} of 200 failed", failures.len());
        assert!(failures.iter().all(|error| error.is_retryable()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_question_ends_at_once() {
        let model = Simulated::new(SimulatedProfile {
            latency: Duration::from_secs(3600),
            ..SimulatedProfile::default()
        });
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert_eq!(model.respond(&[], &[], &cancel).await, Err(ModelError::Cancelled));
    }
}
