//! Writing the files of a plan: each wholly or not at all, and none over one that is there unless that is asked for.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use planner_core::{Format, Plan, Written, write};

use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;
use crate::terminal::Terminal;

/// Whether files that are there are written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and it is an error.
    Kept,
    /// They are replaced.
    Replaced,
}

/// Returns the format that plans are written in: the one asked for, else the one that the ending of the path names.
pub fn format_for(path: &Path, asked: Option<Format>) -> Result<Format, CliError> {
    let ending = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    let by_ending = match ending.to_ascii_lowercase().as_str() {
        "yaml" | "yml" => Some(Format::Yaml),
        "json" => Some(Format::Json),
        "toml" => Some(Format::Toml),
        "jsonl" => Some(Format::Beads),
        "md" => Some(Format::Markdown),
        "dot" | "gv" => Some(Format::Dot),
        "csv" => Some(Format::Csv),
        _ => None,
    };
    asked.or(by_ending).ok_or_else(|| {
        let message = format!("the ending of {} names no format", escaped(&path.to_string_lossy()));
        CliError::new(ErrorKind::Usage, message).hint("--to FORMAT says which")
    })
}

/// Writes the plan to a file, or to a folder where its format has several; `-` is the standard output. What the format has no
/// words for is told beside.
pub fn write_plan(
    plan: &Plan,
    path: &Path,
    format: Format,
    existing: Existing,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let written = write(plan, format)
        .map_err(|error| CliError::new(ErrorKind::Usage, "the plan cannot be written so").caused_by(error))?;
    let Written { files, losses } = &written;
    for (what, tasks) in losses {
        terminal.note(format_args!("not written: {what} ({tasks}); {format} has no words for them"));
    }
    for (name, text) in files {
        if name.is_empty() && path == Path::new("-") {
            terminal.print(text)?;
        } else {
            let target = if name.is_empty() { path.to_owned() } else { path.join(name) };
            write_file(&target, text.as_bytes(), existing)?;
        }
    }
    Ok(())
}

/// Replaces what somebody's file holds, unless it is no longer what was read. Links to it and its permissions stay.
pub fn replace_file(path: &Path, read: &[u8], bytes: &[u8]) -> Result<(), CliError> {
    let shown = escaped(&path.to_string_lossy());
    let failed = |error: std::io::Error| {
        CliError::new(ErrorKind::Input, format!("{shown} cannot be replaced")).caused_by(error)
    };
    let path = std::fs::canonicalize(path).map_err(failed)?;
    if std::fs::read(&path).map_err(failed)? != read {
        return Err(CliError::new(ErrorKind::Input, format!("{shown} has changed while it was looked at"))
            .hint("run the same command again"));
    }
    write_file(&path, bytes, Existing::Replaced)
}

/// Writes a file as [`write_file`] does, of what is made while it is written; `-` is the standard output.
pub fn stream_file(
    path: &Path,
    existing: Existing,
    terminal: &Terminal,
    make: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), CliError> {
    if path != Path::new("-") {
        return write_file_by(path, existing, make);
    }
    const BYTES_AT_ONCE: usize = 1 << 16;
    let mut printed = Printed { terminal, refused: None };
    let mut buffered = BufWriter::with_capacity(BYTES_AT_ONCE, &mut printed);
    let made = make(&mut buffered).and_then(|()| buffered.flush());
    drop(buffered);
    match (made, printed.refused) {
        (_, Some(refused)) => Err(refused),
        (made, None) => made.map_err(|error| {
            CliError::new(ErrorKind::Internal, "the standard output cannot be written").caused_by(error)
        }),
    }
}

/// The standard output, as something to write to.
struct Printed<'t> {
    terminal: &'t Terminal,
    refused: Option<CliError>,
}

impl Write for Printed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.terminal.print(String::from_utf8_lossy(bytes)) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.refused = Some(error);
                Err(std::io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes a file beside its place, flushes it and moves it there; a crash leaves the old one or the new one.
pub fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), CliError> {
    write_file_by(path, existing, &mut |file| file.write_all(bytes))
}

fn write_file_by(
    path: &Path,
    existing: Existing,
    make: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), CliError> {
    let shown = escaped(&path.to_string_lossy());
    let failed = |error: std::io::Error| {
        CliError::new(ErrorKind::Input, format!("{shown} cannot be written")).caused_by(error)
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let beside = name_beside(path);
    let file = OpenOptions::new().write(true).create_new(true).open(&beside).map_err(failed)?;
    let permissions = std::fs::metadata(path).ok().map(|metadata| metadata.permissions());
    let mut buffered = BufWriter::new(&file);
    let written = make(&mut buffered).and_then(|()| buffered.flush());
    let written = written.and_then(|()| permissions.map_or(Ok(()), |own| file.set_permissions(own)));
    let moved = written.and_then(|()| file.sync_all()).and_then(|()| match existing {
        Existing::Replaced => std::fs::rename(&beside, path),
        // A link, unlike a move, fails where there is a file.
        Existing::Kept => std::fs::hard_link(&beside, path).and_then(|()| std::fs::remove_file(&beside)),
    });
    if let Err(error) = moved {
        // The error is told; what is beside is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            let error = CliError::new(ErrorKind::Usage, format!("{shown} is there already"));
            return Err(error.hint("--force replaces it"));
        }
        return Err(failed(error));
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn name_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_only_on_demand_and_leave_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/plan.yaml");
        write_file(&path, b"one", Existing::Kept).unwrap();
        let error = write_file(&path, b"two", Existing::Kept).unwrap_err();
        assert!(error.to_string().ends_with("is there already"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_file(&path, b"three", Existing::Replaced).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
