//! Chat completions, as OpenAI and many others have them.

use serde_json::{Value, json};

use crate::model::http::HttpSettings;
use crate::model::http::reading::{
    CallPieces, Progress, Reading, error_message, garbled, json_of, number_at, text_at,
};
use crate::model::http::sse::SseEvent;
use crate::model::{Message, ModelError, Question, Reply, TokenUsage};

/// What ends a stream.
const DONE: &str = "[DONE]";

/// Why the model stopped, where it was not done.
const CUT_OFF: &str = "length";

/// Returns what is sent.
pub(super) fn body(settings: &HttpSettings, question: &Question<'_>) -> Value {
    let messages: Vec<Value> = question.messages.iter().map(|message| message_json(message)).collect();
    let tools: Vec<Value> = question
        .tools
        .iter()
        .map(|tool| {
            let (name, description) = (&tool.name, &tool.description);
            let parameters = tool.arguments.to_json();
            json!({
                "type": "function",
                "function": { "name": name, "description": description, "parameters": parameters },
            })
        })
        .collect();
    let mut body = json!({
        "model": settings.model,
        "max_completion_tokens": settings.reply_tokens_max,
        "stream": true,
        "stream_options": { "include_usage": true },
        "messages": messages,
    });
    if !tools.is_empty() {
        body["tools"] = Value::Array(tools);
    }
    body
}

fn message_json(message: &Message) -> Value {
    match message {
        Message::System(text) | Message::Fact(text) => json!({ "role": "system", "content": text }),
        Message::User(text) => json!({ "role": "user", "content": text }),
        Message::Tool(result) => {
            json!({ "role": "tool", "tool_call_id": result.call_id, "content": result.text })
        }
        Message::Assistant(reply) => {
            let mut json = json!({ "role": "assistant", "content": reply.text });
            if !reply.calls.is_empty() {
                json["tool_calls"] = reply
                    .calls
                    .iter()
                    .map(|call| {
                        let function = json!({ "name": call.name, "arguments": call.arguments });
                        json!({ "type": "function", "id": call.id, "function": function })
                    })
                    .collect();
            }
            json
        }
    }
}

/// A reply in pieces.
#[derive(Debug, Default)]
pub(super) struct Completion {
    text: String,
    calls: CallPieces,
    usage: TokenUsage,
    has_finished: bool,
    is_cut_off: bool,
}

impl Reading for Completion {
    fn take(&mut self, event: &SseEvent) -> Result<Progress, ModelError> {
        if event.data == DONE {
            return if self.has_finished {
                Ok(Progress::Done)
            } else {
                Err(garbled("it ended before it was finished"))
            };
        }
        let json = json_of(event)?;
        if let Some(message) = error_message(&json) {
            return Err(ModelError::Unavailable { reason: message });
        }
        if let (Some(input), Some(output)) =
            (number_at(&json, "/usage/prompt_tokens"), number_at(&json, "/usage/completion_tokens"))
        {
            self.usage = TokenUsage { input, output };
        }
        let finish_reason = text_at(&json, "/choices/0/finish_reason");
        self.has_finished |= !finish_reason.is_empty();
        self.is_cut_off |= finish_reason == CUT_OFF;
        for piece in
            json.pointer("/choices/0/delta/tool_calls").and_then(Value::as_array).into_iter().flatten()
        {
            let index = number_at(piece, "/index").unwrap_or(0);
            let call = self.calls.at(index);
            call.id.push_str(text_at(piece, "/id"));
            call.name.push_str(text_at(piece, "/function/name"));
            call.arguments.push_str(text_at(piece, "/function/arguments"));
        }
        let piece = text_at(&json, "/choices/0/delta/content");
        self.text.push_str(piece);
        Ok(if piece.is_empty() { Progress::Nothing } else { Progress::Heard(piece.to_owned()) })
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
