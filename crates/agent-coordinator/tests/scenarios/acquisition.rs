//! Several at the same tasks: nobody does what another one does.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use agent_coordinator::engine::{AgentSpec, Command, Engine, Policy, Refusal, Request};
use agent_coordinator::{load, turn};
use planner_core::CapabilitySet;
use state_store::task::{Deliverable, Event, Host, Lease, ProjectSettings, StateName, TaskKey, Transition};
use state_store::{SqliteStore, StateStore, StreamName, SystemClock};

use crate::fleet::{Fleet, PROJECT, agents, plan, task};

const AGENTS: u8 = 5;
const TASKS: usize = 10;

/// An agent that is a coordinator of its own, as a script is; it reads and writes the same file as the others.
struct Taker {
    store: SqliteStore,
    engine: Engine,
}

impl Taker {
    fn turn(&mut self, commands: Vec<Command>) {
        let requests: Vec<Request> = commands.into_iter().map(Request::from).collect();
        turn(&mut self.engine, &self.store, &StreamName::workspace(), &requests).unwrap();
    }

    fn held(&self) -> Option<(TaskKey, Lease)> {
        let tasks = (0..).zip(&self.engine.state().project(PROJECT)?.tasks);
        let mut leased = tasks
            .filter_map(|(task, record)| Some((TaskKey { project: PROJECT, task }, *record.state.lease()?)));
        leased.find(|(_, lease)| Some(lease.instance) == self.engine.me())
    }

    fn finish(&mut self, task: TaskKey, lease: Lease) {
        let (token, agent) = (lease.token, lease.agent);
        let deliver = Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles };
        self.turn(vec![Command::Start { task, token }, deliver]);
    }
}

fn take_part(number: u8, path: &std::path::Path, has_first: &Barrier) {
    let store = SqliteStore::open(path, Arc::new(SystemClock)).unwrap();
    let mut taker = Taker { store, engine: Engine::new([number + 1; 16], Policy::default()) };
    load(&mut taker.engine, &taker.store, &StreamName::workspace()).unwrap();
    let host = Host { boot: "b".to_owned(), pid: u32::from(number), started: 1 };
    let agent = AgentSpec {
        name: format!("taker-{number}"),
        capabilities: CapabilitySet::default(),
        slots: 1,
        lease: None,
        labels: Vec::new(),
    };
    taker.turn(vec![Command::Begin { host }]);
    taker.turn(vec![Command::Join(PROJECT), Command::RegisterAgents(vec![agent])]);
    let mut is_first = true;
    loop {
        // Some are slower: they take turns that bring nothing.
        (0..number).for_each(|_| taker.turn(Vec::new()));
        match taker.held() {
            Some((task, lease)) => {
                if std::mem::take(&mut is_first) {
                    has_first.wait();
                }
                taker.finish(task, lease);
            }
            None if taker.engine.is_settled(PROJECT) => return,
            None => taker.turn(Vec::new()),
        }
    }
}

#[test]
fn concurrent_acquisition_gives_every_agent_work_and_no_task_to_two() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
    let mut first = Taker { store, engine: Engine::new([99; 16], Policy::default()) };
    let tasks = (0..TASKS).map(|number| task(&format!("t{number}"), &[])).collect();
    let settings = ProjectSettings { branch: None, checks: false };
    first.turn(vec![Command::Begin { host: Host { boot: "b".to_owned(), pid: 99, started: 1 } }]);
    first.turn(vec![Command::Enter { plan: plan(tasks), settings }]);
    let has_first = Barrier::new(usize::from(AGENTS));
    std::thread::scope(|scope| {
        for number in 0..AGENTS {
            let (path, has_first) = (&path, &has_first);
            scope.spawn(move || take_part(number, path, has_first));
        }
    });

    let mut by_task = BTreeMap::new();
    let mut by_agent: BTreeMap<u32, usize> = BTreeMap::new();
    first
        .store
        .read(&StreamName::workspace(), state_store::Seq::START, &mut |recorded| {
            if let Event::Task { task, transition: Transition::Assign(lease) } = Event::of(&recorded).unwrap()
            {
                assert_eq!(by_task.insert(task, lease.agent), None, "{task} was handed out twice");
                *by_agent.entry(lease.agent.0).or_default() += 1;
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((by_task.len(), by_agent.len()), (TASKS, usize::from(AGENTS)), "{by_agent:?}");
}

#[test]
fn of_two_writers_on_one_task_one_wins_and_the_other_is_told_where_it_stands() {
    let mut fleet = Fleet::on_disk(vec![task("a", &[])], agents(1, 1));
    let (task, lease) = (fleet.key("a"), fleet.lease(fleet.key("a")));
    let (token, agent, deliverable) = (lease.token, lease.agent, Deliverable::NoFiles);
    // It is given up and done by the second attempt, while the first goes on.
    fleet.ask(Command::GiveUp { task, token }).unwrap();
    let second = fleet.lease(task);
    assert!(second.token > token);
    fleet.ask(Command::Deliver { task, token: second.token, agent, deliverable }).unwrap();
    let told = fleet.ask(Command::Deliver { task, token, agent, deliverable }).unwrap_err();
    assert!(matches!(told, Refusal::Late(_)) && told.to_string().contains("completed"), "{told}");
    assert_eq!(fleet.state("a"), StateName::Completed);
    let delivered = fleet.events.iter().filter(|recorded| {
        matches!(
            recorded.event,
            Event::Task { transition: Transition::Deliver { .. }, .. } | Event::LateResult { .. }
        )
    });
    assert_eq!(delivered.count(), 2, "both are on record");
}
