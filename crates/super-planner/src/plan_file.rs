//! From a path to a plan that was read, or to why not. Nothing is written.

use std::io::Read;
use std::path::Path;

use planner_core::{Format, Limits, ReadError, Reading, Severity, TaskGraph};

use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;

/// A plan that is sound.
#[derive(Debug)]
pub struct SoundPlan {
    /// What was read, with its warnings.
    pub reading: Reading,
    /// Its graph.
    pub graph: TaskGraph,
}

/// Reads a plan file, in the format that its content tells or that is `forced`.
pub fn read(path: &Path, forced: Option<Format>) -> Result<Reading, CliError> {
    let limits = Limits::default();
    let shown = escaped(&path.to_string_lossy());
    let unreadable = |message: &str| CliError::new(ErrorKind::Input, format!("{shown} {message}"));
    let metadata = std::fs::metadata(path).map_err(|error| unreadable("cannot be read").caused_by(error))?;
    if metadata.is_dir() {
        return Err(unreadable("is a folder, not a plan"));
    }
    if !metadata.is_file() {
        return Err(unreadable("is no regular file"));
    }
    let too_large = || unreadable(&format!("has more than the {} bytes that are read", limits.bytes_max));
    let bytes_max = limits.bytes_max as u64;
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    std::fs::File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable("cannot be read").caused_by(error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large());
    }
    planner_core::read(&shown, &bytes, forced, &limits).map_err(|error| from_read_error(&shown, error))
}

/// Reads a plan file that must be sound; otherwise the error says how many defects it has and which is the first.
pub fn read_sound(path: &Path, forced: Option<Format>) -> Result<SoundPlan, CliError> {
    let reading = read(path, forced)?;
    let validated = planner_core::validate(&reading);
    let errors = validated.error_count();
    if let Some(graph) = validated.graph {
        return Ok(SoundPlan { reading, graph });
    }
    let shown = escaped(&path.to_string_lossy());
    let message = match errors {
        1 => format!("the plan {shown} has a defect"),
        _ => format!("the plan {shown} has {errors} defects"),
    };
    let error = CliError::new(ErrorKind::Plan, message)
        .hint("`super-planner validate` tells all of them, with what to do");
    match validated.diagnostics.into_iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
        Some(first) => Err(error.at(first, reading.source)),
        None => Err(error),
    }
}

fn from_read_error(shown: &str, error: ReadError) -> CliError {
    let unreadable = CliError::new(ErrorKind::Input, format!("{shown} cannot be read as a plan"));
    match error {
        ReadError::Syntax { diagnostic, text } => {
            let help = diagnostic.help.clone();
            let error = unreadable.caused_by(diagnostic.message.clone()).at(*diagnostic, text);
            match help {
                Some(help) => error.hint(help),
                None => error,
            }
        }
        ReadError::UnknownFormat { .. } => {
            unreadable.hint("--format says how to read it, if it is one of these").caused_by(error)
        }
        ReadError::TooLarge { .. }
        | ReadError::Empty
        | ReadError::NotUtf8 { .. }
        | ReadError::LineTooLong { .. }
        | ReadError::TooMany { .. } => unreadable.caused_by(error),
    }
}
