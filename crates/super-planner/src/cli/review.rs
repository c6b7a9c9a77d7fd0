//! `approve` and `reject`: what somebody says of a task that waits for them.

use clap::Args;

use super::project::AskingArgs;

/// The arguments of `approve` and `reject`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner approve PAY-3 --comment 'looked at it with Ann'
  super-planner reject PAY-3 --comment 'split it first'

A plan says which tasks wait, by `approval: start`, `landing` or `both`; `super-planner status` lists them, and
`super-planner explain TASK` names the commit to look at. What is rejected before its start is called off; a result that is
rejected goes back to an agent with the comment, as often as its attempts may fail. Who said what is in `super-planner log`.")]
pub struct ReviewArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub comment: String,
    /// Who says so
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "")]
    pub by: String,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}
