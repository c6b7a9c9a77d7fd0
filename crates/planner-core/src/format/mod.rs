//! Reading plan files: every format becomes the same [`Plan`], with its unknown fields kept.
//!
//! One way for all: the bytes become a text, the text (by its syntax) a tree of values that know where they were written,
//! and the tree (by its format) tasks. A value that cannot be taken is told as a [`Diagnostic`] and left out, so that
//! everything that is wrong is told at once; what keeps the whole from being read is a [`ReadError`].

mod beads;
mod detect;
mod fields;
mod json;
mod limits;
mod native;
mod node;
mod reader;
mod spelling;
mod status;
mod superplanner;
mod toml;
mod yaml;

pub use beads::BEADS_RULES;
pub use limits::Limits;
pub use native::NATIVE_RULES;
pub use status::{Meaning, RuleCount, StatusRule};
pub use superplanner::{PROJECT_RULES, STATE_RULES};

pub(crate) use node::Span;
pub(crate) use reader::TaskPlaces;

use std::fmt;

use self::detect::Detected;
use self::node::SyntaxError;
use self::reader::Reader;
use crate::diagnostic::quoted;
use crate::{Diagnostic, Plan, Source};

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
    /// Issues of beads, one a line.
    Beads,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::Yaml, Self::Json, Self::Toml, Self::SuperPlannerProject, Self::SuperPlannerState, Self::Beads];

    /// Returns the name that people choose it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Toml => "toml",
            Self::SuperPlannerProject => "super-planner-project",
            Self::SuperPlannerState => "super-planner-state",
            Self::Beads => "beads",
        }
    }

    /// Returns the format of that name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// Returns what its statuses and types mean.
    pub const fn status_rules(self) -> &'static [StatusRule] {
        match self {
            Self::Yaml | Self::Json | Self::Toml => NATIVE_RULES,
            Self::SuperPlannerProject => PROJECT_RULES,
            Self::SuperPlannerState => STATE_RULES,
            Self::Beads => BEADS_RULES,
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
    /// How many entries each rule of the format's table was applied to.
    pub rules: Vec<RuleCount>,
    /// As many as the plan has tasks.
    pub(crate) places: Vec<TaskPlaces>,
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
    /// There are more tasks or dependencies than allowed.
    #[error("the file holds more than the {limit} {what} allowed")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The text is in no format that can be read.
    #[error(
        "this is {found}, which is not read; formats are yaml, json, toml, super-planner-project, super-planner-state, beads"
    )]
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
    if bytes.len() > limits.bytes() {
        return Err(ReadError::TooLarge { bytes: bytes.len(), limit: limits.bytes() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ReadError::NotUtf8 {
        offset: error.valid_up_to(),
        line: 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count(),
    })?;
    let offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = &text[offset..];
    if body.trim().is_empty() {
        return Err(ReadError::Empty);
    }
    let source = Source::new(name, text.into());
    let broken = |error: SyntaxError| ReadError::Syntax {
        diagnostic: Box::new(
            Diagnostic::error(error.code, reader::escaped(&error.message)).at(error.span, "here"),
        ),
        text: source.clone(),
    };
    let detected = match forced {
        Some(format) => Detected::Text(format),
        None => detect::detect(name, body, offset, limits)?,
    };
    let (format, tree) = match detected {
        Detected::Tree(format, tree) => (format, Some(tree)),
        Detected::Text(format) => (format, None),
        Detected::BrokenJson(error) => return Err(broken(error)),
    };
    let mut reader = Reader::new(text, limits, format.status_rules());
    let json_tree = || match tree {
        Some(tree) => Ok(tree),
        None => json::read_document(body, offset, limits.depth()).map_err(&broken),
    };
    let mut plan = match format {
        Format::Yaml => {
            let tree = yaml::read_document(body, limits, offset).map_err(&broken)?;
            native::read(&mut reader, name, tree)?
        }
        Format::Toml => {
            let tree = toml::read_document(body, offset, limits.depth()).map_err(&broken)?;
            native::read(&mut reader, name, tree)?
        }
        Format::Json => native::read(&mut reader, name, json_tree()?)?,
        Format::SuperPlannerProject => superplanner::read_project(&mut reader, name, json_tree()?)?,
        Format::SuperPlannerState => superplanner::read_state(&mut reader, name, json_tree()?)?,
        Format::Beads => beads::read(&mut reader, name, body, offset)?,
    };
    let rules = reader.rule_counts();
    plan.tasks = std::mem::take(&mut reader.tasks);
    let places = std::mem::take(&mut reader.places);
    let diagnostics = reader.diagnostics.finish();
    Ok(Reading { plan, format, source: source.clone(), diagnostics, rules, places })
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
