//! What can be typed: types only, and the help that goes with them.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use agent_coordinator::simulation::Faults;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use planner_core::generate::PlanKind;
use planner_core::write::WRITTEN;
use planner_core::{Format, Limits, Priority};
use state_store::StreamName;
use state_store::task::Moment;

mod bench;

pub use bench::{
    BenchArgs, BenchClaimsArgs, BenchCommand, BenchCompareArgs, BenchHistoryArgs, BenchHistoryCommand,
    BenchProfile, BenchReportArgs, BenchSelfTestArgs, ReportFormat,
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
    /// Hand out nothing more of a project, or to an agent
    Pause(PauseArgs),
    /// Let a paused project or agent go on
    Continue(PauseArgs),
    /// Tell why a task is not running, or an agent is idle
    Explain(ExplainArgs),
    /// Show what has happened, as it was recorded
    Log(LogArgs),
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
                ProveCommand::CrashVictim(_) => false,
            },
            Self::Simulate(args) => args.json,
            Self::Apply(args) => args.asking.json,
            Self::Task(args) => args.command.asking().json,
            Self::Pause(args) | Self::Continue(args) => args.asking.json,
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

/// The arguments of `run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner run plan.yaml
  super-planner run plan.yaml --agents 4 --repo ../service --branch next
  super-planner run plan.yaml --agents 3 --agent-command 'claude --print'
  super-planner run plan.yaml --state memory: --landing none --time-scale 36000

Interrupted, killed or out of power: the same command goes on where it stopped.
A plan's checks are run only if the configuration names them or --trust-checks is given.")]
pub struct RunArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Put on hold what has defects, and what waits for it, and carry out the rest
    #[arg(long)]
    pub lenient: bool,
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
    /// The program that does the work, with its arguments split at white space; without it, agents are simulated.
    /// It reads the task from its standard input and changes files in the folder that it is started in
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["agent", "time_scale", "failure_rate", "shared_rate"])]
    pub agent_command: Option<String>,
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

/// The arguments of `validate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner validate plan.yaml
  super-planner validate issues.jsonl --format beads --json

Exit code 0 if the plan can run (warnings are allowed), 1 if it cannot, 2 if the file cannot be read at all.")]
pub struct ValidateArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Tell what `run --lenient` would set aside; the exit code is then 0 if anything is left to run
    #[arg(long)]
    pub lenient: bool,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Which of the plans of a file that holds several, such as a tag of Taskmaster [default: the file's first]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `convert`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner convert .taskmaster/tasks/tasks.json plan.yaml --tag master
  super-planner convert plan.yaml issues.jsonl
  super-planner convert plan.yaml backlog --to backlog")]
pub struct ConvertArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "IN")]
    pub plan: PathBuf,
    /// Where to: a file, a folder for Backlog.md, or - for the standard output
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// The format to write [default: told by the ending of OUT]
    #[arg(long, value_name = "FORMAT", value_parser = written_format())]
    pub to: Option<Format>,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Which of the plans of a file that holds several, such as a tag of Taskmaster [default: the file's first]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Replace what is there
    #[arg(long)]
    pub force: bool,
}

/// The arguments of `sync`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner sync plan.yaml
  super-planner sync .beads/issues.jsonl --dry-run
  super-planner sync backlog --project shop

Only the words that say where a task stands are changed; comments, layout and other fields stay as they are. A file is replaced
as a whole or not at all. Groups are written where the file says how they stand already.")]
pub struct SyncArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// The project whose states are written [default: the one of the plan's name]
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Where the repository and its state are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Tell what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Which of the plans of a file that holds several, such as a tag of Taskmaster [default: the file's first]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `generate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner generate complex plan.yaml --tasks 500
  super-planner generate layered plan.json --tasks 1000000 --seed 7
  super-planner generate butterfly - --tasks 100 --to dot")]
pub struct GenerateArgs {
    /// The shape: simple, complex or extreme work; layered; or one whose answers are known: independent, fork-join, ladder, tree, grid or butterfly
    #[arg(value_name = "KIND", value_parser = plan_kind(), hide_possible_values = true)]
    pub kind: PlanKind,
    /// Where to: a file, a folder for Backlog.md, or - for the standard output
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// How many tasks and groups
    #[arg(long, value_name = "N", default_value = "100")]
    pub tasks: NonZeroU32,
    /// What everything random is drawn from: the same seed gives the same plan
    #[arg(long, value_name = "S", default_value = "1")]
    pub seed: u64,
    /// The format to write [default: told by the ending of OUT]
    #[arg(long, value_name = "FORMAT", value_parser = written_format())]
    pub to: Option<Format>,
    /// Replace what is there
    #[arg(long)]
    pub force: bool,
}

/// The arguments of `plan-diff`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner plan-diff plan.yaml plan.new.yaml
  super-planner plan-diff issues.jsonl tasks.json --json

Exit code 0 if they mean the same, 1 if they differ.")]
pub struct PlanDiffArgs {
    /// The first plan
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The second plan
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// Which of the plans of files that hold several
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `repair`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner repair tasks.json plan.yaml
  super-planner repair issues.jsonl - --to beads --json")]
pub struct RepairArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Where the copy goes: a file, a folder for Backlog.md, or - for the standard output
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// The format to write [default: told by the ending of OUT]
    #[arg(long, value_name = "FORMAT", value_parser = written_format())]
    pub to: Option<Format>,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Which of the plans of a file that holds several, such as a tag of Taskmaster [default: the file's first]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Replace what is there
    #[arg(long)]
    pub force: bool,
    /// Tell the changes in JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `plan`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner plan 'A web shop with payments and reviews' --out plan.yaml
  super-planner plan 'A parser of log files' --out plan.yaml --command 'my-model --json'
  super-planner plan --outline notes.md --out plan.yaml --yes

A command reads a question from its standard input and answers with JSON; a bad answer is asked again with what was wrong.")]
pub struct PlanArgs {
    /// What is to be reached
    #[arg(value_name = "GOAL", required_unless_present = "outline")]
    pub goal: Option<String>,
    /// Where the plan goes: a file, a folder for Backlog.md, or - for the standard output
    #[arg(long, value_name = "OUT")]
    pub out: PathBuf,
    /// The format to write [default: told by the ending of OUT]
    #[arg(long, value_name = "FORMAT", value_parser = written_format())]
    pub to: Option<Format>,
    /// Methods of your own, in a file of the shape of the shipped ones
    #[arg(long, value_name = "FILE", conflicts_with_all = ["command", "outline"])]
    pub methods: Option<PathBuf>,
    /// A program that breaks down, with its arguments split at white space; there is no shell
    #[arg(long, value_name = "COMMAND", conflicts_with = "outline")]
    pub command: Option<String>,
    /// An outline in Markdown instead of a goal
    #[arg(long, value_name = "FILE", conflicts_with = "goal")]
    pub outline: Option<PathBuf>,
    /// How many levels below the goal [default: 6]
    #[arg(long, value_name = "N")]
    pub depth: Option<NonZeroU32>,
    /// How many tasks and groups at most [default: 5000]
    #[arg(long, value_name = "N")]
    pub tasks: Option<NonZeroU32>,
    /// Approve without looking
    #[arg(long)]
    pub yes: bool,
    /// Replace what is there
    #[arg(long)]
    pub force: bool,
}

/// The arguments of `analyze`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner analyze plan.yaml
  super-planner analyze plan.yaml --agents 16 --json")]
pub struct AnalyzeArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// The least time with this many agents that can do everything [default: the plan's own agents, or 8]
    #[arg(long, value_name = "N")]
    pub agents: Option<NonZeroU32>,
    /// Draw the graph into this file: .dot, .mmd (Mermaid) or .svg
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// Draw the best schedule found into this file, an SVG
    #[arg(long, value_name = "FILE")]
    pub gantt: Option<PathBuf>,
    /// How many schedules may be tried for it; the same number gives the same schedule
    #[arg(long, value_name = "N", default_value = "2000")]
    pub evaluations: usize,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Which of the plans of a file that holds several, such as a tag of Taskmaster [default: the file's first]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

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

/// The arguments of `task`.
#[derive(Debug, Clone, Args)]
pub struct TaskArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TaskCommand,
}

/// What to do with a task.
#[derive(Debug, Clone, Subcommand)]
pub enum TaskCommand {
    /// Put a task aside until it is resumed
    Hold(OneTaskArgs),
    /// Let a task that was put aside, or waits after a failure, run
    Resume(OneTaskArgs),
    /// Call off a task, what depends on it, or all of a project
    Cancel(CancelArgs),
    /// Do a task again that has failed, was called off or is completed
    Retry(RetryArgs),
    /// Say that a task was done outside; or, with --token, deliver it as the agent that has it
    Complete(CompleteArgs),
    /// Change the priority of a task
    Priority(PriorityArgs),
    /// Take the next task that this agent can do, and begin it; the one that it has, if it has one
    Acquire(AcquireArgs),
    /// Prolong the lease on a task
    Heartbeat(HeldTaskArgs),
    /// Leave word of how far a task is, for the case that another attempt has to go on
    Checkpoint(WordArgs),
    /// Say that the attempt has failed
    Fail(WordArgs),
    /// Give a task back; that counts as no failure
    Release(HeldTaskArgs),
}

impl TaskCommand {
    /// Returns how it is asked.
    pub fn asking(&self) -> &AskingArgs {
        match self {
            Self::Hold(args) | Self::Resume(args) => &args.asking,
            Self::Cancel(args) => &args.asking,
            Self::Retry(args) => &args.asking,
            Self::Complete(args) => &args.asking,
            Self::Priority(args) => &args.asking,
            Self::Acquire(args) => &args.asking,
            Self::Heartbeat(args) | Self::Release(args) => &args.asking,
            Self::Checkpoint(args) | Self::Fail(args) => &args.held.asking,
        }
    }
}

/// A task.
#[derive(Debug, Clone, Args)]
pub struct OneTaskArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task cancel`.
#[derive(Debug, Clone, Args)]
pub struct CancelArgs {
    /// The task or group
    #[arg(value_name = "TASK", required_unless_present = "all")]
    pub task: Option<String>,
    /// Also everything that depends on it, and what is in it
    #[arg(long, conflicts_with = "all")]
    pub dependents: bool,
    /// Every task of the project
    #[arg(long, conflicts_with = "task", requires = "project")]
    pub all: bool,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task retry`.
#[derive(Debug, Clone, Args)]
pub struct RetryArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Also do again what depends on it and is completed; else that stays, and is named
    #[arg(long)]
    pub dependents: bool,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task complete`.
#[derive(Debug, Clone, Args)]
pub struct CompleteArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// How it was done, where it was done outside
    #[arg(long, value_name = "TEXT", required_unless_present = "token")]
    pub reason: Option<String>,
    /// The token of the attempt that delivers it
    #[arg(long, value_name = "N", conflicts_with = "reason", requires = "agent")]
    pub token: Option<u64>,
    /// The agent that delivers it
    #[arg(long, value_name = "NAME", requires = "token")]
    pub agent: Option<String>,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task priority`.
#[derive(Debug, Clone, Args)]
pub struct PriorityArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// The priority: critical, high, medium, low or backlog
    #[arg(value_name = "PRIORITY", value_parser = priority)]
    pub priority: Priority,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// The arguments of `task acquire`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner task acquire --agent worker-1 --can rust,docs --json
  super-planner task heartbeat PARSE --agent worker-1 --token 3
  super-planner task complete PARSE --agent worker-1 --token 3

No process has to run beside: each command takes its turn on the state and ends. An agent that is silent for longer than its
lease loses its task to the next one. Exit code 1 where there is no task for it now.")]
pub struct AcquireArgs {
    /// The agent's name, unique in the workspace
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// What it can do, with commas between
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    pub can: Vec<String>,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// A task that an agent has.
#[derive(Debug, Clone, Args)]
pub struct HeldTaskArgs {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// The agent that has it
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// The token under which it has it
    #[arg(long, value_name = "N")]
    pub token: u64,
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,
}

/// A task that an agent has, and a word about it.
#[derive(Debug, Clone, Args)]
pub struct WordArgs {
    /// The task that it has.
    #[command(flatten)]
    pub held: HeldTaskArgs,
    /// What there is to say
    #[arg(long, value_name = "TEXT")]
    pub text: String,
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

/// The arguments of `log`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  super-planner log --limit 20
  super-planner log BASE-2
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

/// The arguments of `simulate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  super-planner simulate --seeds 100
  super-planner simulate plan.yaml --agents 20 --seed 7 --faults storm
  super-planner simulate --seed 42 --faults agent-pause,clock-jump --steps 5000

Coordinators take the same turns as in a run; agents, messages, the store and its clock are simulated. The same arguments
give the same log, to the last byte. A run in which a promise was not kept is made smaller, and the command that repeats it
is printed; the exit code is then 1.
Faults: none, drizzle, storm, or kinds with commas between them: agent-crash, agent-hang, agent-pause, attempt-failure,
message-loss, message-repeat, message-delay, partition, store-busy, store-refusal, store-doubt, clock-jump,
coordinator-crash, coordinator-pause, plan-change.")]
pub struct SimulateArgs {
    /// The plan, which is carried out again and again [default: a small one, drawn from the seed]
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    /// How many agents [default: drawn from the seed]
    #[arg(long, value_name = "N")]
    pub agents: Option<NonZeroU32>,
    /// How many coordinators at once [default: drawn from the seed]
    #[arg(long, value_name = "N")]
    pub coordinators: Option<NonZeroU32>,
    /// What everything is drawn from; with --seeds, the first of them
    #[arg(long, value_name = "S", default_value = "1")]
    pub seed: u64,
    /// How many seeds, one after another
    #[arg(long, value_name = "N", default_value = "1")]
    pub seeds: NonZeroU32,
    /// How many steps each storms for: a step is a message, a heartbeat, a turn or a fault
    #[arg(long, value_name = "N", default_value = "10000")]
    pub steps: u64,
    /// What goes wrong
    #[arg(long, value_name = "FAULTS", default_value = "storm")]
    pub faults: Faults,
    /// The format of the plan [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = plan_format())]
    pub format: Option<Format>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

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
    /// A program that the agent may run in that folder, with any arguments; it is not a sandbox
    #[arg(long = "allow-program", value_name = "PROGRAM", requires = "folder")]
    pub programs: Vec<String>,
    /// An MCP server whose tools the agent may use: a name, and a program with its arguments split at white space
    #[arg(long, value_name = "NAME=COMMAND")]
    pub mcp: Vec<String>,
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

fn written_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(WRITTEN.map(Format::as_str))
        .map(|name| Format::from_name(&name).expect("only the names of formats are let through"))
}

fn plan_kind() -> impl TypedValueParser<Value = PlanKind> {
    PossibleValuesParser::new(PlanKind::ALL.map(PlanKind::as_str))
        .map(|name| PlanKind::from_name(&name).expect("only the names of kinds are let through"))
}

fn plan_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::as_str))
        .map(|name| Format::from_name(&name).expect("only the names of formats are let through"))
}

fn stream_name(text: &str) -> Result<StreamName, String> {
    StreamName::new(text).map_err(|error| error.to_string())
}

fn priority(text: &str) -> Result<Priority, String> {
    Priority::from_name(text).ok_or_else(|| "it is critical, high, medium, low or backlog".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("not a number above 0".to_owned()) }
}

fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("not a number from 0 to 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
