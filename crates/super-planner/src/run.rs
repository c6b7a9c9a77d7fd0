//! A run that is ready: carried out to its end, shown while it goes on, interrupted or not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Policy, Refusal};
use agent_coordinator::{CommandError, DriverError, LandingRules, ProcessLimits, ShutDown};
use git_ops::{BranchName, Repository, WorktreePool};
use planner_core::{Plan, PlanDiff};
use state_store::task::ProjectRules;
use state_store::{StateStore, StreamName};
use tokio_util::sync::CancellationToken;

use crate::agents::Agents;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::event_lines::print_events;
use crate::progress::Progress;
use crate::report::Report;
use crate::session::{ChangedPlan, Session, SessionError, SessionOptions};
use crate::state_location::StateLocation;
use crate::terminal::{DIM, Terminal};

/// How long what still works in threads is waited for at the end.
const END_TIME_MAX: Duration = Duration::from_secs(20);

/// A run that is ready to begin.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) agents: Vec<AgentSpec>,
    pub(crate) target: Option<(Repository, BranchName)>,
    pub(crate) place: StateLocation,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) run_checks: bool,
    pub(crate) rules: ProjectRules,
    pub(crate) policy: Policy,
    pub(crate) landing: LandingRules,
    pub(crate) worktrees: WorktreePool,
    pub(crate) attempt_time: Duration,
    pub(crate) check_limits: ProcessLimits,
    pub(crate) executor: Agents,
    /// How many times faster than planned the agents work; `None` where they are real.
    pub(crate) time_scale: Option<f64>,
    pub(crate) seed: u64,
    pub(crate) voice: Voice,
    pub(crate) changed_plan: ChangedPlan,
}

/// A run that has ended.
pub(crate) struct End {
    pub(crate) report: Report,
    pub(crate) places: Places,
    /// How the plan differed from the recorded one, and was joined in.
    pub(crate) joined: PlanDiff,
    is_interrupted: bool,
}

/// Where a run has left what it made.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Places {
    pub(crate) repository: Option<PathBuf>,
    pub(crate) branch: Option<String>,
    pub(crate) state: String,
    pub(crate) time_scale: Option<f64>,
    /// What the draws came from; `None` where there were none.
    pub(crate) seed: Option<u64>,
}

impl End {
    /// Returns the exit code that it deserves.
    pub(crate) fn exit(&self) -> Exit {
        if self.is_interrupted && !self.report.all_done() {
            return Exit::Interrupted;
        }
        Exit::problems_if(!self.report.all_done())
    }
}

impl Places {
    /// Returns them as lines for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let (Some(repository), Some(branch)) = (&self.repository, &self.branch) {
            text += &format!("repository  {}, branch {branch}\n", escaped(&repository.to_string_lossy()));
        }
        text += &format!("state       {}\n", self.state);
        if let Some(seed) = self.seed {
            text += &format!("seed        {seed} {DIM}(--seed repeats the draws){DIM:#}\n");
        }
        text
    }
}

impl Run {
    /// Carries it out on a runtime of its own.
    pub(crate) fn finish(self, terminal: &Terminal) -> Result<End, CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
            CliError::new(ErrorKind::Internal, "the runtime cannot be started").caused_by(error)
        })?;
        let end = runtime.block_on(self.carry_out(terminal));
        // What hangs in the system, such as a file on a server that is gone, does not keep the program.
        runtime.shutdown_timeout(END_TIME_MAX);
        end
    }

    async fn carry_out(self, terminal: &Terminal) -> Result<End, CliError> {
        let places = Places {
            repository: self.target.as_ref().map(|(repository, _)| repository.git_dir().to_owned()),
            branch: self.target.as_ref().map(|(_, branch)| branch.as_str().to_owned()),
            state: self.place.to_string(),
            time_scale: self.time_scale,
            seed: self.time_scale.map(|_| self.seed),
        };
        let options = SessionOptions {
            agents: self.agents,
            store: Arc::clone(&self.store),
            target: self.target,
            run_checks: self.run_checks,
            rules: self.rules,
            policy: self.policy,
            landing: self.landing,
            worktrees: self.worktrees,
            attempt_time: self.attempt_time,
            check_limits: self.check_limits,
            changed_plan: self.changed_plan,
            ..SessionOptions::new(self.plan, self.executor)
        };
        let before = self.store.head(&StreamName::workspace())?;
        let session = Session::begin(options).await?;
        let handle = session.handle().clone();
        if session.is_resumed() && self.voice == Voice::People {
            terminal.note("the state holds this project: going on where it stopped");
        }
        let joined = session.joined().clone();
        if !joined.is_empty() && self.voice == Voice::People {
            terminal
                .note(format_args!("joined in from the plan file:\n{}", first_lines(&joined.to_string())));
        }
        let progress = (self.voice == Voice::People)
            .then(|| Progress::show(session.handle().clone(), session.project()));
        let told = CancellationToken::new();
        let telling = (self.voice == Voice::Events).then(|| {
            tokio::spawn(print_events(handle.clone(), self.store, before, terminal.clone(), told.clone()))
        });
        let interrupted = wait(&session, terminal).await;
        if let Some(progress) = progress {
            progress.clear().await;
        }
        let report = match interrupted {
            None => session.finish().await?,
            Some(how) => session.end(how).await?,
        };
        told.cancel();
        if let Some(telling) = telling {
            telling.await.map_err(|panic| CliError::new(ErrorKind::Internal, panic.to_string()))??;
        }
        Ok(End { report, places, joined, is_interrupted: interrupted.is_some() })
    }
}

/// Waits until the run is over, or until it is interrupted: by Ctrl-C once to let what is under way end, twice or by
/// another signal to stop now.
async fn wait(session: &Session, terminal: &Terminal) -> Option<ShutDown> {
    let settled = session.handle().settled(session.project());
    tokio::select! {
        // Where the coordinator has ended by itself, finishing the session tells why.
        _ = settled => return None,
        () = told_to_end() => return Some(ShutDown::Now),
        _ = tokio::signal::ctrl_c() => {}
    }
    terminal.note(
        "interrupted: what is under way comes to its end, no more is handed out; once more to stop at once",
    );
    session.handle().shut_down(ShutDown::Drain);
    tokio::select! {
        () = session.handle().stopped() => Some(ShutDown::Drain),
        () = told_to_end() => Some(ShutDown::Now),
        _ = tokio::signal::ctrl_c() => Some(ShutDown::Now),
    }
}

/// Waits until the system, or a terminal that closes, tells the program to end.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    // Where they cannot be listened to, the signals end the program as they always do.
    let (Ok(mut terminate), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Driver(DriverError::Store(error)) | SessionError::Log(error) => error.into(),
            SessionError::Driver(error @ DriverError::Hindered(_)) => {
                Self::new(ErrorKind::Repository, "the run stopped")
                    .hint("no task has failed of it: mend the cause, then run the same command again")
                    .caused_by(error)
            }
            SessionError::Driver(error @ DriverError::Deposed) => {
                Self::new(ErrorKind::Store, "the run stopped")
                    .hint("the other coordinator goes on with it")
                    .caused_by(error)
            }
            SessionError::PlanChanged { ref difference, .. } => Self::new(ErrorKind::Plan, error.to_string())
                .hint("`run --join` makes the recorded plan that of the file, and goes on; or rename the project, or name another --state")
                .caused_by(first_lines(&difference.to_string())),
            SessionError::CannotJoin { ref reasons, .. } => Self::new(ErrorKind::Refused, error.to_string())
                .hint("nothing has changed: let that come to its end, or `super-planner task cancel` it, and join again")
                .caused_by(first_lines(&reasons.join("\n"))),
            SessionError::Refused(CommandError::Refused(refusal @ Refusal::UnsoundChange { .. })) => {
                refusal.into()
            }
            error @ (SessionError::BranchChanged { .. } | SessionError::NotOnBranch { .. }) => Self::new(
                ErrorKind::Repository,
                error.to_string(),
            )
            .hint("go on with the repository and branch of the last run, or begin anew with another --state"),
            error @ SessionError::CheckedOut { .. } => Self::new(ErrorKind::Repository, error.to_string())
                .hint("--branch names another one; merge it when the run is over"),
            error @ SessionError::NoCommit => Self::new(ErrorKind::Repository, error.to_string())
                .hint("make a first one: git commit --allow-empty -m start"),
            SessionError::Branch(error) => {
                Self::new(ErrorKind::Repository, "the branch cannot be made").caused_by(error)
            }
            SessionError::Repository(error) => {
                Self::new(ErrorKind::Repository, "the repository cannot be read").caused_by(error)
            }
            SessionError::Refused(error @ CommandError::Refused(Refusal::OtherSettings { .. })) => {
                Self::new(ErrorKind::Store, "another run is at work on this project by other settings")
                    .hint("run it with the same --branch and checks to help, or look on by `super-planner status --watch`")
                    .caused_by(error)
            }
            SessionError::Refused(error) => {
                Self::new(ErrorKind::Store, "the run could not begin").caused_by(error)
            }
            error @ (SessionError::Driver(DriverError::Thread(_) | DriverError::Panicked)
            | SessionError::Stopped(_)) => {
                Self::new(ErrorKind::Internal, "the coordinator stopped").caused_by(error)
            }
        }
    }
}

/// Returns the first lines of a text, each of which is safe to be shown, and how many more there are.
fn first_lines(text: &str) -> String {
    const LINES_SHOWN: usize = 20;
    let mut lines: Vec<String> = text.lines().take(LINES_SHOWN).map(escaped).collect();
    let more = text.lines().count().saturating_sub(LINES_SHOWN);
    if more > 0 {
        lines.push(format!("… {more} more"));
    }
    lines.join("\n")
}

/// Whom a run talks to while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Nobody.
    Nobody,
    /// People: what was found, then progress.
    People,
    /// A program: every event.
    Events,
}

/// Returns a seed that nobody has chosen; it is printed, so that the run can be repeated.
pub(crate) fn new_seed() -> u64 {
    // The lower half of a random id; six digits and a bit are enough to tell runs apart, and can be typed.
    (uuid::Uuid::new_v4().as_u128() as u64) % 1_000_000
}
