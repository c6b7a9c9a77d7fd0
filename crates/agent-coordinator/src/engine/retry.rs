//! When a failed task is tried again: exponential backoff with full jitter.
//!
//! Full jitter (a wait drawn evenly from zero to the bound) spreads retries best: M. Brooker, "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

use planner_core::random::Random;
use state_store::Timestamp;
use state_store::task::{AfterFailure, FencingToken, TaskKey};

use crate::engine::Policy;

/// Returns what comes of a task whose attempt with that token has failed for the `failures`-th time.
pub(super) fn after_failure(
    policy: &Policy,
    task: TaskKey,
    token: FencingToken,
    failures: u32,
    now: Timestamp,
) -> AfterFailure {
    if failures >= policy.failures_max {
        return AfterFailure::GiveUp;
    }
    let bound = policy.backoff_base.saturating_mul(1 << (failures - 1).min(20)).min(policy.backoff_max);
    let mut random = Random::of([policy.seed, u64::from(task.project.0), u64::from(task.task), token.get()]);
    AfterFailure::Retry(now + Duration::from_secs_f64(bound.as_secs_f64() * random.unit()))
}

#[cfg(test)]
mod tests {
    use state_store::task::ProjectKey;

    use super::*;

    fn wait(failures: u32, token: u64) -> Option<Duration> {
        let task = TaskKey { project: ProjectKey(0), task: 7 };
        let policy = Policy { failures_max: 30, ..Policy::default() };
        match after_failure(&policy, task, FencingToken::new(token), failures, Timestamp::default()) {
            AfterFailure::Retry(until) => Some(until.since(Timestamp::default())),
            AfterFailure::GiveUp => None,
        }
    }

    #[test]
    fn waits_stay_below_a_bound_that_doubles_up_to_the_longest() {
        for failures in 1..30 {
            let bound =
                Duration::from_millis(500).saturating_mul(1 << (failures - 1)).min(Duration::from_secs(60));
            for token in 0..50 {
                let wait = wait(failures, token).unwrap();
                assert!(wait <= bound, "{wait:?} is above {bound:?}");
            }
        }
        assert_eq!(wait(30, 1), None);
    }

    #[test]
    fn waits_differ_between_attempts_and_repeat_with_the_seed() {
        assert_ne!(wait(10, 1), wait(10, 2));
        assert_eq!(wait(10, 1), wait(10, 1));
    }
}
