//! A run from beginning to end, for programs that embed it; the command line uses the same.
//!
//! ```no_run
//! # async fn example(plan: planner_core::Plan) -> Result<(), super_planner::session::SessionError> {
//! use agent_coordinator::executor::{InProcess, Outcome};
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

use agent_coordinator::engine::{Accepted, AgentSpec, Command, Policy};
use agent_coordinator::executor::AgentExecutor;
use agent_coordinator::{
    CommandError, Coordinator, DriverError, Handle, ProcessLimits, Running, ShutDown, Stopped, TurnError,
};
use git_ops::{BranchName, Repository, Signature};
use planner_core::{CapabilitySet, Plan};
use state_store::task::{ProjectKey, ProjectSettings};
use state_store::{MemoryStore, StateStore, StreamName, SystemClock};

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
    /// The settings that decisions depend on.
    pub policy: Policy,
    /// Who signs the commits.
    pub author: Signature,
    /// What a check may use.
    pub check_limits: ProcessLimits,
    /// How long an attempt may take.
    pub attempt_time: Duration,
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
            policy: Policy::default(),
            author: Signature {
                name: "super-planner".to_owned(),
                email: "super-planner@localhost".to_owned(),
            },
            check_limits: ProcessLimits::default(),
            attempt_time: Duration::from_secs(4 * 3600),
        }
    }
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
        "the project `{name}` is recorded with another plan: {added} tasks added, {removed} removed, {changed} changed"
    )]
    PlanChanged {
        /// The project.
        name: String,
        /// How many tasks the new plan has that the recorded one lacks.
        added: usize,
        /// How many tasks the recorded plan has that the new one lacks.
        removed: usize,
        /// How many tasks both have that are not the same.
        changed: usize,
    },
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
    is_resumed: bool,
}

impl Session {
    /// Begins a run, or goes on with the one that the store holds.
    pub async fn begin<E: AgentExecutor>(options: SessionOptions<E>) -> Result<Self, SessionError> {
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
            repository: options.target.map(|(repository, _)| repository),
            author: options.author,
            check_limits: options.check_limits,
            checks_at_once,
            attempt_time: options.attempt_time,
        };
        let running = coordinator.start()?;
        let begun = enter(&running.handle, options.plan, settings, options.agents).await;
        match begun {
            Ok((project, is_resumed)) => Ok(Self { running, project, store: options.store, is_resumed }),
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
        let mut report = Report::read(&*self.store, self.project).map_err(SessionError::Log)?;
        report.transitions = measured.ok();
        Ok(report)
    }
}

/// Makes the plan a project, or finds the one that it is already, and registers the agents.
async fn enter(
    handle: &Handle,
    plan: Plan,
    settings: ProjectSettings,
    agents: Vec<AgentSpec>,
) -> Result<(ProjectKey, bool), SessionError> {
    let name = plan.name.clone();
    let recorded = handle
        .inspect(move |engine, _| {
            let key = engine.state().project_named(&name)?;
            Some((key, Arc::clone(&engine.state().project(key)?.plan)))
        })
        .await?;
    let (project, is_resumed) = match recorded {
        Some((project, recorded)) => {
            same_plan(&recorded, &plan)?;
            submit(handle, Command::ConfigureProject { project, settings }).await?;
            (project, true)
        }
        None => match submit(handle, Command::AddProject { plan, settings }).await? {
            Accepted::Project(project) => (project, false),
            Accepted::Done => unreachable!("adding a project is answered with its key"),
        },
    };
    submit(handle, Command::RegisterAgents(agents)).await?;
    Ok((project, is_resumed))
}

async fn submit(handle: &Handle, command: Command) -> Result<Accepted, SessionError> {
    handle.submit(command).await.map_err(SessionError::Refused)
}

fn same_plan(recorded: &Plan, given: &Plan) -> Result<(), SessionError> {
    // What is recorded has been through JSON once.
    let stored = Plan::from_json(given.to_json().as_bytes());
    if stored.as_ref().is_ok_and(|stored| stored == recorded) {
        return Ok(());
    }
    let by_id = |plan: &Plan| -> std::collections::HashMap<_, _> {
        plan.tasks.iter().map(|task| (task.id.clone(), task.clone())).collect()
    };
    let (old, new) = (by_id(recorded), by_id(stored.as_ref().unwrap_or(given)));
    Err(SessionError::PlanChanged {
        name: recorded.name.clone(),
        added: new.keys().filter(|id| !old.contains_key(*id)).count(),
        removed: old.keys().filter(|id| !new.contains_key(*id)).count(),
        changed: new.iter().filter(|(id, task)| old.get(*id).is_some_and(|other| other != *task)).count(),
    })
}
