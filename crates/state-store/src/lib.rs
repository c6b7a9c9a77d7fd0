//! The durable log and, on it, the states of tasks: the transition table, the events, the fold.
//!
//! [`log`] keeps streams of opaque entries: appended in one durable segment a batch, under the stream's write lock.
//! [`task`] says what the entries of a workspace mean: one [`task::transition`] table, one [`task::State::apply`].
//! [`verification`] checks all of it, and [`recovery`] makes a new store of what is well of a damaged one.
//! [`tables`] are for people with a client of the database.
//! [`view`] lets many readers look at single tasks beside the one writer.

pub mod clock;
pub mod log;
pub mod recovery;
pub mod tables;
pub mod task;
pub mod verification;
pub mod view;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use log::{
    CommitError, Entry, MemoryStore, Recorded, Seq, SqliteStore, StateStore, StoreError, StreamName,
    Transaction,
};
/// What everything random is drawn from, for those above that know nothing of plans.
pub use planner_core::random::Random;
