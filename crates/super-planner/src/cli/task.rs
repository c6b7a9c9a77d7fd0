//! `task`: what is done to one task, by a person or by an agent that is a script.

use std::time::Duration;

use clap::{Args, Subcommand};
use planner_core::Priority;

use super::project::AskingArgs;

/// The arguments of `task`.
#[derive(Debug, Clone, Args)]
pub struct TaskArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TaskCommand,
}

/// What to do with a task.
#[derive(Debug, Clone, Subcommand)]
pub enum TaskCommand {
    /// Put a task aside until it is resumed
    Hold(OneTaskArgs),
    /// Let a task that was put aside, or waits after a failure, run
    Resume(OneTaskArgs),
    /// Call off a task, what depends on it, or all of a project
    Cancel(CancelArgs),
    /// Do a task again that has failed, was called off or is completed
    Retry(RetryArgs),
    /// Say that a task was done outside; or, with --token, deliver it as the agent that has it
    Complete(CompleteArgs),
    /// Change the priority of a task
    Priority(PriorityArgs),
    /// Take the next task that this agent can do, and begin it; the one that it has, if it has one
    Acquire(AcquireArgs),
    /// Prolong the lease on a task
    Heartbeat(HeldTaskArgs),
    /// Leave word of how far a task is, for the case that another attempt has to go on
    Checkpoint(WordArgs),
    /// Say that the attempt has failed
    Fail(WordArgs),
    /// Give a task back; that counts as no failure
    Release(HeldTaskArgs),
}

impl TaskCommand {
    /// Returns how it is asked.
    pub fn asking(&self) -> &AskingArgs {
        match self {
            Self::Hold(args) | Self::Resume(args) => &args.asking,
            Self::Cancel(args) => &args.asking,
            Self::Retry(args) => &args.asking,
            Self::Complete(args) => &args.asking,
            Self::Priority(args) => &args.asking,
            Self::Acquire(args) => &args.asking,
            Self::Heartbeat(args) | Self::Release(args) => &args.asking,
            Self::Checkpoint(args) | Self::Fail(args) => &args.held.asking,
        }
    }
}

/// A task.
#[derive(Debug, Clone, Args)]
pub struct OneTaskArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task cancel`.
#[derive(Debug, Clone, Args)]
pub struct CancelArgs {
    /// The task or group
    #[arg(value_name = "TASK", required_unless_present = "all")]
    pub task: Option<String>,
    /// Also everything that depends on it, and what is in it
    #[arg(long, conflicts_with = "all")]
    pub dependents: bool,
    /// Every task of the project
    #[arg(long, conflicts_with = "task", requires = "project")]
    pub all: bool,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task retry`.
#[derive(Debug, Clone, Args)]
pub struct RetryArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Also do again what depends on it and is completed; else that stays, and is named
    #[arg(long)]
    pub dependents: bool,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task complete`.
#[derive(Debug, Clone, Args)]
pub struct CompleteArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// How it was done, where it was done outside
    #[arg(long, value_name = "TEXT", required_unless_present = "token")]
    pub reason: Option<String>,
    /// The token of the attempt that delivers it
    #[arg(long, value_name = "N", conflicts_with = "reason", requires = "agent")]
    pub token: Option<u64>,
    /// The agent that delivers it
    #[arg(long, value_name = "NAME", requires = "token")]
    pub agent: Option<String>,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task priority`.
#[derive(Debug, Clone, Args)]
pub struct PriorityArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// The priority: critical, high, medium, low or backlog
    #[arg(value_name = "PRIORITY", value_parser = priority)]
    pub priority: Priority,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task acquire`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner task acquire --agent worker-1 --can rust,docs --json
  super-planner task heartbeat PARSE --agent worker-1 --token 3
  super-planner task complete PARSE --agent worker-1 --token 3

No process has to run beside: each command takes its turn on the state and ends. An agent that is silent for longer than its
lease loses its task to the next one. Exit code 1 where there is no task for it now.")]
pub struct AcquireArgs {
    /// The agent's name, unique in the workspace
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// What it can do, with commas between
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    pub can: Vec<String>,
    /// How long its lease lasts before it must be renewed, and each renewal, where the task does not say; 3s at least
    /// [default: `lease` of the configuration]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub lease: Option<Duration>,
    /// A word to tell it by in `agent list`; as often as there are words
    #[arg(long = "label", value_name = "WORD")]
    pub labels: Vec<String>,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// A task that an agent has.
#[derive(Debug, Clone, Args)]
pub struct HeldTaskArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// The agent that has it
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// The token under which it has it
    #[arg(long, value_name = "N")]
    pub token: u64,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// A task that an agent has, and a word about it.
#[derive(Debug, Clone, Args)]
pub struct WordArgs {
    /// The task that it has.
    #[command(flatten)]
    pub held: HeldTaskArgs,
    /// What there is to say
    #[arg(long, value_name = "TEXT")]
    pub text: String,
}

fn priority(text: &str) -> Result<Priority, String> {
    Priority::from_name(text).ok_or_else(|| "it is critical, high, medium, low or backlog".to_owned())
}
