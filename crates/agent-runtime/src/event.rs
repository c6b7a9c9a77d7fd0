//! What happens in a run, for whoever watches: a progress display, a log, a test.
//!
//! Events are for watching only. The truth is in the session; a reader that falls behind loses the oldest events, is told how
//! many, and never holds up the run.

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::model::TokenUsage;
use crate::react::{Limit, Outcome};
use crate::session::SessionName;
use crate::tool::ToolStatus;

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

/// Returns both ends of a channel that keeps the `capacity` latest events, rounded up to a power of two.
///
/// # Panics
/// If `capacity` is 0.
pub fn channel(capacity: usize) -> (EventSender, EventReceiver) {
    let (sender, receiver) = broadcast::channel(capacity);
    (EventSender(sender), EventReceiver(receiver))
}

/// Where a run tells of its events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventSender(broadcast::Sender<Event>);

impl EventSender {
    /// Returns one that nobody listens to, until somebody subscribes.
    pub fn unheard() -> Self {
        channel(1).0
    }

    /// Returns a reader of the events from now on.
    pub fn subscribe(&self) -> EventReceiver {
        EventReceiver(self.0.subscribe())
    }

    pub(crate) fn send(&self, event: Event) {
        // Without readers there is nobody to tell.
        let _ = self.0.send(event);
    }
}

/// A reader of events.
#[derive(Debug)]
pub struct EventReceiver(broadcast::Receiver<Event>);

/// What a reader is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// This happened.
    Event(Event),
    /// The reader was too slow for that many events, which are lost to it.
    Missed(u64),
}

impl EventReceiver {
    /// Waits for the next event; `None` when every sender is gone.
    pub async fn next(&mut self) -> Option<Told> {
        match self.0.recv().await {
            Ok(event) => Some(Told::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Told::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_told_how_much_it_missed() {
        let (sender, mut receiver) = channel(4);
        for iterations in 0..10 {
            sender.send(Event::Failed { error: iterations.to_string() });
        }
        drop(sender);
        assert_eq!(receiver.next().await, Some(Told::Missed(6)));
        for iterations in 6..10 {
            let event = Event::Failed { error: iterations.to_string() };
            assert_eq!(receiver.next().await, Some(Told::Event(event)));
        }
        assert_eq!(receiver.next().await, None);
    }
}
