//! Numbers by which the log refers to things: places in the order in which they were first recorded.

use std::fmt;

use planner_core::graph::TaskIndex;
macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// Returns the place in the list of its kind.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, " {}"), self.0)
            }
        }
    };
}

key!(
    /// A project of the workspace.
    ProjectKey,
    "project"
);
key!(
    /// An agent of the workspace.
    AgentKey,
    "agent"
);
key!(
    /// A coordinator that has worked on the workspace.
    InstanceKey,
    "coordinator"
);

/// A task of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// Its project.
    pub project: ProjectKey,
    /// Its place in the plan.
    pub task: u32,
}

impl TaskKey {
    /// Returns the key of a task.
    pub const fn new(project: ProjectKey, task: TaskIndex) -> Self {
        Self { project, task: task.0 }
    }

    /// Returns its place in the plan.
    pub const fn task(self) -> TaskIndex {
        TaskIndex(self.task)
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} of {}", self.task, self.project)
    }
}
