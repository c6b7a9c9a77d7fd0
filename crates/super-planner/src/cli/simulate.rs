//! `simulate`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use agent_coordinator::simulation::Faults;
use clap::Args;
use planner_core::Format;

use super::plan::plan_format;

/// The arguments of `simulate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner simulate --seeds 100
  super-planner simulate plan.yaml --agents 20 --seed 7 --faults storm
  super-planner simulate --seed 42 --faults agent-pause,clock-jump --steps 5000

Coordinators take the same turns as in a run; agents, messages, the store and its clock are simulated. The same arguments
give the same log, to the last byte. A run in which a promise was not kept is made smaller, and the command that repeats it
is printed; the exit code is then 1.
Faults: none, drizzle, storm, or kinds with commas between them: agent-crash, agent-hang, agent-pause, attempt-failure,
message-loss, message-repeat, message-delay, partition, store-busy, store-refusal, store-doubt, clock-jump,
coordinator-crash, coordinator-pause, plan-change.")]
pub struct SimulateArgs {
    /// The plan, which is carried out again and again [default: a small one, drawn from the seed]
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    /// How many agents [default: drawn from the seed]
    #[arg(long, value_name = "N")]
    pub agents: Option<NonZeroU32>,
    /// How many coordinators at once [default: drawn from the seed]
    #[arg(long, value_name = "N")]
    pub coordinators: Option<NonZeroU32>,
    /// What everything is drawn from; with --seeds, the first of them
    #[arg(long, value_name = "S", default_value = "1")]
    pub seed: u64,
    /// How many seeds, one after another
    #[arg(long, value_name = "N", default_value = "1")]
    pub seeds: NonZeroU32,
    /// How many steps each storms for: a step is a message, a heartbeat, a turn or a fault
    #[arg(long, value_name = "N", default_value = "10000")]
    pub steps: u64,
    /// What goes wrong
    #[arg(long, value_name = "FAULTS", default_value = "storm")]
    pub faults: Faults,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}
