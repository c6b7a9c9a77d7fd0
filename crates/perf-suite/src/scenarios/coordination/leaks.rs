//! LEAKS: what each kind of operation leaves in memory, at moments when nothing is under way.
//!
//! The same operations are made cycle after cycle; after each the bytes that are alive are counted. Where the program counts its
//! allocations ([`count_live_bytes_with`](crate::leak::count_live_bytes_with)) that is exact; elsewhere it is the resident memory
//! that no file is behind, which is coarser. What a workspace must remember (its events, its commits) is on the disk, so none of
//! these kinds may leave more than a trace in memory.

use std::hint::black_box;

use agent_coordinator::ShutDown;
use agent_coordinator::engine::{AgentSpec, Command};
use agent_coordinator::executor::{InProcess, Job, Outcome};
use planner_core::format::{Limits, read};
use planner_core::graph::LiveOrder;
use planner_core::{CapabilitySet, validate};
use state_store::task::TaskKey;

use super::world::{World, plan, task, write};
use crate::leak::{GrowthVerdict, growth_by_operation, live_bytes};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;
use crate::workload::Workload;

/// What operations leave behind.
#[derive(Debug, Clone, Copy)]
pub struct Leaks;

type Operation<'a> = Box<dyn FnMut(usize) -> Result<(), String> + 'a>;

impl Scenario for Leaks {
    fn id(&self) -> &str {
        "LEAKS"
    }

    fn statement(&self) -> &str {
        "what each kind of operation leaves in memory, cycle after cycle"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let (cycles, operations) = by_profile(profile, [(6, 4), (8, 40), (12, 100), (20, 400)]);
        let agents = InProcess::new(|job: Job| async move {
            job.stop.cancelled().await;
            Outcome::Failed("stopped".to_owned())
        });
        let world = World::begin(&[write("README.md", "first\n")], agents)?;
        let project = world.enter(plan("leaks", vec![task(0, &[]), task(1, &[0])]))?;
        let key = TaskKey { project, task: 1 };
        let yaml = Workload::bench_001(100).yaml();
        let mut order = LiveOrder::default();
        let nodes: Vec<u32> = (0..100).map(|_| order.add_node()).collect();
        let submit =
            |command| world.handle().submit_blocking(command).map(drop).map_err(|error| error.to_string());
        let spec =
            || AgentSpec { name: "agent".to_owned(), capabilities: CapabilitySet::default(), slots: 1 };
        let kinds: [(&str, Operation<'_>); 4] = [
            (
                "transition",
                Box::new(|number| {
                    submit(if number % 2 == 0 { Command::Hold(key) } else { Command::Resume(key) })
                }),
            ),
            ("agent-status", Box::new(|_| submit(Command::RegisterAgents(vec![spec()])))),
            (
                "dependency-change",
                Box::new(|number| {
                    let (from, to) = (nodes[number % 50], nodes[50 + number % 50]);
                    order.add_edge(from, to).map_err(|error| error.to_string())?;
                    order.remove_edge(from, to);
                    Ok(())
                }),
            ),
            (
                "load",
                Box::new(|_| {
                    let reading = read("plan.yaml", yaml.as_bytes(), None, &Limits::default());
                    let reading = reading.map_err(|error| error.to_string())?;
                    black_box(validate(&reading));
                    Ok(())
                }),
            ),
        ];
        for (kind, mut operation) in kinds {
            record(kind, cycles, operations, &mut operation, recorder)?;
        }
        world.end(ShutDown::Now).map(drop)
    }
}

fn record(
    kind: &str,
    cycles: usize,
    operations: usize,
    operation: &mut Operation<'_>,
    recorder: &mut Recorder,
) -> Result<(), ScenarioFailed> {
    let mut live = Vec::with_capacity(cycles);
    for _ in 0..cycles {
        for number in 0..operations {
            operation(number).map_err(ScenarioFailed::during("making an operation"))?;
        }
        live.extend(live_bytes().map(|bytes| bytes as f64));
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
