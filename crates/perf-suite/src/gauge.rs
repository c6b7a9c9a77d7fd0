//! What shows of a scenario while it runs, and the way to stop it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Counters that a scenario's threads raise and a watcher reads. Shared by all of them.
#[derive(Debug, Default)]
pub struct Gauge {
    done: AtomicU64,
    failed: AtomicU64,
    latencies: Mutex<Vec<f64>>,
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
}

impl Gauge {
    /// How many latencies wait for a reader; where nobody reads, no more are kept.
    const LATENCIES_MAX: usize = 100_000;

    /// Counts an operation that ended well.
    pub fn done(&self, latency: Duration) {
        self.done.fetch_add(1, Ordering::Relaxed);
        let mut latencies = self.latencies.lock();
        if latencies.len() < Self::LATENCIES_MAX {
            latencies.push(latency.as_secs_f64());
        }
    }

    /// Counts an operation that failed.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counters, and what has ended since the last reading.
    pub fn read(&self) -> Reading {
        Reading {
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            latencies: std::mem::take(&mut *self.latencies.lock()),
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
