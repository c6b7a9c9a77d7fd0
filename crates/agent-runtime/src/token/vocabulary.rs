//! Exact counts, with the vocabularies that OpenAI has published.

use std::sync::{Arc, OnceLock};

use tiktoken::CoreBpe;

use crate::token::{Estimate, TokenCounter};

/// A published vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VocabularyName {
    /// `o200k_base`: GPT-4o and later.
    O200k,
    /// `cl100k_base`: GPT-3.5 and GPT-4.
    Cl100k,
}

impl VocabularyName {
    /// Returns the vocabulary of a model of OpenAI, `None` where it is not published for that name.
    pub fn of_model(model: &str) -> Option<Self> {
        const NAMES: [(&str, VocabularyName); 9] = [
            ("gpt-4o", VocabularyName::O200k),
            ("gpt-4.1", VocabularyName::O200k),
            ("chatgpt-4o", VocabularyName::O200k),
            ("gpt-5", VocabularyName::O200k),
            ("o1", VocabularyName::O200k),
            ("o3", VocabularyName::O200k),
            ("o4-mini", VocabularyName::O200k),
            ("gpt-4", VocabularyName::Cl100k),
            ("gpt-3.5-turbo", VocabularyName::Cl100k),
        ];
        let is_of = |family: &str| {
            model.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        NAMES.into_iter().find(|(family, _)| is_of(family)).map(|(_, name)| name)
    }

    /// Returns the name under which it is published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::O200k => "o200k_base",
            Self::Cl100k => "cl100k_base",
        }
    }

    fn load(self) -> &'static CoreBpe {
        tiktoken::get_encoding(self.as_str()).expect("both vocabularies are built in")
    }
}

/// Counts by a vocabulary. Unpacking one takes a tenth of a second or more; until it is there, counts are estimates.
#[derive(Debug)]
pub struct Vocabulary {
    name: VocabularyName,
    loaded: Arc<OnceLock<Loaded>>,
    until_then: Estimate,
}

struct Loaded(&'static CoreBpe);

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loaded")
    }
}

impl Vocabulary {
    /// Returns a counter that unpacks its vocabulary on a thread of its own, meanwhile.
    pub fn in_background(name: VocabularyName) -> Self {
        let loaded = Arc::new(OnceLock::new());
        let filled = Arc::clone(&loaded);
        // Where no thread can be had, it goes on estimating, and says so.
        let _ = std::thread::Builder::new().name("vocabulary".to_owned()).spawn(move || {
            filled.get_or_init(|| Loaded(name.load()));
        });
        Self { name, loaded, until_then: Estimate::default() }
    }

    /// Returns a counter that is exact from the first count on.
    pub fn now(name: VocabularyName) -> Self {
        let loaded = OnceLock::from(Loaded(name.load()));
        Self { name, loaded: Arc::new(loaded), until_then: Estimate::default() }
    }

    /// Returns which vocabulary it is.
    pub fn name(&self) -> VocabularyName {
        self.name
    }
}

impl TokenCounter for Vocabulary {
    fn count(&self, text: &str) -> u64 {
        match self.loaded.get() {
            Some(Loaded(vocabulary)) => vocabulary.count(text) as u64,
            None => self.until_then.count(text),
        }
    }

    fn is_exact(&self) -> bool {
        self.loaded.get().is_some()
    }

    fn learn(&self, counted: u64, actual: u64) {
        if !self.is_exact() {
            self.until_then.learn(counted, actual);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_that_are_published() {
        // From the examples of OpenAI's cookbook, "How to count tokens with tiktoken".
        for (name, text, tokens) in [
            (VocabularyName::Cl100k, "tiktoken is great!", 6),
            (VocabularyName::O200k, "tiktoken is great!", 6),
            (VocabularyName::Cl100k, "antidisestablishmentarianism", 6),
            (VocabularyName::O200k, "antidisestablishmentarianism", 6),
            (VocabularyName::Cl100k, "2 + 2 = 4", 7),
            (VocabularyName::O200k, "2 + 2 = 4", 7),
            (VocabularyName::Cl100k, "お誕生日おめでとう", 9),
            (VocabularyName::O200k, "お誕生日おめでとう", 8),
            (VocabularyName::O200k, "", 0),
        ] {
            let counter = Vocabulary::now(name);
            assert!(counter.is_exact());
            assert_eq!(counter.count(text), tokens, "{text} in {}", name.as_str());
        }
    }

    #[test]
    fn only_models_whose_vocabulary_is_published_have_one() {
        for (model, name) in [
            ("gpt-4o", Some(VocabularyName::O200k)),
            ("gpt-4o-mini-2024-07-18", Some(VocabularyName::O200k)),
            ("gpt-4.1-nano", Some(VocabularyName::O200k)),
            ("gpt-4-turbo", Some(VocabularyName::Cl100k)),
            ("o3-mini", Some(VocabularyName::O200k)),
            ("gpt-4.5", None),
            ("o32", None),
            ("llama-3.3-70b", None),
            ("", None),
        ] {
            assert_eq!(VocabularyName::of_model(model), name, "{model}");
        }
    }

    #[test]
    fn a_count_is_there_at_once_and_exact_when_the_vocabulary_is() {
        let counter = Vocabulary::in_background(VocabularyName::Cl100k);
        let early = counter.count("antidisestablishmentarianism");
        assert!(early == 7 || early == 6, "{early}");
        counter.loaded.wait();
        assert_eq!((counter.count("antidisestablishmentarianism"), counter.is_exact()), (6, true));
        counter.learn(6, 60);
        assert_eq!(counter.count("antidisestablishmentarianism"), 6);
    }
}
