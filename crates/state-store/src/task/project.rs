//! A project: a named plan and how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::Timestamp;
use crate::task::{
    ConflictRecord, FailureCounts, FencingToken, InstanceKey, Pause, ProjectRules, Review, TaskState,
};
use planner_core::graph::{CycleEdge, Defect, Origin, TaskGraph, TaskIndex};
use planner_core::{Exclusion, Plan, Standing, Task};

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
    /// What it allows.
    pub rules: ProjectRules,
    /// How many of its attempts have failed.
    pub failures: FailureCounts,
    /// Why none of its tasks is handed out until somebody says otherwise; `None` where they are.
    pub pause: Option<Pause>,
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
    /// How many of them ended in silence, by a lease that ran out.
    pub losses: u32,
    /// The token of the latest lease.
    pub last_token: FencingToken,
    /// When the latest lease was given; the start of 1970 where none was.
    pub assigned_at: Timestamp,
    /// What the last attempt has to tell the next one.
    pub handover: Option<Box<Handover>>,
    /// How far the last attempt that left word had come.
    pub checkpoint: Option<Box<str>>,
    /// Who has agreed that it begins.
    pub start_approval: Option<Box<Review>>,
}

/// What an attempt that was not accepted has to tell the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// It failed so.
    Failure(String),
    /// Its result did not go together with the branch.
    Conflict(ConflictRecord),
}

/// A plan with other tasks, and its graph.
#[derive(Debug)]
pub struct ChangedPlan {
    /// The plan.
    pub plan: Plan,
    /// Its graph.
    pub graph: TaskGraph,
}

impl Project {
    /// Returns the plan with these tasks added, or in the places of those of the same id; or why that is no plan.
    ///
    /// Groups whose tasks have had attempts of their own, and tasks that become groups while they are worked on, are
    /// refused.
    pub fn with_tasks(&self, tasks: Vec<Task>) -> Result<ChangedPlan, String> {
        let mut plan = Plan::clone(&self.plan);
        let mut changed = BTreeSet::new();
        for task in tasks {
            match self.graph.task_index(task.id.as_str()) {
                Some(place) => {
                    changed.insert(place);
                    plan.tasks[place.index()] = task;
                }
                None => {
                    changed.insert(TaskIndex(plan.tasks.len() as u32));
                    plan.tasks.push(task);
                }
            }
        }
        let graph = TaskGraph::new(&plan).map_err(|defects| {
            let first = defects.first().map(|defect| told(defect, &plan, &changed)).unwrap_or_default();
            match defects.len() {
                1 => first,
                count => format!("{first} (and {} more defects)", count - 1),
            }
        })?;
        let with_attempts = (0..).map(TaskIndex).zip(&self.tasks).filter(|(_, record)| record.attempts > 0);
        for (place, _) in with_attempts {
            if graph.is_group(place) {
                return Err(format!(
                    "`{}` was worked on, and cannot become a group",
                    plan.tasks[place.index()].id
                ));
            }
        }
        Ok(ChangedPlan { plan, graph })
    }

    /// Returns whether a plan is what this project is about: the same tasks in any order, but for those that were removed.
    pub fn is_of(&self, plan: &Plan) -> bool {
        fn present(plan: &Plan) -> BTreeMap<&str, &Task> {
            let is_removed = |task: &&Task| matches!(task.standing, Standing::Excluded(Exclusion::Tombstone));
            plan.tasks.iter().filter(|task| !is_removed(task)).map(|task| (task.id.as_str(), task)).collect()
        }
        // What is recorded has been through JSON once.
        let given = Plan::from_json(plan.to_json().as_bytes());
        given.is_ok_and(|given| {
            let is_same_outside = given.name == self.plan.name
                && given.description == self.plan.description
                && given.agents == self.plan.agents
                && given.extra == self.plan.extra;
            is_same_outside && present(&given) == present(&self.plan)
        })
    }

    /// Returns how far a task is.
    pub fn task(&self, task: TaskIndex) -> &TaskRecord {
        &self.tasks[task.0 as usize]
    }
}

/// Returns a defect in words; of tasks that wait for each other also which dependency to leave out, one that the change has
/// brought where there is one.
fn told(defect: &Defect, plan: &Plan, changed: &BTreeSet<TaskIndex>) -> String {
    let Defect::Cycle(cycle) = defect else { return defect.to_string() };
    let named = |edge: &CycleEdge| match edge.origin {
        Origin::Dependency { task, position } => Some((task, position)),
        Origin::Parent { .. } => None,
    };
    let mut around = cycle.path.iter().filter_map(named);
    let brought = around.find(|(task, _)| changed.contains(task));
    match brought.or_else(|| cycle.cuts.iter().find_map(named)) {
        Some((task, position)) => {
            let task = &plan.tasks[task.index()];
            format!(
                "{cycle}; leave out the dependency of `{}` on `{}`",
                task.id, task.dependencies[position].on
            )
        }
        None => cycle.to_string(),
    }
}
