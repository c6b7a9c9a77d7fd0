//! How a run ends.

use std::error::Error;
use std::time::Duration;

use crate::budget::Exhausted;
use crate::model::{ModelError, TokenUsage};
use crate::react::stop::Stopped;
use crate::session::SessionError;
use crate::window::WindowFull;

/// A run that came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub outcome: Outcome,
    /// The replies to the session's latest request, those of earlier runs included.
    pub iterations: u32,
    /// What they have cost.
    pub usage: TokenUsage,
    /// How long this run took.
    pub elapsed: Duration,
}

/// How a run ended. A session whose run did not end with an answer can be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The model answered.
    Answered(String),
    /// The run reached a limit.
    LimitReached(Limit),
    /// Somebody cancelled the run.
    Cancelled,
}

/// What a run can use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The replies to one request.
    Iterations,
    /// The time of the run.
    Time,
    /// What the model can be shown: what must be shown is more.
    Window,
    /// The tokens of the session.
    Tokens,
    /// The money of the session.
    Cost,
    /// The memory of the session.
    Memory,
    /// The time of the session.
    Age,
}

impl From<Exhausted> for Limit {
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::Tokens => Self::Tokens,
            Exhausted::Cost => Self::Cost,
            Exhausted::Memory => Self::Memory,
            Exhausted::Age => Self::Age,
        }
    }
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is nothing in the request.
    #[error("the request is empty")]
    EmptyRequest,
    /// The session has no request.
    #[error("the session has no request to resume")]
    NothingToResume,
    /// The model failed for good.
    #[error("the model failed at attempt {failures} and is not asked again")]
    Model {
        /// How often in a row.
        failures: u32,
        /// The last failure.
        #[source]
        source: ModelError,
    },
    /// The session could not be added to.
    #[error("the conversation could not be kept")]
    Session(#[from] SessionError),
}

/// Why the loop is left without an answer.
pub(super) enum Halt {
    Cancelled,
    Limit(Limit),
    Failed(RunError),
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Cancelled => Self::Cancelled,
            Stopped::TimeUp => Self::Limit(Limit::Time),
        }
    }
}

impl From<SessionError> for Halt {
    fn from(error: SessionError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<WindowFull> for Halt {
    fn from(_: WindowFull) -> Self {
        Self::Limit(Limit::Window)
    }
}

/// Returns the text of an error and of all its causes.
pub(super) fn with_causes(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
