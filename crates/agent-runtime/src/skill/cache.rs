//! Texts of skills that were read before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheLimits {
    /// The bytes of all texts together.
    pub bytes_max: usize,
    /// The age at which a text is read again.
    pub age_max: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, age_max: Duration::from_secs(300) }
    }
}

/// How often a text was there, and how often not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounts {
    /// It was there.
    pub hits: u64,
    /// It had to be read.
    pub misses: u64,
}

impl CacheCounts {
    /// Returns the share of hits, `None` before anybody has asked.
    pub fn hit_rate(&self) -> Option<f64> {
        let asked = self.hits + self.misses;
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }
}

/// Texts by what they are; the one that was not used for longest goes first.
#[derive(Debug, Default)]
pub struct SkillCache {
    limits: CacheLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    texts: HashMap<String, Kept>,
    bytes: usize,
    uses: u64,
    counts: CacheCounts,
}

#[derive(Debug)]
struct Kept {
    text: Arc<str>,
    read_at: Instant,
    used: u64,
}

impl SkillCache {
    /// Returns an empty one.
    pub fn new(limits: CacheLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Returns the text of that key as it was read not too long ago, else reads it now.
    ///
    /// Two who ask at the same time may both read it. What cannot be read is not kept.
    pub fn get_or_read<E>(
        &self,
        key: &str,
        now: Instant,
        read: impl FnOnce() -> Result<String, E>,
    ) -> Result<Arc<str>, E> {
        if let Some(text) = self.state().find(key, now, self.limits.age_max) {
            return Ok(text);
        }
        let text: Arc<str> = read()?.into();
        self.state().keep(key, &text, now, self.limits.bytes_max);
        Ok(text)
    }

    /// Returns how often a text was there so far.
    pub fn counts(&self) -> CacheCounts {
        self.state().counts
    }

    /// Returns the bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, key: &str, now: Instant, age_max: Duration) -> Option<Arc<str>> {
        self.uses += 1;
        let kept = self.texts.get_mut(key).filter(|kept| now.duration_since(kept.read_at) < age_max);
        let Some(kept) = kept else {
            self.counts.misses += 1;
            return None;
        };
        self.counts.hits += 1;
        kept.used = self.uses;
        Some(Arc::clone(&kept.text))
    }

    fn keep(&mut self, key: &str, text: &Arc<str>, now: Instant, bytes_max: usize) {
        self.remove(key);
        if text.len() > bytes_max {
            return;
        }
        while self.bytes + text.len() > bytes_max {
            let oldest = self.texts.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            self.remove(&oldest.expect("what takes room is there"));
        }
        self.bytes += text.len();
        self.texts.insert(key.to_owned(), Kept { text: Arc::clone(text), read_at: now, used: self.uses });
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.texts.remove(key) {
            self.bytes -= kept.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cache() -> SkillCache {
        SkillCache::new(CacheLimits { bytes_max: 10, age_max: 10 * SECOND })
    }

    fn ask(cache: &SkillCache, key: &str, now: Instant, text: &str) -> String {
        cache.get_or_read(key, now, || Ok::<_, ()>(text.to_owned())).unwrap().to_string()
    }

    #[test]
    fn a_text_is_read_once_until_it_is_old() {
        let (cache, now) = (cache(), Instant::now());
        assert_eq!(ask(&cache, "a", now, "one"), "one");
        assert_eq!(ask(&cache, "a", now + 9 * SECOND, "two"), "one");
        assert_eq!(ask(&cache, "a", now + 10 * SECOND, "two"), "two");
        assert_eq!(cache.counts(), CacheCounts { hits: 1, misses: 2 });
        assert_eq!(cache.bytes(), 3);
        assert_eq!(cache.get_or_read("b", now, || Err("gone")), Err("gone"));
        assert_eq!(CacheCounts::default().hit_rate(), None);
    }

    #[test]
    fn the_bytes_stay_within_the_limit_and_the_least_used_goes() {
        let (cache, now) = (cache(), Instant::now());
        for key in ["a", "b", "c"] {
            ask(&cache, key, now, "xxx");
        }
        ask(&cache, "a", now, "-");
        ask(&cache, "d", now, "xxx");
        assert_eq!(cache.bytes(), 9);
        assert_eq!(ask(&cache, "a", now, "-"), "xxx");
        assert_eq!(ask(&cache, "b", now, "new"), "new");
        assert_eq!(ask(&cache, "large", now, &"x".repeat(11)).len(), 11);
        assert!(cache.bytes() <= 10);
    }
}
