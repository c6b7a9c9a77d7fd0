//! A repository, a store and a coordinator at work, in a folder on a disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_coordinator::engine::{AgentSpec, Command, Engine, Policy};
use agent_coordinator::executor::AgentExecutor;
use agent_coordinator::{Coordinator, Handle, LandingRules, ProcessLimits, RecordedEvent, Running, ShutDown};
use git_ops::{BranchName, Edit, FileMode, RepoPath, Repository, Signature, WorktreePool};
use planner_core::{CapabilitySet, Dependency, Effort, Plan, Task, TaskId};
use state_store::task::{Accepted, ProjectKey, ProjectSettings, State, TaskState};
use state_store::{SqliteStore, StateStore, StreamName, SystemClock};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::disk::DiskFolder;
use crate::scenario::ScenarioFailed;

/// How long a run may take before it counts as stuck: far longer than any that goes on.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(600);

/// Everything that a run needs.
pub(super) struct World {
    runtime: Runtime,
    pub(super) repository: Repository,
    pub(super) branch: BranchName,
    store: Arc<SqliteStore>,
    running: Running,
    folder: DiskFolder,
}

/// An event with the moment at which it was seen.
pub(super) type Seen = (Instant, RecordedEvent);

impl World {
    /// Makes a repository with these files and a store, and starts a coordinator.
    pub(super) fn begin(files: &[Edit], executor: impl AgentExecutor) -> Result<Self, ScenarioFailed> {
        let folder = DiskFolder::new().map_err(ScenarioFailed::during("finding a disk"))?;
        let repository = Repository::init(&folder.path().join("repo"), files, &author(), 1_700_000_000)
            .map_err(ScenarioFailed::during("making a repository"))?;
        let branch = BranchName::new("planner/bench").map_err(ScenarioFailed::during("naming a branch"))?;
        let head = repository.head().map_err(ScenarioFailed::during("reading the repository"))?;
        let head = head.ok_or("it is empty").map_err(ScenarioFailed::during("reading the repository"))?;
        repository.create_branch(&branch, head).map_err(ScenarioFailed::during("making a branch"))?;
        let store = SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock))
            .map_err(ScenarioFailed::during("making a store"))?;
        let store = Arc::new(store);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(ScenarioFailed::during("starting a runtime"))?;
        let running = start(&runtime, &store, &repository, executor)?;
        Ok(Self { runtime, repository, branch, store, running, folder })
    }

    /// Stops the coordinator without letting anything come to its end, and starts another one on what it has left; returns when the
    /// first was told to stop.
    pub(super) fn replace_coordinator(
        &mut self,
        executor: impl AgentExecutor,
    ) -> Result<Instant, ScenarioFailed> {
        let (stopped, handle) = (Instant::now(), self.running.handle.clone());
        handle.shut_down(ShutDown::Now);
        self.runtime.block_on(handle.stopped());
        self.running = start(&self.runtime, &self.store, &self.repository, executor)?;
        Ok(stopped)
    }

    pub(super) fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(&self.store)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.running.handle
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Returns how many tasks of a project are completed.
    pub(super) fn completed(&self, project: ProjectKey) -> Result<usize, ScenarioFailed> {
        let count = move |engine: &Engine, _: &agent_coordinator::Metrics| {
            let tasks = engine.state().project(project).map(|project| &project.tasks);
            let is_done =
                |record: &&state_store::task::TaskRecord| matches!(record.state, TaskState::Completed(_));
            tasks.map_or(0, |tasks| tasks.iter().filter(is_done).count())
        };
        self.runtime
            .block_on(self.handle().inspect(count))
            .map_err(ScenarioFailed::during("asking the coordinator"))
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn checkpoints(&self) -> u64 {
        self.store.checkpoints()
    }

    /// Makes the plan a project that lands on the branch.
    pub(super) fn enter(&self, plan: Plan) -> Result<ProjectKey, ScenarioFailed> {
        let settings = ProjectSettings { branch: Some(self.branch.as_str().to_owned()), checks: false };
        match self.handle().submit_blocking(Command::Enter { plan, settings }) {
            Ok(Accepted::Project(project)) => Ok(project),
            Ok(Accepted::Done) => Err("no project").map_err(ScenarioFailed::during("entering a plan")),
            Err(error) => Err(error).map_err(ScenarioFailed::during("entering a plan")),
        }
    }

    /// Registers that many agents; returns how long that took.
    pub(super) fn register(&self, agents: usize) -> Result<Duration, ScenarioFailed> {
        let spec = |number| AgentSpec {
            name: format!("agent-{number:03}"),
            capabilities: CapabilitySet::default(),
            slots: 1,
            lease: None,
            labels: Vec::new(),
        };
        let begun = Instant::now();
        self.handle()
            .submit_blocking(Command::RegisterAgents((1..=agents).map(spec).collect()))
            .map_err(ScenarioFailed::during("registering agents"))?;
        Ok(begun.elapsed())
    }

    /// Notes every event from now on, until the coordinator has ended.
    pub(super) fn observe(&self) -> JoinHandle<Vec<Seen>> {
        let mut events = self.handle().events();
        self.runtime.spawn(async move {
            let mut seen = Vec::new();
            loop {
                match events.recv().await {
                    Ok(event) => seen.push((Instant::now(), event)),
                    // What was missed shows in the figures as an event without its partner, and is not counted.
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return seen,
                }
            }
        })
    }

    /// Waits until nothing more happens to a project; one that never ends is an error.
    pub(super) fn settle(&self, project: ProjectKey) -> Result<(), ScenarioFailed> {
        let settled = self
            .runtime
            .block_on(async { tokio::time::timeout(STUCK_AFTER, self.handle().settled(project)).await });
        match settled {
            Ok(Ok(())) => Ok(()),
            Ok(Err(stopped)) => Err(stopped).map_err(ScenarioFailed::during("running a plan")),
            Err(late) => Err(late).map_err(ScenarioFailed::during("waiting for a run that is stuck")),
        }
    }

    /// Ends the coordinator, and returns what it had done as the log tells it, after checking that the log is sound.
    pub(super) fn end(self, how: ShutDown) -> Result<Ended, ScenarioFailed> {
        let Self { runtime, repository, branch, store, running, folder } = self;
        let observed_commits = runtime
            .block_on(running.handle.inspect(|_, metrics| metrics.commits))
            .map_err(ScenarioFailed::during("asking the coordinator"))?;
        running.handle.shut_down(how);
        runtime.block_on(running.ended()).map_err(ScenarioFailed::during("ending the coordinator"))?;
        let state = State::load(&*store, &StreamName::workspace())
            .map_err(ScenarioFailed::during("reading the log again"))?
            .state;
        let mut engine = Engine::observer(Policy::default());
        engine.set(state.clone());
        engine.check_invariants().map_err(ScenarioFailed::during("checking the state"))?;
        Ok(Ended { state, flushes: observed_commits, repository, branch, runtime, folder })
    }
}

/// Starts a coordinator of its own id.
fn start(
    runtime: &Runtime,
    store: &Arc<SqliteStore>,
    repository: &Repository,
    executor: impl AgentExecutor,
) -> Result<Running, ScenarioFailed> {
    let head = store.head(&StreamName::workspace()).map_err(ScenarioFailed::during("reading the store"))?;
    let mut id = [1; 16];
    // Unique in this store: nothing but a coordinator appends to it.
    id[..8].copy_from_slice(&head.get().to_le_bytes());
    let coordinator = Coordinator {
        store: Arc::clone(store) as Arc<dyn StateStore>,
        stream: StreamName::workspace(),
        id,
        policy: Policy { backoff_base: Duration::from_millis(5), ..Policy::default() },
        executor,
        repository: Some(repository.clone()),
        author: author(),
        landing: LandingRules::default(),
        worktrees: WorktreePool::default(),
        check_limits: ProcessLimits::default(),
        checks_at_once: 2,
        attempt_time: STUCK_AFTER,
    };
    let _entered = runtime.enter();
    coordinator.start().map_err(ScenarioFailed::during("starting a coordinator"))
}

/// What a run has left.
pub(super) struct Ended {
    /// What the log tells.
    pub(super) state: State,
    /// How many times the log was appended to, each time with a flush.
    pub(super) flushes: u64,
    pub(super) repository: Repository,
    pub(super) branch: BranchName,
    pub(super) runtime: Runtime,
    folder: DiskFolder,
}

impl Ended {
    /// Returns what was seen of a run that has ended.
    pub(super) fn seen(&self, observed: JoinHandle<Vec<Seen>>) -> Result<Vec<Seen>, ScenarioFailed> {
        self.runtime.block_on(observed).map_err(ScenarioFailed::during("watching the events"))
    }

    pub(super) fn repository_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("repo")
    }
}

pub(super) fn author() -> Signature {
    Signature { name: "bench".to_owned(), email: "bench@localhost".to_owned() }
}

/// Returns an edit that writes a file; the path is a plain one.
pub(super) fn write(path: &str, content: impl Into<Vec<u8>>) -> Edit {
    let path = RepoPath::new(path).expect("paths of made-up files are plain");
    Edit::Write { path, content: content.into(), mode: FileMode::Regular }
}

/// Returns a plan of tasks of the same effort, without demands.
pub(super) fn plan(name: &str, tasks: Vec<Task>) -> Plan {
    Plan {
        name: name.to_owned(),
        description: String::new(),
        agents: Vec::new(),
        tasks,
        extra: serde_json::Map::new(),
    }
}

/// Returns a task of one hour that comes after these.
pub(super) fn task(number: usize, after: &[usize]) -> Task {
    let id = |number: usize| TaskId::new(&format!("T-{number:05}")).expect("the name is plain");
    let dependencies = after.iter().map(|on| Dependency::on_completion(id(*on))).collect();
    Task { dependencies, effort: Some(Effort::from_millis(3_600_000)), ..Task::new(id(number)) }
}
