//! Whether the work on a task goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What an attempt shows of its going on. Cheap to clone.
///
/// As long as nothing is said about it, an attempt goes on for as long as its future is not finished. One that promises to show
/// something from time to time, and does not, loses its lease.
#[derive(Debug, Clone)]
pub struct Progress {
    began: Instant,
    /// When something was shown last, in milliseconds since it began.
    last: Arc<AtomicU64>,
    /// For how long nothing may be shown, in milliseconds; 0 where nothing was promised.
    silence_max: Arc<AtomicU64>,
}

impl Progress {
    /// Returns the progress of an attempt that begins now.
    pub fn begin() -> Self {
        Self { began: Instant::now(), last: Arc::default(), silence_max: Arc::default() }
    }

    /// Promises that something will be shown again and again, with no longer silence than that in between.
    pub fn promise(&self, silence_max: Duration) {
        self.silence_max.store(millis(silence_max).max(1), Ordering::Relaxed);
        self.mark();
    }

    /// Shows that the work goes on.
    pub fn mark(&self) {
        self.last.store(millis(self.began.elapsed()), Ordering::Relaxed);
    }

    /// Returns whether more was promised than was shown.
    pub fn is_stalled(&self) -> bool {
        let silence_max = self.silence_max.load(Ordering::Relaxed);
        let silence = millis(self.began.elapsed()).saturating_sub(self.last.load(Ordering::Relaxed));
        silence_max > 0 && silence >= silence_max
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
