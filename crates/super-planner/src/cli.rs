//! What can be typed: types only, and the help that goes with them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use planner_core::Limits;

mod agent;
mod bench;
mod fleet;
mod git;
mod logs;
mod plan;
mod program_agent;
mod project;
mod prove;
mod races;
mod review;
mod run;
mod simulate;
mod store;
mod task;

pub use agent::{
    ChatArgs, SessionsArchiveArgs, SessionsArgs, SessionsCommand, SessionsExportArgs, SessionsListArgs,
    SkillsArgs, SkillsCommand, SkillsCostArgs, SkillsListArgs, SkillsShowArgs,
};
pub use bench::{
    BenchArgs, BenchClaimsArgs, BenchCommand, BenchCompareArgs, BenchHistoryArgs, BenchHistoryCommand,
    BenchProfile, BenchReportArgs, BenchSelfTestArgs, ReportFormat,
};
pub use fleet::{FleetArgs, FleetCommand, FleetListArgs, OneAgentArgs, PresetsArgs};
pub use git::{LandArgs, RepackArgs, WorktreesArgs};
pub use logs::LogsArgs;
pub use plan::{
    AnalyzeArgs, ConvertArgs, GenerateArgs, PlanArgs, PlanDiffArgs, RepairArgs, SyncArgs, ValidateArgs,
};
pub use program_agent::ProgramAgentArgs;
pub use project::{ApplyArgs, AskingArgs, ExplainArgs, PauseArgs, StatusArgs};
pub use prove::{ProveArgs, ProveCommand, ProveCrashArgs, ProveCrashVictimArgs};
pub use races::{ProveRacerArgs, ProveRacesArgs, Through};
pub use review::ReviewArgs;
pub use run::{AgentKind, DemoArgs, LandingChoice, ModelArgs, RunArgs};
pub use simulate::SimulateArgs;
pub use store::{
    CompactArgs, ExportArgs, ImportArgs, LogArgs, LogCommand, LogDiffArgs, RecoverArgs, SnapshotArgs,
    VerifyArgs,
};
pub use task::{
    AcquireArgs, CancelArgs, CompleteArgs, HeldTaskArgs, OneTaskArgs, PriorityArgs, RetryArgs, TaskArgs,
    TaskCommand, WordArgs,
};

use crate::error::EXIT_CODES_HELP;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "super-planner",
    version,
    about = "Plans and coordinates fleets of coding agents",
    long_about = "Plans and coordinates fleets of coding agents: loads a plan, proves it sound, hands each ready task to an \
                  agent, checks the result and lands it in git as one commit.",
    after_help = EXIT_CODES_HELP,
    propagate_version = true,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Cli {
    /// What goes for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What goes for every command.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// The configuration file [default: $XDG_CONFIG_HOME/super-planner/config.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// When to colour the output
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        help = "When to colour the output: auto, always or never",
        help_heading = "Everywhere"
    )]
    pub color: ColorWhen,
    /// How much of a plan is read; for each that is not said, the configuration says it
    #[arg(
        long = "plan-limit",
        global = true,
        value_name = "NAME=N",
        value_parser = limit,
        help = "How much of a plan is read: bytes, line_bytes, depth, alias_values, tasks, dependencies, diagnostics",
        help_heading = "Everywhere"
    )]
    pub limits: Vec<(&'static str, usize)>,
}

/// A limit on what is read of a plan, such as `tasks=10000`.
fn limit(text: &str) -> Result<(&'static str, usize), String> {
    let (name, number) = text.split_once('=').ok_or("write it as NAME=NUMBER")?;
    let name = Limits::NAMES
        .into_iter()
        .find(|known| *known == name)
        .ok_or_else(|| format!("limits are {}", Limits::NAMES.join(", ")))?;
    Ok((name, number.parse().map_err(|_| "the limit is a whole number")?))
}

/// When to colour the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry out a plan with agents, and land what they make
    Run(RunArgs),
    /// Show a whole run on a sample plan, in a new repository
    Demo(DemoArgs),
    /// Tell everything that is wrong with a plan
    Validate(ValidateArgs),
    /// Write a plan in another format
    Convert(ConvertArgs),
    /// Tell how two plans differ by what they mean
    PlanDiff(PlanDiffArgs),
    /// Write a copy of a plan that is sound, and tell what was changed
    Repair(RepairArgs),
    /// Write into a plan file how far its tasks are, and nothing else
    Sync(SyncArgs),
    /// Make up a plan of any size, the same for the same seed
    Generate(GenerateArgs),
    /// Break a goal down into a plan
    Plan(PlanArgs),
    /// Print the JSON Schema of the native format
    Schema,
    /// Tell what a plan amounts to: waves, critical path, slack, the least time
    Analyze(AnalyzeArgs),
    /// Show how far the projects are
    Status(StatusArgs),
    /// Make the plan of a project that of a file, also while it runs
    Apply(ApplyArgs),
    /// Change a task, or take part as an agent that is a script
    Task(TaskArgs),
    /// List the agents of the state; let one finish, stop it, let it go on; show how coding agents are started
    Agent(FleetArgs),
    /// Agree that a task begins, or that its result lands
    Approve(ReviewArgs),
    /// Do not agree that a task begins, or that its result lands
    Reject(ReviewArgs),
    /// Hand out nothing more of a project, or to an agent
    Pause(PauseArgs),
    /// Let a paused project or agent go on
    Continue(PauseArgs),
    /// Tell why a task is not running, or an agent is idle
    Explain(ExplainArgs),
    /// Show what has happened, as it was recorded
    Log(LogArgs),
    /// Show what the agents print that work on a task
    Logs(LogsArgs),
    /// Bring what has landed on a project's branch to another branch
    Land(LandArgs),
    /// Show the folders that agents and checks work in
    Worktrees(WorktreesArgs),
    /// Pack a repository anew, so that its commits take less room
    Repack(RepackArgs),
    /// Write the whole history to a file, as lines of JSON
    Export(ExportArgs),
    /// Read an exported history into an empty store
    Import(ImportArgs),
    /// Check everything that is stored, and name the first bad place
    Verify(VerifyArgs),
    /// Make a new store of what is well of a damaged one
    Recover(RecoverArgs),
    /// Keep a snapshot, and bring the tables for people up to date
    Snapshot(SnapshotArgs),
    /// Drop what the last snapshot covers, so that it can be looked at no more
    Compact(CompactArgs),
    /// Check that everything a run needs is there
    Doctor(DoctorArgs),
    /// Measure this program on this machine
    Bench(BenchArgs),
    /// Try a promise on this machine
    Prove(ProveArgs),
    /// Simulate a fleet on virtual time, with all that can go wrong, and look whether every promise is kept
    Simulate(SimulateArgs),
    /// Talk with an agent; the session goes on where it was
    Chat(ChatArgs),
    /// Show skills: which there are, what is in one, what they cost in tokens
    Skills(SkillsArgs),
    /// Show the sessions of agents: which there are, what was said; put away those that nobody uses
    Sessions(SessionsArgs),
    /// Show the settings and where each comes from
    Config(ConfigArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
}

impl Command {
    /// Returns whether the answer is asked for as JSON; errors are then told as JSON too.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Run(args) => args.json || args.events,
            Self::Demo(args) => args.json,
            Self::Validate(args) => args.json,
            Self::PlanDiff(args) => args.json,
            Self::Repair(args) => args.json,
            Self::Sync(args) => args.json,
            Self::Convert(_) | Self::Generate(_) | Self::Plan(_) | Self::Schema => false,
            Self::Analyze(args) => args.json,
            Self::Status(args) => args.json,
            Self::Explain(args) => args.json,
            Self::Log(LogArgs { command: Some(LogCommand::Diff(args)), .. }) => args.json,
            Self::Log(args) => args.json,
            Self::Logs(args) => args.json,
            Self::Land(args) => args.json,
            Self::Worktrees(args) => args.json,
            Self::Repack(args) => args.json,
            // What it prints is JSON, but where it is told to go is not asked by a program.
            Self::Export(_) => false,
            Self::Import(args) => args.json,
            Self::Verify(args) => args.json,
            Self::Recover(args) => args.json,
            Self::Snapshot(args) => args.json,
            Self::Compact(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Bench(args) => args.wants_json(),
            Self::Prove(ProveArgs { command }) => match command {
                ProveCommand::Crash(args) => args.json,
                ProveCommand::Races(args) => args.json,
                ProveCommand::CrashVictim(_) | ProveCommand::Racer(_) => false,
            },
            Self::Simulate(args) => args.json,
            Self::Apply(args) => args.asking.json,
            Self::Task(args) => args.command.asking().json,
            Self::Pause(args) | Self::Continue(args) => args.asking.json,
            Self::Agent(args) => args.command.wants_json(),
            Self::Approve(args) | Self::Reject(args) => args.asking.json,
            Self::Chat(args) => args.json,
            Self::Skills(SkillsArgs { command }) => match command {
                SkillsCommand::List(args) => args.json,
                SkillsCommand::Show(args) => args.json,
                SkillsCommand::Cost(args) => args.json,
            },
            Self::Sessions(SessionsArgs { command, .. }) => match command {
                SessionsCommand::List(args) => args.json,
                // What an export prints is JSON, but it is not an answer.
                SessionsCommand::Export(_) | SessionsCommand::Archive(_) => false,
            },
            Self::Config(ConfigArgs { command: ConfigCommand::Show(args) }) => args.json,
            Self::Completions(_) => false,
        }
    }
}

/// Where the repository and its state are.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// The repository, or a folder in it [default: the current folder]
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// The state: a file, sqlite:FILE, postgres://USER@HOST/DATABASE or memory: [default: super-planner/state.db in the repository's git folder]
    #[arg(long, value_name = "URL")]
    pub state: Option<String>,
    /// Take a PostgreSQL server whose settings can lose what it has acknowledged
    #[arg(long)]
    pub unsafe_durability: bool,
}

/// The arguments of `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `config`.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// What about the settings.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What about the settings.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Show the value of each setting and where it comes from
    Show(ConfigShowArgs),
}

/// The arguments of `config show`.
#[derive(Debug, Clone, Args)]
pub struct ConfigShowArgs {
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner completions bash > ~/.local/share/bash-completion/completions/super-planner
  super-planner completions fish > ~/.config/fish/completions/super-planner.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
