//! What keeps a plan from being a graph.

use std::fmt;

use super::{Node, TaskIndex};
use crate::TaskId;

/// A reason why a plan has no graph. Indices say where; the ids are there for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Two tasks have the same id.
    #[error("the id `{id}` is given twice")]
    DuplicateId {
        /// The id.
        id: TaskId,
        /// The first task of that id.
        first: TaskIndex,
        /// The other one.
        second: TaskIndex,
    },
    /// A dependency is on a task that the plan does not have.
    #[error("`{id}` depends on `{on}`, which is not in the plan")]
    UnknownDependency {
        /// The task that depends.
        task: TaskIndex,
        /// Its id.
        id: TaskId,
        /// The position in its dependencies.
        position: usize,
        /// What it depends on.
        on: TaskId,
    },
    /// A parent is not in the plan.
    #[error("the parent `{parent}` of `{id}` is not in the plan")]
    UnknownParent {
        /// The child.
        task: TaskIndex,
        /// Its id.
        id: TaskId,
        /// The parent that it names.
        parent: TaskId,
    },
    /// A task depends on itself.
    #[error("`{id}` depends on itself")]
    SelfDependency {
        /// The task.
        task: TaskIndex,
        /// Its id.
        id: TaskId,
        /// The position in its dependencies.
        position: usize,
    },
    /// Tasks are each other's parents; each task's parent is the next one's, the last one's the first.
    #[error("the parents of {} tasks form a circle, `{}` among them", tasks.len(), ids.first().map_or("", TaskId::as_str))]
    ParentCycle {
        /// The tasks, each followed by its parent.
        tasks: Vec<TaskIndex>,
        /// Their ids.
        ids: Vec<TaskId>,
    },
    /// Tasks wait for each other.
    #[error("{0}")]
    Cycle(Cycle),
}

impl Defect {
    /// Returns the id that is named and not in the plan.
    pub(crate) fn unknown_id(&self) -> Option<&TaskId> {
        match self {
            Self::UnknownDependency { on: unknown, .. } | Self::UnknownParent { parent: unknown, .. } => {
                Some(unknown)
            }
            Self::DuplicateId { .. }
            | Self::SelfDependency { .. }
            | Self::ParentCycle { .. }
            | Self::Cycle(_) => None,
        }
    }
}

/// Tasks that wait for each other: one shortest way around, and where to cut it and all others.
///
/// The way around is the shortest one of its component; where finding it would take long, the shortest of those that were
/// looked at. What to cut are the fewest dependencies without which nothing of the component waits for itself, up to six of them;
/// of equals, those whose removal, one after the other, leaves the fewest nodes in cycles, then those that wait for the least
/// important task, then those written last. Where that would take long they are chosen one by one by the same rule, and may be
/// more than needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// The edges in order; each begins where the one before ended, the first where the last ended.
    pub path: Vec<CycleEdge>,
    /// The dependencies to remove; not empty, and the first is one of `path`.
    pub cuts: Vec<CycleEdge>,
    /// Whether they are all that need to be: where there are a great many, only some are told.
    pub is_parted: bool,
    /// How many tasks and groups wait for each other, this way around or another.
    pub tasks_involved: usize,
    /// The ids along the path: `ids[i]` is the task that `path[i]` begins in.
    pub ids: Vec<TaskId>,
}

/// One step around a cycle: `to` waits for `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CycleEdge {
    /// What must come first.
    pub from: Node,
    /// What waits for it.
    pub to: Node,
    /// Where the plan says so.
    pub origin: Origin,
}

/// Where the plan says that something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the dependencies of a task.
    Dependency {
        /// The task that depends.
        task: TaskIndex,
        /// The position in its dependencies.
        position: usize,
    },
    /// In the parent that a task names: it begins after its group has, and its group ends after it has.
    Parent {
        /// The child.
        child: TaskIndex,
    },
}

/// `a -> b -> a`, each waiting for the one before.
impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const IDS_SHOWN: usize = 12;
        let mut ids: Vec<&TaskId> = self.ids.iter().collect();
        ids.dedup();
        if ids.len() > 1 && ids.first() == ids.last() {
            ids.pop();
        }
        f.write_str("these tasks wait for each other: ")?;
        for id in ids.iter().take(IDS_SHOWN) {
            write!(f, "`{id}` -> ")?;
        }
        if ids.len() > IDS_SHOWN {
            write!(f, "... {} more -> ", ids.len() - IDS_SHOWN)?;
        }
        match ids.first() {
            Some(first) => write!(f, "`{first}`"),
            None => Ok(()),
        }
    }
}
