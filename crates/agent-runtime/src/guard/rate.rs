//! How often something may be done: the generic cell rate algorithm (ITU-T I.371) of the crate `governor`, on the clock of
//! the runtime, which a test can move.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::ops::Add;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
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

    fn quota(self) -> Quota {
        let every = self.every.max(Duration::from_nanos(1));
        Quota::with_period(every).expect("it is more than nothing").allow_burst(self.burst)
    }
}

/// The limit of one thing.
#[derive(Debug)]
pub struct RateLimit(RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Moment>>);

impl RateLimit {
    /// Returns one that has let nothing through yet.
    pub fn new(rate: Rate) -> Self {
        Self(RateLimiter::direct_with_clock(rate.quota(), RuntimeClock))
    }

    /// Lets one through now, or returns how long it takes until one may be.
    pub fn take(&self) -> Result<(), Duration> {
        self.0.check().map_err(|refused| refused.wait_time_from(RuntimeClock.now()))
    }
}

/// The limits of many things of one kind, by key.
#[derive(Debug)]
pub struct RateLimits<K: Hash + Eq + Clone>(
    RateLimiter<K, HashMapStateStore<K>, RuntimeClock, NoOpMiddleware<Moment>>,
);

impl<K: Hash + Eq + Clone> RateLimits<K> {
    /// Returns limits that have let nothing through yet.
    pub fn new(rate: Rate) -> Self {
        Self(RateLimiter::new(rate.quota(), HashMapStateStore::default(), RuntimeClock))
    }

    /// Lets one of that key through now, or returns how long it takes until one may be.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        self.0.check_key(key).map_err(|refused| refused.wait_time_from(RuntimeClock.now()))
    }

    /// Forgets the keys of which everything may come again at once.
    pub fn forget_idle(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

/// The clock of the runtime.
#[derive(Debug, Clone, Copy)]
struct RuntimeClock;

/// A moment of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Instant);

impl Clock for RuntimeClock {
    type Instant = Moment;

    fn now(&self) -> Moment {
        Moment(Instant::now())
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

impl Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0 + Duration::from(nanos))
    }
}

#[cfg(test)]
mod tests {
    use state_store::Random;
    use tokio::time::advance;

    use super::*;

    fn rate(every_ms: u64, burst: u32) -> Rate {
        Rate { every: Duration::from_millis(every_ms), burst: NonZeroU32::new(burst).unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_through_and_then_the_rate() {
        let limit = RateLimit::new(rate(100, 3));
        for _ in 0..3 {
            assert_eq!(limit.take(), Ok(()));
        }
        assert_eq!(limit.take(), Err(Duration::from_millis(100)));
        advance(Duration::from_millis(99)).await;
        assert_eq!(limit.take(), Err(Duration::from_millis(1)));
        advance(Duration::from_millis(1)).await;
        assert_eq!(limit.take(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_span_of_time_lets_more_through_than_the_rate_and_a_burst() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let (burst, begun) = (1 + random.below(5), Instant::now());
            let limit = RateLimit::new(rate(100, u32::try_from(burst).unwrap()));
            let mut taken = Vec::new();
            for _ in 0..500 {
                advance(Duration::from_millis(random.below(80) as u64)).await;
                if limit.take().is_ok() {
                    taken.push(Instant::now());
                }
            }
            for (index, from) in taken.iter().enumerate() {
                for (count, until) in (1..).zip(&taken[index..]) {
                    let allowed = burst + (until.duration_since(*from).as_millis() / 100) as usize;
                    assert!(count <= allowed, "seed {seed}: {count} where {allowed} are allowed");
                }
            }
            // Each waits for the rate, and then until somebody asks.
            let spent = begun.elapsed().as_millis() as usize;
            assert!((taken.len() + 1) * (100 + 80) >= spent, "seed {seed}: it lets too few through");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_have_limits_of_their_own_and_idle_ones_are_forgotten() {
        let limits = RateLimits::new(rate(100, 1));
        assert_eq!((limits.take(&"a"), limits.take(&"b")), (Ok(()), Ok(())));
        assert_eq!(limits.take(&"a"), Err(Duration::from_millis(100)));
        limits.forget_idle();
        assert_eq!(limits.take(&"a"), Err(Duration::from_millis(100)), "it is not idle");
        advance(Duration::from_secs(1)).await;
        limits.forget_idle();
        assert_eq!(limits.0.len(), 0);
    }
}
