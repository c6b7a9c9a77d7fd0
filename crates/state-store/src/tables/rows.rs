//! What the rows hold.

use crate::task::{
    AgentRecord, AgentStatus, CommitHash, Completion, Deliverable, Event, Landed, State, TaskKey, TaskState,
    Transition,
};
use crate::{Recorded, Seq, Timestamp};

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its project.
    pub project: String,
    /// Its id.
    pub task: String,
    /// What it is called.
    pub title: String,
    /// Where it stands.
    pub state: &'static str,
    /// How many attempts there have been.
    pub attempts: u32,
    /// How many of them failed.
    pub failures: u32,
    /// Who works on it, or has completed it.
    pub agent: Option<String>,
    /// Under which token, while somebody works on it.
    pub token: Option<u64>,
    /// Until when, unless that is prolonged.
    pub expires_at: Option<Timestamp>,
    /// The commit that it became.
    pub commit: Option<String>,
    /// Why it has failed or is not to run.
    pub reason: Option<String>,
    /// The row is hidden before this place.
    pub since: Seq,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRow {
    /// Its name.
    pub name: String,
    /// What it can do, separated by commas.
    pub capabilities: String,
    /// How many tasks it takes at once.
    pub slots: u32,
    /// Whether it takes any.
    pub status: &'static str,
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was committed.
    pub at: Timestamp,
    /// What it is called.
    pub event: &'static str,
    /// The project.
    pub project: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The attempt, from 1.
    pub attempt: Option<u32>,
    /// What else there is to say: a commit, or a reason.
    pub detail: Option<String>,
}

impl TaskRow {
    /// Returns the row of a task of the state.
    pub(super) fn new(state: &State, key: TaskKey, since: Seq) -> Option<Self> {
        let project = state.project(key.project)?;
        let (asked, record) = (project.plan.tasks.get(key.task as usize)?, state.task(key)?);
        let completion = match &record.state {
            TaskState::Completed(Completion::Attempt { lease, landed, .. }) => Some((lease, landed)),
            _ => None,
        };
        let lease = record.state.lease();
        let agent = lease.or(completion.map(|(lease, _)| lease)).and_then(|lease| state.agent(lease.agent));
        Some(Self {
            project: project.name.clone(),
            task: asked.id.to_string(),
            title: asked.title.clone(),
            state: record.state.name().as_str(),
            attempts: record.attempts,
            failures: record.failures,
            agent: agent.map(|agent| agent.name.clone()),
            token: lease.map(|lease| lease.token.get()),
            expires_at: lease.map(|lease| lease.expires_at),
            commit: completion.and_then(|(_, landed)| commit_of(landed)),
            reason: match &record.state {
                TaskState::Failed { reason } => Some(reason.to_string()),
                TaskState::Cancelled(reason) => Some(reason.to_string()),
                _ => None,
            },
            since,
        })
    }
}

impl AgentRow {
    pub(super) fn new(record: &AgentRecord) -> Self {
        let capabilities: Vec<_> = record.capabilities.iter().map(planner_core::Capability::as_str).collect();
        Self {
            name: record.name.clone(),
            capabilities: capabilities.join(", "),
            slots: record.slots,
            status: match record.status {
                AgentStatus::Active => "active",
                AgentStatus::Retired => "retired",
                AgentStatus::Paused => "paused",
            },
        }
    }
}

impl HistoryRow {
    /// Returns the row of an event that leads from one state to the next.
    pub(super) fn new(recorded: &Recorded, event: &Event, before: &LeaseHolder, after: &State) -> Self {
        let mut row = Self {
            seq: recorded.seq,
            at: recorded.at,
            event: name_of(event),
            project: None,
            task: None,
            agent: None,
            attempt: None,
            detail: None,
        };
        let named = |key| after.project(key).map(|project| project.name.clone());
        match event {
            Event::Task { task, transition } => {
                row.name_task(after, *task);
                row.agent = match transition {
                    Transition::Assign(lease) => after.agent(lease.agent).map(|agent| agent.name.clone()),
                    _ => before.agent.clone(),
                };
                row.attempt = row.agent.as_ref().and(after.task(*task)).map(|record| record.attempts);
                row.detail = detail_of(transition);
            }
            Event::LateResult { task, agent, deliverable, .. } => {
                row.name_task(after, *task);
                row.agent = after.agent(*agent).map(|agent| agent.name.clone());
                row.detail = result_of(deliverable);
            }
            Event::Answered { task, .. } => task.iter().for_each(|task| row.name_task(after, *task)),
            Event::ProjectAdded { name, .. } => row.project = Some(name.clone()),
            Event::ProjectSettingsChanged { project, .. }
            | Event::ProjectEntered { project, .. }
            | Event::TasksSet { project, .. }
            | Event::RulesSet { project, .. }
            | Event::FailuresReached { project }
            | Event::ProjectPaused { project, .. } => row.project = named(*project),
            Event::AgentPaused { agent, .. } => {
                row.agent = after.agent(*agent).map(|agent| agent.name.clone());
            }
            Event::AgentRegistered { name, .. } => row.agent = Some(name.clone()),
            Event::InstanceStarted { .. } => {}
            Event::InstanceRenewed { instance, .. } | Event::InstanceEnded { instance } => {
                row.detail = Some(instance.to_string());
            }
            Event::TokensRaised { to } => row.detail = Some(format!("tokens up to {to}")),
        }
        row
    }

    fn name_task(&mut self, state: &State, key: TaskKey) {
        if let Some(project) = state.project(key.project) {
            self.project = Some(project.name.clone());
            self.task = project.plan.tasks.get(key.task as usize).map(|task| task.id.to_string());
        }
    }
}

/// Who worked on the task of an event before it.
#[derive(Debug, Default)]
pub(super) struct LeaseHolder {
    agent: Option<String>,
}

impl LeaseHolder {
    pub(super) fn before(event: &Event, state: &State) -> Self {
        let Event::Task { task, .. } = event else { return Self::default() };
        let lease = state.task(*task).and_then(|record| record.state.lease());
        let agent = lease.and_then(|lease| state.agent(lease.agent));
        Self { agent: agent.map(|agent| agent.name.clone()) }
    }
}

fn name_of(event: &Event) -> &'static str {
    match event {
        Event::InstanceStarted { .. } => "coordinator started",
        Event::InstanceRenewed { .. } => "coordinator renewed",
        Event::InstanceEnded { .. } => "coordinator ended",
        Event::ProjectAdded { .. } => "project added",
        Event::ProjectSettingsChanged { .. } => "project changed",
        Event::ProjectEntered { .. } => "project entered",
        Event::AgentRegistered { .. } => "agent registered",
        Event::Task { transition, .. } => transition.name(),
        Event::LateResult { .. } => "late result kept",
        Event::Answered { .. } => "request answered",
        Event::TokensRaised { .. } => "recovered",
        Event::TasksSet { .. } => "plan changed",
        Event::RulesSet { .. } => "rules changed",
        Event::FailuresReached { .. } => "too many failures",
        Event::ProjectPaused { is_paused: true, .. } => "project paused",
        Event::ProjectPaused { is_paused: false, .. } => "project goes on",
        Event::AgentPaused { is_paused: true, .. } => "agent paused",
        Event::AgentPaused { is_paused: false, .. } => "agent goes on",
    }
}

fn detail_of(transition: &Transition) -> Option<String> {
    match transition {
        Transition::Deliver { deliverable, .. } => result_of(deliverable),
        Transition::Intend { intent, .. } => Some(intent.commit.to_string()),
        Transition::Land { landed, .. } => commit_of(landed),
        Transition::Conflict { conflict, .. } => Some(conflict.paths.join(", ")),
        Transition::Fail { reason, .. } => Some(reason.to_string()),
        Transition::Lose { why, .. } => Some(why.to_string()),
        Transition::Cancel(reason) => Some(reason.to_string()),
        Transition::Adopt { instance, .. } => Some(instance.to_string()),
        Transition::CompleteByHand(reason) => Some(reason.clone()),
        Transition::Checkpoint { text, .. } => Some(text.clone()),
        Transition::ApproveStart(review) | Transition::ApproveLanding { review, .. } => {
            Some(review.to_string())
        }
        Transition::Assign(_)
        | Transition::Start(_)
        | Transition::Renew { .. }
        | Transition::Verify { .. }
        | Transition::Propose { .. }
        | Transition::Hold
        | Transition::Resume
        | Transition::Reopen => None,
    }
}

fn result_of(deliverable: &Deliverable) -> Option<String> {
    match deliverable {
        Deliverable::Commit { result, .. } => Some(result.to_string()),
        Deliverable::NoFiles | Deliverable::Unchanged => None,
    }
}

fn commit_of(landed: &Landed) -> Option<String> {
    let named = |commit: &CommitHash| commit.to_string();
    match landed {
        Landed::Commit { commit, .. } => Some(named(commit)),
        Landed::Empty | Landed::NotAsked => None,
    }
}
