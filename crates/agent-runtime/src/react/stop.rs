//! What can end a run from outside: somebody, or the clock.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::planted::{self, Bug};

/// The longest time that a run can be given; a clock has an end.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// When a run is to end.
pub(super) struct Stop {
    cancel: CancellationToken,
    deadline: Instant,
}

/// What has ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Somebody.
    Cancelled,
    /// The clock.
    TimeUp,
}

impl Stop {
    /// Returns the end of a run that begins now.
    pub(super) fn new(cancel: &CancellationToken, time_max: Duration) -> Self {
        Self { cancel: cancel.clone(), deadline: Instant::now() + time_max.min(TIME_MAX) }
    }

    /// Returns the token that says that the run is cancelled.
    pub(super) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Says whether the run is to end now.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        if Instant::now() >= self.deadline { Err(Stopped::TimeUp) } else { Ok(()) }
    }

    /// Does the work, or drops it when the run is to end.
    pub(super) async fn race<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled(), if !planted::is_on(Bug::CancelIgnored) => Err(Stopped::Cancelled),
            () = tokio::time::sleep_until(self.deadline) => Err(Stopped::TimeUp),
            done = work => Ok(done),
        }
    }
}
