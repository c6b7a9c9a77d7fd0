//! The attempts that are under way at agents.

use std::collections::{BTreeMap, HashMap};

use super::worker::Worker;
use crate::desk::AttemptId;

/// Workers by their numbers; of each attempt there is one at most.
#[derive(Debug, Default)]
pub(super) struct Workers {
    by_number: BTreeMap<u64, Worker>,
    by_attempt: HashMap<AttemptId, u64>,
}

impl Workers {
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    pub(super) fn insert(&mut self, number: u64, worker: Worker) {
        self.by_attempt.insert((worker.task, worker.token), number);
        self.by_number.insert(number, worker);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Worker> {
        let worker = self.by_number.remove(&number)?;
        self.by_attempt.remove(&(worker.task, worker.token));
        Some(worker)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Worker> {
        self.by_number.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Worker> {
        self.by_number.get_mut(&number)
    }

    /// Returns who is at an attempt, with the number.
    pub(super) fn at(&self, attempt: AttemptId) -> Option<(u64, &Worker)> {
        let number = *self.by_attempt.get(&attempt)?;
        Some((number, self.by_number.get(&number)?))
    }

    /// Removes those of which it is true.
    pub(super) fn remove_where(&mut self, is_gone: impl Fn(&Worker) -> bool) {
        let gone: Vec<u64> =
            self.by_number.iter().filter(|(_, worker)| is_gone(worker)).map(|(number, _)| *number).collect();
        for number in gone {
            self.remove(number);
        }
    }
}
