//! A list whose versions share what has not changed: a tree of small blocks.
//!
//! Copying it costs nothing; changing a place of a copy costs the blocks on the way to it, and the next change nearby
//! less. Bagwell, "Ideal Hash Trees" (2001), without the hashing.

use std::sync::Arc;

/// How many places, or blocks, a block holds.
const WIDTH: usize = 32;

/// A list of a fixed length.
#[derive(Debug, Clone)]
pub(super) struct VersionedList<T> {
    root: Arc<Block<T>>,
    /// How many places a block below the root reaches over; 1 where the root holds the places themselves.
    span: usize,
    length: usize,
}

#[derive(Debug, Clone)]
enum Block<T> {
    Places(Vec<T>),
    Blocks(Vec<Arc<Self>>),
}

impl<T: Clone> VersionedList<T> {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        if place >= self.length {
            return None;
        }
        let (mut block, mut span) = (&*self.root, self.span);
        loop {
            match block {
                Block::Places(places) => return places.get(place % WIDTH),
                Block::Blocks(blocks) => block = blocks.get(place / span % WIDTH)?,
            }
            span /= WIDTH;
        }
    }

    /// Changes a place of this version; others stay as they are.
    ///
    /// # Panics
    /// Beyond the end.
    pub(super) fn set(&mut self, place: usize, value: T) {
        assert!(place < self.length, "place {place} of a list of {}", self.length);
        let (mut block, mut span) = (Arc::make_mut(&mut self.root), self.span);
        loop {
            match block {
                Block::Places(places) => {
                    places[place % WIDTH] = value;
                    return;
                }
                Block::Blocks(blocks) => block = Arc::make_mut(&mut blocks[place / span % WIDTH]),
            }
            span /= WIDTH;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.length).filter_map(|place| self.get(place))
    }
}

impl<T: Clone> FromIterator<T> for VersionedList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Vec<T> = values.into_iter().collect();
        let length = values.len();
        let mut level: Vec<_> =
            values.chunks(WIDTH).map(|places| Arc::new(Block::Places(places.to_vec()))).collect();
        let mut span = 1;
        while level.len() > 1 {
            level = level.chunks(WIDTH).map(|blocks| Arc::new(Block::Blocks(blocks.to_vec()))).collect();
            span *= WIDTH;
        }
        let root = level.pop().unwrap_or_else(|| Arc::new(Block::Places(Vec::new())));
        Self { root, span, length }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every version reads as the plain list that it stands for, whatever is done to the others.
        #[test]
        fn versions_do_not_disturb_one_another(
            length in prop_oneof![0..5_usize, 30..34_usize, 1020..1030_usize, 2000..2100_usize],
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..60),
        ) {
            let plain: Vec<u8> = (0..length).map(|place| place as u8).collect();
            let list: VersionedList<u8> = plain.iter().copied().collect();
            let mut versions = vec![(plain, list)];
            for (place, value, is_new) in changes {
                let Some((mut plain, mut list)) = versions.last().cloned().filter(|_| length > 0) else { break };
                let place = place.index(length);
                plain[place] = value;
                list.set(place, value);
                if !is_new {
                    versions.pop();
                }
                versions.push((plain, list));
            }
            for (plain, list) in versions {
                prop_assert_eq!(list.iter().copied().collect::<Vec<_>>(), plain);
                prop_assert_eq!(list.get(length), None);
            }
        }
    }
}
