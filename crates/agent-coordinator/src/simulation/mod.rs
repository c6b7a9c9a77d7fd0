//! A whole fleet on virtual time, from one seed: coordinators that take the same turns as the driver, agents, messages, a
//! store and clocks, all of which fail.
//!
//! After each step an auditor, which knows only the log and the plans, looks whether every promise was kept; from time to
//! time everything is looked at. In the end all goes well for a while, and whatever can be done must get done. The same
//! options give the same run, to the last byte of the log.

mod audit;
mod fault;
mod faulty_store;
mod scenario;
mod shrink;
mod worker;
mod workers;
mod world;

pub use audit::Violation;
pub use fault::{FaultCounts, FaultKind, Faults, UnknownFault};
pub use shrink::{Shrunk, shrink};

use std::time::Duration;

use planner_core::Plan;

use scenario::Scenario;
use world::World;

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Options {
    /// What everything is drawn from.
    pub seed: u64,
    /// The plan, which is carried out again and again; `None`: a small one is drawn. It has a graph.
    pub plan: Option<Plan>,
    /// How many agents; `None`: drawn.
    pub agents: Option<usize>,
    /// How many coordinators at once; `None`: drawn.
    pub coordinators: Option<usize>,
    /// How many steps it storms for. A step is one thing that happens: a message, a heartbeat, a turn, a fault.
    pub steps: u64,
    /// What goes wrong.
    pub faults: Faults,
}

/// What came of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How many steps there were, those after the storm too.
    pub steps: u64,
    /// How much time went by in it.
    pub virtual_time: Duration,
    /// How many events were recorded.
    pub events: u64,
    /// The hash of the log: equal for equal runs, and hardly ever for others.
    pub hash: String,
    /// How many tasks there were, of all the projects.
    pub tasks: u64,
    /// How many of them were completed.
    pub completed: u64,
    /// What went wrong, and how often.
    pub faults: FaultCounts,
    /// The promise that was not kept; the run ends with it.
    pub violation: Option<Violation>,
}

/// Simulates.
pub fn simulate(options: &Options) -> Run {
    World::new(&Scenario::of(options)).run()
}
