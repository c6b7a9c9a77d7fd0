//! What looks at the log and keeps it: `log`, `export`, `import`, `verify`, `recover`, `snapshot` and `compact`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use state_store::StreamName;
use state_store::task::Moment;

use super::PlaceArgs;

/// The arguments of `log`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  super-planner log --limit 20
  super-planner log BASE-2
  super-planner log --git --commit 3f2a91c
  super-planner log diff 1200 2026-11-21T14:00:00
  super-planner log --json > history.jsonl"
)]
pub struct LogArgs {
    /// Something else than the list of what has happened.
    #[command(subcommand)]
    pub command: Option<LogCommand>,
    /// Only what has happened to this task
    #[arg(value_name = "TASK")]
    pub task: Option<String>,
    /// The same, for a task whose id could be taken for a command
    #[arg(long = "task", value_name = "TASK", conflicts_with_all = ["task", "git"])]
    pub task_named: Option<String>,
    /// Only this project
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Up to an entry of the log, or a time such as 2026-11-21T14:03:07+01:00 or 2026-11-21T14:03:07 here
    #[arg(long, value_name = "SEQ|TIME", value_parser = crate::moment::parse, conflicts_with = "git")]
    pub at: Option<Moment>,
    /// Only the last N
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Show the commits that tasks have become on their branch, newest first
    #[arg(long)]
    pub git: bool,
    /// With --git: only the commit whose hash is or begins so
    #[arg(long, value_name = "HASH", requires = "git", conflicts_with = "verify")]
    pub commit: Option<String>,
    /// With --git: check that state, branch and what the commits say of themselves agree
    #[arg(long, requires = "git")]
    pub verify: bool,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON, one line each
    #[arg(long)]
    pub json: bool,
}

/// Something else than the list of what has happened.
#[derive(Debug, Clone, Subcommand)]
pub enum LogCommand {
    /// Show what differs between two points, each an entry of the log or a time
    Diff(LogDiffArgs),
}

/// The arguments of `log diff`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner log diff 0 1200
  super-planner log diff 2026-11-21T08:00:00 2026-11-21T18:00:00 --json")]
pub struct LogDiffArgs {
    /// The first point
    #[arg(value_name = "SEQ|TIME", value_parser = crate::moment::parse)]
    pub before: Moment,
    /// The second point
    #[arg(value_name = "SEQ|TIME", value_parser = crate::moment::parse)]
    pub after: Moment,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner export --out history.jsonl
  super-planner export --stream workspace | jq .segment.entries[].says

The last line holds the hash of each stream: a file that was cut off is noticed when it is imported.")]
pub struct ExportArgs {
    /// The new file [default: the standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Only this stream
    #[arg(long, value_name = "NAME", value_parser = stream_name)]
    pub stream: Option<StreamName>,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// The arguments of `import`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner import history.jsonl --state copy.db
  super-planner import history.jsonl --state postgres://planner@db.example/plans

The file is checked to its end before anything is written. A store that holds something already takes nothing.")]
pub struct ImportArgs {
    /// The exported file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner verify
  super-planner verify --state backup.db --json

Exit code 0 if everything is as it was written, 3 if not. Nothing is changed.")]
pub struct VerifyArgs {
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `recover`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner verify
  super-planner recover --to 1199 --out recovered.db

The damaged store is left as it is. Reports of attempts that were handed out before are refused by the new one.")]
pub struct RecoverArgs {
    /// The last entry of the workspace to keep; where it lies within what was committed together, all of that is left out
    #[arg(long, value_name = "SEQ")]
    pub to: u64,
    /// The new store: a file that is not there yet, or an empty database
    #[arg(long, value_name = "URL")]
    pub out: String,
    /// Where the repository and its damaged state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `snapshot`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner snapshot
  sqlite3 .git/super-planner/state.db 'SELECT state, count(*) FROM tasks GROUP BY state'")]
pub struct SnapshotArgs {
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `compact`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner export --out history.jsonl
  super-planner snapshot
  super-planner compact --yes

What is dropped cannot be looked back at any more: export it first.")]
pub struct CompactArgs {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long, requires = "yes")]
    pub json: bool,
}

fn stream_name(text: &str) -> Result<StreamName, String> {
    StreamName::new(text).map_err(|error| error.to_string())
}
