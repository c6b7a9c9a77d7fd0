//! A path that a model may name: never out of the root, never into `.git`, harmless on every file system.
//!
//! It is stricter than file systems are, so that whatever takes the files later has nothing to refuse.

use std::fmt;

use crate::planted::{self, Bug};

/// The longest path in bytes.
const BYTES_MAX: usize = 4096;
/// The longest component in bytes, as file systems have it.
const COMPONENT_BYTES_MAX: usize = 255;
/// The deepest path in components.
const DEPTH_MAX: usize = 256;

/// A relative path of a file or folder with `/` between its components.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

/// Why a text is no such path, in words for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilePath {
    /// There is no text.
    #[error("a path must not be empty")]
    Empty,
    /// It is too long.
    #[error("a path of {bytes} bytes is longer than {BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It has too many components.
    #[error("the path has more than {DEPTH_MAX} components")]
    TooDeep,
    /// It begins at a root.
    #[error("the path {path:?} is absolute; paths are relative to the root of the files")]
    Absolute {
        /// The text, as given.
        path: String,
    },
    /// It holds a character that file names should not have.
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

impl FilePath {
    /// Returns the path, or why the text is not one.
    pub fn new(text: &str) -> Result<Self, InvalidFilePath> {
        if text.is_empty() {
            return Err(InvalidFilePath::Empty);
        }
        if text.len() > BYTES_MAX {
            return Err(InvalidFilePath::TooLong { bytes: text.len() });
        }
        if text.split('/').count() > DEPTH_MAX {
            return Err(InvalidFilePath::TooDeep);
        }
        let path = || text.to_owned();
        if text.starts_with(['/', '\\', '~']) {
            return Err(InvalidFilePath::Absolute { path: path() });
        }
        if let Some(character) = text.chars().find(|&c| is_forbidden(c)) {
            return Err(InvalidFilePath::ForbiddenCharacter { path: path(), character });
        }
        let broken = text.split('/').find_map(|component| Some((component, broken_rule(component)?)));
        if let Some((component, rule)) = broken {
            return Err(InvalidFilePath::ForbiddenComponent {
                path: path(),
                component: component.to_owned(),
                rule,
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folders that it lies in, the outermost first.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Separators of other systems, and characters that move a cursor, hide text or are left out when names are compared.
fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\\' | ':' | '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn broken_rule(component: &str) -> Option<&'static str> {
    if component == ".." && planted::is_on(Bug::PathUnchecked) {
        return None;
    }
    let lower = component.to_lowercase();
    let rules: [(bool, &'static str); 6] = [
        (component.is_empty(), "is empty"),
        (component.len() > COMPONENT_BYTES_MAX, "is longer than a file name can be"),
        (component == "." || component == "..", "leads out of its folder"),
        (is_git_folder(&lower), "some systems take for the repository itself"),
        (component.ends_with([' ', '.']), "ends with a space or a dot"),
        (is_device(&lower), "is a device on Windows"),
    ];
    rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule))
}

/// Returns whether a lower-case component means `.git` somewhere: with trailing dots and spaces, or by a short name that
/// Windows makes up.
fn is_git_folder(component: &str) -> bool {
    let plain = component.trim_end_matches([' ', '.']);
    plain == ".git"
        || plain
            .strip_prefix("git~")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default().trim_end();
    let numbered = ["com", "lpt"].iter().find_map(|prefix| stem.strip_prefix(prefix));
    matches!(stem, "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
        || numbered.is_some_and(|rest| {
            matches!(rest, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
        })
}

#[cfg(test)]
mod tests {
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
            "com10",
            "a..b",
        ] {
            assert_eq!(FilePath::new(path).unwrap().as_str(), path);
        }
        let path = FilePath::new("a/b/c").unwrap();
        assert_eq!(path.folders().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    #[test]
    fn hostile_paths_are_refused() {
        let (long, deep, wide) = ("x/".repeat(BYTES_MAX), "x/".repeat(DEPTH_MAX) + "x", "x".repeat(256));
        for path in [
            "",
            "/",
            "/etc/passwd",
            "//host/x",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "a/../../x",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "C:/x",
            "c:x",
            "C:\\x",
            "\\\\host\\x",
            "a\\b",
            "..\\x",
            "~/x",
            "~root/x",
            ".git",
            ".git/hooks/x",
            "a/.git/x",
            ".GIT",
            ".Git/config",
            "git~1",
            "GIT~1/x",
            ".git.",
            ".git ",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
            "x:stream",
            ".g\u{200c}it",
            ".gi\u{feff}t/x",
            "a\0b",
            "a\nb",
            "a\rb",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{200b}b",
            "con",
            "CON.txt",
            "a/nul",
            "aux.c",
            "com1",
            "LPT9.log",
            "a ",
            "a/b.",
            "file:///etc/passwd",
            &long,
            &deep,
            &wide,
        ] {
            assert!(FilePath::new(path).is_err(), "{path:?}");
        }
    }
}
