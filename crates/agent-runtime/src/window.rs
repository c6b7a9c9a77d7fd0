//! What a model gets to see of a conversation that has become too long for it.
//!
//! A window begins with everything that must not be lost: what the model must keep to, the facts, the skills that were
//! activated, and the request that is worked on. Then comes a note of what is left out, and then the latest part of the
//! conversation as it is. Where a model has summed up the beginning, that takes the place of the note. The oldest goes
//! first; a reply and the results of its calls go together. Where the latest results alone are too much, each is shown as
//! far as there is room. The session itself loses nothing: a window is a way to look at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Message, Reply};
use crate::planted::{self, Bug};
use crate::skill::ACTIVATE_SKILL;
use crate::summary::Summary;
use crate::token::{TokenCounter, count_message, count_tools};
use crate::tool::text::CUT;
use crate::tool::{ToolResult, ToolSpec, ToolStatus};

/// The requests that a note quotes, and the characters of each.
const REQUESTS_QUOTED: usize = 8;
const REQUEST_CHARS: usize = 120;
/// What a result is never shown less of: a model could not make anything of it.
const RESULT_TOKENS_MIN: u64 = 50;

/// How much of a conversation a model gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimits {
    /// The tokens that it never exceeds.
    pub tokens_max: u64,
    /// The tokens that are left when something had to go; well below the maximum, so that it does not have to at every
    /// message, and what the model has seen before stays the same for long.
    pub tokens_kept: u64,
}

impl Default for WindowLimits {
    fn default() -> Self {
        Self { tokens_max: 100_000, tokens_kept: 75_000 }
    }
}

/// What went when a conversation became too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// The messages that are no longer shown as they are, those of earlier compactions included.
    pub messages_left_out: usize,
    /// The tokens that would have been shown.
    pub tokens_before: u64,
    /// The tokens that are shown.
    pub tokens_after: u64,
    /// What stands for what went.
    pub instead: Instead,
}

/// What stands for the part of a conversation that is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// A note of ours: how much there was, and what was asked.
    Note,
    /// What a model has said of it.
    Summary,
}

/// What must be shown alone is more than a model can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{tokens} tokens must be shown to the model, and it takes {tokens_max}")]
pub struct WindowFull {
    /// The tokens that must be shown.
    pub tokens: u64,
    /// The tokens that may be.
    pub tokens_max: u64,
}

/// A look at a conversation.
#[derive(Debug)]
pub struct Window {
    limits: WindowLimits,
    counter: Arc<dyn TokenCounter>,
    /// What the model is told of its tools, with every question.
    tools: Vec<ToolSpec>,
    tools_tokens: u64,
    /// What is shown before the tail, once something is left out.
    preface: Vec<Message>,
    preface_tokens: u64,
    /// What a model has said of the beginning.
    summary: Option<Summary>,
    /// The first message that is shown as it is.
    from: usize,
    /// The tokens of each message from there on.
    tail_tokens: Vec<u64>,
    /// Results among them that are shown in part, by their places in the conversation.
    shortened: BTreeMap<usize, Message>,
}

impl Window {
    /// Returns a window on a conversation that is still to come, or whose beginning was summed up.
    pub fn new(limits: WindowLimits, counter: Arc<dyn TokenCounter>, summary: Option<Summary>) -> Self {
        Self {
            limits,
            counter,
            tools: Vec::new(),
            tools_tokens: 0,
            preface: Vec::new(),
            preface_tokens: 0,
            summary,
            from: 0,
            tail_tokens: Vec::new(),
            shortened: BTreeMap::new(),
        }
    }

    /// Keeps room for what the model is told of these tools.
    #[must_use]
    pub fn with_tools(mut self, tools: Vec<ToolSpec>) -> Self {
        self.tools_tokens = count_tools(&*self.counter, &tools);
        self.tools = tools;
        self
    }

    /// Returns the tools that there is room kept for.
    pub fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    /// Looks at the conversation as it is now: what it was before, and more. Returns what went, if something had to.
    pub fn follow(&mut self, messages: &[Message]) -> Result<Option<Compaction>, WindowFull> {
        self.begin_at_summary(messages);
        let known = self.from + self.tail_tokens.len();
        assert!(known <= messages.len(), "a conversation only grows");
        let counter = &*self.counter;
        self.tail_tokens.extend(messages[known..].iter().map(|message| count_message(counter, message)));
        let tokens_before = self.tokens();
        if tokens_before <= self.limits.tokens_max {
            return Ok(None);
        }
        self.compact(messages)?;
        Ok(Some(Compaction {
            messages_left_out: self.from,
            tokens_before,
            tokens_after: self.tokens(),
            instead: Instead::Note,
        }))
    }

    /// What a model has summed up in an earlier run is not shown again, nor is it asked for that again.
    fn begin_at_summary(&mut self, messages: &[Message]) {
        let Some(summary) = &self.summary else { return };
        if self.from > 0 || !self.tail_tokens.is_empty() || summary.messages > messages.len() {
            return;
        }
        self.from = summary.messages;
        self.preface = preface(messages, self.from, Some(summary));
        self.preface_tokens = self.count(&self.preface);
    }

    /// Returns how many messages are not shown, from the first on.
    pub fn left_out(&self) -> usize {
        self.from
    }

    /// Returns the bytes that a summary may have: an eighth of what is left when something had to go.
    pub(crate) fn summary_bytes_max(&self) -> usize {
        usize::try_from(self.limits.tokens_kept / 8 * 3).unwrap_or(usize::MAX)
    }

    /// Shows a summary of what is left out in place of the note; returns whether there is room for it.
    pub(crate) fn sum_up(&mut self, summary: Summary, messages: &[Message]) -> bool {
        let preface = preface(messages, self.from, Some(&summary));
        let preface_tokens = self.count(&preface);
        let others = self.tools_tokens + self.tail_tokens.iter().sum::<u64>();
        let has_room = preface_tokens + others <= self.limits.tokens_max;
        if has_room {
            (self.summary, self.preface, self.preface_tokens) = (Some(summary), preface, preface_tokens);
        }
        has_room
    }

    fn count(&self, messages: &[Message]) -> u64 {
        messages.iter().map(|message| count_message(&*self.counter, message)).sum()
    }

    /// Returns what is shown of the conversation that was followed last.
    pub fn view<'a>(&'a self, messages: &'a [Message]) -> Vec<&'a Message> {
        let tail = (self.from..messages.len()).map(|at| self.shown(messages, at));
        self.preface.iter().chain(tail).collect()
    }

    /// Returns what is shown of one message of the tail.
    fn shown<'a>(&'a self, messages: &'a [Message], at: usize) -> &'a Message {
        self.shortened.get(&at).unwrap_or(&messages[at])
    }

    /// Returns the tokens that are shown, those of the tools included.
    pub fn tokens(&self) -> u64 {
        self.tools_tokens + self.preface_tokens + self.tail_tokens.iter().sum::<u64>()
    }

    /// Returns whether they are exact.
    pub fn is_exact(&self) -> bool {
        self.counter.is_exact()
    }

    /// Learns what the provider says that the view was.
    pub fn learn(&self, actual: u64) {
        self.counter.learn(self.tokens(), actual);
    }

    /// Moves the beginning of the tail on, as far as it must and no further than to the last thing said. Where that is not
    /// enough, the results of its calls are shortened.
    fn compact(&mut self, messages: &[Message]) -> Result<(), WindowFull> {
        // Counted anew, since an estimate may have learned.
        self.tools_tokens = count_tools(&*self.counter, &self.tools);
        let counted: Vec<u64> = (self.from..messages.len())
            .map(|at| count_message(&*self.counter, self.shown(messages, at)))
            .collect();
        let mut tail: u64 = self.tools_tokens + counted.iter().sum::<u64>();
        let mut tightest = None;
        let begins =
            |at: &usize| !matches!(messages[*at], Message::Tool(_)) || planted::is_on(Bug::SplitResult);
        let mut last = self.from;
        for from in (self.from..messages.len()).filter(begins) {
            tail -= counted[last - self.from..from - self.from].iter().sum::<u64>();
            last = from;
            // Only what may be left out is worth a preface.
            if tail > self.limits.tokens_max {
                continue;
            }
            let preface = preface(messages, from, self.summary.as_ref());
            let preface_tokens = self.count(&preface);
            if tail + preface_tokens <= self.limits.tokens_max {
                tightest = Some((from, preface, preface_tokens));
            }
            if tail + preface_tokens <= self.limits.tokens_kept {
                break;
            }
        }
        let Some((from, preface, preface_tokens)) = tightest else { return self.shorten(messages, last) };
        self.tail_tokens = counted[from - self.from..].to_vec();
        (self.from, self.preface, self.preface_tokens) = (from, preface, preface_tokens);
        self.shortened = self.shortened.split_off(&from);
        Ok(())
    }

    /// Shows the conversation from there on, and as much of each result as there is room for.
    fn shorten(&mut self, messages: &[Message], from: usize) -> Result<(), WindowFull> {
        let counter = &*self.counter;
        let preface = preface(messages, from, self.summary.as_ref());
        let preface_tokens = self.count(&preface);
        let mut counted: Vec<u64> =
            messages[from..].iter().map(|message| count_message(counter, message)).collect();
        let results: BTreeMap<usize, &ToolResult> = (from..)
            .zip(&messages[from..])
            .filter_map(
                |(at, message)| if let Message::Tool(result) = message { Some((at, result)) } else { None },
            )
            .collect();
        let of_results: u64 = results.keys().map(|at| counted[at - from]).sum();
        let all = self.tools_tokens + preface_tokens + counted.iter().sum::<u64>();
        let full = || WindowFull { tokens: all, tokens_max: self.limits.tokens_max };
        let room = self.limits.tokens_kept.checked_sub(all - of_results).ok_or_else(full)?;
        let share = room / (results.len() as u64).max(1);
        if share < RESULT_TOKENS_MIN {
            return Err(full());
        }
        let mut shortened = BTreeMap::new();
        for (at, result) in results {
            let tokens = &mut counted[at - from];
            if *tokens > share {
                let message = shortened_to(counter, result, *tokens, share);
                *tokens = count_message(counter, &message);
                shortened.insert(at, message);
            }
        }
        (self.tail_tokens, self.shortened) = (counted, shortened);
        (self.from, self.preface, self.preface_tokens) = (from, preface, preface_tokens);
        Ok(())
    }
}

/// Returns a result of so many tokens with as much of its text, from the beginning, as is no more than `tokens_max`.
fn shortened_to(counter: &dyn TokenCounter, result: &ToolResult, tokens: u64, tokens_max: u64) -> Message {
    let text = &result.text;
    let share = tokens_max as f64 / tokens.max(1) as f64;
    let mut kept = (text.len() as f64 * share) as usize;
    loop {
        kept = (0..=kept).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let shown = format!(
            "{}\n{CUT}{kept} of {} bytes, since there is no room for more]",
            &text[..kept],
            text.len()
        );
        let message = Message::Tool(ToolResult { text: shown, ..result.clone() });
        if kept == 0 || count_message(counter, &message) <= tokens_max {
            return message;
        }
        // Where a text is dense at its beginning, its share of the bytes is more than that of the tokens.
        kept -= kept.div_ceil(8);
    }
}

/// Returns what is shown of the messages before `from`.
fn preface(messages: &[Message], from: usize, summary: Option<&Summary>) -> Vec<Message> {
    let (before, after) = messages.split_at(from);
    let kept = |is_wanted: fn(&Message) -> bool| before.iter().filter(move |m| is_wanted(m)).cloned();
    let mut preface: Vec<Message> = kept(|message| matches!(message, Message::System(_))).collect();
    preface.extend(kept(|message| matches!(message, Message::Fact(_)) && !planted::is_on(Bug::DroppedFact)));
    preface.extend(skills(before).filter(|_| !planted::is_on(Bug::DroppedSkill)));
    let summary = summary.filter(|summary| summary.messages <= from);
    preface.extend(summary.map(Summary::shown));
    preface.extend(note(&before[summary.map_or(0, |summary| summary.messages)..]));
    let is_request = |message: &&Message| matches!(message, Message::User(_));
    if !after.iter().any(|message| is_request(&message)) {
        preface.extend(before.iter().rfind(is_request).cloned());
    }
    preface
}

/// Returns the texts of the skills that were activated, as something to keep to.
fn skills(messages: &[Message]) -> impl Iterator<Item = Message> {
    let activations: Vec<&str> = messages
        .iter()
        .flat_map(Message::calls)
        .filter(|call| call.name == ACTIVATE_SKILL)
        .map(|call| call.id.as_str())
        .collect();
    let is_activation = move |result: &ToolResult| {
        result.status == ToolStatus::Succeeded && activations.contains(&result.call_id.as_str())
    };
    messages.iter().filter_map(move |message| match message {
        Message::Tool(result) if is_activation(result) => Some(Message::System(result.text.clone())),
        _ => None,
    })
}

/// Returns a note of what is left out, `None` where nothing is.
fn note(messages: &[Message]) -> Option<Message> {
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut replies, mut requests) = (0_usize, Vec::new());
    for message in messages {
        match message {
            Message::User(text) => requests.push(text),
            Message::Assistant(Reply { calls: made, .. }) => {
                replies += 1;
                made.iter().for_each(|call| *calls.entry(&call.name).or_default() += 1);
            }
            Message::System(_) | Message::Fact(_) | Message::Tool(_) => {}
        }
    }
    if replies + requests.len() == 0 {
        return None;
    }
    let mut text = format!("[Earlier parts of this conversation are left out: {replies} replies");
    for (name, count) in calls {
        text.push_str(&format!(", {count} calls of {name}"));
    }
    text.push_str(&format!(", {} requests", requests.len()));
    let quoted = requests.len().saturating_sub(REQUESTS_QUOTED);
    for request in &requests[quoted..] {
        let line: String = request.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().take(REQUEST_CHARS).collect();
        text.push_str(&format!("\n- asked: {line}"));
    }
    text.push(']');
    Some(Message::System(text))
}

#[cfg(test)]
mod tests {
    use state_store::Random;

    use super::*;
    use crate::model::TokenUsage;
    use crate::token::Estimate;
    use crate::tool::ToolCall;

    fn window(tokens_max: u64, tokens_kept: u64) -> Window {
        Window::new(WindowLimits { tokens_max, tokens_kept }, Arc::new(Estimate::default()), None)
    }

    fn call(id: &str, name: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: "{}".to_owned() }
    }

    fn reply(text: &str, calls: Vec<ToolCall>) -> Message {
        Message::Assistant(Reply { text: text.to_owned(), calls, usage: TokenUsage::default() })
    }

    fn result(id: &str, text: String) -> Message {
        Message::Tool(ToolResult { call_id: id.to_owned(), status: ToolStatus::Succeeded, text })
    }

    /// What must be so of every view.
    fn check(window: &Window, messages: &[Message], seed: u64) {
        let view = window.view(messages);
        let tokens: u64 = view.iter().map(|message| count_message(&*window.counter, message)).sum();
        assert_eq!(tokens, window.tokens(), "seed {seed}");
        assert!(tokens <= window.limits.tokens_max, "seed {seed}: {tokens}");
        for message in messages {
            if matches!(message, Message::System(_) | Message::Fact(_)) {
                assert!(view.contains(&message), "seed {seed}: {message:?} is lost");
            }
        }
        let last_request = messages.iter().rfind(|message| matches!(message, Message::User(_)));
        assert!(last_request.is_none_or(|request| view.contains(&request)), "seed {seed}");
        assert_eq!(view.last(), messages.last().as_ref(), "seed {seed}");
        let called: Vec<&str> =
            view.iter().flat_map(|message| message.calls()).map(|call| call.id.as_str()).collect();
        let returned: Vec<&str> = view
            .iter()
            .filter_map(|message| if let Message::Tool(result) = message { Some(result) } else { None })
            .map(|result| result.call_id.as_str())
            .collect();
        assert_eq!(called, returned, "seed {seed}: a call is split from its result");
    }

    /// A conversation of many turns with facts, skills and calls, drawn from a seed; each unit is told once it is whole.
    fn converse(seed: u64, turns: usize, mut told: impl FnMut(&[Message])) -> Vec<Message> {
        let mut random = Random::new(seed);
        let mut messages = vec![Message::System("Keep to this.".to_owned())];
        for turn in 0..turns {
            if random.chance(0.1) {
                messages.push(Message::Fact(format!("fact {turn}: the key is {}", random.next_u64())));
            }
            messages.push(Message::User(format!("request {turn} {}", "please ".repeat(random.below(20)))));
            told(&messages);
            for round in 0..random.below(4) {
                let is_skill = random.chance(0.02);
                let name = if is_skill { ACTIVATE_SKILL } else { "read_file" };
                let ids: Vec<String> =
                    (0..=random.below(3)).map(|call| format!("{turn}-{round}-{call}")).collect();
                let calls = ids.iter().map(|id| call(id, name)).collect();
                messages.push(reply("looking", calls));
                for id in ids {
                    let text =
                        if is_skill { format!("skill {id}") } else { "text ".repeat(random.below(300)) };
                    messages.push(result(&id, text));
                }
                told(&messages);
            }
            messages.push(reply("done", Vec::new()));
            told(&messages);
        }
        messages
    }

    #[test]
    fn every_planted_fact_is_recalled_over_a_long_conversation() {
        for seed in 0..20 {
            let mut window = window(8000, 5000);
            let mut compactions = 0;
            let messages = converse(seed, 120, |messages| {
                compactions += usize::from(window.follow(messages).unwrap().is_some());
                check(&window, messages, seed);
            });
            assert!(compactions > 5, "seed {seed}: {compactions} compactions");
            let view = window.view(&messages);
            let skills = |texts: &str| view.iter().any(|message| message.texts().any(|text| text == texts));
            for message in &messages {
                if let Message::Tool(result) = message
                    && result.text.starts_with("skill ")
                {
                    assert!(skills(&result.text), "seed {seed}: {} is lost", result.text);
                }
            }
        }
    }

    #[test]
    fn a_summary_stands_for_what_it_sums_up_and_nothing_is_lost_by_it() {
        for seed in 0..20 {
            let (mut window, mut summed_up) = (window(8000, 5000), 0);
            let messages = converse(seed, 120, |messages| {
                if window.follow(messages).unwrap().is_some() {
                    let (messages_left_out, text) =
                        (window.left_out(), format!("summary {seed} ").repeat(20));
                    let summary = Summary { messages: messages_left_out, text, usage: TokenUsage::default() };
                    summed_up += usize::from(window.sum_up(summary, messages));
                }
                check(&window, messages, seed);
            });
            assert!(summed_up > 5, "seed {seed}: {summed_up}");
            let shown =
                |message: &&Message| message.texts().any(|text| text.contains("as a model has summed"));
            let view = window.view(&messages);
            assert_eq!(view.iter().copied().filter(shown).count(), 1, "seed {seed}");
            // It is kept, and shown by the window of the next run as well.
            let mut later = Window::new(window.limits, Arc::clone(&window.counter), window.summary.clone());
            later.follow(&messages).unwrap();
            check(&later, &messages, seed);
            assert!(later.view(&messages).iter().copied().any(|message| shown(&message)), "seed {seed}");
            // One that does not fit is not taken.
            let text = "x".repeat(40_000);
            let large = Summary { messages: window.left_out(), text, usage: TokenUsage::default() };
            assert!(!window.sum_up(large, &messages));
            check(&window, &messages, seed);
        }
    }

    #[test]
    fn a_window_that_is_made_later_keeps_the_same_promises() {
        for seed in 0..20 {
            let messages = converse(seed, 60, |_| {});
            let mut window = window(6000, 4000);
            window.follow(&messages).unwrap();
            check(&window, &messages, seed);
        }
    }

    #[test]
    fn results_that_are_too_much_together_are_each_shown_as_far_as_there_is_room() {
        let mut window = window(1000, 800);
        let ids = ["1", "2", "3", "4"];
        let mut messages = vec![
            Message::System("rules".to_owned()),
            Message::User("look".to_owned()),
            reply("", ids.map(|id| call(id, "read_file")).to_vec()),
        ];
        let lengths = [8000, 100, 9000, 10_000];
        messages.extend(ids.iter().zip(lengths).map(|(id, length)| result(id, "é".repeat(length))));
        window.follow(&messages).unwrap().unwrap();
        for (shown, message) in window.view(&messages).iter().rev().zip(messages[3..].iter().rev()) {
            let (Message::Tool(shown), Message::Tool(whole)) = (shown, message) else { panic!("{shown:?}") };
            assert_eq!(shown.call_id, whole.call_id);
            assert_eq!(shown.text == whole.text, whole.text.len() == 200, "only what is too long is cut");
        }
        let check_tokens = |window: &Window, messages: &[Message]| {
            let view = window.view(messages);
            let tokens: u64 = view.iter().map(|message| count_message(&*window.counter, message)).sum();
            assert_eq!(tokens, window.tokens());
            assert!(tokens <= 1000, "{tokens}");
        };
        check_tokens(&window, &messages);
        // They stay so until they are the first to go.
        messages.push(reply("I see", vec![call("5", "read_file")]));
        messages.push(result("5", "x".repeat(400)));
        window.follow(&messages).unwrap();
        check_tokens(&window, &messages);
        messages.push(reply("and more", vec![call("6", "read_file")]));
        messages.push(result("6", "x".repeat(1200)));
        assert!(window.follow(&messages).unwrap().unwrap().messages_left_out >= 7);
        check(&window, &messages, 0);
        assert!(window.shortened.is_empty());
    }

    #[test]
    fn what_goes_is_the_oldest_and_is_told() {
        let mut window = window(1000, 500);
        let mut messages = vec![Message::System("rules".to_owned())];
        for turn in 0..10 {
            messages.push(Message::User(format!("request {turn}")));
            messages.push(reply("", vec![call(&turn.to_string(), "read_file")]));
            messages.push(result(&turn.to_string(), "x".repeat(400)));
        }
        let compaction = window.follow(&messages).unwrap().unwrap();
        assert!(compaction.tokens_before > 1000 && compaction.tokens_after <= 500, "{compaction:?}");
        let view = window.view(&messages);
        assert_eq!(view[0], &messages[0]);
        let Message::System(note) = view[1] else { panic!("{:?}", view[1]) };
        assert!(note.contains("calls of read_file") && note.contains("- asked: request 0"), "{note}");
        let shown = view.len() - 2;
        assert_eq!(view[2..], messages[messages.len() - shown..].iter().collect::<Vec<_>>());
        // Nothing more goes while there is room, and what was shown stays the same.
        messages.push(reply("done", Vec::new()));
        assert_eq!(window.follow(&messages).unwrap(), None);
        assert_eq!(window.view(&messages).len(), shown + 3);
    }

    #[test]
    fn a_conversation_that_fits_is_shown_as_it_is() {
        let messages = converse(1, 3, |_| {});
        let mut window = Window::new(WindowLimits::default(), Arc::new(Estimate::default()), None);
        assert_eq!(window.follow(&messages), Ok(None));
        assert_eq!(window.view(&messages), messages.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_left_out_and_is_too_much_is_an_error() {
        let mut window = window(1000, 500);
        let messages = [Message::User("x".repeat(5000))];
        let full = window.follow(&messages).unwrap_err();
        assert_eq!(full, WindowFull { tokens: 1254, tokens_max: 1000 });
        let facts: Vec<Message> = (0..100).map(|n| Message::Fact(format!("{n:0>100}"))).collect();
        let messages = [facts, vec![Message::User("go".to_owned())]].concat();
        let limits = WindowLimits { tokens_max: 1000, tokens_kept: 500 };
        let mut window = Window::new(limits, window.counter, None);
        assert!(window.follow(&messages).is_err());
    }
}
