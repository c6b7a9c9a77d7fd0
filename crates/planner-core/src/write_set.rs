//! Which paths a task writes: patterns, and whether two tasks could write the same file.

use std::fmt;

use ecow::{EcoString, EcoVec};
use serde::{Deserialize, Deserializer, Serialize};

/// The longest pattern, in bytes.
const BYTES_MAX: usize = 1024;

/// Paths in the repository, from its root: `*` and `?` stand for characters of one name, `**` for any number of folders.
/// What ends in `/` stands for all that is below.
///
/// ```
/// # use planner_core::PathPattern;
/// let sources = PathPattern::new("crates/*/src/").unwrap();
/// assert!(sources.overlaps(&PathPattern::new("crates/engine/src/lib.rs").unwrap()));
/// assert!(!sources.overlaps(&PathPattern::new("crates/engine/Cargo.toml").unwrap()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PathPattern(EcoString);

/// Why a text is no pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPathPattern {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it has more than {BYTES_MAX} bytes")]
    TooLong,
    /// It does not begin at the root of the repository.
    #[error("it begins with `/`; paths are given from the root of the repository")]
    Absolute,
    /// A part of it is no name.
    #[error("`{0}` is no name of a file or folder")]
    Name(String),
    /// It holds a control character.
    #[error("it holds a control character")]
    Control,
}

impl PathPattern {
    /// Returns the pattern that a text is; a leading `./` is left out.
    pub fn new(text: &str) -> Result<Self, InvalidPathPattern> {
        let text = text.strip_prefix("./").unwrap_or(text);
        if text.chars().any(char::is_control) {
            return Err(InvalidPathPattern::Control);
        }
        if text.starts_with('/') {
            return Err(InvalidPathPattern::Absolute);
        }
        if text.len() > BYTES_MAX {
            return Err(InvalidPathPattern::TooLong);
        }
        let (folder, is_folder) = text.strip_suffix('/').map_or((text, false), |folder| (folder, true));
        if folder.is_empty() {
            return Err(InvalidPathPattern::Empty);
        }
        if let Some(name) = folder.split('/').find(|name| matches!(*name, "" | "." | "..")) {
            return Err(InvalidPathPattern::Name(name.to_owned()));
        }
        Ok(Self(if is_folder { ecow::eco_format!("{folder}/**") } else { folder.into() }))
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the names before the first that holds a wildcard: all that matches is below them.
    pub fn literal_names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').take_while(|name| !has_wildcard(name))
    }

    /// Returns whether some file could match both. Where one names a folder that the other goes on from, it could.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, other): (Vec<&str>, Vec<&str>) =
            (self.0.split('/').collect(), other.0.split('/').collect());
        let is_any = |name: &&str| *name == "**";
        have_common(&one, &other, is_any, |a, b| names_overlap(a, b), Ends::Either)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn has_wildcard(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Returns whether some name could match both patterns.
fn names_overlap(one: &str, other: &str) -> bool {
    if !has_wildcard(one) && !has_wildcard(other) {
        return one == other;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let is_same = |a: &char, b: &char| *a == '?' || *b == '?' || a == b;
    have_common(&one, &other, |part| *part == '*', is_same, Ends::Both)
}

/// When two patterns have come to a common end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// When both have.
    Both,
    /// When one has, by a part that is no wildcard.
    Either,
}

/// Returns whether something matches two patterns, in which some parts stand for any number of parts: the usual table of
/// which rest of the one goes with which rest of the other, from the ends on.
fn have_common<T>(
    one: &[T],
    other: &[T],
    is_any: impl Fn(&T) -> bool,
    is_same: impl Fn(&T, &T) -> bool,
    ends: Ends,
) -> bool {
    let mut below: Vec<bool> = (0..=other.len()).map(|rest| other[rest..].iter().all(&is_any)).collect();
    for (place, part) in one.iter().enumerate().rev() {
        let mut row = vec![false; other.len() + 1];
        row[other.len()] = one[place..].iter().all(&is_any);
        for (column, against) in other.iter().enumerate().rev() {
            row[column] = if is_any(part) || is_any(against) {
                below[column] || row[column + 1]
            } else {
                let is_end = place + 1 == one.len() || column + 1 == other.len();
                is_same(part, against) && ((ends == Ends::Either && is_end) || below[column + 1])
            };
        }
        below = row;
    }
    below[0]
}

/// The paths that a task writes, as far as its plan says; sorted and without repeats. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct WriteSet(EcoVec<PathPattern>);

impl WriteSet {
    /// Returns whether the plan says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the patterns in order.
    pub fn iter(&self) -> impl Iterator<Item = &PathPattern> {
        self.0.iter()
    }

    /// Returns whether some file could be written by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.iter().any(|one| other.iter().any(|another| one.overlaps(another)))
    }
}

impl From<Vec<PathPattern>> for WriteSet {
    fn from(mut patterns: Vec<PathPattern>) -> Self {
        patterns.sort_unstable();
        patterns.dedup();
        Self(patterns.into())
    }
}

/// Reads what was stored. A field of that name that a plan had for a purpose of its own, before it had a meaning here, says
/// nothing.
impl<'de> Deserialize<'de> for WriteSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = serde_json::Value::deserialize(deserializer)?;
        let patterns = stored.as_array().map(Vec::as_slice).unwrap_or_default().iter();
        let patterns = patterns.map(|pattern| PathPattern::new(pattern.as_str()?).ok());
        Ok(patterns.collect::<Option<Vec<_>>>().unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::new(text).unwrap()
    }

    #[test]
    fn patterns_overlap_where_a_file_could_match_both() {
        for (one, other, do_overlap) in [
            ("src/lib.rs", "src/lib.rs", true),
            ("src/lib.rs", "./src/lib.rs", true),
            ("src/lib.rs", "src/main.rs", false),
            ("src/", "src/deep/lib.rs", true),
            ("src", "src/lib.rs", true),
            ("src", "srcs/lib.rs", false),
            ("src/*.rs", "src/lib.rs", true),
            ("src/*.rs", "src/deep/lib.rs", false),
            ("src/*.rs", "src/l*", true),
            ("src/a*.rs", "src/b*.rs", false),
            ("src/a?c", "src/abc", true),
            ("src/a?c", "src/ac", false),
            ("**/Cargo.toml", "crates/engine/Cargo.toml", true),
            ("**/Cargo.toml", "Cargo.toml", true),
            ("**/Cargo.toml", "src/main.rs", false),
            ("crates/**/tests/", "crates/engine/tests/one.rs", true),
            ("crates/**/tests/", "crates/engine/src/", true),
            ("crates/*/src/", "crates/engine/Cargo.toml", false),
            ("**", "any/thing", true),
            ("docs/", "crates/", false),
        ] {
            let (one, other) = (pattern(one), pattern(other));
            assert_eq!(one.overlaps(&other), do_overlap, "{one} and {other}");
            assert_eq!(other.overlaps(&one), do_overlap, "{other} and {one}");
        }
    }

    #[test]
    fn what_leaves_the_repository_is_no_pattern() {
        for text in ["", "/", "/etc", "../x", "a/../b", "a//b", "a/./b", "a\nb"] {
            assert!(PathPattern::new(text).is_err(), "{text:?}");
        }
        assert!(PathPattern::new(&"x".repeat(BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_was_stored_under_the_name_for_another_purpose_says_nothing() {
        for stored in ["7", "\"all\"", "[\"/etc\"]", "[1]", "{\"a\": 1}"] {
            assert!(serde_json::from_str::<WriteSet>(stored).unwrap().is_empty(), "{stored}");
        }
        let set: WriteSet = vec![pattern("b/"), pattern("a"), pattern("a")].into();
        assert_eq!(serde_json::from_str::<WriteSet>(&serde_json::to_string(&set).unwrap()).unwrap(), set);
    }

    /// Returns whether a path matches, by trying out every way: slow, and plainly right.
    fn matches(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**", rest @ ..], _) if matches(rest, path) => true,
            (["**", ..], [_, below @ ..]) => matches(pattern, below),
            ([name, rest @ ..], [own, below @ ..]) => {
                let (name, own): (Vec<char>, Vec<char>) = (name.chars().collect(), own.chars().collect());
                name_matches(&name, &own) && matches(rest, below)
            }
            _ => false,
        }
    }

    fn name_matches(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) if name_matches(rest, name) => true,
            (['*', ..], [_, below @ ..]) => name_matches(pattern, below),
            (['?', rest @ ..], [_, below @ ..]) => name_matches(rest, below),
            ([one, rest @ ..], [own, below @ ..]) => one == own && name_matches(rest, below),
            _ => false,
        }
    }

    proptest! {
        /// A file that matches both patterns shows that they overlap.
        #[test]
        fn no_common_file_is_missed(
            one in "(a|b|\\*|\\?|\\*\\*|a\\*)(/(a|ab|\\*b|\\?|\\*\\*)){0,2}",
            other in "(a|b|\\*|\\?|\\*\\*|a\\*)(/(a|ab|\\*b|\\?|\\*\\*)){0,2}",
            path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
        ) {
            let split = |text| -> Vec<&str> { str::split(text, '/').collect() };
            if matches(&split(&one), &split(&path)) && matches(&split(&other), &split(&path)) {
                prop_assert!(pattern(&one).overlaps(&pattern(&other)), "{path}");
            }
        }
    }
}
