//! Reading plan files: every format becomes the same [`Plan`], with its unknown fields kept.
//!
//! One way for all: the bytes become a text, the text (by its syntax) a tree of values that know where they were written,
//! and the tree (by its format) tasks. A value that cannot be taken is told as a [`Diagnostic`] and left out, so that
//! everything that is wrong is told at once; what keeps the whole from being read is a [`ReadError`].
//!
//! Where things were written is found out only when it is asked for.

mod backlog;
mod beads;
mod check_list;
mod claude;
mod csv;
mod detect;
mod dot;
mod fields;
mod input;
mod json;
mod limits;
mod markdown;
mod native;
mod node;
mod outline;
mod psplib;
mod reader;
mod spec_kit;
mod spelling;
mod status;
mod stg;
mod superplanner;
mod taskmaster;
mod toml;
mod wfformat;
mod yaml;

pub use backlog::BACKLOG_RULES;
pub use beads::BEADS_RULES;
pub use claude::CLAUDE_RULES;
pub use input::InputFile;
pub use limits::Limits;
pub use native::NATIVE_RULES;
pub use status::{Meaning, RuleCount, StatusRule};
pub use superplanner::{PROJECT_RULES, STATE_RULES};
pub use taskmaster::TASKMASTER_RULES;

pub(crate) use backlog::description as backlog_description;
pub(crate) use fields::{TASK_FIELDS, name_in_file};
pub(crate) use markdown::slug;
pub(crate) use node::Span;
pub(crate) use reader::TaskPlaces;

use std::fmt;
use std::ops::Range;

use self::input::InputText;
use self::json::Stopped;
use self::node::{Node, SyntaxError};
use self::reader::{Memory, Reader};
use crate::diagnostic::quoted;
use crate::{Diagnostic, Plan, Source, TaskIndex};

/// What the native format may hold, as JSON Schema (draft 2020-12).
pub const NATIVE_SCHEMA: &str = include_str!("../../data/plan.schema.json");

/// A format that plans are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// The native format, in YAML.
    Yaml,
    /// The native format, in JSON.
    Json,
    /// The native format, in TOML.
    Toml,
    /// A project file of an older super-planner.
    SuperPlannerProject,
    /// A state file of an older super-planner.
    SuperPlannerState,
    /// Issues of beads, one a line; or the folder of a table dump.
    Beads,
    /// The tasks of Taskmaster, with or without tags.
    Taskmaster,
    /// A folder of Backlog.md, or one of its tasks.
    Backlog,
    /// The `tasks.md` of spec-kit.
    SpecKit,
    /// A task folder of Claude Code, or one of its tasks.
    ClaudeTasks,
    /// Headings and check lists in Markdown.
    Markdown,
    /// A workflow of WfCommons.
    WfFormat,
    /// A graph for Graphviz.
    Dot,
    /// A table, one task a row.
    Csv,
    /// An instance of the Standard Task Graph Set.
    Stg,
    /// An instance of PSPLIB, with one mode a task.
    Psplib,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 16] = [
        Self::Yaml,
        Self::Json,
        Self::Toml,
        Self::SuperPlannerProject,
        Self::SuperPlannerState,
        Self::Beads,
        Self::Taskmaster,
        Self::Backlog,
        Self::SpecKit,
        Self::ClaudeTasks,
        Self::Markdown,
        Self::WfFormat,
        Self::Dot,
        Self::Csv,
        Self::Stg,
        Self::Psplib,
    ];

    /// Returns the name that people choose it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Toml => "toml",
            Self::SuperPlannerProject => "super-planner-project",
            Self::SuperPlannerState => "super-planner-state",
            Self::Beads => "beads",
            Self::Taskmaster => "taskmaster",
            Self::Backlog => "backlog",
            Self::SpecKit => "spec-kit",
            Self::ClaudeTasks => "claude-tasks",
            Self::Markdown => "markdown",
            Self::WfFormat => "wfformat",
            Self::Dot => "dot",
            Self::Csv => "csv",
            Self::Stg => "stg",
            Self::Psplib => "psplib",
        }
    }

    /// Returns the format of that name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// Returns what its statuses and types mean.
    pub const fn status_rules(self) -> &'static [StatusRule] {
        match self {
            Self::Yaml
            | Self::Json
            | Self::Toml
            | Self::SpecKit
            | Self::Markdown
            | Self::WfFormat
            | Self::Dot
            | Self::Csv
            | Self::Stg
            | Self::Psplib => NATIVE_RULES,
            Self::SuperPlannerProject => PROJECT_RULES,
            Self::SuperPlannerState => STATE_RULES,
            Self::Beads => BEADS_RULES,
            Self::Taskmaster => TASKMASTER_RULES,
            Self::Backlog => BACKLOG_RULES,
            Self::ClaudeTasks => CLAUDE_RULES,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was read from a file: a plan, as far as it could be read, and what is to be said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The plan; tasks that could not be read are missing.
    pub plan: Plan,
    /// The format that the file is in.
    pub format: Format,
    /// The text of the file.
    pub source: Source,
    /// What is wrong or odd with single values. [`crate::validate()`] tells the rest.
    pub diagnostics: Vec<Diagnostic>,
    /// Tasks that were read without a value that could not be taken.
    pub broken: Vec<TaskIndex>,
    /// How many entries each rule of the format's table was applied to.
    pub rules: Vec<RuleCount>,
    input: InputText,
    options: ReadOptions,
}

/// How a plan is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// The format; told by the content where it is not given.
    pub format: Option<Format>,
    /// Which of the plans in a file of several, such as the tag of a Taskmaster file; the file's own choice where it is not given.
    pub tag: Option<String>,
    /// How much is taken.
    pub limits: Limits,
}

/// Why a file could not be read at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The file is larger than allowed.
    #[error("the file has {bytes} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The file holds nothing but white space.
    #[error("the file is empty")]
    Empty,
    /// The file is no UTF-8.
    #[error("the file is no UTF-8 text: byte {offset}, in line {line}, begins no character")]
    NotUtf8 {
        /// The first byte that is none.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// A line is longer than allowed.
    #[error("line {line} has {bytes} bytes, more than the {limit} allowed")]
    LineTooLong {
        /// The line, from 1.
        line: usize,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A file of several plans holds none of that name.
    #[error("the file holds no plan of the tag {}; it holds {}", quoted(tag), tags.join(", "))]
    UnknownTag {
        /// The name asked for.
        tag: String,
        /// Those that there are, quoted.
        tags: Vec<String>,
    },
    /// There are more tasks or dependencies than allowed.
    #[error("the file holds more than the {limit} {what} allowed")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The text is in no format that can be read.
    #[error("this is {found}, which is not read; formats are {}", Format::ALL.map(Format::as_str).join(", "))]
    UnknownFormat {
        /// What it is.
        found: String,
    },
    /// The text does not follow its syntax, or its values are nested too deep.
    #[error("{}", diagnostic.message)]
    Syntax {
        /// What is wrong and where.
        diagnostic: Box<Diagnostic>,
        /// The text, for showing the place.
        text: Source,
    },
}

/// Reads a plan file.
///
/// The format is told by the content, unless it is `forced`; `name` is what diagnostics call the file and, where the file does
/// not say, the plan. A byte order mark and any kind of line end are accepted.
pub fn read(name: &str, bytes: &[u8], forced: Option<Format>, limits: &Limits) -> Result<Reading, ReadError> {
    let options = ReadOptions { format: forced, tag: None, limits: limits.clone() };
    read_files(name, &[InputFile { path: name, bytes }], &options)
}

/// Reads a plan of one file, or of a folder of files; `name` is that of the file or the folder.
///
/// What was said of [`read`] goes for this too. The order of the files is theirs in the plan.
pub fn read_files(name: &str, files: &[InputFile<'_>], options: &ReadOptions) -> Result<Reading, ReadError> {
    let input = InputText::of(name, files, &options.limits)?;
    let format = match options.format {
        Some(format) => format,
        None => detect::detect(&input)?,
    };
    let (mut plan, mut reader) = read_text(&input, format, options, Memory::Nothing)?;
    if reader.is_place_missing() {
        (plan, reader) = read_text(&input, format, options, Memory::Places)?;
    }
    plan.tasks = std::mem::take(&mut reader.tasks);
    let broken = std::mem::take(&mut reader.broken);
    let rules = reader.rule_counts();
    let diagnostics = reader.diagnostics.finish();
    let source = input.source.clone();
    let options = ReadOptions { format: Some(format), ..options.clone() };
    Ok(Reading { plan, format, source, diagnostics, broken, rules, input, options })
}

fn read_text<'i>(
    input: &'i InputText,
    format: Format,
    options: &'i ReadOptions,
    memory: Memory,
) -> Result<(Plan, Reader<'i>), ReadError> {
    let limits = &options.limits;
    let broken = |error: SyntaxError| input.broken(&error);
    let (body, offset) = (input.body(), input.body_start());
    let json_tree = || json::read_document(body, offset, limits.depth()).map_err(broken);
    let mut reader = Reader::new(input.text(), limits, format.status_rules(), memory);
    let name = input.source.name();
    let plan = match format {
        Format::Yaml => {
            let tree = yaml::read_document(body, limits, offset).map_err(broken)?;
            native::read(&mut reader, name, tree)
        }
        Format::Toml => {
            let tree = toml::read_document(body, offset, limits.depth()).map_err(broken)?;
            native::read(&mut reader, name, tree)
        }
        Format::Json => {
            let each = |node: Node<'i>| native::entry(&mut reader, node);
            let root =
                json::read_list_of(body, offset, limits.depth(), "tasks", each).map_err(|stopped| {
                    match stopped {
                        Stopped::Syntax(error) => broken(error),
                        Stopped::Entry(error) => error,
                    }
                })?;
            native::read(&mut reader, name, root)
        }
        Format::SuperPlannerProject => superplanner::read_project(&mut reader, name, json_tree()?),
        Format::SuperPlannerState => superplanner::read_state(&mut reader, name, json_tree()?),
        Format::Taskmaster => taskmaster::read(&mut reader, name, json_tree()?, options.tag.as_deref()),
        Format::WfFormat => wfformat::read(&mut reader, name, &json_tree()?),
        Format::Beads => beads::read(&mut reader, input),
        Format::Backlog => backlog::read(&mut reader, input),
        Format::ClaudeTasks => claude::read(&mut reader, input),
        Format::SpecKit => spec_kit::read(&mut reader, name, body, offset),
        Format::Markdown => markdown::read(&mut reader, name, body, offset),
        Format::Dot => dot::read(&mut reader, name, body, offset).map_err(broken)?,
        Format::Csv => csv::read(&mut reader, name, body, offset),
        Format::Stg => stg::read(&mut reader, name, body, offset).map_err(broken)?,
        Format::Psplib => psplib::read(&mut reader, name, body, offset).map_err(broken)?,
    }?;
    Ok((plan, reader))
}

impl Reading {
    /// Returns the files and where each lies in the text of the source, byte order marks included.
    pub(crate) fn file_ranges(&self) -> Vec<(String, Range<usize>)> {
        self.input.file_ranges()
    }

    /// Returns how it was read; the format is said, also where the content told it.
    pub(crate) fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// Returns where each task was written, by reading the text once more.
    pub(crate) fn places(&self) -> Vec<TaskPlaces> {
        match read_text(&self.input, self.format, &self.options, Memory::Places) {
            Ok((_, reader)) => reader.places,
            // The same text was read before, in the same way.
            Err(error) => unreachable!("what was read can be read again: {error}"),
        }
    }
}

/// Returns an empty plan of the name that the file or the folder gives it.
fn empty_plan(file: &str) -> Plan {
    Plan {
        name: plan_name(file),
        description: String::new(),
        agents: Vec::new(),
        tasks: Vec::new(),
        extra: serde_json::Map::new(),
    }
}

/// Returns the name of a plan whose file does not say it: that of the file, without folders and ending.
fn plan_name(file: &str) -> String {
    let last = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = last.split('.').find(|part| !part.is_empty()).unwrap_or("plan");
    let name = quoted(stem);
    name.trim_matches('`').to_owned()
}

#[cfg(test)]
mod tests;
