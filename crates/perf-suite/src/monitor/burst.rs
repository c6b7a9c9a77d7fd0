//! Bursts of allocations: stretches in which so many bytes are asked for that the allocator has to get its pages from the
//! system, and whoever else wants memory waits for it.

use std::time::{Duration, Instant};

/// What within a tick is a burst: more than what is freed and handed out again by the way.
const BYTES_MIN: u64 = 4 << 20;

/// A stretch in which much was allocated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// When it began.
    pub from: Instant,
    /// How long it was.
    pub length: Duration,
    /// How many bytes were allocated in it.
    pub bytes: u64,
}

/// Finds bursts in what a counter of all bytes ever allocated shows, tick by tick.
#[derive(Debug)]
pub(super) struct BurstLog {
    tick: Duration,
    before: Option<(Instant, u64)>,
    bursts: Vec<Burst>,
}

impl BurstLog {
    pub(super) fn new(tick: Duration) -> Self {
        Self { tick, before: None, bursts: Vec::new() }
    }

    /// Takes in what the counter shows at a moment; one burst goes on in the next tick.
    pub(super) fn see(&mut self, at: Instant, allocated: u64) {
        if let Some((from, before)) = self.before.replace((at, allocated)) {
            let (length, bytes) = (at - from, allocated.saturating_sub(before));
            // A tick that came late may hold more.
            let bytes_min = BYTES_MIN as f64 * (length.as_secs_f64() / self.tick.as_secs_f64()).max(1.0);
            if bytes as f64 >= bytes_min {
                self.add(Burst { from, length, bytes });
            }
        }
    }

    fn add(&mut self, burst: Burst) {
        match self.bursts.last_mut() {
            Some(last) if last.from + last.length == burst.from => {
                last.length += burst.length;
                last.bytes += burst.bytes;
            }
            Some(_) | None => self.bursts.push(burst),
        }
    }

    pub(super) fn finish(self) -> Vec<Burst> {
        self.bursts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_found_where_it_is_and_is_one_however_many_ticks_it_takes() {
        const TICK: Duration = Duration::from_millis(5);
        let (begun, mut log, mut total) = (Instant::now(), BurstLog::new(TICK), 1 << 40);
        let allocated = [0, 1 << 20, 9 << 20, 6 << 20, 1 << 20, 0, 5 << 20, 0];
        for (tick, bytes) in (0..).zip(allocated) {
            total += bytes;
            log.see(begun + TICK * tick, total);
        }
        // Twelve ticks in one: as many bytes as in a burst, but not as fast.
        log.see(begun + TICK * 20, total + (12 << 20));
        let burst =
            |tick: u32, ticks: u32, bytes| Burst { from: begun + TICK * tick, length: TICK * ticks, bytes };
        assert_eq!(log.finish(), [burst(1, 2, 15 << 20), burst(5, 1, 5 << 20)]);
    }
}
