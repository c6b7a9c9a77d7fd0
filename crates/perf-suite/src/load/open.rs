//! Operations that are due at given times, whether those before have ended or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Done, LoadOutcome};
use crate::gauge::Gauge;

/// An open load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenLoad {
    /// How many operations are due a second.
    pub rate: f64,
    /// For how long.
    pub length: Duration,
    /// How many can be under way at once; one that is due while all are busy begins late.
    pub workers: usize,
}

impl OpenLoad {
    /// Makes the operations. Each is given the number of the worker that makes it and its own number, from 0.
    ///
    /// What has not begun when twice the length is over is dropped, and counted. A gauge that says stop ends it early.
    pub fn run(
        &self,
        gauge: &Gauge,
        operation: impl Fn(usize, u64) -> Result<(), String> + Sync,
    ) -> LoadOutcome {
        let count = (self.rate * self.length.as_secs_f64()).round() as u64;
        let begun = Instant::now();
        let give_up = begun + self.length * 2;
        let next = AtomicU64::new(0);
        let collected = Mutex::new(LoadOutcome::with_room(count as usize));
        let work = |worker: usize| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count || gauge.is_stopped() || Instant::now() > give_up {
                    break;
                }
                let due = Duration::from_secs_f64(number as f64 / self.rate);
                let lateness = wait_until(begun + due).then(|| begun.elapsed().saturating_sub(due));
                let mut first_failure = None;
                let done = make(worker, number, due, begun, gauge, &operation, &mut first_failure);
                let mut all = collected.lock();
                all.done.push(done);
                all.generator_lateness.extend(lateness.map(|lateness| lateness.as_secs_f64()));
                all.first_failure = all.first_failure.take().or(first_failure);
            }
        };
        std::thread::scope(|scope| {
            for worker in 0..self.workers {
                let work = &work;
                scope.spawn(move || work(worker));
            }
        });
        let mut outcome = collected.into_inner();
        outcome.done.sort_by(|a, b| a.due.total_cmp(&b.due));
        // What was not due yet when it was told to stop was not dropped.
        let due = if gauge.is_stopped() { (self.rate * begun.elapsed().as_secs_f64()) as u64 } else { count };
        outcome.dropped = due.min(count).saturating_sub(outcome.done.len() as u64);
        outcome.seconds = self.length.as_secs_f64();
        outcome
    }
}

/// Waits; returns whether there was anything to wait for.
fn wait_until(moment: Instant) -> bool {
    let mut has_waited = false;
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return has_waited;
        }
        has_waited = true;
        // May come back early, for no reason.
        std::thread::park_timeout(left);
    }
}

pub(super) fn make(
    worker: usize,
    number: u64,
    due: Duration,
    zero: Instant,
    gauge: &Gauge,
    operation: &(impl Fn(usize, u64) -> Result<(), String> + Sync),
    first_failure: &mut Option<String>,
) -> Done {
    let begun = zero.elapsed();
    let outcome = operation(worker, number);
    let ended = zero.elapsed();
    let is_well = outcome.is_ok();
    match outcome {
        Ok(()) => gauge.done(ended - due),
        Err(why) => {
            gauge.failed();
            first_failure.get_or_insert(why);
        }
    }
    Done { due: due.as_secs_f64(), begun: begun.as_secs_f64(), ended: ended.as_secs_f64(), is_well }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::ClosedLoad;
    use crate::load::outcome::response_quantile;

    /// Keeps everybody out for a while, once.
    struct Stall {
        at: u64,
        length: Duration,
    }

    impl Stall {
        fn operation(&self, number: u64) {
            if number == self.at {
                wait_until(Instant::now() + self.length);
            }
        }
    }

    #[test]
    fn a_stall_shows_in_everything_that_was_due_meanwhile() {
        // One worker, 200 a second for a second, and one stall of 300 ms: about 60 operations are due while it lasts. In a
        // closed loop the same stall is one slow operation among hundreds.
        let stall = Stall { at: 20, length: Duration::from_millis(300) };
        let gauge = Gauge::default();
        let open = OpenLoad { rate: 200.0, length: Duration::from_secs(1), workers: 1 };
        let open = open.run(&gauge, |_, number| {
            stall.operation(number);
            Ok(())
        });
        assert_eq!((open.done.len(), open.dropped), (200, 0));
        let slow = open.done.iter().filter(|done| done.response() > 0.1).count();
        assert!(slow >= 35, "{slow} were slow");
        assert!(open.late_starts() >= 50, "{}", open.late_starts());
        let corrected = response_quantile(&open.done, 0.9);
        let omitted = open.done.iter().filter(|done| done.service() > 0.1).count();
        assert_eq!(omitted, 1, "only the stalled one itself was slow to serve");
        assert!(corrected > 0.1, "{corrected}");
        let closed = ClosedLoad { clients: 1, operations: 200 }.run(&gauge, |_, number| {
            stall.operation(number);
            Ok(())
        });
        assert_eq!(closed.done.iter().filter(|done| done.response() > 0.1).count(), 1);
        assert_eq!(gauge.read().done, 400);
    }

    #[test]
    fn failures_and_what_was_never_begun_are_errors() {
        let gauge = Gauge::default();
        let load = OpenLoad { rate: 100.0, length: Duration::from_millis(100), workers: 2 };
        let outcome =
            load.run(&gauge, |_, number| if number % 5 == 0 { Err("refused".to_owned()) } else { Ok(()) });
        assert_eq!((outcome.done.len(), outcome.error_rate()), (10, 0.2));
        assert_eq!(outcome.first_failure.as_deref(), Some("refused"));
        // A stall as long as everything: what was due after the last moment is dropped.
        let outcome = OpenLoad { workers: 1, ..load }.run(&gauge, |_, _| {
            wait_until(Instant::now() + Duration::from_millis(250));
            Ok(())
        });
        assert_eq!((outcome.done.len(), outcome.dropped), (1, 9));
        assert_eq!(outcome.error_rate(), 0.9);
    }

    #[test]
    fn windows_follow_the_times_at_which_operations_were_due() {
        let load = OpenLoad { rate: 1000.0, length: Duration::from_millis(100), workers: 4 };
        let outcome = load.run(&Gauge::default(), |_, _| Ok(()));
        let counts = outcome.by_window(4, |done| done.len() as f64);
        assert_eq!(counts.iter().sum::<f64>(), 100.0);
        assert_eq!(counts.len(), 4);
    }
}
