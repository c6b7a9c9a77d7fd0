//! Agents that are programs: each attempt is one process in a folder of its own.
//!
//! The folder holds the files of the target branch, without any `.git`; it is lent by a pool and used again. A task of the plan
//! can name in a field `paths` which files it needs. The program reads what is asked from its standard input, changes files,
//! and ends with 0; what differs then is its result. Task text never becomes an argument.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use git_ops::{DirectoryChanges, PathPattern, Worktree, WorktreeError, WorktreePool};
use serde_json::Value;

use crate::executor::{AgentExecutor, Job, Outcome};
use crate::landing::chain;
use crate::lending;
use crate::process::{self, End, ProcessLimits, Program};

/// The most that one attempt may change, in bytes.
const CHANGED_BYTES_MAX: u64 = 1 << 30;

/// How often it is looked how much room an attempt takes.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Runs each job by a program.
#[derive(Debug, Clone)]
pub struct CommandAgent {
    command: Vec<String>,
    limits: ProcessLimits,
    worktrees: WorktreePool,
}

impl CommandAgent {
    /// Returns the executor that starts this program with these arguments, in folders of the pool; there is no shell.
    pub fn new(command: Vec<String>, limits: ProcessLimits, worktrees: WorktreePool) -> Self {
        Self { command, limits, worktrees }
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
        let paths = match paths(job) {
            Ok(paths) => paths,
            Err(text) => return Ok(Outcome::Failed(text)),
        };
        let worktree = Arc::new(self.lend(job, paths).await?);
        let program = Program {
            command: &self.command,
            folder: worktree.path(),
            variables: variables(job, &worktree),
            input: prompt(job, &worktree).into_bytes(),
        };
        let finished = tokio::select! {
            finished = process::run(program, self.limits) => finished,
            text = too_large(&worktree) => return Ok(Outcome::Failed(text)),
        };
        let finished = finished
            .map_err(|error| format!("`{}` could not be started: {error}", self.command.join(" ")))?;
        Ok(match finished.end {
            End::Exit(Some(0)) => result(changes(worktree).await),
            End::Exit(Some(code)) => {
                Outcome::Failed(format!("the program ended with {code}\n{}", finished.output))
            }
            End::Exit(None) => Outcome::Failed(format!("the program was killed\n{}", finished.output)),
            End::TimedOut => Outcome::Failed(format!("the program took longer than {:?}", self.limits.time)),
        })
    }

    /// Returns a folder with the files of the branch that the task needs.
    async fn lend(&self, job: &Job, paths: Vec<PathPattern>) -> Result<Worktree, String> {
        let base = job.base.clone();
        let lent = lending::lend(&self.worktrees, move |pool| match &base {
            Some(base) => pool.lend(base.repository(), base.commit(), &paths),
            None => pool.lend_empty(),
        });
        lent.await.map_err(|reason| format!("there is no folder to work in: {reason}"))
    }
}

/// Returns which files a task needs, where it says so.
fn paths(job: &Job) -> Result<Vec<PathPattern>, String> {
    let Some(named) = job.task().extra.get("paths") else { return Ok(Vec::new()) };
    let patterns = named.as_array().map(Vec::as_slice).unwrap_or_default();
    if patterns.is_empty() {
        return Err("`paths` of the task is no list of patterns such as \"src/**\"".to_owned());
    }
    let pattern = |value: &Value| value.as_str().unwrap_or_default().parse::<PathPattern>();
    patterns
        .iter()
        .map(|value| pattern(value).map_err(|error| format!("`paths` of the task: {error}")))
        .collect()
}

/// Waits until the folder holds more than it may, and says so.
async fn too_large(worktree: &Arc<Worktree>) -> String {
    let mut moments = tokio::time::interval(MEASURE_EVERY);
    moments.tick().await;
    loop {
        moments.tick().await;
        let worktree = Arc::clone(worktree);
        let measured = tokio::task::spawn_blocking(move || worktree.measure());
        // What cannot be measured, because files come and go, is measured the next time.
        if let Ok(Err(error @ WorktreeError::Full { .. })) = measured.await {
            return format!("it was stopped: {error}");
        }
    }
}

async fn changes(worktree: Arc<Worktree>) -> Result<DirectoryChanges, String> {
    let compared = tokio::task::spawn_blocking(move || worktree.changes(CHANGED_BYTES_MAX));
    compared.await.map_err(|panic| panic.to_string())?.map_err(|error| chain(&error))
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

fn variables(job: &Job, worktree: &Worktree) -> Vec<(&'static str, String)> {
    let above = worktree.path().parent().map(|folder| folder.to_string_lossy().into_owned());
    vec![
        // Git is not to find a repository that the folder happens to lie in.
        ("GIT_CEILING_DIRECTORIES", above.unwrap_or_default()),
        ("SUPER_PLANNER_PROJECT", job.project.clone()),
        ("SUPER_PLANNER_TASK", job.task().id.to_string()),
        ("SUPER_PLANNER_AGENT", job.agent.clone()),
        ("SUPER_PLANNER_ATTEMPT", job.attempt.to_string()),
        ("SUPER_PLANNER_IDEMPOTENCY_KEY", job.idempotency_key()),
    ]
}

/// Returns what the program is told: what every agent is, and what it does not see.
fn prompt(job: &Job, worktree: &Worktree) -> String {
    let mut text = job.briefing();
    let hidden: Vec<&str> = worktree.skipped().iter().map(|skipped| &*skipped.path).collect();
    if !hidden.is_empty() {
        text += &format!("Not shown here, and left as they are: {}\n\n", hidden.join(", "));
    }
    text + "Change the files in the current folder. End with 0 when you are done, with anything else if you failed.\n"
}
