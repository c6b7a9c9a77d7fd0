//! `agent`: the agents of a workspace, and what they are let do.

use clap::{Args, Subcommand};

use super::PlaceArgs;
use super::project::AskingArgs;

/// The arguments of `agent`.
#[derive(Debug, Clone, Args)]
pub struct FleetArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: FleetCommand,
}

/// What to do with an agent.
#[derive(Debug, Clone, Subcommand)]
pub enum FleetCommand {
    /// List the agents: what each is at, on what, and why one has nothing to do
    List(FleetListArgs),
    /// Let an agent finish what it has, and give it no more
    Drain(OneAgentArgs),
    /// Take away what an agent has, for others to do, and give it no more
    Stop(OneAgentArgs),
    /// Let an agent that was drained or stopped take tasks again
    Resume(OneAgentArgs),
    /// List the presets for coding agents, or show one as it can be written into a file of your own
    Presets(PresetsArgs),
}

/// The arguments of `agent list`.
#[derive(Debug, Clone, Args)]
pub struct FleetListArgs {
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Also those whose coordinator has ended
    #[arg(long)]
    pub all: bool,
    /// Only those with this label; several: with all of them
    #[arg(long = "label", value_name = "WORD")]
    pub labels: Vec<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// An agent.
#[derive(Debug, Clone, Args)]
pub struct OneAgentArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    pub agent: String,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `agent presets`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner agent presets
  super-planner agent presets claude >> ~/.config/super-planner/agents.toml
  super-planner run plan.yaml --agents 4 --agent-preset claude --budget task=2.50usd

A file agents.toml beside the configuration adds presets, and takes the place of those that come along, by name.")]
pub struct PresetsArgs {
    /// The preset to show
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

impl FleetCommand {
    /// Returns whether the answer is asked for as JSON.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Presets(args) => args.json,
            Self::Drain(args) | Self::Stop(args) | Self::Resume(args) => args.asking.json,
        }
    }
}
