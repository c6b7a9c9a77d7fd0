//! What snapshots hold since version 3: where somebody has to agree, who has, which paths tasks write, and what projects
//! allow.

use std::sync::Arc;

use planner_core::{Approval, PathPattern, Plan};
use serde::{Deserialize, Serialize};

use super::parts::{StoredFailureCounts, StoredReview, StoredRules, StoredTaskKey, both_ways};
use crate::task::{FailureCounts, Pause, Project, ProjectKey, ProjectRules, State, TaskKey, TaskRecord};

#[derive(Serialize, Deserialize, Default)]
pub(super) struct StoredGuards {
    approvals: Vec<(StoredTaskKey, StoredApproval)>,
    writes: Vec<(StoredTaskKey, Vec<String>)>,
    start_approvals: Vec<(StoredTaskKey, StoredReview)>,
    /// By project, where they are not those of a new one.
    rules: Vec<(u32, StoredRules)>,
    /// By project, where there are any.
    failures: Vec<(u32, StoredFailureCounts)>,
    /// The projects that were paused because of failures, with those.
    stopped: Vec<(u32, StoredFailureCounts)>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredApproval {
    None,
    Start,
    Landing,
    Both,
}

both_ways!(StoredApproval <=> Approval { None, Start, Landing, Both });

impl From<&State> for StoredGuards {
    fn from(state: &State) -> Self {
        let projects = || (0..).map(ProjectKey).zip(state.projects());
        let asked = || {
            projects().flat_map(|(project, found)| {
                (0..).map(move |task| TaskKey { project, task }).zip(&found.plan.tasks)
            })
        };
        let records = projects()
            .flat_map(|(project, found)| (0..).map(move |task| TaskKey { project, task }).zip(&found.tasks));
        let texts = |patterns: &planner_core::WriteSet| -> Vec<String> {
            patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
        };
        let gated = asked().filter(|(_, task)| !task.approval.is_none());
        let writing = asked().filter(|(_, task)| !task.writes.is_empty());
        Self {
            approvals: gated.map(|(key, task)| (key.into(), task.approval.into())).collect(),
            writes: writing.map(|(key, task)| (key.into(), texts(&task.writes))).collect(),
            start_approvals: records
                .filter_map(|(key, record)| Some((key.into(), record.start_approval.as_deref()?.into())))
                .collect(),
            rules: projects()
                .filter(|(_, project)| project.rules != ProjectRules::default())
                .map(|(key, project)| (key.0, project.rules.into()))
                .collect(),
            failures: projects()
                .filter(|(_, project)| project.failures != FailureCounts::default())
                .map(|(key, project)| (key.0, project.failures.into()))
                .collect(),
            stopped: projects()
                .filter_map(|(key, project)| match project.pause {
                    Some(Pause::Failures(counts)) => Some((key.0, counts.into())),
                    Some(Pause::Operator) | None => None,
                })
                .collect(),
        }
    }
}

impl StoredGuards {
    pub(super) fn add_to(self, state: &mut State) -> Result<(), String> {
        for (key, approval) in self.approvals {
            asked(state, key)?.approval = approval.into();
        }
        for (key, texts) in self.writes {
            let patterns: Result<Vec<_>, _> = texts.iter().map(|text| PathPattern::new(text)).collect();
            asked(state, key)?.writes = patterns.map_err(|invalid| invalid.to_string())?.into();
        }
        for (key, review) in self.start_approvals {
            record(state, key)?.start_approval = Some(Box::new(review.into()));
        }
        for (key, rules) in self.rules {
            project(state, key)?.rules = rules.into();
        }
        for (key, counts) in self.failures {
            project(state, key)?.failures = counts.into();
        }
        for (key, counts) in self.stopped {
            project(state, key)?.pause = Some(Pause::Failures(counts.into()));
        }
        Ok(())
    }
}

/// Returns a task as its plan asks for it, to be changed.
pub(super) fn asked(state: &mut State, key: StoredTaskKey) -> Result<&mut planner_core::Task, String> {
    let (key, project) = find(state, key)?;
    let plan: &mut Plan = Arc::make_mut(&mut project.plan);
    plan.tasks.get_mut(key.task as usize).ok_or_else(|| format!("there is no {key}"))
}

/// Returns how far a task is, to be changed.
pub(super) fn record(state: &mut State, key: StoredTaskKey) -> Result<&mut TaskRecord, String> {
    let (key, project) = find(state, key)?;
    project.tasks.get_mut(key.task as usize).ok_or_else(|| format!("there is no {key}"))
}

pub(super) fn project(state: &mut State, key: u32) -> Result<&mut Project, String> {
    state.project_mut(ProjectKey(key)).ok_or_else(|| format!("there is no project {key}"))
}

fn find(state: &mut State, key: StoredTaskKey) -> Result<(TaskKey, &mut Project), String> {
    let key = TaskKey::from(key);
    let project = state.project_mut(key.project).ok_or_else(|| format!("there is no {key}"))?;
    Ok((key, project))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use planner_core::{Task, TaskId};

    use super::*;
    use crate::Timestamp;
    use crate::task::{Event, ProjectSettings, Review, Transition};

    #[test]
    fn what_came_with_version_3_is_kept() {
        let mut state = State::default();
        let writes = vec![PathPattern::new("src/").unwrap(), PathPattern::new("*.md").unwrap()];
        let first =
            Task { approval: Approval::Both, writes: writes.into(), ..Task::new(TaskId::new("a").unwrap()) };
        let plan = serde_json::json!({ "name": "p", "tasks": [first, Task::new(TaskId::new("b").unwrap())] });
        let settings = ProjectSettings { branch: None, checks: false };
        let added = Event::ProjectAdded { name: "p".to_owned(), plan: plan.to_string().into(), settings };
        state.apply(&added, Timestamp::default()).unwrap();
        let task = TaskKey { project: ProjectKey(0), task: 0 };
        let review = Review { by: "ann".to_owned(), comment: "go".to_owned() };
        let approved = Event::Task { task, transition: Transition::ApproveStart(review) };
        state.apply(&approved, Timestamp::default()).unwrap();
        let rules = ProjectRules { failures_max: NonZeroU32::new(7), ..ProjectRules::default() };
        let ruled = Event::RulesSet { project: ProjectKey(0), rules };
        state.apply(&ruled, Timestamp::default()).unwrap();
        let failures = FailureCounts { in_row: 2, total: 7 };
        state.project_mut(ProjectKey(0)).unwrap().failures = failures;
        state.apply(&Event::FailuresReached { project: ProjectKey(0) }, Timestamp::default()).unwrap();
        let read = State::from_snapshot(&state.to_snapshot()).unwrap();
        assert_eq!(read.projects()[0].rules, rules);
        assert_eq!(read.projects()[0].failures, failures);
        assert_eq!(read.projects()[0].pause, Some(Pause::Failures(failures)));
        assert_eq!(read.projects()[0].plan, state.projects()[0].plan);
        assert_eq!(read.projects()[0].tasks, state.projects()[0].tasks);
        assert!(read.projects()[0].tasks[0].start_approval.is_some());
    }
}
