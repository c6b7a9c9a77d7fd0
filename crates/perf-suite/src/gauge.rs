//! What shows of a scenario while it runs, and the way to stop it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Counters that a scenario's threads raise and a watcher reads. Shared by all of them.
#[derive(Debug, Default)]
pub struct Gauge {
    done: AtomicU64,
    failed: AtomicU64,
    /// Kept from the first reading on: where nobody reads, they would only take memory.
    latencies: Mutex<Option<Vec<f64>>>,
    /// In nanoseconds, since the last reading.
    longest_stall: AtomicU64,
    stopped: AtomicBool,
}

/// What happened since the gauge was read before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Operations that ended well, so far.
    pub done: u64,
    /// Operations that failed, so far.
    pub failed: u64,
    /// How long those took that ended since, in seconds.
    pub latencies: Vec<f64>,
    /// The longest stall of the platform since.
    pub longest_stall: Duration,
}

impl Gauge {
    /// How many latencies wait for a reader; where it does not come, no more are kept.
    const LATENCIES_MAX: usize = 100_000;

    /// Counts an operation that ended well.
    pub fn done(&self, latency: Duration) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if let Some(latencies) = &mut *self.latencies.lock()
            && latencies.len() < Self::LATENCIES_MAX
        {
            latencies.push(latency.as_secs_f64());
        }
    }

    /// Counts an operation that failed.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a stall of the platform.
    pub fn stalled(&self, length: Duration) {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        self.longest_stall.fetch_max(nanos, Ordering::Relaxed);
    }

    /// Returns the counters, and how long what has ended since the last reading took; nothing of that the first time.
    pub fn read(&self) -> Reading {
        Reading {
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            latencies: self.latencies.lock().replace(Vec::new()).unwrap_or_default(),
            longest_stall: Duration::from_nanos(self.longest_stall.swap(0, Ordering::Relaxed)),
        }
    }

    /// Tells the scenario to come to an end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was told so.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_kept_for_those_who_read() {
        let gauge = Gauge::default();
        gauge.done(Duration::from_secs(1));
        assert_eq!(gauge.read(), Reading { done: 1, ..Reading::default() });
        gauge.done(Duration::from_secs(2));
        gauge.failed();
        gauge.stalled(Duration::from_millis(30));
        gauge.stalled(Duration::from_millis(20));
        let longest_stall = Duration::from_millis(30);
        assert_eq!(gauge.read(), Reading { done: 2, failed: 1, latencies: vec![2.0], longest_stall });
        assert_eq!(gauge.read().longest_stall, Duration::ZERO, "that was before");
        assert_eq!(gauge.read().latencies, Vec::<f64>::new());
    }
}
