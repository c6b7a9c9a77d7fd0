//! Methods in a data file: how goals of a known kind are broken down.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Ask, Decomposer, Part};

/// What the program ships with.
const SHIPPED: &str = include_str!("../../data/methods.yaml");

/// The kinds of goals that are known, and how each is broken down.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Methods {
    kinds: Vec<Kind>,
    methods: HashMap<String, Vec<Step>>,
    /// What a goal may ask for by name.
    features: HashMap<String, Feature>,
}

/// Why a file holds no methods.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMethods {
    /// It is no YAML of that shape.
    #[error("the methods cannot be read: {0}")]
    Syntax(String),
    /// It names something that is not there.
    #[error("{place} names `{name}`, which is not there")]
    Unknown {
        /// What names it.
        place: String,
        /// What is not there.
        name: String,
    },
}

/// A kind of goal.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    /// The words of which a goal of this kind has one; the kind without any is for all others.
    #[serde(default)]
    words: Vec<String>,
    method: String,
    /// The features that such a thing has, whether the goal names them or not.
    features: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    title: String,
    /// The features that it builds on.
    #[serde(default)]
    after: Vec<String>,
}

/// A step of a method: a task, a task that another method breaks down, or one such for each feature.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    key: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default)]
    method: Option<String>,
    /// The method that breaks each feature down.
    #[serde(default)]
    for_each_feature: Option<String>,
    #[serde(default)]
    hours: Option<f64>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    done_when: Vec<String>,
}

impl Methods {
    /// Returns the methods that the program ships with: applications for the web, services, command-line tools, libraries.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("the shipped methods are sound: a test reads them")
    }

    /// Returns the methods of a YAML text.
    pub fn parse(text: &str) -> Result<Self, InvalidMethods> {
        let methods: Self =
            serde_saphyr::from_str(text).map_err(|error| InvalidMethods::Syntax(error.to_string()))?;
        methods.check()?;
        Ok(methods)
    }

    fn check(&self) -> Result<(), InvalidMethods> {
        let unknown =
            |place: String, name: &str| Err(InvalidMethods::Unknown { place, name: name.to_owned() });
        for kind in &self.kinds {
            if !self.methods.contains_key(&kind.method) {
                return unknown(format!("the kind {:?}", kind.words), &kind.method);
            }
            if let Some(name) = kind.features.iter().find(|name| !self.features.contains_key(*name)) {
                return unknown(format!("the kind {:?}", kind.words), name);
            }
        }
        for (name, feature) in &self.features {
            if let Some(before) = feature.after.iter().find(|before| !self.features.contains_key(*before)) {
                return unknown(format!("the feature `{name}`"), before);
            }
        }
        for (name, steps) in &self.methods {
            for step in steps {
                let mut used = step.method.iter().chain(&step.for_each_feature);
                if let Some(method) = used.find(|method| !self.methods.contains_key(*method)) {
                    return unknown(format!("the step `{}` of `{name}`", step.key), method);
                }
                if let Some(key) = step.after.iter().find(|key| !steps.iter().any(|other| other.key == **key))
                {
                    return unknown(format!("the step `{}` of `{name}`", step.key), key);
                }
            }
        }
        Ok(())
    }

    /// Returns the kind of the goal: the one with the most words in it, else the one without words.
    fn kind(&self, goal: &str) -> Option<&Kind> {
        let goal = goal.to_lowercase();
        let score = |kind: &Kind| kind.words.iter().filter(|word| goal.contains(word.as_str())).count();
        let named = self.kinds.iter().filter(|kind| score(kind) > 0).max_by_key(|kind| score(kind));
        named.or_else(|| self.kinds.iter().find(|kind| kind.words.is_empty()))
    }

    /// Returns the features of the goal: those that it names, with what they build on, and those that its kind has anyway.
    fn features_of(&self, goal: &str) -> Vec<&str> {
        let goal = goal.to_lowercase();
        let of_kind = self.kind(&goal).map(|kind| kind.features.clone()).unwrap_or_default();
        let is_wanted = |name: &str, feature: &Feature| {
            of_kind.iter().any(|own| own == name)
                || goal.contains(&feature.title.to_lowercase())
                || goal.contains(&name.replace('-', " "))
        };
        let mut wanted: Vec<&str> = self
            .features
            .iter()
            .filter(|(name, feature)| is_wanted(name, feature))
            .map(|(name, _)| name.as_str())
            .collect();
        let mut next = 0;
        while let Some(name) = wanted.get(next).copied() {
            next += 1;
            for before in &self.features[name].after {
                if !wanted.contains(&before.as_str()) {
                    wanted.push(before);
                }
            }
        }
        wanted.sort_unstable();
        wanted
    }

    /// Returns the method that breaks the asked task down, and the name that its titles are filled with.
    fn method_of(&self, ask: &Ask<'_>) -> Option<(&[Step], String)> {
        let kind = self.kind(ask.goal)?;
        let mut method = kind.method.as_str();
        let mut name = ask.goal.to_owned();
        for key in ask.keys {
            let steps = &self.methods[method];
            if let Some(step) = steps.iter().find(|step| step.key == *key) {
                method = step.method.as_deref()?;
            } else {
                let step = steps.iter().find(|step| step.for_each_feature.is_some())?;
                method = step.for_each_feature.as_deref()?;
                name = self.features.get(key)?.title.clone();
            }
        }
        Some((&self.methods[method], name))
    }
}

impl Decomposer for Methods {
    fn parts(&mut self, ask: &Ask<'_>) -> Result<Vec<Part>, String> {
        let Some((steps, name)) = self.method_of(ask) else {
            return Ok(Vec::new());
        };
        let features = self.features_of(ask.goal);
        // A step that stands for features is, for those that come after it, all of them.
        let keys_of = |key: &String| -> Vec<String> {
            let step = steps.iter().find(|step| step.key == *key);
            match step.is_some_and(|step| step.for_each_feature.is_some()) {
                true => features.iter().map(|feature| (*feature).to_owned()).collect(),
                false => vec![key.clone()],
            }
        };
        let mut parts = Vec::new();
        for step in steps {
            let after: Vec<String> = step.after.iter().flat_map(keys_of).collect();
            if step.for_each_feature.is_none() {
                parts.push(Part {
                    key: step.key.clone(),
                    title: step.title.replace("{name}", &name),
                    description: String::new(),
                    after,
                    effort_hours: step.hours,
                    capabilities: step.needs.clone(),
                    acceptance: step.done_when.iter().map(|text| text.replace("{name}", &name)).collect(),
                    compound: step.method.is_some(),
                });
                continue;
            }
            for feature in &features {
                let Feature { title, after: builds_on } = &self.features[*feature];
                parts.push(Part {
                    key: (*feature).to_owned(),
                    title: step.title.replace("{name}", title),
                    after: after.iter().chain(builds_on).cloned().collect(),
                    compound: true,
                    ..Part::default()
                });
            }
        }
        Ok(parts)
    }
}
