//! `logs`.

use clap::Args;

use super::PlaceArgs;

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
