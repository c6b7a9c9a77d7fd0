//! A project: a named plan and how far it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Timestamp;
use crate::task::{ConflictRecord, FencingToken, InstanceKey, TaskState};
use planner_core::Plan;
use planner_core::graph::{TaskGraph, TaskIndex};

/// A project of the workspace.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name, unique in the workspace.
    pub name: String,
    /// What was asked.
    pub plan: Arc<Plan>,
    /// The plan's dependencies.
    pub graph: Arc<TaskGraph>,
    /// How its results are treated.
    pub settings: ProjectSettings,
    /// The coordinators that work on it.
    pub coordinators: BTreeSet<InstanceKey>,
    /// How far each task is, by its place in the plan. A group's own state is never moved: it follows from its children.
    pub tasks: Vec<TaskRecord>,
}

/// How the results of a project are treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSettings {
    /// The branch that results land on; `None` where nothing lands.
    pub branch: Option<String>,
    /// Whether the plan's checks are run; they are only when the operator trusts them.
    pub checks: bool,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// Where it stands.
    pub state: TaskState,
    /// How many attempts there have been.
    pub attempts: u32,
    /// How many of them failed.
    pub failures: u32,
    /// The token of the latest lease.
    pub last_token: FencingToken,
    /// When the latest lease was given; the start of 1970 where none was.
    pub assigned_at: Timestamp,
    /// What the last attempt has to tell the next one.
    pub handover: Option<Box<Handover>>,
}

/// What an attempt that was not accepted has to tell the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// It failed so.
    Failure(String),
    /// Its result did not go together with the branch.
    Conflict(ConflictRecord),
}

impl Project {
    /// Returns how far a task is.
    pub fn task(&self, task: TaskIndex) -> &TaskRecord {
        &self.tasks[task.0 as usize]
    }
}
