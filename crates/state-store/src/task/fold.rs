//! The fold: events in, the state of the workspace out. Live events and replayed ones go through the same function.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use planner_core::graph::{TaskGraph, TaskIndex};
use planner_core::{Plan, Standing, Task};

use crate::task::request::{ANSWERS_KEPT, Answer, Answers};
use crate::task::{
    Accepted, AgentKey, AgentRecord, AgentStatus, CancelReason, Completion, Deliverable, Event,
    FailureCounts, FailureReason, FencingToken, Handover, IllegalTransition, InstanceKey, InstanceRecord,
    InstanceStatus, Lost, Pause, Project, ProjectKey, ProjectRules, ProjectSettings, RequestId, TaskKey,
    TaskRecord, TaskState, Transition, UnreadableEvent, transition,
};
use crate::{Recorded, Seq, Timestamp};

/// The state of a workspace at a place in its log.
#[derive(Debug, Clone, Default)]
pub struct State {
    seq: Seq,
    instances: Vec<InstanceRecord>,
    projects: Vec<Project>,
    agents: Vec<AgentRecord>,
    agents_by_name: HashMap<String, AgentKey>,
    pub(super) late_results: Vec<LateResult>,
    pub(super) answers: Answers,
}

/// A result that came too late to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateResult {
    /// Of which task.
    pub task: TaskKey,
    /// Of which attempt.
    pub token: FencingToken,
    /// By whom.
    pub agent: AgentKey,
    /// The result.
    pub deliverable: Deliverable,
    /// When it came.
    pub at: Timestamp,
}

/// An event that does not fit the state before it: the log is damaged, or this program is wrong.
#[derive(Debug, thiserror::Error)]
pub enum UnfitEvent {
    /// The entry cannot be read.
    #[error("entry {seq} is unreadable")]
    Unreadable {
        /// Its place.
        seq: Seq,
        /// Why.
        #[source]
        source: UnreadableEvent,
    },
    /// It speaks of something that there is not.
    #[error("an event speaks of {what}, which there is not")]
    Unknown {
        /// Of what.
        what: String,
    },
    /// It moves a group, whose state follows from its children.
    #[error("{task} is a group, and an event moves it")]
    GroupMoved {
        /// The group.
        task: TaskKey,
    },
    /// The table does not have the step.
    #[error("{task} cannot take the recorded step")]
    Illegal {
        /// The task.
        task: TaskKey,
        /// Why not.
        #[source]
        source: IllegalTransition,
    },
    /// The recorded plan is not sound.
    #[error("the recorded plan of project `{name}` cannot be used: {reason}")]
    Plan {
        /// The project.
        name: String,
        /// Why not.
        reason: String,
    },
}

impl Event {
    /// Returns the event that is recorded.
    pub fn of(recorded: &Recorded) -> Result<Self, UnfitEvent> {
        Self::from_entry(&recorded.entry)
            .map_err(|source| UnfitEvent::Unreadable { seq: recorded.seq, source })
    }
}

impl State {
    /// Returns the state at a place, of what a snapshot of it holds; agents, late results and answers come after.
    pub(super) fn at(seq: Seq, instances: Vec<InstanceRecord>, projects: Vec<Project>) -> Self {
        Self { seq, instances, projects, ..Self::default() }
    }

    /// Returns the place in the log up to which this is the state.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Returns the projects, by key.
    pub fn projects(&self) -> &[Project] {
        &self.projects
    }

    /// Returns a project.
    pub fn project(&self, key: ProjectKey) -> Option<&Project> {
        self.projects.get(key.index())
    }

    /// Returns a project, to be changed.
    pub(super) fn project_mut(&mut self, key: ProjectKey) -> Option<&mut Project> {
        self.projects.get_mut(key.index())
    }

    /// Returns the key of the project of that name.
    pub fn project_named(&self, name: &str) -> Option<ProjectKey> {
        let place = self.projects.iter().position(|project| project.name == name)?;
        Some(ProjectKey(place as u32))
    }

    /// Returns the agents, by key.
    pub fn agents(&self) -> &[AgentRecord] {
        &self.agents
    }

    /// Returns a task as its plan asks for it.
    pub fn asked(&self, key: TaskKey) -> Option<&Task> {
        self.project(key.project)?.plan.tasks.get(key.task as usize)
    }

    /// Returns an agent.
    pub fn agent(&self, key: AgentKey) -> Option<&AgentRecord> {
        self.agents.get(key.index())
    }

    /// Returns an agent, to be changed.
    pub(super) fn agent_mut(&mut self, key: AgentKey) -> Option<&mut AgentRecord> {
        self.agents.get_mut(key.index())
    }

    /// Returns the key of the agent of that name.
    pub fn agent_named(&self, name: &str) -> Option<AgentKey> {
        self.agents_by_name.get(name).copied()
    }

    /// Returns the coordinators, by key.
    pub fn instances(&self) -> &[InstanceRecord] {
        &self.instances
    }

    /// Returns a coordinator.
    pub fn instance(&self, key: InstanceKey) -> Option<&InstanceRecord> {
        self.instances.get(key.index())
    }

    /// Returns how far a task is.
    pub fn task(&self, key: TaskKey) -> Option<&TaskRecord> {
        self.project(key.project)?.tasks.get(key.task as usize)
    }

    /// Returns the results that came too late, in order.
    pub fn late_results(&self) -> &[LateResult] {
        &self.late_results
    }

    /// Returns the answers to requests that may be repeated.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Applies an entry of the log.
    pub fn apply_recorded(&mut self, recorded: &Recorded) -> Result<Event, UnfitEvent> {
        let event = Event::of(recorded)?;
        self.apply(&event, recorded.at)?;
        Ok(event)
    }

    /// Applies the next event. Where it does not fit, nothing changes.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), UnfitEvent> {
        match event {
            Event::InstanceStarted { id, host, expires_at } => {
                let status = InstanceStatus::Active { expires_at: *expires_at };
                self.instances.push(InstanceRecord { id: *id, host: host.clone(), status });
            }
            Event::InstanceRenewed { instance, expires_at } => {
                self.instance_mut(*instance)?.status = InstanceStatus::Active { expires_at: *expires_at };
            }
            Event::InstanceEnded { instance } => self.end_instance(*instance)?,
            Event::ProjectAdded { name, plan, settings } => self.add_project(name, plan, settings)?,
            Event::ProjectSettingsChanged { project, settings } => {
                let unknown = || UnfitEvent::Unknown { what: project.to_string() };
                self.projects.get_mut(project.index()).ok_or_else(unknown)?.settings = settings.clone();
            }
            Event::ProjectEntered { project, instance } => {
                self.instance_mut(*instance)?;
                let unknown = || UnfitEvent::Unknown { what: project.to_string() };
                self.projects.get_mut(project.index()).ok_or_else(unknown)?.coordinators.insert(*instance);
            }
            Event::AgentRegistered { name, capabilities, slots, lease, labels, instance } => {
                self.instance_mut(*instance)?;
                let record = AgentRecord {
                    name: name.clone(),
                    capabilities: capabilities.clone(),
                    slots: *slots,
                    lease: *lease,
                    labels: labels.clone(),
                    instance: *instance,
                    status: AgentStatus::Active,
                };
                self.register(record);
            }
            Event::Task { task, transition } => self.move_task(*task, transition, at)?,
            Event::LateResult { task, token, agent, deliverable } => {
                let late =
                    LateResult { task: *task, token: *token, agent: *agent, deliverable: *deliverable, at };
                self.late_results.push(late);
            }
            Event::TasksSet { project, tasks } => self.set_tasks(*project, tasks)?,
            Event::ProjectPaused { project, is_paused } => {
                let unknown = || UnfitEvent::Unknown { what: project.to_string() };
                let found = self.projects.get_mut(project.index()).ok_or_else(unknown)?;
                found.pause = is_paused.then_some(Pause::Operator);
                if !is_paused {
                    found.failures = FailureCounts::default();
                }
            }
            Event::FailuresReached { project } => {
                let unknown = || UnfitEvent::Unknown { what: project.to_string() };
                let found = self.projects.get_mut(project.index()).ok_or_else(unknown)?;
                found.pause = Some(Pause::Failures(found.failures));
            }
            Event::RulesSet { project, rules } => {
                let unknown = || UnfitEvent::Unknown { what: project.to_string() };
                self.projects.get_mut(project.index()).ok_or_else(unknown)?.rules = *rules;
            }
            Event::AgentPaused { agent, is_paused } => {
                let unknown = || UnfitEvent::Unknown { what: agent.to_string() };
                let found = self.agents.get_mut(agent.index()).ok_or_else(unknown)?;
                found.status = match (found.status, is_paused) {
                    (AgentStatus::Retired, _) => AgentStatus::Retired,
                    (AgentStatus::Active | AgentStatus::Paused, true) => AgentStatus::Paused,
                    (AgentStatus::Active | AgentStatus::Paused, false) => AgentStatus::Active,
                };
            }
            Event::TokensRaised { to } => {
                let tasks = self.projects.iter_mut().flat_map(|project| &mut project.tasks);
                tasks.for_each(|record| record.raise_token(*to));
            }
            Event::Answered { request, task, accepted } => {
                self.keep_answer(*request, *task, *accepted, at)?;
            }
        }
        self.answers.forget(at);
        self.seq = self.seq.plus(1);
        Ok(())
    }

    fn keep_answer(
        &mut self,
        request: RequestId,
        task: Option<TaskKey>,
        accepted: Accepted,
        at: Timestamp,
    ) -> Result<(), UnfitEvent> {
        let has_ended = match task {
            Some(key) => {
                let unknown = || UnfitEvent::Unknown { what: key.to_string() };
                self.task(key).ok_or_else(unknown)?.state.is_settled()
            }
            None => true,
        };
        let forgotten_at = has_ended.then(|| at + ANSWERS_KEPT);
        self.answers.keep(request, Answer { accepted, task, forgotten_at });
        Ok(())
    }

    fn instance_mut(&mut self, key: InstanceKey) -> Result<&mut InstanceRecord, UnfitEvent> {
        self.instances.get_mut(key.index()).ok_or_else(|| UnfitEvent::Unknown { what: key.to_string() })
    }

    fn end_instance(&mut self, key: InstanceKey) -> Result<(), UnfitEvent> {
        self.instance_mut(key)?.status = InstanceStatus::Ended;
        for agent in self.agents.iter_mut().filter(|agent| agent.instance == key) {
            agent.status = AgentStatus::Retired;
        }
        for project in &mut self.projects {
            project.coordinators.remove(&key);
        }
        Ok(())
    }

    fn add_project(&mut self, name: &str, plan: &[u8], settings: &ProjectSettings) -> Result<(), UnfitEvent> {
        let unsound = |reason: String| UnfitEvent::Plan { name: name.to_owned(), reason };
        let plan: Plan = serde_json::from_slice(plan).map_err(|error| unsound(error.to_string()))?;
        let graph = TaskGraph::new(&plan).map_err(|defects| unsound(format!("{} defects", defects.len())))?;
        let tasks = plan.tasks.iter().map(|task| TaskRecord::new(&task.standing)).collect();
        self.projects.push(Project {
            name: name.to_owned(),
            plan: Arc::new(plan),
            graph: Arc::new(graph),
            settings: settings.clone(),
            rules: ProjectRules::default(),
            failures: FailureCounts::default(),
            pause: None,
            coordinators: BTreeSet::new(),
            tasks,
        });
        Ok(())
    }

    fn set_tasks(&mut self, key: ProjectKey, tasks: &[u8]) -> Result<(), UnfitEvent> {
        let unknown = || UnfitEvent::Unknown { what: key.to_string() };
        let project = self.projects.get_mut(key.index()).ok_or_else(unknown)?;
        let name = project.name.clone();
        let unsound = |reason: String| UnfitEvent::Plan { name: name.clone(), reason };
        let tasks: Vec<Task> = serde_json::from_slice(tasks).map_err(|error| unsound(error.to_string()))?;
        let changed = project.with_tasks(tasks).map_err(unsound)?;
        let records = project.tasks.iter_mut().zip(&changed.plan.tasks);
        for (place, (record, task)) in (0..).map(TaskIndex).zip(records) {
            // A group has no state of its own; whoever decided this made sure that nothing excluded is under way.
            let was_excluded = matches!(record.state, TaskState::Cancelled(CancelReason::Excluded(_)));
            match task.standing {
                Standing::Excluded(exclusion) if !changed.graph.is_group(place) => {
                    record.state = TaskState::Cancelled(CancelReason::Excluded(exclusion));
                }
                // What was removed and is there again is to be done.
                _ if was_excluded => record.state = TaskRecord::new(&task.standing).state,
                _ => {}
            }
        }
        let added = changed.plan.tasks.iter().skip(project.tasks.len());
        let added: Vec<_> = added.map(|task| TaskRecord::new(&task.standing)).collect();
        project.tasks.extend(added);
        (project.plan, project.graph) = (Arc::new(changed.plan), Arc::new(changed.graph));
        Ok(())
    }

    /// Takes an agent in, in the place of the one of that name.
    pub(super) fn register(&mut self, record: AgentRecord) {
        if let Some(key) = self.agent_named(&record.name) {
            self.agents[key.index()] = record;
            return;
        }
        self.agents_by_name.insert(record.name.clone(), AgentKey(self.agents.len() as u32));
        self.agents.push(record);
    }

    fn move_task(&mut self, key: TaskKey, step: &Transition, at: Timestamp) -> Result<(), UnfitEvent> {
        let unknown = |what: String| UnfitEvent::Unknown { what };
        if let Transition::Assign(lease) = step {
            self.agent(lease.agent).ok_or_else(|| unknown(lease.agent.to_string()))?;
            self.instance(lease.instance).ok_or_else(|| unknown(lease.instance.to_string()))?;
        }
        let project =
            self.projects.get_mut(key.project.index()).ok_or_else(|| unknown(key.project.to_string()))?;
        let record = project.tasks.get_mut(key.task as usize).ok_or_else(|| unknown(key.to_string()))?;
        if project.graph.is_group(key.task()) {
            return Err(UnfitEvent::GroupMoved { task: key });
        }
        record.take(step, at).map_err(|source| UnfitEvent::Illegal { task: key, source })?;
        let has_ended = record.state.is_settled();
        match step {
            Transition::Fail { .. } => {
                project.failures.in_row += 1;
                project.failures.total += 1;
            }
            Transition::Land { .. } => project.failures.in_row = 0,
            _ => {}
        }
        if has_ended {
            self.answers.end(key, at);
        }
        Ok(())
    }
}

impl TaskRecord {
    /// Returns the record of a task that its plan left standing so.
    pub fn new(standing: &Standing) -> Self {
        let state = match standing {
            Standing::Pending => TaskState::Pending,
            Standing::Completed => TaskState::Completed(Completion::Beforehand),
            Standing::OnHold => TaskState::OnHold,
            Standing::Excluded(exclusion) => TaskState::Cancelled(CancelReason::Excluded(*exclusion)),
        };
        Self {
            state,
            attempts: 0,
            failures: 0,
            losses: 0,
            last_token: FencingToken::default(),
            assigned_at: Timestamp::default(),
            handover: None,
            checkpoint: None,
            start_approval: None,
        }
    }

    /// Counts the tokens up to `to` as handed out; a lease goes on under the last of them.
    fn raise_token(&mut self, to: FencingToken) {
        self.last_token = self.last_token.max(to);
        if let Some(lease) = self.state.lease_mut() {
            lease.token = lease.token.max(to);
        }
    }

    /// Takes a step of the transition table. Where there is none, nothing changes.
    pub fn take(&mut self, step: &Transition, at: Timestamp) -> Result<(), IllegalTransition> {
        let state = transition::next(&self.state, self.last_token, step, at)?;
        match step {
            Transition::Assign(lease) => {
                self.attempts += 1;
                self.last_token = lease.token;
                self.assigned_at = at;
            }
            Transition::Fail { reason, .. } => {
                self.failures += 1;
                self.losses += u32::from(matches!(reason, FailureReason::Silent { .. }));
                self.handover = Some(Box::new(Handover::Failure(reason.to_string())));
            }
            Transition::Conflict { conflict, .. } => {
                self.handover = Some(Box::new(Handover::Conflict(conflict.clone())));
            }
            Transition::Land { .. } | Transition::CompleteByHand(_) => {
                self.handover = None;
                self.checkpoint = None;
            }
            Transition::Reopen => {
                self.failures = 0;
                self.losses = 0;
                self.start_approval = None;
            }
            Transition::ApproveStart(review) => self.start_approval = Some(Box::new(review.clone())),
            Transition::Checkpoint { text, .. } => self.checkpoint = Some(text.as_str().into()),
            Transition::Lose { why, .. } => self.losses += u32::from(*why == Lost::LeaseExpired),
            Transition::Start(_)
            | Transition::Renew { .. }
            | Transition::Deliver { .. }
            | Transition::Verify { .. }
            | Transition::Propose { .. }
            | Transition::ApproveLanding { .. }
            | Transition::Intend { .. }
            | Transition::Hold
            | Transition::Resume
            | Transition::Cancel(_)
            | Transition::Adopt { .. } => {}
        }
        self.state = state;
        Ok(())
    }
}
