//! Whether the work on a task goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// Whether anything was shown yet.
    is_shown: Arc<AtomicBool>,
    /// For how long nothing may be shown at first, in milliseconds.
    start_max: Arc<AtomicU64>,
    /// For how long nothing may be shown after that, in milliseconds; 0 where nothing was promised.
    silence_max: Arc<AtomicU64>,
}

impl Progress {
    /// Returns the progress of an attempt that begins now.
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            last: Arc::default(),
            is_shown: Arc::default(),
            start_max: Arc::default(),
            silence_max: Arc::default(),
        }
    }

    /// Promises that something will be shown within `start_max` from now on, and again and again after that, with no longer
    /// silence than `silence_max` in between.
    pub fn promise(&self, start_max: Duration, silence_max: Duration) {
        self.start_max.store(millis(start_max).max(1), Ordering::Relaxed);
        self.silence_max.store(millis(silence_max).max(1), Ordering::Relaxed);
        self.last.store(millis(self.began.elapsed()), Ordering::Relaxed);
    }

    /// Shows that the work goes on.
    pub fn mark(&self) {
        self.last.store(millis(self.began.elapsed()), Ordering::Relaxed);
        self.is_shown.store(true, Ordering::Relaxed);
    }

    /// Returns whether more was promised than was shown.
    pub fn is_stalled(&self) -> bool {
        let is_shown = self.is_shown.load(Ordering::Relaxed);
        let limit = if is_shown { &self.silence_max } else { &self.start_max };
        let silence_max = limit.load(Ordering::Relaxed);
        let silence = millis(self.began.elapsed()).saturating_sub(self.last.load(Ordering::Relaxed));
        silence_max > 0 && silence >= silence_max
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const NONE: Duration = Duration::ZERO;

    #[test]
    fn what_was_promised_for_the_start_counts_until_something_is_shown() {
        let progress = Progress::begin();
        assert!(!progress.is_stalled(), "nothing was promised");
        let is_stalled_within = |start_max, silence_max, is_shown| {
            let progress = Progress { began: Instant::now() - Duration::from_secs(10), ..Progress::begin() };
            progress.promise(start_max, silence_max);
            if is_shown {
                progress.mark();
            }
            // As if that had been at the beginning.
            progress.last.store(0, Ordering::Relaxed);
            progress.is_stalled()
        };
        assert!(is_stalled_within(NONE, LONG, false), "it has not begun in time");
        assert!(!is_stalled_within(NONE, LONG, true), "it has begun, and may be silent for a while");
        assert!(is_stalled_within(LONG, NONE, true), "it has been silent for too long");
        assert!(!is_stalled_within(LONG, NONE, false), "it may take its time to begin");
    }
}
