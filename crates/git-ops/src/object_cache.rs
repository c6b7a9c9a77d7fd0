//! Objects that were read or written lately. Their content follows from their id, so none of them is ever out of date.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use git2::{ObjectType, Oid};

/// How many bytes a generation holds before it becomes the old one. There are two.
const GENERATION_BYTES: usize = 24 << 20;
/// A larger object is not kept.
const OBJECT_BYTES_MAX: usize = 256 << 10;
/// What keeping an object costs besides its content.
const OVERHEAD_BYTES: usize = 100;

/// How many bytes of objects one writer keeps for later, about, at the most.
pub const CACHED_BYTES_MAX: usize = 2 * GENERATION_BYTES;

/// What all caches of this process hold.
static CACHED: AtomicUsize = AtomicUsize::new(0);

/// Returns about how many bytes of objects this process keeps for later: memory that is full on purpose, up to a bound, which
/// whoever looks for leaks does not count.
#[must_use]
pub fn cached_bytes() -> usize {
    CACHED.load(Ordering::Relaxed)
}

/// A bounded number of objects. What was used since the last change of generations outlives the next.
#[derive(Default)]
pub(crate) struct ObjectCache(RefCell<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Oid, Object>,
    young_bytes: usize,
    old: HashMap<Oid, Object>,
    old_bytes: usize,
}

type Object = (ObjectType, Arc<[u8]>);

impl ObjectCache {
    pub(crate) fn get(&self, id: Oid) -> Option<Object> {
        let generations = &mut *self.0.borrow_mut();
        if let Some(object) = generations.young.get(&id) {
            return Some(object.clone());
        }
        let object = generations.take_old(id)?;
        generations.insert(id, object.clone());
        Some(object)
    }

    pub(crate) fn insert(&self, id: Oid, kind: ObjectType, content: Arc<[u8]>) {
        if content.len() <= OBJECT_BYTES_MAX {
            self.0.borrow_mut().insert(id, (kind, content));
        }
    }
}

impl Generations {
    fn insert(&mut self, id: Oid, object: Object) {
        let bytes = size(&object);
        if self.young.insert(id, object).is_some() {
            // The same content once more: its id says so.
            return;
        }
        self.young_bytes += bytes;
        CACHED.fetch_add(bytes, Ordering::Relaxed);
        if self.young_bytes > GENERATION_BYTES {
            CACHED.fetch_sub(self.old_bytes, Ordering::Relaxed);
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
    }

    fn take_old(&mut self, id: Oid) -> Option<Object> {
        let object = self.old.remove(&id)?;
        let bytes = size(&object);
        self.old_bytes -= bytes;
        CACHED.fetch_sub(bytes, Ordering::Relaxed);
        Some(object)
    }
}

impl Drop for Generations {
    fn drop(&mut self) {
        CACHED.fetch_sub(self.young_bytes + self.old_bytes, Ordering::Relaxed);
    }
}

/// Returns what keeping an object costs.
fn size((_, content): &Object) -> usize {
    content.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let cache = ObjectCache::default();
        let id = |n: u32| Oid::hash_object(ObjectType::Blob, &n.to_be_bytes()).unwrap();
        let content: Arc<[u8]> = vec![0; OBJECT_BYTES_MAX].into();
        for n in 0..1000 {
            cache.insert(id(n), ObjectType::Blob, Arc::clone(&content));
            assert!(cache.get(id(0)).is_some());
        }
        let kept = (0..1000).filter(|n| cache.get(id(*n)).is_some()).count();
        assert!((90..=2 * GENERATION_BYTES / OBJECT_BYTES_MAX + 2).contains(&kept), "{kept}");
        cache.insert(id(5000), ObjectType::Blob, vec![0; OBJECT_BYTES_MAX + 1].into());
        assert!(cache.get(id(5000)).is_none());
        let generations = cache.0.borrow();
        let counted = |objects: &HashMap<Oid, Object>| objects.values().map(size).sum::<usize>();
        assert_eq!(generations.young_bytes, counted(&generations.young));
        assert_eq!(generations.old_bytes, counted(&generations.old));
        // Other tests of this process keep objects too.
        assert!(cached_bytes() >= generations.young_bytes + generations.old_bytes);
    }
}
