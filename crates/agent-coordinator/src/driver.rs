//! The driver: owns the engine, takes what comes, has each turn made durable, and carries out the effects.
//!
//! It is a thread of its own, because a flush blocks. Agents and checks run on the runtime that it is given; writing to
//! the repository happens on one more thread. Everything that comes back comes through one channel; what has come while
//! a flush was under way goes into the next one together.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use git_ops::{BranchName, CommitId, CommitQueue, Repository, Signature, WorktreePool};
use state_store::log::StateStore;
use state_store::task::{Accepted, Event, FailureReason, Intent, Lease, Project, ProjectKey, TaskKey};
use state_store::view::TaskView;
use state_store::{StreamName, Timestamp};
use tokio::sync::{Semaphore, broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Attempt, Files, Frame};
use crate::desk::{AttemptId, Desk};
use crate::engine::{Command, Effect, Engine, Policy, Request};
use crate::executor::{AgentExecutor, Job, Progress};
use crate::handle::{CommandError, Handle, Input, ShutDown};
use crate::hindrance::Hindrance;
use crate::host;
use crate::landing::{Git, Lander, Landing, chain};
use crate::landing_rules::{LandingRules, Origin};
use crate::launcher::{self, Launcher};
use crate::metrics::Metrics;
use crate::process::ProcessLimits;
use crate::process_owner::{self, ProcessOwner};
use crate::snapshotter::Snapshotter;
use crate::turn::{RecordedEvent, Turn, TurnError};
use crate::verification::{self, CheckedFiles, Verdict};

/// How soon another process's append is seen.
const POLL: Duration = Duration::from_millis(50);

/// How many commands are decided under one lock at the most.
const BATCH_MAX: usize = 1000;

/// How long the view may lag behind while nobody waits for an answer or listens to events.
const VIEW_LAG: Duration = Duration::from_millis(5);

/// How many events a slow reader may be behind.
const EVENTS_KEPT: usize = 4096;

/// What a coordinator is made of.
#[derive(Debug)]
pub struct Coordinator<E> {
    /// Where the log is.
    pub store: Arc<dyn StateStore>,
    /// Which workspace.
    pub stream: StreamName,
    /// Its id: unique, also across machines.
    pub id: [u8; 16],
    /// The settings that decisions depend on.
    pub policy: Policy,
    /// What does the work.
    pub executor: E,
    /// Where results land; projects without a branch need none.
    pub repository: Option<Repository>,
    /// Who signs the commits.
    pub author: Signature,
    /// How results come to their branch.
    pub landing: LandingRules,
    /// Where checks work.
    pub worktrees: WorktreePool,
    /// What a check may use.
    pub check_limits: ProcessLimits,
    /// How many checks run at once.
    pub checks_at_once: usize,
    /// How long an attempt may take, where its task does not say.
    pub attempt_time: Duration,
}

/// A coordinator at work. Dropping it stops the coordinator at once; what was under way is handed out by the next one.
#[derive(Debug)]
pub struct Running {
    /// The handle by which it is asked.
    pub handle: Handle,
    end: oneshot::Receiver<Result<(), DriverError>>,
}

impl Running {
    /// Waits until it has come to its end.
    pub async fn ended(mut self) -> Result<(), DriverError> {
        (&mut self.end).await.unwrap_or(Err(DriverError::Panicked))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shut_down(ShutDown::Now);
    }
}

/// Why a coordinator came to its end before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] TurnError),
    /// It did not renew its own lease in time, and another coordinator has taken over.
    #[error("another coordinator has taken over: this one was silent for too long")]
    Deposed,
    /// Something keeps work from being done; what was under way has come to its end.
    #[error(transparent)]
    Hindered(#[from] Hindrance),
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// A bug: the thread ended without a word.
    #[error("the coordinator's thread panicked")]
    Panicked,
}

impl<E: AgentExecutor> Coordinator<E> {
    /// Begins: loads the log, takes over from coordinators that are gone, and goes to work on threads of its own.
    /// Agents run on the runtime that this is called in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Result<Running, DriverError> {
        let (inputs, incoming) = mpsc::channel();
        let handle = Handle {
            inputs,
            events: broadcast::channel(EVENTS_KEPT).0,
            view: Arc::new(TaskView::default()),
            ended: CancellationToken::new(),
        };
        let git =
            self.repository.as_ref().map(|repository| self.start_lander(repository, &handle)).transpose()?;
        let snapshots = Snapshotter::new(Arc::clone(&self.store), self.stream.clone());
        let engine = Engine::new(self.id, self.policy);
        let mut driver = Driver {
            desk: Desk::new(engine, Arc::clone(&self.store), self.stream),
            began: Instant::now(),
            store: self.store,
            launcher: Launcher::new(self.executor, tokio::runtime::Handle::current(), handle.clone()),
            backlog: VecDeque::new(),
            unshown: Unshown::default(),
            repository: self.repository,
            git,
            runtime: tokio::runtime::Handle::current(),
            handle: handle.clone(),
            metrics: Metrics::default(),
            attempts: HashMap::new(),
            settled: Vec::new(),
            checks: Arc::new(Semaphore::new(self.checks_at_once.max(1))),
            check_limits: self.check_limits,
            attempt_time: self.attempt_time,
            author: self.author,
            landing: self.landing,
            worktrees: self.worktrees,
            owner: ProcessOwner::new(self.id),
            shut_down: None,
            hindrance: None,
            snapshots,
        };
        driver.begin()?;
        let (done, end) = oneshot::channel();
        let thread = std::thread::Builder::new().name("coordinator".to_owned());
        let ended = handle.ended.clone();
        let work = move || {
            // Also where it panics, so that nobody waits for ever.
            let ended = ended.drop_guard();
            let outcome = driver.run(&incoming);
            // What the thread that lands may wait for is over: an answer, or a check.
            drop(incoming);
            drop(ended);
            // That thread is waited for here.
            drop(driver);
            let _ = done.send(outcome);
        };
        thread.spawn(work).map_err(DriverError::Thread)?;
        Ok(Running { handle, end })
    }

    fn start_lander(&self, repository: &Repository, handle: &Handle) -> Result<Git, DriverError> {
        let started = CommitQueue::start_with(repository, self.landing.conflicts.clone());
        let queue = started.map_err(|error| Hindrance {
            what: "the repository cannot be written to".to_owned(),
            reason: chain(&error),
        })?;
        let lander = Lander {
            repository: repository.clone(),
            queue,
            author: self.author.clone(),
            rules: self.landing.clone(),
            check_limits: self.check_limits,
            worktrees: self.worktrees.clone(),
            owner: ProcessOwner::new(self.id),
            runtime: tokio::runtime::Handle::current(),
            handle: handle.clone(),
        };
        Git::start(lander).map_err(DriverError::Thread)
    }
}

struct Driver<E> {
    desk: Desk,
    began: Instant,
    store: Arc<dyn StateStore>,
    launcher: Launcher<E>,
    /// What has come and was not looked at yet.
    backlog: VecDeque<Input>,
    unshown: Unshown,
    repository: Option<Repository>,
    git: Option<Git>,
    runtime: tokio::runtime::Handle,
    handle: Handle,
    metrics: Metrics,
    attempts: HashMap<AttemptId, UnderWay>,
    settled: Vec<(ProjectKey, oneshot::Sender<()>)>,
    checks: Arc<Semaphore>,
    check_limits: ProcessLimits,
    attempt_time: Duration,
    author: Signature,
    landing: LandingRules,
    worktrees: WorktreePool,
    /// Whose the agents and checks are.
    owner: ProcessOwner,
    shut_down: Option<ShutDown>,
    /// What keeps work from being done.
    hindrance: Option<Hindrance>,
    snapshots: Snapshotter,
}

/// An attempt that is under way.
#[derive(Debug, Clone)]
struct UnderWay {
    stop: CancellationToken,
    progress: Progress,
}

/// The tasks that have moved since the view was shown.
#[derive(Default)]
struct Unshown {
    moved: Vec<TaskKey>,
    since: Option<Instant>,
}

/// Who wants to know how a request ends, and since when.
struct Asker {
    reply: Option<oneshot::Sender<Result<Accepted, CommandError>>>,
    since: Instant,
}

impl Asker {
    fn answer(self, request: &Request, answer: Result<Accepted, CommandError>) {
        if let Some(reply) = self.reply {
            // Whoever asked may have gone.
            let _ = reply.send(answer);
        } else if let Err(error) = answer {
            tracing::debug!(%error, command = ?request.command, "a report was not needed any more");
        }
    }
}

/// The requests that wait for their turn, and who made each.
#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    askers: Vec<Asker>,
}

impl Waiting {
    fn push(&mut self, request: Request, asker: Asker) {
        self.requests.push(request);
        self.askers.push(asker);
    }
}

impl Extend<Command> for Waiting {
    fn extend<T: IntoIterator<Item = Command>>(&mut self, commands: T) {
        for command in commands {
            self.push(command.into(), Asker { reply: None, since: Instant::now() });
        }
    }
}

impl<const N: usize> From<[Command; N]> for Waiting {
    fn from(commands: [Command; N]) -> Self {
        let mut waiting = Self::default();
        waiting.extend(commands);
        waiting
    }
}

impl<E: AgentExecutor> Driver<E> {
    /// Loads the log, records this coordinator, and takes over from those that are gone.
    fn begin(&mut self) -> Result<(), DriverError> {
        let snapshot = self.desk.load().map_err(DriverError::Store)?;
        self.snapshots.begin(snapshot);
        process_owner::kill_of_all_ended(self.desk.state(), self.owner);
        self.take_turn([Command::Begin { host: host::current() }].into())?;
        let mut gone = Waiting::default();
        gone.extend(self.desk.gone(&host::is_at_work));
        self.take_turn(gone)
    }

    fn run(&mut self, incoming: &mpsc::Receiver<Input>) -> Result<(), DriverError> {
        let worked = self.work(incoming);
        self.show();
        self.attempts.values().for_each(|attempt| attempt.stop.cancel());
        match worked {
            // What is recorded is for the next one to find out; and one that was taken over from has been ended.
            Err(DriverError::Store(_) | DriverError::Deposed) => worked,
            Ok(()) | Err(_) => {
                let ended = self.take_turn([Command::End].into());
                if ended.is_ok() {
                    self.show();
                }
                worked.and(ended)
            }
        }
    }

    /// Takes what comes until it is asked to come to an end.
    fn work(&mut self, incoming: &mpsc::Receiver<Input>) -> Result<(), DriverError> {
        loop {
            match incoming.recv_timeout(self.patience()) {
                Ok(input) => self.take_up(input, incoming),
                Err(mpsc::RecvTimeoutError::Timeout) => self.backlog.extend(self.launcher.take_pile()),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.launcher.look_after();
            let mut waiting = Waiting::default();
            for _ in 0..BATCH_MAX {
                let Some(input) = self.backlog.pop_front() else { break };
                self.take_in(input, &mut waiting);
            }
            self.take_round(waiting)?;
            if self.desk.engine().is_deposed() {
                return Err(DriverError::Deposed);
            }
            if self.attempts.is_empty()
                && let Some(hindrance) = self.hindrance.take()
            {
                return Err(DriverError::Hindered(hindrance));
            }
            self.answer_settled();
            self.show_if_due();
            match self.shut_down {
                Some(ShutDown::Now) => return Ok(()),
                Some(ShutDown::Drain) if !self.desk.has_work() => return Ok(()),
                Some(ShutDown::Drain) | None => {}
            }
        }
    }

    /// Returns how long nothing needs to be looked after.
    fn patience(&self) -> Duration {
        if !self.backlog.is_empty() {
            return Duration::ZERO;
        }
        let poll = if self.launcher.is_busy() { launcher::PATIENCE } else { POLL };
        let lag = self.unshown.since.map(|since| VIEW_LAG.saturating_sub(since.elapsed()));
        self.desk.patience(poll.min(lag.unwrap_or(poll)))
    }

    /// Takes up all that has come. What attempts have piled up comes before what they told afterwards.
    fn take_up(&mut self, first: Input, incoming: &mpsc::Receiver<Input>) {
        let told: Vec<Input> = std::iter::once(first).chain(incoming.try_iter()).collect();
        self.backlog.extend(self.launcher.take_pile());
        self.backlog.extend(told);
    }

    fn take_in(&mut self, input: Input, waiting: &mut Waiting) {
        match input {
            Input::Request { request, reply, since } => waiting.push(request, Asker { reply, since }),
            Input::Inspect(look) => look(self.desk.engine(), &self.metrics),
            Input::Settled { project, reply } => self.settled.push((project, reply)),
            // It has been taken up already.
            Input::Piled => {}
            Input::AttemptEnded(id) => drop(self.attempts.remove(&id)),
            Input::Hindered(hindrance) => self.wind_down(hindrance),
            Input::ShutDown(how) => {
                self.desk.drain();
                self.shut_down = self.shut_down.max(Some(how));
            }
        }
    }

    /// Hands out no more, and stops when no agent is at work: of what has gone wrong first, the rest follows.
    fn wind_down(&mut self, hindrance: Hindrance) {
        tracing::warn!(%hindrance, "no more tasks are handed out");
        self.desk.drain();
        self.hindrance.get_or_insert(hindrance);
    }

    /// Has the requests decided together with what is due, if there is anything.
    fn take_round(&mut self, waiting: Waiting) -> Result<(), DriverError> {
        let Waiting { mut requests, askers } = waiting;
        let going_on = self.attempts.iter().filter(|(_, attempt)| !attempt.progress.is_stalled());
        let (elapsed, attempts) = (self.began.elapsed(), going_on.map(|(id, _)| *id));
        let outcome = self.desk.round(elapsed, attempts, &host::is_at_work, &mut requests);
        self.follow_up(&requests, askers, outcome)
    }

    /// Has the requests decided.
    fn take_turn(&mut self, waiting: Waiting) -> Result<(), DriverError> {
        let Waiting { requests, askers } = waiting;
        let outcome = self.desk.take(&requests).map(Some);
        self.follow_up(&requests, askers, outcome)
    }

    /// Carries out the effects of a turn and answers; or tells that nobody knows.
    fn follow_up(
        &mut self,
        requests: &[Request],
        askers: Vec<Asker>,
        outcome: Result<Option<Turn>, TurnError>,
    ) -> Result<(), DriverError> {
        let turn = match outcome {
            Ok(Some(turn)) => turn,
            Ok(None) => return Ok(()),
            Err(error) => {
                // Nobody is told of success; what is recorded is found out by the next one that loads the log.
                let unknown = askers.into_iter().zip(requests);
                unknown.for_each(|(asker, request)| asker.answer(request, Err(CommandError::Unknown)));
                return Err(DriverError::Store(error));
            }
        };
        self.publish(&turn.events, askers.iter().any(|asker| asker.reply.is_some()));
        // Before anybody else is put to their work.
        process_owner::kill_of_ended(&turn.events, self.desk.state(), self.owner);
        let mut attempts = Vec::new();
        for effect in turn.effects {
            if let Err(hindrance) = self.carry_out(effect, &mut attempts) {
                self.wind_down(hindrance);
            }
        }
        self.launcher.launch(attempts);
        for ((asker, request), answer) in askers.into_iter().zip(requests).zip(turn.answers) {
            self.metrics.record_command(asker.since.elapsed());
            asker.answer(request, answer.map_err(CommandError::Refused));
        }
        self.snapshots.keep_if_due(self.desk.state());
        Ok(())
    }

    /// Tells those who listen what is durable now, and shows it to those who look on, at once where somebody waits for that.
    fn publish(&mut self, events: &[RecordedEvent], is_waited_for: bool) {
        if events.is_empty() {
            return;
        }
        self.metrics.commits += 1;
        self.metrics.events += events.len() as u64;
        for recorded in events {
            match recorded.event {
                Event::Task { task, .. } => self.unshown.moved.push(task),
                // What is removed stands differently, and no step of its own says so.
                Event::TasksSet { project, .. } => {
                    let tasks = self.project_tasks(project);
                    self.unshown.moved.extend((0..tasks).map(|task| TaskKey { project, task }));
                }
                _ => {}
            }
        }
        self.unshown.since.get_or_insert_with(Instant::now);
        let is_heard = self.handle.events.receiver_count() > 0;
        if is_waited_for || is_heard {
            self.show();
        }
        if is_heard {
            for recorded in events {
                // Nobody may be listening any more.
                let _ = self.handle.events.send(recorded.clone());
            }
        }
    }

    fn project_tasks(&self, project: ProjectKey) -> u32 {
        self.desk.state().project(project).map_or(0, |project| project.tasks.len() as u32)
    }

    /// Shows where the tasks stand that have moved.
    fn show(&mut self) {
        if let Unshown { mut moved, since: Some(_) } = std::mem::take(&mut self.unshown) {
            // Most have taken several steps.
            moved.sort_unstable();
            moved.dedup();
            self.handle.view.show(self.desk.state(), moved);
        }
    }

    fn show_if_due(&mut self) {
        if self.unshown.since.is_some_and(|since| since.elapsed() >= VIEW_LAG) {
            self.show();
        }
    }

    /// Carries an effect out; an attempt that is to begin is added to the others of the turn.
    fn carry_out(&mut self, effect: Effect, attempts: &mut Vec<Attempt>) -> Result<(), Hindrance> {
        match effect {
            Effect::StartAttempt { task, lease } => attempts.push(self.attempt(task, lease)?),
            Effect::StopAttempt { task, token } => {
                if let Some(attempt) = self.attempts.remove(&(task, token)) {
                    attempt.stop.cancel();
                }
            }
            Effect::RunCheck { task, lease, result } => {
                self.run_check(task, lease, result.map(|commit| CommitId::from_bytes(commit.0)))?;
            }
            Effect::Land { task, lease, result, delivered_at, intents } => {
                let landing =
                    self.landing(task, lease, CommitId::from_bytes(result.0), delivered_at, intents)?;
                if let Some(git) = &self.git {
                    git.land(landing);
                }
            }
        }
        Ok(())
    }

    fn attempt(&mut self, task: TaskKey, lease: Lease) -> Result<Attempt, Hindrance> {
        let files = match (self.branch(task)?, &self.repository, &self.git) {
            (Some(branch), Some(repository), Some(git)) => Some(Box::new(Files {
                repository: repository.clone(),
                branch,
                queue: git.queue.clone(),
                author: self.author.clone(),
                time: self.store.now(),
            })),
            _ => None,
        };
        let id = (task, lease.token);
        let under_way = UnderWay { stop: CancellationToken::new(), progress: Progress::begin() };
        self.attempts.insert(id, under_way.clone());
        let stop = under_way.stop.clone();
        let time_max = self.project(task).plan.tasks[task.task as usize].limits.attempt();
        let time_max = time_max.unwrap_or(self.attempt_time);
        let frame = Frame { id, agent: lease.agent, stop, time_max };
        Ok(Attempt { job: self.job(task, lease, under_way), frame, files })
    }

    fn job(&self, task: TaskKey, lease: Lease, under_way: UnderWay) -> Job {
        let (state, project) = (self.desk.state(), self.project(task));
        let mut groups = Vec::new();
        let mut above = project.graph.parent_of(task.task());
        while let Some(group) = above {
            groups.insert(0, project.plan.tasks[group.0 as usize].id.clone());
            above = project.graph.parent_of(group);
        }
        let UnderWay { stop, progress } = under_way;
        Job {
            key: task,
            project: project.name.clone(),
            plan: Arc::clone(&project.plan),
            groups,
            agent: state.agent(lease.agent).map(|agent| agent.name.clone()).unwrap_or_default(),
            attempt: lease.attempt,
            token: lease.token,
            base: None,
            handover: project.task(task.task()).handover.as_deref().cloned(),
            checkpoint: project.task(task.task()).checkpoint.as_deref().map(str::to_owned),
            stop,
            progress,
            owner: self.owner,
        }
    }

    /// Returns the branch that a task's result lands on, if it has files and there is a branch.
    fn branch(&self, task: TaskKey) -> Result<Option<BranchName>, Hindrance> {
        let project = self.project(task);
        let asked = project.plan.tasks[task.task as usize].landing;
        let Some(branch) = project.settings.branch.as_deref().filter(|_| asked == planner_core::Landing::Git)
        else {
            return Ok(None);
        };
        let stopped =
            |reason: String| Hindrance { what: format!("results cannot be landed on {branch}"), reason };
        if self.repository.is_none() {
            return Err(stopped("this coordinator has no repository".to_owned()));
        }
        BranchName::new(branch).map(Some).map_err(|error| stopped(error.to_string()))
    }

    fn project(&self, task: TaskKey) -> &Project {
        self.desk.state().project(task.project).expect("an effect speaks of a task of the state")
    }

    fn run_check(&self, task: TaskKey, lease: Lease, result: Option<CommitId>) -> Result<(), Hindrance> {
        let Some(check) = self.project(task).plan.tasks[task.task as usize].check.clone() else {
            return Ok(());
        };
        let (checks, limits, handle) = (Arc::clone(&self.checks), self.check_limits, self.handle.clone());
        let (repository, branch, token) = (self.repository.clone(), self.branch(task)?, lease.token);
        let (worktrees, owner) = (self.worktrees.clone(), self.owner);
        self.runtime.spawn(async move {
            // The semaphore is never closed.
            let _permit = checks.acquire_owned().await;
            let files = repository.map(|repository| files_to_check(&repository, branch.as_ref(), result));
            let verdict = match files.transpose() {
                Ok(files) => verification::verify(&check, files.flatten(), worktrees, limits, owner).await,
                Err(reason) => Verdict::Unable(reason),
            };
            match verdict {
                Verdict::Passed { took_ms } => handle.send(Command::PassCheck { task, token, took_ms }),
                Verdict::Failed(output) => {
                    handle.send(Command::Fail { task, token, reason: FailureReason::Check(output) });
                }
                // The result is not to blame, and stays where it is: the next coordinator runs the check again.
                Verdict::Unable(reason) => {
                    let what = "results cannot be checked".to_owned();
                    handle.tell(Input::Hindered(Hindrance { what, reason }));
                }
            }
        });
        Ok(())
    }

    fn landing(
        &self,
        task: TaskKey,
        lease: Lease,
        result: CommitId,
        delivered_at: Timestamp,
        intents: Vec<Intent>,
    ) -> Result<Landing, Hindrance> {
        let project = self.project(task);
        let asked = &project.plan.tasks[task.task as usize];
        let agent = self.desk.state().agent(lease.agent).map_or("", |agent| &agent.name);
        let message = self.landing.message(&Origin {
            project: &project.name,
            task: asked,
            agent,
            attempt: lease.attempt,
            is_checked: project.settings.checks,
        });
        let branch = self.branch(task)?.ok_or_else(|| Hindrance {
            what: format!("the result of {} cannot be landed", asked.id),
            reason: "its project has no branch any more".to_owned(),
        })?;
        Ok(Landing { task, token: lease.token, branch, result, message, delivered_at, intents })
    }

    fn answer_settled(&mut self) {
        let desk = &self.desk;
        let (over, open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.settled).into_iter().partition(|(project, _)| desk.is_settled(*project));
        self.settled = open;
        if !over.is_empty() {
            self.show();
        }
        for (_, reply) in over {
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
    }
}

/// Returns the files that a check is run on: those of the result or, where it has none, of the branch.
fn files_to_check(
    repository: &Repository,
    branch: Option<&BranchName>,
    result: Option<CommitId>,
) -> Result<Option<CheckedFiles>, String> {
    let tip = |branch| repository.tip(branch).map_err(|error| chain(&error));
    let commit = match (result, branch) {
        (Some(result), _) => Some(result),
        (None, Some(branch)) => tip(branch)?,
        (None, None) => None,
    };
    Ok(commit.map(|commit| CheckedFiles { repository: repository.clone(), commit }))
}
