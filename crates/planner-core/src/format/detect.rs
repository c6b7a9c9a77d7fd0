//! Which format a text is in, told by the text itself; its name decides only where the text leaves it open.

use super::json;
use super::node::{Node, NodeValue, SyntaxError};
use super::{Format, Limits, ReadError};

/// What a text was found to be, with the tree where finding out meant reading all of it.
pub(super) enum Detected<'t> {
    Tree(Format, Node<'t>),
    Text(Format),
    /// JSON by its first character, but not by the others.
    BrokenJson(SyntaxError),
}

pub(super) fn detect<'t>(
    name: &str,
    text: &'t str,
    offset: usize,
    limits: &Limits,
) -> Result<Detected<'t>, ReadError> {
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if !text.trim_start().starts_with(['{', '[']) || (ending == "toml" && text.trim_start().starts_with('['))
    {
        let format = if ending != "yaml" && ending != "yml" && looks_like_toml(text) {
            Format::Toml
        } else {
            Format::Yaml
        };
        return Ok(Detected::Text(format));
    }
    // A line too long is refused before it is looked at.
    let first_line = text.trim_start().lines().next().unwrap_or_default();
    if ending == "jsonl" && first_line.len() > limits.line_bytes_max {
        return Ok(Detected::Text(Format::Beads));
    }
    match json::read_value(text, offset, limits.depth()) {
        Ok((node, end)) if text[end..].trim().is_empty() => {
            shape(&node).map(|format| Detected::Tree(format, node))
        }
        Ok(_) => Ok(Detected::Text(Format::Beads)),
        Err(_) if ending == "jsonl" => Ok(Detected::Text(Format::Beads)),
        Err(_) if ending == "yaml" || ending == "yml" => Ok(Detected::Text(Format::Yaml)),
        Err(_) if ending != "json" && looks_like_toml(text) => Ok(Detected::Text(Format::Toml)),
        Err(error) => Ok(Detected::BrokenJson(error)),
    }
}

/// Returns the format of a JSON document.
fn shape(node: &Node<'_>) -> Result<Format, ReadError> {
    let unknown = |found: &str| Err(ReadError::UnknownFormat { found: found.to_owned() });
    match (&node.value, node.get("tasks").map(|tasks| &tasks.value)) {
        (_, Some(NodeValue::Map(_))) => Ok(Format::SuperPlannerState),
        (_, Some(NodeValue::List(tasks))) => {
            let is_taskmaster =
                |task: &Node<'_>| task.get("testStrategy").or_else(|| task.get("subtasks")).is_some();
            if matches!(node.get("project").map(|project| &project.value), Some(NodeValue::Map(_))) {
                Ok(Format::SuperPlannerProject)
            } else if tasks.iter().any(is_taskmaster) {
                unknown("a Taskmaster file")
            } else {
                Ok(Format::Json)
            }
        }
        (NodeValue::List(_), None) => Ok(Format::Json),
        (NodeValue::Map(members), None) => {
            let is_issue = node.get("id").is_some() && node.get("status").is_some();
            if is_issue || node.get("_type").is_some() {
                Ok(Format::Beads)
            } else if members.iter().any(|member| member.node.get("tasks").is_some()) {
                unknown("a Taskmaster file")
            } else {
                unknown("JSON without `tasks`")
            }
        }
        _ => unknown("JSON that is neither a map nor a list"),
    }
}

/// Returns whether the first line that says something is a table header or `key = value`.
fn looks_like_toml(text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let first = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).take(1);
    first.into_iter().any(|line| {
        let is_header = line.starts_with('[') && line.trim_end_matches([' ', '\t']).ends_with(']');
        let is_key = |key: &str| {
            !key.is_empty()
                && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | ' '))
        };
        is_header || line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()))
    })
}
