//! `export`: the whole history as lines of JSON.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use state_store::log::{Archived, ExportError, export};
use state_store::{Recorded, StateStore, StreamName};

use crate::cli::ExportArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::history::History;
use crate::state_location::StateLocation;
use crate::terminal::{Terminal, output_error};

/// Writes the history to a new file, or to the standard output.
pub fn run(args: &ExportArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let location = StateLocation::find(&args.place, config)?;
    let store = location.open_existing()?;
    check_stream(&*store, args.stream.as_ref())?;
    match &args.out {
        Some(path) => {
            let streams = to_file(&*store, args.stream.as_ref(), path)?;
            terminal.note(told(&streams, "exported", &location));
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&*store, args.stream.as_ref(), &mut out).map_err(|error| match error {
                ExportError::Store(error) => error.into(),
                ExportError::Write(error) => output_error(error),
            })?;
        }
    }
    Ok(Exit::Fine)
}

/// Returns how much was copied, in one line.
pub(super) fn told(streams: &[Archived], done: &str, location: &StateLocation) -> String {
    let entries: u64 = streams.iter().map(|archived| archived.end.head.get()).sum();
    let of = if streams.len() == 1 { "stream" } else { "streams" };
    format!("{done} {entries} entries of {} {of}: {location}", streams.len())
}

fn check_stream(store: &dyn StateStore, stream: Option<&StreamName>) -> Result<(), CliError> {
    let Some(stream) = stream else { return Ok(()) };
    let streams = store.streams()?;
    if streams.contains(stream) {
        return Ok(());
    }
    let names: Vec<_> = streams.iter().map(|stream| format!("`{stream}`")).collect();
    Err(CliError::new(ErrorKind::NotFound, format!("there is no stream `{stream}`"))
        .hint(format!("there are {}", names.join(", "))))
}

/// Writes a file that is there only once it is whole and on the disk.
fn to_file(
    store: &dyn StateStore,
    stream: Option<&StreamName>,
    path: &Path,
) -> Result<Vec<Archived>, CliError> {
    let failed = |error: io::Error| {
        let message = format!("`{}` cannot be written", escaped(&path.to_string_lossy()));
        CliError::new(ErrorKind::Input, message).caused_by(error)
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut out = BufWriter::new(file.as_file_mut());
    let streams = write(store, stream, &mut out).map_err(|error| match error {
        ExportError::Store(error) => error.into(),
        ExportError::Write(error) => failed(error),
    })?;
    drop(out);
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    // Its name is on the disk only when the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(streams)
}

/// Writes the streams; beside each event of the workspace goes what `log` says of it.
fn write(
    store: &dyn StateStore,
    stream: Option<&StreamName>,
    out: &mut dyn Write,
) -> Result<Vec<Archived>, ExportError> {
    let workspace = StreamName::workspace();
    // What follows an event that does not fit cannot be told.
    let mut history = History::begin(store, &workspace).ok();
    let mut says = |stream: &StreamName, recorded: &Recorded| {
        let told = history.as_mut().filter(|_| *stream == workspace)?.tell(recorded);
        match told {
            Ok((_, line)) => Some(line.brief()),
            Err(_) => {
                history = None;
                None
            }
        }
    };
    export(store, stream, out, &mut says)
}
