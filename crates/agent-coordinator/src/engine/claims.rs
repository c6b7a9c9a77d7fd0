//! Which paths tasks write at the moment, and which ready tasks have to wait for that.

use std::collections::{BTreeMap, BTreeSet};

use planner_core::{PathPattern, WriteSet};
use state_store::task::{ProjectKey, TaskKey};

use crate::planted::{PlantedBug, is_planted};

/// The write sets of the projects of a workspace: those that land on one branch write the same files.
#[derive(Debug, Default)]
pub(super) struct Grounds {
    /// By project: where its claims are.
    places: Vec<usize>,
    by_branch: BTreeMap<String, usize>,
    claims: Vec<Claims>,
}

impl Grounds {
    /// Takes a project in, or to another branch; what it had claimed is to be forgotten before.
    pub(super) fn place(&mut self, project: ProjectKey, branch: Option<&str>) {
        let own = self.places.get(project.index()).copied();
        let known = match branch {
            Some(branch) => self.by_branch.get(branch).copied(),
            None => own.filter(|own| !self.by_branch.values().any(|shared| shared == own)),
        };
        let place = known.unwrap_or(self.claims.len());
        if known.is_none() {
            self.claims.push(Claims::default());
            self.by_branch.extend(branch.map(|branch| (branch.to_owned(), place)));
        }
        match self.places.get_mut(project.index()) {
            Some(present) => *present = place,
            None => self.places.push(place),
        }
    }

    /// Returns the claims on what a project writes to, its own among them.
    pub(super) fn of(&self, project: ProjectKey) -> &Claims {
        &self.claims[self.places[project.index()]]
    }

    /// Returns the same claims, to be changed.
    pub(super) fn of_mut(&mut self, project: ProjectKey) -> &mut Claims {
        &mut self.claims[self.places[project.index()]]
    }

    /// Returns whether both come to the same for every project.
    pub(super) fn agree_with(&self, other: &Self) -> bool {
        let projects = (0..self.places.len() as u32).map(ProjectKey);
        self.places.len() == other.places.len()
            && projects.into_iter().all(|project| self.of(project).agrees_with(other.of(project)))
    }
}

/// The write sets of projects that write to one place: of the tasks under way, from their hand-out until their result has
/// landed, and of the ready ones. A ready task whose set overlaps with one that is held waits for it, and is looked at again when that is given back:
/// each hand-out costs time by the tasks that overlap, not by the project.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: PathIndex,
    ready: PathIndex,
    /// The tasks that wait, with the one that each waits for.
    waiting: BTreeMap<TaskKey, TaskKey>,
    waiters: BTreeMap<TaskKey, BTreeSet<TaskKey>>,
}

impl Claims {
    /// Takes in a task that could be handed out; false where it has to wait.
    pub(super) fn admit(&mut self, key: TaskKey, writes: &WriteSet) -> bool {
        let holder = self.held.overlapping(writes).next();
        match holder.filter(|_| !is_planted(PlantedBug::OverlapForgotten)) {
            Some(holder) => {
                self.wait(key, holder);
                false
            }
            None => {
                self.ready.insert(key, writes);
                true
            }
        }
    }

    /// Forgets a task that could be handed out, or waited.
    pub(super) fn forget(&mut self, key: TaskKey, writes: &WriteSet) {
        self.ready.remove(key, writes);
        if let Some(holder) = self.waiting.remove(&key)
            && let Some(waiters) = self.waiters.get_mut(&holder)
        {
            waiters.remove(&key);
            if waiters.is_empty() {
                self.waiters.remove(&holder);
            }
        }
    }

    /// Records that a task is under way. Returns the ready ones that have to wait for it now.
    pub(super) fn hold(&mut self, key: TaskKey, writes: &WriteSet) -> BTreeSet<TaskKey> {
        self.held.insert(key, writes);
        if is_planted(PlantedBug::OverlapForgotten) {
            return BTreeSet::new();
        }
        self.ready.overlapping(writes).collect()
    }

    /// Has a ready task wait for one that is under way.
    pub(super) fn wait(&mut self, key: TaskKey, holder: TaskKey) {
        self.waiting.insert(key, holder);
        self.waiters.entry(holder).or_default().insert(key);
    }

    /// Records that a task is not under way any more. Returns those that waited for it, which are to be looked at again.
    pub(super) fn release(&mut self, key: TaskKey, writes: &WriteSet) -> BTreeSet<TaskKey> {
        self.held.remove(key, writes);
        let freed = self.waiters.remove(&key).unwrap_or_default();
        for waiter in &freed {
            self.waiting.remove(waiter);
        }
        freed
    }

    /// Forgets all that a project has claimed or waits for. Returns the tasks of others that waited for it, which are to be
    /// looked at again.
    pub(super) fn forget_project(&mut self, project: ProjectKey) -> BTreeSet<TaskKey> {
        self.held.remove_project(project);
        self.ready.remove_project(project);
        let (gone, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(waiter, holder)| waiter.project == project || holder.project == project);
        self.waiting = kept;
        self.waiters.clear();
        for (waiter, holder) in &self.waiting {
            self.waiters.entry(*holder).or_default().insert(*waiter);
        }
        let gone: BTreeMap<TaskKey, TaskKey> = gone;
        gone.into_keys().filter(|waiter| waiter.project != project).collect()
    }

    /// Returns the task under way that another one waits for.
    pub(super) fn holder(&self, key: TaskKey) -> Option<TaskKey> {
        self.waiting.get(&key).copied()
    }

    /// Returns whether both come to the same; where a task overlaps with several, it may wait for any of them.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.held == other.held
            && self.ready == other.ready
            && self.waiting.keys().eq(other.waiting.keys())
            && self.waiting.values().all(|holder| other.held.has(*holder))
    }
}

/// Patterns by the folder that all that matches is below, so that only those nearby are compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct PathIndex {
    by_folder: BTreeMap<String, BTreeSet<(TaskKey, PathPattern)>>,
    /// How many patterns each task has here.
    tasks: BTreeMap<TaskKey, usize>,
}

impl PathIndex {
    fn insert(&mut self, key: TaskKey, writes: &WriteSet) {
        for pattern in writes.iter() {
            if self.by_folder.entry(folder(pattern)).or_default().insert((key, pattern.clone())) {
                *self.tasks.entry(key).or_default() += 1;
            }
        }
    }

    fn remove(&mut self, key: TaskKey, writes: &WriteSet) {
        if self.tasks.remove(&key).is_none() {
            return;
        }
        for pattern in writes.iter() {
            let folder = folder(pattern);
            let Some(patterns) = self.by_folder.get_mut(&folder) else { continue };
            patterns.remove(&(key, pattern.clone()));
            if patterns.is_empty() {
                self.by_folder.remove(&folder);
            }
        }
    }

    fn remove_project(&mut self, project: ProjectKey) {
        self.tasks.retain(|key, _| key.project != project);
        self.by_folder.retain(|_, patterns| {
            patterns.retain(|(key, _)| key.project != project);
            !patterns.is_empty()
        });
    }

    fn has(&self, key: TaskKey) -> bool {
        self.tasks.contains_key(&key)
    }

    /// Returns the tasks of which a pattern overlaps with one of the set; some of them more than once.
    fn overlapping<'a>(&'a self, writes: &'a WriteSet) -> impl Iterator<Item = TaskKey> + 'a {
        writes.iter().flat_map(move |own| {
            let near = self.near(folder(own));
            near.filter(move |(_, pattern)| own.overlaps(pattern)).map(|(key, _)| *key)
        })
    }

    /// Returns the patterns whose folder is this one, around it, or below it.
    fn near(&self, folder: String) -> impl Iterator<Item = &(TaskKey, PathPattern)> {
        let ends = folder.match_indices('/').map(|(place, _)| place + 1);
        let around: Vec<_> = std::iter::once(0)
            .chain(ends)
            .filter(|end| *end < folder.len())
            .filter_map(|end| self.by_folder.get(&folder[..end]))
            .collect();
        let below = self.by_folder.range(folder.clone()..);
        let below =
            below.take_while(move |(other, _)| other.starts_with(&folder)).map(|(_, patterns)| patterns);
        around.into_iter().chain(below).flatten()
    }
}

/// Returns the folder that all that matches is below, or is; each name of it ends in `/`.
fn folder(pattern: &PathPattern) -> String {
    pattern.literal_names().flat_map(|name| [name, "/"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(task: u32) -> TaskKey {
        TaskKey { project: ProjectKey(0), task }
    }

    fn set(patterns: &[String]) -> WriteSet {
        patterns.iter().map(|text| PathPattern::new(text).unwrap()).collect::<Vec<_>>().into()
    }

    proptest! {
        /// The index finds what comparing everything with everything finds.
        #[test]
        fn nothing_that_overlaps_is_missed(
            held in prop::collection::vec(prop::collection::vec("[ab*]{1,2}(/[ab*]{1,2}){0,2}/?", 1..3), 1..12),
            asked in prop::collection::vec("[ab*]{1,2}(/[ab*]{1,2}){0,2}/?", 1..3),
        ) {
            let held: Vec<WriteSet> = held.iter().map(|patterns| set(patterns)).collect();
            let asked = set(&asked);
            let mut index = PathIndex::default();
            (0..).zip(&held).for_each(|(task, writes)| index.insert(key(task), writes));
            let found: BTreeSet<TaskKey> = index.overlapping(&asked).collect();
            let overlapping = (0..).zip(&held).filter(|(_, writes)| writes.overlaps(&asked));
            prop_assert_eq!(found, overlapping.map(|(task, _)| key(task)).collect::<BTreeSet<_>>());
            (0..).zip(&held).for_each(|(task, writes)| index.remove(key(task), writes));
            prop_assert_eq!(index, PathIndex::default());
        }
    }
}
