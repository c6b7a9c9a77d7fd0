//! The names of sessions.

use std::fmt;

use state_store::StreamName;

/// What the streams of sessions begin with.
const PREFIX: &str = "sessions/";

/// The name of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName(StreamName);

/// A text that cannot name a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot name a session: 1 to 119 ASCII letters, digits, `.`, `_`, `-` or `/`")]
pub struct InvalidSessionName {
    /// The text given.
    pub name: String,
}

impl SessionName {
    /// Returns the name, if it is 1 to 119 ASCII letters, digits, `.`, `_`, `-` or `/`.
    pub fn new(name: &str) -> Result<Self, InvalidSessionName> {
        let invalid = || InvalidSessionName { name: name.to_owned() };
        if name.is_empty() {
            return Err(invalid());
        }
        StreamName::new(&format!("{PREFIX}{name}")).map(Self).map_err(|_| invalid())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0.as_str()[PREFIX.len()..]
    }

    /// Returns a number that is another for almost every other name: FNV-1a (Fowler, Noll, Vo).
    pub(crate) fn seed(&self) -> u64 {
        self.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    pub(super) fn stream(&self) -> StreamName {
        self.0.clone()
    }

    /// Returns the name of the session that a stream is, `None` if it is none.
    pub(super) fn of_stream(stream: &StreamName) -> Option<Self> {
        Self::new(stream.as_str().strip_prefix(PREFIX)?).ok()
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_streams_less_the_prefix() {
        let long = "x".repeat(119);
        for text in ["a", "project/TASK-1/2", "1.0_b-c", &long] {
            let name = SessionName::new(text).unwrap();
            assert_eq!(name.as_str(), text);
            assert_eq!(SessionName::of_stream(&name.stream()), Some(name));
        }
        for text in ["", " ", "a b", "é", "a\0", "a:b", &(long + "x")] {
            assert!(SessionName::new(text).is_err(), "{text:?}");
        }
        assert_eq!(SessionName::of_stream(&StreamName::workspace()), None);
    }
}
