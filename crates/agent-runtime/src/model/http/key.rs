//! The key of a provider.

use std::fmt;

use reqwest::header::HeaderValue;

use crate::planted::{self, Bug};

/// What a key is shown as.
const REDACTED: &str = "[key]";

/// A key. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable} holds no key")]
pub struct NoKey {
    /// The variable.
    pub variable: String,
}

impl Key {
    /// Returns a key, if it is one or more printable ASCII characters.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        (!text.is_empty() && is_printable).then(|| Self(text.to_owned()))
    }

    /// Returns the key that an environment variable holds.
    pub fn from_environment(variable: &str) -> Result<Self, NoKey> {
        let key = std::env::var(variable).ok().and_then(|text| Self::new(&text));
        key.ok_or_else(|| NoKey { variable: variable.to_owned() })
    }

    /// Returns the header that carries it; nothing that prints headers shows it.
    pub(super) fn header_value(&self, scheme: &str) -> HeaderValue {
        let mut value = HeaderValue::from_str(&format!("{scheme}{}", self.0))
            .expect("a key is made of characters that a header may hold");
        value.set_sensitive(true);
        value
    }

    /// Returns the text without the key.
    pub(super) fn redact(&self, text: &str) -> String {
        if planted::is_on(Bug::KeyTold) { text.to_owned() } else { text.replace(&self.0, REDACTED) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = Key::new(" sk-1234\n").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.header_value("Bearer ")), "[key] Sensitive");
        assert_eq!(key.redact("bad key sk-1234, sk-12345"), "bad key [key], [key]5");
        for text in ["", " ", "a b", "a\nb", "é"] {
            assert_eq!(Key::new(text), None);
        }
        assert!(Key::from_environment("NO_SUCH_VARIABLE_IS_SET").is_err());
    }
}
