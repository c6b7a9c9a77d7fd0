//! `compact`: what the last snapshot covers is dropped, once somebody has said that they want that.

use std::io::{self, BufRead, Write};

use serde_json::json;
use state_store::{Seq, StreamName};

use crate::cli::CompactArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::state_location::StateLocation;
use crate::terminal::{Terminal, output_error};

/// Drops the entries that the last snapshot covers.
pub fn run(args: &CompactArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let location = StateLocation::find(&args.place, config)?;
    let store = location.open_existing()?;
    let stream = StreamName::workspace();
    let covered = store.load_snapshot(&stream)?.map_or(Seq::START, |snapshot| snapshot.seq);
    let base = store.load_base(&stream)?.map_or(Seq::START, |base| base.end().head);
    if covered <= base {
        return Err(CliError::new(ErrorKind::NotFound, "there is no snapshot whose entries are still there")
            .hint("`super-planner snapshot` makes one"));
    }
    if !args.yes && !is_wanted(covered, &location)? {
        terminal.note("nothing was dropped");
        return Ok(Exit::Fine);
    }
    if store.load_snapshot(&stream)?.is_none_or(|snapshot| snapshot.seq != covered) {
        return Err(CliError::new(ErrorKind::Store, "somebody has kept a newer snapshot meanwhile")
            .hint("nothing was dropped: say it again"));
    }
    let dropped = store.compact(&stream)?;
    if args.json {
        terminal.json(&json!({ "version": 1, "dropped_until": dropped }))?;
    } else {
        terminal.line(format!("dropped the entries up to {dropped}: {location}"))?;
    }
    Ok(Exit::Fine)
}

/// Asks on the terminal. Where nobody is there to answer, the answer is no.
fn is_wanted(covered: Seq, location: &StateLocation) -> Result<bool, CliError> {
    let mut err = io::stderr().lock();
    write!(err, "{location}: drop the entries up to {covered}? They can be looked back at no more. [y/N] ")
        .and_then(|()| err.flush())
        .map_err(output_error)?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::new(ErrorKind::Input, "the answer cannot be read").caused_by(error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
