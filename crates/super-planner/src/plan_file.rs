//! From a path to a plan that was read, or to why not. Nothing is written.

use std::io::Read;
use std::path::{Path, PathBuf};

use planner_core::repair::Change;
use planner_core::{InputFile, Limits, ReadError, ReadOptions, Reading, Severity, TaskGraph, isolate};

use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;

/// How many files of a folder are read.
const FOLDER_FILES_MAX: usize = 100_000;

/// A plan that is sound.
#[derive(Debug)]
pub struct SoundPlan {
    /// What was read, with its warnings.
    pub reading: Reading,
    /// Its graph.
    pub graph: TaskGraph,
    /// What was put on hold so that the rest is sound.
    pub set_aside: Vec<Change>,
}

/// What to do about a plan with defects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defects {
    /// It is refused.
    Refuse,
    /// What has some is put on hold, with what waits for it.
    SetAside,
}

/// Reads a plan of a file or of a folder.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Reading, CliError> {
    let shown = escaped(&path.to_string_lossy());
    let files = files_of(path, &shown, &options.limits)?;
    let inputs: Vec<InputFile<'_>> = files.iter().map(|(path, bytes)| InputFile { path, bytes }).collect();
    planner_core::read_files(&shown, &inputs, options).map_err(|error| from_read_error(&shown, error))
}

/// Returns the file, or those files of a folder that can hold tasks, in the order of their paths.
fn files_of(path: &Path, shown: &str, limits: &Limits) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let unreadable = |message: &str| CliError::new(ErrorKind::Input, format!("{shown} {message}"));
    let metadata = std::fs::metadata(path).map_err(|error| unreadable("cannot be read").caused_by(error))?;
    if metadata.is_file() {
        return Ok(vec![(shown.to_owned(), bytes_of(path, shown, limits.bytes_max)?)]);
    }
    if !metadata.is_dir() {
        return Err(unreadable("is no regular file and no folder"));
    }
    let mut paths = Vec::new();
    find_files(path, &mut paths).map_err(|error| unreadable("cannot be read").caused_by(error))?;
    if paths.is_empty() {
        return Err(unreadable("is a folder without files of tasks"));
    }
    if paths.len() > FOLDER_FILES_MAX {
        return Err(unreadable(&format!("holds more than the {FOLDER_FILES_MAX} files that are read")));
    }
    paths.sort();
    let mut bytes_left = limits.bytes_max;
    let mut files = Vec::with_capacity(paths.len());
    for file in paths {
        let shown = escaped(&file.to_string_lossy());
        let bytes = bytes_of(&file, &shown, bytes_left)?;
        bytes_left -= bytes.len();
        let below = file.strip_prefix(path).unwrap_or(&file);
        files.push((escaped(&below.to_string_lossy()), bytes));
    }
    Ok(files)
}

/// Adds the files below a folder that can hold tasks, without hidden ones; links are not followed.
fn find_files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            let ending = Path::new(&name).extension().and_then(std::ffi::OsStr::to_str);
            if name.to_string_lossy().starts_with('.') || found.len() > FOLDER_FILES_MAX {
                continue;
            }
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() && matches!(ending, Some("md" | "json" | "jsonl" | "yml")) {
                found.push(entry.path());
            }
        }
    }
    Ok(())
}

fn bytes_of(path: &Path, shown: &str, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    let unreadable = |message: &str| CliError::new(ErrorKind::Input, format!("{shown} {message}"));
    let too_large = || unreadable(&format!("has more than the {bytes_max} bytes that are read"));
    let metadata = std::fs::metadata(path).map_err(|error| unreadable("cannot be read").caused_by(error))?;
    if metadata.len() > bytes_max as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    std::fs::File::open(path)
        .and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable("cannot be read").caused_by(error))?;
    if bytes.len() > bytes_max { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a plan file that must be sound; otherwise the error says how many defects it has and which is the first, unless they
/// are to be set aside.
pub fn read_sound(path: &Path, options: &ReadOptions, defects: Defects) -> Result<SoundPlan, CliError> {
    let mut reading = read(path, options)?;
    let validated = planner_core::validate(&reading);
    let errors = validated.error_count();
    if let Some(graph) = validated.graph {
        return Ok(SoundPlan { reading, graph, set_aside: Vec::new() });
    }
    if defects == Defects::SetAside {
        let (sound, set_aside) = isolate(&reading.plan, &reading.broken);
        if let Ok(graph) = TaskGraph::new(&sound) {
            reading.plan = sound;
            return Ok(SoundPlan { reading, graph, set_aside });
        }
    }
    let shown = escaped(&path.to_string_lossy());
    let message = match errors {
        1 => format!("the plan {shown} has a defect"),
        _ => format!("the plan {shown} has {errors} defects"),
    };
    let error = CliError::new(ErrorKind::Plan, message)
        .hint("`super-planner validate` tells all of them, with what to do; `run --lenient` sets aside what has them");
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
        ReadError::UnknownTag { .. } => unreadable.hint("--tag takes one of these").caused_by(error),
        ReadError::TooLarge { .. } | ReadError::LineTooLong { .. } | ReadError::TooMany { .. } => unreadable
            .hint("--plan-limit NAME=N, or limit_NAME in the configuration, has more of a plan read")
            .caused_by(error),
        ReadError::Empty | ReadError::NotUtf8 { .. } => unreadable.caused_by(error),
    }
}
