//! Claude Code: a folder of tasks, one JSON file each; `blocks` and `blockedBy` say the same from both sides.

use std::collections::{HashMap, HashSet};

use super::input::InputText;
use super::json;
use super::node::{Node, NodeValue};
use super::reader::{Reader, TaskPlaces};
use super::status::{Meaning, StatusRule};
use super::{ReadError, empty_plan};
use crate::diagnostic::quoted;
use crate::{Dependency, Exclusion, Plan, Standing, Task, TaskId};

/// What the status of a task means.
pub const CLAUDE_RULES: &[StatusRule] = &[
    StatusRule::new("status", "pending", Meaning::Pending),
    StatusRule::new("status", "in_progress", Meaning::Pending),
    StatusRule::new("status", "completed", Meaning::Completed),
    StatusRule::new("status", "deleted", Meaning::Excluded(Exclusion::Tombstone)),
];

/// A task that says what waits for it.
struct Blocks {
    task: TaskId,
    blocked: Vec<(Dependency, super::Span)>,
}

pub(super) fn read(reader: &mut Reader<'_>, input: &InputText) -> Result<Plan, ReadError> {
    let depth = reader.limits().depth();
    let mut blocks = Vec::new();
    for file in input.files().iter().filter(|file| file.path.ends_with(".json") || input.files().len() == 1) {
        let text = &input.text()[file.range.clone()];
        match json::read_document(text, file.range.start, depth) {
            Ok(node) => blocks.extend(task(reader, node)?),
            Err(error) if input.files().len() == 1 => return Err(input.broken(&error)),
            Err(error) => reader.error("unreadable-file", error.span, "here", || {
                format!("the file {} is no JSON: {}", quoted(&file.path), error.message)
            }),
        }
    }
    apply(reader, blocks);
    Ok(empty_plan(input.source.name()))
}

fn task(reader: &mut Reader<'_>, node: Node<'_>) -> Result<Option<Blocks>, ReadError> {
    let Some(mut fields) = reader.fields(node, "a task", "write `{\"id\": \"1\", \"subject\": \"...\"}`")
    else {
        return Ok(None);
    };
    let Some(id_node) = fields.take(&["id"]) else {
        reader.error("missing-id", fields.span, "this task", || "the task has no id".to_owned());
        return Ok(None);
    };
    let mut places = TaskPlaces { id: id_node.span, ..TaskPlaces::default() };
    let Some(id) = reader.id(id_node, "id") else {
        return Ok(None);
    };
    let mut task = Task::new(id.clone());
    task.title = reader.optional_text(fields.take(&["subject"]), "subject");
    task.description = reader.optional_text(fields.take(&["description"]), "description");
    (task.dependencies, places.dependencies) = reader.dependencies(fields.take(&["blockedBy"]), "blockedBy");
    let mut blocked = Vec::new();
    for node in fields.take(&["blocks"]).map(|node| reader.list(node)).unwrap_or_default() {
        let span = node.span;
        blocked.extend(reader.id(node, "blocks").map(|on| (Dependency::on_completion(on), span)));
    }
    places.status = fields.peek("status").map(|node| node.span);
    if let Some(node) = fields.peek("status").filter(|node| node.value != NodeValue::Null).cloned() {
        let span = node.span;
        let status = reader.optional_text(Some(node), "status");
        task.standing = match reader.meaning("status", &status) {
            Some(meaning) => meaning.standing(),
            None => {
                reader.warning("unknown-status", span, "taken as pending", || {
                    format!("the status {} of {} is not known", quoted(&status), quoted(id.as_str()))
                });
                Standing::Pending
            }
        };
    }
    task.extra = fields.rest_of_task();
    reader.add(task, places)?;
    Ok((!blocked.is_empty()).then_some(Blocks { task: id, blocked }))
}

/// Writes into the blocked tasks what the others say of them and they do not say themselves.
fn apply(reader: &mut Reader<'_>, blocks: Vec<Blocks>) {
    let places: HashMap<TaskId, usize> =
        reader.tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place)).collect();
    let mut known: HashSet<(usize, TaskId)> = HashSet::new();
    for (place, task) in reader.tasks.iter().enumerate() {
        known.extend(task.dependencies.iter().map(|dependency| (place, dependency.on.clone())));
    }
    for Blocks { task, blocked } in blocks {
        for (blocked, span) in blocked {
            let Some(place) = places.get(&blocked.on).copied() else {
                reader.warning("unknown-blocked-task", span, "left out", || {
                    format!(
                        "{} blocks {}, which is not there",
                        quoted(task.as_str()),
                        quoted(blocked.on.as_str())
                    )
                });
                continue;
            };
            if known.insert((place, task.clone())) {
                reader.tasks[place].dependencies.push(Dependency::on_completion(task.clone()));
                if let Some(places) = reader.places.get_mut(place) {
                    places.dependencies.push(span);
                }
            }
        }
    }
}
