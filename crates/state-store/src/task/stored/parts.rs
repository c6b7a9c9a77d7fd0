//! What events and snapshots have in common, in version 1.

use std::num::NonZeroU32;

use planner_core::{Capability, CapabilitySet, Exclusion};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::task::{
    Accepted, AfterFailure, AgentKey, CancelReason, CheckRecord, CommitHash, ConflictRecord, Deliverable,
    FailureCounts, FailureReason, FencingToken, Host, InstanceKey, Intent, Landed, Lease, Lost,
    OverlappingWrites, ProjectKey, ProjectRules, ProjectSettings, Review, TaskKey,
};

/// Maps an enum without data, or one of the same shape, both ways.
macro_rules! both_ways {
    ($stored:ident <=> $live:ident { $($variant:ident),+ $(,)? }) => {
        impl From<$live> for $stored {
            fn from(live: $live) -> Self {
                match live { $($live::$variant => Self::$variant),+ }
            }
        }

        impl From<$stored> for $live {
            fn from(stored: $stored) -> Self {
                match stored { $($stored::$variant => Self::$variant),+ }
            }
        }
    };
}
pub(super) use both_ways;

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct StoredTaskKey {
    project: u32,
    task: u32,
}

impl From<TaskKey> for StoredTaskKey {
    fn from(key: TaskKey) -> Self {
        Self { project: key.project.0, task: key.task }
    }
}

impl From<StoredTaskKey> for TaskKey {
    fn from(stored: StoredTaskKey) -> Self {
        Self { project: ProjectKey(stored.project), task: stored.task }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct StoredLease {
    agent: u32,
    instance: u32,
    token: u64,
    attempt: u32,
    expires_at: u64,
}

impl From<Lease> for StoredLease {
    fn from(lease: Lease) -> Self {
        let Lease { agent, instance, token, attempt, expires_at } = lease;
        Self {
            agent: agent.0,
            instance: instance.0,
            token: token.get(),
            attempt,
            expires_at: expires_at.as_millis(),
        }
    }
}

impl From<StoredLease> for Lease {
    fn from(stored: StoredLease) -> Self {
        let StoredLease { agent, instance, token, attempt, expires_at } = stored;
        Self {
            agent: AgentKey(agent),
            instance: InstanceKey(instance),
            token: FencingToken::new(token),
            attempt,
            expires_at: Timestamp::from_millis(expires_at),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredHost {
    boot: String,
    pid: u32,
    started: u64,
}

impl From<&Host> for StoredHost {
    fn from(host: &Host) -> Self {
        Self { boot: host.boot.clone(), pid: host.pid, started: host.started }
    }
}

impl From<StoredHost> for Host {
    fn from(stored: StoredHost) -> Self {
        Self { boot: stored.boot, pid: stored.pid, started: stored.started }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredSettings {
    branch: Option<String>,
    checks: bool,
}

impl From<&ProjectSettings> for StoredSettings {
    fn from(settings: &ProjectSettings) -> Self {
        Self { branch: settings.branch.clone(), checks: settings.checks }
    }
}

impl From<StoredSettings> for ProjectSettings {
    fn from(stored: StoredSettings) -> Self {
        Self { branch: stored.branch, checks: stored.checks }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct StoredRules {
    overlapping_writes: StoredOverlap,
    failures_in_row_max: Option<NonZeroU32>,
    failures_max: Option<NonZeroU32>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredOverlap {
    Wait,
    Allowed,
}

both_ways!(StoredOverlap <=> OverlappingWrites { Wait, Allowed });

impl From<ProjectRules> for StoredRules {
    fn from(rules: ProjectRules) -> Self {
        let ProjectRules { overlapping_writes, failures_in_row_max, failures_max } = rules;
        Self { overlapping_writes: overlapping_writes.into(), failures_in_row_max, failures_max }
    }
}

impl From<StoredRules> for ProjectRules {
    fn from(stored: StoredRules) -> Self {
        let StoredRules { overlapping_writes, failures_in_row_max, failures_max } = stored;
        Self { overlapping_writes: overlapping_writes.into(), failures_in_row_max, failures_max }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct StoredFailureCounts {
    in_row: u32,
    total: u32,
}

impl From<FailureCounts> for StoredFailureCounts {
    fn from(counts: FailureCounts) -> Self {
        Self { in_row: counts.in_row, total: counts.total }
    }
}

impl From<StoredFailureCounts> for FailureCounts {
    fn from(stored: StoredFailureCounts) -> Self {
        Self { in_row: stored.in_row, total: stored.total }
    }
}

/// The names of the capabilities, sorted.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredCapabilities(Vec<String>);

impl From<&CapabilitySet> for StoredCapabilities {
    fn from(set: &CapabilitySet) -> Self {
        Self(set.iter().map(|capability| capability.as_str().to_owned()).collect())
    }
}

impl From<StoredCapabilities> for CapabilitySet {
    fn from(stored: StoredCapabilities) -> Self {
        stored.0.iter().map(|name| Capability::new(name)).collect::<Vec<_>>().into()
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum StoredDeliverable {
    NoFiles,
    Unchanged,
    Commit { result: [u8; 20], base: [u8; 20] },
}

impl From<Deliverable> for StoredDeliverable {
    fn from(deliverable: Deliverable) -> Self {
        match deliverable {
            Deliverable::NoFiles => Self::NoFiles,
            Deliverable::Unchanged => Self::Unchanged,
            Deliverable::Commit { result, base } => Self::Commit { result: result.0, base: base.0 },
        }
    }
}

impl From<StoredDeliverable> for Deliverable {
    fn from(stored: StoredDeliverable) -> Self {
        match stored {
            StoredDeliverable::NoFiles => Self::NoFiles,
            StoredDeliverable::Unchanged => Self::Unchanged,
            StoredDeliverable::Commit { result, base } => {
                Self::Commit { result: CommitHash(result), base: CommitHash(base) }
            }
        }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum StoredCheck {
    NotNamed,
    Passed { took_ms: u64 },
}

impl From<CheckRecord> for StoredCheck {
    fn from(check: CheckRecord) -> Self {
        match check {
            CheckRecord::NotNamed => Self::NotNamed,
            CheckRecord::Passed { took_ms } => Self::Passed { took_ms },
        }
    }
}

impl From<StoredCheck> for CheckRecord {
    fn from(stored: StoredCheck) -> Self {
        match stored {
            StoredCheck::NotNamed => Self::NotNamed,
            StoredCheck::Passed { took_ms } => Self::Passed { took_ms },
        }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct StoredIntent {
    commit: [u8; 20],
    merged: bool,
}

impl From<Intent> for StoredIntent {
    fn from(intent: Intent) -> Self {
        Self { commit: intent.commit.0, merged: intent.merged }
    }
}

impl From<StoredIntent> for Intent {
    fn from(stored: StoredIntent) -> Self {
        Self { commit: CommitHash(stored.commit), merged: stored.merged }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum StoredLanded {
    Commit { commit: [u8; 20], merged: bool },
    Empty,
    NotAsked,
}

impl From<Landed> for StoredLanded {
    fn from(landed: Landed) -> Self {
        match landed {
            Landed::Commit { commit, merged } => Self::Commit { commit: commit.0, merged },
            Landed::Empty => Self::Empty,
            Landed::NotAsked => Self::NotAsked,
        }
    }
}

impl From<StoredLanded> for Landed {
    fn from(stored: StoredLanded) -> Self {
        match stored {
            StoredLanded::Commit { commit, merged } => Self::Commit { commit: CommitHash(commit), merged },
            StoredLanded::Empty => Self::Empty,
            StoredLanded::NotAsked => Self::NotAsked,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredConflict {
    theirs: [u8; 20],
    base: [u8; 20],
    ours: [u8; 20],
    paths: Vec<String>,
}

impl From<&ConflictRecord> for StoredConflict {
    fn from(conflict: &ConflictRecord) -> Self {
        let ConflictRecord { theirs, base, ours, paths } = conflict;
        Self { theirs: theirs.0, base: base.0, ours: ours.0, paths: paths.clone() }
    }
}

impl From<StoredConflict> for ConflictRecord {
    fn from(stored: StoredConflict) -> Self {
        let StoredConflict { theirs, base, ours, paths } = stored;
        Self { theirs: CommitHash(theirs), base: CommitHash(base), ours: CommitHash(ours), paths }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredReview {
    by: String,
    comment: String,
}

impl From<&Review> for StoredReview {
    fn from(review: &Review) -> Self {
        Self { by: review.by.clone(), comment: review.comment.clone() }
    }
}

impl From<StoredReview> for Review {
    fn from(stored: StoredReview) -> Self {
        Self { by: stored.by, comment: stored.comment }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) enum StoredFailure {
    Agent(String),
    Check(String),
    Timeout,
    Unusable(String),
    Rejected(StoredReview),
    Silent { times: u32 },
}

impl From<&FailureReason> for StoredFailure {
    fn from(reason: &FailureReason) -> Self {
        match reason {
            FailureReason::Agent(text) => Self::Agent(text.clone()),
            FailureReason::Check(output) => Self::Check(output.clone()),
            FailureReason::Timeout => Self::Timeout,
            FailureReason::Unusable(text) => Self::Unusable(text.clone()),
            FailureReason::Rejected(review) => Self::Rejected(review.into()),
            FailureReason::Silent { times } => Self::Silent { times: *times },
        }
    }
}

impl From<StoredFailure> for FailureReason {
    fn from(stored: StoredFailure) -> Self {
        match stored {
            StoredFailure::Agent(text) => Self::Agent(text),
            StoredFailure::Check(output) => Self::Check(output),
            StoredFailure::Timeout => Self::Timeout,
            StoredFailure::Unusable(text) => Self::Unusable(text),
            StoredFailure::Rejected(review) => Self::Rejected(review.into()),
            StoredFailure::Silent { times } => Self::Silent { times },
        }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum StoredAfterFailure {
    Retry(u64),
    GiveUp,
}

impl From<AfterFailure> for StoredAfterFailure {
    fn from(then: AfterFailure) -> Self {
        match then {
            AfterFailure::Retry(until) => Self::Retry(until.as_millis()),
            AfterFailure::GiveUp => Self::GiveUp,
        }
    }
}

impl From<StoredAfterFailure> for AfterFailure {
    fn from(stored: StoredAfterFailure) -> Self {
        match stored {
            StoredAfterFailure::Retry(until) => Self::Retry(Timestamp::from_millis(until)),
            StoredAfterFailure::GiveUp => Self::GiveUp,
        }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum StoredLost {
    LeaseExpired,
    CoordinatorGone,
    ShutDown,
    Unable,
    Paused,
}

both_ways!(StoredLost <=> Lost { LeaseExpired, CoordinatorGone, ShutDown, Unable, Paused });

#[derive(Serialize, Deserialize)]
pub(super) enum StoredCancel {
    Excluded(StoredExclusion),
    Operator(String),
    NotNeeded,
    Rejected(StoredReview),
}

impl From<&CancelReason> for StoredCancel {
    fn from(reason: &CancelReason) -> Self {
        match reason {
            CancelReason::Excluded(exclusion) => Self::Excluded((*exclusion).into()),
            CancelReason::Operator(text) => Self::Operator(text.clone()),
            CancelReason::NotNeeded => Self::NotNeeded,
            CancelReason::Rejected(review) => Self::Rejected(review.into()),
        }
    }
}

impl From<StoredCancel> for CancelReason {
    fn from(stored: StoredCancel) -> Self {
        match stored {
            StoredCancel::Excluded(exclusion) => Self::Excluded(exclusion.into()),
            StoredCancel::Operator(text) => Self::Operator(text),
            StoredCancel::NotNeeded => Self::NotNeeded,
            StoredCancel::Rejected(review) => Self::Rejected(review.into()),
        }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum StoredExclusion {
    Tombstone,
    Cancelled,
    Message,
    Event,
    Agent,
    Gate,
    Template,
}

both_ways!(StoredExclusion <=> Exclusion { Tombstone, Cancelled, Message, Event, Agent, Gate, Template });

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum StoredAccepted {
    Done,
    Project(u32),
}

impl From<Accepted> for StoredAccepted {
    fn from(accepted: Accepted) -> Self {
        match accepted {
            Accepted::Done => Self::Done,
            Accepted::Project(project) => Self::Project(project.0),
        }
    }
}

impl From<StoredAccepted> for Accepted {
    fn from(stored: StoredAccepted) -> Self {
        match stored {
            StoredAccepted::Done => Self::Done,
            StoredAccepted::Project(project) => Self::Project(ProjectKey(project)),
        }
    }
}
