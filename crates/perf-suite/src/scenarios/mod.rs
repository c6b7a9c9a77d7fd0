//! What is measured.

mod loading;

pub use loading::Loading;

use crate::scenario::Scenario;

/// Returns every scenario, in the order in which they run.
pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Loading)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<_> = all().iter().map(|scenario| scenario.id()).collect();
        assert_eq!(ids.len(), all().len());
    }
}
