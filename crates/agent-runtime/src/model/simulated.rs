//! A model that only pretends: it takes its time, speaks in pieces, fails now and then, and follows plain instructions with
//! the tools, all from a seed.
//!
//! It understands a request line by line: `use SKILL`, `consult SKILL FILE`, `read FILE`, `list FOLDER`, `search TEXT`,
//! `write FILE with CONTENT`, `append FILE with LINE`, `prepend FILE with LINE` and `run PROGRAM ARGUMENTS`. It looks around first, then acts, then answers what it has done; a
//! request without any such line is answered at once.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use state_store::Random;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::guard::{Rate, RateLimit};
use crate::model::{LanguageModel, Message, ModelError, Question, Reply, TokenUsage};
use crate::skill::{ACTIVATE_SKILL, READ_SKILL_FILE};
use crate::token::estimate;
use crate::tool::command::RUN_COMMAND;
use crate::tool::files::{LIST_FILES, READ_FILE, SEARCH_FILES, WRITE_FILE};
use crate::tool::text::is_cut;
use crate::tool::{ToolCall, ToolResult, ToolSpec, ToolStatus};

/// How simulated models behave.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedProfile {
    /// What everything is drawn from, together with the number of the question.
    pub seed: u64,
    /// How long it takes until a reply begins.
    pub latency: Duration,
    /// How far that may be off: a factor between 1 - this and 1 + this, evenly.
    pub spread: f64,
    /// How long it takes from one word of a reply to the next.
    pub word_every: Duration,
    /// The share of questions for which it is overloaded.
    pub overloaded_rate: f64,
    /// How long it asks to be left alone when it is overloaded.
    pub retry_after: Option<Duration>,
    /// How often it may be asked; beyond that it is overloaded, and says for how long.
    pub rate_max: Option<Rate>,
    /// The share of questions at which it breaks off: half of them before a reply begins, half of them within it.
    pub unavailable_rate: f64,
    /// The share of questions that it refuses for good.
    pub rejected_rate: f64,
    /// The times, counted from its making, at which it cannot be reached.
    pub down: Vec<Range<Duration>>,
    /// The times, counted from its making, at which it is overloaded and says until when.
    pub storms: Vec<Range<Duration>>,
}

impl Default for SimulatedProfile {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: Duration::from_millis(20),
            spread: 0.3,
            word_every: Duration::ZERO,
            overloaded_rate: 0.03,
            retry_after: None,
            rate_max: None,
            unavailable_rate: 0.02,
            rejected_rate: 0.0,
            down: Vec::new(),
            storms: Vec::new(),
        }
    }
}

impl SimulatedProfile {
    /// Returns one that never fails and always takes as long.
    pub fn steady(latency: Duration) -> Self {
        Self { latency, spread: 0.0, overloaded_rate: 0.0, unavailable_rate: 0.0, ..Self::default() }
    }
}

/// A simulated model. What it draws depends on how often it was asked, so give each session one of its own where runs have
/// to repeat.
#[derive(Debug)]
pub struct Simulated {
    profile: SimulatedProfile,
    questions: AtomicU64,
    rate: Option<RateLimit>,
    made_at: Instant,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new(SimulatedProfile::default())
    }
}

impl Simulated {
    /// Returns a model that behaves so.
    pub fn new(profile: SimulatedProfile) -> Self {
        let rate = profile.rate_max.map(RateLimit::new);
        Self { profile, questions: AtomicU64::new(0), rate, made_at: Instant::now() }
    }

    /// Lets a question through, where it may be asked that often.
    fn admit(&self) -> Result<(), ModelError> {
        let age = self.made_at.elapsed();
        let now_in = |spans: &[Range<Duration>]| spans.iter().find(|span| span.contains(&age)).cloned();
        if now_in(&self.profile.down).is_some() {
            let reason = "simulated: the connection was refused".to_owned();
            return Err(ModelError::Unavailable { reason });
        }
        if let Some(storm) = now_in(&self.profile.storms) {
            return Err(ModelError::Overloaded { retry_after: Some(storm.end - age) });
        }
        let Some(rate) = &self.rate else { return Ok(()) };
        rate.take().map_err(|wait| ModelError::Overloaded { retry_after: Some(wait) })
    }

    fn draw(&self) -> Draw {
        let question = self.questions.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::of([self.profile.seed, question]);
        let factor = 1.0 + self.profile.spread * (2.0 * random.unit() - 1.0);
        let chance = random.unit();
        let (overloaded, unavailable) = (self.profile.overloaded_rate, self.profile.unavailable_rate);
        let rejected = self.profile.rejected_rate;
        let fate = if chance < overloaded {
            Fate::Overloaded
        } else if chance < overloaded + unavailable / 2.0 {
            Fate::Unavailable
        } else if chance < overloaded + unavailable {
            Fate::BreaksOff
        } else if chance < overloaded + unavailable + rejected {
            Fate::Rejects
        } else {
            Fate::Replies
        };
        Draw { latency: self.profile.latency.mul_f64(factor.max(0.0)), fate }
    }

    /// Says the text word by word; stops in the middle where it breaks off.
    async fn speak(&self, text: &str, fate: Fate, question: &Question<'_>) -> Result<(), ModelError> {
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let said = if fate == Fate::BreaksOff { words.len() / 2 } else { words.len() };
        for (number, word) in words[..said].iter().enumerate() {
            if number > 0 {
                wait(self.profile.word_every, question.cancel).await?;
            }
            (question.hear)(word);
        }
        if fate == Fate::BreaksOff {
            return Err(ModelError::Unavailable { reason: "simulated: the reply broke off".to_owned() });
        }
        Ok(())
    }
}

/// What one question turns out to be.
struct Draw {
    latency: Duration,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Replies,
    Overloaded,
    Unavailable,
    BreaksOff,
    Rejects,
}

impl LanguageModel for Simulated {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        let draw = self.draw();
        Box::pin(async move {
            self.admit()?;
            wait(draw.latency, question.cancel).await?;
            match draw.fate {
                Fate::Overloaded => {
                    return Err(ModelError::Overloaded { retry_after: self.profile.retry_after });
                }
                Fate::Unavailable => {
                    let reason = "simulated: the connection broke off".to_owned();
                    return Err(ModelError::Unavailable { reason });
                }
                Fate::Rejects => {
                    let reason = "simulated: nothing comes to its mind".to_owned();
                    return Err(ModelError::Rejected { reason });
                }
                Fate::Replies | Fate::BreaksOff => {}
            }
            let reply = reply(question.messages, question.tools);
            self.speak(&reply.text, draw.fate, &question).await?;
            Ok(reply)
        })
    }
}

/// Waits, but not for nothing: even the shortest timer takes a millisecond.
async fn wait(time: Duration, cancel: &CancellationToken) -> Result<(), ModelError> {
    if time.is_zero() && !cancel.is_cancelled() {
        return Ok(());
    }
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(ModelError::Cancelled),
        () = tokio::time::sleep(time) => Ok(()),
    }
}

/// What a line of a request asks for.
enum Instruction<'a> {
    Use { skill: &'a str },
    Consult { skill: &'a str, path: &'a str },
    Write { path: &'a str, content: &'a str },
    Add { path: &'a str, line: &'a str, place: Place },
    Read { path: &'a str },
    List { folder: &'a str },
    Search { text: &'a str },
    Run { program: &'a str, arguments: Vec<&'a str> },
}

/// Where in a file a line is added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    End,
}

/// A tool and the arguments for it.
type Wanted = (&'static str, String);

impl<'a> Instruction<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (verb, rest) = line.trim().split_once(' ')?;
        let rest = rest.trim();
        match verb.to_ascii_lowercase().as_str() {
            "use" => Some(Self::Use { skill: rest }),
            "consult" => rest.split_once(' ').map(|(skill, path)| Self::Consult { skill, path: path.trim() }),
            "write" => {
                rest.split_once(" with ").map(|(path, content)| Self::Write { path: path.trim(), content })
            }
            "append" => Self::parse_add(rest, Place::End),
            "prepend" => Self::parse_add(rest, Place::Top),
            "read" => Some(Self::Read { path: rest }),
            "list" => Some(Self::List { folder: rest }),
            "search" => Some(Self::Search { text: rest }),
            "run" => {
                let mut words = rest.split_whitespace();
                words.next().map(|program| Self::Run { program, arguments: words.collect() })
            }
            _ => None,
        }
    }

    fn parse_add(rest: &'a str, place: Place) -> Option<Self> {
        rest.split_once(" with ").map(|(path, line)| Self::Add { path: path.trim(), line, place })
    }

    /// The call that only looks: before something is changed, what there is.
    fn look(&self) -> Wanted {
        match self {
            Self::Write { .. } | Self::Run { .. } => (LIST_FILES, json!({}).to_string()),
            Self::Use { skill } => (ACTIVATE_SKILL, json!({ "name": skill }).to_string()),
            Self::Consult { skill, path } => {
                (READ_SKILL_FILE, json!({ "name": skill, "path": path }).to_string())
            }
            Self::Read { path } | Self::Add { path, .. } => (READ_FILE, json!({ "path": path }).to_string()),
            Self::List { folder } => (LIST_FILES, json!({ "folder": folder }).to_string()),
            Self::Search { text } => (SEARCH_FILES, json!({ "text": text }).to_string()),
        }
    }

    /// The call that changes something, after what was seen in this turn.
    fn change(&self, turn: &[&Message]) -> Option<Wanted> {
        let write = |path: &str, content: &str| {
            Some((WRITE_FILE, json!({ "path": path, "content": content }).to_string()))
        };
        match self {
            Self::Write { path, content } => write(path, content),
            Self::Add { path, line, place } => {
                let before = seen(&self.look(), turn).unwrap_or_default();
                match place {
                    // What was not shown would be lost.
                    _ if is_cut(before) => None,
                    Place::Top => write(path, &format!("{line}\n{before}")),
                    Place::End => write(path, &format!("{before}{line}\n")),
                }
            }
            Self::Run { program, arguments } => {
                Some((RUN_COMMAND, json!({ "program": program, "arguments": arguments }).to_string()))
            }
            Self::Use { .. }
            | Self::Consult { .. }
            | Self::Read { .. }
            | Self::List { .. }
            | Self::Search { .. } => None,
        }
    }
}

/// The policy: looks, then changes, then the answer.
fn reply(messages: &[&Message], tools: &[ToolSpec]) -> Reply {
    let last_request = messages.iter().rposition(|message| matches!(message, Message::User(_)));
    let (request, turn) = match last_request.map(|at| (messages[at], &messages[at + 1..])) {
        Some((Message::User(text), turn)) => (text.as_str(), turn),
        _ => ("", messages),
    };
    let instructions: Vec<Instruction<'_>> = request.lines().filter_map(Instruction::parse).collect();
    let looks = instructions.iter().map(Instruction::look).collect();
    let changes = instructions.iter().filter_map(|instruction| instruction.change(turn)).collect();
    let (text, calls) = [("I look around first.", looks), ("Now I make the changes.", changes)]
        .into_iter()
        .map(|(text, wanted)| (text.to_owned(), not_yet_made(wanted, turn, tools)))
        .find(|(_, calls)| !calls.is_empty())
        .unwrap_or_else(|| (answer(turn, &instructions), Vec::new()));
    let calls: Vec<ToolCall> = (1..)
        .zip(calls)
        .map(|(index, (name, arguments))| ToolCall {
            id: format!("call-{}-{index}", messages.len()),
            name: name.to_owned(),
            arguments,
        })
        .collect();
    let mut reply = Reply { text, calls, usage: TokenUsage::default() };
    reply.usage = TokenUsage {
        input: messages.iter().map(|message| estimate(message)).sum(),
        output: estimate(&Message::Assistant(reply.clone())),
    };
    reply
}

/// Returns the wanted calls of tools on offer that nobody has made in this turn, each once.
fn not_yet_made(wanted: Vec<Wanted>, turn: &[&Message], tools: &[ToolSpec]) -> Vec<Wanted> {
    let mut calls = Vec::new();
    for call in wanted {
        let offered = tools.iter().any(|tool| tool.name == call.0);
        if offered && id_of(&call, turn).is_none() && !calls.contains(&call) {
            calls.push(call);
        }
    }
    calls
}

/// Returns what a call has returned in this turn, if it succeeded.
fn seen<'a>(call: &Wanted, turn: &[&'a Message]) -> Option<&'a str> {
    let id = id_of(call, turn)?;
    results(turn)
        .find(|result| result.call_id == id && has_succeeded(result))
        .map(|result| result.text.as_str())
}

fn id_of<'a>((name, arguments): &Wanted, turn: &[&'a Message]) -> Option<&'a str> {
    let mut calls = turn.iter().copied().flat_map(Message::calls);
    calls.find(|call| call.name == *name && call.arguments == *arguments).map(|call| call.id.as_str())
}

fn results<'a>(turn: &[&'a Message]) -> impl Iterator<Item = &'a ToolResult> {
    turn.iter().copied().filter_map(|message| match message {
        Message::Tool(result) => Some(result),
        _ => None,
    })
}

fn has_succeeded(result: &ToolResult) -> bool {
    result.status == ToolStatus::Succeeded
}

fn answer(turn: &[&Message], instructions: &[Instruction<'_>]) -> String {
    // A file that lines are added to need not be there.
    let may_fail: Vec<&str> = instructions
        .iter()
        .filter(|instruction| matches!(instruction, Instruction::Add { .. }))
        .filter_map(|instruction| id_of(&instruction.look(), turn))
        .collect();
    let made = results(turn).filter(|result| has_succeeded(result)).count();
    let failed: Vec<&str> = results(turn)
        .filter(|result| !has_succeeded(result) && !may_fail.contains(&result.call_id.as_str()))
        .map(|result| result.text.as_str())
        .collect();
    let is_too_long = |instruction: &&Instruction<'_>| {
        matches!(instruction, Instruction::Add { .. }) && seen(&instruction.look(), turn).is_some_and(is_cut)
    };
    if instructions.iter().any(|instruction| is_too_long(&instruction)) {
        return "I could not do all of it: a file is too long for me to add a line to".to_owned();
    }
    match (instructions.len(), failed.is_empty()) {
        (0, _) => "There was nothing in the request that I know how to do.".to_owned(),
        (_, true) => format!("Done: {made} calls of tools succeeded."),
        (_, false) => format!("I could not do all of it: {}", failed.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Mutex;

    use super::*;

    const NOTHING_HEARD: &(dyn Fn(&str) + Send + Sync) = &|_| {};

    async fn ask(
        model: &Simulated,
        text: &str,
        hear: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Reply, ModelError> {
        let message = Message::User(text.to_owned());
        let cancel = CancellationToken::new();
        model.respond(Question { messages: &[&message], tools: &[], hear, cancel: &cancel }).await
    }

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
            outcomes.push(ask(&model, "do something", NOTHING_HEARD).await);
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
        let broke_off = |error: &&&ModelError| error.to_string().contains("the reply broke off");
        assert!((10..50).contains(&failures.iter().filter(broke_off).count()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_is_heard_word_by_word_and_pieces_are_the_whole() {
        let begun = Instant::now();
        let heard = Mutex::new(Vec::new());
        let hear = |piece: &str| heard.lock().unwrap().push((begun.elapsed(), piece.to_owned()));
        let word_every = Duration::from_millis(100);
        let model = Simulated::new(SimulatedProfile {
            word_every,
            ..SimulatedProfile::steady(Duration::from_millis(500))
        });
        let reply = ask(&model, "what now?", &hear).await.unwrap();
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard.iter().map(|(_, piece)| piece.as_str()).collect::<String>(), reply.text);
        assert_eq!(heard[0], (Duration::from_millis(500), "There ".to_owned()));
        assert_eq!(heard[3].0, Duration::from_millis(800));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_overloaded_when_it_is_asked_too_often_and_says_for_how_long() {
        let rate = Rate::per_second(NonZeroU32::new(2).unwrap());
        let profile = SimulatedProfile { rate_max: Some(rate), ..SimulatedProfile::steady(Duration::ZERO) };
        let model = Simulated::new(profile);
        for _ in 0..2 {
            assert!(ask(&model, "hello", NOTHING_HEARD).await.is_ok());
        }
        let wait = Duration::from_millis(500);
        let turned_away = ModelError::Overloaded { retry_after: Some(wait) };
        assert_eq!(ask(&model, "hello", NOTHING_HEARD).await, Err(turned_away));
        tokio::time::advance(wait).await;
        assert!(ask(&model, "hello", NOTHING_HEARD).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_question_ends_at_once() {
        let model = Simulated::new(SimulatedProfile::steady(Duration::from_secs(3600)));
        let cancel = CancellationToken::new();
        cancel.cancel();
        let question = Question { messages: &[], tools: &[], hear: NOTHING_HEARD, cancel: &cancel };
        assert_eq!(model.respond(question).await, Err(ModelError::Cancelled));
    }
}
