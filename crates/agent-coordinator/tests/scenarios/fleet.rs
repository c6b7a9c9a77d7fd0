//! A coordinator with agents on virtual time: attempts take as long as the test says, everything else takes none.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Effect, Engine, Policy, Refusal, Request};
use agent_coordinator::{RecordedEvent, turn};
use planner_core::{CapabilitySet, Dependency, Effort, Plan, Task, TaskId};
use state_store::task::{
    Accepted, AgentKey, Deliverable, Event, Host, Lease, ProjectKey, ProjectSettings, StateName, TaskKey,
    Transition,
};
use state_store::{ManualClock, MemoryStore, SqliteStore, StateStore, StreamName, Timestamp};

pub(crate) const PROJECT: ProjectKey = ProjectKey(0);

const BEGIN: u64 = 1_000_000_000;

/// One coordinator and its agents.
pub(crate) struct Fleet {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) engine: Engine,
    /// What was recorded, in order.
    pub(crate) events: Vec<RecordedEvent>,
    ends: BinaryHeap<Reverse<(Timestamp, TaskKey, AgentKey)>>,
    /// Where the store is, if it is on the disk.
    _folder: Option<tempfile::TempDir>,
}

impl Fleet {
    /// Returns one on an SQLite file that is gone afterwards.
    pub(crate) fn on_disk(tasks: Vec<Task>, agents: Vec<AgentSpec>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(BEGIN)));
        let store = SqliteStore::open(&folder.path().join("state.db"), Arc::clone(&clock) as Arc<_>).unwrap();
        Self::new(clock, Arc::new(store), Some(folder), tasks, agents)
    }

    /// Returns one on a store in memory.
    pub(crate) fn in_memory(tasks: Vec<Task>, agents: Vec<AgentSpec>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(BEGIN)));
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<_>);
        Self::new(clock, Arc::new(store), None, tasks, agents)
    }

    fn new(
        clock: Arc<ManualClock>,
        store: Arc<dyn StateStore>,
        folder: Option<tempfile::TempDir>,
        tasks: Vec<Task>,
        agents: Vec<AgentSpec>,
    ) -> Self {
        // Nothing is renewed here, and no attempt is given up for that.
        let policy = Policy { lease: Duration::from_secs(1_000_000_000), ..Policy::default() };
        let engine = Engine::new([1; 16], policy);
        let (events, ends) = (Vec::new(), BinaryHeap::new());
        let mut fleet = Self { clock, store, engine, events, ends, _folder: folder };
        fleet.begin(plan(tasks), agents);
        fleet
    }

    fn begin(&mut self, plan: Plan, agents: Vec<AgentSpec>) {
        let settings = ProjectSettings { branch: None, checks: false };
        self.ask(Command::Begin { host: Host { boot: String::new(), pid: 1, started: 1 } }).unwrap();
        self.ask(Command::Enter { plan, settings }).unwrap();
        self.ask(Command::RegisterAgents(agents)).unwrap();
    }

    pub(crate) fn ask(&mut self, command: Command) -> Result<Accepted, Refusal> {
        self.turn(vec![command]).remove(0)
    }

    /// Takes a turn; whoever is given a task begins at once.
    pub(crate) fn turn(&mut self, commands: Vec<Command>) -> Vec<Result<Accepted, Refusal>> {
        let requests: Vec<Request> = commands.into_iter().map(Request::from).collect();
        let turn = turn(&mut self.engine, &*self.store, &StreamName::workspace(), &requests).unwrap();
        self.events.extend(turn.events);
        let begun = turn.effects.into_iter().filter_map(|effect| match effect {
            Effect::StartAttempt { task, lease } => Some(Command::Start { task, token: lease.token }),
            _ => None,
        });
        let begun: Vec<_> = begun.collect();
        if !begun.is_empty() {
            self.turn(begun);
        }
        turn.answers
    }

    /// Lets all attempts come to their ends, each after as long as `took` says, until nothing is left to do.
    pub(crate) fn run(&mut self, took: &dyn Fn(TaskKey) -> Duration) {
        let mut known = 0;
        loop {
            for recorded in &self.events[known..] {
                if let Event::Task { task, transition: Transition::Assign(lease) } = &recorded.event {
                    self.ends.push(Reverse((recorded.at + took(*task), *task, lease.agent)));
                }
            }
            known = self.events.len();
            let Some(Reverse((now, ..))) = self.ends.peek() else { return };
            let now = *now;
            self.clock.set(now);
            let mut reports = Vec::new();
            while self.ends.peek().is_some_and(|Reverse((end, ..))| *end == now) {
                let Some(Reverse((_, task, agent))) = self.ends.pop() else { break };
                let token = self.lease(task).token;
                reports.push(Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles });
            }
            assert!(self.turn(reports).iter().all(Result::is_ok));
        }
    }

    pub(crate) fn key(&self, id: &str) -> TaskKey {
        TaskKey::new(PROJECT, self.engine.state().projects()[0].graph.task_index(id).unwrap())
    }

    pub(crate) fn state(&self, id: &str) -> StateName {
        self.engine.state().task(self.key(id)).unwrap().state.name()
    }

    pub(crate) fn lease(&self, task: TaskKey) -> Lease {
        *self.engine.state().task(task).unwrap().state.lease().unwrap()
    }

    pub(crate) fn tasks(&self) -> &[Task] {
        &self.engine.state().projects()[0].plan.tasks
    }

    /// Returns how long it was from the first hand-out to the last report.
    pub(crate) fn makespan(&self) -> Duration {
        self.clock_now().since(Timestamp::from_millis(BEGIN))
    }

    fn clock_now(&self) -> Timestamp {
        use state_store::Clock;
        self.clock.now()
    }

    /// Returns the efforts that each agent was given, by the plan.
    pub(crate) fn given(&self) -> BTreeMap<AgentKey, Duration> {
        let mut given = BTreeMap::new();
        for (task, lease) in self.assigned() {
            let effort = self.tasks()[task.task as usize].effort_or_default().as_duration();
            *given.entry(lease.agent).or_default() += effort;
        }
        given
    }

    /// Returns what was handed out, in order.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = (TaskKey, Lease)> + '_ {
        self.events.iter().filter_map(|recorded| match &recorded.event {
            Event::Task { task, transition: Transition::Assign(lease) } => Some((*task, *lease)),
            _ => None,
        })
    }

    /// Returns when each task was handed out, in order.
    pub(crate) fn starts(&self) -> impl Iterator<Item = (TaskKey, Timestamp)> + '_ {
        self.events.iter().filter_map(|recorded| match &recorded.event {
            Event::Task { task, transition: Transition::Assign(_) } => Some((*task, recorded.at)),
            _ => None,
        })
    }

    /// Each task was handed out once, after what it waits for was done, and is done; no agent had more than its slots.
    pub(crate) fn check_all_done(&self) {
        let mut done = vec![false; self.tasks().len()];
        let mut holds: BTreeMap<AgentKey, u32> = BTreeMap::new();
        let mut by_task = BTreeMap::new();
        for recorded in &self.events {
            let Event::Task { task, transition } = &recorded.event else { continue };
            match transition {
                Transition::Assign(lease) => {
                    assert_eq!(by_task.insert(*task, lease.agent), None, "{task} was handed out twice");
                    for dependency in &self.tasks()[task.task as usize].dependencies {
                        assert!(
                            done[self.key(dependency.on.as_str()).task as usize],
                            "{task} came too early"
                        );
                    }
                    let held = holds.entry(lease.agent).or_default();
                    *held += 1;
                    assert!(*held <= self.engine.state().agent(lease.agent).unwrap().slots);
                }
                Transition::Land { .. } => {
                    done[task.task as usize] = true;
                    *holds.get_mut(&by_task[task]).unwrap() -= 1;
                }
                _ => {}
            }
        }
        assert!(done.iter().all(|done| *done), "something is not done");
        self.engine.check_invariants().unwrap();
    }
}

pub(crate) fn plan(tasks: Vec<Task>) -> Plan {
    let (description, extra) = (String::new(), serde_json::Map::new());
    Plan { name: "p".to_owned(), description, agents: Vec::new(), tasks, extra }
}

pub(crate) fn task(name: &str, after: &[&str]) -> Task {
    let id = |text: &str| TaskId::new(text).unwrap();
    let dependencies = after.iter().map(|on| Dependency::on_completion(id(on))).collect();
    Task { dependencies, ..Task::new(id(name)) }
}

pub(crate) fn lasting(name: &str, seconds: u64) -> Task {
    Task { effort: Some(Effort::from_millis(seconds * 1000)), ..task(name, &[]) }
}

pub(crate) fn agents(count: usize, slots: u32) -> Vec<AgentSpec> {
    let agent = |number| AgentSpec {
        name: format!("agent-{number:02}"),
        capabilities: CapabilitySet::default(),
        slots,
        lease: None,
        labels: Vec::new(),
    };
    (0..count).map(agent).collect()
}
