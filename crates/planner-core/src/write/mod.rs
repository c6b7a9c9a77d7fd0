//! Writing plans: in the native format, or in one that other tools read.
//!
//! Reading what was written gives the same plan, if it came from that format; a foreign plan may hold more than a format has
//! words for, and what that is, is told as [`Written::losses`].

mod backlog;
mod beads;
mod csv;
mod dot;
mod foreign;
mod markdown;
mod taskmaster;

pub(crate) use beads::issue_line;

use std::collections::BTreeMap;

use crate::{Format, Plan};

/// The files of a plan, and what they do not hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// One file without a path, or those of a folder with their paths in it.
    pub files: Vec<(String, String)>,
    /// What the format has no words for, and how many tasks have it.
    pub losses: BTreeMap<&'static str, usize>,
}

/// Why a plan cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no writer for that format.
    #[error("plans are not written as {0}; they are as {list}", list = WRITTEN.map(Format::as_str).join(", "))]
    Format(Format),
    /// A value has no form in the syntax.
    #[error("the plan holds a value that {0} cannot")]
    Value(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The formats that plans are written in.
pub const WRITTEN: [Format; 9] = [
    Format::Yaml,
    Format::Json,
    Format::Toml,
    Format::Beads,
    Format::Taskmaster,
    Format::Backlog,
    Format::Markdown,
    Format::Dot,
    Format::Csv,
];

/// Returns the plan in that format.
pub fn write(plan: &Plan, format: Format) -> Result<Written, WriteError> {
    let one = |text: String| Written { files: vec![(String::new(), text)], losses: BTreeMap::new() };
    match format {
        Format::Json => serde_json::to_string_pretty(plan)
            .map(|text| one(text + "\n"))
            .map_err(|error| WriteError::Value("JSON", error.into())),
        Format::Yaml => {
            serde_saphyr::to_string(plan).map(one).map_err(|error| WriteError::Value("YAML", error.into()))
        }
        Format::Toml => {
            toml::to_string(plan).map(one).map_err(|error| WriteError::Value("TOML", error.into()))
        }
        Format::Beads => Ok(beads::write(plan)),
        Format::Taskmaster => Ok(taskmaster::write(plan)),
        Format::Backlog => backlog::write(plan),
        Format::Markdown => Ok(markdown::write(plan)),
        Format::Dot => Ok(dot::write(plan)),
        Format::Csv => Ok(csv::write(plan)),
        Format::SuperPlannerProject
        | Format::SuperPlannerState
        | Format::SpecKit
        | Format::ClaudeTasks
        | Format::WfFormat
        | Format::Stg
        | Format::Psplib => Err(WriteError::Format(format)),
    }
}

#[cfg(test)]
mod tests;
