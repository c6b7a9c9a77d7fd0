//! The simulated world: coordinators at their desks, agents, messages, a store and a branch, on virtual time.
//!
//! One thing happens at a time, in the order of its moment. Everything that is drawn is drawn from one seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use planner_core::random::Random;
use planner_core::{Approval, Dependency, Exclusion, Landing, Plan, Priority, Standing, Task, TaskId};
use state_store::task::{
    AgentKey, ConflictRecord, Event, FailureReason, FencingToken, Host, InstanceRecord, InstanceStatus,
    Intent, Landed, Lease, OverlappingWrites, ProjectKey, ProjectRules, ProjectSettings, Review, TaskKey,
    Transition,
};
use state_store::{ManualClock, MemoryStore, Seq, StateStore, StreamName, Timestamp};

use super::audit::{Audit, Branch, Common, Verdict, Violation};
use super::fault::{FaultCounts, FaultKind};
use super::faulty_store::{FaultyStore, StoreFault};
use super::worker::{ASK_AGAIN, ASKS_MAX, Outcome, Phase, Place, Worker, commit_of};
use super::workers::Workers;
use super::{Run, Scenario};
use crate::desk::{AttemptId, Desk};
use crate::engine::{AgentSpec, Command, Effect, Engine, Pausable, Policy, Reach, Request};

/// How long a coordinator looks away at the most.
const POLL: Duration = Duration::from_millis(500);

/// How long an attempt takes that is as long as was planned.
const ATTEMPT: Duration = Duration::from_secs(8);

/// How long an attempt inside a coordinator may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(40);

/// After how many steps everything is looked at instead of what the step has touched; of a plan with more tasks, after as many
/// as it has tasks.
const FULL_LOOK: u64 = 1_000;

/// How long a lease that has ended may stay while a coordinator is well: the sweep, and a message's way.
const OVERDUE_MAX: Duration = Duration::from_secs(3);

/// How often it is looked whether there is such a lease.
const OVERDUE_LOOK: Duration = Duration::from_millis(50);

/// How long all is well at the least: people let go on what they have paused.
const CALM_MIN: Duration = Duration::from_secs(10);

/// For how much virtual time no task may come to its end while all is well and something is left to do.
const REST_MAX: Duration = Duration::from_secs(1800);

/// When the store's clock begins.
const EPOCH: u64 = 1_000_000_000_000;

pub(super) struct World<'s> {
    scenario: &'s Scenario,
    random: Random,
    elapsed: Duration,
    /// By how much the store's clock is off.
    skew: i64,
    /// By how much it was off when it was the furthest ahead.
    skew_max: i64,
    clock: Arc<ManualClock>,
    store: Arc<FaultyStore>,
    stream: StreamName,
    queue: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    scheduled: u64,
    seats: Vec<Seat>,
    workers: Workers,
    begun: HashSet<AttemptId>,
    branch: Branch,
    audit: Audit,
    audited: Seq,
    faults: FaultCounts,
    is_storm: bool,
    /// Agents outside that nobody reaches, and until when.
    cut_off: Option<(u64, Duration)>,
    /// How many projects there are to be.
    projects: u64,
    /// How many coordinators there were.
    instances: u64,
    /// Since when leases that have ended were seen by a coordinator that is well.
    overdue: BTreeMap<(TaskKey, FencingToken), Duration>,
    /// When it is looked for them next.
    next_overdue_look: Duration,
    steps: u64,
}

/// Where a coordinator runs, again and again.
struct Seat {
    life: u64,
    desk: Option<Desk>,
    host: Host,
    began: Duration,
    paused_until: Duration,
    /// Since when it has been well, without a break.
    well_since: Duration,
    mailbox: Vec<Mail>,
    next_wake: Duration,
    /// The attempts of the agents inside it.
    attempts: BTreeSet<AttemptId>,
}

#[derive(Debug, Clone, PartialEq)]
struct Mail {
    request: Request,
    from: Sender,
}

/// Who wants to know the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sender {
    Nobody,
    Worker(u64),
    Lander(LandingJob),
}

/// A result that is being landed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LandingJob {
    task: TaskKey,
    token: FencingToken,
    /// The tip of the branch that it was prepared on.
    tip: usize,
    /// The commits that it was about to become.
    intents: Vec<Intent>,
}

/// Something that happens at a moment.
#[derive(Debug)]
enum Happening {
    Wake { seat: usize },
    Mail { seat: usize, mail: Mail },
    Begin { seat: usize, life: u64, task: TaskKey, lease: Lease },
    Stop { task: TaskKey, token: FencingToken },
    Answer { worker: u64, is_accepted: bool },
    Ask { worker: u64 },
    Beat { worker: u64 },
    Finish { worker: u64 },
    Check { seat: usize, life: u64, task: TaskKey, token: FencingToken },
    Land { seat: usize, life: u64, job: LandingJob, is_intended: bool },
    Restart { seat: usize },
    Operate,
    Weather,
}

// The order of the queue is that of its moments and numbers, which differ.
impl PartialEq for Happening {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Happening {}

impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Happening {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<'s> World<'s> {
    pub(super) fn new(scenario: &'s Scenario) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(EPOCH)));
        let store = FaultyStore::new(MemoryStore::new(Arc::clone(&clock) as Arc<_>));
        let Policy { lease, losses_max, .. } = scenario.policy;
        let common = Common { lease, losses_max };
        let mut world = Self {
            scenario,
            random: Random::of([scenario.seed, 0x73_69_6d]),
            elapsed: Duration::ZERO,
            skew: 0,
            skew_max: 0,
            clock,
            store: Arc::new(store),
            stream: StreamName::workspace(),
            queue: BinaryHeap::new(),
            scheduled: 0,
            seats: Vec::new(),
            workers: Workers::default(),
            begun: HashSet::new(),
            branch: Branch::default(),
            audit: Audit::new(common),
            audited: Seq::START,
            faults: FaultCounts::default(),
            is_storm: true,
            cut_off: None,
            projects: 1,
            instances: 0,
            overdue: BTreeMap::new(),
            next_overdue_look: Duration::ZERO,
            steps: 0,
        };
        for seat in 0..scenario.coordinators.max(1) {
            world.seats.push(Seat::empty());
            world.after(Duration::from_millis(seat as u64), Happening::Restart { seat });
        }
        world.after(Duration::from_secs(2), Happening::Operate);
        world.after(Duration::from_secs(5), Happening::Weather);
        world
    }

    /// Lets it go on for as many steps as asked, in a storm; then, all being well, until it is at rest.
    pub(super) fn run(mut self) -> Run {
        let violation = self.go_on().err();
        let end = self.store.end(&self.stream).expect("a store in memory has an end");
        let (tasks, completed) = self.audit.totals();
        Run {
            steps: self.steps,
            virtual_time: self.elapsed,
            events: end.head.get(),
            hash: end.hash.to_string(),
            tasks,
            completed,
            faults: self.faults,
            violation,
        }
    }

    fn go_on(&mut self) -> Verdict {
        while self.steps < self.scenario.steps {
            self.step()?;
        }
        self.calm_down();
        let (calm, mut until) = (self.elapsed + CALM_MIN, self.elapsed + REST_MAX);
        let mut settled = self.audit.settled();
        while self.elapsed < calm || !self.is_at_rest() {
            if self.elapsed > until && self.audit.settled() > settled {
                // Few agents may have much to do.
                (settled, until) = (self.audit.settled(), self.elapsed + REST_MAX);
            }
            if self.elapsed > until {
                self.audit.check_rest()?;
                let what = "for half an hour all was well and no task has come to its end".to_owned();
                return Err(Violation { promise: "G8", what });
            }
            self.step()?;
        }
        self.look_at_everything()?;
        self.audit.check_rest()
    }

    fn calm_down(&mut self) {
        self.is_storm = false;
        self.cut_off = None;
        // A lease from before a jump back lasts by so much longer; somebody sets the clock right.
        self.skew = self.skew_max;
        self.seats.iter_mut().for_each(|seat| seat.paused_until = Duration::ZERO);
        for seat in 0..self.seats.len() {
            self.wake(seat);
        }
    }

    fn is_at_rest(&self) -> bool {
        let is_idle = |seat: &Seat| {
            seat.mailbox.is_empty()
                && seat.desk.as_ref().is_some_and(|desk| {
                    let head = self.store.head(&self.stream).expect("a store in memory has an end");
                    desk.engine().seq() == head
                        && (0..desk.state().projects().len() as u32)
                            .all(|key| desk.is_settled(ProjectKey(key)))
                })
        };
        let is_quiet = |happening: &Reverse<(Duration, u64, Happening)>| {
            matches!(happening.0.2, Happening::Wake { .. } | Happening::Operate | Happening::Weather)
        };
        // What takes long to find out comes last.
        self.workers.is_empty()
            && self.queue.iter().all(is_quiet)
            && self.seats.iter().all(is_idle)
            && self.audit.paused().is_empty()
            && self.audit.on_hold().is_empty()
            && self.audit.awaiting_approval().is_empty()
    }

    fn step(&mut self) -> Verdict {
        let Some(Reverse((moment, _, happening))) = self.queue.pop() else {
            return Err(Violation { promise: "G8", what: "nothing will ever happen again".to_owned() });
        };
        self.elapsed = moment;
        let now = (EPOCH + self.elapsed.as_millis() as u64).saturating_add_signed(self.skew);
        self.clock.set(Timestamp::from_millis(now));
        self.steps += 1;
        self.carry_out(happening)?;
        if self.steps.is_multiple_of(FULL_LOOK.max(self.scenario.plan.tasks.len() as u64)) {
            self.look_at_everything()?;
        }
        Ok(())
    }

    fn carry_out(&mut self, happening: Happening) -> Verdict {
        match happening {
            Happening::Wake { seat } => return self.sit_down(seat),
            Happening::Mail { seat, mail } => {
                if self.seats[seat].desk.is_some() {
                    self.seats[seat].mailbox.push(mail);
                    self.wake(seat);
                }
            }
            Happening::Begin { seat, life, task, lease } => self.begin_work(seat, life, task, lease),
            Happening::Stop { task, token } => {
                // One that has stopped does not hear it, and goes on afterwards.
                if let Some((number, worker)) = self.workers.at((task, token))
                    && worker.paused_until <= self.elapsed
                {
                    self.workers.remove(number);
                }
            }
            Happening::Answer { worker, is_accepted } => self.hear(worker, is_accepted),
            Happening::Ask { worker } => self.ask(worker),
            Happening::Beat { worker } => self.beat(worker),
            Happening::Finish { worker } => self.finish(worker),
            Happening::Check { seat, life, task, token } => {
                let passes = !self.random.chance(0.1);
                let command = if passes {
                    Command::PassCheck { task, token, took_ms: 1 }
                } else {
                    Command::Fail { task, token, reason: FailureReason::Check("simulated".to_owned()) }
                };
                self.say_inside(seat, life, command, Sender::Nobody);
            }
            Happening::Land { seat, life, job, is_intended } => {
                return self.land(seat, life, job, is_intended);
            }
            Happening::Restart { seat } => return self.restart(seat),
            Happening::Operate => self.operate(),
            Happening::Weather => self.change_weather(),
        }
        Ok(())
    }

    // Chance and time.

    fn strikes(&mut self, kind: FaultKind) -> bool {
        let rate = self.scenario.faults.rate(kind);
        let strikes = self.is_storm && rate > 0.0 && self.random.chance(rate);
        if strikes {
            self.faults.count(kind);
        }
        strikes
    }

    /// Draws a length of time between two others.
    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + (most - least).mul_f64(self.random.unit())
    }

    fn after(&mut self, wait: Duration, happening: Happening) {
        self.scheduled += 1;
        self.queue.push(Reverse((self.elapsed + wait, self.scheduled, happening)));
    }

    /// Lets a coordinator take its next turn soon.
    fn wake(&mut self, seat: usize) {
        let soon = self.elapsed + Duration::from_millis(2);
        if self.seats[seat].next_wake > soon || self.seats[seat].next_wake <= self.elapsed {
            self.seats[seat].next_wake = soon;
            self.after(Duration::from_millis(2), Happening::Wake { seat });
        }
    }

    // Messages.

    /// Sends something to or from an agent outside: it may be lost, doubled, or late.
    fn send(&mut self, agent: u64, make: impl Fn() -> Happening) {
        let is_cut_off =
            self.cut_off.is_some_and(|(group, until)| agent % 3 == group && self.elapsed < until);
        if is_cut_off || self.strikes(FaultKind::MessageLoss) {
            return;
        }
        let copies = if self.strikes(FaultKind::MessageRepeat) { 2 } else { 1 };
        for _ in 0..copies {
            let mut wait = self.between(Duration::from_millis(1), Duration::from_millis(30));
            if self.strikes(FaultKind::MessageDelay) {
                wait += self.between(Duration::from_secs(1), 3 * self.scenario.policy.lease);
            }
            self.after(wait, make());
        }
    }

    /// Puts something into the mailbox of a coordinator by whoever is in the same process.
    fn say_inside(&mut self, seat: usize, life: u64, command: Command, from: Sender) {
        if self.seats[seat].life == life && self.seats[seat].desk.is_some() {
            self.seats[seat].mailbox.push(Mail { request: command.into(), from });
            self.wake(seat);
        }
    }

    /// Puts something into the mailbox of any coordinator, as a command from a shell does.
    fn mail_somebody(&mut self, request: Request, from: Sender) {
        let seat = self.random.below(self.seats.len());
        self.after(Duration::from_millis(1), Happening::Mail { seat, mail: Mail { request, from } });
    }

    // Coordinators.

    fn restart(&mut self, place: usize) -> Verdict {
        if self.seats[place].desk.is_some() {
            return Ok(());
        }
        self.instances += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.instances.to_le_bytes());
        let engine = Engine::new(id, self.scenario.policy.clone());
        let mut desk = Desk::new(engine, Arc::clone(&self.store) as Arc<_>, self.stream.clone());
        if desk.load().is_err() {
            self.after(Duration::from_secs(1), Happening::Restart { seat: place });
            return Ok(());
        }
        let host = Host { boot: "simulated".to_owned(), pid: self.instances as u32, started: place as u64 };
        let (life, elapsed) = (self.seats[place].life + 1, self.elapsed);
        self.seats[place] =
            Seat { life, desk: Some(desk), host: host.clone(), began: elapsed, ..Seat::empty() };
        self.seats[place].well_since = elapsed;
        let begins = [Command::Begin { host }.into()];
        if self.turn(place, &begins)?.is_none() {
            return Ok(());
        }
        let gone = self.seats[place]
            .desk
            .as_ref()
            .map(|desk| desk.gone(&|record, now| self.is_at_work(place, record, now)));
        let mut requests: Vec<Request> = gone.unwrap_or_default().into_iter().map(Request::from).collect();
        requests.extend(self.entries(place));
        requests.push(Command::RegisterAgents(self.agents_of(place)).into());
        self.turn(place, &requests)?;
        self.wake(place);
        Ok(())
    }

    /// Returns what makes a coordinator work on the projects that it does not work on yet.
    fn entries(&self, place: usize) -> Vec<Request> {
        let Some(desk) = &self.seats[place].desk else { return Vec::new() };
        let enter = |number: u64| {
            let name = format!("{}-{number}", self.scenario.plan.name);
            let known = desk.state().project_named(&name);
            let is_served = known.is_some_and(|key| desk.engine().serves(key));
            if is_served || known.is_some_and(|key| number < self.projects && desk.is_settled(key)) {
                return None;
            }
            // It may have been changed.
            let recorded = known.and_then(|key| desk.state().project(key));
            let plan = match recorded {
                Some(project) => Plan::clone(&project.plan),
                None => Plan { name, ..self.scenario.plan.clone() },
            };
            let settings =
                ProjectSettings { branch: Some("main".to_owned()), checks: number.is_multiple_of(2) };
            Some(Command::Enter { plan, settings }.into())
        };
        (1..=self.projects).filter_map(enter).collect()
    }

    /// Returns the agents that belong to a coordinator.
    fn agents_of(&self, place: usize) -> Vec<AgentSpec> {
        let seats = self.seats.len();
        let own = self.scenario.agents.iter().enumerate().filter(|(number, _)| number % seats == place);
        own.map(|(_, agent)| agent.clone()).collect()
    }

    /// Returns whether a coordinator is there, as far as another one can see: half of them look from another machine, and
    /// see only its lease.
    fn is_at_work(&self, looking: usize, record: &InstanceRecord, now: Timestamp) -> bool {
        let lasts = matches!(record.status, InstanceStatus::Active { expires_at } if expires_at > now);
        let is_there = |seat: &Seat| seat.desk.is_some() && seat.host == record.host;
        lasts && (looking.is_multiple_of(2) || self.seats.iter().any(is_there))
    }

    /// One round of a coordinator at its desk.
    fn sit_down(&mut self, place: usize) -> Verdict {
        if self.seats[place].next_wake != self.elapsed {
            return Ok(());
        }
        let seat = &mut self.seats[place];
        if seat.desk.is_none() {
            return Ok(());
        }
        if seat.paused_until > self.elapsed {
            let wait = seat.paused_until - self.elapsed;
            seat.next_wake = seat.paused_until;
            self.after(wait, Happening::Wake { seat: place });
            return Ok(());
        }
        let mail = std::mem::take(&mut seat.mailbox);
        let mut requests: Vec<Request> = mail.iter().map(|mail| mail.request.clone()).collect();
        if let Some(answers) = self.round(place, &mut requests)? {
            for (mail, is_accepted) in mail.iter().zip(answers) {
                self.answer(place, mail, is_accepted);
            }
        }
        self.check_overdue()?;
        let Some(desk) = &self.seats[place].desk else { return Ok(()) };
        if desk.engine().is_deposed() {
            self.crash(place);
            return Ok(());
        }
        let wait = desk.patience(POLL).max(Duration::from_millis(1));
        self.seats[place].next_wake = self.elapsed + wait;
        self.after(wait, Happening::Wake { seat: place });
        Ok(())
    }

    fn answer(&mut self, place: usize, mail: &Mail, is_accepted: bool) {
        match mail.from.clone() {
            Sender::Nobody => {}
            Sender::Worker(worker) => {
                match self.workers.get(worker).map(|worker| (worker.place, worker.agent)) {
                    Some((Place::Inside { .. }, _)) => {
                        self.after(Duration::from_millis(1), Happening::Answer { worker, is_accepted });
                    }
                    Some((Place::Outside, agent)) => {
                        self.send(u64::from(agent.0), || Happening::Answer { worker, is_accepted });
                    }
                    None => {}
                }
            }
            Sender::Lander(job) if is_accepted => {
                let (life, wait) =
                    (self.seats[place].life, self.between(Duration::from_millis(5), Duration::from_secs(1)));
                self.after(wait, Happening::Land { seat: place, life, job, is_intended: true });
            }
            Sender::Lander(_) => {}
        }
    }

    /// Returns the answers to the requests that it was given; `None` where there was no turn, or it failed.
    fn round(&mut self, place: usize, requests: &mut Vec<Request>) -> Result<Option<Vec<bool>>, Violation> {
        self.arm_store();
        let Some(mut desk) = self.seats[place].desk.take() else { return Ok(None) };
        let attempts: Vec<_> = self.seats[place].attempts.iter().copied().collect();
        let elapsed = self.elapsed.saturating_sub(self.seats[place].began);
        let host = self.seats[place].host.clone();
        let is_at_work =
            |record: &InstanceRecord, now| record.host == host || self.is_at_work(place, record, now);
        let outcome = desk.round(elapsed, attempts.into_iter(), &is_at_work, requests);
        self.settle_turn(place, desk, requests, outcome)
    }

    fn turn(&mut self, place: usize, requests: &[Request]) -> Result<Option<Vec<bool>>, Violation> {
        self.arm_store();
        let Some(mut desk) = self.seats[place].desk.take() else { return Ok(None) };
        let outcome = desk.take(requests).map(Some);
        self.settle_turn(place, desk, requests, outcome)
    }

    /// Looks at what a turn has brought, and carries out its effects.
    fn settle_turn(
        &mut self,
        place: usize,
        desk: Desk,
        requests: &[Request],
        outcome: Result<Option<crate::turn::Turn>, crate::turn::TurnError>,
    ) -> Result<Option<Vec<bool>>, Violation> {
        self.store.arm(None);
        self.audit.begin_turn(requests);
        self.audit_log()?;
        match outcome {
            Ok(None) => {
                self.seats[place].desk = Some(desk);
                Ok(None)
            }
            Ok(Some(turn)) => {
                self.audit.check_answers(requests, &turn.answers)?;
                let moved = turn.events.iter().filter_map(|recorded| match recorded.event {
                    Event::Task { task, .. } => Some(task),
                    _ => None,
                });
                for task in moved {
                    self.compare(&desk, task)?;
                }
                let me = desk.engine().me();
                self.seats[place].desk = Some(desk);
                for effect in turn.effects {
                    self.begin_effect(place, me, effect)?;
                }
                Ok(Some(turn.answers.iter().map(Result::is_ok).collect()))
            }
            // As the driver does: it stops, and whoever begins next finds out what was recorded.
            Err(_) => {
                self.crash(place);
                Ok(None)
            }
        }
    }

    fn arm_store(&mut self) {
        let fault = if self.strikes(FaultKind::StoreBusy) {
            Some(StoreFault::Busy)
        } else if self.strikes(FaultKind::StoreRefusal) {
            Some(StoreFault::Refusal)
        } else if self.strikes(FaultKind::StoreDoubt) {
            Some(StoreFault::Doubt { is_written: self.random.chance(0.5) })
        } else {
            None
        };
        self.store.arm(fault);
    }

    fn crash(&mut self, place: usize) {
        let life = self.seats[place].life;
        self.seats[place].desk = None;
        self.seats[place].mailbox.clear();
        self.seats[place].attempts.clear();
        let here = Place::Inside { life: self.life_of(place, life) };
        self.workers.remove_where(|worker| worker.place == here);
        let wait = self.between(Duration::from_secs(1), Duration::from_secs(20));
        self.after(wait, Happening::Restart { seat: place });
    }

    /// Returns a number for one life of one coordinator that no other has.
    fn life_of(&self, place: usize, life: u64) -> u64 {
        life * self.seats.len() as u64 + place as u64
    }

    // Effects.

    fn begin_effect(
        &mut self,
        place: usize,
        me: Option<state_store::task::InstanceKey>,
        effect: Effect,
    ) -> Verdict {
        let life = self.seats[place].life;
        match effect {
            Effect::StartAttempt { task, lease } => {
                if !self.begun.insert((task, lease.token)) {
                    let what = format!("the attempt at {task} under token {} is begun twice", lease.token);
                    return Err(Violation { promise: "G3", what });
                }
                if Some(lease.instance) != me {
                    let what = format!("{task} is begun by another coordinator than its own");
                    return Err(Violation { promise: "G3", what });
                }
                let wait = Duration::from_millis(1);
                if self.is_inside(lease) {
                    self.seats[place].attempts.insert((task, lease.token));
                    self.after(wait, Happening::Begin { seat: place, life, task, lease });
                } else {
                    let agent = u64::from(lease.agent.0);
                    self.send(agent, || Happening::Begin { seat: place, life, task, lease });
                }
            }
            Effect::StopAttempt { task, token } => {
                self.seats[place].attempts.remove(&(task, token));
                let found = self.workers.at((task, token));
                match found.map(|(_, worker)| (worker.place, u64::from(worker.agent.0))) {
                    Some((Place::Inside { .. }, _)) => {
                        self.after(Duration::from_millis(1), Happening::Stop { task, token });
                    }
                    Some((Place::Outside, agent)) => self.send(agent, || Happening::Stop { task, token }),
                    None => {}
                }
            }
            Effect::RunCheck { task, lease, .. } => {
                let wait = self.between(Duration::from_millis(10), Duration::from_secs(3));
                self.after(wait, Happening::Check { seat: place, life, task, token: lease.token });
            }
            Effect::Land { task, lease, intents, .. } => {
                let job = LandingJob { task, token: lease.token, tip: 0, intents };
                self.begin_landing(place, life, job);
            }
        }
        Ok(())
    }

    fn is_inside(&self, lease: Lease) -> bool {
        lease.agent.0.is_multiple_of(2)
    }

    fn begin_landing(&mut self, place: usize, life: u64, job: LandingJob) {
        let wait = self.between(Duration::from_millis(5), Duration::from_millis(500));
        self.after(wait, Happening::Land { seat: place, life, job, is_intended: false });
    }

    /// One of the two steps of a landing: to say which commit it will be, and to move the branch there.
    fn land(&mut self, place: usize, life: u64, mut job: LandingJob, is_intended: bool) -> Verdict {
        let (task, token) = (job.task, job.token);
        let seat = &self.seats[place];
        if seat.life != life || seat.desk.is_none() {
            return Ok(());
        }
        if seat.paused_until > self.elapsed {
            let wait = seat.paused_until - self.elapsed;
            self.after(wait, Happening::Land { seat: place, life, job, is_intended });
            return Ok(());
        }
        if is_intended {
            let intent = *job.intents.last().expect("what is to be published was intended");
            if self.branch.publish(task, token, intent.commit, job.tip)? {
                let landed = Landed::Commit { commit: intent.commit, merged: intent.merged };
                self.say_inside(place, life, Command::Land { task, token, landed }, Sender::Nobody);
            } else {
                self.begin_landing(place, life, job);
            }
        } else if let Some(intent) = job.intents.iter().find(|intent| self.branch.has(intent.commit)) {
            let landed = Landed::Commit { commit: intent.commit, merged: intent.merged };
            self.say_inside(place, life, Command::Land { task, token, landed }, Sender::Nobody);
        } else if self.random.chance(0.03) {
            let (commit, paths) = (commit_of(task, token, 0), vec!["simulated".to_owned()]);
            let conflict = ConflictRecord { theirs: commit, base: commit, ours: commit, paths };
            self.say_inside(place, life, Command::Conflict { task, token, conflict }, Sender::Nobody);
        } else {
            job.tip = self.branch.tip();
            let intent = Intent { commit: commit_of(task, token, job.tip + 1), merged: false };
            job.intents.push(intent);
            self.say_inside(place, life, Command::Intend(vec![(task, token, intent)]), Sender::Lander(job));
        }
        Ok(())
    }

    // Agents.

    fn begin_work(&mut self, seat: usize, life: u64, task: TaskKey, lease: Lease) {
        let place = if self.is_inside(lease) {
            if self.seats[seat].life != life || self.seats[seat].desk.is_none() {
                return;
            }
            Place::Inside { life: self.life_of(seat, life) }
        } else {
            Place::Outside
        };
        if self.workers.at((task, lease.token)).is_some() {
            return;
        }
        let is_gone = self.strikes(FaultKind::AgentCrash);
        if is_gone && place == Place::Outside {
            return;
        }
        // Those that were added on the way are like the first.
        let tasks = &self.scenario.plan.tasks;
        let asked = tasks.get(task.task as usize).unwrap_or(&tasks[0]);
        let planned =
            asked.effort_or_default().as_duration().as_secs_f64() / self.scenario.effort_mean.as_secs_f64();
        let has_files = asked.landing == Landing::Git;
        let length = ATTEMPT.mul_f64(planned.clamp(0.05, 3.0) * (0.5 + self.random.unit()));
        let outcome = if is_gone {
            // Whoever it is in sees it end.
            Outcome::Fails
        } else if self.strikes(FaultKind::AgentHang) {
            Outcome::Hangs
        } else if self.strikes(FaultKind::AttemptFailure) {
            if self.random.chance(0.2) { Outcome::Unusable } else { Outcome::Fails }
        } else {
            match self.random.below(10) {
                _ if !has_files => Outcome::NoFiles,
                0 => Outcome::Unchanged,
                _ => Outcome::Files,
            }
        };
        self.scheduled += 1;
        let id = self.scheduled;
        self.workers.insert(id, Worker::new(task, lease, place, length, outcome));
        // Some are slow to start.
        let wait = self.between(Duration::from_millis(1), Duration::from_secs(1));
        self.after(wait, Happening::Ask { worker: id });
        if place == Place::Outside {
            self.after(wait, Happening::Beat { worker: id });
        }
    }

    /// Says what it has to say, and says it again until it is answered.
    fn ask(&mut self, id: u64) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let times = match &mut worker.phase {
            Phase::Starting(times) | Phase::Reporting(times) => times,
            Phase::Working => return,
        };
        *times += 1;
        if *times > ASKS_MAX {
            self.leave(id);
            return;
        }
        let (Some(request), place, agent) = (worker.request(), worker.place, u64::from(worker.agent.0))
        else {
            return;
        };
        if let Some(pause) = worker.paused_until.checked_sub(self.elapsed).filter(|pause| !pause.is_zero()) {
            self.after(pause, Happening::Ask { worker: id });
            return;
        }
        match place {
            Place::Inside { life } => {
                let seat = (life % self.seats.len() as u64) as usize;
                let mail = Mail { request, from: Sender::Worker(id) };
                self.after(Duration::from_millis(1), Happening::Mail { seat, mail });
            }
            Place::Outside => {
                let seat = self.random.below(self.seats.len());
                let mail = Mail { request, from: Sender::Worker(id) };
                self.send(agent, || Happening::Mail { seat, mail: mail.clone() });
            }
        }
        self.after(ASK_AGAIN, Happening::Ask { worker: id });
    }

    fn hear(&mut self, id: u64, is_accepted: bool) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        match worker.phase {
            Phase::Starting(_) if is_accepted => {
                worker.phase = Phase::Working;
                let (length, is_inside) = (worker.length, worker.place != Place::Outside);
                match worker.outcome {
                    // The coordinator that it is in has an end with it; nobody has with the others.
                    Outcome::Hangs if is_inside => self.after(ATTEMPT_MAX, Happening::Finish { worker: id }),
                    Outcome::Hangs => drop(self.workers.remove(id)),
                    _ => self.after(length, Happening::Finish { worker: id }),
                }
            }
            Phase::Working => {}
            Phase::Starting(_) | Phase::Reporting(_) => self.leave(id),
        }
    }

    fn leave(&mut self, id: u64) {
        let Some(worker) = self.workers.remove(id) else { return };
        if let Place::Inside { life } = worker.place {
            let seat = (life % self.seats.len() as u64) as usize;
            self.seats[seat].attempts.remove(&(worker.task, worker.token));
        }
    }

    fn finish(&mut self, id: u64) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        if let Some(pause) = worker.paused_until.checked_sub(self.elapsed).filter(|pause| !pause.is_zero()) {
            self.after(pause, Happening::Finish { worker: id });
            return;
        }
        if worker.outcome == Outcome::Hangs {
            worker.outcome = Outcome::Fails;
        }
        worker.phase = Phase::Reporting(0);
        self.ask(id);
    }

    /// A heartbeat of an agent outside.
    fn beat(&mut self, id: u64) {
        if self.workers.get(id).is_none() {
            return;
        }
        if self.strikes(FaultKind::AgentCrash) {
            self.workers.remove(id);
            return;
        }
        let pause = self.strikes(FaultKind::AgentPause).then(|| {
            let lease = self.scenario.policy.lease;
            self.between(lease, 4 * lease)
        });
        let Some(worker) = self.workers.get_mut(id) else { return };
        if let Some(pause) = pause {
            worker.paused_until = self.elapsed + pause;
            self.after(pause, Happening::Beat { worker: id });
            return;
        }
        let (request, agent) = (worker.heartbeat(), u64::from(worker.agent.0));
        let seat = self.random.below(self.seats.len());
        let mail = Mail { request, from: Sender::Nobody };
        self.send(agent, || Happening::Mail { seat, mail: mail.clone() });
        let wait = self.scenario.policy.lease / 3;
        self.after(wait, Happening::Beat { worker: id });
    }

    // People, and the weather.

    /// What people do: they begin the next project, and change their minds.
    fn operate(&mut self) {
        let name = format!("{}-{}", self.scenario.plan.name, self.projects);
        let is_over = |desk: &Desk| desk.state().project_named(&name).is_some_and(|key| desk.is_settled(key));
        // One whose agents can do nothing of it knows of nothing left to do.
        if self.is_storm && self.seats.iter().all(|seat| seat.desk.as_ref().is_some_and(is_over)) {
            self.projects += 1;
        }
        for seat in 0..self.seats.len() {
            for request in self.entries(seat) {
                let mail = Mail { request, from: Sender::Nobody };
                self.after(Duration::from_millis(1), Happening::Mail { seat, mail });
            }
        }
        self.review();
        if !self.is_storm {
            for paused in self.audit.paused() {
                self.mail_somebody(Command::Continue(paused).into(), Sender::Nobody);
            }
            for task in self.audit.on_hold() {
                self.mail_somebody(Command::Resume(task).into(), Sender::Nobody);
            }
        }
        if self.strikes(FaultKind::PlanChange) {
            let task = TaskKey {
                project: ProjectKey(self.random.below(self.projects as usize) as u32),
                task: self.random.below(self.scenario.plan.tasks.len()) as u32,
            };
            let command = self.change_of_mind(task);
            self.mail_somebody(command.into(), Sender::Nobody);
        }
        self.after(Duration::from_secs(1), Happening::Operate);
    }

    /// People look at what waits for them: at some of it, in a storm, and at all of it when all is well.
    fn review(&mut self) {
        for task in self.audit.awaiting_approval() {
            if self.is_storm && !self.random.chance(0.2) {
                continue;
            }
            let review = Review { by: "simulated".to_owned(), comment: String::new() };
            let is_rejected = self.strikes(FaultKind::PlanChange);
            let command = if is_rejected {
                Command::Reject { task, review }
            } else {
                Command::Approve { task, review }
            };
            self.mail_somebody(command.into(), Sender::Nobody);
        }
    }

    /// Returns something that somebody wants otherwise.
    fn change_of_mind(&mut self, task: TaskKey) -> Command {
        let reach = if self.random.chance(0.5) { Reach::Task } else { Reach::Dependents };
        let reason = "simulated".to_owned();
        let project = Pausable::Project(task.project);
        let agent = AgentKey(self.random.below(self.scenario.agents.len()) as u32);
        match self.random.below(22) {
            21 => Command::StopAgent(agent),
            20 => Command::SetRules { project: task.project, rules: self.other_rules() },
            0 => Command::Cancel { task, reason, reach },
            1..=3 => Command::Hold(task),
            4..=7 => Command::Resume(task),
            8 | 9 => Command::Reopen { task, reach },
            10 => Command::CompleteByHand { task, reason },
            11 => Command::Pause(project),
            12 | 13 => Command::Continue(project),
            14 => Command::Pause(Pausable::Agent(agent)),
            15 | 16 => Command::Continue(Pausable::Agent(agent)),
            _ => self.change_of_plan(task),
        }
    }

    fn other_rules(&mut self) -> ProjectRules {
        let allowed = [OverlappingWrites::Wait, OverlappingWrites::Allowed];
        ProjectRules {
            overlapping_writes: allowed[self.random.below(2)],
            failures_in_row_max: std::num::NonZeroU32::new(self.random.below(5) as u32),
            failures_max: std::num::NonZeroU32::new(self.random.below(20) as u32),
        }
    }

    /// Returns a change of the plan: a task that is new, other, or removed; some changes would close a cycle.
    fn change_of_plan(&mut self, task: TaskKey) -> Command {
        let tasks = &self.scenario.plan.tasks;
        let mut changed = tasks[task.task as usize].clone();
        let other = tasks[self.random.below(tasks.len())].id.clone();
        match self.random.below(5) {
            0 => changed.priority = Priority::Critical,
            4 => changed.approval = Approval::ALL[self.random.below(Approval::ALL.len())],
            1 => changed.dependencies.push(Dependency::on_completion(other)),
            2 => changed.standing = Standing::Excluded(Exclusion::Tombstone),
            _ => {
                if let Ok(id) = TaskId::new(&format!("added-{}", self.random.below(1000))) {
                    changed = Task { dependencies: vec![Dependency::on_completion(other)], ..Task::new(id) };
                }
            }
        }
        Command::SetTasks { project: task.project, tasks: vec![changed] }
    }

    /// What befalls the whole: coordinators that die or stop, clocks that jump, agents that are cut off.
    fn change_weather(&mut self) {
        let seat = self.random.below(self.seats.len());
        if self.seats[seat].desk.is_some() && self.strikes(FaultKind::CoordinatorCrash) {
            self.crash(seat);
        }
        let seat = self.random.below(self.seats.len());
        if self.seats[seat].desk.is_some() && self.strikes(FaultKind::CoordinatorPause) {
            let pause = self.between(Duration::from_secs(1), 4 * self.scenario.policy.instance_lease);
            self.seats[seat].paused_until = self.elapsed + pause;
            self.seats[seat].well_since = self.elapsed + pause;
        }
        if self.strikes(FaultKind::ClockJump) {
            let size = self.between(Duration::from_secs(1), Duration::from_secs(3600)).as_millis() as i64;
            self.skew += if self.random.chance(0.5) { size } else { -size };
            self.skew_max = self.skew_max.max(self.skew);
        }
        if self.strikes(FaultKind::Partition) {
            let length = self.between(Duration::from_secs(1), 3 * self.scenario.policy.lease);
            self.cut_off = Some((self.random.below(3) as u64, self.elapsed + length));
        }
        self.after(Duration::from_secs(1), Happening::Weather);
    }

    // What must hold.

    /// Has the auditor read what is new in the log.
    fn audit_log(&mut self) -> Verdict {
        let mut news = Vec::new();
        let read = self.store.read(&self.stream, self.audited, &mut |recorded| {
            news.push(recorded);
            std::ops::ControlFlow::Continue(())
        });
        read.expect("a store in memory can be read");
        for recorded in news {
            let event =
                Event::of(&recorded).map_err(|error| Violation { promise: "G1", what: error.to_string() })?;
            if let Event::Task { task, transition: Transition::Land { token, landed } } = &event
                && let Landed::Commit { commit, .. } = landed
            {
                self.branch.check_landed(*task, *token, *commit)?;
            }
            self.audit.take(&event, recorded.at)?;
            self.audited = recorded.seq;
        }
        Ok(())
    }

    /// Compares where a task stands, as the engine and as the auditor have it.
    fn compare(&self, desk: &Desk, task: TaskKey) -> Verdict {
        let engine = desk.state().task(task).map(|record| record.state.name());
        // To the auditor a task in conflict is as free as any other.
        let engine = engine.map(|name| match name {
            state_store::task::StateName::InConflict => state_store::task::StateName::Pending,
            name => name,
        });
        if engine == self.audit.stage(task) {
            return Ok(());
        }
        let what = format!("{task} is {engine:?} to the engine, and {:?} by the log", self.audit.stage(task));
        Err(Violation { promise: "G9", what })
    }

    /// A lease that has ended must be over soon, as long as some coordinator is well.
    fn check_overdue(&mut self) -> Verdict {
        if self.elapsed < self.next_overdue_look {
            return Ok(());
        }
        self.next_overdue_look = self.elapsed + OVERDUE_LOOK;
        let (now, elapsed) = (self.clock_now(), self.elapsed);
        let present: BTreeSet<_> = self.audit.overdue(now).collect();
        self.overdue.retain(|attempt, _| present.contains(attempt));
        let well_since =
            self.seats.iter().filter(|seat| seat.desk.is_some()).map(|seat| seat.well_since).min();
        for attempt in present {
            let since = *self.overdue.entry(attempt).or_insert(elapsed);
            let Some(well_since) = well_since else { continue };
            if elapsed.saturating_sub(since.max(well_since)) > OVERDUE_MAX {
                let (task, token) = attempt;
                let what =
                    format!("the lease of {task} under token {token} has ended, and nobody takes it back");
                return Err(Violation { promise: "G8", what });
            }
        }
        Ok(())
    }

    fn clock_now(&self) -> Timestamp {
        use state_store::Clock;
        self.clock.now()
    }

    /// Checks all that each coordinator has derived, and that a new one comes to the same.
    fn look_at_everything(&mut self) -> Verdict {
        for desk in self.seats.iter().filter_map(|seat| seat.desk.as_ref()) {
            let broken = desk.engine().check_invariants().err();
            if let Some(broken) = broken {
                return Err(Violation { promise: "G9", what: broken.to_string() });
            }
        }
        Ok(())
    }
}

impl Seat {
    fn empty() -> Self {
        Self {
            life: 0,
            desk: None,
            host: Host { boot: String::new(), pid: 0, started: 0 },
            began: Duration::ZERO,
            paused_until: Duration::ZERO,
            well_since: Duration::ZERO,
            mailbox: Vec::new(),
            next_wake: Duration::MAX,
            attempts: BTreeSet::new(),
        }
    }
}
