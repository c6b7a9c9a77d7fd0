//! `prove races`.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// The arguments of `prove races`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner prove races
  super-planner prove races --trials 10000 --through library --dir /var/tmp/proof
  super-planner prove races --state postgres://ann@localhost/proof

A trial is one task that the processes race over until a result of it is accepted. They race in rounds, each of them asking as
many times as --operations says: for tasks, for more time, to deliver, to give back, often too late or with an old token.
Exit code 0 if for every task one order explains all that was told, no task has two accepted results, tokens only grow, and
the log says the same; else 1.")]
pub struct ProveRacesArgs {
    /// How many tasks are raced over, at the least
    #[arg(long, value_name = "N", default_value = "200")]
    pub trials: NonZeroU64,
    /// How many processes race at once
    #[arg(long, value_name = "N", default_value = "16")]
    pub processes: NonZeroU32,
    /// How many times each of them asks in a round
    #[arg(long, value_name = "N", default_value = "500")]
    pub operations: NonZeroU32,
    /// How they ask
    #[arg(long, value_name = "WAY", value_enum, default_value = "both")]
    pub through: Through,
    /// How long leases last; some racers pause for longer
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "2s")]
    pub lease: Duration,
    /// What the racers' questions are drawn from
    #[arg(long, value_name = "S", default_value = "1")]
    pub seed: u64,
    /// Race in this empty state, such as a PostgreSQL database [default: a new SQLite file in --dir]
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    pub state: Option<String>,
    /// Keep the state in this folder, which decides the disk [default: a temporary one, removed in the end]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// How racers ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Through {
    /// By `super-planner task ...`, a process for each question.
    Shell,
    /// By the library, in their own process.
    Library,
    /// Half of them in the one way, half in the other.
    Both,
}

/// The arguments of a process that races. Where the state is, and how long leases last, is in its environment.
#[derive(Debug, Clone, Args)]
pub struct ProveRacerArgs {
    /// The project whose tasks are raced over
    #[arg(long, value_name = "NAME")]
    pub project: String,
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// How often it asks
    #[arg(long, value_name = "N")]
    pub operations: u32,
    /// What its questions are drawn from
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// How it asks
    #[arg(long, value_name = "WAY", value_enum)]
    pub through: Through,
}
