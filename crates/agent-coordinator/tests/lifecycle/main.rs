//! What people change while a project runs, through the turn, with every invariant looked at after each step.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod agents;
mod approval;
mod assignment;
mod bench;
mod changes;
mod explanation;
mod failures;
mod silence;
mod writes;
