//! Clients that each wait for an answer before they ask again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::LoadOutcome;
use super::open::make;
use crate::gauge::Gauge;

/// A closed load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedLoad {
    /// How many ask at once.
    pub clients: usize,
    /// How many operations they make together.
    pub operations: u64,
}

impl ClosedLoad {
    /// Makes the operations. Each is given the number of its client and its own number, from 0.
    pub fn run(
        &self,
        gauge: &Gauge,
        operation: impl Fn(usize, u64) -> Result<(), String> + Sync,
    ) -> LoadOutcome {
        let begun = Instant::now();
        let next = AtomicU64::new(0);
        let collected = Mutex::new(LoadOutcome::default());
        let work = |client: usize| {
            let mut own = LoadOutcome::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.operations || gauge.is_stopped() {
                    break;
                }
                // Due when it is asked for: nobody else waits.
                let due = begun.elapsed();
                own.done.push(make(client, number, due, begun, gauge, &operation, &mut own.first_failure));
            }
            let mut all = collected.lock();
            all.done.append(&mut own.done);
            all.first_failure = all.first_failure.take().or(own.first_failure);
        };
        std::thread::scope(|scope| {
            for client in 0..self.clients {
                let work = &work;
                scope.spawn(move || work(client));
            }
        });
        let mut outcome = collected.into_inner();
        outcome.done.sort_by(|a, b| a.due.total_cmp(&b.due));
        outcome.seconds = begun.elapsed().as_secs_f64();
        outcome
    }
}
