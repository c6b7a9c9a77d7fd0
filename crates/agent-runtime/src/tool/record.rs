//! How a tool has done so far.

use std::time::Duration;

use crate::tool::ToolStatus;

/// The calls of one tool, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// Calls that were begun. Those that neither succeeded nor failed are under way or were given up by the caller.
    pub calls: u64,
    /// Calls that succeeded.
    pub succeeded: u64,
    /// Calls that ended in any other way.
    pub failed: u64,
    /// How often a call was made again because it had failed for the moment.
    pub retries: u64,
    /// The time that all ended calls took together.
    pub elapsed_total: Duration,
    /// The time that the slowest of them took.
    pub elapsed_max: Duration,
}

impl Record {
    /// Returns the time that a call takes on average, `None` before the first has ended.
    pub fn elapsed_mean(&self) -> Option<Duration> {
        let ended = self.succeeded + self.failed;
        (ended > 0).then(|| self.elapsed_total.div_f64(ended as f64))
    }

    pub(super) fn begin(&mut self) {
        self.calls += 1;
    }

    pub(super) fn retry(&mut self) {
        self.retries += 1;
    }

    pub(super) fn end(&mut self, status: ToolStatus, elapsed: Duration) {
        match status {
            ToolStatus::Succeeded => self.succeeded += 1,
            ToolStatus::Failed
            | ToolStatus::InvalidArguments
            | ToolStatus::UnknownTool
            | ToolStatus::TimedOut
            | ToolStatus::Panicked => self.failed += 1,
        }
        self.elapsed_total = self.elapsed_total.saturating_add(elapsed);
        self.elapsed_max = self.elapsed_max.max(elapsed);
    }
}
