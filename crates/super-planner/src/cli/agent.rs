//! What shows the agents of our own: `chat`, `sessions` and `skills`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::PlaceArgs;
use super::run::ModelArgs;

/// The arguments of `chat`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner chat
  super-planner chat --session notes --folder . --skills .agents/skills
  echo 'list .' | super-planner chat --folder . --state memory: --json

The simulated model follows plain instructions, which /help tells. Others need a program built with the feature
http-models, and a key in ANTHROPIC_API_KEY or OPENAI_API_KEY; --mcp needs the feature mcp. Files are in memory, unless --folder names a folder; then
they are changed for good. After a kill the same command goes on with the request that is not answered.")]
pub struct ChatArgs {
    /// Which models are asked.
    #[command(flatten)]
    pub model: ModelArgs,
    /// The session; one that is new begins empty
    #[arg(long, value_name = "NAME", default_value = "chat")]
    pub session: String,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// A folder whose files the agent may read and change
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// A fact that stays in sight of the model, however long the session becomes
    #[arg(long = "fact", value_name = "TEXT")]
    pub facts: Vec<String>,
    /// How long it takes from one update of an answer to the next
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = humantime::parse_duration)]
    pub update_every: Duration,
    /// How long the simulated model takes until it begins to answer
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = humantime::parse_duration)]
    pub latency: Duration,
    /// What everything random is drawn from: the same seed draws the same
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Tell each answer as a line of JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `sessions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner sessions list
  super-planner sessions export chat
  super-planner sessions archive --idle 30d")]
pub struct SessionsArgs {
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What about the sessions.
    #[command(subcommand)]
    pub command: SessionsCommand,
}

/// What about the sessions.
#[derive(Debug, Clone, Subcommand)]
pub enum SessionsCommand {
    /// Name the sessions, and how each stands
    List(SessionsListArgs),
    /// Print the messages of a session, one a line, as JSON
    Export(SessionsExportArgs),
    /// Put away the sessions that nobody has used for long: all of each stays, in the least room
    Archive(SessionsArchiveArgs),
}

/// The arguments of `sessions list`.
#[derive(Debug, Clone, Args)]
pub struct SessionsListArgs {
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `sessions export`.
#[derive(Debug, Clone, Args)]
pub struct SessionsExportArgs {
    /// The session
    #[arg(value_name = "NAME")]
    pub session: String,
}

/// The arguments of `sessions archive`.
#[derive(Debug, Clone, Args)]
pub struct SessionsArchiveArgs {
    /// For how long nobody has used them
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub idle: Duration,
}

/// The arguments of `skills`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner skills list .agents/skills ~/.agents/skills
  super-planner skills show .agents/skills make-pdf
  super-planner skills cost .agents/skills")]
pub struct SkillsArgs {
    /// What about the skills.
    #[command(subcommand)]
    pub command: SkillsCommand,
}

/// What about the skills.
#[derive(Debug, Clone, Subcommand)]
pub enum SkillsCommand {
    /// Name the skills and what each is for
    List(SkillsListArgs),
    /// Show what a model gets to see when it activates a skill
    Show(SkillsShowArgs),
    /// Count the tokens of the skills: all of it at once, or each part when it is needed
    Cost(SkillsCostArgs),
}

/// The arguments of `skills list`.
#[derive(Debug, Clone, Args)]
pub struct SkillsListArgs {
    /// The folders that hold skills; of two of one name, that of the earlier folder
    #[arg(value_name = "DIR", required = true)]
    pub folders: Vec<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `skills show`.
#[derive(Debug, Clone, Args)]
pub struct SkillsShowArgs {
    /// The folder that holds skills
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The skill
    #[arg(value_name = "NAME")]
    pub name: String,
    /// A supporting file of it instead
    #[arg(long, value_name = "PATH")]
    pub file: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `skills cost`.
#[derive(Debug, Clone, Args)]
pub struct SkillsCostArgs {
    /// The folders that hold skills
    #[arg(value_name = "DIR", required = true)]
    pub folders: Vec<PathBuf>,
    /// How many skills a session uses
    #[arg(long, value_name = "N", default_value = "3")]
    pub skills: usize,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}
