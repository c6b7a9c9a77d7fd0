//! The arguments of `bench` and of what belongs to it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The arguments of `bench`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  super-planner bench --profile smoke
  super-planner bench BENCH-003 --profile standard --live
  super-planner bench --out reports
  super-planner bench compare --base target/base/super-planner --head target/release/super-planner BENCH-001
  super-planner bench history trends

Every run is recorded in $XDG_STATE_HOME/super-planner/bench.db unless --no-history is given. What needs a disk is made in
$TMPDIR; in memory it is refused."
)]
pub struct BenchArgs {
    /// What else there is
    #[command(subcommand)]
    pub command: Option<BenchCommand>,
    /// Only the scenarios with one of these in their names
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// How thorough
    #[arg(long, value_enum, default_value = "quick")]
    pub profile: BenchProfile,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
    /// Also write the report in every form to this folder, after every scenario
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Show rates, latencies, errors, memory and pauses while it runs
    #[arg(long)]
    pub live: bool,
    /// Thresholds, services and alerts, as TOML
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Where runs are recorded
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Record nothing
    #[arg(long, conflicts_with = "history")]
    pub no_history: bool,
    /// Have a model put what follows from the figures into words, marked as its own: simulated, anthropic:NAME or openai:NAME
    #[arg(long, value_name = "MODEL")]
    pub words: Option<String>,
    /// Write where the processor's time went as a flame graph; needs perf or valgrind
    #[arg(long, value_name = "FILE", conflicts_with_all = ["live", "out", "words"])]
    pub flamegraph: Option<PathBuf>,
}

impl BenchArgs {
    /// Returns whether the answer is asked for as JSON.
    pub fn wants_json(&self) -> bool {
        match &self.command {
            None => self.json,
            Some(BenchCommand::Compare(args)) => args.json,
            Some(BenchCommand::SelfTest(args)) => args.json,
            Some(BenchCommand::History(_) | BenchCommand::Report(_) | BenchCommand::Claims(_)) => false,
        }
    }
}

/// What belongs to `bench`.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// Tell whether one build is slower than another: pass, regression or inconclusive
    Compare(BenchCompareArgs),
    /// Show what was measured before
    History(BenchHistoryArgs),
    /// Write a report that was recorded, as a page, a table, a comment or for a build server
    Report(BenchReportArgs),
    /// Show every claim and whether it holds
    Claims(BenchClaimsArgs),
    /// Measure the gauge: how often it finds what is planted, and how often it cries wolf
    SelfTest(BenchSelfTestArgs),
}

/// The arguments of `bench compare`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner bench compare --base old/super-planner --head new/super-planner BENCH-001 BENCH-002
  super-planner bench compare before.json after.json

Exit code 1 where there is a regression of the severity that the settings name (minor by default), else 0; an
inconclusive comparison is no regression, and says what it would take.")]
pub struct BenchCompareArgs {
    /// The program to compare with: measured in turn with the other, A B B A
    #[arg(long, value_name = "PROGRAM", requires = "head")]
    pub base: Option<PathBuf>,
    /// The program that may be slower
    #[arg(long, value_name = "PROGRAM", requires = "base")]
    pub head: Option<PathBuf>,
    /// With programs the scenarios [default: BENCH-001], without them two reports as JSON, the older first
    #[arg(value_name = "SCENARIO|FILE")]
    pub what: Vec<String>,
    /// How many pairs [default: the settings, or 12]
    #[arg(long, value_name = "N")]
    pub pairs: Option<usize>,
    /// Also count instructions with valgrind where times do not tell
    #[arg(long, requires = "base")]
    pub instructions: bool,
    /// Thresholds and services, as TOML
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `bench history`.
#[derive(Debug, Clone, Args)]
pub struct BenchHistoryArgs {
    /// What to do with it [default: list]
    #[command(subcommand)]
    pub command: Option<BenchHistoryCommand>,
    /// Where runs are recorded
    #[arg(long, value_name = "FILE", global = true)]
    pub history: Option<PathBuf>,
}

/// What to do with a history.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchHistoryCommand {
    /// Show the runs
    List,
    /// Show how the metrics went: steps, drift; exit code 1 where one became worse
    Trends {
        /// Of which profile
        #[arg(long, value_enum, default_value = "quick")]
        profile: BenchProfile,
        /// Only the metrics with this in their names
        #[arg(value_name = "METRIC")]
        metric: Option<String>,
    },
    /// Write all runs as JSON, one a line
    Export,
    /// Add the runs of such a file that are not there yet
    Import {
        /// The file
        file: PathBuf,
    },
}

/// The arguments of `bench report`.
#[derive(Debug, Clone, Args)]
pub struct BenchReportArgs {
    /// Which run [default: the last]
    #[arg(value_name = "RUN")]
    pub run: Option<i64>,
    /// A report as JSON instead of the history
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "history"])]
    pub from: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub format: ReportFormat,
    /// Have a model put what follows from the figures into words, marked as its own: simulated, anthropic:NAME or openai:NAME
    #[arg(long, value_name = "MODEL")]
    pub words: Option<String>,
    /// Where runs are recorded
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}

/// The arguments of `bench claims`.
#[derive(Debug, Clone, Args)]
pub struct BenchClaimsArgs {
    /// A report as JSON instead of the last run that is recorded
    #[arg(long, value_name = "FILE", conflicts_with = "history")]
    pub from: Option<PathBuf>,
    /// Where runs are recorded
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}

/// The arguments of `bench self-test`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Exit code 0 if the gauge finds what it should and cries wolf as seldom as it should, else 1.")]
pub struct BenchSelfTestArgs {
    /// How many comparisons of each kind
    #[arg(long, value_name = "N", default_value = "100")]
    pub comparisons: usize,
    /// How many pairs each takes
    #[arg(long, value_name = "N", default_value = "40")]
    pub pairs: usize,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Tables for a terminal.
    Text,
    /// One page that needs nothing else.
    Html,
    /// For other programs.
    Json,
    /// A comment on a pull request.
    Markdown,
    /// For a build server.
    Junit,
}

/// How thorough a measurement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchProfile {
    /// Shows that everything runs: 10 seconds.
    Smoke,
    /// Enough for every claim in seconds: 90 seconds.
    Quick,
    /// What a change is judged by: minutes.
    Standard,
    /// As the claims name it: over an hour.
    Full,
    /// As full, with endurance for hours.
    Soak,
}
