//! Taskmaster: a tagged file. Groups become tasks with subtasks; the ids of subtasks lose what their task says already.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Written;
use super::foreign::{Part, depth_first, kept_fields, losses, status};
use crate::format::TASKMASTER_RULES;
use crate::{Plan, Priority, Task, TaskId};

const PARTS_UNSAID: [Part; 7] = [
    Part::Effort,
    Part::Capabilities,
    Part::Check,
    Part::Landing,
    Part::Approval,
    Part::Writes,
    Part::Limits,
];

pub(super) fn write(plan: &Plan) -> Written {
    let order = depth_first(plan);
    let ids: HashMap<&TaskId, usize> =
        plan.tasks.iter().enumerate().rev().map(|(place, task)| (&task.id, place)).collect();
    // From the end, so that subtasks are ready before their task.
    let mut subtasks: HashMap<usize, Vec<Value>> = HashMap::new();
    let mut tasks = Vec::new();
    for (place, depth) in order.iter().rev() {
        let task = &plan.tasks[*place];
        let mut own = subtasks.remove(place).unwrap_or_default();
        own.reverse();
        let parent = task.parent.as_ref().filter(|_| *depth > 0);
        let value = entry(task, parent, own);
        match parent.and_then(|parent| ids.get(parent)) {
            Some(parent) => subtasks.entry(*parent).or_default().push(value),
            None => tasks.push(value),
        }
    }
    tasks.reverse();
    let mut inner =
        kept_fields(plan.extra.iter().map(|(key, value)| (key.as_str(), value)), &["tag", "other_tags"]);
    inner.insert("tasks".to_owned(), Value::Array(tasks));
    let file = match plan.extra.get("tag").and_then(Value::as_str) {
        Some(tag) => {
            let mut file =
                plan.extra.get("other_tags").and_then(Value::as_object).cloned().unwrap_or_default();
            file.insert(tag.to_owned(), Value::Object(inner));
            Value::Object(file)
        }
        // A file that never had a tag gets none.
        None => Value::Object(inner),
    };
    Written::text(format!("{file:#}\n"), losses(plan, &PARTS_UNSAID))
}

fn entry(task: &Task, parent: Option<&TaskId>, subtasks: Vec<Value>) -> Value {
    let own = ["id", "dependencies", "source_id", "source_dependencies", "status"];
    let mut entry: Map<String, Value> = kept_fields(task.extra.iter(), &own);
    let id = task.extra.get("source_id").cloned().unwrap_or_else(|| short(&task.id, parent));
    entry.insert("id".to_owned(), id);
    entry.insert("title".to_owned(), json!(task.title));
    entry.insert("description".to_owned(), json!(task.description));
    if let Some(status) = status(task, "status", TASKMASTER_RULES) {
        entry.insert("status".to_owned(), json!(status));
    }
    if parent.is_none() || task.priority != Priority::default() {
        entry.insert("priority".to_owned(), json!(task.priority));
    }
    entry.insert("dependencies".to_owned(), dependencies(task, parent));
    if parent.is_none() || !subtasks.is_empty() {
        entry.insert("subtasks".to_owned(), Value::Array(subtasks));
    }
    Value::Object(entry)
}

/// Returns the dependencies as they were written, if they still are the same.
fn dependencies(task: &Task, parent: Option<&TaskId>) -> Value {
    if let Some(Value::Array(written)) = task.extra.get("source_dependencies") {
        let meant = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match parent {
                Some(parent) if text.bytes().all(|byte| byte.is_ascii_digit()) => format!("{parent}.{text}"),
                _ => text,
            }
        };
        let own = task.dependencies.iter().map(|dependency| dependency.on.as_str());
        if own.eq(written.iter().map(meant)) {
            return Value::Array(written.clone());
        }
    }
    task.dependencies.iter().map(|dependency| short(&dependency.on, parent)).collect()
}

/// Returns an id as a number where it is one: a sibling's without the id of their task.
fn short(id: &TaskId, parent: Option<&TaskId>) -> Value {
    let text = id.as_str();
    let own = parent.and_then(|parent| text.strip_prefix(parent.as_str())?.strip_prefix('.')).unwrap_or(text);
    let is_sibling = own.len() < text.len();
    match own.parse::<u64>() {
        // A number that is no sibling's would be taken for one.
        Ok(number) if own == number.to_string() && (is_sibling || parent.is_none()) => json!(number),
        _ => json!(text),
    }
}
