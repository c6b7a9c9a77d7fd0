//! Every event of a run as a line of JSON, printed once it is durable: for programs that look on.

use std::ops::ControlFlow;
use std::sync::Arc;

use agent_coordinator::{Handle, RecordedEvent};
use state_store::log::try_read;
use state_store::{Recorded, Seq, StateStore, StreamName};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::error::CliError;
use crate::history::History;
use crate::terminal::Terminal;

/// Prints what happens after the entry `after` of the log, until `stop` is cancelled and all is told.
pub(crate) async fn print_events(
    handle: Handle,
    store: Arc<dyn StateStore>,
    after: Seq,
    terminal: Terminal,
    stop: CancellationToken,
) -> Result<(), CliError> {
    let mut events = handle.events();
    let mut lines = Lines { history: History::begin(&*store, &StreamName::workspace())?, after, terminal };
    lines.catch_up(&*store)?;
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Ok(RecordedEvent { seq, segment, at, event }) => {
                    lines.tell(&Recorded { seq, segment, at, entry: event.to_entry() })?;
                }
                Err(RecvError::Lagged(_)) => lines.catch_up(&*store)?,
                Err(RecvError::Closed) => return Ok(()),
            },
            () = stop.cancelled() => return Ok(()),
        }
    }
}

struct Lines {
    history: History,
    /// What comes up to this entry is not told.
    after: Seq,
    terminal: Terminal,
}

impl Lines {
    /// Reads on in the log, and tells what is there.
    fn catch_up(&mut self, store: &dyn StateStore) -> Result<(), CliError> {
        let known = self.history.state().seq();
        try_read(store, &StreamName::workspace(), known, |recorded| {
            self.tell(&recorded)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    fn tell(&mut self, recorded: &Recorded) -> Result<(), CliError> {
        if recorded.seq <= self.history.state().seq() {
            return Ok(());
        }
        let unfit = |source| agent_coordinator::TurnError::Unfit { at: recorded.seq, source };
        let (_, line) = self.history.tell(recorded).map_err(unfit)?;
        if recorded.seq <= self.after {
            return Ok(());
        }
        self.terminal.json_line(&line)
    }
}
