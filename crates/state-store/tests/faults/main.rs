//! The stores where the world breaks: power cuts at every write, operations that fail, damaged files, races.
//!
//! Each harness is a function of its seed and its size, so that it runs at its ordinary size as a test of its own and,
//! scaled down, in the one run that has to find planted bugs (`planted_bugs`).
//!
//! `SUPER_PLANNER_TEST_SCALE` multiplies how much each does, `SUPER_PLANNER_TEST_SEED` sets what it is drawn from.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on may panic, and says what it came to"
)]

mod crash_images;
mod damage;
mod effort;
mod failing_operations;
mod flushes;
mod history;
mod ledger;
#[cfg(feature = "planted-bugs")]
mod planted_bugs;
#[cfg(feature = "postgres")]
#[expect(dead_code, reason = "the races need only some of what a server can be told")]
#[path = "../postgres_cluster/mod.rs"]
mod postgres_cluster;
mod races;
mod workload;
