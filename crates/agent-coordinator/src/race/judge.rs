//! Judges a race: by what its racers were told, and by the log that it left.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use state_store::task::{Event, FencingToken, Landed, LoadError, ProjectKey, TaskKey, Transition, replay};
use state_store::{Seq, StateStore, StreamName};

use crate::race::history::{Asked, Operation, Told};
use crate::race::order;

/// How much is told of what was found wrong first.
const PROBLEM_CHARS_MAX: usize = 4_000;

/// What a race has come to, in numbers; those of several races add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How many tasks were raced over until a result was accepted.
    pub trials: u64,
    /// How many questions were asked.
    pub operations: u64,
    /// How many times a task was handed to somebody.
    pub acquired: u64,
    /// How many leases were prolonged.
    pub prolonged: u64,
    /// How many results were accepted.
    pub accepted: u64,
    /// How many tasks were given back.
    pub released: u64,
    /// How many questions were refused, nearly all of them because of an old token.
    pub refused: u64,
    /// How many leases ran out.
    pub expired: u64,
    /// How many tasks have a history that no order explains.
    pub unexplained: u64,
    /// How many tasks have two accepted results.
    pub accepted_twice: u64,
    /// How often a token was not above the one before it.
    pub tokens_not_growing: u64,
    /// How many answers the log does not bear out.
    pub not_recorded: u64,
    /// What was found wrong first.
    pub first_problem: Option<String>,
}

/// Something that was found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// No order explains what was told of a task.
    Unexplained,
    /// A task has two accepted results.
    AcceptedTwice,
    /// A token was not above the one before it.
    TokenNotGrowing,
    /// The log does not bear out an answer.
    NotRecorded,
}

impl Findings {
    /// Returns whether every promise was kept.
    pub fn are_fine(&self) -> bool {
        self.unexplained + self.accepted_twice + self.tokens_not_growing + self.not_recorded == 0
    }

    /// Adds those of another race.
    pub fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.operations += other.operations;
        self.acquired += other.acquired;
        self.prolonged += other.prolonged;
        self.accepted += other.accepted;
        self.released += other.released;
        self.refused += other.refused;
        self.expired += other.expired;
        self.unexplained += other.unexplained;
        self.accepted_twice += other.accepted_twice;
        self.tokens_not_growing += other.tokens_not_growing;
        self.not_recorded += other.not_recorded;
        self.first_problem = self.first_problem.take().or(other.first_problem);
    }

    fn tell(&mut self, finding: Finding, what: impl FnOnce() -> String) {
        *match finding {
            Finding::Unexplained => &mut self.unexplained,
            Finding::AcceptedTwice => &mut self.accepted_twice,
            Finding::TokenNotGrowing => &mut self.tokens_not_growing,
            Finding::NotRecorded => &mut self.not_recorded,
        } += 1;
        self.first_problem.get_or_insert_with(|| what().chars().take(PROBLEM_CHARS_MAX).collect());
    }

    fn count(&mut self, operation: &Operation) {
        self.operations += 1;
        *match (&operation.asked, &operation.told) {
            (_, Told::Refused) => &mut self.refused,
            (Asked::Heartbeat { .. }, Told::Yes) => &mut self.prolonged,
            (Asked::Complete { .. }, Told::Yes) => &mut self.accepted,
            (Asked::Release { .. }, Told::Yes) => &mut self.released,
            _ => return,
        } += 1;
    }
}

/// Judges the race over the tasks of one project whose agents had leases of that length. `slack` is by how much two clocks of
/// the machine may differ.
pub fn judge(
    history: &[Operation],
    store: &dyn StateStore,
    stream: &StreamName,
    project: &str,
    lease: Duration,
    slack: Duration,
) -> Result<Findings, LoadError> {
    let mut findings = Findings::default();
    history.iter().for_each(|operation| findings.count(operation));
    let recorded = recorded(store, stream, project)?;
    let mut by_task: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in history {
        if let Some(task) = operation.task() {
            by_task.entry(task).or_default().push(operation);
        }
    }
    for (task, operations) in &by_task {
        if !order::is_explained(operations, lease.saturating_sub(slack)) {
            findings.tell(Finding::Unexplained, || {
                format!("no order explains what was told of {task}: {operations:?}")
            });
        }
        check_told(task, operations, recorded.get(*task), &mut findings);
    }
    for (task, recorded) in &recorded {
        check_recorded(task, recorded, &mut findings);
    }
    Ok(findings)
}

/// What the log says of a task.
#[derive(Debug, Default)]
struct Recorded {
    /// The tokens under which it was handed out, in order.
    tokens: Vec<FencingToken>,
    /// Those under which a result was accepted.
    accepted: Vec<FencingToken>,
    /// Those under which it was given back.
    released: Vec<FencingToken>,
    /// How many of its leases ran out.
    expired: u64,
}

/// Checks what the agents were told of a task against the log.
fn check_told(task: &str, operations: &[&Operation], recorded: Option<&Recorded>, findings: &mut Findings) {
    let nothing = Recorded::default();
    let recorded = recorded.unwrap_or(&nothing);
    let accepted = operations.iter().filter(|operation| {
        matches!((&operation.asked, &operation.told), (Asked::Complete { .. }, Told::Yes))
    });
    if accepted.count() > 1 {
        findings.tell(Finding::AcceptedTwice, || format!("two results of {task} were accepted"));
    }
    for operation in operations {
        let (token, is_recorded) = match (&operation.asked, &operation.told) {
            (Asked::Acquire, Told::Task { token, .. }) => (token, &recorded.tokens),
            (Asked::Complete { token, .. }, Told::Yes) => (token, &recorded.accepted),
            (Asked::Release { token, .. }, Told::Yes) => (token, &recorded.released),
            _ => continue,
        };
        if !is_recorded.contains(&FencingToken::new(*token)) {
            findings.tell(Finding::NotRecorded, || format!("the log does not bear out {operation:?}"));
        }
    }
}

/// Checks what the log says of a task, and counts it.
fn check_recorded(task: &str, recorded: &Recorded, findings: &mut Findings) {
    findings.acquired += recorded.tokens.len() as u64;
    findings.expired += recorded.expired;
    findings.trials += u64::from(!recorded.accepted.is_empty());
    if recorded.accepted.len() > 1 {
        findings.tell(Finding::AcceptedTwice, || format!("the log holds two accepted results of {task}"));
    }
    for pair in recorded.tokens.windows(2) {
        if pair[0] >= pair[1] {
            findings
                .tell(Finding::TokenNotGrowing, || format!("{task} had token {} after {}", pair[1], pair[0]));
        }
    }
}

/// Reads what the log says of the tasks of a project.
fn recorded(
    store: &dyn StateStore,
    stream: &StreamName,
    project: &str,
) -> Result<BTreeMap<String, Recorded>, LoadError> {
    use state_store::task::Lost;

    let mut names: Vec<Vec<String>> = Vec::new();
    let mut key = None;
    let mut tasks: BTreeMap<TaskKey, Recorded> = BTreeMap::new();
    replay(store, stream, Seq::START, |entry| {
        let event = Event::of(entry)?;
        if let Event::ProjectAdded { name, plan, .. } = &event {
            if name == project {
                key = Some(ProjectKey(names.len() as u32));
            }
            let plan = planner_core::Plan::from_json(plan);
            names.push(
                plan.map(|plan| plan.tasks.iter().map(|task| task.id.to_string()).collect())
                    .unwrap_or_default(),
            );
        }
        let Event::Task { task, transition } = event else { return Ok(()) };
        if Some(task.project) != key {
            return Ok(());
        }
        let recorded = tasks.entry(task).or_default();
        match transition {
            Transition::Assign(lease) => recorded.tokens.push(lease.token),
            Transition::Land { token, landed: Landed::NotAsked } => recorded.accepted.push(token),
            Transition::Lose { token, why: Lost::Unable } => recorded.released.push(token),
            Transition::Lose { why: Lost::LeaseExpired | Lost::CoordinatorGone, .. } => recorded.expired += 1,
            _ => {}
        }
        Ok(())
    })?;
    let names = key.and_then(|key| names.get(key.index())).cloned().unwrap_or_default();
    let named = tasks
        .into_iter()
        .filter_map(|(key, recorded)| Some((names.get(key.task as usize)?.clone(), recorded)));
    Ok(named.collect())
}
