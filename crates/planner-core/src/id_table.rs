//! Which place of a list each id has.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};

use crate::TaskId;

/// The places of ids in a list, found in constant time.
///
/// The table holds places and no keys. Its hash function is keyed anew for each table by the process, so that nobody can
/// choose ids that collide; the order of the table, which follows from the keys, is never looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdTable {
    ids: Vec<TaskId>,
    places: HashTable<u32>,
    keys: DefaultHashBuilder,
}

/// An id that stands a second time in a list.
pub(crate) struct Repeat {
    pub(crate) first: u32,
    pub(crate) second: u32,
}

impl IdTable {
    /// Returns the places of the ids, fewer than 2^32, and those that stand there again; the first place of each counts.
    pub(crate) fn of<'i>(ids: impl ExactSizeIterator<Item = &'i TaskId>) -> (Self, Vec<Repeat>) {
        let count = ids.len();
        let mut table = Self {
            ids: Vec::with_capacity(count),
            places: HashTable::with_capacity(count),
            keys: DefaultHashBuilder::default(),
        };
        let mut repeats = Vec::new();
        for (id, second) in ids.zip(0..) {
            table.ids.push(id.clone());
            let Self { ids, places, keys } = &mut table;
            let hash = keys.hash_one(id.as_str());
            let is_same = |place: &u32| ids[*place as usize] == *id;
            match places.entry(hash, is_same, |place| keys.hash_one(ids[*place as usize].as_str())) {
                Entry::Occupied(first) => repeats.push(Repeat { first: *first.get(), second }),
                Entry::Vacant(vacant) => drop(vacant.insert(second)),
            }
        }
        (table, repeats)
    }

    /// Returns the first place of the id.
    pub(crate) fn place(&self, id: &str) -> Option<u32> {
        let is_same = |place: &u32| self.ids[*place as usize].as_str() == id;
        self.places.find(self.keys.hash_one(id), is_same).copied()
    }
}
