//! What differs between two states of a workspace, by meaning: that a lease was prolonged is no difference.

use crate::Timestamp;
use crate::task::{
    AgentKey, AgentRecord, InstanceKey, InstanceRecord, InstanceStatus, LateResult, Project, ProjectKey,
    State, TaskKey, TaskRecord,
};

/// What differs between two states of one workspace, in the order of the keys.
#[derive(Debug, Clone, Default)]
pub struct Difference<'s> {
    /// Projects that are only in one of them, or whose plan or settings differ.
    pub projects: Vec<Change<'s, ProjectKey, Project>>,
    /// Tasks that have moved, have had attempts, or are only in one of them.
    pub tasks: Vec<Change<'s, TaskKey, TaskRecord>>,
    /// Agents that are only in one of them, or differ.
    pub agents: Vec<Change<'s, AgentKey, AgentRecord>>,
    /// Coordinators that are only in one of them, or have ended.
    pub instances: Vec<Change<'s, InstanceKey, InstanceRecord>>,
    /// Late results that are only in the second one.
    pub late_results: &'s [LateResult],
}

/// Something that differs: at least one of both is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'s, K, T> {
    /// What differs.
    pub key: K,
    /// As it is in the first state.
    pub before: Option<&'s T>,
    /// As it is in the second one.
    pub after: Option<&'s T>,
}

impl<'s> Difference<'s> {
    /// Returns what differs between two states of one workspace; the first may be the later one.
    pub fn between(before: &'s State, after: &'s State) -> Self {
        let projects = changes(before.projects(), after.projects(), ProjectKey, |one, other| {
            one.name == other.name
                && one.settings == other.settings
                && one.rules == other.rules
                && one.pause == other.pause
                && one.plan == other.plan
        });
        let project_count = before.projects().len().max(after.projects().len()) as u32;
        let tasks = (0..project_count).map(ProjectKey).flat_map(|project| {
            let of =
                |state: &'s State| state.project(project).map_or(&[][..], |project| project.tasks.as_slice());
            let key = move |task| TaskKey { project, task };
            changes(of(before), of(after), key, |one, other| {
                one == other || without_expiry(one) == without_expiry(other)
            })
        });
        let is_active = |record: &InstanceRecord| matches!(record.status, InstanceStatus::Active { .. });
        Self {
            projects,
            tasks: tasks.collect(),
            agents: changes(before.agents(), after.agents(), AgentKey, PartialEq::eq),
            instances: changes(before.instances(), after.instances(), InstanceKey, |one, other| {
                one.id == other.id && one.host == other.host && is_active(one) == is_active(other)
            }),
            late_results: after.late_results().get(before.late_results().len()..).unwrap_or_default(),
        }
    }

    /// Returns whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let Self { projects, tasks, agents, instances, late_results } = self;
        projects.is_empty()
            && tasks.is_empty()
            && agents.is_empty()
            && instances.is_empty()
            && late_results.is_empty()
    }
}

/// Compares two lists place by place; what only one of them has differs.
fn changes<'s, K, T>(
    before: &'s [T],
    after: &'s [T],
    key: impl Fn(u32) -> K,
    is_same: impl Fn(&T, &T) -> bool,
) -> Vec<Change<'s, K, T>> {
    let places = 0..before.len().max(after.len());
    let change = |place: usize| match (before.get(place), after.get(place)) {
        (Some(one), Some(other)) if is_same(one, other) => None,
        (before, after) => Some(Change { key: key(place as u32), before, after }),
    };
    places.filter_map(change).collect()
}

/// Returns the record as if its lease had not been prolonged.
fn without_expiry(record: &TaskRecord) -> TaskRecord {
    let mut record = record.clone();
    if let Some(lease) = record.state.lease_mut() {
        lease.expires_at = Timestamp::default();
    }
    record
}
