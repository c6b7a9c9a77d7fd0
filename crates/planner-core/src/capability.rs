//! What an agent can do and a task asks for.

use std::fmt;
use std::sync::Arc;

use ecow::EcoVec;
use serde::{Deserialize, Serialize};

/// One ability, such as `rust` or `database`; compared as written. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capability(Arc<str>);

impl Capability {
    /// Returns the ability of that name, without surrounding white space.
    pub fn new(name: &str) -> Self {
        Self(name.trim().into())
    }

    /// Returns its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    /// Returns whether every ability of `required` is in this set.
    pub fn covers(&self, required: &Self) -> bool {
        required.0.iter().all(|capability| self.0.binary_search(capability).is_ok())
    }

    /// Returns the abilities of `required` that this set lacks.
    pub fn missing(&self, required: &Self) -> Vec<Capability> {
        required.0.iter().filter(|capability| self.0.binary_search(capability).is_err()).cloned().collect()
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
}
