//! What an agent can do and a task asks for.

use std::fmt;
use std::sync::Arc;

use ecow::EcoVec;
use serde::{Deserialize, Serialize};

/// One ability, such as `rust` or `database`, if need be with a version or a count: `node@20.1` and `gpu*4` are what an agent has,
/// `node>=18` and `gpu*2` what a task asks for. Cheap to clone.
///
/// Equal only if written alike; [`CapabilitySet::covers`] says what does for what. A count is how many there are at all: what
/// several tasks of one agent use together is not added up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capability(Arc<str>);

impl Capability {
    /// Returns the ability of that name, without surrounding white space.
    pub fn new(name: &str) -> Self {
        Self(name.trim().into())
    }

    /// Returns it as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether one who has this can do what asks for `required`, which is written otherwise.
    fn does_for(&self, required: &Self) -> bool {
        // Nearly all that differ are of other names, which is to be told without taking them apart.
        let is_plain = |text: &str| !text.contains(['*', '@', '>']);
        if self.0.as_bytes().first() != required.0.as_bytes().first()
            || is_plain(&self.0) && is_plain(&required.0)
        {
            return false;
        }
        let (has, asked) = (Parts::of(&self.0), Parts::of(&required.0));
        let is_new_enough = match (asked.version, has.version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(Version::Exactly(asked)), Some(Version::Exactly(has))) => is_same_version(has, asked),
            (Some(Version::Exactly(_)), Some(Version::AtLeast(_))) => false,
            (Some(Version::AtLeast(asked)), Some(Version::Exactly(has) | Version::AtLeast(has))) => {
                numbers(has) >= numbers(asked)
            }
        };
        has.name == asked.name && is_new_enough && has.count >= asked.count
    }
}

/// What an ability says. What is not a version or a count is a part of the name.
struct Parts<'a> {
    name: &'a str,
    version: Option<Version<'a>>,
    count: u32,
}

enum Version<'a> {
    Exactly(&'a str),
    AtLeast(&'a str),
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let count = |(name, count): (&'a str, &'a str)| Some((name.trim_end(), count.trim().parse().ok()?));
        let (text, count) = text.rsplit_once('*').and_then(count).unwrap_or((text, 1));
        let exactly = |(name, version)| (name, Version::Exactly(version));
        let versioned = match text.split_once(">=") {
            Some((name, version)) => Some((name, Version::AtLeast(version))),
            None => text.rsplit_once('@').map(exactly),
        };
        let is_version = |version: &str| version.trim().starts_with(|first: char| first.is_ascii_digit());
        match versioned {
            Some((name, Version::Exactly(version) | Version::AtLeast(version)))
                if name.trim().is_empty() || !is_version(version) =>
            {
                Self { name: text, version: None, count }
            }
            Some((name, version)) => Self { name: name.trim_end(), version: Some(version), count },
            None => Self { name: text, version: None, count },
        }
    }
}

/// Returns whether two versions are one: by their numbers, or as they are written where there is more to them.
fn is_same_version(one: &str, other: &str) -> bool {
    let is_numeric = |version: &str| version.trim().split('.').all(|part| part.parse::<u64>().is_ok());
    match is_numeric(one) && is_numeric(other) {
        true => numbers(one) == numbers(other),
        false => one.trim() == other.trim(),
    }
}

/// Returns the numbers of a version, so that 1.10 comes after 1.9: up to the first part that is more than a number, of which the
/// digits at its beginning count. Zeros at the end do not.
fn numbers(version: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    for part in version.trim().split('.') {
        let digits = part.len() - part.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let Ok(number) = part[..digits].parse() else { break };
        numbers.push(number);
        if digits < part.len() {
            break;
        }
    }
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A set of abilities, sorted and without repeats. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Capability>", into = "Vec<Capability>")]
pub struct CapabilitySet(EcoVec<Capability>);

impl CapabilitySet {
    /// Returns whether this set has every ability of `required`, in the version and number asked for: one without either is had
    /// by whoever has it in any.
    pub fn covers(&self, required: &Self) -> bool {
        required.0.iter().all(|capability| self.has(capability))
    }

    /// Returns the abilities of `required` that this set lacks.
    pub fn missing(&self, required: &Self) -> Vec<Capability> {
        required.0.iter().filter(|capability| !self.has(capability)).cloned().collect()
    }

    /// Returns the abilities of this set that are of no use to who asks for `required`.
    pub fn beyond(&self, required: &Self) -> Vec<Capability> {
        let serves = |own: &Capability| {
            required.0.binary_search(own).is_ok() || required.0.iter().any(|asked| own.does_for(asked))
        };
        self.0.iter().filter(|own| !serves(own)).cloned().collect()
    }

    fn has(&self, required: &Capability) -> bool {
        // As a rule they are written alike.
        self.0.binary_search(required).is_ok() || self.0.iter().any(|own| own.does_for(required))
    }

    /// Returns the abilities in order.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.0.iter()
    }

    /// Returns how many abilities there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Capability>> for CapabilitySet {
    fn from(mut capabilities: Vec<Capability>) -> Self {
        capabilities.retain(|capability| !capability.as_str().is_empty());
        capabilities.sort_unstable();
        capabilities.dedup();
        Self(capabilities.into())
    }
}

impl From<CapabilitySet> for Vec<Capability> {
    fn from(set: CapabilitySet) -> Self {
        set.0.into_iter().collect()
    }
}

impl<'a> FromIterator<&'a str> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        names.into_iter().map(Capability::new).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_covers_what_it_holds_and_names_what_it_lacks() {
        let agent: CapabilitySet = ["rust", "database", "rust"].into_iter().collect();
        let task: CapabilitySet = ["rust", "security"].into_iter().collect();
        assert_eq!(agent.len(), 2);
        assert!(agent.covers(&CapabilitySet::default()));
        assert!(!agent.covers(&task));
        assert_eq!(agent.missing(&task), [Capability::new("security")]);
    }

    #[test]
    fn versions_and_counts_are_compared_as_numbers() {
        let agent: CapabilitySet = ["node@20.10", "gpu * 4", "rust", "c++"].into_iter().collect();
        let lacks = |asked: &str| !agent.covers(&[asked].into_iter().collect());
        for asked in [
            "node",
            "node>=18",
            "node >= 20.9",
            "node>=20.10.0",
            "node@20.10",
            "gpu",
            "gpu*2",
            "gpu*4",
            "c++",
        ] {
            assert!(!lacks(asked), "{asked}");
        }
        for asked in
            ["node>=20.11", "node>=21", "node@20.1", "gpu*5", "rust>=1.80", "rust*2", "node>=x", "nod", "c"]
        {
            assert!(lacks(asked), "{asked}");
        }
    }

    #[test]
    fn a_version_that_is_more_than_numbers_is_another_one() {
        let agent: CapabilitySet = ["node@18-alpine", "cuda@12rc1"].into_iter().collect();
        let covers = |asked: &str| agent.covers(&[asked].into_iter().collect());
        assert!(covers("node@18-alpine") && covers("node>=18") && covers("cuda>=12") && covers("cuda>=11.8"));
        assert!(
            !covers("node@20-alpine") && !covers("node@18") && !covers("node>=18.1") && !covers("cuda@12")
        );
    }

    #[test]
    fn what_serves_a_task_is_not_beyond_it() {
        let [agent, task]: [CapabilitySet; 2] =
            [vec!["node@20.1", "gpu*4", "rust"], vec!["node>=18", "gpu*2"]]
                .map(|names| names.into_iter().collect());
        assert_eq!(agent.beyond(&task), [Capability::new("rust")]);
    }

    #[test]
    fn what_is_no_version_or_count_is_a_name() {
        for name in ["@scope/tool", "a*b", "mail@home", ">=3", "*", "a>=", "x@"] {
            let set: CapabilitySet = [name].into_iter().collect();
            assert!(set.covers(&set), "{name}");
            assert!(!set.covers(&["other"].into_iter().collect()), "{name}");
        }
        let own: CapabilitySet = ["a*b"].into_iter().collect();
        assert!(
            !own.covers(&["a"].into_iter().collect()),
            "a name is not taken apart where there is no number"
        );
    }

    /// Bounds count the work of all that asks for at least as much.
    #[test]
    fn what_asks_for_more_asks_for_less_too() {
        let [more, less]: [CapabilitySet; 2] =
            [["node>=20", "gpu*4"], ["node>=18", "gpu*2"]].map(|names| names.into_iter().collect());
        assert!(more.covers(&less) && !less.covers(&more));
    }
}
