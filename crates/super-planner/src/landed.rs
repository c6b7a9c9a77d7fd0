//! What tasks have become on their branch, as the commits there tell it, and whether the state says the same.

use std::collections::HashMap;
use std::fmt;

use git_ops::{CommitId, LoggedCommit};
use serde::Serialize;
use state_store::task::{AgentRecord, Completion, Landed, Project, TaskState};

/// A commit that a task has become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LandedCommit {
    /// The commit.
    pub commit: CommitId,
    /// When its result was handed in, in seconds since 1970.
    pub time: i64,
    /// The project that it says it is of.
    pub project: String,
    /// The task that it says it is of.
    pub task: String,
    /// The agent that it names.
    pub agent: String,
    /// The attempt that it names.
    pub attempt: String,
    /// The first line of its message.
    pub subject: String,
}

/// Something in which state and branch do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Disagreement {
    /// The state says that a task has landed, and its commit is not on the branch.
    NotOnBranch {
        /// The task.
        task: String,
        /// The commit.
        commit: CommitId,
    },
    /// A commit of the branch says that it is of a task whose state does not know it.
    NotInState {
        /// The task.
        task: String,
        /// The commit.
        commit: CommitId,
    },
    /// A commit does not say of itself what the state says of it.
    Trailer {
        /// The commit.
        commit: CommitId,
        /// What it is about.
        key: &'static str,
        /// What the state says.
        expected: String,
        /// What the commit says, if anything.
        found: Option<String>,
    },
}

impl LandedCommit {
    /// Returns what a commit says, `None` if it is not of a task of that project.
    pub fn of(project: &Project, commit: &LoggedCommit) -> Option<Self> {
        if !commit.has_trailer("Project", &project.name) {
            return None;
        }
        let said = |key| commit.trailer(key).unwrap_or_default().to_owned();
        Some(Self {
            commit: commit.id,
            time: commit.time,
            project: said("Project"),
            task: commit.trailer("Task")?.to_owned(),
            agent: said("Agent"),
            attempt: said("Attempt"),
            subject: commit.subject.clone(),
        })
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnBranch { task, commit } => {
                write!(f, "{task} has landed as {commit}, which is not on the branch")
            }
            Self::NotInState { task, commit } => {
                write!(f, "{commit} says that it is {task}, which the state does not know")
            }
            Self::Trailer { commit, key, expected, found } => {
                let found = found.as_deref().unwrap_or("nothing");
                write!(f, "{commit} should say `{key}: {expected}`, and says {found}")
            }
        }
    }
}

/// Returns everything in which the state of a project and the history of its branch disagree.
pub fn verify(project: &Project, agents: &[AgentRecord], history: &[LoggedCommit]) -> Vec<Disagreement> {
    let on_branch: HashMap<CommitId, &LoggedCommit> =
        history.iter().map(|commit| (commit.id, commit)).collect();
    let mut found = Vec::new();
    let mut known = Vec::new();
    for index in project.graph.tasks() {
        let id = project.plan.tasks[index.0 as usize].id.as_str();
        match &project.task(index).state {
            TaskState::Completed(Completion::Attempt {
                lease,
                landed: Landed::Commit { commit, .. },
                ..
            }) => {
                let commit = CommitId::from_bytes(commit.0);
                known.push(commit);
                let Some(logged) = on_branch.get(&commit) else {
                    found.push(Disagreement::NotOnBranch { task: id.to_owned(), commit });
                    continue;
                };
                let agent = agents.get(lease.agent.index()).map(|agent| agent.name.clone());
                let check = project.plan.tasks[index.0 as usize].check.as_ref();
                let check = check.filter(|_| project.settings.checks).map(|check| check.command.join(" "));
                let expected = [
                    ("Task", id.to_owned()),
                    ("Project", project.name.clone()),
                    ("Agent", agent.unwrap_or_default()),
                    ("Attempt", lease.attempt.to_string()),
                ];
                let expected = expected.into_iter().chain(check.map(|check| ("Check", check)));
                found.extend(expected.filter_map(|(key, value)| differing(logged, key, value)));
            }
            // It may have landed without anybody having been able to say so yet.
            TaskState::Landing { intents, .. } => {
                known.extend(intents.iter().map(|intent| CommitId::from_bytes(intent.commit.0)));
            }
            TaskState::Pending
            | TaskState::Assigned(_)
            | TaskState::Running(_)
            | TaskState::Verifying { .. }
            | TaskState::AwaitingApproval { .. }
            | TaskState::Completed(_)
            | TaskState::Backoff { .. }
            | TaskState::InConflict(_)
            | TaskState::OnHold
            | TaskState::Failed { .. }
            | TaskState::Cancelled(_) => {}
        }
    }
    let unknown = history.iter().filter(|commit| !known.contains(&commit.id));
    found.extend(unknown.filter_map(|commit| {
        let LandedCommit { task, commit, .. } = LandedCommit::of(project, commit)?;
        Some(Disagreement::NotInState { task, commit })
    }));
    found
}

fn differing(commit: &LoggedCommit, key: &'static str, expected: String) -> Option<Disagreement> {
    if commit.has_trailer(key, &expected) {
        return None;
    }
    let found = commit.trailer(key).map(str::to_owned);
    Some(Disagreement::Trailer { commit: commit.id, key, expected, found })
}
