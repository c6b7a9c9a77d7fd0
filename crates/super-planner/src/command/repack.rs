//! `repack`: similar objects of a repository are stored as what differs.

use std::path::Path;

use git_ops::Repository;
use serde_json::json;

use crate::cli::RepackArgs;
use crate::error::{CliError, ErrorKind, Exit};
use crate::terminal::{DIM, GOOD, Terminal};

/// Packs a repository anew.
pub fn run(args: &RepackArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let repository = Repository::open(args.repo.as_deref().unwrap_or(Path::new(".")))?;
    let repacked = repository.repack().map_err(|error| {
        CliError::new(ErrorKind::Repository, "the repository was left as it is").caused_by(error)
    })?;
    if args.json {
        terminal.json(&json!({
            "version": 1,
            "packs": repacked.packs,
            "objects": repacked.objects,
            "bytes_before": repacked.bytes_before,
            "bytes_after": repacked.bytes_after,
        }))?;
        return Ok(Exit::Fine);
    }
    if repacked.packs == 0 {
        terminal.note(format!("{DIM}nothing to do: nothing was packed in haste{DIM:#}"));
        return Ok(Exit::Fine);
    }
    let (packs, objects) = (repacked.packs, repacked.objects);
    let [before, after] = [repacked.bytes_before, repacked.bytes_after].map(|bytes| bytes / 1024);
    terminal.line(format_args!(
        "{GOOD}packed{GOOD:#} {objects} objects of {packs} packs: {before} KiB became {after} KiB"
    ))?;
    Ok(Exit::Fine)
}
