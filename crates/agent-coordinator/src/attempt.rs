//! One attempt from its start to its report.

use std::sync::Arc;
use std::time::Duration;

use git_ops::{BranchName, CommitError, Edit, Message, PinRequest, Pinned, Repository, Signature};
use state_store::Timestamp;
use state_store::task::{AgentKey, CommitHash, Deliverable, FailureReason};
use tokio::sync::oneshot;

use crate::engine::{Command, Pausable};
use crate::executor::{AgentExecutor, Base, Job, Outcome};
use crate::handle::{Handle, Input};
use crate::hindrance::Hindrance;
use crate::landing::{Git, chain};

/// How long an agent that was told to stop may take before it is cut off.
const STOP_GRACE: Duration = Duration::from_secs(6);

/// How often a result is to be kept before that is given up.
const PIN_TRIES: u32 = 2;

/// An attempt that has been assigned, with all that it needs.
pub(crate) struct Attempt {
    pub(crate) job: Job,
    pub(crate) agent: AgentKey,
    pub(crate) repository: Option<Repository>,
    /// Where the result is to land; `None` where there are no files to land.
    pub(crate) branch: Option<BranchName>,
    pub(crate) git: Option<Git>,
    pub(crate) author: Signature,
    pub(crate) time: Timestamp,
    pub(crate) time_max: Duration,
    pub(crate) handle: Handle,
}

/// How an attempt comes to its end.
enum Report {
    Deliver(Deliverable),
    Fail(FailureReason),
    /// It could not be made; the reason, if the coordinator does not know it yet.
    GiveUp(Option<String>),
    /// The agent may do no more.
    Exhausted(String),
    /// Nobody wants to know any more.
    Nothing,
}

impl Attempt {
    /// Lets the agent work and reports what came of it.
    pub(crate) async fn run<E: AgentExecutor>(mut self, executor: Arc<E>) {
        let (task, token) = (self.job.key, self.job.token);
        self.handle.send(Command::Start { task, token });
        let report = match self.begin_from().await {
            Ok(()) => self.work(executor).await,
            Err(text) => Report::GiveUp(Some(text)),
        };
        match report {
            Report::Deliver(deliverable) => {
                self.handle.send(Command::Deliver { task, token, agent: self.agent, deliverable });
            }
            Report::Fail(reason) => self.handle.send(Command::Fail { task, token, reason }),
            Report::GiveUp(reason) => {
                if let Some(reason) = reason {
                    let what = "attempts cannot be made".to_owned();
                    self.handle.tell(Input::Hindered(Hindrance { what, reason }));
                }
                self.handle.send(Command::GiveUp { task, token });
            }
            Report::Exhausted(reason) => {
                tracing::warn!(agent = %self.job.agent, %reason, "the agent is paused");
                self.handle.send(Command::Pause(Pausable::Agent(self.agent)));
                self.handle.send(Command::GiveUp { task, token });
            }
            Report::Nothing => {}
        }
        self.handle.tell(Input::AttemptEnded((task, token)));
    }

    /// Finds the files to begin from: the tip of the target branch as it is now.
    async fn begin_from(&mut self) -> Result<(), String> {
        let (Some(repository), Some(branch)) = (self.repository.clone(), self.branch.clone()) else {
            return Ok(());
        };
        let found = tokio::task::spawn_blocking(move || {
            let tip = repository.tip(&branch).map_err(|error| chain(&error))?;
            let tip = tip.ok_or_else(|| format!("there is no branch {branch}"))?;
            Ok::<_, String>(Base::new(repository, tip))
        });
        self.job.base = Some(found.await.map_err(|panic| panic.to_string())??);
        Ok(())
    }

    async fn work<E: AgentExecutor>(&self, executor: Arc<E>) -> Report {
        let job = self.job.clone();
        // A task of its own, so that a panic of the agent ends the attempt and nothing else.
        let mut working = tokio::spawn(async move { executor.execute(job).await });
        let outcome = tokio::select! {
            () = self.job.stop.cancelled() => None,
            outcome = tokio::time::timeout(self.time_max, &mut working) => Some(outcome),
        };
        if matches!(outcome, None | Some(Err(_))) {
            // The agent is told to stop, where it was not before, and may put its things in order.
            self.job.stop.cancel();
            let _ = tokio::time::timeout(STOP_GRACE, &mut working).await;
        }
        working.abort();
        match outcome {
            None => Report::Nothing,
            Some(Err(_)) => Report::Fail(FailureReason::Timeout),
            Some(Ok(Err(panic))) => Report::Fail(FailureReason::Agent(panic.to_string())),
            Some(Ok(Ok(Outcome::Failed(text)))) => Report::Fail(FailureReason::Agent(text)),
            Some(Ok(Ok(Outcome::Exhausted(text)))) => Report::Exhausted(text),
            Some(Ok(Ok(Outcome::Unable(text)))) => Report::GiveUp(Some(text)),
            Some(Ok(Ok(Outcome::Done(edits)))) => self.deliver(edits).await,
        }
    }

    /// Has the files of a result kept, before anybody hears of it.
    async fn deliver(&self, edits: Vec<Edit>) -> Report {
        let Some(base) = &self.job.base else { return Report::Deliver(Deliverable::NoFiles) };
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
            author: self.author.clone(),
            time: self.time.as_seconds(),
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
        let git = self.git.as_ref()?;
        let mut failed = String::new();
        // After a failed batch the queue goes on with a new writer, and what it was about to write can be written again.
        for _ in 0..PIN_TRIES {
            let (reply, answer) = oneshot::channel();
            let (queue, request) = (git.queue.clone(), request.clone());
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
