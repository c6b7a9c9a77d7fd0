//! Pauses: stretches in which work that could go on did not. This program has no garbage collector; what it has instead are
//! stalls of the platform, polls that keep a runtime's thread, flushes and checkpoints of the disk.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::monitor::Hiccup;

/// What made everybody wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PauseKind {
    /// A thread that was due was not woken: other programs, or the machine beneath this one.
    Platform,
    /// A task of the runtime that was due was not polled: another one kept its thread.
    Runtime,
    /// A flush of the disk, a checkpoint of the log among them.
    Flush,
    /// Git at work on its own files: collecting, packing.
    Git,
}

impl PauseKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Platform, Self::Runtime, Self::Flush, Self::Git];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Runtime => "runtime",
            Self::Flush => "flush",
            Self::Git => "git",
        }
    }
}

/// One pause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// What it was.
    pub kind: PauseKind,
    /// When it began, in seconds from the beginning of the scenario.
    pub at: f64,
    /// How long it was, in seconds.
    pub length: f64,
}

impl Pause {
    /// Returns a pause that began at a moment.
    pub fn new(kind: PauseKind, begun: Instant, from: Instant, length: Duration) -> Self {
        let at = from.saturating_duration_since(begun).as_secs_f64();
        Self { kind, at, length: length.as_secs_f64() }
    }

    /// Returns the pause that a hiccup is.
    pub fn of(hiccup: &Hiccup, begun: Instant) -> Self {
        Self::new(PauseKind::Platform, begun, hiccup.from, hiccup.length)
    }

    fn overlaps(&self, operation: &Operation) -> bool {
        self.at < operation.at + operation.length && operation.at < self.at + self.length
    }
}

/// An operation, to be held against the pauses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operation {
    /// When it should have begun, in seconds from the beginning of the scenario.
    pub at: f64,
    /// How long it took from then on, in seconds.
    pub length: f64,
}

/// Returns which share of the slowest hundredth of the operations (one at least) overlapped a pause: how much of the tail
/// pauses explain. `None` where there is no operation.
pub fn share_of_tail(operations: &[Operation], pauses: &[Pause]) -> Option<f64> {
    let mut slowest = operations.to_vec();
    slowest.sort_by(|a, b| b.length.total_cmp(&a.length));
    slowest.truncate(operations.len().div_ceil(100));
    let explained =
        slowest.iter().filter(|operation| pauses.iter().any(|pause| pause.overlaps(operation))).count();
    (!slowest.is_empty()).then(|| explained as f64 / slowest.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_tail_is_that_of_the_slowest() {
        let operation = |at: u32, length: f64| Operation { at: f64::from(at), length };
        let mut operations: Vec<Operation> = (0..200).map(|at| operation(at, 0.1)).collect();
        operations[50].length = 0.9;
        operations[150].length = 0.8;
        let pause = |at: f64| Pause { kind: PauseKind::Flush, at, length: 0.5 };
        assert_eq!(share_of_tail(&operations, &[pause(50.2)]), Some(0.5));
        assert_eq!(share_of_tail(&operations, &[pause(50.2), pause(149.9)]), Some(1.0));
        assert_eq!(share_of_tail(&operations, &[pause(10.0)]), Some(0.0));
        assert_eq!(share_of_tail(&[], &[]), None);
    }

    #[test]
    fn a_stalled_thread_shows_as_a_hiccup() {
        // Only that a meter starts, sees time go by and ends: how late it is depends on the machine.
        let meter = crate::monitor::HiccupMeter::start().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(30) {
            std::hint::black_box(0);
        }
        assert!(meter.finish().iter().all(|hiccup| hiccup.length >= Duration::from_millis(10)));
    }
}
