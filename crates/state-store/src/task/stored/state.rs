//! The state of a workspace as snapshots hold it, version 4: what version 1 holds, and what was added to it with each
//! version after that.

use std::sync::Arc;

use planner_core::graph::TaskGraph;
use serde::{Deserialize, Serialize};

use super::allowances::{self, StoredAllowances};
use super::guards::StoredGuards;
use super::parts::{
    StoredAccepted, StoredCancel, StoredCapabilities, StoredConflict, StoredDeliverable, StoredFailure,
    StoredHost, StoredIntent, StoredLanded, StoredLease, StoredSettings, StoredTaskKey, both_ways,
};
use super::plan::StoredPlan;
use crate::log::Snapshot;
use crate::task::{
    AgentKey, AgentRecord, AgentStatus, Answer, Completion, Delivery, FailureCounts, FencingToken, Handover,
    InstanceKey, InstanceRecord, InstanceStatus, LateResult, Pause, Project, ProjectKey, ProjectRules,
    RequestId, State, TaskKey, TaskRecord, TaskState,
};
use crate::{Seq, Timestamp};

/// The kind of the snapshots that hold a [`State`].
pub const SNAPSHOT_KIND: u16 = 1;

/// The version of the form in which they are written.
pub const SNAPSHOT_VERSION: u16 = 4;

/// The first version, which is still read.
const SNAPSHOT_VERSION_FIRST: u16 = 1;

/// A snapshot that is no state this program can read. It can be made again from the log, where that is whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableSnapshot {
    /// It is of a kind or version that this program does not know.
    #[error(
        "a snapshot of kind {kind}, version {version}; this program reads kind {SNAPSHOT_KIND}, versions 1 to \
         {SNAPSHOT_VERSION}"
    )]
    Unknown {
        /// Its kind.
        kind: u16,
        /// Its version.
        version: u16,
    },
    /// Its bytes are not what its version says.
    #[error("a snapshot that does not decode: {reason}")]
    Malformed {
        /// Why not.
        reason: String,
    },
}

impl State {
    /// Returns the state as a snapshot holds it.
    pub fn to_snapshot(&self) -> Snapshot {
        let stored = (
            StoredState::from(self),
            StoredAdditions::from(self),
            StoredGuards::from(self),
            StoredAllowances::from(self),
        );
        let body = postcard::to_stdvec(&stored).expect("a state is plain data of known length");
        Snapshot { seq: self.seq(), kind: SNAPSHOT_KIND, version: SNAPSHOT_VERSION, body }
    }

    /// Returns the state that a snapshot holds.
    pub fn from_snapshot(snapshot: &Snapshot) -> Result<Self, UnreadableSnapshot> {
        let (kind, version) = (snapshot.kind, snapshot.version);
        if kind != SNAPSHOT_KIND || !(SNAPSHOT_VERSION_FIRST..=SNAPSHOT_VERSION).contains(&version) {
            return Err(UnreadableSnapshot::Unknown { kind, version });
        }
        let malformed = |reason| UnreadableSnapshot::Malformed { reason };
        let (stored, rest) = postcard::take_from_bytes::<StoredState<'_>>(&snapshot.body)
            .map_err(|error| malformed(error.to_string()))?;
        let (additions, rest) = since(2, version, rest).map_err(malformed)?;
        let (guards, rest): (StoredGuards, _) = since(3, version, rest).map_err(malformed)?;
        let (allowances, rest): (StoredAllowances, _) = since(4, version, rest).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes are left over", rest.len())));
        }
        let mut state = stored.into_state(snapshot.seq).map_err(malformed)?;
        StoredAdditions::add_to(additions, &mut state).map_err(malformed)?;
        guards.add_to(&mut state).map_err(malformed)?;
        if version < 4 {
            allowances::find_limits(&mut state);
        }
        allowances.add_to(&mut state).map_err(malformed)?;
        Ok(state)
    }
}

/// Returns what snapshots hold since a version, and the rest of the bytes; nothing where they are older.
fn since<'b, T: Deserialize<'b> + Default>(
    first: u16,
    version: u16,
    bytes: &'b [u8],
) -> Result<(T, &'b [u8]), String> {
    if version < first {
        return Ok((T::default(), bytes));
    }
    postcard::take_from_bytes(bytes).map_err(|error| error.to_string())
}

#[derive(Serialize, Deserialize)]
struct StoredState<'a> {
    instances: Vec<StoredInstance>,
    #[serde(borrow)]
    projects: Vec<StoredProject<'a>>,
    agents: Vec<StoredAgent>,
    late_results: Vec<StoredLateResult>,
    answers: Vec<StoredAnswer>,
}

/// What version 2 has beside version 1.
#[derive(Serialize, Deserialize, Default)]
struct StoredAdditions {
    paused_projects: Vec<u32>,
    checkpoints: Vec<(StoredTaskKey, String)>,
}

#[derive(Serialize, Deserialize)]
struct StoredInstance {
    id: [u8; 16],
    host: StoredHost,
    /// When its lease ends; `None` once it has ended.
    expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredProject<'a> {
    name: &'a str,
    #[serde(borrow)]
    plan: StoredPlan<'a>,
    settings: StoredSettings,
    coordinators: Vec<u32>,
    tasks: Vec<StoredRecord>,
}

#[derive(Serialize, Deserialize)]
struct StoredRecord {
    state: StoredTaskState,
    attempts: u32,
    failures: u32,
    last_token: u64,
    assigned_at: u64,
    handover: Option<StoredHandover>,
}

#[derive(Serialize, Deserialize)]
enum StoredTaskState {
    Pending,
    Assigned(StoredLease),
    Running(StoredLease),
    Verifying { lease: StoredLease, delivery: StoredDelivery },
    Landing { lease: StoredLease, delivery: StoredDelivery, intents: Vec<StoredIntent> },
    CompletedByAttempt { lease: StoredLease, landed: StoredLanded, at: u64 },
    CompletedBeforehand,
    Backoff { until: u64 },
    InConflict(StoredConflict),
    OnHold,
    Failed(StoredFailure),
    Cancelled(StoredCancel),
    CompletedByHand { reason: String, at: u64 },
    AwaitingApproval { lease: StoredLease, delivery: StoredDelivery },
}

#[derive(Serialize, Deserialize)]
struct StoredDelivery {
    deliverable: StoredDeliverable,
    at: u64,
}

#[derive(Serialize, Deserialize)]
enum StoredHandover {
    Failure(String),
    Conflict(StoredConflict),
}

#[derive(Serialize, Deserialize)]
struct StoredAgent {
    name: String,
    capabilities: StoredCapabilities,
    slots: u32,
    instance: u32,
    status: StoredAgentStatus,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredAgentStatus {
    Active,
    Retired,
    Paused,
}

both_ways!(StoredAgentStatus <=> AgentStatus { Active, Retired, Paused });

#[derive(Serialize, Deserialize)]
struct StoredLateResult {
    task: StoredTaskKey,
    token: u64,
    agent: u32,
    deliverable: StoredDeliverable,
    at: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredAnswer {
    request: [u8; 16],
    task: Option<StoredTaskKey>,
    accepted: StoredAccepted,
    forgotten_at: Option<u64>,
}

impl<'a> From<&'a State> for StoredState<'a> {
    fn from(state: &'a State) -> Self {
        // Sorted, so that equal states have equal bytes.
        let mut answers: Vec<_> = state.answers().iter().collect();
        answers.sort_unstable_by_key(|(request, _)| *request);
        Self {
            instances: state.instances().iter().map(StoredInstance::from).collect(),
            projects: state.projects().iter().map(StoredProject::from).collect(),
            agents: state.agents().iter().map(StoredAgent::from).collect(),
            late_results: state.late_results().iter().map(StoredLateResult::from).collect(),
            answers: answers.into_iter().map(StoredAnswer::from).collect(),
        }
    }
}

impl From<&State> for StoredAdditions {
    fn from(state: &State) -> Self {
        let projects = || (0..).map(ProjectKey).zip(state.projects());
        let paused = projects().filter(|(_, project)| project.pause.is_some());
        let checkpoints = projects().flat_map(|(project, found)| {
            (0..).zip(&found.tasks).filter_map(move |(task, record)| {
                Some((TaskKey { project, task }.into(), record.checkpoint.as_deref()?.to_owned()))
            })
        });
        Self { paused_projects: paused.map(|(key, _)| key.0).collect(), checkpoints: checkpoints.collect() }
    }
}

impl StoredAdditions {
    fn add_to(self, state: &mut State) -> Result<(), String> {
        for key in self.paused_projects {
            let project =
                state.project_mut(ProjectKey(key)).ok_or_else(|| format!("there is no project {key}"))?;
            // Why, if it was not somebody, is held since version 3.
            project.pause = Some(Pause::Operator);
        }
        for (key, text) in self.checkpoints {
            let key = TaskKey::from(key);
            let project = state.project_mut(key.project);
            let record = project.and_then(|project| project.tasks.get_mut(key.task as usize));
            record.ok_or_else(|| format!("there is no {key}"))?.checkpoint = Some(text.into());
        }
        Ok(())
    }
}

impl StoredState<'_> {
    fn into_state(self, seq: Seq) -> Result<State, String> {
        let projects =
            self.projects.into_iter().map(StoredProject::into_project).collect::<Result<_, _>>()?;
        let mut state = State::at(seq, self.instances.into_iter().map(Into::into).collect(), projects);
        self.agents.into_iter().for_each(|agent| state.register(agent.into()));
        state.late_results = self.late_results.into_iter().map(Into::into).collect();
        for answer in self.answers {
            let kept = Answer {
                accepted: answer.accepted.into(),
                task: answer.task.map(Into::into),
                forgotten_at: answer.forgotten_at.map(Timestamp::from_millis),
            };
            state.answers.keep(RequestId(answer.request), kept);
        }
        Ok(state)
    }
}

impl From<&InstanceRecord> for StoredInstance {
    fn from(record: &InstanceRecord) -> Self {
        let expires_at = match record.status {
            InstanceStatus::Active { expires_at } => Some(expires_at.as_millis()),
            InstanceStatus::Ended => None,
        };
        Self { id: record.id, host: (&record.host).into(), expires_at }
    }
}

impl From<StoredInstance> for InstanceRecord {
    fn from(stored: StoredInstance) -> Self {
        let status = stored.expires_at.map_or(InstanceStatus::Ended, |expires_at| InstanceStatus::Active {
            expires_at: Timestamp::from_millis(expires_at),
        });
        Self { id: stored.id, host: stored.host.into(), status }
    }
}

impl<'a> From<&'a Project> for StoredProject<'a> {
    fn from(project: &'a Project) -> Self {
        Self {
            name: &project.name,
            plan: StoredPlan::new(&project.plan),
            settings: (&project.settings).into(),
            coordinators: project.coordinators.iter().map(|key| key.0).collect(),
            tasks: project.tasks.iter().map(StoredRecord::from).collect(),
        }
    }
}

impl StoredProject<'_> {
    fn into_project(self) -> Result<Project, String> {
        let name = self.name.to_owned();
        let plan = self.plan.into_plan()?;
        let graph = TaskGraph::new(&plan)
            .map_err(|defects| format!("the plan of `{name}` has {} defects", defects.len()))?;
        if plan.tasks.len() != self.tasks.len() {
            return Err(format!("the plan of `{name}` and its records have different numbers of tasks"));
        }
        // Into new memory of the right size, instead of that of what was stored.
        let mut tasks = Vec::with_capacity(self.tasks.len());
        tasks.extend(self.tasks.into_iter().map(TaskRecord::from));
        Ok(Project {
            name,
            plan: Arc::new(plan),
            graph: Arc::new(graph),
            settings: self.settings.into(),
            rules: ProjectRules::default(),
            failures: FailureCounts::default(),
            pause: None,
            coordinators: self.coordinators.into_iter().map(InstanceKey).collect(),
            tasks,
        })
    }
}

impl From<&TaskRecord> for StoredRecord {
    fn from(record: &TaskRecord) -> Self {
        Self {
            state: (&record.state).into(),
            attempts: record.attempts,
            failures: record.failures,
            last_token: record.last_token.get(),
            assigned_at: record.assigned_at.as_millis(),
            handover: record.handover.as_deref().map(|handover| match handover {
                Handover::Failure(text) => StoredHandover::Failure(text.clone()),
                Handover::Conflict(conflict) => StoredHandover::Conflict(conflict.into()),
            }),
        }
    }
}

impl From<StoredRecord> for TaskRecord {
    fn from(stored: StoredRecord) -> Self {
        let handover = stored.handover.map(|handover| match handover {
            StoredHandover::Failure(text) => Handover::Failure(text),
            StoredHandover::Conflict(conflict) => Handover::Conflict(conflict.into()),
        });
        Self {
            state: stored.state.into(),
            attempts: stored.attempts,
            failures: stored.failures,
            losses: 0,
            last_token: FencingToken::new(stored.last_token),
            assigned_at: Timestamp::from_millis(stored.assigned_at),
            handover: handover.map(Box::new),
            checkpoint: None,
            start_approval: None,
        }
    }
}

impl From<&TaskState> for StoredTaskState {
    fn from(state: &TaskState) -> Self {
        match state {
            TaskState::Pending => Self::Pending,
            TaskState::Assigned(lease) => Self::Assigned((*lease).into()),
            TaskState::Running(lease) => Self::Running((*lease).into()),
            TaskState::Verifying { lease, delivery } => {
                Self::Verifying { lease: (*lease).into(), delivery: (&**delivery).into() }
            }
            TaskState::AwaitingApproval { lease, delivery } => {
                Self::AwaitingApproval { lease: (*lease).into(), delivery: (&**delivery).into() }
            }
            TaskState::Landing { lease, delivery, intents } => Self::Landing {
                lease: (*lease).into(),
                delivery: (&**delivery).into(),
                intents: intents.iter().map(|intent| (*intent).into()).collect(),
            },
            TaskState::Completed(Completion::Attempt { lease, landed, at }) => Self::CompletedByAttempt {
                lease: (*lease).into(),
                landed: (*landed).into(),
                at: at.as_millis(),
            },
            TaskState::Completed(Completion::Beforehand) => Self::CompletedBeforehand,
            TaskState::Completed(Completion::ByHand { reason, at }) => {
                Self::CompletedByHand { reason: reason.clone(), at: at.as_millis() }
            }
            TaskState::Backoff { until } => Self::Backoff { until: until.as_millis() },
            TaskState::InConflict(conflict) => Self::InConflict((&**conflict).into()),
            TaskState::OnHold => Self::OnHold,
            TaskState::Failed { reason } => Self::Failed(reason.into()),
            TaskState::Cancelled(reason) => Self::Cancelled(reason.into()),
        }
    }
}

impl From<StoredTaskState> for TaskState {
    fn from(stored: StoredTaskState) -> Self {
        match stored {
            StoredTaskState::Pending => Self::Pending,
            StoredTaskState::Assigned(lease) => Self::Assigned(lease.into()),
            StoredTaskState::Running(lease) => Self::Running(lease.into()),
            StoredTaskState::Verifying { lease, delivery } => {
                Self::Verifying { lease: lease.into(), delivery: Box::new(delivery.into()) }
            }
            StoredTaskState::AwaitingApproval { lease, delivery } => {
                Self::AwaitingApproval { lease: lease.into(), delivery: Box::new(delivery.into()) }
            }
            StoredTaskState::Landing { lease, delivery, intents } => Self::Landing {
                lease: lease.into(),
                delivery: Box::new(delivery.into()),
                intents: intents.into_iter().map(Into::into).collect(),
            },
            StoredTaskState::CompletedByAttempt { lease, landed, at } => {
                Self::Completed(Completion::Attempt {
                    lease: lease.into(),
                    landed: landed.into(),
                    at: Timestamp::from_millis(at),
                })
            }
            StoredTaskState::CompletedBeforehand => Self::Completed(Completion::Beforehand),
            StoredTaskState::CompletedByHand { reason, at } => {
                Self::Completed(Completion::ByHand { reason, at: Timestamp::from_millis(at) })
            }
            StoredTaskState::Backoff { until } => Self::Backoff { until: Timestamp::from_millis(until) },
            StoredTaskState::InConflict(conflict) => Self::InConflict(Box::new(conflict.into())),
            StoredTaskState::OnHold => Self::OnHold,
            StoredTaskState::Failed(reason) => Self::Failed { reason: reason.into() },
            StoredTaskState::Cancelled(reason) => Self::Cancelled(reason.into()),
        }
    }
}

impl From<&Delivery> for StoredDelivery {
    fn from(delivery: &Delivery) -> Self {
        Self { deliverable: delivery.deliverable.into(), at: delivery.at.as_millis() }
    }
}

impl From<StoredDelivery> for Delivery {
    fn from(stored: StoredDelivery) -> Self {
        Self { deliverable: stored.deliverable.into(), at: Timestamp::from_millis(stored.at) }
    }
}

impl From<&AgentRecord> for StoredAgent {
    fn from(record: &AgentRecord) -> Self {
        Self {
            name: record.name.clone(),
            capabilities: (&record.capabilities).into(),
            slots: record.slots,
            instance: record.instance.0,
            status: record.status.into(),
        }
    }
}

impl From<StoredAgent> for AgentRecord {
    fn from(stored: StoredAgent) -> Self {
        Self {
            name: stored.name,
            capabilities: stored.capabilities.into(),
            slots: stored.slots,
            lease: None,
            labels: Vec::new(),
            instance: InstanceKey(stored.instance),
            status: stored.status.into(),
        }
    }
}

impl From<&LateResult> for StoredLateResult {
    fn from(late: &LateResult) -> Self {
        Self {
            task: late.task.into(),
            token: late.token.get(),
            agent: late.agent.0,
            deliverable: late.deliverable.into(),
            at: late.at.as_millis(),
        }
    }
}

impl From<StoredLateResult> for LateResult {
    fn from(stored: StoredLateResult) -> Self {
        Self {
            task: stored.task.into(),
            token: FencingToken::new(stored.token),
            agent: AgentKey(stored.agent),
            deliverable: stored.deliverable.into(),
            at: Timestamp::from_millis(stored.at),
        }
    }
}

impl From<(RequestId, Answer)> for StoredAnswer {
    fn from((request, answer): (RequestId, Answer)) -> Self {
        Self {
            request: request.0,
            task: answer.task.map(Into::into),
            accepted: answer.accepted.into(),
            forgotten_at: answer.forgotten_at.map(Timestamp::as_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use planner_core::{Standing, Task, TaskId};

    use super::*;
    use crate::task::{Event, ProjectSettings, Transition};

    fn state() -> State {
        let mut state = State::default();
        let task = |id: &str| Task { standing: Standing::OnHold, ..Task::new(TaskId::new(id).unwrap()) };
        let plan = serde_json::json!({ "name": "p", "tasks": [task("a"), task("b")] });
        let settings = ProjectSettings { branch: None, checks: false };
        let added = Event::ProjectAdded { name: "p".to_owned(), plan: plan.to_string().into(), settings };
        state.apply(&added, Timestamp::default()).unwrap();
        state
    }

    #[test]
    fn snapshots_of_the_versions_before_are_read() {
        let state = state();
        let mut snapshot = state.to_snapshot();
        // Empty lists are what later versions have beside it.
        for (version, lists) in [(3, 6), (2, 6), (1, 2)] {
            assert_eq!(snapshot.body.split_off(snapshot.body.len() - lists), vec![0; lists]);
            snapshot.version = version;
            assert_eq!(State::from_snapshot(&snapshot).unwrap().to_snapshot(), state.to_snapshot());
        }
    }

    #[test]
    fn what_came_with_version_2_is_kept() {
        let mut state = state();
        let project = ProjectKey(0);
        let task = TaskKey { project, task: 1 };
        let reason = "done outside".to_owned();
        let by_hand = Event::Task { task, transition: Transition::CompleteByHand(reason) };
        state.apply(&by_hand, Timestamp::from_millis(7)).unwrap();
        state.apply(&Event::ProjectPaused { project, is_paused: true }, Timestamp::default()).unwrap();
        state.project_mut(project).unwrap().tasks[0].checkpoint = Some("half".into());
        let read = State::from_snapshot(&state.to_snapshot()).unwrap();
        assert_eq!(read.projects()[0].pause, Some(Pause::Operator));
        assert_eq!(read.projects()[0].tasks, state.projects()[0].tasks);
    }
}
