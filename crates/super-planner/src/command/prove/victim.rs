//! The process that is killed: producers that append, and tell each success only when it is durable.

use std::io::Write;
use std::sync::Arc;

use state_store::log::GroupCommit;
use state_store::{SqliteStore, StateStore, StreamName, SystemClock};

use super::production::Production;
use crate::cli::ProveCrashVictimArgs;
use crate::error::{CliError, ErrorKind, Exit};

/// Appends until it is killed.
pub(super) fn run(args: &ProveCrashVictimArgs) -> Result<Exit, CliError> {
    let store = SqliteStore::open(&args.store, Arc::new(SystemClock))
        .map_err(|error| CliError::new(ErrorKind::Store, "the store cannot be opened").caused_by(error))?;
    let store: Arc<dyn StateStore> = Arc::new(store);
    let group = GroupCommit::start(store, StreamName::workspace())
        .map_err(|error| CliError::new(ErrorKind::Internal, "no thread can be started").caused_by(error))?;
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..args.producers.get())
            .map(|producer| {
                let group = &group;
                scope.spawn(move || produce(group, args.round, producer))
            })
            .collect();
        let ended = producers.into_iter().map(|producer| producer.join().expect("producers do not panic"));
        ended.collect::<Result<(), CliError>>()
    })?;
    Ok(Exit::Fine)
}

fn produce(group: &GroupCommit, round: u32, producer: u32) -> Result<(), CliError> {
    for number in 1.. {
        let production = Production { round, producer, number };
        group
            .append(production.entries())
            .map_err(|error| CliError::new(ErrorKind::Store, "a transaction failed").caused_by(error))?;
        // One write for each, so that lines do not mix; whoever reads has them even if this is killed right after.
        let line = format!("{producer} {number}\n");
        std::io::stdout().write_all(line.as_bytes()).map_err(|error| {
            CliError::new(ErrorKind::OutputClosed, "nobody listens any more").caused_by(error)
        })?;
    }
    Ok(())
}
