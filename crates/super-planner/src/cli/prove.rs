//! `prove`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::{ProveRacerArgs, ProveRacesArgs};

/// The arguments of `prove`.
#[derive(Debug, Clone, Args)]
pub struct ProveArgs {
    /// What is to be proved.
    #[command(subcommand)]
    pub command: ProveCommand,
}

/// What is to be proved.
#[derive(Debug, Clone, Subcommand)]
pub enum ProveCommand {
    /// Kill a process that appends to a store, again and again, and look for what it had acknowledged
    Crash(ProveCrashArgs),
    /// The process that `crash` kills
    #[command(hide = true)]
    CrashVictim(ProveCrashVictimArgs),
    /// Let processes race over tasks, and look whether what each was told fits one order
    Races(ProveRacesArgs),
    /// One of the processes of `races`
    #[command(hide = true)]
    Racer(ProveRacerArgs),
}

/// The arguments of `prove crash`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner prove crash
  super-planner prove crash --rounds 1000 --dir /var/tmp/proof --json

Exit code 0 if everything that was acknowledged is there, whole and in order, else 1.")]
pub struct ProveCrashArgs {
    /// How many processes to kill
    #[arg(long, value_name = "N", default_value = "50")]
    pub rounds: NonZeroU32,
    /// What the moments of the kills are drawn from
    #[arg(long, value_name = "S", default_value = "1")]
    pub seed: u64,
    /// How many threads of each process append at once
    #[arg(long, value_name = "N", default_value = "8")]
    pub producers: NonZeroU32,
    /// Keep the store in this folder, which decides the disk [default: a temporary one, removed in the end]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of the process that `prove crash` kills.
#[derive(Debug, Clone, Args)]
pub struct ProveCrashVictimArgs {
    /// The store
    #[arg(long, value_name = "FILE")]
    pub store: PathBuf,
    /// The number of the round
    #[arg(long, value_name = "N")]
    pub round: u32,
    /// How many threads append at once
    #[arg(long, value_name = "N")]
    pub producers: NonZeroU32,
}
