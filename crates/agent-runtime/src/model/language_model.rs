//! The contract of a model.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::model::{Message, Reply};
use crate::tool::ToolSpec;

/// Turns a conversation into the next reply.
pub trait LanguageModel: Send + Sync + 'static {
    /// Answers the conversation so far, or asks for calls of the tools offered.
    ///
    /// One question is asked once: the caller repeats it where [`ModelError::is_retryable`] says so. The model keeps nothing
    /// of the conversation between two questions. Once the question is cancelled it returns [`ModelError::Cancelled`] soon.
    /// It may be dropped at any await, and must not block the thread. What it returns is not trusted: names of tools and
    /// arguments are checked by the caller.
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>>;
}

/// What a model is asked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What it gets to see of the conversation; the results of every call of the latest reply are in it.
    pub messages: &'a [&'a Message],
    /// The tools that it may call.
    pub tools: &'a [ToolSpec],
    /// Is handed each piece of the text as it comes. Together they are the text of the reply, where there is one.
    pub hear: &'a (dyn Fn(&str) + Send + Sync),
    /// Is cancelled when the question is taken back.
    pub cancel: &'a CancellationToken,
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("messages", &self.messages).finish_non_exhaustive()
    }
}

/// Why a model gave no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// It has too much to do.
    #[error("the model is overloaded")]
    Overloaded {
        /// How long it asks to be left alone, where it says so.
        retry_after: Option<Duration>,
    },
    /// It could not be reached, or broke off.
    #[error("the model is unavailable: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
    /// It does not take the question, and will not take it the next time.
    #[error("the model refuses the request: {reason}")]
    Rejected {
        /// What it says.
        reason: String,
    },
    /// It stopped in the middle of the reply, which was as long as it may be.
    #[error("the reply was cut off, since it was as long as it may be: ask for less at a time")]
    CutOff,
    /// The question was taken back.
    #[error("the question was cancelled")]
    Cancelled,
}

impl ModelError {
    /// Returns whether the same question may be answered later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Overloaded { .. } | Self::Unavailable { .. } => true,
            Self::Rejected { .. } | Self::CutOff | Self::Cancelled => false,
        }
    }
}
