//! What a coordinator measures about itself.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Figures since the coordinator began.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// How many segments were appended; each is one flush.
    pub commits: u64,
    /// How many events they held.
    pub events: u64,
    command_micros: Histogram<u64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let command_micros =
            Histogram::new_with_max(60_000_000, 3).expect("three digits up to a minute are possible");
        Self { commits: 0, events: 0, command_micros }
    }
}

impl Metrics {
    /// Counts a command that took so long from being submitted to being durable.
    pub(crate) fn record_command(&mut self, took: Duration) {
        self.command_micros.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Returns how many commands were measured.
    pub fn commands(&self) -> u64 {
        self.command_micros.len()
    }

    /// Returns the time from submission to durable answer that this share of the commands (0 to 1) stayed within.
    pub fn command_quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.command_micros.value_at_quantile(share))
    }
}
