//! The tables of the configuration that say how results come to their branch and where agents work.

use agent_coordinator::MessageStyle;
use git_ops::{MergeDriver, MergePolicy, PathPattern, Resolution};
use serde::Serialize;
use serde_json::Value;

/// What becomes of conflicts at the paths of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConflictRule {
    paths: String,
    #[serde(flatten)]
    decision: Decision,
    #[serde(skip)]
    rule: (PathPattern, Resolution),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Resolve(&'static str),
    Driver(Vec<String>),
}

/// The ways to resolve a conflict without a program.
const RESOLUTIONS: [(&str, Resolution); 4] = [
    ("return", Resolution::Return),
    ("ours", Resolution::Ours),
    ("theirs", Resolution::Theirs),
    ("union", Resolution::Union),
];

/// Returns the policy of rules, of which the first that is for a path counts.
pub(crate) fn policy(rules: &[ConflictRule]) -> MergePolicy {
    MergePolicy::new(rules.iter().map(|rule| rule.rule.clone()).collect())
}

/// Reads `landing.check`: the words of a command.
pub(crate) fn check(value: &Value) -> Result<Option<Vec<String>>, String> {
    let words = words(value).filter(|words| words.first().is_some_and(|program| !program.is_empty()));
    words.map(Some).ok_or_else(|| "a command, as a list of words such as [\"cargo\", \"test\"]".to_owned())
}

/// Reads `landing.message`: the pattern for first lines.
pub(crate) fn message(value: &Value) -> Result<MessageStyle, String> {
    let text = value.as_str().ok_or("a text such as \"{type}({project}): {title}\"")?;
    text.parse().map_err(|error: agent_coordinator::InvalidStyle| {
        format!("a pattern such as \"{{type}}({{project}}): {{title}}\": {error}")
    })
}

/// Reads `landing.conflicts`: a list of tables.
pub(crate) fn conflicts(value: &Value) -> Result<Vec<ConflictRule>, String> {
    let shape = "a list of tables with `paths` and either `resolve` or `driver`";
    value.as_array().ok_or(shape)?.iter().map(conflict_rule).collect()
}

fn conflict_rule(value: &Value) -> Result<ConflictRule, String> {
    let shape = || "a list of tables with `paths` and either `resolve` or `driver`".to_owned();
    let table = value.as_object().ok_or_else(shape)?;
    let paths = table.get("paths").and_then(Value::as_str).ok_or_else(shape)?;
    let pattern: PathPattern = paths.parse().map_err(|error: git_ops::InvalidPattern| error.to_string())?;
    let (decision, resolution) = match (table.get("resolve"), table.get("driver"), table.len()) {
        (Some(name), None, 2) => {
            let found = RESOLUTIONS.iter().find(|(known, _)| name.as_str() == Some(known));
            let (known, resolution) =
                found.ok_or("`resolve` being one of \"return\", \"ours\", \"theirs\" and \"union\"")?;
            (Decision::Resolve(known), resolution.clone())
        }
        (None, Some(command), 2) => {
            let words = words(command).ok_or("`driver` being a list of words")?;
            let driver = MergeDriver::new(words.clone()).map_err(|error| error.to_string())?;
            (Decision::Driver(words), Resolution::Driver(driver))
        }
        _ => return Err(shape()),
    };
    Ok(ConflictRule { paths: paths.to_owned(), decision, rule: (pattern, resolution) })
}

/// Reads `worktrees.paths`: a list of patterns.
pub(crate) fn paths(value: &Value) -> Result<Vec<PathPattern>, String> {
    let words = words(value).ok_or("a list of patterns such as [\"src/**\"]")?;
    words
        .iter()
        .map(|word| word.parse().map_err(|error: git_ops::InvalidPattern| error.to_string()))
        .collect()
}

/// Reads `worktrees.folder`: an absolute path.
pub(crate) fn folder(value: &Value) -> Result<Option<String>, String> {
    let path = value.as_str().filter(|path| path.starts_with('/'));
    path.map(|path| Some(path.to_owned())).ok_or_else(|| "a path that begins at the root".to_owned())
}

/// Reads `worktrees.bytes_max`: a whole number.
pub(crate) fn bytes(value: &Value) -> Result<u64, String> {
    value.as_u64().filter(|bytes| *bytes > 0).ok_or_else(|| "a whole number from 1 on".to_owned())
}

fn words(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|word| Some(word.as_str()?.to_owned())).collect()
}
