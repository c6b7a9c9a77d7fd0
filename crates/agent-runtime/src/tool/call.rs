//! The contract of a tool, and what goes in and out of it.

use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::tool::{Arguments, Schema};

/// Something that a model may have done.
pub trait Tool: Send + Sync + 'static {
    /// Returns what the model is told of it. The same each time.
    fn spec(&self) -> ToolSpec;

    /// Returns what a call does to the world. The same each time.
    fn access(&self) -> Access;

    /// Returns the bytes of its output that the model gets to see, where they are others than those of all tools.
    fn output_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Does it, and returns what the model is to see.
    ///
    /// The arguments keep to the schema of the spec and are otherwise whatever a model makes up. An error is shown to the
    /// model, which may try something else. The future runs as a task of its own: it may panic or be dropped at any await
    /// (`cancel` is cancelled before), but must not block the thread. A call whose result was not recorded, because the
    /// program ended during it, is made again when the session goes on.
    fn call(
        &self,
        arguments: Arguments,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<String, ToolError>>;
}

/// What a model is told of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSpec {
    /// Its name, by which it is called.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// Its arguments.
    pub arguments: Schema,
}

/// What the calls of a tool do to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They look only: calls side by side may run at the same time.
    Reads,
    /// They change something: each runs alone, after those that the model named before it.
    Writes,
}

/// Why a tool could not do it, in words for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// It cannot be done like that.
    #[error("{0}")]
    Failed(String),
    /// Nothing was done, and the same call may succeed in a moment: it is made again, a few times, before the model hears
    /// of it.
    #[error("{0}")]
    Passing(String),
}

/// A call that a model wants made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// What tells it from the other calls of the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: a JSON object, if it did well.
    pub arguments: String,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The id of the call.
    pub call_id: String,
    /// How it ended.
    pub status: ToolStatus,
    /// What the tool returned, or what went wrong, in words for the model.
    pub text: String,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolStatus {
    /// The tool did it.
    Succeeded,
    /// The tool could not do it.
    Failed,
    /// The arguments do not keep to the schema; the tool was not called.
    InvalidArguments,
    /// There is no such tool.
    UnknownTool,
    /// The tool took too long and was stopped.
    TimedOut,
    /// The tool broke.
    Panicked,
}
