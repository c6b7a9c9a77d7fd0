//! Anthropic Messages.

use serde_json::{Value, json};

use crate::model::http::HttpSettings;
use crate::model::http::reading::{
    CallPieces, Progress, Reading, error_message, garbled, json_of, number_at, text_at,
};
use crate::model::http::sse::SseEvent;
use crate::model::{Message, ModelError, Question, Reply, TokenUsage};
use crate::tool::ToolStatus;

/// What stands in for a request where a conversation that was cut begins with a reply.
const LEFT_OUT: &str = "(Earlier parts of the conversation are left out.)";

/// Why the model stopped, where it was not done.
const CUT_OFF: [&str; 2] = ["max_tokens", "model_context_window_exceeded"];

/// Returns what is sent.
pub(super) fn body(settings: &HttpSettings, question: &Question<'_>) -> Value {
    let mut system: Vec<&str> = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in question.messages {
        match message {
            Message::System(text) | Message::Fact(text) => system.push(text),
            Message::User(text) => add(&mut turns, "user", text_block(text)),
            Message::Assistant(reply) => reply_blocks(reply, &mut turns),
            Message::Tool(result) => {
                let block = json!({
                    "type": "tool_result",
                    "tool_use_id": result.call_id,
                    "content": result.text,
                    "is_error": result.status != ToolStatus::Succeeded,
                });
                add(&mut turns, "user", block);
            }
        }
    }
    if turns.first().is_none_or(|(role, _)| *role != "user") {
        turns.insert(0, ("user", vec![text_block(LEFT_OUT)]));
    }
    let messages: Vec<Value> =
        turns.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect();
    let tools: Vec<Value> = question
        .tools
        .iter()
        .map(|tool| {
            let schema = tool.arguments.to_json();
            json!({ "name": tool.name, "description": tool.description, "input_schema": schema })
        })
        .collect();
    let mut body = json!({
        "model": settings.model,
        "max_tokens": settings.reply_tokens_max,
        "stream": true,
        "system": system.join("\n\n"),
        "messages": messages,
    });
    if !tools.is_empty() {
        body["tools"] = Value::Array(tools);
    }
    body
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// Adds a block; those of one role in a row are one message.
fn add<'a>(turns: &mut Vec<(&'a str, Vec<Value>)>, role: &'a str, block: Value) {
    match turns.last_mut() {
        Some((last, blocks)) if *last == role => blocks.push(block),
        _ => turns.push((role, vec![block])),
    }
}

fn reply_blocks(reply: &Reply, turns: &mut Vec<(&str, Vec<Value>)>) {
    // An empty text is refused by the server.
    if !reply.text.is_empty() {
        add(turns, "assistant", text_block(&reply.text));
    }
    for call in &reply.calls {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let input = if input.is_object() { input } else { json!({}) };
        add(
            turns,
            "assistant",
            json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }),
        );
    }
}

/// A reply in pieces.
#[derive(Debug, Default)]
pub(super) struct Messages {
    text: String,
    calls: CallPieces,
    usage: TokenUsage,
    is_cut_off: bool,
}

impl Reading for Messages {
    fn take(&mut self, event: &SseEvent) -> Result<Progress, ModelError> {
        let json = json_of(event)?;
        match text_at(&json, "/type") {
            "message_start" => self.usage.input = input_tokens(&json),
            "content_block_start" if text_at(&json, "/content_block/type") == "tool_use" => {
                let call = self.calls.at(index(&json)?);
                text_at(&json, "/content_block/id").clone_into(&mut call.id);
                text_at(&json, "/content_block/name").clone_into(&mut call.name);
            }
            "content_block_delta" => return self.take_delta(&json),
            "message_delta" => {
                self.is_cut_off |= CUT_OFF.contains(&text_at(&json, "/delta/stop_reason"));
                self.usage.output = number_at(&json, "/usage/output_tokens").unwrap_or(self.usage.output);
            }
            "message_stop" => return Ok(Progress::Done),
            "error" => return Err(error(&json)),
            // A ping, or an event that is newer than this program.
            _ => {}
        }
        Ok(Progress::Nothing)
    }

    fn reply(&mut self) -> Result<Reply, ModelError> {
        if self.is_cut_off {
            return Err(ModelError::CutOff);
        }
        let (text, calls) = (std::mem::take(&mut self.text), self.calls.finish());
        if text.is_empty() && calls.is_empty() {
            return Err(garbled("there is nothing in it"));
        }
        Ok(Reply { text, calls, usage: self.usage })
    }
}

impl Messages {
    fn take_delta(&mut self, json: &Value) -> Result<Progress, ModelError> {
        match text_at(json, "/delta/type") {
            "text_delta" => {
                let piece = text_at(json, "/delta/text");
                self.text.push_str(piece);
                Ok(Progress::Heard(piece.to_owned()))
            }
            "input_json_delta" => {
                let call = self.calls.at(index(json)?);
                call.arguments.push_str(text_at(json, "/delta/partial_json"));
                Ok(Progress::Nothing)
            }
            _ => Ok(Progress::Nothing),
        }
    }
}

/// What was read of a cache was read too.
fn input_tokens(json: &Value) -> u64 {
    ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
        .iter()
        .filter_map(|field| number_at(json, &format!("/message/usage/{field}")))
        .fold(0, u64::saturating_add)
}

fn index(json: &Value) -> Result<u64, ModelError> {
    number_at(json, "/index").ok_or_else(|| garbled("a block has no index"))
}

fn error(json: &Value) -> ModelError {
    match text_at(json, "/error/type") {
        "overloaded_error" | "rate_limit_error" => ModelError::Overloaded { retry_after: None },
        "invalid_request_error" | "authentication_error" | "permission_error" | "not_found_error" => {
            ModelError::Rejected { reason: error_message(json).unwrap_or_default() }
        }
        _ => ModelError::Unavailable { reason: error_message(json).unwrap_or_default() },
    }
}
