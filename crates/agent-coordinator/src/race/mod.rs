//! Races over tasks: many processes that acquire, prolong, deliver and give back, and a judge of what they were told.
//!
//! Each [`Racer`] asks at random, often with a token that is not the present one any more, and writes down what it was told
//! and when. [`judge`] finds out for each task whether all of that fits one order of one thing after another (Herlihy and
//! Wing, "Linearizability: A Correctness Condition for Concurrent Objects", TOPLAS 1990), and whether the log says the same.

mod history;
mod judge;
mod order;
mod racer;
mod track;

pub use history::{Asked, Moment, Operation, Told, present_moment};
pub use judge::{Finding, Findings, judge};
pub use racer::{Counter, LibraryCounter, Racer};
pub use track::add_project;
