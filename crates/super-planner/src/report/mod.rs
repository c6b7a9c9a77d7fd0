//! What came of a run: read back from the log, so that it says what was recorded and nothing else.

mod gantt;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use agent_coordinator::{Metrics, TurnError};
use planner_core::analysis::{BoundReason, makespan_lower_bound};
use planner_core::{AgentProfile, Effort, Plan, TaskIndex};
use serde::Serialize;
use state_store::task::{
    AfterFailure, Completion, Event, FencingToken, InstanceKey, InstanceRecord, InstanceStatus, Landed,
    Lease, Lost, Pause, Project, ProjectKey, State, TaskKey, TaskRecord, TaskState, Transition, UnfitEvent,
    replay,
};
use state_store::{Recorded, StateStore, StreamName, Timestamp};

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this shape.
    pub version: u32,
    /// The project.
    pub project: String,
    /// The branch that results landed on.
    pub branch: Option<String>,
    /// How many tasks stand where; groups are not counted.
    pub tasks: TaskCounts,
    /// From the first hand-out to the last thing that happened to a task, without the time in which no coordinator was
    /// there, in milliseconds.
    pub makespan_ms: u64,
    /// How many coordinators have worked on it.
    pub coordinators: usize,
    /// What no schedule of the plan's efforts on these agents can beat.
    pub bound: LowerBound,
    /// What each agent did, by name.
    pub agents: Vec<AgentReport>,
    /// What became of the attempts.
    pub attempts: AttemptCounts,
    /// How results landed.
    pub landings: LandingCounts,
    /// Tasks that failed or wait in vain, with the reason.
    pub open: Vec<OpenTask>,
    /// How fast the coordinator was; known only to the run itself.
    pub transitions: Option<Transitions>,
    /// Every attempt, in the order of their beginnings.
    #[serde(skip)]
    pub(crate) timeline: Vec<Attempt>,
}

/// How many tasks stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TaskCounts {
    /// Completed by an attempt.
    pub completed: usize,
    /// Completed before the plan was loaded.
    pub completed_before: usize,
    /// Failed for good.
    pub failed: usize,
    /// Not begun or not finished.
    pub open: usize,
    /// Put aside.
    pub on_hold: usize,
    /// Called off.
    pub cancelled: usize,
    /// Never to run, by the plan.
    pub excluded: usize,
}

impl TaskCounts {
    /// Returns whether every task that was to run has been completed.
    pub fn all_done(&self) -> bool {
        self.failed == 0 && self.open == 0 && self.on_hold == 0
    }
}

/// What no schedule can beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LowerBound {
    /// By the plan's efforts.
    pub planned: Effort,
    /// By how long the accepted attempts took, in milliseconds of the run; known when all is done.
    pub as_it_turned_out_ms: Option<u64>,
    /// What it comes from.
    pub reason: &'static str,
}

/// What an agent did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentReport {
    /// Its name.
    pub name: String,
    /// How many attempts it made.
    pub attempts: usize,
    /// How many tasks of it were accepted.
    pub completed: usize,
    /// How long it was at work, in milliseconds.
    pub busy_ms: u64,
    /// That, as a share of the makespan and its slots.
    pub utilisation: f64,
}

/// What became of the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct AttemptCounts {
    /// How many began.
    pub begun: usize,
    /// How many failed and were tried again.
    pub retried: usize,
    /// How many failed for good.
    pub failed: usize,
    /// How many came back because their result did not go together with the branch.
    pub conflicts: usize,
    /// How many were given up without having failed.
    pub lost: usize,
}

/// How results landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LandingCounts {
    /// Commits on the branch.
    pub commits: usize,
    /// Those of them that were merged with what others had changed meanwhile.
    pub merged: usize,
    /// Results that changed nothing.
    pub empty: usize,
    /// Tasks that have no files to show.
    pub without_files: usize,
    /// Results that came too late, and are kept.
    pub late: usize,
}

/// A task that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenTask {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: &'static str,
    /// Why.
    pub why: String,
}

/// How fast the coordinator was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Transitions {
    /// How many commands were carried out.
    pub commands: u64,
    /// How many events they came to.
    pub events: u64,
    /// How many durable appends, one flush each, it took.
    pub commits: u64,
    /// The median time from command to durable answer, in microseconds.
    pub p50_us: u64,
    /// The time that 99 of 100 stayed within, in microseconds.
    pub p99_us: u64,
}

impl Transitions {
    /// Returns what a coordinator has measured.
    pub fn of(metrics: &Metrics) -> Self {
        let micros = |share| metrics.command_quantile(share).as_micros() as u64;
        Self {
            commands: metrics.commands(),
            events: metrics.events,
            commits: metrics.commits,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
        }
    }
}

/// One attempt, from its hand-out to its report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) task: TaskKey,
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) lease: Lease,
    pub(crate) begin: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) fate: Fate,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    UnderWay,
    Accepted,
    Retried,
    Failed,
    Conflict,
    Lost,
}

impl Report {
    /// Reads what came of a project from the log; `None` where the log knows no such project.
    pub fn read(store: &dyn StateStore, project: ProjectKey) -> Result<Option<Self>, TurnError> {
        let stream = StreamName::workspace();
        let base = State::base(store, &stream)?;
        let after = base.seq();
        let mut history = History::new(project, base);
        replay(store, &stream, after, |recorded| history.take(recorded))?;
        Ok(history.report())
    }

    /// Returns whether every task that was to run has been completed.
    pub fn all_done(&self) -> bool {
        self.tasks.all_done()
    }

    /// Returns the id of a task that has a story: one that came into a conflict or was tried again, or else the first.
    pub fn eventful_task(&self) -> Option<&str> {
        let by_interest = |attempt: &&Attempt| match attempt.fate {
            Fate::Conflict => 2,
            Fate::Retried => 1,
            Fate::UnderWay | Fate::Accepted | Fate::Failed | Fate::Lost => 0,
        };
        self.timeline.iter().max_by_key(by_interest).map(|attempt| attempt.id.as_str())
    }
}

/// What the log tells of one project.
#[derive(Debug)]
struct History {
    project: ProjectKey,
    state: State,
    timeline: Vec<Attempt>,
    places: HashMap<(TaskKey, FencingToken), usize>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// When the entry before the present one was recorded.
    before: Timestamp,
    /// How long nothing was recorded before the latest coordinator began, until it is known whether that was a pause.
    gap: Option<Duration>,
    /// How long no coordinator was there since the first hand-out.
    paused: Duration,
    late: usize,
}

impl History {
    fn new(project: ProjectKey, state: State) -> Self {
        Self {
            project,
            state,
            timeline: Vec::new(),
            places: HashMap::new(),
            first: None,
            last: None,
            before: Timestamp::default(),
            gap: None,
            paused: Duration::ZERO,
            late: 0,
        }
    }

    fn take(&mut self, recorded: &Recorded) -> Result<(), UnfitEvent> {
        let event = self.state.apply_recorded(recorded)?;
        if matches!(event, Event::InstanceStarted { .. }) && self.first.is_some() {
            self.gap = Some(recorded.at.since(self.before));
        }
        // The time before a coordinator began was a pause, once it is known that no other was there.
        if let Some(gap) = self.gap.take_if(|_| self.state.instances().iter().rev().skip(1).all(has_ended)) {
            self.paused += gap;
        }
        match event {
            // An attempt whose coordinator is gone ended at the latest when that one was last heard of.
            Event::Task {
                task,
                transition: transition @ Transition::Lose { why: Lost::CoordinatorGone, .. },
            } if task.project == self.project => {
                self.take_step(task, &transition, self.before);
                return Ok(());
            }
            Event::Task { task, transition } if task.project == self.project => {
                self.take_step(task, &transition, recorded.at);
            }
            Event::LateResult { task, .. } if task.project == self.project => self.late += 1,
            _ => {}
        }
        self.before = recorded.at;
        Ok(())
    }

    fn take_step(&mut self, task: TaskKey, transition: &Transition, at: Timestamp) {
        self.last = Some(at);
        if let Transition::Assign(lease) = transition {
            self.first.get_or_insert(at);
            self.places.insert((task, lease.token), self.timeline.len());
            let project = &self.state.projects()[task.project.index()];
            let id = project.plan.tasks[task.task as usize].id.to_string();
            let agent = self.state.agents()[lease.agent.index()].name.clone();
            let (lease, end, fate) = (*lease, None, Fate::UnderWay);
            self.timeline.push(Attempt { task, id, agent, lease, begin: at, end, fate });
            return;
        }
        let token = transition.token().or_else(|| self.state.task(task).map(|record| record.last_token));
        let place = token.and_then(|token| self.places.get(&(task, token)));
        let Some(attempt) = place.map(|place| &mut self.timeline[*place]) else { return };
        let fate = match transition {
            Transition::Deliver { .. } => Some(Fate::UnderWay),
            Transition::Land { .. } => Some(Fate::Accepted),
            Transition::Conflict { .. } => Some(Fate::Conflict),
            Transition::Fail { then: AfterFailure::Retry(_), .. } => Some(Fate::Retried),
            Transition::Fail { then: AfterFailure::GiveUp, .. } => Some(Fate::Failed),
            Transition::Lose { .. } => Some(Fate::Lost),
            Transition::Cancel(_) if attempt.fate == Fate::UnderWay => Some(Fate::Lost),
            _ => None,
        };
        if let Some(fate) = fate {
            attempt.fate = fate;
            attempt.end.get_or_insert(at);
        }
    }

    fn report(self) -> Option<Report> {
        let project = self.state.project(self.project)?;
        let makespan = match (self.first, self.last) {
            (Some(first), Some(last)) => last.since(first).saturating_sub(self.paused),
            _ => Duration::ZERO,
        };
        Some(Report {
            version: 1,
            project: project.name.clone(),
            branch: project.settings.branch.clone(),
            tasks: task_counts(project),
            makespan_ms: makespan.as_millis() as u64,
            coordinators: self.coordinators().len(),
            bound: self.bound(project),
            agents: self.agent_reports(makespan),
            attempts: self.attempt_counts(),
            landings: self.landing_counts(project),
            open: open_tasks(project),
            transitions: None,
            timeline: self.timeline,
        })
    }

    fn bound(&self, project: &Project) -> LowerBound {
        let agents = self.latest_agents();
        // What the attempts of this log did is counted as still to be done, as it was when it began.
        let planned = makespan_lower_bound(&project.plan, &project.graph, &agents);
        let mut measured = Plan::clone(&project.plan);
        for attempt in self.timeline.iter().filter(|attempt| attempt.fate == Fate::Accepted) {
            let took = attempt.end.unwrap_or(attempt.begin).since(attempt.begin);
            measured.tasks[attempt.task.task as usize].effort =
                Some(Effort::from_millis(took.as_millis() as u64));
        }
        let turned_out = makespan_lower_bound(&measured, &project.graph, &agents).makespan.as_millis();
        LowerBound {
            planned: planned.makespan,
            as_it_turned_out_ms: task_counts(project).all_done().then_some(turned_out),
            reason: match planned.reason {
                BoundReason::CriticalPath => "the critical path",
                BoundReason::Work { .. } => "the work, shared among all agents",
                BoundReason::Capabilities { .. } => "the work that only some agents can do",
                BoundReason::Impossible { .. } => {
                    "the critical path; some task asks for what no agent can do"
                }
            },
        }
    }

    /// Returns the coordinators that have handed out tasks of the project.
    fn coordinators(&self) -> BTreeSet<InstanceKey> {
        self.timeline.iter().map(|attempt| attempt.lease.instance).collect()
    }

    /// Returns the agents of the coordinator that has handed out tasks last.
    fn latest_agents(&self) -> Vec<AgentProfile> {
        let latest = self.coordinators().pop_last();
        let agents =
            self.state.agents().iter().filter(|agent| latest.is_none_or(|latest| agent.instance == latest));
        agents
            .map(|agent| AgentProfile {
                name: agent.name.clone(),
                capabilities: agent.capabilities.clone(),
                slots: agent.slots,
                lease_seconds: None,
                labels: Vec::new(),
            })
            .collect()
    }

    fn agent_reports(&self, makespan: Duration) -> Vec<AgentReport> {
        let mut reports: BTreeMap<&str, AgentReport> = BTreeMap::new();
        for attempt in &self.timeline {
            let Some(agent) = self.state.agent(attempt.lease.agent) else { continue };
            let report = reports.entry(&agent.name).or_insert_with(|| AgentReport {
                name: agent.name.clone(),
                attempts: 0,
                completed: 0,
                busy_ms: 0,
                utilisation: 0.0,
            });
            let end = attempt.end.or(self.last).unwrap_or(attempt.begin);
            report.attempts += 1;
            report.completed += usize::from(attempt.fate == Fate::Accepted);
            report.busy_ms += end.since(attempt.begin).as_millis() as u64;
            let available = makespan.as_millis() as f64 * f64::from(agent.slots.max(1));
            report.utilisation = if available > 0.0 { report.busy_ms as f64 / available } else { 0.0 };
        }
        reports.into_values().collect()
    }

    fn attempt_counts(&self) -> AttemptCounts {
        let count = |fate| self.timeline.iter().filter(|attempt| attempt.fate == fate).count();
        AttemptCounts {
            begun: self.timeline.len(),
            retried: count(Fate::Retried),
            failed: count(Fate::Failed),
            conflicts: count(Fate::Conflict),
            lost: count(Fate::Lost),
        }
    }

    fn landing_counts(&self, project: &Project) -> LandingCounts {
        let mut counts = LandingCounts { late: self.late, ..LandingCounts::default() };
        for record in &project.tasks {
            let TaskState::Completed(Completion::Attempt { landed, .. }) = &record.state else { continue };
            match landed {
                Landed::Commit { merged, .. } => {
                    counts.commits += 1;
                    counts.merged += usize::from(*merged);
                }
                Landed::Empty => counts.empty += 1,
                Landed::NotAsked => counts.without_files += 1,
            }
        }
        counts
    }
}

/// Returns the tasks that are no groups, with how far each is.
fn leaves(project: &Project) -> impl Iterator<Item = (&planner_core::Task, &TaskRecord)> {
    let leaves = project.graph.tasks().filter(|task| !project.graph.is_group(*task));
    leaves.map(|task: TaskIndex| (&project.plan.tasks[task.index()], project.task(task)))
}

fn task_counts(project: &Project) -> TaskCounts {
    use state_store::task::CancelReason;
    let mut counts = TaskCounts::default();
    for (_, record) in leaves(project) {
        let counter = match &record.state {
            TaskState::Completed(Completion::Beforehand | Completion::ByHand { .. }) => {
                &mut counts.completed_before
            }
            TaskState::Completed(Completion::Attempt { .. }) => &mut counts.completed,
            TaskState::Failed { .. } => &mut counts.failed,
            TaskState::OnHold => &mut counts.on_hold,
            TaskState::Cancelled(CancelReason::Excluded(_)) => &mut counts.excluded,
            TaskState::Cancelled(_) => &mut counts.cancelled,
            _ => &mut counts.open,
        };
        *counter += 1;
    }
    counts
}

fn open_tasks(project: &Project) -> Vec<OpenTask> {
    let open = leaves(project)
        .filter(|(_, record)| !matches!(record.state, TaskState::Completed(_) | TaskState::Cancelled(_)));
    open.map(|(task, record)| OpenTask {
        id: task.id.to_string(),
        state: record.state.name().as_str(),
        why: match &record.state {
            TaskState::Failed { reason } => reason.to_string(),
            TaskState::OnHold => "it is put aside".to_owned(),
            TaskState::AwaitingApproval { .. } => {
                "somebody has to agree to its result: `super-planner approve`".to_owned()
            }
            TaskState::Pending if task.approval.is_before_start() && record.start_approval.is_none() => {
                "somebody has to agree that it begins: `super-planner approve`".to_owned()
            }
            TaskState::Pending if project.pause.is_some() => match project.pause {
                Some(Pause::Failures(counts)) => format!(
                    "the project is paused after {} failed attempts, {} of them in a row",
                    counts.total, counts.in_row
                ),
                _ => "the project is paused".to_owned(),
            },
            TaskState::Pending => "what it waits for is not done, or no agent can do it".to_owned(),
            _ => "it is not finished".to_owned(),
        },
    })
    .collect()
}

fn has_ended(coordinator: &InstanceRecord) -> bool {
    coordinator.status == InstanceStatus::Ended
}
