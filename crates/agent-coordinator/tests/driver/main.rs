//! Whole runs of the driver: on the real store and real git, and where the world does not play along.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod busy_agents;
mod faults;
mod landing;
mod programs;
mod runs;
mod world;
