//! Whole fleets on virtual time: many seeds, all that can go wrong, and every promise looked at after every step.
//!
//! `SUPER_PLANNER_TEST_SCALE` multiplies the number of seeds, `SUPER_PLANNER_TEST_SEED` sets the first. A seed in which a
//! promise was not kept is made smaller and printed with the command that repeats it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[cfg(feature = "planted-bugs")]
mod planted_bugs;
mod races;
mod storms;
