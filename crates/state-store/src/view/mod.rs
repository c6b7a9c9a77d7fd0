//! A look at the tasks for any number of readers, beside the one writer and without its lock.
//!
//! Single tasks come from a map, each with the place that it is true for. Who needs several that belong together takes a
//! [`WorkspaceGlance`]: all tasks as of one committed place, replaced as a whole with each batch, or with several together.

mod versioned_list;

use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;

use self::versioned_list::VersionedList;
use crate::Seq;
use crate::task::{ProjectKey, State, StateName, TaskKey, TaskRecord};

/// Where the tasks of a workspace stand. Shared by an `Arc`; readers never wait for a batch to be decided or flushed, and
/// one that is slow holds up nobody.
#[derive(Debug, Default)]
pub struct TaskView {
    tasks: DashMap<TaskKey, TaskGlance>,
    all: ArcSwap<WorkspaceGlance>,
}

/// Where a task stood at a place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskGlance {
    /// The place that this is true for.
    pub seq: Seq,
    /// Where it stood.
    pub state: StateName,
    /// How many attempts there had been.
    pub attempts: u32,
}

/// Where all tasks of a workspace stood at one place in the log, which is the end of a segment.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceGlance {
    seq: Seq,
    projects: Vec<VersionedList<TaskGlance>>,
}

impl TaskView {
    /// Returns where a task stands, as of the last batch that is durable.
    pub fn get(&self, task: TaskKey) -> Option<TaskGlance> {
        self.tasks.get(&task).map(|glance| *glance)
    }

    /// Returns where all tasks stand, as of the last batch that is durable. Costs the same however many there are.
    pub fn all(&self) -> Arc<WorkspaceGlance> {
        self.all.load_full()
    }

    /// Shows a state that is durable: the tasks that are new, and of the others those that have moved since the last one.
    /// An older state than the one that is shown is ignored. There is one writer.
    ///
    /// Costs time by the tasks that have moved, not by those that there are.
    pub fn show(&self, state: &State, moved: impl IntoIterator<Item = TaskKey>) {
        let mut all = WorkspaceGlance::clone(&self.all.load());
        if state.seq() < all.seq {
            return;
        }
        all.seq = state.seq();
        let known = all.projects.len();
        for (key, project) in (0..).map(ProjectKey).zip(state.projects()).skip(known) {
            all.projects.push(project.tasks.iter().map(|record| glance(state.seq(), record)).collect());
            for (task, record) in (0..).zip(&project.tasks) {
                self.tasks.insert(TaskKey { project: key, task }, glance(state.seq(), record));
            }
        }
        // What has come into the plan of a project since.
        for (key, project) in (0..).map(ProjectKey).zip(state.projects()).take(known) {
            let shown = &all.projects[key.index()];
            let new: Vec<_> =
                project.tasks.iter().skip(shown.len()).map(|record| glance(state.seq(), record)).collect();
            if new.is_empty() {
                continue;
            }
            for (task, glance) in (shown.len() as u32..).zip(&new) {
                self.tasks.insert(TaskKey { project: key, task }, *glance);
            }
            all.projects[key.index()] = shown.iter().copied().chain(new).collect();
        }
        for task in moved {
            if let (Some(record), true) = (state.task(task), task.project.index() < known) {
                let glance = glance(state.seq(), record);
                all.projects[task.project.index()].set(task.task as usize, glance);
                self.tasks.insert(task, glance);
            }
        }
        self.all.store(Arc::new(all));
    }
}

impl WorkspaceGlance {
    /// Returns the place in the log that this is true for.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Returns where a task stands.
    pub fn get(&self, task: TaskKey) -> Option<TaskGlance> {
        self.projects.get(task.project.index())?.get(task.task as usize).copied()
    }

    /// Returns where the tasks of a project stand, by their places in its plan; nothing where there is no such project.
    pub fn tasks(&self, project: ProjectKey) -> impl Iterator<Item = TaskGlance> {
        self.projects.get(project.index()).into_iter().flat_map(|tasks| tasks.iter().copied())
    }
}

fn glance(seq: Seq, record: &TaskRecord) -> TaskGlance {
    TaskGlance { seq, state: record.state.name(), attempts: record.attempts }
}

#[cfg(test)]
mod tests;
