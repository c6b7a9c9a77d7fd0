//! The form in which sessions are in the log: JSON, with a version.
//!
//! Fields may be added with a default; whatever an older program could misread needs a new version.

use serde::{Deserialize, Serialize};
use state_store::log::Snapshot;
use state_store::{Entry, Seq, Timestamp};

use crate::model::{Message, Reply, TokenUsage};
use crate::session::conversation::{Change, Conversation, Standing};
use crate::summary::Summary;
use crate::tool::{ToolCall, ToolResult, ToolStatus};

/// The kind of an entry that is a message.
const MESSAGE: u16 = 1;
/// The kind of an entry that says how the session stands from here on.
const STANDING: u16 = 2;
/// The kind of an entry that sums up the beginning of the session.
const SUMMARY: u16 = 3;
/// The kind of a snapshot.
const CONVERSATION: u16 = 1;
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredStanding {
    Open,
    Archived,
    Closed,
}

#[derive(Serialize, Deserialize)]
struct StoredConversation {
    standing: StoredStanding,
    begun_at_ms: Option<u64>,
    touched_at_ms: Option<u64>,
    messages: Vec<StoredMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summary: Option<StoredSummary>,
}

#[derive(Serialize, Deserialize)]
struct StoredSummary {
    messages: usize,
    text: String,
    input_tokens: u64,
    output_tokens: u64,
}

/// Returns the entry that keeps a change of a session.
pub(super) fn encode(change: &Change) -> Entry {
    let (kind, body) = match change {
        Change::Message(message) => (MESSAGE, to_json(&StoredMessage::from(message))),
        Change::Standing(standing) => (STANDING, to_json(&StoredStanding::from(*standing))),
        Change::Summary(summary) => (SUMMARY, to_json(&StoredSummary::from(summary))),
    };
    Entry { kind, version: VERSION, body }
}

/// Returns the change that an entry keeps, or what is wrong with it.
pub(super) fn decode(entry: &Entry) -> Result<Change, String> {
    match (entry.kind, entry.version) {
        (MESSAGE, VERSION) => from_json::<StoredMessage>(&entry.body).map(|m| Change::Message(m.into())),
        (STANDING, VERSION) => from_json::<StoredStanding>(&entry.body).map(|s| Change::Standing(s.into())),
        (SUMMARY, VERSION) => from_json::<StoredSummary>(&entry.body).map(|s| Change::Summary(s.into())),
        (MESSAGE | STANDING | SUMMARY, version) => Err(newer(version)),
        (kind, _) => Err(format!("it is of kind {kind}, which no session has")),
    }
}

/// Returns the snapshot of a conversation whose last entry is at `seq`.
pub(super) fn snapshot(conversation: &Conversation, seq: Seq) -> Snapshot {
    let stored = StoredConversation {
        standing: conversation.standing.into(),
        begun_at_ms: conversation.begun_at.map(Timestamp::as_millis),
        touched_at_ms: conversation.touched_at.map(Timestamp::as_millis),
        messages: conversation.messages.iter().map(StoredMessage::from).collect(),
        summary: conversation.summary.as_ref().map(StoredSummary::from),
    };
    Snapshot { seq, kind: CONVERSATION, version: VERSION, body: to_json(&stored) }
}

/// Returns the conversation of a snapshot, or what is wrong with it.
pub(super) fn restore(snapshot: &Snapshot) -> Result<Conversation, String> {
    if (snapshot.kind, snapshot.version) != (CONVERSATION, VERSION) {
        return Err(newer(snapshot.version));
    }
    let stored: StoredConversation = from_json(&snapshot.body)?;
    let mut conversation = Conversation::default();
    for message in stored.messages {
        conversation.apply(Change::Message(message.into()), Timestamp::default());
    }
    if let Some(summary) = stored.summary {
        conversation.apply(Change::Summary(summary.into()), Timestamp::default());
    }
    conversation.standing = stored.standing.into();
    conversation.begun_at = stored.begun_at_ms.map(Timestamp::from_millis);
    conversation.touched_at = stored.touched_at_ms.map(Timestamp::from_millis);
    Ok(conversation)
}

/// Returns a message as a line of JSON.
pub(super) fn line(message: &Message) -> Vec<u8> {
    let mut line = to_json(&StoredMessage::from(message));
    line.push(b'\n');
    line
}

fn to_json(stored: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(stored).expect("texts and numbers are JSON")
}

fn from_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn newer(version: u16) -> String {
    format!("it has version {version}; this program reads version {VERSION}")
}

impl From<&Summary> for StoredSummary {
    fn from(summary: &Summary) -> Self {
        Self {
            messages: summary.messages,
            text: summary.text.clone(),
            input_tokens: summary.usage.input,
            output_tokens: summary.usage.output,
        }
    }
}

impl From<StoredSummary> for Summary {
    fn from(stored: StoredSummary) -> Self {
        let usage = TokenUsage { input: stored.input_tokens, output: stored.output_tokens };
        Self { messages: stored.messages, text: stored.text, usage }
    }
}

impl From<Standing> for StoredStanding {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Open => Self::Open,
            Standing::Archived => Self::Archived,
            Standing::Closed => Self::Closed,
        }
    }
}

impl From<StoredStanding> for Standing {
    fn from(stored: StoredStanding) -> Self {
        match stored {
            StoredStanding::Open => Self::Open,
            StoredStanding::Archived => Self::Archived,
            StoredStanding::Closed => Self::Closed,
        }
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
            assert_eq!(encode(&Change::Message(message.clone())), entry);
            assert_eq!(decode(&entry), Ok(Change::Message(message)));
        }
    }
    #[test]
    fn the_first_version_of_the_other_forms_stays_readable() {
        for (standing, json) in [
            (Standing::Open, "\"open\""),
            (Standing::Archived, "\"archived\""),
            (Standing::Closed, "\"closed\""),
        ] {
            let entry = Entry { kind: 2, version: 1, body: json.as_bytes().to_vec() };
            assert_eq!(encode(&Change::Standing(standing)), entry);
            assert_eq!(decode(&entry), Ok(Change::Standing(standing)));
        }
        let usage = TokenUsage { input: 9, output: 4 };
        let summary = Summary { messages: 1, text: "done".to_owned(), usage };
        let json = r#"{"messages":1,"text":"done","input_tokens":9,"output_tokens":4}"#;
        let entry = Entry { kind: 3, version: 1, body: json.as_bytes().to_vec() };
        assert_eq!(encode(&Change::Summary(summary.clone())), entry);
        assert_eq!(decode(&entry), Ok(Change::Summary(summary.clone())));

        let mut conversation = Conversation::default();
        for (at, change) in
            [(5, Change::Message(Message::User("do".to_owned()))), (7, Change::Standing(Standing::Closed))]
        {
            conversation.apply(change, Timestamp::from_millis(at));
        }
        let json = r#"{"standing":"closed","begun_at_ms":5,"touched_at_ms":7,"messages":[{"role":"user","text":"do"}]}"#;
        let kept = snapshot(&conversation, Seq::new(2));
        assert_eq!(String::from_utf8(kept.body.clone()).unwrap(), json);
        assert_eq!(restore(&kept), Ok(conversation.clone()));
        assert!(restore(&Snapshot { version: 2, ..kept }).unwrap_err().contains("version 2"));
        conversation.apply(Change::Summary(summary), Timestamp::from_millis(8));
        assert_eq!(conversation.spent.usage, usage);
        assert_eq!(restore(&snapshot(&conversation, Seq::new(3))), Ok(conversation));
    }
}
