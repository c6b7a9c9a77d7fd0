//! The short name of a branch, checked by rules stricter than git's own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::printable;

/// The longest branch name in bytes: what fits in a file name together with `.lock`.
const BYTES_MAX: usize = 240;
/// The longest name that [`BranchName::sanitised`] makes, in characters; leaves room for a prefix.
const SANITISED_CHARS_MAX: usize = 50;
/// How many digits tell names apart that read alike.
const MARK_CHARS: usize = 8;

/// The name of a branch without `refs/heads/`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(Arc<str>);

/// Why a text is not the name of a branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBranchName {
    /// The text is empty.
    #[error("a branch name is empty")]
    Empty,
    /// The text is too long for a file name.
    #[error("a branch name of {bytes} bytes is longer than {BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The text holds a character that git, a shell or a terminal would misread.
    #[error("the branch name {name:?} holds the character {character:?}")]
    ForbiddenCharacter {
        /// The text, as given.
        name: String,
        /// The first such character.
        character: char,
    },
    /// The text has a shape that git reserves.
    #[error("the branch name {name:?} {rule}")]
    Reserved {
        /// The text, as given.
        name: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

impl BranchName {
    /// Returns the name, or why the text is not one.
    pub fn new(text: &str) -> Result<Self, InvalidBranchName> {
        if text.is_empty() {
            return Err(InvalidBranchName::Empty);
        }
        if text.len() > BYTES_MAX {
            return Err(InvalidBranchName::TooLong { bytes: text.len() });
        }
        if let Some(character) = text.chars().find(|&c| is_forbidden(c)) {
            return Err(InvalidBranchName::ForbiddenCharacter { name: text.to_owned(), character });
        }
        match broken_rule(text) {
            Some(rule) => Err(InvalidBranchName::Reserved { name: text.to_owned(), rule }),
            None => Ok(Self(text.into())),
        }
    }

    /// Returns a valid name of one component made from any text, such as the name of a project.
    ///
    /// A text that is such a name stays as it is. Any other gets a mark that follows from all of it, so that different
    /// texts get different names.
    #[must_use]
    pub fn sanitised(text: &str) -> Self {
        let readable = Self::readable(text);
        if readable.as_str() == text {
            return readable;
        }
        let id = git2::Oid::hash_object(git2::ObjectType::Blob, text.as_bytes());
        let mark = id.map_or_else(|_| String::new(), |id| id.to_string());
        let kept: String = readable.as_str().chars().take(SANITISED_CHARS_MAX - MARK_CHARS - 1).collect();
        let marked = format!("{}-{}", kept.trim_end_matches(['-', '.']), &mark[..MARK_CHARS.min(mark.len())]);
        Self::new(&marked).expect("a name with a few letters and digits more is a name")
    }

    /// Returns what can be read of a text as a name of one component.
    fn readable(text: &str) -> Self {
        let mut name = String::new();
        for character in text.chars().take(4 * SANITISED_CHARS_MAX) {
            if character.is_alphanumeric() || character == '_' {
                name.push(character);
            } else if !name.ends_with(['-', '.']) {
                name.push(if character == '.' { '.' } else { '-' });
            }
        }
        let bounded: String = name.trim_matches(['-', '.']).chars().take(SANITISED_CHARS_MAX).collect();
        let trimmed = bounded.trim_matches(['-', '.']);
        Self::new(trimmed).unwrap_or_else(|_| {
            let escaped = format!("x-{}", trimmed.replace('.', "-"));
            Self::new(escaped.trim_end_matches('-'))
                .expect("letters, digits, `_` and single `-` after `x-` are a name")
        })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the full name of the ref, `refs/heads/...`.
    #[must_use]
    pub fn ref_name(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for BranchName {
    type Err = InvalidBranchName;

    fn from_str(text: &str) -> Result<Self, InvalidBranchName> {
        Self::new(text)
    }
}

impl Serialize for BranchName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BranchName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn is_forbidden(character: char) -> bool {
    printable::is_unsafe(character)
        || character.is_whitespace()
        || matches!(
            character,
            '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '"' | '\'' | '`' | '$' | '<' | '>' | '|'
        )
}

fn broken_rule(name: &str) -> Option<&'static str> {
    let rules: [(bool, &'static str); 9] = [
        (name.starts_with('-'), "begins with `-`"),
        (name.contains(".."), "holds `..`"),
        (name.contains("@{"), "holds `@{`"),
        (name.ends_with('.'), "ends with `.`"),
        (name == "@" || name.eq_ignore_ascii_case("head"), "is a name of git's own"),
        (name.starts_with("refs/"), "begins with `refs/`"),
        (name.split('/').any(str::is_empty), "has an empty component"),
        (name.split('/').any(|part| part.starts_with('.')), "has a component that begins with `.`"),
        (
            name.split('/').any(|part| part.to_ascii_lowercase().ends_with(".lock")),
            "has a component that ends with `.lock`",
        ),
    ];
    let ours = rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule));
    ours.or_else(|| (!git2::Branch::name_is_valid(name).unwrap_or(false)).then_some("is not valid for git"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["main", "super-planner/my-project", "feature/ünïcode", "v1.2", "a_b", "x/y/z"] {
            assert_eq!(BranchName::new(name).unwrap().as_str(), name);
        }
        assert_eq!(BranchName::new("main").unwrap().ref_name(), "refs/heads/main");
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = "x".repeat(BYTES_MAX + 1);
        for name in [
            "",
            "-f",
            "--force",
            "a..b",
            "../x",
            "/x",
            "x/",
            "a//b",
            ".x",
            "a/.b",
            "x.lock",
            "a.LOCK/b",
            "x.",
            "@",
            "HEAD",
            "head",
            "a@{1}",
            "a b",
            "a\tb",
            "a\nb",
            "a\0b",
            "a~1",
            "a^",
            "a:b",
            "a?b",
            "a*",
            "a[b",
            "a\\b",
            "a\u{202e}b",
            "refs/heads/x",
            "$(x)",
            "`x`",
            &long,
        ] {
            assert!(BranchName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn any_text_becomes_a_name() {
        for (text, name) in [
            ("My Project", "My-Project-"),
            ("../../etc", "etc-"),
            ("", "x-"),
            ("---", "x-"),
            ("HEAD", "x-HEAD-"),
            ("a.lock", "x-a-lock-"),
            ("a..b//c", "a.b-c-"),
            ("日本", "日本"),
            ("plain-name_1.2", "plain-name_1.2"),
        ] {
            let made = BranchName::sanitised(text);
            assert!(made.as_str().starts_with(name), "{text:?} became {made}");
            assert_eq!(made.as_str() == text, name == text, "{text:?} became {made}");
        }
        let long = "x".repeat(60);
        let alike =
            ["My Project", "My-Project", "My/Project", "my project", " My Project", &long, &long[1..]];
        let made: std::collections::BTreeSet<_> = alike.into_iter().map(BranchName::sanitised).collect();
        assert_eq!(made.len(), alike.len(), "{made:?}");
    }

    proptest! {
        #[test]
        fn every_text_becomes_one_component(text in any::<String>()) {
            let name = BranchName::sanitised(&text);
            prop_assert!(!name.as_str().contains('/'));
            prop_assert_eq!(BranchName::sanitised(name.as_str()), name);
        }

        #[test]
        fn what_is_accepted_is_valid_for_git(text in "[-a-zA-Z0-9./@{}~^:*\\\\ _]{0,12}") {
            if BranchName::new(&text).is_ok() {
                prop_assert!(git2::Branch::name_is_valid(&text).unwrap());
            }
        }
    }
}
