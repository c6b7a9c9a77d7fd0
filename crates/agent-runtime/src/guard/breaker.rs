//! Whether a provider is worth asking: a circuit breaker (M. Nygard, "Release It!", 2007).

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use crate::planted::{self, Bug};

/// When a provider is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// The failures in a row after which it is.
    pub failures_max: NonZeroU32,
    /// How long until one question may try whether it is back, and again after each that fails.
    pub probe_every: Duration,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            failures_max: NonZeroU32::new(5).expect("five is not zero"),
            probe_every: Duration::from_millis(500),
        }
    }
}

/// What is known of a provider.
#[derive(Debug, Clone)]
pub struct Breaker {
    limits: BreakerLimits,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// It answers, apart from so many failures in a row.
    Closed { failures: u32 },
    /// It fails; nobody asks it before that moment.
    Open { until: Instant },
    /// One question is under way that tries whether it is back; should nobody hear of it by then, another may.
    Probing { until: Instant },
}

impl Breaker {
    /// Returns one that lets questions through.
    pub fn new(limits: BreakerLimits) -> Self {
        Self { limits, state: State::Closed { failures: 0 } }
    }

    /// Says whether a question may be asked, or how long it takes until one may be.
    pub fn check(&self, now: Instant) -> Result<(), Duration> {
        match self.state {
            State::Open { until } | State::Probing { until } if now < until => Err(until - now),
            State::Closed { .. } | State::Open { .. } | State::Probing { .. } => Ok(()),
        }
    }

    /// Notes that a question is asked. Its outcome is to be noted, within `patience` if it tries whether it is back.
    pub fn asked(&mut self, now: Instant, patience: Duration) {
        if self.is_open() {
            self.state = State::Probing { until: now + patience };
        }
    }

    /// Notes that nobody waits for the outcome of a question any more: the next may try.
    pub fn abandoned(&mut self, now: Instant) {
        if let State::Probing { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// Notes an answer.
    pub fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// Notes a failure.
    pub fn failed(&mut self, now: Instant) {
        if planted::is_on(Bug::BreakerNeverOpens) {
            return;
        }
        let open = State::Open { until: now + self.limits.probe_every };
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < self.limits.failures_max.get() => {
                State::Closed { failures: failures + 1 }
            }
            // Those that were asked before it opened do not put off the next try.
            State::Open { until } if until > now => State::Open { until },
            State::Closed { .. } | State::Open { .. } | State::Probing { .. } => open,
        };
    }

    /// Returns whether questions are kept from it.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Duration = Duration::from_millis(500);
    const PATIENCE: Duration = Duration::from_secs(30);

    fn admit(breaker: &mut Breaker, now: Instant) -> Result<(), Duration> {
        breaker.check(now)?;
        breaker.asked(now, PATIENCE);
        Ok(())
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for _ in 0..5 {
            assert_eq!(admit(&mut breaker, now), Ok(()));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (mut breaker, now) = (Breaker::new(BreakerLimits::default()), Instant::now());
        for _ in 0..20 {
            for _ in 0..4 {
                breaker.failed(now);
            }
            breaker.succeeded();
        }
        assert!(!breaker.is_open());
        assert!(opened(now).is_open());
        assert_eq!(opened(now).check(now), Err(PROBE));
    }

    #[test]
    fn one_question_tries_whether_it_is_back() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + PROBE;
        assert_eq!(admit(&mut breaker, later), Ok(()));
        assert_eq!(admit(&mut breaker, later), Err(PATIENCE));
        breaker.failed(later);
        assert_eq!(admit(&mut breaker, later), Err(PROBE));
        assert_eq!(admit(&mut breaker, later + PROBE), Ok(()));
        breaker.succeeded();
        assert_eq!(admit(&mut breaker, later + PROBE), Ok(()));
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_try_that_nobody_hears_of_is_made_again() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(admit(&mut breaker, now + PROBE), Ok(()));
        assert_eq!(admit(&mut breaker, now + PROBE + PATIENCE), Ok(()));
        breaker.abandoned(now + PROBE + PATIENCE);
        assert_eq!(admit(&mut breaker, now + PROBE + PATIENCE), Ok(()));
    }

    #[test]
    fn late_failures_of_earlier_questions_put_nothing_off() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.failed(now + PROBE / 2);
        assert_eq!(admit(&mut breaker, now + PROBE), Ok(()));
    }
}
