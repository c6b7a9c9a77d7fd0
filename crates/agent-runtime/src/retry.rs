//! When a model that failed is asked again: exponential backoff with full jitter.
//!
//! Full jitter (a wait drawn evenly from zero to the bound) spreads retries best: M. Brooker, "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015. Where the model says how long it wants to be left alone, the wait is that long at
//! least.

use std::num::NonZeroU32;
use std::time::Duration;

use state_store::Random;

use crate::model::ModelError;

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
    /// Returns how long to wait after the `failures`-th failure of a question, `None` if it is not to be asked again.
    ///
    /// The same `seed` and count give the same wait.
    pub fn wait_after(&self, error: &ModelError, failures: NonZeroU32, seed: u64) -> Option<Duration> {
        if !error.is_retryable() || failures >= self.failures_max {
            return None;
        }
        let doublings = (failures.get() - 1).min(20);
        let bound = self.backoff_base.saturating_mul(1 << doublings).min(self.backoff_max);
        let drawn = bound.mul_f64(Random::of([seed, u64::from(failures.get())]).unit());
        Some(match error {
            ModelError::Overloaded { retry_after: Some(asked) } => drawn.max(*asked),
            _ => drawn,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLOADED: ModelError = ModelError::Overloaded { retry_after: None };

    fn count(failures: u32) -> NonZeroU32 {
        NonZeroU32::new(failures).unwrap()
    }

    fn wait(failures: u32, seed: u64) -> Option<Duration> {
        let policy = RetryPolicy { failures_max: count(40), ..RetryPolicy::default() };
        policy.wait_after(&OVERLOADED, count(failures), seed)
    }

    #[test]
    fn waits_stay_below_a_bound_that_doubles_up_to_the_longest() {
        for failures in 1..40 {
            let doubled = Duration::from_millis(500).saturating_mul(1 << (failures - 1).min(20));
            for seed in 0..50 {
                let wait = wait(failures, seed).unwrap();
                assert!(
                    wait <= doubled.min(Duration::from_secs(60)),
                    "{wait:?} after {failures}, seed {seed}"
                );
            }
        }
        assert_eq!(wait(40, 1), None);
        assert_eq!(wait(5, 1), wait(5, 1));
        assert_ne!(wait(5, 1), wait(5, 2));
    }

    #[test]
    fn a_model_that_asks_for_time_gets_it() {
        let asked = Duration::from_secs(59);
        let error = ModelError::Overloaded { retry_after: Some(asked) };
        assert_eq!(RetryPolicy::default().wait_after(&error, count(1), 3), Some(asked));
    }

    #[test]
    fn what_cannot_get_better_is_not_tried_again() {
        for error in [ModelError::Cancelled, ModelError::Rejected { reason: "too long".to_owned() }] {
            assert_eq!(RetryPolicy::default().wait_after(&error, count(1), 0), None);
        }
    }
}
