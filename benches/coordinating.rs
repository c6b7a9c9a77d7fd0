//! What it costs to hand tasks out, beside what others take for the same graph: Python threads, GNU make, and our own engine
//! without anything around it.
//!
//! `PERF_PROFILE=smoke|quick|full cargo bench -p perf-suite --bench coordinating`, quick by default (100,000 tasks, and 3 rounds;
//! full: 5 rounds, and costs up to 1,000,000 tasks). Every round runs each of those that are compared once, so that a busy moment
//! strikes all of them. What is printed is the median of the rounds, with their least and most; ratios are of single rounds.
//!
//! The parts `threads`, `durable`, `make`, `sizes`, `batches`, `latency`, `memory` and `recovery` can be asked for by name, behind `--`.
//! What is to be durable lies in the folder for temporary files, and is refused where that is in memory. Where Python or make is
//! missing, that is said, and the rest is measured.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "coordinating/figures.rs"]
mod figures;
#[path = "coordinating/hand_outs.rs"]
mod hand_outs;
#[path = "coordinating/latency.rs"]
mod latency;
#[path = "coordinating/programs.rs"]
mod programs;
#[path = "coordinating/recovery.rs"]
mod recovery;
#[path = "coordinating/weight.rs"]
mod weight;
#[path = "coordinating/workspace.rs"]
mod workspace;

use std::alloc::System;
use std::error::Error;

use cap::Cap;
use perf_suite::{Machine, Profile};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Counts what is allocated, so that tasks and agents can be weighed.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Measures something and prints it.
type Part = fn(Effort) -> Outcome<()>;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    tasks: usize,
    /// The largest project whose cost is looked at.
    tasks_most: usize,
    programs: usize,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Without it, cargo only wants to know that the program starts.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let effort = match Profile::from_environment()? {
        Profile::Smoke => Effort { rounds: 1, tasks: 1_000, tasks_most: 2_000, programs: 200 },
        Profile::Quick | Profile::Standard => {
            Effort { rounds: 3, tasks: 100_000, tasks_most: 100_000, programs: 10_000 }
        }
        Profile::Full | Profile::Soak => {
            Effort { rounds: 5, tasks: 100_000, tasks_most: 1_000_000, programs: 10_000 }
        }
    };
    let machine = Machine::inspect();
    println!(
        "{}, {}, {}, load {:?}\n",
        machine.cpu, machine.system, machine.file_system, machine.load_average
    );
    let parts: [(&str, Part); 8] = [
        ("threads", hand_outs::beside_threads),
        ("durable", hand_outs::durable),
        ("make", programs::beside_make),
        ("sizes", hand_outs::by_size),
        ("batches", hand_outs::by_ready),
        ("latency", latency::by_agents),
        ("memory", weight::of_tasks_and_agents),
        ("recovery", recovery::to_first_assignment),
    ];
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|part| *part == name) {
            measure(effort)?;
        }
    }
    Ok(())
}
