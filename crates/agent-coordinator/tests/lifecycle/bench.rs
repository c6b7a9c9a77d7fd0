//! One coordinator and its store, asked in turns; every invariant is looked at after each.

use std::sync::Arc;

use agent_coordinator::engine::{AgentSpec, Command, Engine, Explanation, Policy, Refusal, Request};
use agent_coordinator::{load, turn};
use planner_core::{Dependency, Plan, Task, TaskId};
use state_store::task::{
    Accepted, Deliverable, FailureReason, Host, Lease, ProjectKey, ProjectSettings, StateName, TaskKey,
};
use state_store::{ManualClock, MemoryStore, StateStore, StreamName, Timestamp};

pub(crate) const PROJECT: ProjectKey = ProjectKey(0);

/// A coordinator on a store in memory, whose clock the test moves.
pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: MemoryStore,
    pub(crate) engine: Engine,
}

impl Bench {
    pub(crate) fn new(tasks: Vec<Task>, agents: usize) -> Self {
        Self::with_policy(tasks, agents, Policy { failures_max: 1, ..Policy::default() })
    }

    pub(crate) fn with_policy(tasks: Vec<Task>, agents: usize, policy: Policy) -> Self {
        let agent = |number| AgentSpec {
            name: format!("agent-{number}"),
            capabilities: std::iter::empty::<&str>().collect(),
            slots: 1,
            lease: None,
            labels: Vec::new(),
        };
        Self::with_agents(tasks, (0..agents).map(agent).collect(), policy)
    }

    pub(crate) fn with_agents(tasks: Vec<Task>, agents: Vec<AgentSpec>, policy: Policy) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<_>);
        let mut bench = Self { clock, store, engine: Engine::new([1; 16], policy) };
        let plan = plan(tasks);
        let settings = ProjectSettings { branch: None, checks: false };
        let host = Host { boot: String::new(), pid: 1, started: 1 };
        bench.ask(Command::Begin { host }).unwrap();
        bench.ask(Command::Enter { plan, settings }).unwrap();
        bench.ask(Command::RegisterAgents(agents)).unwrap();
        bench
    }

    /// Asks in one turn; then a new engine that reads the log must come to the same.
    pub(crate) fn ask(&mut self, command: Command) -> Result<Accepted, Refusal> {
        let requests = [Request::from(command)];
        let turn = turn(&mut self.engine, &self.store, &StreamName::workspace(), &requests).unwrap();
        self.engine.check_invariants().unwrap();
        let mut fresh = Engine::observer(Policy::default());
        load(&mut fresh, &self.store, &StreamName::workspace()).unwrap();
        assert_eq!(fresh.state().to_snapshot(), self.engine.state().to_snapshot());
        turn.answers.into_iter().next().unwrap()
    }

    pub(crate) fn key(&self, id: &str) -> TaskKey {
        TaskKey::new(PROJECT, self.engine.state().projects()[0].graph.task_index(id).unwrap())
    }

    pub(crate) fn state(&self, id: &str) -> StateName {
        self.engine.state().task(self.key(id)).unwrap().state.name()
    }

    pub(crate) fn lease(&self, id: &str) -> Lease {
        *self.engine.state().task(self.key(id)).unwrap().state.lease().unwrap()
    }

    pub(crate) fn explain(&self, id: &str) -> Explanation {
        self.engine.explain(self.key(id), self.store.now(), &|_| true).unwrap()
    }

    pub(crate) fn start(&mut self, id: &str) -> (TaskKey, Lease) {
        let (task, lease) = (self.key(id), self.lease(id));
        self.ask(Command::Start { task, token: lease.token }).unwrap();
        (task, lease)
    }

    pub(crate) fn finish(&mut self, id: &str) {
        let (task, Lease { token, agent, .. }) = self.start(id);
        self.ask(Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles }).unwrap();
    }

    pub(crate) fn fail(&mut self, id: &str) {
        let (task, Lease { token, .. }) = self.start(id);
        self.ask(Command::Fail { task, token, reason: FailureReason::Timeout }).unwrap();
    }

    pub(crate) fn set(&mut self, tasks: Vec<Task>) -> Result<Accepted, Refusal> {
        self.ask(Command::SetTasks { project: PROJECT, tasks })
    }
}

pub(crate) fn task(name: &str, after: &[&str]) -> Task {
    let id = |text: &str| TaskId::new(text).unwrap();
    let dependencies = after.iter().map(|on| Dependency::on_completion(id(on))).collect();
    Task { dependencies, ..Task::new(id(name)) }
}

pub(crate) fn plan(tasks: Vec<Task>) -> Plan {
    let (description, extra) = (String::new(), serde_json::Map::new());
    Plan { name: "p".to_owned(), description, agents: Vec::new(), tasks, extra }
}
