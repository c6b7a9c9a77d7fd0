//! `agents` and `logs`.

use clap::{Args, Subcommand};

use crate::cli::PlaceArgs;

/// The arguments of `agents`.
#[derive(Debug, Clone, Args)]
pub struct AgentsArgs {
    /// What is to be shown.
    #[command(subcommand)]
    pub command: AgentsCommand,
}

/// What is to be shown.
#[derive(Debug, Clone, Subcommand)]
pub enum AgentsCommand {
    /// List the presets for coding agents, or show one as it can be written into a file of your own
    Presets(AgentsPresetsArgs),
}

/// The arguments of `agents presets`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner agents presets
  super-planner agents presets claude >> ~/.config/super-planner/agents.toml
  super-planner run plan.yaml --agents 4 --agent-preset claude --budget task=2.50usd

A file agents.toml beside the configuration adds presets, and takes the place of those that come along, by name.")]
pub struct AgentsPresetsArgs {
    /// The preset to show
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `logs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner logs PARSE
  super-planner logs -f PARSE
  super-planner logs PARSE --attempt 1

Shows what programs have printed that worked on a task: when, and what; what comes from standard error is marked with a `!`.
An attempt is kept up to a bound, from its end on; of all of them the oldest go when there are too many.")]
pub struct LogsArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Go on with what comes, until the task is over
    #[arg(long, short)]
    pub follow: bool,
    /// Only the attempt of this token [default: all that are kept]
    #[arg(long, value_name = "TOKEN")]
    pub attempt: Option<u64>,
    /// The project, where several have a task of that name
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON, one line each
    #[arg(long)]
    pub json: bool,
}
