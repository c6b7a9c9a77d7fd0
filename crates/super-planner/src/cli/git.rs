//! What works on the repository: `land`, `worktrees` and `repack`.

use std::path::PathBuf;

use clap::Args;

use super::PlaceArgs;

/// The arguments of `land`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Where the branch has not moved since the project began, it goes forward to the same commits. Otherwise each commit of the
project becomes one on the branch; a conflict is told, and then nothing moves.

Examples:
  super-planner land --onto release       to a branch that nobody has checked out
  super-planner land --checkout           to the branch that is checked out, files included, if nothing is changed there")]
pub struct LandArgs {
    /// The project; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// The branch to land on [default: the one that is checked out]
    #[arg(long, value_name = "BRANCH")]
    pub onto: Option<String>,
    /// Also where the branch is checked out: bring its files forward, if none is changed
    #[arg(long)]
    pub checkout: bool,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `worktrees`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Folders of processes that are gone are removed by the next run that needs one; --clean does it now.

Examples:
  super-planner worktrees
  super-planner worktrees --clean")]
pub struct WorktreesArgs {
    /// Remove the folders of processes that are gone
    #[arg(long)]
    pub clean: bool,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `repack`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Similar objects are stored as what differs. Nothing is dropped, and others can write meanwhile. A run does this by itself when
it has nothing to write for some seconds, unless the repository has gc.auto=0.

Examples:
  super-planner repack
  super-planner repack --repo ../project --json")]
pub struct RepackArgs {
    /// The repository, or a folder in it [default: the current folder]
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}
