//! What others hold of a coordinator: they ask, it answers once that is durable.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use state_store::task::{Accepted, ProjectKey};
use state_store::view::TaskView;
use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use crate::engine::{Command, Engine, Refusal, Request};
use crate::hindrance::Hindrance;
use crate::metrics::Metrics;
use crate::turn::RecordedEvent;

/// A handle on a coordinator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) events: broadcast::Sender<RecordedEvent>,
    pub(crate) view: Arc<TaskView>,
    pub(crate) ended: CancellationToken,
}

/// What a coordinator is told.
pub(crate) enum Input {
    /// Decide this.
    Request {
        request: Request,
        reply: Option<oneshot::Sender<Result<Accepted, CommandError>>>,
        since: Instant,
    },
    /// Let somebody look.
    Inspect(Look),
    /// Say when nothing will happen to a project any more.
    Settled { project: ProjectKey, reply: oneshot::Sender<()> },
    /// There are reports on the pile.
    Piled,
    /// An attempt's future has ended.
    AttemptEnded(crate::desk::AttemptId),
    /// Work cannot be done any more.
    Hindered(Hindrance),
    /// Come to an end.
    ShutDown(ShutDown),
}

impl Input {
    /// Returns the report of something to which no answer is needed: refused reports are of attempts that are over.
    pub(crate) fn report(command: Command) -> Self {
        Self::Request { request: command.into(), reply: None, since: Instant::now() }
    }
}

/// A look between two turns.
type Look = Box<dyn FnOnce(&Engine, &Metrics) + Send>;

/// How a coordinator comes to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutDown {
    /// Hand out nothing more and let what is under way come to its end.
    Drain,
    /// Give up what is under way; it is handed out again by the next coordinator.
    Now,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It was refused, and nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not known whether it was recorded.
    #[error("it is not known whether the command was recorded: the store failed")]
    Unknown,
    /// The coordinator has come to its end before it looked at it.
    #[error("the coordinator has stopped")]
    Stopped,
}

/// The coordinator has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator has stopped")]
pub struct Stopped;

impl Handle {
    /// Asks for something, and answers once what came of it is durable.
    ///
    /// After [`CommandError::Unknown`], the same request with the same id can be made again, of whichever coordinator of
    /// the workspace: it is carried out once, and gets the first answer.
    pub async fn submit(&self, request: impl Into<Request>) -> Result<Accepted, CommandError> {
        self.ask(request.into())?.await.unwrap_or(Err(CommandError::Stopped))
    }

    /// Asks for something, from a thread that may wait.
    pub fn submit_blocking(&self, request: impl Into<Request>) -> Result<Accepted, CommandError> {
        self.ask(request.into())?.blocking_recv().unwrap_or(Err(CommandError::Stopped))
    }

    fn ask(
        &self,
        request: Request,
    ) -> Result<oneshot::Receiver<Result<Accepted, CommandError>>, CommandError> {
        let (reply, answer) = oneshot::channel();
        let input = Input::Request { request, reply: Some(reply), since: Instant::now() };
        self.inputs.send(input).map_err(|_| CommandError::Stopped)?;
        Ok(answer)
    }

    /// Reports something to which no answer is needed.
    pub(crate) fn send(&self, command: Command) {
        self.tell(Input::report(command));
    }

    pub(crate) fn tell(&self, input: Input) {
        // A coordinator that has stopped needs to be told nothing: the next one derives it from the log.
        let _ = self.inputs.send(input);
    }

    /// Looks at the engine and at the measurements, between two turns.
    pub async fn inspect<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine, &Metrics) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (reply, answer) = oneshot::channel();
        let look = move |engine: &Engine, metrics: &Metrics| drop(reply.send(look(engine, metrics)));
        self.inputs.send(Input::Inspect(Box::new(look))).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Waits until nothing will happen to a project any more unless somebody does something.
    pub async fn settled(&self, project: ProjectKey) -> Result<(), Stopped> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(Input::Settled { project, reply }).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Waits until the coordinator has come to its end.
    pub async fn stopped(&self) {
        self.ended.cancelled().await;
    }

    /// Returns the events from now on, as they become durable. A reader that falls behind loses the oldest, and is told.
    pub fn events(&self) -> broadcast::Receiver<RecordedEvent> {
        self.events.subscribe()
    }

    /// Returns the view of single tasks.
    pub fn view(&self) -> Arc<TaskView> {
        Arc::clone(&self.view)
    }

    /// Asks the coordinator to come to an end.
    pub fn shut_down(&self, how: ShutDown) {
        self.tell(Input::ShutDown(how));
    }
}
