//! What does the work: the one place where agents are plugged in.

mod command;
mod in_process;
mod progress;
mod simulated;

pub use command::{
    AgentProgram, Amount, Budget, BudgetScope, CommandAgent, CommandAgentOptions, Counts, Ends,
    InvalidProgram, JsonRule, Ledger, Price, PromptBy, TextRule, TranscriptFile, Transcripts, Usage,
};
pub use in_process::InProcess;
pub use progress::Progress;
pub use simulated::{Simulated, SimulatedProfile, simulated_file, simulated_line, simulated_notes};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use git_ops::{CommitId, Edit, ReadError, Repository, Snapshot};
use planner_core::{Plan, Task, TaskId};
use state_store::task::{FencingToken, Handover, TaskKey};
use tokio_util::sync::CancellationToken;

use crate::process_owner::ProcessOwner;

/// Runs jobs: by a simulation, a function of this process, or a program.
pub trait AgentExecutor: Send + Sync + 'static {
    /// Works on a job and says what came of it.
    ///
    /// Where a task has no files, the future is asked for the first time on a thread that begins other attempts, too; one that
    /// keeps it busy for longer than a millisecond holds these up for that long, and is left alone then. The lease behind the
    /// job is renewed while the future is not finished. Once `job.stop` is cancelled nothing that
    /// the future returns is used any more; it should end soon. A panic counts as a failed attempt.
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;
}

/// One attempt at one task.
#[derive(Debug, Clone)]
pub struct Job {
    /// The task, for the log.
    pub key: TaskKey,
    /// The name of the project.
    pub project: String,
    /// The plan that the task is from.
    pub plan: Arc<Plan>,
    /// The groups that the task lies in, the outermost first.
    pub groups: Vec<TaskId>,
    /// The name of the agent.
    pub agent: String,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// What tells this attempt from every other.
    pub token: FencingToken,
    /// The files to begin from; `None` where the task has no files to show.
    pub base: Option<Base>,
    /// What an earlier attempt has to tell.
    pub handover: Option<Handover>,
    /// How far an earlier attempt had come, in its own words.
    pub checkpoint: Option<String>,
    /// Cancelled when the attempt is not wanted any more.
    pub stop: CancellationToken,
    /// Where it is told that the work goes on.
    pub progress: Progress,
    /// Whose the processes are that it starts.
    pub owner: ProcessOwner,
}

/// The files that an attempt begins from: a commit of the repository.
#[derive(Debug, Clone)]
pub struct Base {
    repository: Repository,
    commit: CommitId,
}

impl Base {
    pub(crate) fn new(repository: Repository, commit: CommitId) -> Self {
        Self { repository, commit }
    }

    /// Returns the commit.
    pub fn commit(&self) -> CommitId {
        self.commit
    }

    /// Returns where it is.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns its files, to be read or written to a folder.
    pub fn files(&self) -> Result<Snapshot, ReadError> {
        self.repository.snapshot(self.commit)
    }
}

impl Job {
    /// Returns what was asked.
    pub fn task(&self) -> &Task {
        &self.plan.tasks[self.key.task as usize]
    }

    /// Promises that the work will show something from time to time: within what the task says or, where it does not, within these;
    /// to begin with, as for the rest where neither says.
    pub fn promise(&self, start_max: Option<Duration>, silence_max: Duration) {
        let limits = &self.task().limits;
        let silence = limits.silence().unwrap_or(silence_max);
        self.progress.promise(limits.start().or(start_max).unwrap_or(silence), silence);
    }

    /// Returns what an agent is told: the task, where it belongs, how it is proven, and what an earlier attempt has to tell.
    pub fn briefing(&self) -> String {
        let task = self.task();
        let mut text = format!("# {}: {}\n\n", task.id, task.title);
        if !task.description.is_empty() {
            text += &format!("{}\n\n", task.description.trim_end());
        }
        if !self.groups.is_empty() {
            let groups: Vec<_> = self.groups.iter().map(ToString::to_string).collect();
            text += &format!("Part of: {}\n\n", groups.join(" / "));
        }
        if let Some(check) = &task.check {
            text += &format!("It is done when this command succeeds: {}\n\n", check.command.join(" "));
        }
        match &self.handover {
            Some(Handover::Failure(reason)) => {
                text += &format!("An earlier attempt was not accepted: {}\n\n", reason.trim_end());
            }
            Some(Handover::Conflict(conflict)) => {
                text += &format!(
                    "An earlier result did not go together with what others changed meanwhile, in: {}. You begin from \
                     the files as they are now.\n\n",
                    conflict.paths.join(", ")
                );
            }
            None => {}
        }
        if let Some(checkpoint) = &self.checkpoint {
            text += &format!(
                "An earlier attempt left word of how far it had come: {}\n\n",
                checkpoint.trim_end()
            );
        }
        text
    }

    /// Returns a key by which effects outside can be kept from happening twice: the same for every attempt at the task.
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.project, self.task().id)
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done: these changes to the files it began from.
    Done(Vec<Edit>),
    /// It failed, for this reason.
    Failed(String),
    /// It could not be made, for a reason that has nothing to do with the agent: no attempt is counted, and the coordinator
    /// winds down.
    Unable(String),
    /// It was stopped because the agent has used up what it may: no attempt is counted, and the agent is paused.
    Exhausted(String),
}
