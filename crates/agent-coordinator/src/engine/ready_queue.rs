//! The tasks that could be handed out now, in the order in which they should be.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use planner_core::{CapabilitySet, Effort, Priority, Task};
use state_store::task::TaskKey;

/// Ready tasks by what they ask of an agent, so that a hand-out costs time by the kinds of tasks, not by their number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ReadyQueue {
    kinds: BTreeMap<CapabilitySet, BTreeSet<Rank>>,
    ranks: HashMap<TaskKey, (CapabilitySet, Rank)>,
}

/// The order of hand-out: by priority class, then the longest way to the end first, then by age: what stands first in the
/// plan was asked for first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) priority: Priority,
    bottom_level: Reverse<Effort>,
    pub(super) key: TaskKey,
}

impl ReadyQueue {
    pub(super) fn insert(&mut self, key: TaskKey, task: &Task, bottom_level: Effort) {
        let rank = Rank { priority: task.priority, bottom_level: Reverse(bottom_level), key };
        self.kinds.entry(task.capabilities.clone()).or_default().insert(rank);
        self.ranks.insert(key, (task.capabilities.clone(), rank));
    }

    pub(super) fn remove(&mut self, key: TaskKey) {
        let Some((kind, rank)) = self.ranks.remove(&key) else {
            return;
        };
        if let Some(ranks) = self.kinds.get_mut(&kind) {
            ranks.remove(&rank);
            if ranks.is_empty() {
                self.kinds.remove(&kind);
            }
        }
    }

    /// Puts the tasks in order by other bottom levels.
    pub(super) fn reorder(&mut self, bottom_level: impl Fn(TaskKey) -> Effort) {
        for (kind, rank) in self.ranks.values_mut() {
            let ranks = self.kinds.entry(kind.clone()).or_default();
            ranks.remove(rank);
            rank.bottom_level = Reverse(bottom_level(rank.key));
            ranks.insert(*rank);
        }
    }

    /// Returns each kind of ready task with its tasks in order.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&CapabilitySet, impl Iterator<Item = Rank> + '_)> {
        self.kinds.iter().map(|(kind, ranks)| (kind, ranks.iter().copied()))
    }

    /// Returns how many tasks are ready.
    pub(super) fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Returns how many ready tasks come before this one.
    pub(super) fn ahead_of(&self, key: TaskKey) -> usize {
        let Some((_, rank)) = self.ranks.get(&key) else {
            return 0;
        };
        self.kinds.values().map(|ranks| ranks.range(..*rank).count()).sum()
    }
}
