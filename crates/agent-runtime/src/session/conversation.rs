//! What the entries of a session come to.

use std::time::Duration;

use state_store::Timestamp;

use crate::budget::Spent;
use crate::model::Message;
use crate::summary::Summary;

/// What one entry of a session changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It says more.
    Message(Message),
    /// It stands differently from here on.
    Standing(Standing),
    /// Its beginning is summed up.
    Summary(Summary),
}

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// It goes on.
    #[default]
    Open,
    /// Nobody has used it for long; the next message opens it again.
    Archived,
    /// It has ended for good.
    Closed,
}

/// A conversation as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
    pub(super) standing: Standing,
    pub(super) begun_at: Option<Timestamp>,
    pub(super) touched_at: Option<Timestamp>,
    pub(super) spent: Spent,
    pub(super) summary: Option<Summary>,
}

impl Conversation {
    /// Takes in a change that was recorded at that moment.
    pub(super) fn apply(&mut self, change: Change, at: Timestamp) {
        self.begun_at.get_or_insert(at);
        self.touched_at = Some(at);
        match change {
            Change::Message(message) => {
                self.spent.add(&message);
                self.messages.push(message);
                self.standing = Standing::Open;
            }
            Change::Standing(standing) => self.standing = standing,
            Change::Summary(summary) => {
                self.spent.summed_up(self.summary.as_ref(), &summary);
                self.summary = Some(summary);
            }
        }
    }

    /// Returns how long it was from its first entry to its last.
    pub(super) fn age(&self) -> Duration {
        match (self.begun_at, self.touched_at) {
            (Some(begun_at), Some(touched_at)) => touched_at.since(begun_at),
            _ => Duration::ZERO,
        }
    }
}
