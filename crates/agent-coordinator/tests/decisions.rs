//! What the engine decides, case by case, through the turn and a store whose clock the test moves.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{
    AgentSpec, Command, Effect, Engine, Explanation, Policy, Reach, Refusal, Request,
};
use agent_coordinator::{Turn, load, turn};
use planner_core::{Dependency, Effort, Plan, Priority, Task, TaskId, When};
use state_store::task::{
    ANSWERS_KEPT, Accepted, AgentKey, CommitHash, Deliverable, FailureReason, FencingToken, Host,
    IllegalTransition, InstanceKey, Intent, Landed, Lease, ProjectKey, ProjectSettings, RequestId, StateName,
    TaskKey, TaskState, snapshot,
};
use state_store::{ManualClock, MemoryStore, StateStore, StreamName, Timestamp};

const PROJECT: ProjectKey = ProjectKey(0);
const LEASE: Duration = Duration::from_secs(60);

struct Bench {
    clock: Arc<ManualClock>,
    store: MemoryStore,
    engine: Engine,
}

impl Bench {
    /// A coordinator with these tasks and agents; what could be handed out is.
    fn new(tasks: Vec<Task>, agents: Vec<AgentSpec>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<_>);
        let mut bench = Self { clock, store, engine: Engine::new([1; 16], policy()) };
        let plan = Plan {
            name: "p".to_owned(),
            description: String::new(),
            agents: Vec::new(),
            tasks,
            extra: serde_json::Map::new(),
        };
        let settings = ProjectSettings { branch: Some("b".to_owned()), checks: true };
        bench.turn(&[Command::Begin { host: host() }]);
        bench.turn(&[Command::Enter { plan, settings }, Command::RegisterAgents(agents)]);
        bench
    }

    fn turn(&mut self, commands: &[Command]) -> Turn {
        let turn =
            turn(&mut self.engine, &self.store, &StreamName::workspace(), &requests(commands)).unwrap();
        self.engine.check_invariants().unwrap();
        turn
    }

    fn ask(&mut self, command: Command) -> Result<Accepted, Refusal> {
        self.turn(&[command]).answers.remove(0)
    }

    fn key(&self, id: &str) -> TaskKey {
        TaskKey::new(PROJECT, self.engine.state().projects()[0].graph.task_index(id).unwrap())
    }

    fn state(&self, id: &str) -> StateName {
        self.engine.state().task(self.key(id)).unwrap().state.name()
    }

    fn lease(&self, id: &str) -> Lease {
        *self.engine.state().task(self.key(id)).unwrap().state.lease().unwrap()
    }

    /// Returns who has which task, in the order of the tasks.
    fn holders(&self) -> Vec<(String, String)> {
        let tasks = &self.engine.state().projects()[0];
        let held = tasks.plan.tasks.iter().zip(&tasks.tasks).filter_map(|(task, record)| {
            let agent = self.engine.state().agent(record.state.lease()?.agent)?;
            Some((task.id.to_string(), agent.name.clone()))
        });
        held.collect()
    }

    fn finish(&mut self, id: &str) {
        let (task, lease) = (self.key(id), self.lease(id));
        let (token, agent) = (lease.token, lease.agent);
        self.ask(Command::Start { task, token }).unwrap();
        self.ask(Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles }).unwrap();
    }
}

fn requests(commands: &[Command]) -> Vec<Request> {
    commands.iter().cloned().map(Request::from).collect()
}

fn policy() -> Policy {
    Policy { lease: LEASE, failures_max: 2, ..Policy::default() }
}

fn host() -> Host {
    Host { boot: String::new(), pid: 1, started: 1 }
}

fn task(name: &str, after: &[&str]) -> Task {
    let id = |text: &str| TaskId::new(text).unwrap();
    let dependencies = after.iter().map(|on| Dependency::on_completion(id(on))).collect();
    Task { dependencies, ..Task::new(id(name)) }
}

fn agent(name: &str, can: &[&str], slots: u32) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        capabilities: can.iter().copied().collect(),
        slots,
        lease: None,
        labels: Vec::new(),
    }
}

#[test]
fn a_result_that_comes_too_late_is_refused_and_kept_once() {
    let mut bench = Bench::new(vec![task("a", &[])], vec![agent("one", &[], 1)]);
    let (task, old) = (bench.key("a"), bench.lease("a"));
    bench.ask(Command::Start { task, token: old.token }).unwrap();
    bench.clock.advance(LEASE);
    bench.turn(&[]);
    let new = bench.lease("a");
    assert!(new.token > old.token, "the task is handed out again, under a greater token");

    let deliverable = Deliverable::Commit { result: CommitHash([7; 20]), base: CommitHash([1; 20]) };
    let late = Command::Deliver { task, token: old.token, agent: old.agent, deliverable };
    let told = bench.ask(late.clone());
    let expected = IllegalTransition::StaleToken {
        state: StateName::Assigned,
        transition: "deliver",
        given: old.token,
        current: new.token,
    };
    assert_eq!(told, Err(Refusal::Late(expected)));
    assert_eq!(bench.state("a"), StateName::Assigned);
    let kept = bench.engine.state().late_results();
    assert_eq!((kept.len(), kept[0].deliverable), (1, deliverable));

    assert_eq!(bench.ask(late), Err(Refusal::Illegal(expected)), "the second time there is nothing to keep");
    assert_eq!(bench.engine.state().late_results().len(), 1);
}

#[test]
fn a_result_under_a_token_that_never_was_is_not_kept() {
    let mut bench = Bench::new(vec![task("a", &[])], vec![agent("one", &[], 1)]);
    let (task, token) = (bench.key("a"), FencingToken::new(99));
    let forged = Command::Deliver { task, token, agent: AgentKey(0), deliverable: Deliverable::NoFiles };
    assert!(matches!(bench.ask(forged), Err(Refusal::Illegal(_))));
    assert_eq!(bench.engine.state().late_results(), []);
}

#[test]
fn a_heartbeat_prolongs_the_present_lease_and_no_other() {
    let mut bench = Bench::new(vec![task("a", &[])], vec![agent("one", &[], 1)]);
    let (task, lease) = (bench.key("a"), bench.lease("a"));
    bench.clock.advance(LEASE / 2);
    bench.turn(&[Command::Renew(vec![(task, lease.token)])]);
    assert_eq!(bench.lease("a").expires_at, lease.expires_at + LEASE / 2);
    let stale = FencingToken::new(lease.token.get() - 1);
    bench.turn(&[Command::Renew(vec![(task, stale)])]);
    assert_eq!(bench.lease("a").expires_at, lease.expires_at + LEASE / 2);
    bench.clock.advance(LEASE - Duration::from_millis(1));
    bench.turn(&[]);
    assert_eq!(bench.lease("a").token, lease.token, "it is alive to its last millisecond");
    bench.clock.advance(Duration::from_millis(1));
    bench.turn(&[]);
    assert!(bench.lease("a").token > lease.token);
}

#[test]
fn a_task_that_asks_for_a_longer_lease_gets_and_keeps_it() {
    let mut long = task("a", &[]);
    long.limits.lease_seconds = NonZeroU32::new(3600);
    let mut bench = Bench::new(vec![long, task("b", &[])], vec![agent("one", &[], 2)]);
    let (key, lease) = (bench.key("a"), bench.lease("a"));
    let hour = Duration::from_secs(3600);
    assert_eq!(lease.expires_at, bench.lease("b").expires_at + (hour - LEASE), "the other has the usual one");
    bench.clock.advance(LEASE);
    bench.turn(&[]);
    assert_eq!(bench.lease("a").token, lease.token);
    bench.turn(&[Command::Renew(vec![(key, lease.token)])]);
    assert_eq!(bench.lease("a").expires_at, lease.expires_at + LEASE);
    bench.clock.advance(hour);
    bench.turn(&[]);
    assert!(bench.lease("a").token > lease.token, "it ends all the same");
}

#[test]
fn a_failed_task_waits_is_tried_again_and_gives_up_at_its_limit() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &["a"])], vec![agent("one", &[], 1)]);
    let task = bench.key("a");
    let fail = |token| Command::Fail { task, token, reason: FailureReason::Agent("no".to_owned()) };
    let first = bench.lease("a").token;
    bench.ask(fail(first)).unwrap();
    assert_eq!(bench.state("a"), StateName::Backoff);
    bench.clock.advance(policy().backoff_base);
    bench.turn(&[]);
    assert_eq!(bench.lease("a").attempt, 2);
    assert!(matches!(bench.ask(fail(first)), Err(Refusal::Illegal(IllegalTransition::StaleToken { .. }))));
    let second = bench.lease("a").token;
    bench.ask(fail(second)).unwrap();
    assert_eq!(bench.state("a"), StateName::Failed);
    assert!(bench.engine.is_settled(PROJECT));
    let explained = bench.engine.explain(bench.key("b"), Timestamp::default(), &|_| true).unwrap();
    let Explanation::Waiting { blockers } = explained else { panic!("{explained:?}") };
    assert!(blockers[0].is_hopeless && blockers[0].task == "a", "{blockers:?}");
}

#[test]
fn what_waits_for_a_failure_runs_after_it_or_not_at_all() {
    let on_failure = |name: &str, on: &str| Task {
        dependencies: vec![Dependency { on: TaskId::new(on).unwrap(), when: When::Failed }],
        ..task(name, &[])
    };
    let tasks = vec![task("a", &[]), task("b", &[]), on_failure("mend-a", "a"), on_failure("mend-b", "b")];
    let mut bench = Bench::new(tasks, vec![agent("one", &[], 2)]);
    bench.finish("a");
    assert_eq!(bench.state("mend-a"), StateName::Cancelled);
    for _ in 0..2 {
        let (task, token) = (bench.key("b"), bench.lease("b").token);
        bench.ask(Command::Fail { task, token, reason: FailureReason::Timeout }).unwrap();
        bench.clock.advance(policy().backoff_base);
        bench.turn(&[]);
    }
    assert_eq!((bench.state("b"), bench.state("mend-b")), (StateName::Failed, StateName::Assigned));
}

#[test]
fn the_urgent_come_first_then_those_with_the_longest_way_to_go() {
    let hours = |hours| Some(Effort::from_hours(hours).unwrap());
    let tasks = vec![
        task("short", &[]),
        Task { effort: hours(3.0), ..task("long", &[]) },
        task("head-of-a-chain", &[]),
        Task { effort: hours(4.0), ..task("tail", &["head-of-a-chain"]) },
        Task { priority: Priority::Critical, effort: hours(0.1), ..task("urgent", &[]) },
    ];
    let mut bench = Bench::new(tasks, vec![agent("one", &[], 1)]);
    let mut order = Vec::new();
    while let Some((id, _)) = bench.holders().pop() {
        bench.finish(&id);
        order.push(id);
    }
    assert_eq!(order, ["urgent", "head-of-a-chain", "tail", "long", "short"]);
}

#[test]
fn rare_agents_are_kept_for_what_only_they_can_do_and_slots_are_never_exceeded() {
    let needs =
        |name: &str, can: &[&str]| Task { capabilities: can.iter().copied().collect(), ..task(name, &[]) };
    let tasks = vec![
        needs("plain-1", &["rust"]),
        needs("plain-2", &["rust"]),
        needs("rare", &["rust", "security"]),
        needs("plain-3", &["rust"]),
        needs("nobody", &["cobol"]),
    ];
    let agents = vec![agent("expert", &["rust", "security"], 1), agent("plain", &["rust"], 2)];
    let bench = Bench::new(tasks, agents);
    let held: Vec<_> = bench.holders();
    let held: Vec<_> = held.iter().map(|(task, agent)| (task.as_str(), agent.as_str())).collect();
    assert_eq!(held, [("plain-1", "plain"), ("plain-2", "plain"), ("rare", "expert")]);
    let now = Timestamp::from_millis(1_000_000);
    let explain = |id| bench.engine.explain(bench.key(id), now, &|_| true).unwrap();
    assert!(matches!(explain("nobody"), Explanation::NoAgent { missing } if missing[0].as_str() == "cobol"));
    assert!(matches!(explain("plain-3"), Explanation::AgentsBusy { agents, ahead: 0 } if agents.len() == 2));
}

#[test]
fn the_next_coordinator_gives_up_the_attempts_of_a_dead_one_and_adopts_its_results() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &[])], vec![agent("one", &[], 2)]);
    let (task, lease) = (bench.key("a"), bench.lease("a"));
    let deliverable = Deliverable::Commit { result: CommitHash([7; 20]), base: CommitHash([1; 20]) };
    bench.ask(Command::Start { task, token: lease.token }).unwrap();
    let delivery = Command::Deliver { task, token: lease.token, agent: lease.agent, deliverable };
    let turn_of_delivery = bench.turn(&[delivery]);
    assert!(matches!(turn_of_delivery.effects[..], [Effect::Land { .. }]), "{:?}", turn_of_delivery.effects);

    let (store, stream) = (bench.store.clone(), StreamName::workspace());
    let mut next = Engine::new([2; 16], policy());
    load(&mut next, &store, &stream).unwrap();
    turn(&mut next, &store, &stream, &requests(&[Command::Begin { host: host() }])).unwrap();
    let recorded = &bench.engine.state().projects()[0];
    let enter = Command::Enter { plan: Plan::clone(&recorded.plan), settings: recorded.settings.clone() };
    let mut commands = next.take_overs(|_| false);
    bench.clock.advance(Duration::from_millis(1));
    bench.turn(&[Command::RenewInstance]);
    let early = turn(&mut next, &store, &stream, &requests(&commands)).unwrap();
    let renewed = Err(Refusal::NotGone { instance: InstanceKey(0) });
    assert_eq!(early.answers, [renewed], "it has come back since it was found gone");
    commands = next.take_overs(|_| false);
    commands.push(enter);
    let taken = turn(&mut next, &store, &stream, &requests(&commands)).unwrap();
    next.check_invariants().unwrap();
    let landing = |effect: &&Effect| matches!(effect, Effect::Land { task, .. } if *task == bench.key("a"));
    assert_eq!(taken.effects.iter().filter(landing).count(), 1, "the result is landed by the next one");
    assert!(matches!(next.state().task(bench.key("b")).unwrap().state, TaskState::Pending));

    // The first one was only asleep: it finds out, hands out nothing more, and may do nothing more.
    bench.turn(&[]);
    assert!(bench.engine.is_deposed());
    assert_eq!(bench.ask(Command::RenewInstance), Err(Refusal::Deposed { instance: InstanceKey(0) }));
    assert_eq!(bench.state("b"), StateName::Pending);
}

#[test]
fn a_coordinator_that_was_taken_over_from_lands_nothing() {
    let mut bench = Bench::new(vec![task("a", &[])], vec![agent("one", &[], 1)]);
    let (task, lease) = (bench.key("a"), bench.lease("a"));
    let (token, agent, commit) = (lease.token, lease.agent, CommitHash([7; 20]));
    bench.ask(Command::Start { task, token }).unwrap();
    let deliverable = Deliverable::Commit { result: commit, base: CommitHash([1; 20]) };
    bench.ask(Command::Deliver { task, token, agent, deliverable }).unwrap();
    let intend = |commit| Command::Intend(vec![(task, token, Intent { commit, merged: false })]);
    bench.ask(intend(commit)).unwrap();

    let (store, stream) = (bench.store.clone(), StreamName::workspace());
    let mut next = Engine::new([2; 16], policy());
    load(&mut next, &store, &stream).unwrap();
    let plan = Plan::clone(&bench.engine.state().projects()[0].plan);
    let settings = bench.engine.state().projects()[0].settings.clone();
    turn(&mut next, &store, &stream, &requests(&[Command::Begin { host: host() }])).unwrap();
    let mut takes_over = next.take_overs(|_| false);
    takes_over.push(Command::Enter { plan, settings });
    turn(&mut next, &store, &stream, &requests(&takes_over)).unwrap();

    // What the new one does not know of must not come onto the branch beside what it lands.
    let refused = Err(Refusal::Deposed { instance: InstanceKey(0) });
    assert_eq!(bench.ask(intend(CommitHash([8; 20]))), refused);
    let landed = Landed::Commit { commit, merged: false };
    assert_eq!(bench.ask(Command::Land { task, token, landed }), refused);
    let own = [Command::Land { task, token, landed }];
    assert_eq!(turn(&mut next, &store, &stream, &requests(&own)).unwrap().answers, [Ok(Accepted::Done)]);
}

#[test]
fn a_plan_that_differs_or_has_a_cycle_is_refused_before_anything_is_written() {
    let mut bench = Bench::new(vec![task("a", &[])], Vec::new());
    let settings = bench.engine.state().projects()[0].settings.clone();
    let seq = bench.engine.seq();
    let plan = Plan::clone(&bench.engine.state().projects()[0].plan);
    let other = Plan { tasks: vec![task("a", &[]), task("b", &[])], ..plan.clone() };
    let refused = bench.ask(Command::Enter { plan: other, settings: settings.clone() });
    assert_eq!(refused, Err(Refusal::OtherPlan { name: "p".to_owned() }));
    let cyclic = Plan { name: "q".to_owned(), tasks: vec![task("a", &["b"]), task("b", &["a"])], ..plan };
    let refused = bench.ask(Command::Enter { plan: cyclic, settings });
    assert!(matches!(refused, Err(Refusal::UnsoundPlan { defects: 1, .. })), "{refused:?}");
    assert_eq!(bench.engine.seq(), seq);
}

#[test]
fn settings_change_only_while_nobody_works_by_the_old_ones() {
    let mut bench = Bench::new(vec![task("a", &[])], vec![agent("one", &[], 1)]);
    let recorded = bench.engine.state().projects()[0].clone();
    let (store, stream) = (bench.store.clone(), StreamName::workspace());
    let mut next = Engine::new([2; 16], policy());
    load(&mut next, &store, &stream).unwrap();
    let changed = ProjectSettings { branch: Some("elsewhere".to_owned()), ..recorded.settings.clone() };
    let enter = |settings| Command::Enter { plan: Plan::clone(&recorded.plan), settings };
    let mut ask =
        |commands: &[Command]| turn(&mut next, &store, &stream, &requests(commands)).unwrap().answers;
    let refused = ask(&[Command::Begin { host: host() }, enter(changed.clone())]).remove(1);
    assert!(matches!(refused, Err(Refusal::OtherSettings { other: InstanceKey(0), .. })), "{refused:?}");
    assert_eq!(ask(&[enter(recorded.settings.clone())]), [Ok(Accepted::Project(PROJECT))]);
    // The first one ends; then the second may.
    bench.turn(&[Command::End]);
    assert_eq!(ask(&[enter(changed)]), [Ok(Accepted::Project(PROJECT))]);
}

#[test]
fn a_coordinator_hands_out_only_the_projects_that_it_has_entered() {
    let bench = Bench::new(vec![task("a", &[])], Vec::new());
    let (store, stream) = (bench.store.clone(), StreamName::workspace());
    let mut other = Engine::new([2; 16], policy());
    load(&mut other, &store, &stream).unwrap();
    let agents = Command::RegisterAgents(vec![agent("one", &[], 1)]);
    let idle =
        turn(&mut other, &store, &stream, &requests(&[Command::Begin { host: host() }, agents])).unwrap();
    assert_eq!(idle.effects, [], "it has an agent and there is a task, of somebody else's project");
    let recorded = &bench.engine.state().projects()[0];
    let enter = Command::Enter { plan: Plan::clone(&recorded.plan), settings: recorded.settings.clone() };
    let busy = turn(&mut other, &store, &stream, &requests(&[enter])).unwrap();
    assert!(matches!(busy.effects[..], [Effect::StartAttempt { .. }]), "{:?}", busy.effects);
    other.check_invariants().unwrap();
}

#[test]
fn agents_of_two_coordinators_may_have_the_same_name() {
    let mut bench = Bench::new(vec![task("a", &[])], vec![agent("one", &[], 1)]);
    let (store, stream) = (bench.store.clone(), StreamName::workspace());
    let mut other = Engine::new([2; 16], policy());
    load(&mut other, &store, &stream).unwrap();
    let agents = Command::RegisterAgents(vec![agent("one", &[], 1)]);
    turn(&mut other, &store, &stream, &requests(&[Command::Begin { host: host() }, agents])).unwrap();
    bench.turn(&[]);
    let names: Vec<_> = bench.engine.state().agents().iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["one", "one@1"]);
}

#[test]
fn an_attempt_that_could_not_be_made_is_not_counted() {
    let mut bench = Bench::new(vec![task("a", &[])], vec![agent("one", &[], 1)]);
    for _ in 0..5 {
        let (task, token) = (bench.key("a"), bench.lease("a").token);
        bench.ask(Command::GiveUp { task, token }).unwrap();
    }
    assert_eq!(bench.state("a"), StateName::Assigned);
    assert_eq!(bench.engine.state().task(bench.key("a")).unwrap().failures, 0);
}

#[test]
fn an_agent_without_slots_gets_nothing() {
    let bench = Bench::new(vec![task("a", &[])], vec![agent("none", &[], 0), agent("one", &[], 1)]);
    assert_eq!(bench.holders(), [("a".to_owned(), "one".to_owned())]);
}

#[test]
fn a_request_that_is_repeated_is_carried_out_once_and_gets_the_first_answer() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    let store = MemoryStore::new(Arc::clone(&clock) as Arc<_>);
    let stream = StreamName::workspace();
    let mut first = Engine::new([1; 16], Policy::default());
    let id = |text| Some(RequestId::from_text(text));
    let plan = Plan {
        name: "p".to_owned(),
        description: String::new(),
        agents: Vec::new(),
        tasks: vec![task("a", &[])],
        extra: serde_json::Map::new(),
    };
    let settings = ProjectSettings { branch: None, checks: false };
    let enter = Request { id: id("enter"), command: Command::Enter { plan, settings } };
    turn(&mut first, &store, &stream, &requests(&[Command::Begin { host: host() }])).unwrap();
    let hold = Request { id: id("hold"), command: Command::Hold(TaskKey { project: PROJECT, task: 0 }) };
    let entered = turn(&mut first, &store, &stream, &[enter.clone(), enter.clone(), hold.clone()]).unwrap();
    let [one, two, held] = &entered.answers[..] else { panic!("three answers") };
    assert_eq!((one, two, held), (&Ok(Accepted::Project(PROJECT)), one, &Ok(Accepted::Done)));

    // Another coordinator, which loads a snapshot, answers as the first one did and changes nothing.
    snapshot::keep(&store, &stream, first.state()).unwrap();
    store.compact(&stream).unwrap();
    let mut second = Engine::new([2; 16], Policy::default());
    load(&mut second, &store, &stream).unwrap();
    let again = turn(&mut second, &store, &stream, &[enter, hold.clone()]).unwrap();
    assert_eq!(again.answers, [Ok(Accepted::Project(PROJECT)), Ok(Accepted::Done)]);
    assert_eq!(again.events, []);

    // Once the task has ended and a day is over, the same id is a new request; what is refused is never kept.
    let task = TaskKey { project: PROJECT, task: 0 };
    let cancel = Command::Cancel { task, reason: String::new(), reach: Reach::Task };
    turn(&mut second, &store, &stream, &requests(&[cancel])).unwrap();
    clock.advance(ANSWERS_KEPT + Duration::from_millis(1));
    turn(&mut second, &store, &stream, &requests(&[Command::Begin { host: host() }])).unwrap();
    let refused = turn(&mut second, &store, &stream, &[hold]).unwrap();
    assert!(matches!(refused.answers[..], [Err(Refusal::Illegal(_))]), "{:?}", refused.answers);
    assert!(second.state().answers().is_empty());
}
