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

/// Prints what happens until `stop` is cancelled and all is told; what happened before is not told.
pub(crate) async fn print_events(
    handle: Handle,
    store: Arc<dyn StateStore>,
    terminal: Terminal,
    stop: CancellationToken,
) -> Result<(), CliError> {
    let mut events = handle.events();
    let mut lines = Lines { history: History::begin(&*store, &StreamName::workspace())?, terminal };
    lines.catch_up(&*store, false)?;
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Ok(RecordedEvent { seq, segment, at, event }) => {
                    lines.tell(&Recorded { seq, segment, at, entry: event.to_entry() })?;
                }
                Err(RecvError::Lagged(_)) => lines.catch_up(&*store, true)?,
                Err(RecvError::Closed) => return Ok(()),
            },
            () = stop.cancelled() => return Ok(()),
        }
    }
}

struct Lines {
    history: History,
    terminal: Terminal,
}

impl Lines {
    /// Reads on in the log, and tells what is there if that is wanted.
    fn catch_up(&mut self, store: &dyn StateStore, is_told: bool) -> Result<(), CliError> {
        let known = self.history.state().seq();
        try_read(store, &StreamName::workspace(), known, |recorded| {
            if is_told {
                self.tell(&recorded)?;
            } else {
                drop(self.follow(&recorded)?);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn tell(&mut self, recorded: &Recorded) -> Result<(), CliError> {
        if recorded.seq <= self.history.state().seq() {
            return Ok(());
        }
        let line = self.follow(recorded)?;
        self.terminal.json_line(&line)
    }

    fn follow(&mut self, recorded: &Recorded) -> Result<crate::history::HistoryLine, CliError> {
        let at: Seq = recorded.seq;
        let unfit = |source| agent_coordinator::TurnError::Unfit { at, source };
        Ok(self.history.tell(recorded).map_err(unfit)?.1)
    }
}
