//! What a stream is called.

use std::fmt;

/// The name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

/// A text that cannot name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot name a stream: 1 to 128 ASCII letters, digits, `.`, `_`, `-` or `/`")]
pub struct InvalidStreamName {
    /// The text given.
    pub name: String,
}

impl StreamName {
    /// Returns the name, if it is 1 to 128 ASCII letters, digits, `.`, `_`, `-` or `/`.
    pub fn new(name: &str) -> Result<Self, InvalidStreamName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
            return Err(InvalidStreamName { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the stream of a workspace: its projects and the agents that they share.
    pub fn workspace() -> Self {
        Self("workspace".to_owned())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
