//! What to do where two results changed the same places: by path, and by default nothing but to tell.
//!
//! The policy comes from the caller. Attributes of the repository, which anybody can commit, are not asked.

use std::fmt;
use std::str::FromStr;

use crate::merge_driver::MergeDriver;

/// How conflicts are resolved, by path. By default none is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergePolicy {
    rules: Vec<(PathPattern, Resolution)>,
}

/// What becomes of a path in conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is left to an agent: the result does not land, and the conflict is data.
    Return,
    /// What the branch has stays.
    Ours,
    /// What the result has comes.
    Theirs,
    /// Of a text in which both changed the same lines, both versions of these lines are kept, the branch's first. Fit for
    /// lists of lines; any other conflict is left to an agent.
    Union,
    /// A program merges two files of one mode; what it cannot merge, and any other conflict, is left to an agent.
    Driver(MergeDriver),
}

/// Which paths a rule is for: a path in which `*` stands for anything but `/`, and `**` for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(String);

/// Why a text is not a pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a pattern of paths: it is empty, longer than {BYTES_MAX} bytes, or has more than {STARS_MAX} stars"
)]
pub struct InvalidPattern {
    /// The text, at most 80 characters of it.
    pub text: String,
}

/// The longest pattern.
const BYTES_MAX: usize = 1024;
/// Each star can be matched in many ways; this bounds the work for one path.
const STARS_MAX: usize = 8;

impl MergePolicy {
    /// Returns the policy with these rules, of which the first that is for a path counts.
    #[must_use]
    pub fn new(rules: Vec<(PathPattern, Resolution)>) -> Self {
        Self { rules }
    }

    pub(crate) fn resolution_of(&self, path: &[u8]) -> &Resolution {
        let rule = self.rules.iter().find(|(pattern, _)| matches(pattern.0.as_bytes(), path));
        rule.map_or(&Resolution::Return, |(_, resolution)| resolution)
    }
}

impl PathPattern {
    /// Returns the pattern that is for every path.
    #[must_use]
    pub fn all() -> Self {
        Self("**".to_owned())
    }

    /// Returns whether the pattern is for a path.
    #[must_use]
    pub fn is_for(&self, path: &str) -> bool {
        matches(self.0.as_bytes(), path.as_bytes())
    }
}

impl FromStr for PathPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let stars = text.replace("**", "*").matches('*').count();
        if text.is_empty() || text.len() > BYTES_MAX || stars > STARS_MAX {
            return Err(InvalidPattern { text: text.chars().take(80).collect() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|at| matches(rest, &path[at..])),
        [b'*', rest @ ..] => {
            let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
            (0..=end).any(|at| matches(rest, &path[at..]))
        }
        [byte, rest @ ..] => path.first() == Some(byte) && matches(rest, &path[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, expected) in [
            ("a", "a", true),
            ("a", "a/b", false),
            ("*.md", "x.md", true),
            ("*.md", "dir/x.md", false),
            ("**.md", "dir/x.md", true),
            ("docs/**", "docs/a/b", true),
            ("docs/**", "docs2/a", false),
            ("docs/*/x", "docs/a/x", true),
            ("docs/*/x", "docs/a/b/x", false),
            ("**/lock", "a/b/lock", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} and {path}");
        }
        for text in ["", &"x".repeat(BYTES_MAX + 1), "*/*/*/*/*/*/*/*/*"] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_rule_for_a_path_counts() {
        let rule = |text: &str, resolution| (text.parse().unwrap(), resolution);
        let policy =
            MergePolicy::new(vec![rule("a/keep", Resolution::Return), rule("a/**", Resolution::Ours)]);
        assert_eq!(policy.resolution_of(b"a/keep"), &Resolution::Return);
        assert_eq!(policy.resolution_of(b"a/\xff"), &Resolution::Ours);
        assert_eq!(policy.resolution_of(b"b"), &Resolution::Return);
    }
}
