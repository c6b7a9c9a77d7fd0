//! Plans like those of large platforms: services of nested groups, with dependencies within and between them.

use crate::random::Random;
use crate::{Dependency, Task, TaskId};

const TASKS_PER_SERVICE: usize = 50;
const CROSS_SERVICE_PERCENT: usize = 20;

/// How deep and how dense the services are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceShape {
    pub(super) depth_max: usize,
    pub(super) dependent_percent: usize,
    pub(super) detail: Detail,
}

/// How much is said about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Plain,
    Rich,
}

impl ServiceShape {
    pub(super) const COMPLEX: Self = Self { depth_max: 5, dependent_percent: 30, detail: Detail::Plain };
    pub(super) const EXTREME: Self = Self { depth_max: 8, dependent_percent: 40, detail: Detail::Rich };
}

/// The tasks in the order of a walk through the tree of each service. A task depends only on what ends before it in that
/// order, so there is no cycle, through groups or otherwise. What came before is not held: its ids follow from its numbers.
#[derive(Debug, Clone)]
pub(super) struct Services {
    shape: ServiceShape,
    tasks: usize,
    random: Random,
    made: usize,
    /// The groups that the last task is in, and that task.
    open: Vec<usize>,
}

impl Services {
    pub(super) fn new(shape: ServiceShape, tasks: usize, seed: u64) -> Self {
        Self { shape, tasks, random: Random::new(seed), made: 0, open: Vec::with_capacity(shape.depth_max) }
    }

    /// Returns a task that has ended when the next one begins: none of the open groups.
    fn earlier(&mut self) -> Option<TaskId> {
        const TRIES: usize = 8;
        let first = self.made - self.made % TASKS_PER_SERVICE;
        let is_cross = first > 0 && (self.random.percent(CROSS_SERVICE_PERCENT) || self.made == first);
        let (low, high) = if is_cross { (0, first) } else { (first, self.made) };
        if low == high {
            return None;
        }
        let Self { random, open, .. } = self;
        let mut candidates = (0..TRIES).map(|_| low + random.below(high - low));
        candidates.find(|candidate| !open.contains(candidate)).map(id)
    }
}

fn id(number: usize) -> TaskId {
    let (service, task) = (number / TASKS_PER_SERVICE, number % TASKS_PER_SERVICE);
    super::id(&format!("svc-{service:04}-task-{task:02}"))
}

impl Iterator for Services {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        if self.made == self.tasks {
            return None;
        }
        let mut task = super::work(&mut self.random, id(self.made));
        // The service itself stays open to its end; how much else does decides the depth of this task.
        match self.made % TASKS_PER_SERVICE {
            0 => self.open.clear(),
            _ => self.open.truncate(1 + self.random.below(self.open.len().min(self.shape.depth_max - 1))),
        }
        task.parent = self.open.last().copied().map(id);
        if self.random.percent(self.shape.dependent_percent) {
            for _ in 0..1 + self.random.below(3) {
                task.dependencies.extend(self.earlier().map(Dependency::on_completion));
            }
            super::sort_and_drop_repeats(&mut task);
        }
        if self.shape.detail == Detail::Rich {
            super::add_detail(&mut self.random, &mut task);
        }
        self.open.push(self.made);
        self.made += 1;
        Some(task)
    }
}
