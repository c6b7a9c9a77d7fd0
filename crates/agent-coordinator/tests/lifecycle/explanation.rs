//! What is told of a task, held against what the dispatcher does: both against a third opinion, which knows the plan and the
//! state and looks at everything each time.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use agent_coordinator::engine::{
    AgentSpec, Command, Engine, Explanation, IdleReason, Pausable, Policy, Reach, Request,
};
use agent_coordinator::turn;
use planner_core::{Approval, Dependency, PathPattern, Plan, Task, TaskId, When};
use proptest::prelude::*;
use state_store::task::{
    AgentKey, AgentStatus, Deliverable, Event, FailureReason, Host, Project, ProjectRules, ProjectSettings,
    Review, State, TaskKey, TaskState, Transition,
};
use state_store::{ManualClock, MemoryStore, StateStore, StreamName, Timestamp};

use crate::bench::{PROJECT, task};

const TASKS: u32 = 12;

/// Why a task that nobody works on is not handed out, as far as it matters which reason it is.
#[derive(Debug, PartialEq, Eq)]
enum Opinion {
    WaitsFor(BTreeSet<String>),
    Gate,
    Overlaps,
    Paused,
    NoAgent,
    AgentsPaused(BTreeSet<String>),
    AgentsBusy(BTreeSet<String>),
    Next,
}

/// Returns why a task is not handed out; `None` where that is no question.
fn opinion(state: &State, key: TaskKey) -> Option<Opinion> {
    let project = state.project(PROJECT)?;
    if !matches!(state.task(key)?.state, TaskState::Pending | TaskState::InConflict(_)) {
        return None;
    }
    let asked = &project.plan.tasks[key.task as usize];
    let open = open_dependencies(project, asked);
    if !open.is_empty() {
        return Some(Opinion::WaitsFor(open));
    }
    if asked.approval.is_before_start() && state.task(key)?.start_approval.is_none() {
        return Some(Opinion::Gate);
    }
    let others = project.plan.tasks.iter().zip(&project.tasks);
    let mut under_way = others.filter(|(_, record)| record.state.lease().is_some());
    if under_way.any(|(other, _)| other.writes.overlaps(&asked.writes)) {
        return Some(Opinion::Overlaps);
    }
    if project.pause.is_some() {
        return Some(Opinion::Paused);
    }
    let able: Vec<_> = (0..)
        .map(AgentKey)
        .zip(state.agents())
        .filter(|(_, agent)| agent.capabilities.covers(&asked.capabilities))
        .collect();
    if able.is_empty() {
        return Some(Opinion::NoAgent);
    }
    let active: Vec<_> = able.iter().filter(|(_, agent)| agent.status == AgentStatus::Active).collect();
    if active.is_empty() {
        return Some(Opinion::AgentsPaused(able.iter().map(|(_, agent)| agent.name.clone()).collect()));
    }
    let in_use = |agent: AgentKey| {
        let leases = project.tasks.iter().filter_map(|record| record.state.occupying_lease());
        leases.filter(|lease| lease.agent == agent).count()
    };
    if active.iter().any(|(key, agent)| in_use(*key) < agent.slots as usize) {
        return Some(Opinion::Next);
    }
    Some(Opinion::AgentsBusy(active.iter().map(|(_, agent)| agent.name.clone()).collect()))
}

fn open_dependencies(project: &Project, asked: &Task) -> BTreeSet<String> {
    let is_open = |dependency: &&Dependency| {
        let on = project.graph.task_index(dependency.on.as_str()).unwrap();
        match dependency.when {
            When::Completed => !matches!(project.task(on).state, TaskState::Completed(_)),
            When::Failed => !matches!(project.task(on).state, TaskState::Failed { .. }),
        }
    };
    asked.dependencies.iter().filter(is_open).map(|dependency| dependency.on.to_string()).collect()
}

/// Returns the part of what is told that an opinion is held against.
fn told(explanation: Explanation) -> Option<Opinion> {
    Some(match explanation {
        Explanation::Waiting { blockers } => {
            Opinion::WaitsFor(blockers.into_iter().map(|blocker| blocker.task).collect())
        }
        Explanation::AwaitingStart => Opinion::Gate,
        Explanation::WritesOverlap { .. } => Opinion::Overlaps,
        Explanation::ProjectPaused | Explanation::TooManyFailures { .. } => Opinion::Paused,
        Explanation::NoAgent { .. } => Opinion::NoAgent,
        Explanation::AgentsPaused { agents } => Opinion::AgentsPaused(agents.into_iter().collect()),
        Explanation::AgentsBusy { agents, .. } => Opinion::AgentsBusy(agents.into_iter().collect()),
        Explanation::Next => Opinion::Next,
        _ => return None,
    })
}

/// What a task is drawn from: dependencies, approval, write set, capabilities.
type Drawn = (Vec<(u32, bool)>, usize, Option<usize>, Vec<bool>);

fn plan(drawn: &[Drawn]) -> Plan {
    let id = |number: u32| TaskId::new(&format!("t{number}")).unwrap();
    let tasks = (0..).zip(drawn).map(|(number, (dependencies, approval, writes, can))| {
        let before = dependencies.iter().filter(|_| number > 0).map(|(on, is_failure)| Dependency {
            on: id(on % number.max(1)),
            when: if *is_failure { When::Failed } else { When::Completed },
        });
        let pattern = |place: usize| PathPattern::new(["src/", "src/a", "src/*", "docs"][place]).unwrap();
        let names = ["rust", "docs"].into_iter().zip(can).filter(|(_, is_asked)| **is_asked);
        Task {
            dependencies: before.collect(),
            // Most tasks wait for nobody.
            approval: if *approval < 4 { Approval::ALL[*approval] } else { Approval::None },
            writes: writes.map(pattern).into_iter().collect::<Vec<_>>().into(),
            capabilities: names.map(|(name, _)| name).collect(),
            ..task(&format!("t{number}"), &[])
        }
    });
    let (description, extra) = (String::new(), serde_json::Map::new());
    Plan { name: "p".to_owned(), description, agents: Vec::new(), tasks: tasks.collect(), extra }
}

struct World {
    engine: Engine,
    store: MemoryStore,
    /// What follows from the events that were told, one by one.
    shadow: State,
}

impl World {
    fn new(plan: Plan, agents: Vec<AgentSpec>) -> Self {
        let clock = ManualClock::new(Timestamp::from_millis(1_000_000));
        let policy = Policy { failures_max: 2, ..Policy::default() };
        let store = MemoryStore::new(Arc::new(clock));
        let mut world = Self { engine: Engine::new([1; 16], policy), store, shadow: State::default() };
        let settings = ProjectSettings { branch: None, checks: false };
        let host = Host { boot: String::new(), pid: 1, started: 1 };
        world.turn(Command::Begin { host });
        world.turn(Command::Enter { plan, settings });
        world.turn(Command::RegisterAgents(agents));
        world
    }

    /// Whatever is handed out could be, in the state right before that.
    fn turn(&mut self, command: Command) {
        let requests = [Request::from(command)];
        let turn = turn(&mut self.engine, &self.store, &StreamName::workspace(), &requests).unwrap();
        for recorded in turn.events {
            if let Event::Task { task, transition: Transition::Assign(_) } = &recorded.event {
                assert_eq!(opinion(&self.shadow, *task), Some(Opinion::Next), "{task} was handed out");
            }
            self.shadow.apply(&recorded.event, recorded.at).unwrap();
        }
        self.engine.check_invariants().unwrap();
        self.check();
    }

    /// Each task that nobody works on has the reason that the third opinion has; what could be handed out has been.
    fn check(&self) {
        let Some(project) = self.engine.state().project(PROJECT) else { return };
        if self.engine.state().agents().is_empty() {
            return;
        }
        for task in (0..project.tasks.len() as u32).map(|task| TaskKey { project: PROJECT, task }) {
            let explanation = self.engine.explain(task, self.store.now(), &|_| true).unwrap();
            let Some(opinion) = opinion(self.engine.state(), task) else { continue };
            assert_eq!(told(explanation).as_ref(), Some(&opinion), "{task}");
            assert_ne!(opinion, Opinion::Next, "{task} was passed over");
            let could_run = !matches!(opinion, Opinion::WaitsFor(_) | Opinion::Gate | Opinion::Overlaps);
            assert_eq!(self.engine.is_ready(task), could_run, "{task}: {opinion:?}");
        }
        for agent in (0..self.engine.state().agents().len() as u32).map(AgentKey) {
            assert_ne!(self.engine.explain_agent(agent), Some(IdleReason::Next), "{agent} was passed over");
        }
    }

    fn command(&self, kind: u8, number: u32) -> Command {
        let task = TaskKey { project: PROJECT, task: number % TASKS };
        let token = self.engine.state().task(task).unwrap().last_token;
        let agent = AgentKey(number % self.engine.state().agents().len() as u32);
        let review = Review { by: String::new(), comment: String::new() };
        let limit = NonZeroU32::new(number % 5);
        match kind {
            0..=3 => Command::Start { task, token },
            4..=7 => Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles },
            8 => Command::Fail { task, token, reason: FailureReason::Timeout },
            9 => Command::GiveUp { task, token },
            10 => Command::Hold(task),
            11 | 12 => Command::Resume(task),
            13..=15 => Command::Approve { task, review },
            16 => Command::Reject { task, review },
            17 => Command::Pause(Pausable::Agent(agent)),
            18 | 19 => Command::Continue(Pausable::Agent(agent)),
            20 => Command::Pause(Pausable::Project(PROJECT)),
            21 | 22 => Command::Continue(Pausable::Project(PROJECT)),
            23 => Command::Reopen { task, reach: Reach::Dependents },
            24 => {
                let rules = ProjectRules { failures_in_row_max: limit, ..ProjectRules::default() };
                Command::SetRules { project: PROJECT, rules }
            }
            _ => Command::Cancel { task, reason: String::new(), reach: Reach::Task },
        }
    }
}

proptest! {
    #[test]
    fn what_is_told_is_what_is_done(
        drawn in prop::collection::vec(
            (
                prop::collection::vec((0..TASKS, prop::bool::weighted(0.1)), 0..3),
                0..12_usize,
                prop::option::of(0..4_usize),
                prop::collection::vec(prop::bool::weighted(0.3), 2),
            ),
            TASKS as usize,
        ),
        agents in prop::collection::vec((prop::collection::vec(any::<bool>(), 2), 1..3_u32), 1..4),
        steps in prop::collection::vec((0..26_u8, any::<u32>()), 1..80),
    ) {
        let specs = (0..).zip(agents).map(|(number, (can, slots)): (u32, _)| AgentSpec {
            name: format!("agent-{number}"),
            capabilities: ["rust", "docs"].into_iter().zip(can).filter(|(_, can)| *can).map(|(name, _)| name).collect(),
            slots,
lease: None, labels: Vec::new(),
        });
        let mut world = World::new(plan(&drawn), specs.collect());
        for (kind, number) in steps {
            let command = world.command(kind, number);
            world.turn(command);
        }
    }
}
