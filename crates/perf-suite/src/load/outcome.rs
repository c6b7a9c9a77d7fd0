//! What came of a load.

use crate::pause::Operation;
use crate::stats::{Sample, quantile};

/// One operation that was made; seconds from the beginning of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// When it should have begun.
    pub due: f64,
    /// When it began.
    pub begun: f64,
    /// When it ended.
    pub ended: f64,
    /// Whether it ended well.
    pub is_well: bool,
}

impl Done {
    /// Returns how long it took from when it was due: what somebody who asked then had to wait.
    pub fn response(&self) -> f64 {
        self.ended - self.due
    }

    /// Returns how long it took once it had begun.
    pub fn service(&self) -> f64 {
        self.ended - self.begun
    }
}

/// What came of a load.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadOutcome {
    /// The operations in the order of the times at which they were due.
    pub done: Vec<Done>,
    /// Operations that were due and were not begun before the load ended.
    pub dropped: u64,
    /// How late the generator itself was where it had nothing else to do, in seconds.
    pub generator_lateness: Vec<f64>,
    /// How long the load lasted, in seconds.
    pub seconds: f64,
    /// Why the first operation that failed did.
    pub first_failure: Option<String>,
}

/// What counts as a late start.
const LATE: f64 = 0.001;

impl LoadOutcome {
    /// Returns one to which so many operations can be added without more memory: what is kept is not to be taken for growth.
    pub(super) fn with_room(operations: usize) -> Self {
        // Zeroes would only be promised by the system, and take memory when they are overwritten.
        let none = Done { due: -1.0, begun: -1.0, ended: -1.0, is_well: false };
        let (mut done, mut generator_lateness) = (vec![none; operations], vec![-1.0; operations]);
        done.clear();
        generator_lateness.clear();
        Self { done, generator_lateness, ..Self::default() }
    }

    /// Returns how many operations began later than they were due.
    pub fn late_starts(&self) -> usize {
        self.done.iter().filter(|done| done.begun - done.due > LATE).count()
    }

    /// Returns the share of operations that failed, those that were never begun among them; zero where there was none.
    pub fn error_rate(&self) -> f64 {
        let failed = self.done.iter().filter(|done| !done.is_well).count() as u64 + self.dropped;
        let all = self.done.len() as u64 + self.dropped;
        if all == 0 { 0.0 } else { failed as f64 / all as f64 }
    }

    /// Returns in words how the load was kept up.
    pub fn keeping_up(&self) -> String {
        let (late, dropped) = (self.late_starts(), self.dropped);
        let own = match self.is_generator_the_bottleneck() {
            true => "; the generator itself was late, so these figures are partly its own",
            false => "",
        };
        format!("{late} began late, {dropped} were never begun{own}")
    }

    /// Returns how many operations a second ended well.
    pub fn throughput(&self) -> f64 {
        let well = self.done.iter().filter(|done| done.is_well).count();
        let end = self.done.iter().map(|done| done.ended).fold(self.seconds, f64::max);
        if end > 0.0 { well as f64 / end } else { 0.0 }
    }

    /// Returns whether the generator was late by more than a tenth of what it measured, so that the figures are partly its
    /// own.
    pub fn is_generator_the_bottleneck(&self) -> bool {
        let lateness = Sample::new(self.generator_lateness.clone());
        let responses = Sample::new(self.done.iter().map(Done::response).collect());
        match (lateness, responses) {
            (Some(lateness), Some(responses)) => {
                quantile(&lateness, 0.99) > 0.1 * quantile(&responses, 0.99)
                    && quantile(&lateness, 0.99) > LATE
            }
            (None, _) | (_, None) => false,
        }
    }

    /// Returns a figure of each of so many equal stretches of the load in which an operation was due.
    pub fn by_window(&self, windows: usize, figure: impl Fn(&[Done]) -> f64) -> Vec<f64> {
        let last = self.done.last().map_or(0.0, |done| done.due);
        let width = (last / windows as f64).max(f64::MIN_POSITIVE);
        let window = |done: &Done| ((done.due / width) as usize).min(windows - 1);
        self.done.chunk_by(|a, b| window(a) == window(b)).map(figure).collect()
    }

    /// Returns the operations as they are held against pauses, counted from a moment so many seconds before the load.
    pub fn operations(&self, before: f64) -> impl Iterator<Item = Operation> {
        self.done.iter().map(move |done| Operation { at: before + done.due, length: done.response() })
    }
}

/// Returns the value that a share of the responses of some operations stayed within; there is at least one.
pub(crate) fn response_quantile(done: &[Done], share: f64) -> f64 {
    let responses = Sample::new(done.iter().map(Done::response).collect());
    responses.map_or(0.0, |responses| quantile(&responses, share))
}
