//! How often something may be done: the generic cell rate algorithm (ITU-T I.371), which is a bucket of tokens kept as one
//! moment.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time from one to the next, in the long run.
    pub every: Duration,
    /// How many may come at once after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    /// Returns so many a second, and as many at once.
    pub fn per_second(count: NonZeroU32) -> Self {
        Self { every: Duration::from_secs(1) / count.get(), burst: count }
    }
}

/// Tokens that come back at a rate.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: Rate,
    /// When the bucket is full again.
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// Returns a full bucket.
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at: None }
    }

    /// Takes a token, or returns how long it takes until there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let room = self.rate.every * (self.rate.burst.get() - 1);
        let behind = full_at.duration_since(now);
        if behind > room {
            return Err(behind - room);
        }
        self.full_at = Some(full_at + self.rate.every);
        Ok(())
    }

    /// Returns whether it is full, so that a new one would do as well.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use state_store::Random;

    use super::*;

    fn rate(every_ms: u64, burst: u32) -> Rate {
        Rate { every: Duration::from_millis(every_ms), burst: NonZeroU32::new(burst).unwrap() }
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let (mut bucket, now) = (TokenBucket::new(rate(100, 3)), Instant::now());
        for _ in 0..3 {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert_eq!(bucket.take(now), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(now + Duration::from_millis(99)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(now + Duration::from_millis(100)), Ok(()));
        assert!(!bucket.is_full(now + Duration::from_millis(399)));
        assert!(bucket.is_full(now + Duration::from_millis(400)));
    }

    #[test]
    fn no_span_of_time_lets_more_through_than_the_rate_and_a_burst() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let (burst, begun) = (1 + random.below(5), Instant::now());
            let mut bucket = TokenBucket::new(rate(100, u32::try_from(burst).unwrap()));
            let (mut now, mut taken) = (begun, Vec::new());
            for _ in 0..500 {
                now += Duration::from_millis(random.below(80) as u64);
                if bucket.take(now).is_ok() {
                    taken.push(now);
                }
            }
            for (index, from) in taken.iter().enumerate() {
                for (count, until) in (1..).zip(&taken[index..]) {
                    let allowed = burst + (until.duration_since(*from).as_millis() / 100) as usize;
                    assert!(count <= allowed, "seed {seed}: {count} where {allowed} are allowed");
                }
            }
            // Each waits for the rate, and then until somebody asks.
            let spent = now.duration_since(begun).as_millis() as usize;
            assert!((taken.len() + 1) * (100 + 80) >= spent, "seed {seed}: it lets too few through");
        }
    }
}
