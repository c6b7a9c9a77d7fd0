//! Pauses: stretches in which work that could go on did not. This program has no garbage collector; what it has instead are
//! stalls of the platform, polls that keep a runtime's thread, flushes and checkpoints of the disk, bursts of allocations.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::monitor::{Burst, Hiccup, Stalls};

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
    /// A burst of allocations: whoever wants memory meanwhile waits for pages of the system.
    Allocator,
}

impl PauseKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Platform, Self::Runtime, Self::Flush, Self::Git, Self::Allocator];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Runtime => "runtime",
            Self::Flush => "flush",
            Self::Git => "git",
            Self::Allocator => "allocator",
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

    /// Returns the pauses that were seen by a meter.
    pub fn of(stalls: &Stalls, begun: Instant) -> impl Iterator<Item = Self> {
        let hiccup = move |seen: &Hiccup| Self::new(PauseKind::Platform, begun, seen.from, seen.length);
        let burst = move |seen: &Burst| Self::new(PauseKind::Allocator, begun, seen.from, seen.length);
        stalls.hiccups.iter().map(hiccup).chain(stalls.bursts.iter().map(burst))
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

/// How much of the tail pauses explain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TailShares {
    /// Which share of the slowest hundredth of the operations (one at least) overlapped a pause.
    pub any: f64,
    /// The same by kind of pause, for those that there were.
    pub by_kind: Vec<(PauseKind, f64)>,
}

/// Returns how much of the tail of the operations pauses explain; `None` where there is no operation.
pub fn shares_of_tail(operations: &[Operation], pauses: &[Pause]) -> Option<TailShares> {
    let mut slowest = operations.to_vec();
    slowest.sort_by(|a, b| b.length.total_cmp(&a.length));
    slowest.truncate(operations.len().div_ceil(100));
    let share = |counts: &dyn Fn(&Pause) -> bool| {
        let is_explained =
            |operation: &&Operation| pauses.iter().any(|pause| counts(pause) && pause.overlaps(operation));
        slowest.iter().filter(is_explained).count() as f64 / slowest.len() as f64
    };
    let is_there = |kind: &PauseKind| pauses.iter().any(|pause| pause.kind == *kind);
    let of_kind = |kind| (kind, share(&|pause| pause.kind == kind));
    (!slowest.is_empty()).then(|| TailShares {
        any: share(&|_| true),
        by_kind: PauseKind::ALL.into_iter().filter(is_there).map(of_kind).collect(),
    })
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
        let flush = |at: f64| Pause { kind: PauseKind::Flush, at, length: 0.5 };
        let burst = |at: f64| Pause { kind: PauseKind::Allocator, at, length: 0.5 };
        let any = |pauses: &[Pause]| shares_of_tail(&operations, pauses).unwrap().any;
        assert_eq!(any(&[flush(50.2)]), 0.5);
        assert_eq!(any(&[flush(50.2), flush(149.9)]), 1.0);
        assert_eq!(any(&[flush(10.0)]), 0.0);
        let shares = shares_of_tail(&operations, &[flush(50.2), burst(150.1), burst(50.1)]).unwrap();
        assert_eq!(shares.by_kind, [(PauseKind::Flush, 0.5), (PauseKind::Allocator, 1.0)]);
        assert_eq!(shares_of_tail(&[], &[]), None);
    }

    #[test]
    fn a_stalled_thread_shows_as_a_hiccup() {
        // Only that a meter starts, sees time go by and ends: how late it is depends on the machine.
        let meter = crate::monitor::HiccupMeter::start().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(30) {
            std::hint::black_box(0);
        }
        assert!(meter.finish().hiccups.iter().all(|hiccup| hiccup.length >= Duration::from_millis(10)));
    }
}
