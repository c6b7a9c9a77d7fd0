//! Events as the log holds them, version 1.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::parts::{
    StoredAccepted, StoredAfterFailure, StoredCancel, StoredCapabilities, StoredCheck, StoredConflict,
    StoredDeliverable, StoredFailure, StoredHost, StoredIntent, StoredLanded, StoredLease, StoredLost,
    StoredReview, StoredRules, StoredSettings, StoredTaskKey,
};
use crate::task::{AgentKey, Event, FencingToken, InstanceKey, ProjectKey, RequestId, Transition};
use crate::{Entry, Timestamp};

/// The kind of the entries that hold an [`Event`].
pub const EVENT_KIND: u16 = 1;

/// The version of the form in which events are written.
pub const EVENT_VERSION: u16 = 1;

/// The length, in bytes, of what is written without looking for more room.
const SMALL: usize = 128;

/// An entry that is no event this program can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEvent {
    /// It is of a kind or version that this program does not know.
    #[error(
        "an entry of kind {kind}, version {version}; this program reads kind {EVENT_KIND}, version {EVENT_VERSION}"
    )]
    Unknown {
        /// Its kind.
        kind: u16,
        /// Its version.
        version: u16,
    },
    /// Its bytes are not what its version says.
    #[error("an event that does not decode: {reason}")]
    Malformed {
        /// Why not.
        reason: String,
    },
}

impl Event {
    /// Returns the event as it is stored.
    pub fn to_entry(&self) -> Entry {
        let stored = StoredEvent::from(self);
        // Most are a few bytes: one block of that size is had for each, instead of one that grows.
        let mut small = [0; SMALL];
        let body = match postcard::to_slice(&stored, &mut small) {
            Ok(bytes) => bytes.to_vec(),
            Err(_) => postcard::to_stdvec(&stored).expect("an event is plain data of known length"),
        };
        Entry { kind: EVENT_KIND, version: EVENT_VERSION, body }
    }

    /// Returns the event that an entry holds.
    pub fn from_entry(entry: &Entry) -> Result<Self, UnreadableEvent> {
        let (kind, version) = (entry.kind, entry.version);
        if (kind, version) != (EVENT_KIND, EVENT_VERSION) {
            return Err(UnreadableEvent::Unknown { kind, version });
        }
        match postcard::take_from_bytes::<StoredEvent<'_>>(&entry.body) {
            Ok((event, [])) => Ok(event.into()),
            Ok((_, rest)) => {
                Err(UnreadableEvent::Malformed { reason: format!("{} bytes are left over", rest.len()) })
            }
            Err(error) => Err(UnreadableEvent::Malformed { reason: error.to_string() }),
        }
    }
}

#[derive(Serialize, Deserialize)]
enum StoredEvent<'a> {
    InstanceStarted {
        id: [u8; 16],
        host: StoredHost,
        expires_at: u64,
    },
    InstanceRenewed {
        instance: u32,
        expires_at: u64,
    },
    InstanceEnded {
        instance: u32,
    },
    ProjectAdded {
        name: Cow<'a, str>,
        /// JSON in the native format.
        #[serde(borrow)]
        plan: &'a [u8],
        settings: StoredSettings,
    },
    AgentRegistered {
        name: Cow<'a, str>,
        capabilities: StoredCapabilities,
        slots: u32,
        instance: u32,
    },
    Task {
        task: StoredTaskKey,
        transition: StoredTransition,
    },
    LateResult {
        task: StoredTaskKey,
        token: u64,
        agent: u32,
        deliverable: StoredDeliverable,
    },
    ProjectSettingsChanged {
        project: u32,
        settings: StoredSettings,
    },
    ProjectEntered {
        project: u32,
        instance: u32,
    },
    Answered {
        request: [u8; 16],
        task: Option<StoredTaskKey>,
        accepted: StoredAccepted,
    },
    TokensRaised {
        to: u64,
    },
    TasksSet {
        project: u32,
        /// A JSON array in the native format.
        #[serde(borrow)]
        tasks: &'a [u8],
    },
    ProjectPaused {
        project: u32,
        is_paused: bool,
    },
    AgentPaused {
        agent: u32,
        is_paused: bool,
    },
    RulesSet {
        project: u32,
        rules: StoredRules,
    },
    FailuresReached {
        project: u32,
    },
    AgentRegisteredWithLease {
        name: Cow<'a, str>,
        capabilities: StoredCapabilities,
        slots: u32,
        lease_ms: u64,
        instance: u32,
    },
    AgentRegisteredWithLabels {
        name: Cow<'a, str>,
        capabilities: StoredCapabilities,
        slots: u32,
        lease_ms: Option<u64>,
        labels: Cow<'a, [String]>,
        instance: u32,
    },
}

#[derive(Serialize, Deserialize)]
enum StoredTransition {
    Assign(StoredLease),
    Start(u64),
    Renew { token: u64, expires_at: u64 },
    Deliver { token: u64, deliverable: StoredDeliverable },
    Verify { token: u64, check: StoredCheck },
    Intend { token: u64, intent: StoredIntent },
    Land { token: u64, landed: StoredLanded },
    Conflict { token: u64, conflict: StoredConflict },
    Fail { token: u64, reason: StoredFailure, then: StoredAfterFailure },
    Lose { token: u64, why: StoredLost },
    Hold,
    Resume,
    Cancel(StoredCancel),
    Adopt { token: u64, instance: u32 },
    Reopen,
    CompleteByHand(String),
    Checkpoint { token: u64, text: String },
    Propose { token: u64, check: StoredCheck },
    ApproveStart(StoredReview),
    ApproveLanding { token: u64, review: StoredReview },
}

impl<'a> From<&'a Event> for StoredEvent<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::InstanceStarted { id, host, expires_at } => {
                Self::InstanceStarted { id: *id, host: host.into(), expires_at: expires_at.as_millis() }
            }
            Event::InstanceRenewed { instance, expires_at } => {
                Self::InstanceRenewed { instance: instance.0, expires_at: expires_at.as_millis() }
            }
            Event::InstanceEnded { instance } => Self::InstanceEnded { instance: instance.0 },
            Event::ProjectAdded { name, plan, settings } => {
                Self::ProjectAdded { name: name.into(), plan, settings: settings.into() }
            }
            Event::AgentRegistered { name, capabilities, slots, lease, labels, instance }
                if !labels.is_empty() =>
            {
                Self::AgentRegisteredWithLabels {
                    name: name.into(),
                    capabilities: capabilities.into(),
                    slots: *slots,
                    lease_ms: lease.map(super::millis),
                    labels: labels.into(),
                    instance: instance.0,
                }
            }
            Event::AgentRegistered { name, capabilities, slots, lease: None, instance, .. } => {
                Self::AgentRegistered {
                    name: name.into(),
                    capabilities: capabilities.into(),
                    slots: *slots,
                    instance: instance.0,
                }
            }
            Event::AgentRegistered { name, capabilities, slots, lease: Some(lease), instance, .. } => {
                Self::AgentRegisteredWithLease {
                    name: name.into(),
                    capabilities: capabilities.into(),
                    slots: *slots,
                    lease_ms: super::millis(*lease),
                    instance: instance.0,
                }
            }
            Event::Task { task, transition } => {
                Self::Task { task: (*task).into(), transition: transition.into() }
            }
            Event::LateResult { task, token, agent, deliverable } => Self::LateResult {
                task: (*task).into(),
                token: token.get(),
                agent: agent.0,
                deliverable: (*deliverable).into(),
            },
            Event::ProjectSettingsChanged { project, settings } => {
                Self::ProjectSettingsChanged { project: project.0, settings: settings.into() }
            }
            Event::ProjectEntered { project, instance } => {
                Self::ProjectEntered { project: project.0, instance: instance.0 }
            }
            Event::Answered { request, task, accepted } => Self::Answered {
                request: request.0,
                task: task.map(Into::into),
                accepted: (*accepted).into(),
            },
            Event::TokensRaised { to } => Self::TokensRaised { to: to.get() },
            Event::TasksSet { project, tasks } => Self::TasksSet { project: project.0, tasks },
            Event::ProjectPaused { project, is_paused } => {
                Self::ProjectPaused { project: project.0, is_paused: *is_paused }
            }
            Event::AgentPaused { agent, is_paused } => {
                Self::AgentPaused { agent: agent.0, is_paused: *is_paused }
            }
            Event::FailuresReached { project } => Self::FailuresReached { project: project.0 },
            Event::RulesSet { project, rules } => {
                Self::RulesSet { project: project.0, rules: (*rules).into() }
            }
        }
    }
}

impl From<StoredEvent<'_>> for Event {
    fn from(stored: StoredEvent<'_>) -> Self {
        match stored {
            StoredEvent::InstanceStarted { id, host, expires_at } => Self::InstanceStarted {
                id,
                host: host.into(),
                expires_at: Timestamp::from_millis(expires_at),
            },
            StoredEvent::InstanceRenewed { instance, expires_at } => Self::InstanceRenewed {
                instance: InstanceKey(instance),
                expires_at: Timestamp::from_millis(expires_at),
            },
            StoredEvent::InstanceEnded { instance } => {
                Self::InstanceEnded { instance: InstanceKey(instance) }
            }
            StoredEvent::ProjectAdded { name, plan, settings } => {
                Self::ProjectAdded { name: name.into_owned(), plan: plan.to_vec(), settings: settings.into() }
            }
            StoredEvent::AgentRegistered { name, capabilities, slots, instance } => Self::AgentRegistered {
                name: name.into_owned(),
                capabilities: capabilities.into(),
                slots,
                lease: None,
                labels: Vec::new(),
                instance: InstanceKey(instance),
            },
            StoredEvent::AgentRegisteredWithLease { name, capabilities, slots, lease_ms, instance } => {
                Self::AgentRegistered {
                    name: name.into_owned(),
                    capabilities: capabilities.into(),
                    slots,
                    lease: Some(Duration::from_millis(lease_ms)),
                    labels: Vec::new(),
                    instance: InstanceKey(instance),
                }
            }
            StoredEvent::AgentRegisteredWithLabels {
                name,
                capabilities,
                slots,
                lease_ms,
                labels,
                instance,
            } => Self::AgentRegistered {
                name: name.into_owned(),
                capabilities: capabilities.into(),
                slots,
                lease: lease_ms.map(Duration::from_millis),
                labels: labels.into_owned(),
                instance: InstanceKey(instance),
            },
            StoredEvent::Task { task, transition } => {
                Self::Task { task: task.into(), transition: transition.into() }
            }
            StoredEvent::LateResult { task, token, agent, deliverable } => Self::LateResult {
                task: task.into(),
                token: FencingToken::new(token),
                agent: AgentKey(agent),
                deliverable: deliverable.into(),
            },
            StoredEvent::ProjectSettingsChanged { project, settings } => {
                Self::ProjectSettingsChanged { project: ProjectKey(project), settings: settings.into() }
            }
            StoredEvent::ProjectEntered { project, instance } => {
                Self::ProjectEntered { project: ProjectKey(project), instance: InstanceKey(instance) }
            }
            StoredEvent::Answered { request, task, accepted } => Self::Answered {
                request: RequestId(request),
                task: task.map(Into::into),
                accepted: accepted.into(),
            },
            StoredEvent::TokensRaised { to } => Self::TokensRaised { to: FencingToken::new(to) },
            StoredEvent::TasksSet { project, tasks } => {
                Self::TasksSet { project: ProjectKey(project), tasks: tasks.to_vec() }
            }
            StoredEvent::ProjectPaused { project, is_paused } => {
                Self::ProjectPaused { project: ProjectKey(project), is_paused }
            }
            StoredEvent::AgentPaused { agent, is_paused } => {
                Self::AgentPaused { agent: AgentKey(agent), is_paused }
            }
            StoredEvent::FailuresReached { project } => {
                Self::FailuresReached { project: ProjectKey(project) }
            }
            StoredEvent::RulesSet { project, rules } => {
                Self::RulesSet { project: ProjectKey(project), rules: rules.into() }
            }
        }
    }
}

impl From<&Transition> for StoredTransition {
    fn from(transition: &Transition) -> Self {
        match transition {
            Transition::Assign(lease) => Self::Assign((*lease).into()),
            Transition::Start(token) => Self::Start(token.get()),
            Transition::Renew { token, expires_at } => {
                Self::Renew { token: token.get(), expires_at: expires_at.as_millis() }
            }
            Transition::Deliver { token, deliverable } => {
                Self::Deliver { token: token.get(), deliverable: (*deliverable).into() }
            }
            Transition::Verify { token, check } => {
                Self::Verify { token: token.get(), check: (*check).into() }
            }
            Transition::Intend { token, intent } => {
                Self::Intend { token: token.get(), intent: (*intent).into() }
            }
            Transition::Land { token, landed } => Self::Land { token: token.get(), landed: (*landed).into() },
            Transition::Conflict { token, conflict } => {
                Self::Conflict { token: token.get(), conflict: conflict.into() }
            }
            Transition::Fail { token, reason, then } => {
                Self::Fail { token: token.get(), reason: reason.into(), then: (*then).into() }
            }
            Transition::Lose { token, why } => Self::Lose { token: token.get(), why: (*why).into() },
            Transition::Hold => Self::Hold,
            Transition::Resume => Self::Resume,
            Transition::Cancel(reason) => Self::Cancel(reason.into()),
            Transition::Adopt { token, instance } => Self::Adopt { token: token.get(), instance: instance.0 },
            Transition::Reopen => Self::Reopen,
            Transition::CompleteByHand(reason) => Self::CompleteByHand(reason.clone()),
            Transition::Checkpoint { token, text } => {
                Self::Checkpoint { token: token.get(), text: text.clone() }
            }
            Transition::Propose { token, check } => {
                Self::Propose { token: token.get(), check: (*check).into() }
            }
            Transition::ApproveStart(review) => Self::ApproveStart(review.into()),
            Transition::ApproveLanding { token, review } => {
                Self::ApproveLanding { token: token.get(), review: review.into() }
            }
        }
    }
}

impl From<StoredTransition> for Transition {
    fn from(stored: StoredTransition) -> Self {
        let token = FencingToken::new;
        match stored {
            StoredTransition::Assign(lease) => Self::Assign(lease.into()),
            StoredTransition::Start(number) => Self::Start(token(number)),
            StoredTransition::Renew { token: number, expires_at } => {
                Self::Renew { token: token(number), expires_at: Timestamp::from_millis(expires_at) }
            }
            StoredTransition::Deliver { token: number, deliverable } => {
                Self::Deliver { token: token(number), deliverable: deliverable.into() }
            }
            StoredTransition::Verify { token: number, check } => {
                Self::Verify { token: token(number), check: check.into() }
            }
            StoredTransition::Intend { token: number, intent } => {
                Self::Intend { token: token(number), intent: intent.into() }
            }
            StoredTransition::Land { token: number, landed } => {
                Self::Land { token: token(number), landed: landed.into() }
            }
            StoredTransition::Conflict { token: number, conflict } => {
                Self::Conflict { token: token(number), conflict: conflict.into() }
            }
            StoredTransition::Fail { token: number, reason, then } => {
                Self::Fail { token: token(number), reason: reason.into(), then: then.into() }
            }
            StoredTransition::Lose { token: number, why } => {
                Self::Lose { token: token(number), why: why.into() }
            }
            StoredTransition::Hold => Self::Hold,
            StoredTransition::Resume => Self::Resume,
            StoredTransition::Cancel(reason) => Self::Cancel(reason.into()),
            StoredTransition::Adopt { token: number, instance } => {
                Self::Adopt { token: token(number), instance: InstanceKey(instance) }
            }
            StoredTransition::Reopen => Self::Reopen,
            StoredTransition::CompleteByHand(reason) => Self::CompleteByHand(reason),
            StoredTransition::Checkpoint { token: number, text } => {
                Self::Checkpoint { token: token(number), text }
            }
            StoredTransition::Propose { token: number, check } => {
                Self::Propose { token: token(number), check: check.into() }
            }
            StoredTransition::ApproveStart(review) => Self::ApproveStart(review.into()),
            StoredTransition::ApproveLanding { token: number, review } => {
                Self::ApproveLanding { token: token(number), review: review.into() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::task::{
        Accepted, AfterFailure, CancelReason, CheckRecord, CommitHash, ConflictRecord, Deliverable,
        FailureReason, Host, Intent, Landed, Lease, Lost, OverlappingWrites, ProjectRules, ProjectSettings,
        Review, TaskKey,
    };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn moved(transition: Transition) -> Event {
        Event::Task { task: TaskKey { project: ProjectKey(1), task: 300 }, transition }
    }

    /// Every event and every step, each with every shape of what it holds.
    fn everything() -> Vec<Event> {
        let lease = Lease {
            agent: AgentKey(2),
            instance: InstanceKey(3),
            token: FencingToken::new(4),
            attempt: 1,
            expires_at: Timestamp::from_millis(1_000),
        };
        let (token, commit) = (FencingToken::new(4), CommitHash([9; 20]));
        let task = TaskKey { project: ProjectKey(1), task: 300 };
        let settings = || ProjectSettings { branch: Some("main".to_owned()), checks: true };
        let deliverable = Deliverable::Commit { result: commit, base: CommitHash([8; 20]) };
        let conflict =
            ConflictRecord { theirs: commit, base: commit, ours: commit, paths: vec!["a".to_owned()] };
        let retry = AfterFailure::Retry(Timestamp::from_millis(5));
        let fail = |reason, then| Transition::Fail { token, reason, then };
        let text = || "t".to_owned();
        let steps = vec![
            Transition::Assign(lease),
            Transition::Start(token),
            Transition::Renew { token, expires_at: Timestamp::from_millis(300) },
            Transition::Deliver { token, deliverable: Deliverable::NoFiles },
            Transition::Deliver { token, deliverable: Deliverable::Unchanged },
            Transition::Deliver { token, deliverable },
            Transition::Verify { token, check: CheckRecord::NotNamed },
            Transition::Verify { token, check: CheckRecord::Passed { took_ms: 7 } },
            Transition::Intend { token, intent: Intent { commit, merged: false } },
            Transition::Land { token, landed: Landed::Commit { commit, merged: true } },
            Transition::Land { token, landed: Landed::Empty },
            Transition::Land { token, landed: Landed::NotAsked },
            Transition::Conflict { token, conflict },
            fail(FailureReason::Agent(text()), retry),
            fail(FailureReason::Check(text()), AfterFailure::GiveUp),
            fail(FailureReason::Timeout, retry),
            fail(FailureReason::Unusable(text()), retry),
            Transition::Lose { token, why: Lost::LeaseExpired },
            Transition::Lose { token, why: Lost::CoordinatorGone },
            Transition::Lose { token, why: Lost::ShutDown },
            Transition::Lose { token, why: Lost::Unable },
            Transition::Hold,
            Transition::Resume,
            Transition::Cancel(CancelReason::Excluded(planner_core::Exclusion::Template)),
            Transition::Cancel(CancelReason::Operator(text())),
            Transition::Cancel(CancelReason::NotNeeded),
            Transition::Adopt { token, instance: InstanceKey(5) },
        ];
        let host = Host { boot: "b".to_owned(), pid: 7, started: 8 };
        let capabilities = ["a", "b"].into_iter().collect();
        let (instance, agent, project) = (InstanceKey(3), AgentKey(2), ProjectKey(1));
        let (expires_at, request) = (Timestamp::from_millis(300), RequestId([6; 16]));
        let mut events = vec![
            Event::InstanceStarted { id: [1; 16], host, expires_at },
            Event::InstanceRenewed { instance, expires_at },
            Event::InstanceEnded { instance },
            Event::ProjectAdded { name: "p".to_owned(), plan: b"{}".to_vec(), settings: settings() },
            Event::AgentRegistered {
                name: "n".to_owned(),
                capabilities,
                slots: 2,
                lease: None,
                labels: Vec::new(),
                instance,
            },
            Event::LateResult { task, token, agent, deliverable },
            Event::ProjectSettingsChanged {
                project,
                settings: ProjectSettings { branch: None, checks: false },
            },
            Event::ProjectEntered { project, instance },
            Event::Answered { request, task: Some(task), accepted: Accepted::Done },
            Event::Answered { request, task: None, accepted: Accepted::Project(project) },
            Event::TokensRaised { to: FencingToken::new(300) },
        ];
        events.extend(steps.into_iter().map(moved));
        // What came later comes last, so that the golden bytes only grow.
        events.extend([
            moved(Transition::Reopen),
            moved(Transition::CompleteByHand(text())),
            moved(Transition::Checkpoint { token, text: text() }),
            Event::TasksSet { project, tasks: b"[]".to_vec() },
            Event::ProjectPaused { project, is_paused: true },
            Event::AgentPaused { agent, is_paused: false },
        ]);
        let rules = ProjectRules {
            overlapping_writes: OverlappingWrites::Allowed,
            failures_in_row_max: NonZeroU32::new(3),
            failures_max: NonZeroU32::new(300),
        };
        let review = || Review { by: text(), comment: "c".to_owned() };
        events.extend([
            moved(Transition::Propose { token, check: CheckRecord::NotNamed }),
            moved(Transition::ApproveStart(review())),
            moved(Transition::ApproveLanding { token, review: review() }),
            moved(fail(FailureReason::Rejected(review()), retry)),
            moved(Transition::Cancel(CancelReason::Rejected(review()))),
            Event::RulesSet { project, rules: ProjectRules::default() },
            Event::RulesSet { project, rules },
            Event::FailuresReached { project },
            moved(Transition::Lose { token, why: Lost::Paused }),
        ]);
        events.extend([
            moved(fail(FailureReason::Silent { times: 300 }, AfterFailure::GiveUp)),
            Event::AgentRegistered {
                name: "n".to_owned(),
                capabilities: ["a"].into_iter().collect(),
                slots: 2,
                lease: Some(Duration::from_millis(1500)),
                labels: Vec::new(),
                instance,
            },
            Event::AgentRegistered {
                name: "n".to_owned(),
                capabilities: ["a"].into_iter().collect(),
                slots: 2,
                lease: None,
                labels: vec!["big".to_owned()],
                instance,
            },
        ]);
        events
    }

    /// The bytes of version 1. A change here is a change of the stored format: lines may only be added.
    #[test]
    fn golden_bytes_of_version_1() {
        let golden = include_str!("event-1.golden");
        let bytes: Vec<_> = everything().iter().map(|event| hex(&event.to_entry().body)).collect();
        assert_eq!(bytes.join("\n"), golden.trim_end());
        for event in everything() {
            assert_eq!(Event::from_entry(&event.to_entry()).unwrap(), event);
        }
    }

    #[test]
    fn an_entry_of_the_future_is_refused_by_name() {
        let mut entry = moved(Transition::Hold).to_entry();
        entry.version = 2;
        assert_eq!(
            Event::from_entry(&entry).unwrap_err().to_string(),
            "an entry of kind 1, version 2; this program reads kind 1, version 1"
        );
    }

    #[test]
    fn no_truncation_of_an_event_decodes() {
        for event in everything() {
            let entry = event.to_entry();
            for length in 0..entry.body.len() {
                let cut = Entry { body: entry.body[..length].to_vec(), ..entry.clone() };
                assert!(Event::from_entry(&cut).is_err(), "{event:?} {length}");
            }
        }
    }
}
