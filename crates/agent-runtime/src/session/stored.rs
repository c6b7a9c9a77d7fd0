//! The form in which messages are in the log: JSON, with a version.
//!
//! Fields may be added with a default; whatever an older program could misread needs a new version.

use serde::{Deserialize, Serialize};
use state_store::Entry;

use crate::model::{Message, Reply, TokenUsage};
use crate::tool::{ToolCall, ToolResult, ToolStatus};

/// The kind of an entry that is a message; the only one in the stream of a session.
const MESSAGE: u16 = 1;
/// The version of the JSON.
const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum StoredMessage {
    System {
        text: String,
    },
    Fact {
        text: String,
    },
    User {
        text: String,
    },
    Assistant {
        text: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<StoredCall>,
        input_tokens: u64,
        output_tokens: u64,
    },
    Tool {
        call: String,
        status: StoredStatus,
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
struct StoredCall {
    id: String,
    name: String,
    arguments: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredStatus {
    Succeeded,
    Failed,
    InvalidArguments,
    UnknownTool,
    TimedOut,
    Panicked,
}

/// Returns the entry that keeps a message.
pub(super) fn encode(message: &Message) -> Entry {
    let body = serde_json::to_vec(&StoredMessage::from(message)).expect("texts and numbers are JSON");
    Entry { kind: MESSAGE, version: VERSION, body }
}

/// Returns the message that an entry keeps, or what is wrong with it.
pub(super) fn decode(entry: &Entry) -> Result<Message, String> {
    match (entry.kind, entry.version) {
        (MESSAGE, VERSION) => serde_json::from_slice::<StoredMessage>(&entry.body)
            .map(Message::from)
            .map_err(|error| error.to_string()),
        (MESSAGE, version) => Err(format!("it has version {version}; this program reads version {VERSION}")),
        (kind, _) => Err(format!("it is of kind {kind}, not a message")),
    }
}

impl From<&Message> for StoredMessage {
    fn from(message: &Message) -> Self {
        match message {
            Message::System(text) => Self::System { text: text.clone() },
            Message::Fact(text) => Self::Fact { text: text.clone() },
            Message::User(text) => Self::User { text: text.clone() },
            Message::Assistant(reply) => Self::Assistant {
                text: reply.text.clone(),
                calls: reply.calls.iter().map(StoredCall::from).collect(),
                input_tokens: reply.usage.input,
                output_tokens: reply.usage.output,
            },
            Message::Tool(result) => Self::Tool {
                call: result.call_id.clone(),
                status: result.status.into(),
                text: result.text.clone(),
            },
        }
    }
}

impl From<StoredMessage> for Message {
    fn from(stored: StoredMessage) -> Self {
        match stored {
            StoredMessage::System { text } => Self::System(text),
            StoredMessage::Fact { text } => Self::Fact(text),
            StoredMessage::User { text } => Self::User(text),
            StoredMessage::Assistant { text, calls, input_tokens, output_tokens } => Self::Assistant(Reply {
                text,
                calls: calls.into_iter().map(ToolCall::from).collect(),
                usage: TokenUsage { input: input_tokens, output: output_tokens },
            }),
            StoredMessage::Tool { call, status, text } => {
                Self::Tool(ToolResult { call_id: call, status: status.into(), text })
            }
        }
    }
}

impl From<&ToolCall> for StoredCall {
    fn from(call: &ToolCall) -> Self {
        Self { id: call.id.clone(), name: call.name.clone(), arguments: call.arguments.clone() }
    }
}

impl From<StoredCall> for ToolCall {
    fn from(stored: StoredCall) -> Self {
        Self { id: stored.id, name: stored.name, arguments: stored.arguments }
    }
}

impl From<ToolStatus> for StoredStatus {
    fn from(status: ToolStatus) -> Self {
        match status {
            ToolStatus::Succeeded => Self::Succeeded,
            ToolStatus::Failed => Self::Failed,
            ToolStatus::InvalidArguments => Self::InvalidArguments,
            ToolStatus::UnknownTool => Self::UnknownTool,
            ToolStatus::TimedOut => Self::TimedOut,
            ToolStatus::Panicked => Self::Panicked,
        }
    }
}

impl From<StoredStatus> for ToolStatus {
    fn from(stored: StoredStatus) -> Self {
        match stored {
            StoredStatus::Succeeded => Self::Succeeded,
            StoredStatus::Failed => Self::Failed,
            StoredStatus::InvalidArguments => Self::InvalidArguments,
            StoredStatus::UnknownTool => Self::UnknownTool,
            StoredStatus::TimedOut => Self::TimedOut,
            StoredStatus::Panicked => Self::Panicked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_version_of_the_format_stays_readable() {
        let call = ToolCall { id: "1".to_owned(), name: "read".to_owned(), arguments: "{}".to_owned() };
        let reply =
            Reply { text: "hm".to_owned(), calls: vec![call], usage: TokenUsage { input: 5, output: 2 } };
        let result =
            ToolResult { call_id: "1".to_owned(), status: ToolStatus::TimedOut, text: "late".to_owned() };
        for (message, json) in [
            (Message::System("rules".to_owned()), r#"{"role":"system","text":"rules"}"#),
            (Message::Fact("7".to_owned()), r#"{"role":"fact","text":"7"}"#),
            (Message::User("do".to_owned()), r#"{"role":"user","text":"do"}"#),
            (
                Message::Assistant(reply),
                r#"{"role":"assistant","text":"hm","calls":[{"id":"1","name":"read","arguments":"{}"}],"input_tokens":5,"output_tokens":2}"#,
            ),
            (Message::Tool(result), r#"{"role":"tool","call":"1","status":"timed_out","text":"late"}"#),
        ] {
            let entry = Entry { kind: 1, version: 1, body: json.as_bytes().to_vec() };
            assert_eq!(encode(&message), entry);
            assert_eq!(decode(&entry), Ok(message));
        }
    }
}
