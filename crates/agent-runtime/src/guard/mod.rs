//! What stands between agents and models that are far away: limits, and what to do when one of them fails.
//!
//! [`Providers`] is a model made of several: it asks the first that takes questions, waits where that is short, and goes on
//! with the next where it is not. [`Users`] keeps users from taking one another's share. Time is the
//! runtime's, which a test can move.

mod breaker;
mod providers;
mod rate;
mod users;

pub use breaker::{Breaker, BreakerLimits};
pub use providers::{Provider, ProviderLimits, ProviderRecord, Providers};
pub use rate::{Rate, RateLimit, RateLimits};
pub use users::{UserLimits, Users};
