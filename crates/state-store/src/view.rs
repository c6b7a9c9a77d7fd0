//! A look at single tasks for any number of readers, beside the one writer and without its lock.

use dashmap::DashMap;

use crate::Seq;
use crate::task::{StateName, TaskKey};

/// Where the tasks of a workspace stand. Shared by an `Arc`; readers never wait for a batch to be decided or flushed.
#[derive(Debug, Default)]
pub struct TaskView {
    tasks: DashMap<TaskKey, TaskGlance>,
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

impl TaskView {
    /// Returns where a task stands, as of the last batch that is durable.
    pub fn get(&self, task: TaskKey) -> Option<TaskGlance> {
        self.tasks.get(&task).map(|glance| *glance)
    }

    /// Shows where a task stands now. An older look than the one that is shown is ignored.
    pub fn show(&self, task: TaskKey, glance: TaskGlance) {
        let mut shown = self.tasks.entry(task).or_insert(glance);
        if shown.seq <= glance.seq {
            *shown = glance;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::ProjectKey;

    #[test]
    fn a_later_look_replaces_an_earlier_one_and_not_the_other_way() {
        let view = TaskView::default();
        let [first, second] = [0, 1].map(|task| TaskKey { project: ProjectKey(0), task });
        let glance = |seq, state| TaskGlance { seq: Seq::new(seq), state, attempts: 1 };
        view.show(first, glance(2, StateName::Running));
        view.show(first, glance(1, StateName::Assigned));
        assert_eq!(view.get(first), Some(glance(2, StateName::Running)));
        view.show(first, glance(3, StateName::Verifying));
        assert_eq!(view.get(first).unwrap().state, StateName::Verifying);
        assert_eq!(view.get(second), None);
    }
}
