//! When a model that failed is asked again: exponential backoff with jitter, from the crate `backon`.
//!
//! A wait is drawn evenly from the upper half of a bound that doubles ("equal jitter" of M. Brooker, "Exponential Backoff
//! And Jitter", AWS Architecture Blog, 2015). Where the model says how long it wants to be left alone, the wait is that long
//! at least.

use std::num::NonZeroU32;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::model::ModelError;
use crate::planted::{self, Bug};

/// How often and how soon the same question is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The failures of one question after which no more is tried.
    pub failures_max: NonZeroU32,
    /// The bound of the first wait; each later bound is twice the one before.
    pub backoff_base: Duration,
    /// The longest bound.
    pub backoff_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            failures_max: NonZeroU32::new(6).expect("six is not zero"),
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Returns the waits between the tries of one question. The same `seed` gives the same ones.
    pub fn waits(&self, seed: u64) -> Waits {
        // The jitter goes on top of the wait, so that the bound is twice that.
        let builder = ExponentialBuilder::new()
            .with_min_delay(self.backoff_base / 2)
            .with_max_delay(self.backoff_max / 2)
            .with_max_times(self.failures_max.get() as usize - 1)
            .with_jitter()
            .with_jitter_seed(seed);
        Waits(builder.build())
    }
}

/// The waits between the tries of one question.
#[derive(Debug)]
pub struct Waits(ExponentialBackoff);

impl Waits {
    /// Returns how long to wait after the next failure, `None` if the question is not to be asked again.
    pub fn after(&mut self, error: &ModelError) -> Option<Duration> {
        if !error.is_retryable() {
            return None;
        }
        let drawn = self.0.next()?;
        Some(match error {
            ModelError::Overloaded { retry_after: Some(asked) }
                if !planted::is_on(Bug::RetryAfterIgnored) =>
            {
                drawn.max(*asked)
            }
            _ => drawn,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLOADED: ModelError = ModelError::Overloaded { retry_after: None };

    fn waits(failures_max: u32, seed: u64) -> Vec<Duration> {
        let failures_max = NonZeroU32::new(failures_max).unwrap();
        let mut waits = RetryPolicy { failures_max, ..RetryPolicy::default() }.waits(seed);
        std::iter::from_fn(|| waits.after(&OVERLOADED)).collect()
    }

    #[test]
    fn waits_stay_within_a_bound_that_doubles_up_to_the_longest() {
        for seed in 0..50 {
            let waits = waits(40, seed);
            assert_eq!(waits.len(), 39, "the fortieth failure is the last");
            let mut bound = Duration::from_millis(500);
            for (failures, wait) in (1..).zip(waits) {
                assert!(wait >= bound / 2 && wait <= bound, "{wait:?} after {failures}, seed {seed}");
                bound = (2 * bound).min(Duration::from_secs(60));
            }
        }
        assert_eq!(waits(1, 1), []);
        assert_eq!(waits(5, 1), waits(5, 1));
        assert_ne!(waits(5, 1), waits(5, 2));
    }

    #[test]
    fn a_model_that_asks_for_time_gets_it() {
        let asked = Duration::from_secs(59);
        let error = ModelError::Overloaded { retry_after: Some(asked) };
        assert_eq!(RetryPolicy::default().waits(3).after(&error), Some(asked));
    }

    #[test]
    fn what_cannot_get_better_is_not_tried_again() {
        for error in [ModelError::Cancelled, ModelError::Rejected { reason: "too long".to_owned() }] {
            assert_eq!(RetryPolicy::default().waits(0).after(&error), None);
        }
    }
}
