//! What a planner of this kind has to show, each a named test; on the real store where it is about what is recorded, on
//! virtual time where it is about how long something takes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(clippy::print_stdout, reason = "what was measured is told")]

mod acquisition;
mod balance;
mod change;
mod contention;
mod failure;
mod fleet;
mod graphs;
mod history;
mod makespan;
mod scale;
