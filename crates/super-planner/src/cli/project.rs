//! What looks at a project and steers it: `status`, `apply`, `pause`, `continue` and `explain`.

use std::path::PathBuf;

use clap::Args;
use planner_core::Format;
use state_store::task::Moment;

use super::PlaceArgs;
use super::plan::plan_format;

/// The arguments of `status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner status
  super-planner status --watch
  super-planner status --at 2026-11-21T14:00:00
  super-planner status --repo ../service --project parcel-tracker --all")]
pub struct StatusArgs {
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only this project
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// As of an entry of the log, or of a time such as 2026-11-21T14:03:07+01:00 or 2026-11-21T14:03:07 here
    #[arg(long, value_name = "SEQ|TIME", value_parser = crate::moment::parse, conflicts_with = "watch")]
    pub at: Option<Moment>,
    /// Show every change until nothing moves any more
    #[arg(long)]
    pub watch: bool,
    /// List all tasks that wait, not only the first 20
    #[arg(long)]
    pub all: bool,
    /// Answer in JSON; with --watch, one line a change
    #[arg(long)]
    pub json: bool,
}

/// How something is asked of a workspace.
#[derive(Debug, Clone, Args)]
pub struct AskingArgs {
    /// The project, where several are meant otherwise
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// What tells this request from every other: made again with the same id, it is carried out once
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `apply`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner apply plan.yaml
  super-planner apply plan.yaml --dry-run

The project of the plan's name gets the tasks of the file: new ones are added, those that are not in the file are removed,
the others are changed. Agents at work go on; a run sees the change within a moment. A change that closes a cycle is refused
before anything is written.")]
pub struct ApplyArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Tell what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Which of the plans of a file that holds several, such as a tag of Taskmaster [default: the file's first]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `pause` and `continue`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner pause --project parcels
  super-planner continue --agent agent-3

What is under way goes on. A task is put aside by `super-planner task hold`.")]
pub struct PauseArgs {
    /// An agent instead of a project
    #[arg(long, value_name = "NAME", conflicts_with = "project")]
    pub agent: Option<String>,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner explain BASE-2
  super-planner explain BASE-2 --at 1200
  super-planner explain --agent backend-1")]
pub struct ExplainArgs {
    /// The task
    #[arg(value_name = "TASK", required_unless_present = "agent")]
    pub task: Option<String>,
    /// An agent instead of a task
    #[arg(long, value_name = "NAME", conflicts_with_all = ["task", "project"])]
    pub agent: Option<String>,
    /// The project of the task, where several have one of that id
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// As of an entry of the log, or of a time such as 2026-11-21T14:03:07+01:00 or 2026-11-21T14:03:07 here
    #[arg(long, value_name = "SEQ|TIME", value_parser = crate::moment::parse)]
    pub at: Option<Moment>,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}
