//! What reads and writes plans: from `validate` to `analyze`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use planner_core::generate::PlanKind;
use planner_core::write::WRITTEN;
use planner_core::{Effort, Format};

use super::PlaceArgs;

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
  super-planner analyze plan.yaml --agents 16 --json
  super-planner analyze plan.yaml --if API-3=2h --without DATA-1")]
pub struct AnalyzeArgs {
    /// The plan: a file, or a folder of Backlog.md, Claude Code or beads
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// The least time with this many agents that can do everything [default: the plan's own agents, or 8]
    #[arg(long, value_name = "N")]
    pub agents: Option<NonZeroU32>,
    /// Tell what would be if a task took another time, such as API-3=2h
    #[arg(long = "if", value_name = "TASK=EFFORT", value_parser = task_effort)]
    pub takes: Vec<(String, Effort)>,
    /// Tell what would be if a task were done already
    #[arg(long, value_name = "TASK")]
    pub without: Vec<String>,
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

fn task_effort(text: &str) -> Result<(String, Effort), String> {
    // An id may hold the sign; an effort does not.
    let (task, effort) = text.rsplit_once('=').ok_or("write it as TASK=EFFORT, such as API-3=2h")?;
    Ok((task.to_owned(), Effort::parse(effort).map_err(|error| error.to_string())?))
}

fn written_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(WRITTEN.map(Format::as_str))
        .map(|name| Format::from_name(&name).expect("only the names of formats are let through"))
}

fn plan_kind() -> impl TypedValueParser<Value = PlanKind> {
    PossibleValuesParser::new(PlanKind::ALL.map(PlanKind::as_str))
        .map(|name| PlanKind::from_name(&name).expect("only the names of kinds are let through"))
}

pub(super) fn plan_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::as_str))
        .map(|name| Format::from_name(&name).expect("only the names of formats are let through"))
}
