//! What a conversation consists of.

use std::iter::Sum;
use std::ops::Add;

use crate::tool::{ToolCall, ToolResult};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What the model must keep to throughout.
    System(String),
    /// A fact that the model is to see for as long as the session lasts, however long it becomes.
    Fact(String),
    /// A request.
    User(String),
    /// What the model said.
    Assistant(Reply),
    /// What a tool returned to a call of the latest reply.
    Tool(ToolResult),
}

impl Message {
    /// Returns the calls that it wants made.
    pub fn calls(&self) -> &[ToolCall] {
        match self {
            Self::Assistant(reply) => &reply.calls,
            Self::System(_) | Self::Fact(_) | Self::User(_) | Self::Tool(_) => &[],
        }
    }

    /// Returns all texts in it that a model gets to see.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let text = match self {
            Self::System(text) | Self::Fact(text) | Self::User(text) => text,
            Self::Assistant(reply) => &reply.text,
            Self::Tool(result) => &result.text,
        };
        let calls = self.calls().iter().flat_map(|call| [call.name.as_str(), call.arguments.as_str()]);
        std::iter::once(text.as_str()).chain(calls)
    }
}

/// What a model says: an answer, or calls whose results it wants to see first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Its words; the answer, if there are no calls.
    pub text: String,
    /// The calls that it wants made, in its order.
    pub calls: Vec<ToolCall>,
    /// What the reply has cost.
    pub usage: TokenUsage,
}

impl Reply {
    /// Returns a reply that calls nothing.
    pub fn answer(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// Tokens read and written by a model, as the model counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenUsage {
    /// Tokens of the messages that it was shown.
    pub input: u64,
    /// Tokens of what it said.
    pub output: u64,
}

impl Add for TokenUsage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
        }
    }
}

impl Sum for TokenUsage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), Add::add)
    }
}
