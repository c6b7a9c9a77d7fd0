//! A path inside a tree that is safe to write to any file system: never out of its root, never into `.git`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::printable;

/// The longest path in bytes.
const BYTES_MAX: usize = 4096;
/// The longest component in bytes, as file systems have it.
const COMPONENT_BYTES_MAX: usize = 255;
/// The deepest path in components. Bounds the recursion over trees.
pub(crate) const DEPTH_MAX: usize = 256;

/// A relative path with `/` between its components. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Arc<str>);

/// Why a text is not a path in a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// The text is empty.
    #[error("a path is empty")]
    Empty,
    /// The text is longer than a path can be.
    #[error("a path of {bytes} bytes is longer than {BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The text has too many components.
    #[error("the path {path:?} has more than {DEPTH_MAX} components")]
    TooDeep {
        /// The text, as given.
        path: String,
    },
    /// The text begins at a root or names a drive.
    #[error("the path {path:?} is absolute")]
    Absolute {
        /// The text, as given.
        path: String,
    },
    /// The text holds a character that no file name should.
    #[error("the path {path:?} holds the character {character:?}")]
    ForbiddenCharacter {
        /// The text, as given.
        path: String,
        /// The first such character.
        character: char,
    },
    /// One component is empty, special or reserved on some system.
    #[error("the path {path:?} has the component {component:?}, which {rule}")]
    ForbiddenComponent {
        /// The text, as given.
        path: String,
        /// The first such component.
        component: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

impl RepoPath {
    /// Returns the path, or why the text is not one.
    pub fn new(text: &str) -> Result<Self, InvalidPath> {
        if text.is_empty() {
            return Err(InvalidPath::Empty);
        }
        if text.len() > BYTES_MAX {
            return Err(InvalidPath::TooLong { bytes: text.len() });
        }
        let path = || text.to_owned();
        if text.starts_with(['/', '\\']) || text.as_bytes().get(1) == Some(&b':') {
            return Err(InvalidPath::Absolute { path: path() });
        }
        if let Some(character) = text.chars().find(|&c| is_forbidden(c)) {
            return Err(InvalidPath::ForbiddenCharacter { path: path(), character });
        }
        if text.split('/').count() > DEPTH_MAX {
            return Err(InvalidPath::TooDeep { path: path() });
        }
        let broken = text.split('/').find_map(|component| Some((component, broken_rule(component)?)));
        if let Some((component, rule)) = broken {
            return Err(InvalidPath::ForbiddenComponent {
                path: path(),
                component: component.to_owned(),
                rule,
            });
        }
        Ok(Self(text.into()))
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the components from the root on; there is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for RepoPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::new(text)
    }
}

fn is_forbidden(character: char) -> bool {
    character == '\\' || printable::is_unsafe(character)
}

fn broken_rule(component: &str) -> Option<&'static str> {
    let bare: String =
        component.chars().filter(|&c| !is_ignored_by_hfs(c)).collect::<String>().to_lowercase();
    let rules: [(bool, &'static str); 6] = [
        (component.is_empty(), "is empty"),
        (component.len() > COMPONENT_BYTES_MAX, "is longer than a file name can be"),
        (bare == "." || bare == "..", "leads out of its folder"),
        (is_git_folder(&bare), "some systems take for the repository itself"),
        (component.ends_with([' ', '.']), "ends with a space or a dot"),
        (is_device(&bare), "is a device on Windows"),
    ];
    rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule))
}

/// Returns whether a lower-case component means `.git` on NTFS or HFS+: with trailing dots and spaces, an alternate
/// stream after a colon, or one of the short names that Windows makes up.
fn is_git_folder(component: &str) -> bool {
    let plain = component.split(':').next().unwrap_or_default().trim_end_matches([' ', '.']);
    plain == ".git"
        || plain
            .strip_prefix("git~")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn is_device(component: &str) -> bool {
    let stem = component.split(['.', ':']).next().unwrap_or_default().trim_end();
    let numbered = ["com", "lpt"].iter().filter_map(|prefix| stem.strip_prefix(prefix));
    matches!(stem, "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
        || numbered
            .into_iter()
            .any(|rest| matches!(rest, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"))
}

/// Returns whether HFS+ leaves a character out when it compares file names. The others that it leaves out are forbidden
/// anyway; these two join letters and are part of ordinary names.
fn is_ignored_by_hfs(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_paths_are_accepted() {
        for path in [
            "a",
            "src/lib.rs",
            "a b/c-d_e",
            ".github/workflows/x.yml",
            ".gitignore",
            "über/日本.txt",
            "a\u{200c}b",
            "xy:z",
            "com10",
            "console",
        ] {
            assert_eq!(RepoPath::new(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        let long = "x/".repeat(BYTES_MAX);
        let deep = vec!["x"; DEPTH_MAX + 1].join("/");
        let wide = "x".repeat(COMPONENT_BYTES_MAX + 1);
        for path in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "C:/x",
            "c:x",
            "\\\\host\\x",
            "a\\b",
            ".git",
            ".git/hooks/x",
            "a/.git/x",
            ".GIT",
            ".Git/config",
            "git~1",
            "GIT~1/x",
            "git~12",
            ".git.",
            ".git ",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            ".g\u{200c}it",
            ".gi\u{feff}t/x",
            "\u{200d}.git",
            ".\u{200c}.",
            "a\0b",
            "a\nb",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{200b}b",
            "con",
            "CON.txt",
            "a/nul",
            "aux.c",
            "com1",
            "LPT9.log",
            "COM¹",
            "a./b",
            "a /b",
            &long,
            &deep,
            &wide,
        ] {
            assert!(RepoPath::new(path).is_err(), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_stays_inside(text in "[a-zA-Z./~:\\\\ \u{200c}\u{feff}0-9]{0,16}") {
            if let Ok(path) = RepoPath::new(&text) {
                let joined = std::path::Path::new("/root").join(path.as_str());
                prop_assert!(joined.starts_with("/root"));
                prop_assert!(joined.components().all(|c| !matches!(c, std::path::Component::ParentDir)));
                prop_assert!(!text.to_lowercase().split('/').any(|c| c == ".git"));
            }
        }
    }
}
