//! Objects that were read or written lately. Their content follows from their id, so none of them is ever out of date.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use git2::{ObjectType, Oid};

/// How many bytes a generation holds before it becomes the old one. There are two.
const GENERATION_BYTES: usize = 24 << 20;
/// A larger object is not kept.
const OBJECT_BYTES_MAX: usize = 256 << 10;
/// What keeping an object costs besides its content.
const OVERHEAD_BYTES: usize = 100;

/// A bounded number of objects. What was used since the last change of generations outlives the next.
#[derive(Default)]
pub(crate) struct ObjectCache(RefCell<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Oid, Object>,
    young_bytes: usize,
    old: HashMap<Oid, Object>,
}

type Object = (ObjectType, Arc<[u8]>);

impl ObjectCache {
    pub(crate) fn get(&self, id: Oid) -> Option<Object> {
        let generations = &mut *self.0.borrow_mut();
        if let Some(object) = generations.young.get(&id) {
            return Some(object.clone());
        }
        let object = generations.old.remove(&id)?;
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
        self.young_bytes += object.1.len() + OVERHEAD_BYTES;
        self.young.insert(id, object);
        if self.young_bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
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
    }
}
