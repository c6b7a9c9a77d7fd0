//! Who belongs to whom: the forest of parents, with constant-time questions about ancestry.

use super::task_graph::TaskIndex;

/// A forest over the tasks of a plan; nothing at all where there are no groups, which is most plans.
#[derive(Debug, Default)]
pub(super) struct Hierarchy {
    parents: Vec<Option<TaskIndex>>,
    has_children: Vec<bool>,
    /// When a walk through the forest enters a task, and when it has left its last descendant.
    enter: Vec<u32>,
    leave: Vec<u32>,
}

impl Hierarchy {
    /// Returns the forest; `parents` has no cycle.
    pub(super) fn new(parents: Vec<Option<TaskIndex>>) -> Self {
        if parents.iter().all(Option::is_none) {
            return Self::default();
        }
        let count = parents.len();
        let mut first_child: Vec<Option<TaskIndex>> = vec![None; count];
        let mut next_sibling: Vec<Option<TaskIndex>> = vec![None; count];
        for index in (0..count).rev() {
            if let Some(parent) = parents[index] {
                let task = TaskIndex::from_usize(index);
                next_sibling[index] = first_child[parent.index()].replace(task);
            }
        }
        let (mut enter, mut leave) = (vec![0; count], vec![0; count]);
        let mut clock = 0;
        for root in (0..count).filter(|index| parents[*index].is_none()) {
            let mut at = TaskIndex::from_usize(root);
            'tree: loop {
                enter[at.index()] = clock;
                clock += 1;
                if let Some(child) = first_child[at.index()] {
                    at = child;
                    continue;
                }
                loop {
                    leave[at.index()] = clock;
                    if at.index() == root {
                        break 'tree;
                    }
                    if let Some(sibling) = next_sibling[at.index()] {
                        at = sibling;
                        break;
                    }
                    at = parents[at.index()].expect("only the root has no parent");
                }
            }
        }
        Self { has_children: first_child.iter().map(Option::is_some).collect(), parents, enter, leave }
    }

    pub(super) fn is_group(&self, task: TaskIndex) -> bool {
        self.has_children.get(task.index()).is_some_and(|has_children| *has_children)
    }

    pub(super) fn parents(&self) -> &[Option<TaskIndex>] {
        &self.parents
    }

    pub(super) fn into_parents(self) -> Vec<Option<TaskIndex>> {
        self.parents
    }

    /// Returns whether `ancestor` is above `task`; a task is not above itself.
    pub(super) fn is_ancestor(&self, ancestor: TaskIndex, task: TaskIndex) -> bool {
        if self.parents.is_empty() {
            return false;
        }
        let (ancestor, task) = (ancestor.index(), task.index());
        self.enter[ancestor] < self.enter[task] && self.leave[task] <= self.leave[ancestor]
    }
}

/// Returns each cycle of the parent relation, from its first task in the file on.
pub(super) fn parent_cycles(parents: &[Option<TaskIndex>]) -> Vec<Vec<TaskIndex>> {
    const UNSEEN: u32 = u32::MAX;
    let mut seen_in = vec![UNSEEN; parents.len()];
    let mut cycles = Vec::new();
    for start in 0..parents.len() {
        let round = start as u32;
        let mut at = Some(TaskIndex::from_usize(start));
        while let Some(task) = at.filter(|task| seen_in[task.index()] == UNSEEN) {
            seen_in[task.index()] = round;
            at = parents[task.index()];
        }
        if let Some(first) = at.filter(|task| seen_in[task.index()] == round) {
            let mut cycle = vec![first];
            let mut next = parents[first.index()];
            while let Some(task) = next.filter(|task| *task != first) {
                cycle.push(task);
                next = parents[task.index()];
            }
            let earliest = (0..cycle.len()).min_by_key(|place| cycle[*place]).unwrap_or(0);
            cycle.rotate_left(earliest);
            cycles.push(cycle);
        }
    }
    cycles
}
