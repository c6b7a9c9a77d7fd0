//! A repository, a store, and what is needed to run small plans on them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Policy};
use agent_coordinator::executor::{
    AgentExecutor, AgentProgram, CommandAgent, CommandAgentOptions, Job, Ledger, Outcome, Transcripts,
};
use agent_coordinator::{Coordinator, LandingRules, ProcessLimits, Running, ShutDown};
use git_ops::{BranchName, Edit, FileMode, RepoPath, Repository, Signature, WorktreeOptions, WorktreePool};
use planner_core::{CapabilitySet, Dependency, Plan, Task, TaskId};
use state_store::task::{Accepted, ProjectKey, ProjectSettings, StateName};
use state_store::{MemoryStore, StateStore, StreamName, SystemClock};

const TIME_MAX: Duration = Duration::from_secs(60);

pub(crate) struct World {
    folder: tempfile::TempDir,
    repository: Repository,
    pub(crate) branch: BranchName,
    landing: LandingRules,
    attempt_time: Duration,
    pub(crate) store: Arc<dyn StateStore>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_store(|_| Arc::new(MemoryStore::new(Arc::new(SystemClock))))
    }

    pub(crate) fn with_store(open: impl FnOnce(&std::path::Path) -> Arc<dyn StateStore>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let first = [write("README.md", "hello\n")];
        let repository = Repository::init(&folder.path().join("repo"), &first, &author(), 1).unwrap();
        let branch = BranchName::new("planner/test").unwrap();
        repository.create_branch(&branch, repository.head().unwrap().unwrap()).unwrap();
        let store = open(folder.path());
        Self { folder, repository, branch, landing: LandingRules::default(), attempt_time: TIME_MAX, store }
    }

    pub(crate) fn with_landing(self, landing: LandingRules) -> Self {
        Self { landing, ..self }
    }

    pub(crate) fn with_attempt_time(self, attempt_time: Duration) -> Self {
        Self { attempt_time, ..self }
    }

    pub(crate) fn start<E: AgentExecutor>(&self, id: u8, executor: E) -> Running {
        self.start_with(id, executor, Policy { backoff_base: Duration::from_millis(5), ..Policy::default() })
    }

    pub(crate) fn start_with<E: AgentExecutor>(&self, id: u8, executor: E, policy: Policy) -> Running {
        let coordinator = Coordinator {
            store: Arc::clone(&self.store),
            stream: StreamName::workspace(),
            id: [id; 16],
            policy,
            executor,
            repository: Some(self.repository.clone()),
            author: author(),
            landing: self.landing.clone(),
            worktrees: self.worktrees(),
            check_limits: ProcessLimits::default(),
            checks_at_once: 2,
            attempt_time: self.attempt_time,
        };
        coordinator.start().unwrap()
    }

    /// Returns a pool whose folders lie in the folder of the world.
    pub(crate) fn worktrees(&self) -> WorktreePool {
        let folder = self.folder.path().join("worktrees");
        WorktreePool::new(WorktreeOptions { folder, ..WorktreeOptions::default() })
    }

    /// Returns agents that run a script for each task.
    pub(crate) fn script_agent(&self, script: &str) -> CommandAgent {
        let arguments = ["-c", script].map(str::to_owned).to_vec();
        self.program_agent(AgentProgram::plain("sh".to_owned(), arguments), Ledger::default())
    }

    /// Returns agents that run a program for each task; what it prints is kept in the folder of the world.
    pub(crate) fn program_agent(&self, program: AgentProgram, ledger: Ledger) -> CommandAgent {
        let transcripts = Transcripts::new(self.transcripts(), 1 << 20, 1 << 24);
        CommandAgent::new(CommandAgentOptions {
            program,
            limits: ProcessLimits::default(),
            start_max: None,
            silence_max: Duration::from_millis(600),
            worktrees: self.worktrees(),
            transcripts: Some(transcripts),
            ledger: Arc::new(ledger),
        })
    }

    pub(crate) fn transcripts(&self) -> PathBuf {
        self.folder.path().join("transcripts")
    }

    pub(crate) fn settings(&self) -> ProjectSettings {
        ProjectSettings { branch: Some(self.branch.as_str().to_owned()), checks: true }
    }

    pub(crate) fn commits(&self) -> Vec<String> {
        let range = format!("main..{}", self.branch);
        self.git(&["log", "--format=%s", &range]).lines().map(str::to_owned).collect()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.try_git(arguments).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Has git look at everything in the repository.
    pub(crate) fn check_repository(&self) {
        // Where small packs are being joined while git looks, it misses those that it has listed and that are gone since.
        let looks: Vec<_> = (0..5)
            .map(|_| self.try_git(&["fsck", "--full", "--strict"]))
            .take_while(Result::is_err)
            .collect();
        assert!(looks.len() < 5, "{looks:?}");
    }

    fn try_git(&self, arguments: &[&str]) -> Result<String, String> {
        let repository = self.folder.path().join("repo");
        let output =
            std::process::Command::new("git").arg("-C").arg(repository).args(arguments).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

fn author() -> Signature {
    Signature { name: "test".to_owned(), email: "test@example.org".to_owned() }
}

pub(crate) fn write(path: &str, content: &str) -> Edit {
    Edit::Write { path: RepoPath::new(path).unwrap(), content: content.into(), mode: FileMode::Regular }
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

pub(crate) fn task(name: &str, after: &[&str]) -> Task {
    let dependencies = after.iter().map(|on| Dependency::on_completion(id(on))).collect();
    Task { dependencies, ..Task::new(id(name)) }
}

pub(crate) fn plan(tasks: Vec<Task>) -> Plan {
    Plan {
        name: "test".to_owned(),
        description: String::new(),
        agents: Vec::new(),
        tasks,
        extra: serde_json::Map::new(),
    }
}

pub(crate) fn agents(count: usize) -> Command {
    let agent = |number| AgentSpec {
        name: format!("agent-{number}"),
        capabilities: CapabilitySet::default(),
        slots: 1,
        lease: None,
        labels: Vec::new(),
    };
    Command::RegisterAgents((1..=count).map(agent).collect())
}

pub(crate) async fn add(
    running: &Running,
    plan: Plan,
    settings: ProjectSettings,
    count: usize,
) -> ProjectKey {
    let accepted = running.handle.submit(Command::Enter { plan, settings }).await.unwrap();
    let Accepted::Project(project) = accepted else { panic!("{accepted:?}") };
    running.handle.submit(agents(count)).await.unwrap();
    project
}

pub(crate) async fn settle(running: &Running, project: ProjectKey) {
    tokio::time::timeout(TIME_MAX, running.handle.settled(project)).await.expect("the run ends").unwrap();
}

pub(crate) async fn states(running: &Running, project: ProjectKey) -> Vec<StateName> {
    let look = move |engine: &agent_coordinator::engine::Engine, _: &agent_coordinator::Metrics| {
        engine.check_invariants().unwrap();
        let tasks = &engine.state().project(project).unwrap().tasks;
        tasks.iter().map(|record| record.state.name()).collect()
    };
    running.handle.inspect(look).await.unwrap()
}

pub(crate) async fn end(running: Running) {
    running.handle.shut_down(ShutDown::Drain);
    running.ended().await.unwrap();
}

/// Writes a file named after the task.
pub(crate) async fn file_of(job: Job) -> Outcome {
    let name = job.task().id.to_string();
    Outcome::Done(vec![write(&format!("{name}.txt"), &name)])
}
