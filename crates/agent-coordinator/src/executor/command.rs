//! Agents that are programs: each attempt is one process in a folder of its own.
//!
//! The folder holds the files of the target branch, without any `.git`. The program reads what is asked from its standard
//! input, changes files, and ends with 0; what differs then is its result. Task text never becomes an argument.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use git_ops::DirectoryChanges;
use state_store::task::Handover;

use crate::executor::{AgentExecutor, Base, Job, Outcome};
use crate::landing::chain;
use crate::process::{self, End, ProcessLimits, Program};

/// The most that one attempt may change, in bytes.
const CHANGED_BYTES_MAX: u64 = 1 << 30;

/// Runs each job by a program.
#[derive(Debug, Clone)]
pub struct CommandAgent {
    command: Vec<String>,
    limits: ProcessLimits,
}

impl CommandAgent {
    /// Returns the executor that starts this program with these arguments; there is no shell.
    pub fn new(command: Vec<String>, limits: ProcessLimits) -> Self {
        Self { command, limits }
    }
}

impl AgentExecutor for CommandAgent {
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let agent = self.clone();
        Box::pin(async move {
            // Dropping the work kills the program and what it has started.
            tokio::select! {
                outcome = agent.work(&job) => outcome.unwrap_or_else(Outcome::Unable),
                () = job.stop.cancelled() => Outcome::Failed("stopped".to_owned()),
            }
        })
    }
}

impl CommandAgent {
    /// Returns what came of the attempt, or why it could not be made.
    async fn work(&self, job: &Job) -> Result<Outcome, String> {
        let folder = tempfile::Builder::new()
            .prefix("super-planner-agent-")
            .tempdir()
            .map_err(|error| format!("there is no folder to work in: {error}"))?;
        let hidden = match job.base.clone() {
            Some(base) => export(base, folder.path()).await?,
            None => Vec::new(),
        };
        let program = Program {
            command: &self.command,
            folder: folder.path(),
            variables: variables(job),
            input: prompt(job, &hidden).into_bytes(),
        };
        let finished = process::run(program, self.limits)
            .await
            .map_err(|error| format!("`{}` could not be started: {error}", self.command.join(" ")))?;
        match (finished.end, job.base.clone()) {
            (End::Exit(Some(0)), Some(base)) => Ok(result(changes(base, folder.path()).await)),
            (End::Exit(Some(0)), None) => Ok(Outcome::Done(Vec::new())),
            (End::Exit(Some(code)), _) => {
                Ok(Outcome::Failed(format!("the program ended with {code}\n{}", finished.output)))
            }
            (End::Exit(None), _) => {
                Ok(Outcome::Failed(format!("the program was killed\n{}", finished.output)))
            }
            (End::TimedOut, _) => {
                Ok(Outcome::Failed(format!("the program took longer than {:?}", self.limits.time)))
            }
        }
    }
}

/// Writes the files of the branch to a folder, and returns the paths of what cannot be shown there.
async fn export(base: Base, folder: &Path) -> Result<Vec<String>, String> {
    let folder = folder.to_owned();
    let exported = tokio::task::spawn_blocking(move || {
        let files = base.files().map_err(|error| chain(&error))?;
        files.export_to(&folder).map_err(|error| chain(&error))
    });
    let skipped = exported.await.map_err(|panic| panic.to_string())??.skipped;
    Ok(skipped.into_iter().map(|skipped| skipped.path).collect())
}

async fn changes(base: Base, folder: &Path) -> Result<DirectoryChanges, String> {
    let folder = folder.to_owned();
    let compared = tokio::task::spawn_blocking(move || {
        let files = base.files().map_err(|error| chain(&error))?;
        files.edits_from_dir(&folder, CHANGED_BYTES_MAX).map_err(|error| chain(&error))
    });
    compared.await.map_err(|panic| panic.to_string())?
}

/// What an agent has made counts only as a whole: a file that cannot be taken fails the attempt instead of being left out.
fn result(changes: Result<DirectoryChanges, String>) -> Outcome {
    match changes {
        Err(text) => Outcome::Failed(format!("what it made cannot be taken: {text}")),
        Ok(changes) if changes.skipped.is_empty() => Outcome::Done(changes.edits),
        Ok(changes) => {
            let paths: Vec<_> =
                changes.skipped.iter().take(10).map(|skipped| format!("{:?}", skipped.path)).collect();
            Outcome::Failed(format!(
                "what it made cannot be taken: {} paths are links, special files, or names that no repository should \
                 hold: {}",
                changes.skipped.len(),
                paths.join(", ")
            ))
        }
    }
}

fn variables(job: &Job) -> Vec<(&'static str, String)> {
    vec![
        ("SUPER_PLANNER_PROJECT", job.project.clone()),
        ("SUPER_PLANNER_TASK", job.task().id.to_string()),
        ("SUPER_PLANNER_AGENT", job.agent.clone()),
        ("SUPER_PLANNER_ATTEMPT", job.attempt.to_string()),
        ("SUPER_PLANNER_IDEMPOTENCY_KEY", job.idempotency_key()),
    ]
}

/// Returns what the program is told: the task, where it belongs, and what an earlier attempt has to tell.
fn prompt(job: &Job, hidden: &[String]) -> String {
    let task = job.task();
    let mut text = format!("# {}: {}\n\n", task.id, task.title);
    if !task.description.is_empty() {
        text += &format!("{}\n\n", task.description.trim_end());
    }
    if !job.groups.is_empty() {
        let groups: Vec<_> = job.groups.iter().map(ToString::to_string).collect();
        text += &format!("Part of: {}\n\n", groups.join(" / "));
    }
    if let Some(check) = &task.check {
        text += &format!("It is done when this command succeeds: {}\n\n", check.command.join(" "));
    }
    match &job.handover {
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
    if !hidden.is_empty() {
        text += &format!("Not shown here, and left as they are: {}\n\n", hidden.join(", "));
    }
    text + "Change the files in the current folder. End with 0 when you are done, with anything else if you failed.\n"
}
