//! What happens in a run, for whoever watches: a progress display, a log, a test.
//!
//! Events are for watching only. The truth is in the session; a reader that falls behind loses the oldest events, is told how
//! many, and never holds up the run.

mod channel;
mod pace;

pub use channel::{EventReceiver, EventSender, Told, channel};
pub use pace::{Experience, Pace, Paced};

use std::time::Duration;

use crate::model::TokenUsage;
use crate::react::{Limit, Outcome};
use crate::session::SessionName;
use crate::tool::ToolStatus;
use crate::window::Compaction;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A run began, or went on.
    Started {
        /// The session.
        session: SessionName,
        /// The messages in it, the new request included.
        messages: usize,
    },
    /// The request is made ready for the model.
    Preprocessed {
        /// The tokens that the model is shown.
        tokens: u64,
        /// Whether they are counted exactly, or estimated.
        is_exact: bool,
    },
    /// The conversation has become too long for the model; the oldest parts are no longer shown to it.
    Compacted(Compaction),
    /// A piece of what the model is saying. What was said before a [`Event::Retrying`] is void.
    Text(String),
    /// The model replied.
    Replied {
        /// Which reply to the request it is, from 1.
        iteration: u32,
        /// What it said beside its calls; the answer, if there are none.
        text: String,
        /// The number of calls that it wants made.
        calls: usize,
        /// What the reply has cost.
        usage: TokenUsage,
    },
    /// The model failed and is asked again after a wait.
    Retrying {
        /// The failures of this question so far.
        failures: u32,
        /// How long the wait is.
        wait: Duration,
        /// Why it failed.
        error: String,
    },
    /// A tool is called.
    ToolCalled {
        /// The id of the call.
        call_id: String,
        /// The tool.
        name: String,
        /// The arguments, as the model wrote them.
        arguments: String,
    },
    /// A tool returned.
    ToolReturned {
        /// The id of the call.
        call_id: String,
        /// The tool.
        name: String,
        /// How the call ended.
        status: ToolStatus,
        /// The bytes of what the model gets to see.
        bytes: usize,
        /// How long it took.
        elapsed: Duration,
    },
    /// The run has reached a limit and ends.
    LimitReached(Limit),
    /// The run came to an end.
    Finished(Outcome),
    /// The run could not go on.
    Failed {
        /// Why, with its causes.
        error: String,
    },
}
