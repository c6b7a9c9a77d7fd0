//! Load that is honest about waiting.
//!
//! An [`OpenLoad`] has times at which operations are due, and keeps to them however slow the system is; how long an operation
//! took counts from when it was due. A [`ClosedLoad`] has clients that each wait for an answer before they ask again; what
//! such a client never asked for while it waited is not in its figures, which is why the two are different types. Source: G.
//! Tene, "How NOT to Measure Latency", 2013.

mod closed;
mod open;
mod outcome;

pub use closed::ClosedLoad;
pub use open::OpenLoad;
pub(crate) use outcome::response_quantile;
pub use outcome::{Done, LoadOutcome};
