//! A reply that is being read.

use serde_json::Value;

use crate::model::http::sse::SseEvent;
use crate::model::{ModelError, Reply};
use crate::tool::ToolCall;

/// What an event of a reply brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// More of the text.
    Heard(String),
    /// Nothing for people.
    Nothing,
    /// The reply is whole.
    Done,
}

/// A reply as far as it has come.
pub(super) trait Reading {
    /// Takes in an event.
    fn take(&mut self, event: &SseEvent) -> Result<Progress, ModelError>;

    /// Returns the reply, once it is whole.
    fn reply(&mut self) -> Result<Reply, ModelError>;
}

/// Returns the data of an event as JSON.
pub(super) fn json_of(event: &SseEvent) -> Result<Value, ModelError> {
    serde_json::from_str(&event.data).map_err(|error| garbled(&format!("an event is no JSON: {error}")))
}

pub(super) fn garbled(what: &str) -> ModelError {
    ModelError::Unavailable { reason: format!("the reply cannot be read: {what}") }
}

/// Returns the message of an error as both dialects have it.
pub(super) fn error_message(json: &Value) -> Option<String> {
    let error = json.get("error")?;
    let message = error.get("message").unwrap_or(error).as_str()?;
    let kind = error.get("type").and_then(Value::as_str);
    Some(kind.map_or_else(|| message.to_owned(), |kind| format!("{kind}: {message}")))
}

/// Calls that come in pieces, by their index.
#[derive(Debug, Default)]
pub(super) struct CallPieces(Vec<(u64, ToolCall)>);

impl CallPieces {
    /// Returns the call of that index, made where it is new.
    pub(super) fn at(&mut self, index: u64) -> &mut ToolCall {
        let known = self.0.iter().position(|(known, _)| *known == index);
        let at = known.unwrap_or_else(|| {
            let empty = ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
            self.0.push((index, empty));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Returns the calls, by index.
    pub(super) fn finish(&mut self) -> Vec<ToolCall> {
        let mut calls = std::mem::take(&mut self.0);
        calls.sort_by_key(|(index, _)| *index);
        calls.into_iter().map(|(_, call)| call).collect()
    }
}

/// Returns a text in an object, empty where there is none.
pub(super) fn text_at<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a number in an object.
pub(super) fn number_at(json: &Value, pointer: &str) -> Option<u64> {
    json.pointer(pointer).and_then(Value::as_u64)
}
