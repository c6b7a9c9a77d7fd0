//! What comes next in a conversation: it follows from the messages and from nothing else, so a session that was cut off
//! anywhere goes on where it was.

use std::collections::BTreeSet;

use crate::model::{Message, Reply};
use crate::tool::{Access, ToolCall, ToolResult, ToolStatus};

/// What a model is told of a call that the next request cut off.
const CUT_OFF: &str = "the call was cut off before its result was known: it may have been made or not";

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nobody has asked for anything.
    AwaitRequest,
    /// The model is to reply.
    Ask,
    /// These calls are to be made; the conversation has no results of them yet.
    Call(Vec<ToolCall>),
    /// The model has answered.
    Answered(String),
}

/// Returns what comes next after these messages.
pub(super) fn next_step(messages: &[Message]) -> Step {
    let Some(turn) = current_turn(messages) else { return Step::AwaitRequest };
    let last_reply = turn.iter().rposition(|message| matches!(message, Message::Assistant(_)));
    let Some((Message::Assistant(reply), results)) = last_reply.map(|at| (&turn[at], &turn[at + 1..])) else {
        return Step::Ask;
    };
    if reply.calls.is_empty() {
        return Step::Answered(reply.text.clone());
    }
    let has_result = |call: &ToolCall| {
        results.iter().any(|message| matches!(message, Message::Tool(result) if result.call_id == call.id))
    };
    let open: Vec<_> = reply.calls.iter().filter(|call| !has_result(call)).cloned().collect();
    if open.is_empty() { Step::Ask } else { Step::Call(open) }
}

/// Returns whether a conversation has a request that is not answered yet: [`super::ReAct::resume`] goes on with it.
pub fn is_unanswered(messages: &[Message]) -> bool {
    match next_step(messages) {
        Step::Ask | Step::Call(_) => true,
        Step::AwaitRequest | Step::Answered(_) => false,
    }
}

/// Returns a result for each call that has none, for a conversation that goes on with another request: providers refuse one
/// in which a call is left without.
pub(super) fn cut_off(messages: &[Message]) -> Vec<Message> {
    let open = match next_step(messages) {
        Step::Call(open) => open,
        Step::AwaitRequest | Step::Ask | Step::Answered(_) => Vec::new(),
    };
    let result = |call: ToolCall| {
        Message::Tool(ToolResult { call_id: call.id, status: ToolStatus::Failed, text: CUT_OFF.to_owned() })
    };
    open.into_iter().map(result).collect()
}

/// Returns the replies to the latest request.
pub(super) fn replies(messages: &[Message]) -> impl Iterator<Item = &Reply> {
    current_turn(messages).unwrap_or_default().iter().filter_map(|message| match message {
        Message::Assistant(reply) => Some(reply),
        Message::System(_) | Message::Fact(_) | Message::User(_) | Message::Tool(_) => None,
    })
}

/// Returns how many replies to the latest request there are.
pub fn iterations(messages: &[Message]) -> u32 {
    u32::try_from(replies(messages).count()).unwrap_or(u32::MAX)
}

/// The messages after the latest request.
fn current_turn(messages: &[Message]) -> Option<&[Message]> {
    let request = messages.iter().rposition(|message| matches!(message, Message::User(_)))?;
    Some(&messages[request + 1..])
}

/// Returns the reply with an id of our own for each call whose id is empty or already taken in the conversation.
pub(super) fn with_distinct_ids(mut reply: Reply, messages: &[Message]) -> Reply {
    let mut taken: BTreeSet<String> =
        messages.iter().flat_map(Message::calls).map(|call| call.id.clone()).collect();
    let mut number = messages.len();
    for call in &mut reply.calls {
        while call.id.is_empty() || taken.contains(&call.id) {
            number += 1;
            call.id = format!("call-{number}");
        }
        taken.insert(call.id.clone());
    }
    reply
}

/// Returns the calls in batches whose calls are independent of each other: a call that changes something is alone.
pub(super) fn batches(
    calls: Vec<ToolCall>,
    together_max: usize,
    access: impl Fn(&str) -> Access,
) -> Vec<Vec<ToolCall>> {
    let mut batches: Vec<(Access, Vec<ToolCall>)> = Vec::new();
    for call in calls {
        match (batches.last_mut(), access(&call.name)) {
            (Some((Access::Reads, batch)), Access::Reads) if batch.len() < together_max => batch.push(call),
            (_, access) => batches.push((access, vec![call])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, name: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new() }
    }

    fn reply(ids: &[&str]) -> Message {
        let calls = ids.iter().map(|id| call(id, "x")).collect();
        Message::Assistant(Reply { text: "text".to_owned(), calls, ..Reply::default() })
    }

    fn result(id: &str) -> Message {
        let (call_id, status) = (id.to_owned(), ToolStatus::Succeeded);
        Message::Tool(ToolResult { call_id, status, text: String::new() })
    }

    #[test]
    fn every_prefix_of_a_conversation_has_its_next_step() {
        let user = || Message::User("do".to_owned());
        let answered = || Step::Answered("text".to_owned());
        let conversation = [
            (Message::System(String::new()), Step::AwaitRequest),
            (user(), Step::Ask),
            (reply(&["1", "2"]), Step::Call(vec![call("1", "x"), call("2", "x")])),
            (result("2"), Step::Call(vec![call("1", "x")])),
            (result("1"), Step::Ask),
            (reply(&["3"]), Step::Call(vec![call("3", "x")])),
            (result("3"), Step::Ask),
            (reply(&[]), answered()),
            (user(), Step::Ask),
            (reply(&[]), answered()),
        ];
        assert_eq!(next_step(&[]), Step::AwaitRequest);
        let mut messages = Vec::new();
        for (message, step) in conversation {
            messages.push(message);
            assert_eq!(next_step(&messages), step, "after {messages:?}");
        }
        assert_eq!(replies(&messages).count(), 1);
    }

    #[test]
    fn ids_that_are_empty_or_taken_are_replaced() {
        let calls = ["", "1", "1", "call-2", ""].map(|id| call(id, "x")).to_vec();
        let before = [reply(&["1", "call-3"])];
        let distinct = with_distinct_ids(Reply { calls, ..Reply::default() }, &before);
        let ids: Vec<_> = distinct.calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["call-2", "call-4", "call-5", "call-6", "call-7"]);
    }

    #[test]
    fn calls_that_only_look_run_together_and_the_others_alone() {
        let calls = ["r1", "r2", "r3", "w1", "w2", "r4"].map(|id| call(id, id)).to_vec();
        let access = |name: &str| if name.starts_with('r') { Access::Reads } else { Access::Writes };
        let batches = batches(calls, 2, access);
        let ids: Vec<Vec<&str>> =
            batches.iter().map(|batch| batch.iter().map(|call| call.id.as_str()).collect()).collect();
        assert_eq!(ids, [vec!["r1", "r2"], vec!["r3"], vec!["w1"], vec!["w2"], vec!["r4"]]);
    }
}
