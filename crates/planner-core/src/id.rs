//! The name of a task: short, printable, and never a way out of a folder.

use std::fmt;

use ecow::EcoString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest id in bytes.
pub const TASK_ID_BYTES_MAX: usize = 256;

/// The id of a task, unique within its plan. Cheap to clone: a short one is held in place, a longer one shared.
///
/// Ids end up in commit trailers, file names and terminals, so one holds no control character, no surrounding white
/// space and no `..` path component.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(EcoString);

/// Why a text cannot be the id of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTaskId {
    /// The text is empty.
    #[error("a task id is empty")]
    Empty,
    /// The text is longer than [`TASK_ID_BYTES_MAX`].
    #[error("a task id of {bytes} bytes is longer than {TASK_ID_BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The text holds a character that no terminal, file name or commit message should see.
    #[error("the task id {id:?} holds the character {character:?}")]
    ForbiddenCharacter {
        /// The text, as given.
        id: String,
        /// The first such character.
        character: char,
    },
    /// The text begins or ends with white space.
    #[error("the task id {id:?} begins or ends with white space")]
    SurroundingSpace {
        /// The text, as given.
        id: String,
    },
    /// The text would lead out of a folder when used as a path.
    #[error("the task id {id:?} has a path component `..`")]
    ParentPath {
        /// The text, as given.
        id: String,
    },
}

impl TaskId {
    /// Returns the id, or why the text cannot be one.
    pub fn new(text: &str) -> Result<Self, InvalidTaskId> {
        if text.is_empty() {
            return Err(InvalidTaskId::Empty);
        }
        if text.len() > TASK_ID_BYTES_MAX {
            return Err(InvalidTaskId::TooLong { bytes: text.len() });
        }
        if is_plain(text) {
            return Ok(Self(text.into()));
        }
        if let Some(character) = text.chars().find(|c| is_forbidden(*c)) {
            return Err(InvalidTaskId::ForbiddenCharacter { id: text.to_owned(), character });
        }
        if text.trim() != text {
            return Err(InvalidTaskId::SurroundingSpace { id: text.to_owned() });
        }
        if text.split(['/', '\\']).any(|component| component == "..") {
            return Err(InvalidTaskId::ParentPath { id: text.to_owned() });
        }
        Ok(Self(text.into()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether nothing in the text could do harm, for nearly all ids at a glance.
fn is_plain(text: &str) -> bool {
    text != ".."
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Control characters, and those that reorder or hide the text around them.
fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::borrow::Borrow<str> for TaskId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for TaskId {
    type Err = InvalidTaskId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_ids_are_taken_as_they_are() {
        for text in ["T-1", "bd-a3f8.1.1", "webapp_004", "größe", "a/b", "..hidden"] {
            assert_eq!(TaskId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn ids_that_could_do_harm_are_refused() {
        assert_eq!(TaskId::new(""), Err(InvalidTaskId::Empty));
        for text in ["a\nb", "a\u{1b}[31m", "a\u{202e}b", "\u{0}"] {
            assert!(matches!(TaskId::new(text), Err(InvalidTaskId::ForbiddenCharacter { .. })), "{text:?}");
        }
        for text in ["../x", "a/../b", "..", "a\\..\\b"] {
            assert!(matches!(TaskId::new(text), Err(InvalidTaskId::ParentPath { .. })), "{text:?}");
        }
        assert!(matches!(TaskId::new(" a"), Err(InvalidTaskId::SurroundingSpace { .. })));
        assert!(matches!(TaskId::new(&"x".repeat(257)), Err(InvalidTaskId::TooLong { bytes: 257 })));
    }
}
