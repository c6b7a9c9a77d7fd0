//! A run from beginning to end, for programs that embed it; the command line uses the same.
//!
//! ```no_run
//! # async fn example(plan: super_planner::planner_core::Plan) -> Result<(), super_planner::session::SessionError> {
//! use super_planner::agent_coordinator::executor::{InProcess, Outcome};
//! use super_planner::session::{Session, SessionOptions};
//!
//! let work = InProcess::new(|job| async move {
//!     println!("{} works on {}", job.agent, job.task().title);
//!     Outcome::Done(Vec::new())
//! });
//! let report = Session::begin(SessionOptions::new(plan, work)).await?.finish().await?;
//! println!("{} tasks done", report.tasks.completed);
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Policy};
use agent_coordinator::executor::AgentExecutor;
use agent_coordinator::{
    CommandError, Coordinator, DriverError, Handle, LandingRules, ProcessLimits, Running, ShutDown, Stopped,
    TurnError,
};
use git_ops::{BranchName, CommitId, CreateBranchError, ReadError, Repository, Signature, WorktreePool};
use planner_core::{CapabilitySet, Plan, PlanDiff, TaskId};
use state_store::task::{
    Accepted, CommitHash, Completion, Landed, Project, ProjectKey, ProjectRules, ProjectSettings, State,
    TaskState,
};
use state_store::{MemoryStore, StateStore, StreamName, SystemClock};

use crate::plan_change::PlanChange;
use crate::report::{Report, Transitions};

/// What a run is made of.
#[derive(Debug)]
pub struct SessionOptions<E> {
    /// What was asked; sound.
    pub plan: Plan,
    /// What does the work.
    pub executor: E,
    /// The agents that do it.
    pub agents: Vec<AgentSpec>,
    /// Where it is recorded. A run of the same plan on the same store goes on where the last one stopped.
    pub store: Arc<dyn StateStore>,
    /// Where results land; without it, nothing does.
    pub target: Option<(Repository, BranchName)>,
    /// Whether the plan's checks are run: they are commands of whoever wrote the plan.
    pub run_checks: bool,
    /// What the project allows.
    pub rules: ProjectRules,
    /// The settings that decisions depend on.
    pub policy: Policy,
    /// Who signs the commits.
    pub author: Signature,
    /// How results come to their branch.
    pub landing: LandingRules,
    /// Where checks work.
    pub worktrees: WorktreePool,
    /// What a check may use.
    pub check_limits: ProcessLimits,
    /// How long an attempt may take.
    pub attempt_time: Duration,
    /// What is done if the store holds another plan under this name.
    pub changed_plan: ChangedPlan,
}

/// What is done about a plan that is other than the recorded one of its project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChangedPlan {
    /// It is refused with the difference; nothing is changed.
    #[default]
    Refuse,
    /// It becomes the plan of the project: tasks are added, replaced and removed, and moved where people have put them. What
    /// is in the way of that is told, and nothing is changed.
    Join,
}

impl<E> SessionOptions<E> {
    /// Returns the options of a run in memory that lands nothing and runs no checks, by the agents that the plan names,
    /// or else by one that can do everything.
    pub fn new(plan: Plan, executor: E) -> Self {
        Self {
            agents: agents_of(&plan, 1),
            plan,
            executor,
            store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
            target: None,
            run_checks: false,
            rules: ProjectRules::default(),
            policy: Policy::default(),
            author: default_author(),
            landing: LandingRules::default(),
            worktrees: WorktreePool::default(),
            check_limits: ProcessLimits::default(),
            attempt_time: ATTEMPT_TIME,
            changed_plan: ChangedPlan::default(),
        }
    }
}

/// How long an attempt may take where nobody says otherwise.
pub(crate) const ATTEMPT_TIME: Duration = Duration::from_secs(4 * 3600);

/// Returns who signs commits where nobody says otherwise.
pub(crate) fn default_author() -> Signature {
    Signature { name: "super-planner".to_owned(), email: "super-planner@localhost".to_owned() }
}

/// Returns the agents that a plan names or, where it names none, `count` agents that can do all that it asks for.
pub fn agents_of(plan: &Plan, count: usize) -> Vec<AgentSpec> {
    if plan.agents.is_empty() {
        return generalists(plan, count);
    }
    let spec = |profile: &planner_core::AgentProfile| AgentSpec {
        name: profile.name.clone(),
        capabilities: profile.capabilities.clone(),
        slots: profile.slots,
        lease: profile.lease(),
        labels: profile.labels.clone(),
    };
    plan.agents.iter().map(spec).collect()
}

/// Returns `count` agents that can do all that a plan asks for.
pub fn generalists(plan: &Plan, count: usize) -> Vec<AgentSpec> {
    let all: Vec<_> = plan.tasks.iter().flat_map(|task| task.capabilities.iter().cloned()).collect();
    let capabilities = CapabilitySet::from(all);
    let digits = count.to_string().len();
    let spec = |number| AgentSpec {
        name: format!("agent-{number:0digits$}"),
        capabilities: capabilities.clone(),
        slots: 1,
        lease: None,
        labels: Vec::new(),
    };
    (1..=count).map(spec).collect()
}

/// Why a run could not begin, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The coordinator stopped.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The store holds another plan under this name.
    #[error(
        "the project `{name}` is recorded with another plan: added {}, removed {}, changed {}",
        listed(added),
        listed(removed),
        listed(changed)
    )]
    PlanChanged {
        /// The project.
        name: String,
        /// The tasks that the new plan has and the recorded one lacks.
        added: Vec<TaskId>,
        /// The tasks that the recorded plan has and the new one lacks.
        removed: Vec<TaskId>,
        /// The tasks that both have and that are not the same; none where only the plan around them differs.
        changed: Vec<TaskId>,
        /// All of it, field by field.
        difference: Box<PlanDiff>,
    },
    /// The plan cannot become that of the project now; nothing has changed.
    #[error("the changes of the plan cannot be joined into the project `{name}` now")]
    CannotJoin {
        /// The project.
        name: String,
        /// Why, a sentence for each task that is in the way.
        reasons: Vec<String>,
    },
    /// Results of the project have landed elsewhere.
    #[error("{landed} results of the project have landed on {recorded}, and this run is to land on {given}")]
    BranchChanged {
        /// Where they have landed.
        recorded: String,
        /// Where this run was to land.
        given: String,
        /// How many.
        landed: usize,
    },
    /// What has landed is not there any more, or the repository is another one.
    #[error(
        "{landed} results of the project have landed, but the branch {branch} does not hold the last of them, {commit}"
    )]
    NotOnBranch {
        /// The branch.
        branch: String,
        /// The commit that landed last.
        commit: CommitId,
        /// How many have.
        landed: usize,
    },
    /// Some working copy shows the branch.
    #[error("the branch {branch} is checked out, and would move under the working copy")]
    CheckedOut {
        /// The branch.
        branch: BranchName,
    },
    /// The repository has no commit to begin a branch from.
    #[error("the repository has no commit to begin from")]
    NoCommit,
    /// The branch cannot be made.
    #[error("the branch cannot be made")]
    Branch(#[source] CreateBranchError),
    /// The repository cannot be read.
    #[error("the repository cannot be read")]
    Repository(#[source] ReadError),
    /// The coordinator refused to begin.
    #[error("the run could not begin")]
    Refused(#[source] CommandError),
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[source] TurnError),
    /// It was stopped by somebody else.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A run that is under way.
#[derive(Debug)]
pub struct Session {
    running: Running,
    project: ProjectKey,
    store: Arc<dyn StateStore>,
    target: Option<(Repository, BranchName)>,
    is_resumed: bool,
    joined: PlanDiff,
}

impl Session {
    /// Begins a run, or goes on with the one that the store holds.
    pub async fn begin<E: AgentExecutor>(options: SessionOptions<E>) -> Result<Self, SessionError> {
        let state = look(&*options.store)?;
        let recorded = find_recorded(&state, &options)?;
        drop(state);
        if let Some((repository, branch)) = &options.target {
            prepare_branch(repository, branch)?;
        }
        let settings = ProjectSettings {
            branch: options.target.as_ref().map(|(_, branch)| branch.as_str().to_owned()),
            checks: options.run_checks,
        };
        let checks_at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let coordinator = Coordinator {
            store: Arc::clone(&options.store),
            stream: StreamName::workspace(),
            id: *uuid::Uuid::now_v7().as_bytes(),
            policy: options.policy,
            executor: options.executor,
            repository: options.target.as_ref().map(|(repository, _)| repository.clone()),
            author: options.author,
            landing: options.landing,
            worktrees: options.worktrees,
            check_limits: options.check_limits,
            checks_at_once,
            attempt_time: options.attempt_time,
        };
        let running = coordinator.start()?;
        let begun = async {
            let handle = &running.handle;
            // The coordinator has given up what dead ones left behind, and hands out nothing of a project before it enters it.
            let (plan, joined) = match (recorded, options.changed_plan) {
                (None, _) => (options.plan, PlanDiff::default()),
                // It means the same, and is entered in the order and with the states in which it was recorded.
                (Some(key), ChangedPlan::Refuse) => (recorded_plan(handle, key).await?, PlanDiff::default()),
                (Some(key), ChangedPlan::Join) => {
                    let joined = join(handle, key, options.plan).await?;
                    (recorded_plan(handle, key).await?, joined)
                }
            };
            Ok::<_, SessionError>((
                enter(handle, plan, settings, options.rules, options.agents).await?,
                joined,
            ))
        };
        match begun.await {
            Ok((project, joined)) => {
                let (store, target) = (options.store, options.target);
                Ok(Self { running, project, store, target, is_resumed: recorded.is_some(), joined })
            }
            Err(error) => {
                running.handle.shut_down(ShutDown::Now);
                running.ended().await?;
                Err(error)
            }
        }
    }

    /// Returns the handle on the coordinator.
    pub fn handle(&self) -> &Handle {
        &self.running.handle
    }

    /// Returns the project.
    pub fn project(&self) -> ProjectKey {
        self.project
    }

    /// Returns whether the store held the project already.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Returns how the plan differed from the recorded one, and was joined in; empty where it did not differ.
    pub fn joined(&self) -> &PlanDiff {
        &self.joined
    }

    /// Waits until nothing will happen any more, ends the coordinator, and reports.
    pub async fn finish(self) -> Result<Report, SessionError> {
        if self.running.handle.settled(self.project).await.is_err() {
            // It has ended by itself: say why.
            self.running.ended().await?;
            return Err(SessionError::Stopped(Stopped));
        }
        self.end(ShutDown::Drain).await
    }

    /// Ends the coordinator, finished or not, and reports.
    pub async fn end(self, how: ShutDown) -> Result<Report, SessionError> {
        let measured = self.running.handle.inspect(|_, metrics| Transitions::of(metrics)).await;
        self.running.handle.shut_down(how);
        self.running.ended().await?;
        let state = look(&*self.store)?;
        if let (Some(project), Some(target)) = (state.project(self.project), &self.target) {
            check_landed(project, Some(target))?;
        }
        let report = Report::read(&*self.store, self.project).map_err(SessionError::Log)?;
        let mut report = report.ok_or(SessionError::Stopped(Stopped))?;
        report.transitions = measured.ok();
        Ok(report)
    }
}

/// Returns the state that the store holds, before anything is done with it.
fn look(store: &dyn StateStore) -> Result<State, SessionError> {
    let loaded = State::load(store, &StreamName::workspace());
    loaded.map(|loaded| loaded.state).map_err(|error| SessionError::Log(error.into()))
}

/// Returns the project that the plan is already, if it is: with tasks that it may have, and where its results have landed.
fn find_recorded<E>(state: &State, options: &SessionOptions<E>) -> Result<Option<ProjectKey>, SessionError> {
    let Some(key) = state.project_named(&options.plan.name) else { return Ok(None) };
    let project = &state.projects()[key.index()];
    if options.changed_plan == ChangedPlan::Refuse {
        refuse_if_changed(project, PlanChange::between(key, project, &options.plan).difference)?;
    }
    check_landed(project, options.target.as_ref())?;
    Ok(Some(key))
}

/// Makes sure that what has landed is on the branch that results are to land on.
fn check_landed(project: &Project, target: Option<&(Repository, BranchName)>) -> Result<(), SessionError> {
    let Some((latest, landed)) = latest_landed(project) else { return Ok(()) };
    let recorded = project.settings.branch.clone().unwrap_or_default();
    let Some((repository, branch)) = target.filter(|(_, branch)| branch.as_str() == recorded) else {
        let given = target.map_or_else(|| "nowhere".to_owned(), |(_, branch)| branch.to_string());
        return Err(SessionError::BranchChanged { recorded, given, landed });
    };
    let commit = CommitId::from_bytes(latest.0);
    if repository.contains(branch, commit).map_err(SessionError::Repository)? {
        return Ok(());
    }
    Err(SessionError::NotOnBranch { branch: recorded, commit, landed })
}

/// Returns the commit that landed last, and how many have.
fn latest_landed(project: &Project) -> Option<(CommitHash, usize)> {
    let landed = project.tasks.iter().filter_map(|record| match record.state {
        TaskState::Completed(Completion::Attempt { landed: Landed::Commit { commit, .. }, at, .. }) => {
            Some((at, commit))
        }
        _ => None,
    });
    let landed: Vec<_> = landed.collect();
    landed.iter().max_by_key(|(at, _)| *at).map(|(_, commit)| (*commit, landed.len()))
}

/// Makes sure that no working copy shows the branch: it would fall behind.
pub(crate) fn check_free(repository: &Repository, branch: &BranchName) -> Result<(), SessionError> {
    if repository.checked_out_branches().map_err(SessionError::Repository)?.contains(branch) {
        return Err(SessionError::CheckedOut { branch: branch.clone() });
    }
    Ok(())
}

/// Makes sure that the branch is there and may be moved.
fn prepare_branch(repository: &Repository, branch: &BranchName) -> Result<(), SessionError> {
    check_free(repository, branch)?;
    if repository.tip(branch).map_err(SessionError::Repository)?.is_some() {
        return Ok(());
    }
    let head = repository.head().map_err(SessionError::Repository)?.ok_or(SessionError::NoCommit)?;
    repository.create_branch(branch, head).map_err(SessionError::Branch)
}

/// Makes the plan a project, or enters the one that it is, and registers the agents.
async fn enter(
    handle: &Handle,
    plan: Plan,
    settings: ProjectSettings,
    rules: ProjectRules,
    agents: Vec<AgentSpec>,
) -> Result<ProjectKey, SessionError> {
    let project = match submit(handle, Command::Enter { plan, settings }).await? {
        Accepted::Project(project) => project,
        Accepted::Done => unreachable!("entering a project is answered with its key"),
    };
    submit(handle, Command::SetRules { project, rules }).await?;
    submit(handle, Command::RegisterAgents(agents)).await?;
    Ok(project)
}

async fn submit(handle: &Handle, command: Command) -> Result<Accepted, SessionError> {
    handle.submit(command).await.map_err(SessionError::Refused)
}

fn refuse_if_changed(project: &Project, difference: PlanDiff) -> Result<(), SessionError> {
    if difference.is_empty() {
        return Ok(());
    }
    Err(SessionError::PlanChanged {
        name: project.name.clone(),
        added: difference.added.clone(),
        removed: difference.removed.clone(),
        changed: difference.changed.iter().map(|change| change.id.clone()).collect(),
        difference: Box::new(difference),
    })
}

async fn recorded_plan(handle: &Handle, key: ProjectKey) -> Result<Plan, SessionError> {
    let plan = handle.inspect(move |engine, _| Arc::clone(&engine.state().projects()[key.index()].plan));
    Ok(Plan::clone(&*plan.await?))
}

/// Makes the given plan that of the project, and returns how it differed.
async fn join(handle: &Handle, key: ProjectKey, given: Plan) -> Result<PlanDiff, SessionError> {
    let project = handle.inspect(move |engine, _| engine.state().projects()[key.index()].clone()).await?;
    let PlanChange { difference, commands, hindrances } = PlanChange::between(key, &project, &given);
    if !hindrances.is_empty() {
        return Err(SessionError::CannotJoin { name: project.name, reasons: hindrances });
    }
    for command in commands {
        submit(handle, command).await?;
    }
    Ok(difference)
}

/// Returns the ids as they are told in a sentence: how many, and the first of them.
fn listed(ids: &[TaskId]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = ids.iter().take(SHOWN).map(|id| format!("`{id}`")).collect();
    match (ids.len(), shown.join(", ")) {
        (0, _) => "none".to_owned(),
        (count, shown) if count > SHOWN => format!("{count} ({shown}, …)"),
        (count, shown) => format!("{count} ({shown})"),
    }
}
