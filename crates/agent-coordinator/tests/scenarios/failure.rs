//! Agents that fall silent, alone or together.

use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Engine, Policy, Refusal, Request};
use agent_coordinator::turn;
use planner_core::CapabilitySet;
use state_store::task::{Deliverable, Host, Lease, ProjectSettings, StateName, TaskKey};
use state_store::{ManualClock, SqliteStore, StreamName, Timestamp};

use crate::fleet::{PROJECT, plan, task};

const LEASE: Duration = Duration::from_secs(60);

/// A coordinator on an SQLite file whose agents have to be heard of.
struct Watch {
    clock: Arc<ManualClock>,
    store: SqliteStore,
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl Watch {
    fn new(tasks: usize, agents: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let store = SqliteStore::open(&folder.path().join("state.db"), Arc::clone(&clock) as Arc<_>).unwrap();
        let engine = Engine::new([1; 16], Policy { lease: LEASE, ..Policy::default() });
        let mut watch = Self { clock, store, engine, _folder: folder };
        let agent = |number: usize| AgentSpec {
            name: format!("agent-{number}"),
            capabilities: CapabilitySet::default(),
            slots: 1,
            lease: None,
            labels: Vec::new(),
        };
        let tasks = (0..tasks).map(|number| task(&format!("t{number}"), &[])).collect();
        let settings = ProjectSettings { branch: None, checks: false };
        watch.ask(Command::Begin { host: Host { boot: String::new(), pid: 1, started: 1 } }).unwrap();
        watch.ask(Command::Enter { plan: plan(tasks), settings }).unwrap();
        watch.ask(Command::RegisterAgents((0..agents).map(agent).collect())).unwrap();
        watch
    }

    fn ask(&mut self, command: Command) -> Result<(), Refusal> {
        let requests = [Request::from(command)];
        let turn = turn(&mut self.engine, &self.store, &StreamName::workspace(), &requests).unwrap();
        self.engine.check_invariants().unwrap();
        turn.answers.into_iter().next().unwrap().map(drop)
    }

    /// Returns what is under way.
    fn leases(&self) -> Vec<(TaskKey, Lease)> {
        let tasks = (0..).zip(&self.engine.state().project(PROJECT).unwrap().tasks);
        let leased = tasks
            .filter_map(|(task, record)| Some((TaskKey { project: PROJECT, task }, *record.state.lease()?)));
        leased.collect()
    }

    fn deliver(&mut self, task: TaskKey, lease: Lease) -> Result<(), Refusal> {
        let (token, agent) = (lease.token, lease.agent);
        self.ask(Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles })
    }
}

#[test]
fn the_task_of_an_agent_that_fails_is_found_given_to_another_and_goes_on_from_its_checkpoint() {
    let mut watch = Watch::new(1, 2);
    let (task, lease) = watch.leases()[0];
    watch.ask(Command::Start { task, token: lease.token }).unwrap();
    let text = "the parser is written".to_owned();
    watch.ask(Command::Checkpoint { task, token: lease.token, text }).unwrap();
    watch.clock.advance(LEASE);
    watch.ask(Command::Renew(Vec::new())).unwrap();
    let (_, second) = watch.leases()[0];
    assert!(second.agent != lease.agent, "the one that fell silent has been given its work already");
    let record = watch.engine.state().task(task).unwrap();
    assert_eq!((record.checkpoint.as_deref(), record.failures), (Some("the parser is written"), 0));
    watch.ask(Command::Start { task, token: second.token }).unwrap();
    watch.deliver(task, second).unwrap();
    assert_eq!(watch.engine.state().task(task).unwrap().state.name(), StateName::Completed);
}

#[test]
fn agents_that_are_cut_off_keep_nobody_back_and_what_they_bring_late_is_kept() {
    let mut watch = Watch::new(8, 4);
    let first = watch.leases();
    for (task, lease) in &first {
        watch.ask(Command::Start { task: *task, token: lease.token }).unwrap();
    }
    let (cut_off, reachable) = first.split_at(2);
    for (task, lease) in reachable {
        watch.deliver(*task, *lease).unwrap();
    }
    // The others go on with all that is left, and are heard of; the two are not.
    for _ in 0..10 {
        let near: Vec<_> = watch.leases().into_iter().filter(|held| !cut_off.contains(held)).collect();
        for (task, lease) in near {
            let _ = watch.ask(Command::Start { task, token: lease.token });
            watch.deliver(task, lease).unwrap();
        }
        watch.clock.advance(LEASE / 8);
        watch.ask(Command::Renew(Vec::new())).unwrap();
    }
    let done = |watch: &Watch| {
        let tasks = &watch.engine.state().project(PROJECT).unwrap().tasks;
        tasks.iter().filter(|record| record.state.name() == StateName::Completed).count()
    };
    assert_eq!(done(&watch), 8, "their tasks went to the others");
    for (task, lease) in cut_off {
        assert!(matches!(watch.deliver(*task, *lease), Err(Refusal::Late(_))));
    }
    assert_eq!(watch.engine.state().late_results().len(), 2, "nothing is lost");
}
