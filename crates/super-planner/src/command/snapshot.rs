//! `snapshot`: what the log comes to is kept, and the tables for people are brought up to date.

use serde_json::json;
use state_store::log::SnapshotError;
use state_store::tables::{self, TablesError};
use state_store::task::{State, snapshot};
use state_store::{Seq, StreamName};

use crate::cli::SnapshotArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::state_location::StateLocation;
use crate::terminal::{DIM, Terminal};

/// Keeps a snapshot of the end of the log.
pub fn run(args: &SnapshotArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let location = StateLocation::find(&args.place, config)?;
    let store = location.open_existing()?;
    let stream = StreamName::workspace();
    let state = State::load(&*store, &stream)?.state;
    // First, because they go on from the snapshot that is replaced. Where that fails, the snapshot is kept all the same.
    let tables = tables::bring_up(&*store);
    if state.seq() > Seq::START {
        snapshot::keep(&*store, &stream, &state).map_err(|error| match error {
            SnapshotError::Store(error) => error.into(),
            SnapshotError::NoBoundary { .. } => {
                CliError::new(ErrorKind::Store, "the snapshot cannot be kept").caused_by(error)
            }
        })?;
    }
    let tables = tables.map_err(|error| match error {
        TablesError::Replay(error) => CliError::from(error),
        TablesError::Store(error) => error.into(),
    })?;
    if args.json {
        terminal.json(&json!({ "version": 1, "snapshot": state.seq(), "tables": tables }))?;
    } else {
        terminal.line(format!("snapshot of entry {}  {DIM}{location}{DIM:#}", state.seq()))?;
        if let Some(seq) = tables {
            terminal.line(format!("tables as of entry {seq}: tasks, leases, agents, history"))?;
        }
    }
    Ok(Exit::Fine)
}
