//! Agents that are programs: each attempt is one process in a folder of its own.
//!
//! The folder holds the files of the target branch, without any `.git` or with one of its own that is thrown away; it is lent by
//! a pool and used again. A task of the plan can name in a field `paths` which files it needs. The program is told what to do, changes files, and ends with 0; what
//! differs then is its result. What it prints is kept, and read for what it has used up; a budget that is spent stops it.

mod agent_program;
mod budget;
mod output_rule;
mod transcript;
mod usage;
mod watcher;

pub use agent_program::{AgentProgram, InvalidProgram, Price, PromptBy};
pub use budget::{Amount, Budget, BudgetScope, Ledger};
pub use output_rule::{Counts, Ends, JsonRule, TextRule};
pub use transcript::{TranscriptFile, Transcripts};
pub use usage::Usage;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use git_ops::{DirectoryChanges, PathPattern, Worktree, WorktreeError, WorktreePool};
use serde_json::Value;
use state_store::SystemClock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::executor::{AgentExecutor, Job, Outcome};
use crate::landing::chain;
use crate::lending;
use crate::process::{self, End, Finished, ProcessLimits, Program};

use budget::{Spender, Spent};
use watcher::{Watched, Watcher};

/// The most that one attempt may change, in bytes.
const CHANGED_BYTES_MAX: u64 = 1 << 30;

/// How often it is looked how much room an attempt takes.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// How long a program may go on after it has said that it has ended; some never come to their end.
const EXIT_GRACE: Duration = Duration::from_secs(5);

/// How many pieces of output wait to be looked at, before the program has to wait.
const CHUNKS_WAITING_MAX: usize = 64;

/// Runs each job by a program. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CommandAgent(Arc<CommandAgentOptions>);

/// What runs, and within which bounds.
#[derive(Debug)]
pub struct CommandAgentOptions {
    /// The program.
    pub program: AgentProgram,
    /// How long an attempt may take, where its task does not say, and how much of the end of its output is told where it fails.
    pub limits: ProcessLimits,
    /// How long it may take until it prints anything, where its task does not say; as below where this does not either.
    pub start_max: Option<Duration>,
    /// For how long it may print nothing, where its task does not say, before its lease is not renewed any more; it can renew it
    /// itself.
    pub silence_max: Duration,
    /// Where it works.
    pub worktrees: WorktreePool,
    /// Where what it prints is kept, if it is.
    pub transcripts: Option<Transcripts>,
    /// What is used up, and may be.
    pub ledger: Arc<Ledger>,
}

impl CommandAgent {
    /// Returns the executor that starts a program for each job.
    pub fn new(options: CommandAgentOptions) -> Self {
        Self(Arc::new(options))
    }

    /// Returns what its attempts have used up.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }
}

impl AgentExecutor for CommandAgent {
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let agent = self.clone();
        Box::pin(async move {
            // To start a program takes long enough to be worth a task of its own, so that several are started at once.
            tokio::task::yield_now().await;
            // Once it is to stop, the program is asked to end; dropping the work kills it and what it has started.
            agent.work(&job).await.unwrap_or_else(Outcome::Unable)
        })
    }
}

/// What comes of an attempt that nobody wants any more.
fn stopped() -> Outcome {
    Outcome::Failed("stopped".to_owned())
}

/// How the work of a program came to its end.
enum Worked {
    /// It ended by itself, or its time was over.
    Finished(Finished),
    /// It said that it had ended, and did not.
    Lingered,
    /// A budget is spent.
    Spent,
    /// It took too much room.
    TooLarge(String),
    /// Nobody wants to know any more.
    Stopped,
}

impl CommandAgent {
    /// Returns what came of the attempt, or why it could not be made.
    async fn work(&self, job: &Job) -> Result<Outcome, String> {
        if job.stop.is_cancelled() {
            return Ok(stopped());
        }
        let spender = spender(job);
        if let Some(spent) = self.0.ledger.spent_for(&spender) {
            return Ok(stopped_by(spent));
        }
        let paths = match paths(job) {
            Ok(paths) => paths,
            Err(text) => return Ok(Outcome::Failed(text)),
        };
        let worktree = Arc::new(self.lend(job, paths).await?);
        let prompt = prompt(job, &worktree);
        let file = PromptFile::beside(&worktree);
        let command = match self.0.program.command(&prompt, &file.0, worktree.path()) {
            Ok(command) => command,
            Err(text) => return Ok(Outcome::Failed(text)),
        };
        if self.0.program.prompt == PromptBy::File {
            std::fs::write(&file.0, &prompt)
                .map_err(|error| format!("{} cannot be written: {error}", file.0.display()))?;
        }
        let input = if self.0.program.prompt == PromptBy::Stdin { prompt.into_bytes() } else { Vec::new() };
        let program = Program {
            command: &command,
            folder: worktree.path(),
            variables: self.variables(job, &worktree),
            input,
        };
        // Lending a folder takes its time.
        if job.stop.is_cancelled() {
            return Ok(stopped());
        }
        let (worked, watched) = self.watch(program, spender, job, &worktree).await?;
        if let Some(spent) = watched.spent {
            return Ok(stopped_by(spent));
        }
        Ok(match worked {
            Worked::TooLarge(text) => Outcome::Failed(text),
            Worked::Stopped | Worked::Finished(Finished { end: End::Stopped, .. }) => stopped(),
            Worked::Finished(Finished { end: End::TimedOut, .. }) => {
                Outcome::Failed(format!("the program took longer than {:?}", self.limits(job).time))
            }
            Worked::Finished(Finished { end: End::Exit(None), output }) => {
                Outcome::Failed(format!("the program was killed\n{}", watched.text.unwrap_or(output)))
            }
            Worked::Finished(Finished { end: End::Exit(Some(0)), output }) => match watched.ends {
                Some(Ends::Failed) => said_to_have_failed(watched.text),
                None if self.0.program.tells_its_end() => {
                    Outcome::Failed(format!("the program ended without saying that it is done\n{output}"))
                }
                Some(Ends::Done) | None => result(changes(worktree).await),
            },
            Worked::Finished(Finished { end: End::Exit(Some(code)), output }) => {
                Outcome::Failed(format!("the program ended with {code}\n{}", watched.text.unwrap_or(output)))
            }
            Worked::Lingered => match watched.ends {
                Some(Ends::Failed) => said_to_have_failed(watched.text),
                Some(Ends::Done) | None => result(changes(worktree).await),
            },
            // It has told its budget, which was looked at first.
            Worked::Spent => Outcome::Failed("a budget is spent".to_owned()),
        })
    }

    /// Runs the program and watches what it prints. When this returns, it has ended.
    async fn watch(
        &self,
        program: Program<'_>,
        spender: Spender,
        job: &Job,
        worktree: &Arc<Worktree>,
    ) -> Result<(Worked, Watched), String> {
        let (output, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
        let (has_ended, is_spent) = (CancellationToken::new(), CancellationToken::new());
        let transcript = self.0.transcripts.as_ref();
        let watcher = Watcher {
            options: Arc::clone(&self.0),
            transcript: transcript.map(|all| all.of_attempt(&spender.project, &spender.task, spender.token)),
            spender,
            clock: Arc::new(SystemClock),
            progress: job.progress.clone(),
            has_ended: has_ended.clone(),
            is_spent: is_spent.clone(),
        };
        let watching = AbortOnDropHandle::new(tokio::spawn(watcher.watch(chunks)));
        job.promise(self.0.start_max, self.0.silence_max);
        let lingered = async {
            has_ended.cancelled().await;
            tokio::time::sleep(EXIT_GRACE).await;
        };
        let (mut ended_by, limits) = (None, self.limits(job));
        let stop = async {
            let (worked, grace) = tokio::select! {
                () = lingered => (Worked::Lingered, limits.grace),
                () = is_spent.cancelled() => (Worked::Spent, limits.grace),
                // It would go on taking room.
                text = too_large(worktree) => (Worked::TooLarge(text), Duration::ZERO),
                () = job.stop.cancelled() => (Worked::Stopped, limits.grace),
            };
            ended_by = Some(worked);
            grace
        };
        // When this is over, the program is gone, and so is the sender of its output.
        let finished = process::run(program, limits, Some(output), stop).await;
        let name = &self.0.program.program;
        let finished = finished.map_err(|error| format!("`{name}` could not be started: {error}"))?;
        let worked = ended_by.unwrap_or(Worked::Finished(finished));
        let watched = watching.await.map_err(|panic| panic.to_string())?;
        Ok((worked, watched))
    }

    /// Returns what the program may use; of the time, what the task says goes first.
    fn limits(&self, job: &Job) -> ProcessLimits {
        ProcessLimits { time: job.task().limits.attempt().unwrap_or(self.0.limits.time), ..self.0.limits }
    }

    /// Returns a folder with the files of the branch that the task needs.
    async fn lend(&self, job: &Job, paths: Vec<PathPattern>) -> Result<Worktree, String> {
        let (base, has_git) = (job.base.clone(), self.0.program.git);
        let lent = lending::lend(&self.0.worktrees, move |pool| {
            let worktree = match &base {
                Some(base) => pool.lend(base.repository(), base.commit(), &paths)?,
                None => pool.lend_empty()?,
            };
            if has_git {
                worktree.make_git()?;
            }
            Ok(worktree)
        });
        lent.await.map_err(|reason| format!("there is no folder to work in: {reason}"))
    }

    fn variables(&self, job: &Job, worktree: &Worktree) -> Vec<(String, String)> {
        let above = worktree.path().parent().map(|folder| folder.to_string_lossy().into_owned());
        let kept = self.0.program.environment_kept.iter();
        let kept = kept.filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        let set = self.0.program.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
        let own = [
            // Git is not to find a repository that the folder happens to lie in.
            ("GIT_CEILING_DIRECTORIES", above.unwrap_or_default()),
            ("SUPER_PLANNER_PROJECT", job.project.clone()),
            ("SUPER_PLANNER_TASK", job.task().id.to_string()),
            ("SUPER_PLANNER_AGENT", job.agent.clone()),
            ("SUPER_PLANNER_ATTEMPT", job.attempt.to_string()),
            ("SUPER_PLANNER_IDEMPOTENCY_KEY", job.idempotency_key()),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        kept.chain(set).chain(own).chain([job.owner.variable()]).collect()
    }
}

/// A file with a prompt, beside the folder of the attempt, so that it is no change. It goes when this is dropped.
struct PromptFile(PathBuf);

impl PromptFile {
    fn beside(worktree: &Worktree) -> Self {
        Self(worktree.path().with_extension("prompt"))
    }
}

impl Drop for PromptFile {
    fn drop(&mut self) {
        // Most programs are told by other ways; and what cannot be removed goes with the folder of the pool.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn spender(job: &Job) -> Spender {
    let (project, task) = (job.project.clone(), job.task().id.to_string());
    Spender { project, task, agent: job.agent.clone(), token: job.token.get() }
}

/// Returns what becomes of an attempt whose budget is spent: that of a task fails it, an agent gets no more tasks, and a run
/// comes to its end.
fn stopped_by(spent: Spent) -> Outcome {
    match spent.scope {
        BudgetScope::Task => Outcome::Failed(spent.to_string()),
        BudgetScope::Agent => Outcome::Exhausted(spent.to_string()),
        BudgetScope::Run => Outcome::Unable(spent.to_string()),
    }
}

fn said_to_have_failed(text: Option<String>) -> Outcome {
    Outcome::Failed(format!("the program said that it has failed\n{}", text.unwrap_or_default()))
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

/// Returns what the program is told: what every agent is, and what it does not see.
fn prompt(job: &Job, worktree: &Worktree) -> String {
    let mut text = job.briefing();
    let hidden: Vec<&str> = worktree.skipped().iter().map(|skipped| &*skipped.path).collect();
    if !hidden.is_empty() {
        text += &format!("Not shown here, and left as they are: {}\n\n", hidden.join(", "));
    }
    text + "Change the files in the current folder. End with 0 when you are done, with anything else if you failed.\n"
}
