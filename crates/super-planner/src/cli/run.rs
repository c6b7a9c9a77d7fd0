//! What carries a plan out: `run` and `demo`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use agent_runtime::budget::{MicroDollars, Prices};
use clap::{Args, ValueEnum};
use planner_core::Format;

use super::plan::plan_format;
use super::{PlaceArgs, ProgramAgentArgs};

/// The arguments of `run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner run plan.yaml
  super-planner run plan.yaml --agents 4 --repo ../service --branch next
  super-planner run plan.yaml --agents 3 --agent-preset claude --budget run=40usd
  super-planner run plan.yaml --agents 3 --agent-command '/home/me/bin/my-agent --fast'
  super-planner run plan.yaml --join
  super-planner run plan.yaml --state memory: --landing none --time-scale 36000

Interrupted, killed or out of power: the same command goes on where it stopped.
A file that has changed since is refused with the difference, or joined in with --join.
A plan's checks are run only if the configuration names them or --trust-checks is given.")]
pub struct RunArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Put on hold what has defects, and what waits for it, and carry out the rest
    #[arg(long)]
    pub lenient: bool,
    /// Make the recorded plan that of the file where the file has changed since, and go on
    #[arg(long)]
    pub join: bool,
    /// How many agents that can do everything, instead of those that the plan names [default: the plan's own, or 8]
    #[arg(long, value_name = "N")]
    pub agents: Option<NonZeroU32>,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What the agents are: `simulated` ones, or `react`, the loop of a model and real tools
    #[arg(long, value_name = "KIND", value_enum, default_value = "simulated", hide_possible_values = true)]
    pub agent: AgentKind,
    /// Which models `react` agents ask.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Which program does the work.
    #[command(flatten)]
    pub program: ProgramAgentArgs,
    /// How many times faster than the plan's efforts the simulated agents work [default: 3600]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub time_scale: Option<f64>,
    /// What everything random is drawn from: the same seed draws the same
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// The branch that results land on
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// Where results go: onto the branch, or nowhere
    #[arg(long, value_name = "WHERE", value_enum, default_value = "git")]
    pub landing: LandingChoice,
    /// Run the checks of exactly this plan, without the configuration naming them
    #[arg(long, conflicts_with = "skip_checks")]
    pub trust_checks: bool,
    /// Run no checks
    #[arg(long)]
    pub skip_checks: bool,
    /// Let tasks run at once that could write the same file, by what the plan says of them
    #[arg(long)]
    pub overlapping_writes: bool,
    /// How often a simulated attempt fails, from 0 to 1
    #[arg(long, value_name = "P", default_value = "0", value_parser = probability)]
    pub failure_rate: f64,
    /// How often a simulated result changes a file that others change too, from 0 to 1
    #[arg(long, value_name = "P", default_value = "0", value_parser = probability)]
    pub shared_rate: f64,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Which of the plans of a file that holds several, such as a tag of Taskmaster [default: the file's first]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Make the repository if there is none
    #[arg(long)]
    pub init: bool,
    /// Tell the outcome as JSON
    #[arg(long)]
    pub json: bool,
    /// Tell every event as a line of JSON, once it is durable
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub events: bool,
    /// Tell only the outcome
    #[arg(long, short)]
    pub quiet: bool,
}

/// What the agents are, where they are no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentKind {
    /// Simulations.
    Simulated,
    /// The loop of a model and real tools.
    React,
}

/// Which models are asked, and what they are given.
#[derive(Debug, Clone, Default, Args)]
pub struct ModelArgs {
    /// The model: simulated, anthropic:NAME or openai:NAME. Of several, each takes over where those before it fail
    /// [default: simulated]
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    /// The address of a server that speaks what the model's maker speaks
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// A folder that holds skills
    #[arg(long, value_name = "DIR")]
    pub skills: Vec<PathBuf>,
    /// The tokens that a session may use up in all
    #[arg(long, value_name = "N")]
    pub tokens_max: Option<u64>,
    /// What a session may cost in all, in dollars, by the prices that --prices tells
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, requires = "prices")]
    pub cost_max: Option<MicroDollars>,
    /// What a million tokens cost in dollars: those that a model reads, and those that it writes
    #[arg(long, value_name = "READ/WRITTEN", value_parser = prices)]
    pub prices: Option<Prices>,
    /// A program that agents may run, with any arguments, over the files; it is not a sandbox
    #[arg(long = "allow-program", value_name = "PROGRAM")]
    pub programs: Vec<String>,
    /// An MCP server whose tools agents may use: a name, and a program with its arguments split at white space
    #[arg(long, value_name = "NAME=COMMAND")]
    pub mcp: Vec<String>,
    /// Have the model sum up what it is no longer shown of a long session; a note tells of it otherwise
    #[arg(long)]
    pub summarise: bool,
}

/// Where results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LandingChoice {
    /// Onto the target branch, as one commit each.
    Git,
    /// Nowhere.
    None,
}

/// The arguments of `demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner demo
  super-planner demo --dir /tmp/demo --svg schedule.svg")]
pub struct DemoArgs {
    /// The new folder for the repository [default: a temporary one; it is kept]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How many agents; with 8, they are the plan's own, each with its abilities, else ones that can do everything
    #[arg(long, value_name = "N", default_value = "8")]
    pub agents: NonZeroU32,
    /// What the agents are: `simulated` ones, or `react`, the loop of a simulated model, real tools and skills
    #[arg(long, value_name = "KIND", value_enum, default_value = "simulated", hide_possible_values = true)]
    pub agent: AgentKind,
    /// How many times faster than the plan's efforts the simulated agents work [default: so that it takes about 5 s]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub time_scale: Option<f64>,
    /// What everything random is drawn from: the same seed draws the same
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Draw who did what when into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Tell the outcome as JSON
    #[arg(long)]
    pub json: bool,
}

fn dollars(text: &str) -> Result<MicroDollars, String> {
    let dollars: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let millionths = (dollars * 1e6).round();
    // Beyond, not every millionth is a number of this kind.
    match (0.0..=9e15).contains(&millionths) {
        true => Ok(MicroDollars(millionths as u64)),
        false => Err("not an amount of dollars".to_owned()),
    }
}

fn prices(text: &str) -> Result<Prices, String> {
    let (read, written) = text.split_once('/').ok_or("write it as READ/WRITTEN, such as 3/15")?;
    Ok(Prices { input_per_million: dollars(read)?, output_per_million: dollars(written)? })
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("not a number above 0".to_owned()) }
}

fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("not a number from 0 to 1".to_owned()) }
}
