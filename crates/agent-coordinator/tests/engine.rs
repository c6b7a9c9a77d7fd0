//! The engine alone, on a random walk: commands in any order, time in any steps, two coordinators, agents that come late.
//! After every step the invariants hold, what was decided applies, and replaying the log gives the same state.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Engine, Explanation, Policy, Reach, Request};
use agent_coordinator::{load, turn};
use planner_core::generate::{LayeredShape, layered};
use planner_core::{CapabilitySet, Dependency, Plan, Task, TaskId, When};
use proptest::prelude::*;
use state_store::task::{
    AgentKey, CommitHash, ConflictRecord, Deliverable, FailureReason, FencingToken, Host, InstanceKey,
    InstanceStatus, Intent, Landed, ProjectKey, ProjectSettings, State, TaskKey, TaskState, snapshot,
};
use state_store::{ManualClock, MemoryStore, StateStore, StreamName, Timestamp};

const PROJECT: ProjectKey = ProjectKey(0);

fn requests(commands: &[Command]) -> Vec<Request> {
    commands.iter().cloned().map(Request::from).collect()
}

fn policy() -> Policy {
    Policy { lease: Duration::from_secs(10), failures_max: 2, ..Policy::default() }
}

fn host() -> Host {
    Host { boot: String::new(), pid: 1, started: 1 }
}

fn agents(count: u32, slots: u32) -> Command {
    let agent = |number| AgentSpec {
        name: format!("agent-{number}"),
        capabilities: CapabilitySet::default(),
        slots,
        lease: None,
        labels: Vec::new(),
    };
    Command::RegisterAgents((0..count).map(agent).collect())
}

/// A small plan with groups, ordinary dependencies and one on failure.
fn plan() -> Plan {
    let id = |text: &str| TaskId::new(text).unwrap();
    let task = |name: &str, parent: Option<&str>, after: &[&str]| Task {
        parent: parent.map(id),
        dependencies: after.iter().map(|on| Dependency::on_completion(id(on))).collect(),
        ..Task::new(id(name))
    };
    let rescue = Dependency { on: id("b"), when: When::Failed };
    let tasks = vec![
        task("g", None, &[]),
        task("a", Some("g"), &[]),
        task("b", Some("g"), &["a"]),
        task("c", None, &["g"]),
        Task { dependencies: vec![rescue], ..task("rescue", None, &[]) },
        task("d", None, &["a", "c"]),
        task("e", None, &[]),
    ];
    Plan {
        name: "p".to_owned(),
        description: String::new(),
        agents: Vec::new(),
        tasks,
        extra: serde_json::Map::new(),
    }
}

struct Walk {
    clock: Arc<ManualClock>,
    store: MemoryStore,
    stream: StreamName,
    engines: [Engine; 2],
}

impl Walk {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<_>);
        let engines = [1, 2].map(|id| Engine::new([id; 16], policy()));
        let mut walk = Self { clock, store, stream: StreamName::workspace(), engines };
        let settings = ProjectSettings { branch: Some("b".to_owned()), checks: false };
        walk.turn(0, &[Command::Begin { host: host() }]);
        walk.turn(0, &[Command::Enter { plan: plan(), settings }, agents(2, 1)]);
        walk.turn(1, &[Command::Begin { host: host() }]);
        let settings = ProjectSettings { branch: Some("b".to_owned()), checks: false };
        walk.turn(1, &[Command::Enter { plan: plan(), settings }]);
        walk
    }

    /// Both coordinators keep the invariants; the one that did not act reads on in its next turn.
    fn turn(&mut self, engine: usize, commands: &[Command]) {
        turn(&mut self.engines[engine], &self.store, &self.stream, &requests(commands)).unwrap();
        self.engines[engine].check_invariants().unwrap();
        self.check_snapshot(engine);
    }

    /// What a snapshot holds is the whole state: what is loaded from it has the same snapshot again.
    fn check_snapshot(&self, engine: usize) {
        let state = self.engines[engine].state();
        let kept = state.to_snapshot();
        assert_eq!(State::from_snapshot(&kept).unwrap().to_snapshot(), kept);
        if state.seq().get().is_multiple_of(3) {
            snapshot::keep(&self.store, &self.stream, state).unwrap();
        }
    }

    fn replayed(&self) -> Engine {
        let mut engine = Engine::observer(policy());
        load(&mut engine, &self.store, &self.stream).unwrap();
        engine.check_invariants().unwrap();
        engine
    }
}

/// A step of the walk: what is drawn is bent to the state, so that most steps are legal and some are not.
fn command(walk: &Walk, engine: usize, kind: u8, task: u32, age: u64) -> Command {
    let task = TaskKey { project: PROJECT, task };
    let state = walk.engines[engine].state();
    let token = FencingToken::new(state.task(task).unwrap().last_token.get().saturating_sub(age));
    let agent =
        state.task(task).and_then(|record| record.state.lease()).map_or(AgentKey(0), |lease| lease.agent);
    let commit = CommitHash([task.task as u8; 20]);
    let conflict = ConflictRecord { theirs: commit, base: commit, ours: commit, paths: vec!["x".to_owned()] };
    match kind {
        0 | 1 => Command::Start { task, token },
        2 => Command::Renew(vec![(task, token)]),
        3 => Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles },
        4 => Command::Deliver {
            task,
            token,
            agent,
            deliverable: Deliverable::Commit { result: commit, base: commit },
        },
        5 => Command::Intend(vec![(task, token, Intent { commit, merged: false })]),
        6 | 7 => Command::Land { task, token, landed: Landed::Commit { commit, merged: false } },
        8 => Command::Conflict { task, token, conflict },
        9 => Command::Fail { task, token, reason: FailureReason::Timeout },
        10 => Command::Hold(task),
        11 => Command::Resume(task),
        12 => Command::Cancel { task, reason: String::new(), reach: Reach::Task },
        13 => {
            let instance = InstanceKey(1 - engine as u32);
            let expires_at = match state.instance(instance).map(|other| other.status) {
                Some(InstanceStatus::Active { expires_at }) => expires_at,
                Some(InstanceStatus::Ended) | None => Timestamp::default(),
            };
            Command::TakeOver { instance, expires_at }
        }
        14 => Command::AdoptOrphans,
        _ => agents(2, 1),
    }
}

/// No task is handed out before everything that it waits for has ended as it must: checked against the plan itself.
fn check_order(engine: &Engine) {
    let project = engine.state().project(PROJECT).unwrap();
    let done = |id: &str| {
        let task = project.graph.task_index(id).unwrap();
        engine.is_reached(TaskKey::new(PROJECT, task))
    };
    let failed = |id: &str| {
        let task = project.graph.task_index(id).unwrap();
        matches!(project.task(task).state, TaskState::Failed { .. })
    };
    for (task, record) in project.plan.tasks.iter().zip(&project.tasks) {
        if record.attempts == 0 {
            continue;
        }
        let own = task.dependencies.iter();
        let inherited = project.plan.tasks.iter().filter(|group| task.parent.as_ref() == Some(&group.id));
        for dependency in own.chain(inherited.flat_map(|group| &group.dependencies)) {
            let on = dependency.on.as_str();
            let satisfied = if dependency.when == When::Completed { done(on) } else { failed(on) };
            assert!(satisfied, "`{}` was handed out before `{on}`", task.id);
        }
    }
}

proptest! {
    #[test]
    fn invariants_hold_on_every_path(
        steps in prop::collection::vec((0..2_usize, 0..24_u8, 0..7_u32, 0..2_u64, 0..4_000_u64), 1..120),
    ) {
        let mut walk = Walk::new();
        for (engine, kind, task, age, wait) in steps {
            walk.clock.advance(Duration::from_millis(wait));
            // Most steps speak of the present attempt.
            let command = command(&walk, engine, kind % 16, task, if kind > 16 { age } else { 0 });
            walk.turn(engine, &[command]);
            check_order(&walk.engines[engine]);
        }
        let replayed = walk.replayed();
        for engine in 0..2 {
            walk.turn(engine, &[]);
        }
        let present = &walk.replayed();
        prop_assert!(replayed.seq() <= present.seq());
        for engine in &walk.engines {
            for (own, other) in engine.state().projects()[0].tasks.iter().zip(&present.state().projects()[0].tasks) {
                if engine.seq() == present.seq() {
                    prop_assert_eq!(own, other);
                }
            }
        }
    }

    /// What `explain` calls next is handed out, and what it does not call next is not.
    #[test]
    fn explanations_agree_with_the_dispatcher(seed in any::<u64>(), finished in 0..20_usize) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<_>);
        let stream = StreamName::workspace();
        let mut engine = Engine::new([1; 16], policy());
        let settings = ProjectSettings { branch: None, checks: false };
        let [tasks, layers] = [24, 5].map(|count| NonZeroUsize::new(count).unwrap());
        let shape = LayeredShape { tasks, layers, dependencies_max: 3 };
        let add = Command::Enter { plan: layered(shape, seed), settings };
        turn(&mut engine, &store, &stream, &requests(&[Command::Begin { host: host() }, add])).unwrap();
        let can = CapabilitySet::from_iter(["rust"]);
        let agent = AgentSpec { name: "a".to_owned(), capabilities: can.clone(), slots: 2, lease: None, labels: Vec::new(), };
        turn(&mut engine, &store, &stream, &requests(&[Command::RegisterAgents(vec![agent])])).unwrap();
        for _ in 0..finished {
            let Some((task, lease)) = first_lease(&engine) else { break };
            let (token, agent) = (lease.token, lease.agent);
            let deliver = Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles };
            turn(&mut engine, &store, &stream, &requests(&[Command::Start { task, token }, deliver])).unwrap();
        }
        let now = store.now();
        for task in (0..24).map(|task| TaskKey { project: PROJECT, task }) {
            let explanation = engine.explain(task, now, &|_| true).unwrap();
            let state = &engine.state().task(task).unwrap().state;
            match explanation {
                Explanation::DoneBefore | Explanation::Completed { .. } => prop_assert!(matches!(state, TaskState::Completed(_))),
                Explanation::UnderWay { .. } => prop_assert!(state.lease().is_some()),
                Explanation::Waiting { blockers } => prop_assert!(!blockers.is_empty()),
                // The turn has just handed out all it could, so whatever is ready waits for an agent.
                Explanation::AgentsBusy { agents, .. } => prop_assert_eq!(agents.len(), 1),
                Explanation::NoAgent { missing } => {
                    let asked = &engine.state().projects()[0].plan.tasks[task.task as usize].capabilities;
                    prop_assert_eq!(missing, can.missing(asked));
                    prop_assert!(!can.covers(asked));
                }
                other => prop_assert!(false, "{other:?} for {state:?}"),
            }
        }
    }
}

fn first_lease(engine: &Engine) -> Option<(TaskKey, state_store::task::Lease)> {
    let tasks = &engine.state().project(PROJECT)?.tasks;
    let mut leased = (0..).zip(tasks).filter_map(|(task, record)| Some((task, *record.state.lease()?)));
    leased.next().map(|(task, lease)| (TaskKey { project: PROJECT, task }, lease))
}
