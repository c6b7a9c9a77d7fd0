//! LEAKS: what each kind of operation leaves in memory, at moments when nothing is under way.
//!
//! The same operations are made cycle after cycle; after each the bytes that are alive are counted. Where the program counts its
//! allocations ([`count_allocations_with`](crate::leak::count_allocations_with)) that is exact; elsewhere it is the resident memory
//! that no file is behind, which is coarser. What a workspace must remember (its events, its commits) is on the disk, so none of
//! these kinds may leave more than a trace in memory.

use std::hint::black_box;
use std::time::{Duration, Instant};

use agent_coordinator::ShutDown;
use planner_core::format::{Limits, read};
use planner_core::validate;

use super::operations::{Operations, agents, files};
use super::world::World;
use crate::leak::{GrowthVerdict, growth_by_operation, live_bytes};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;
use crate::timeline::{Operation, OperationKind};
use crate::workload::Workload;

/// What operations leave behind.
#[derive(Debug, Clone, Copy)]
pub struct Leaks;

/// As few as the operations can be made with, so that what one leaves is not small beside what one needs.
const TASKS: usize = 60;
const AGENTS: usize = 4;
/// How long a piece of work may take before it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// A piece of work takes about so many times as long as any other operation, so there are as many times fewer.
const WORK_IN: usize = 8;

type Ask<'a> = Box<dyn FnMut(u64) -> Result<(), String> + 'a>;

impl Scenario for Leaks {
    fn id(&self) -> &str {
        "LEAKS"
    }

    fn statement(&self) -> &str {
        "what each kind of operation leaves in memory, cycle after cycle"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let (cycles, operations): (usize, usize) =
            by_profile(profile, [(6, 4), (8, 40), (12, 100), (20, 400)]);
        let world = World::begin(&files(), agents(Duration::ZERO))?;
        let asked = Operations::enter(&world, TASKS, AGENTS)?;
        for kind in OperationKind::ALL {
            let count =
                if kind == OperationKind::Assignment { operations.div_ceil(WORK_IN) } else { operations };
            let mut ask: Ask<'_> = Box::new(|number| {
                // The same twice, which is on and off again: at the end of a cycle everything is as it was.
                asked.ask(&world, Operation { at: Duration::ZERO, kind, draw: number / 2 })?;
                // What is under way is not left behind.
                if kind == OperationKind::Assignment { wait_for_work(&world, &asked) } else { Ok(()) }
            });
            record(kind.as_str(), cycles, count, &mut ask, recorder)?;
        }
        let yaml = Workload::bench_001(100).yaml();
        let mut load: Ask<'_> = Box::new(|_| {
            let reading = read("plan.yaml", yaml.as_bytes(), None, &Limits::default());
            let reading = reading.map_err(|error| error.to_string())?;
            black_box(validate(&reading));
            Ok(())
        });
        record("load", cycles, operations, &mut load, recorder)?;
        drop((load, asked));
        world.end(ShutDown::Now).map(drop)
    }
}

/// Waits until all that was set free is on the branch.
fn wait_for_work(world: &World, asked: &Operations) -> Result<(), String> {
    let begun = Instant::now();
    let expected = asked.freed().min(asked.worked());
    while world.completed(asked.project()).map_err(|failed| failed.to_string())? < expected {
        if begun.elapsed() > STUCK_AFTER {
            return Err("a task that was set free is not completed".to_owned());
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    Ok(())
}

fn record(
    kind: &str,
    cycles: usize,
    operations: usize,
    ask: &mut Ask<'_>,
    recorder: &mut Recorder,
) -> Result<(), ScenarioFailed> {
    let mut live = Vec::with_capacity(cycles);
    for _ in 0..cycles {
        for number in 0..operations {
            ask(number as u64).map_err(ScenarioFailed::during("making an operation"))?;
        }
        // What git's objects take that are kept on purpose is full one day, and no leak.
        live.extend(live_bytes().map(|bytes| bytes as f64 - git_ops::cached_bytes() as f64));
    }
    let Some(growth) = growth_by_operation(&live, operations) else {
        recorder.note("this system does not tell the memory");
        return Ok(());
    };
    let steps = live.windows(2).skip(1).map(|pair| (pair[1] - pair[0]) / operations as f64).collect();
    recorder.record(
        format!("growth/{kind}"),
        "what an operation leaves in memory, cycle by cycle after the first",
        Unit::Bytes,
        steps,
    );
    let grows = growth.verdict == GrowthVerdict::Grows;
    recorder.note(format!(
        "{kind}: {} ({:.1} bytes by operation); the least that could have been told is {:.1}",
        if grows { "LEAKS" } else { "no leak" },
        growth.bytes_by_operation,
        growth.smallest_visible
    ));
    Ok(())
}
