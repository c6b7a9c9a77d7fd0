//! A coordinator whose machine is gone: one of another machine takes over once its lease has ended, and not before.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[expect(dead_code, reason = "the tests of the store need more of it")]
#[path = "../../state-store/tests/postgres_cluster/mod.rs"]
mod postgres_cluster;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Engine, Policy, Request};
use agent_coordinator::executor::{InProcess, Job, Outcome};
use agent_coordinator::{Coordinator, LandingRules, ProcessLimits, ShutDown, load, turn};
use git_ops::{Signature, WorktreeOptions, WorktreePool};
use planner_core::{CapabilitySet, Check, Plan, Task, TaskId};
use state_store::log::{PostgresAddress, PostgresOptions, PostgresStore};
use state_store::task::{
    Deliverable, Event, Host, InstanceKey, InstanceStatus, Lost, ProjectKey, ProjectSettings, StateName,
    TaskKey, Transition,
};
use state_store::{Seq, SqliteStore, StateStore, StreamName, SystemClock, Timestamp};

use crate::postgres_cluster::Cluster;

const TIME_MAX: Duration = Duration::from_secs(60);

/// A coordinator that nobody sees must have been silent for so long before it is taken over from.
const INSTANCE_LEASE: Duration = Duration::from_secs(2);

/// The lease, the sweep, and some for a busy machine.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(8);

fn policy() -> Policy {
    Policy { instance_lease: INSTANCE_LEASE, ..Policy::default() }
}

fn plan() -> Plan {
    let check = Check { command: vec!["true".to_owned()], timeout_seconds: None };
    let task = |name: &str, check: Option<Check>| Task {
        check: check.map(Box::new),
        ..Task::new(TaskId::new(name).unwrap())
    };
    Plan {
        name: "p".to_owned(),
        description: String::new(),
        agents: Vec::new(),
        tasks: vec![task("under-way", None), task("delivered", Some(check))],
        extra: serde_json::Map::new(),
    }
}

fn agent(name: &str) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        capabilities: CapabilitySet::default(),
        slots: 2,
        lease: None,
        labels: Vec::new(),
    }
}

fn settings() -> ProjectSettings {
    ProjectSettings { branch: None, checks: true }
}

/// Has a coordinator of another machine begin both tasks, deliver one, and say no more. Returns when its lease ends.
fn begin_and_vanish(store: &dyn StateStore) -> Timestamp {
    let stream = StreamName::workspace();
    let mut engine = Engine::new([1; 16], policy());
    let mut ask = |commands: Vec<Command>| {
        let requests: Vec<Request> = commands.into_iter().map(Request::from).collect();
        let answers = turn(&mut engine, store, &stream, &requests).unwrap().answers;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        engine.state().clone()
    };
    let host = Host { boot: "another machine".to_owned(), pid: 1, started: 1 };
    ask(vec![Command::Begin { host }]);
    ask(vec![Command::Enter { plan: plan(), settings: settings() }]);
    let state = ask(vec![Command::RegisterAgents(vec![agent("first")])]);
    let [under_way, delivered] = [0, 1].map(|task| TaskKey { project: ProjectKey(0), task });
    let lease = |task| *state.task(task).unwrap().state.lease().unwrap();
    let [one, other] = [under_way, delivered].map(lease);
    let deliverable = Deliverable::NoFiles;
    let state = ask(vec![
        Command::Start { task: under_way, token: one.token },
        Command::Start { task: delivered, token: other.token },
        Command::Deliver { task: delivered, token: other.token, agent: other.agent, deliverable },
    ]);
    let InstanceStatus::Active { expires_at } = state.instance(InstanceKey(0)).unwrap().status else {
        panic!()
    };
    expires_at
}

/// Begins a coordinator here, waits until all is done, and looks at what it took over when.
fn take_over(first: &dyn StateStore, second: Arc<dyn StateStore>, folder: &Path) {
    let lease_ends = begin_and_vanish(first);
    let options = WorktreeOptions { folder: folder.join("worktrees"), ..WorktreeOptions::default() };
    let coordinator = Coordinator {
        store: second,
        stream: StreamName::workspace(),
        id: [2; 16],
        policy: policy(),
        executor: InProcess::new(|_: Job| async { Outcome::Done(Vec::new()) }),
        repository: None,
        author: Signature { name: "test".to_owned(), email: "test@example.org".to_owned() },
        landing: LandingRules::default(),
        worktrees: WorktreePool::new(options),
        check_limits: ProcessLimits::default(),
        checks_at_once: 1,
        attempt_time: TIME_MAX,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let running = coordinator.start().unwrap();
        let enter = Command::Enter { plan: plan(), settings: settings() };
        running.handle.submit(enter).await.unwrap();
        running.handle.submit(Command::RegisterAgents(vec![agent("second")])).await.unwrap();
        let settled = running.handle.settled(ProjectKey(0));
        tokio::time::timeout(TIME_MAX, settled).await.expect("it goes on").unwrap();
        running.handle.shut_down(ShutDown::Drain);
        running.ended().await.unwrap();
    });
    let mut engine = Engine::observer(policy());
    load(&mut engine, first, &StreamName::workspace()).unwrap();
    let records = &engine.state().projects()[0].tasks;
    let ends: Vec<_> = records.iter().map(|record| (record.state.name(), record.attempts)).collect();
    assert_eq!(
        ends,
        [(StateName::Completed, 2), (StateName::Completed, 1)],
        "a result is adopted, not made again"
    );
    check_moments(first, lease_ends);
}

/// What the gone one had was touched when its lease had ended, and soon after that.
fn check_moments(store: &dyn StateStore, lease_ends: Timestamp) {
    let (mut ended, mut touched) = (None, 0);
    let look = &mut |recorded: state_store::Recorded| {
        match Event::of(&recorded).unwrap() {
            Event::InstanceEnded { instance: InstanceKey(0) } => ended = Some(recorded.at),
            Event::Task {
                transition: Transition::Adopt { .. } | Transition::Lose { why: Lost::CoordinatorGone, .. },
                ..
            } => {
                assert!(recorded.at >= lease_ends, "it was still there for all that anybody could know");
                touched += 1;
            }
            _ => {}
        }
        std::ops::ControlFlow::Continue(())
    };
    store.read(&StreamName::workspace(), Seq::START, look).unwrap();
    let ended = ended.expect("it was taken over from");
    assert!(ended >= lease_ends && ended.since(lease_ends) < TAKEN_OVER_WITHIN, "{lease_ends:?} {ended:?}");
    assert_eq!(touched, 2, "one attempt was given up, and one result adopted");
}

#[test]
fn on_one_machine_by_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let open = || SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
    take_over(&open(), Arc::new(open()), folder.path());
}

#[test]
fn on_two_machines_by_a_database() {
    let cluster = Cluster::shared();
    let address = PostgresAddress::parse(&cluster.url(&cluster.fresh_database())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = || PostgresStore::open(&address, PostgresOptions::default()).unwrap();
    take_over(&open(), Arc::new(open()), folder.path());
}
