//! One attempt from its start to its report.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use git_ops::{
    BranchName, CommitError, CommitQueue, Edit, Message, PinRequest, Pinned, Repository, Signature,
};
use state_store::Timestamp;
use state_store::task::{AgentKey, CommitHash, Deliverable, FailureReason};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::desk::AttemptId;
use crate::engine::{Command, Pausable};
use crate::executor::{AgentExecutor, Base, Job, Outcome};
use crate::handle::{Handle, Input};
use crate::hindrance::Hindrance;
use crate::landing::chain;

/// How long an agent that was told to stop may take before it is cut off.
const STOP_GRACE: Duration = Duration::from_secs(6);

/// How often a result is to be kept before that is given up.
const PIN_TRIES: u32 = 2;

/// An agent at work.
type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// An attempt that has been assigned, with all that it needs.
pub(crate) struct Attempt {
    pub(crate) job: Job,
    pub(crate) frame: Frame,
    /// `None` where there are no files to land.
    pub(crate) files: Option<Box<Files>>,
}

/// What holds for an attempt whatever is done in it.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) id: AttemptId,
    pub(crate) agent: AgentKey,
    pub(crate) stop: CancellationToken,
    pub(crate) time_max: Duration,
}

/// What an attempt's files come from and go to.
pub(crate) struct Files {
    pub(crate) repository: Repository,
    /// Where the result is to land.
    pub(crate) branch: BranchName,
    pub(crate) queue: CommitQueue,
    pub(crate) author: Signature,
    pub(crate) time: Timestamp,
}

/// How far an agent comes without waiting for anything.
pub(crate) enum FirstStep {
    /// To its end.
    Over(Outcome),
    /// It waits, and is to be asked again.
    Waiting(Work),
}

/// How an attempt comes to its end.
pub(crate) enum Report {
    Deliver(Deliverable),
    Fail(FailureReason),
    /// It could not be made; the reason, if the coordinator does not know it yet.
    GiveUp(Option<String>),
    /// The agent may do no more.
    Exhausted(String),
    /// Nobody wants to know any more.
    Nothing,
}

impl Report {
    /// Returns what comes of an outcome where there are no files.
    pub(crate) fn without_files(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done(_) => Self::Deliver(Deliverable::NoFiles),
            Outcome::Failed(text) => Self::Fail(FailureReason::Agent(text)),
            Outcome::Exhausted(text) => Self::Exhausted(text),
            Outcome::Unable(text) => Self::GiveUp(Some(text)),
        }
    }
}

impl Frame {
    /// Returns the word that the agent begins.
    pub(crate) fn start(&self) -> Input {
        let (task, token) = self.id;
        Input::report(Command::Start { task, token })
    }

    /// Tells how the attempt has come to its end.
    pub(crate) fn tell(&self, report: Report, tell: &mut dyn FnMut(Input)) {
        let (task, token) = self.id;
        match report {
            Report::Deliver(deliverable) => {
                tell(Input::report(Command::Deliver { task, token, agent: self.agent, deliverable }));
            }
            Report::Fail(reason) => tell(Input::report(Command::Fail { task, token, reason })),
            Report::GiveUp(reason) => {
                if let Some(reason) = reason {
                    let what = "attempts cannot be made".to_owned();
                    tell(Input::Hindered(Hindrance { what, reason }));
                }
                tell(Input::report(Command::GiveUp { task, token }));
            }
            Report::Exhausted(reason) => {
                tracing::warn!(agent = %self.agent, %reason, "the agent is paused");
                tell(Input::report(Command::Pause(Pausable::Agent(self.agent))));
                tell(Input::report(Command::GiveUp { task, token }));
            }
            Report::Nothing => {}
        }
        tell(Input::AttemptEnded(self.id));
    }

    /// Lets an agent go on that waits for something, and reports what came of it.
    pub(crate) async fn go_on(self, work: Work, handle: Handle) {
        let report = match self.outcome_of(work).await {
            Ok(outcome) => Report::without_files(outcome),
            Err(report) => report,
        };
        self.tell(report, &mut |input| handle.tell(input));
    }

    /// Returns what comes of the work, within the limits of the attempt.
    async fn outcome_of(&self, work: Work) -> Result<Outcome, Report> {
        // A task of its own, so that a panic of the agent ends the attempt and nothing else.
        let mut working = tokio::spawn(work);
        let outcome = tokio::select! {
            () = self.stop.cancelled() => None,
            outcome = tokio::time::timeout(self.time_max, &mut working) => Some(outcome),
        };
        if matches!(outcome, None | Some(Err(_))) {
            // The agent is told to stop, where it was not before, and may put its things in order.
            self.stop.cancel();
            let _ = tokio::time::timeout(STOP_GRACE, &mut working).await;
        }
        working.abort();
        match outcome {
            None => Err(Report::Nothing),
            Some(Err(_)) => Err(Report::Fail(FailureReason::Timeout)),
            Some(Ok(Ok(outcome))) => Ok(outcome),
            Some(Ok(Err(ended))) => {
                let text =
                    ended.try_into_panic().map_or_else(|ended| ended.to_string(), |panic| told(&*panic));
                Err(Report::Fail(FailureReason::Agent(text)))
            }
        }
    }
}

/// Returns how far the agent comes with a job without waiting for anything. A panic counts as a failure.
pub(crate) fn first_step<E: AgentExecutor>(executor: &E, job: Job) -> FirstStep {
    let step = AssertUnwindSafe(|| {
        let mut work = executor.execute(job);
        // Who waits is asked again at once by a task of its own, and woken by that.
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => FirstStep::Over(outcome),
            Poll::Pending => FirstStep::Waiting(work),
        }
    });
    catch_unwind(step).unwrap_or_else(|panic| FirstStep::Over(Outcome::Failed(told(&*panic))))
}

/// Returns a panic in words.
fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.map_or_else(|| "it panicked".to_owned(), |text| format!("it panicked: {text}"))
}

/// An attempt at a task with files.
pub(crate) struct AttemptWithFiles {
    job: Job,
    frame: Frame,
    files: Box<Files>,
    handle: Handle,
}

impl AttemptWithFiles {
    pub(crate) fn new(job: Job, frame: Frame, files: Box<Files>, handle: Handle) -> Self {
        Self { job, frame, files, handle }
    }

    /// Lets the agent work and reports what came of it.
    pub(crate) async fn run<E: AgentExecutor>(mut self, executor: Arc<E>) {
        self.handle.tell(self.frame.start());
        let report = match self.begin_from().await {
            Ok(base) => self.work(executor, base).await,
            Err(text) => Report::GiveUp(Some(text)),
        };
        self.frame.tell(report, &mut |input| self.handle.tell(input));
    }

    /// Finds the files to begin from: the tip of the target branch as it is now.
    async fn begin_from(&mut self) -> Result<Base, String> {
        let (repository, branch) = (self.files.repository.clone(), self.files.branch.clone());
        let found = tokio::task::spawn_blocking(move || {
            let tip = repository.tip(&branch).map_err(|error| chain(&error))?;
            let tip = tip.ok_or_else(|| format!("there is no branch {branch}"))?;
            Ok::<_, String>(Base::new(repository, tip))
        });
        let base = found.await.map_err(|panic| panic.to_string())??;
        self.job.base = Some(base.clone());
        Ok(base)
    }

    async fn work<E: AgentExecutor>(&self, executor: Arc<E>, base: Base) -> Report {
        let job = self.job.clone();
        match self.frame.outcome_of(Box::pin(async move { executor.execute(job).await })).await {
            Ok(Outcome::Done(edits)) => self.deliver(edits, &base).await,
            Ok(outcome) => Report::without_files(outcome),
            Err(report) => report,
        }
    }

    /// Has the files of a result kept, before anybody hears of it.
    async fn deliver(&self, edits: Vec<Edit>, base: &Base) -> Report {
        if edits.is_empty() {
            return Report::Deliver(Deliverable::Unchanged);
        }
        let task = self.job.task();
        let request = PinRequest {
            base: base.commit(),
            edits,
            message: Message {
                subject: format!("{}: {}", task.id, task.title),
                body: String::new(),
                trailers: vec![
                    ("Task".to_owned(), task.id.to_string()),
                    ("Agent".to_owned(), self.job.agent.clone()),
                    ("Attempt".to_owned(), self.job.attempt.to_string()),
                ],
            },
            author: self.files.author.clone(),
            time: self.files.time.as_seconds(),
        };
        match self.pin(request).await {
            // Whoever could not keep it has told the coordinator.
            None => Report::GiveUp(None),
            Some(Err(text)) => Report::Fail(FailureReason::Unusable(text)),
            Some(Ok(pinned)) if pinned.is_empty => Report::Deliver(Deliverable::Unchanged),
            Some(Ok(pinned)) => Report::Deliver(Deliverable::Commit {
                result: CommitHash(*pinned.commit.as_bytes()),
                base: CommitHash(*pinned.base.as_bytes()),
            }),
        }
    }

    /// Has a result kept; `None` where that is not possible, whatever the result.
    async fn pin(&self, request: PinRequest) -> Option<Result<Pinned, String>> {
        let mut failed = String::new();
        // After a failed batch the queue goes on with a new writer, and what it was about to write can be written again.
        for _ in 0..PIN_TRIES {
            let (reply, answer) = oneshot::channel();
            let (queue, request) = (self.files.queue.clone(), request.clone());
            // Contents are named and compressed here, which is not for a thread of the runtime.
            tokio::task::spawn_blocking(move || {
                // The attempt may have been stopped meanwhile; then nobody wants to know.
                queue.pin_then(request, move |answer| drop(reply.send(answer)));
            });
            match answer.await.ok()? {
                Ok(pinned) => return Some(Ok(pinned)),
                Err(CommitError::Edit(error)) => return Some(Err(error.to_string())),
                Err(error) => failed = chain(&error),
            }
        }
        let what = "results cannot be kept".to_owned();
        self.handle.tell(Input::Hindered(Hindrance { what, reason: failed }));
        None
    }
}
