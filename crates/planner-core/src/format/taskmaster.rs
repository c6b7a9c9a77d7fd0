//! Taskmaster: one JSON file, of one list of tasks or of several under their tags.
//!
//! - A task with `subtasks` is a group; the subtask 3 of the task 12 is the task `12.3`.
//! - A dependency of a subtask that is a number is on its sibling; with a dot, on any subtask. Ids may be numbers or texts; those
//!   that are no numbers stand for themselves everywhere.
//! - Of several tags one is read: the one asked for, else `master`, else the first; the others are kept in the plan's field
//!   `other_tags`, the name of the one that was read in `tag`.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::node::{Node, NodeValue};
use super::reader::{Reader, TaskPlaces};
use super::status::{Meaning, StatusRule};
use super::{ReadError, empty_plan};
use crate::diagnostic::{Diagnostic, quoted};
use crate::{Dependency, Exclusion, Plan, Standing, Task, TaskId};

/// What the status of a task or subtask means.
pub const TASKMASTER_RULES: &[StatusRule] = &[
    StatusRule::new("status", "pending", Meaning::Pending),
    StatusRule::new("status", "in-progress", Meaning::Pending),
    StatusRule::new("status", "review", Meaning::Pending),
    StatusRule::new("status", "blocked", Meaning::Pending),
    StatusRule::new("status", "done", Meaning::Completed),
    StatusRule::new("status", "completed", Meaning::Completed),
    StatusRule::new("status", "deferred", Meaning::OnHold),
    StatusRule::new("status", "cancelled", Meaning::Excluded(Exclusion::Cancelled)),
];

const DEFAULT_TAG: &str = "master";
const FILE_EXAMPLE: &str = "write `{\"tasks\": [...]}`, or tags with such maps";

pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    root: Node<'_>,
    tag: Option<&str>,
) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(name);
    let Some(root) = choose_tag(reader, &mut plan, root, tag)? else {
        return Ok(plan);
    };
    let Some(mut fields) = reader.fields(root, "the file", FILE_EXAMPLE) else {
        return Ok(plan);
    };
    let tasks = fields.take(&["tasks"]);
    plan.extra.extend(fields.rest_of_plan());
    // Depth first and in order, so that a task comes right before its subtasks.
    let mut open: Vec<(Node<'_>, Option<TaskId>)> = Vec::new();
    push_reversed(reader, &mut open, tasks, None);
    while let Some((node, group)) = open.pop() {
        task(reader, node, group, &mut open)?;
    }
    Ok(plan)
}

/// Returns the map that holds the tasks of the tag; that of the whole file where it has none.
fn choose_tag<'t>(
    reader: &mut Reader<'_>,
    plan: &mut Plan,
    root: Node<'t>,
    tag: Option<&str>,
) -> Result<Option<Node<'t>>, ReadError> {
    if root.get("tasks").is_some_and(|tasks| matches!(tasks.value, NodeValue::List(_))) {
        return match tag {
            None => Ok(Some(root)),
            Some(tag) => Err(ReadError::UnknownTag { tag: tag.to_owned(), tags: vec!["no tags".to_owned()] }),
        };
    }
    let span = root.span;
    let NodeValue::Map(mut members) = root.value else {
        let kind = root.kind();
        reader.bad_value(span, FILE_EXAMPLE, || format!("the file must be a map, but this is {kind}"));
        return Ok(None);
    };
    let holds_tasks = |node: &Node<'_>| node.get("tasks").is_some();
    let place = match tag {
        Some(tag) => members.iter().position(|member| member.key == tag && holds_tasks(&member.node)),
        None => members
            .iter()
            .position(|member| member.key == DEFAULT_TAG && holds_tasks(&member.node))
            .or_else(|| members.iter().position(|member| holds_tasks(&member.node))),
    };
    let Some(place) = place else {
        let tags = members.iter().filter(|member| holds_tasks(&member.node));
        let tags: Vec<String> = tags.map(|member| quoted(&member.key)).collect();
        return match tag {
            Some(tag) => Err(ReadError::UnknownTag { tag: tag.to_owned(), tags }),
            None => {
                reader.error("no-tasks", span, "the file", || "the file has no tasks".to_owned());
                Ok(None)
            }
        };
    };
    let chosen = members.remove(place);
    let others = members.iter().filter(|member| holds_tasks(&member.node)).count();
    if others > 0 && tag.is_none() {
        reader.diagnostics.push("other-tags", || {
            let message = format!("the tag {} was read; there are {others} more", quoted(&chosen.key));
            Diagnostic::note("other-tags", message).at(chosen.key_span, "read").help("--tag chooses another")
        });
    }
    if chosen.key != DEFAULT_TAG {
        plan.name = format!("{}-{}", plan.name, quoted(&chosen.key).trim_matches('`'));
    }
    plan.extra.insert("tag".to_owned(), Value::String(chosen.key.into_owned()));
    if !members.is_empty() {
        let others = members.into_iter().map(|member| (member.key.into_owned(), member.node.into_json()));
        plan.extra.insert("other_tags".to_owned(), Value::Object(others.collect()));
    }
    Ok(Some(chosen.node))
}

fn push_reversed<'t>(
    reader: &mut Reader<'_>,
    open: &mut Vec<(Node<'t>, Option<TaskId>)>,
    tasks: Option<Node<'t>>,
    group: Option<&TaskId>,
) {
    let nodes = tasks.map(|node| reader.list(node)).unwrap_or_default();
    open.extend(nodes.into_iter().rev().map(|node| (node, group.cloned())));
}

fn task<'t>(
    reader: &mut Reader<'_>,
    node: Node<'t>,
    group: Option<TaskId>,
    open: &mut Vec<(Node<'t>, Option<TaskId>)>,
) -> Result<(), ReadError> {
    let Some(mut fields) = reader.fields(node, "a task", "write `{\"id\": 1, \"title\": \"...\"}`") else {
        return Ok(());
    };
    let subtasks = fields.take(&["subtasks"]);
    let Some(id_node) = fields.take(&["id"]) else {
        reader.error("missing-id", fields.span, "this task", || "the task has no id".to_owned());
        return Ok(());
    };
    let mut places = TaskPlaces { id: id_node.span, parent: Some(id_node.span), ..TaskPlaces::default() };
    let mut kept = Map::new();
    if !matches!(&id_node.value, NodeValue::Number(number) if number.is_u64()) {
        kept.insert("source_id".to_owned(), id_node.clone().into_json());
    }
    let Some(id) = reader.id(id_node, "id").and_then(|id| within(reader, &id, group.as_ref(), places.id))
    else {
        return Ok(());
    };
    push_reversed(reader, open, subtasks, Some(&id));
    let mut task = Task::untitled(id);
    if let Some(title) = fields.take(&["title"]) {
        task.title = reader.optional_text(Some(title), "title");
    }
    task.description = reader.optional_text(fields.take(&["description"]), "description");
    let dependencies = fields.take(&["dependencies"]);
    if let Some(node) = dependencies.as_ref().filter(|node| !is_canonical(node)) {
        kept.insert("source_dependencies".to_owned(), node.clone().into_json());
    }
    (task.dependencies, places.dependencies) = reader.dependencies(dependencies, "dependencies");
    if let Some(group) = &group {
        for dependency in &mut task.dependencies {
            if let Some(sibling) = within(reader, &dependency.on, Some(group), places.id) {
                *dependency = Dependency { on: sibling, when: dependency.when };
            }
        }
    }
    task.parent = group;
    if let Some(node) = fields.take(&["priority"]) {
        task.priority = reader.priority(node, "priority").unwrap_or_default();
    }
    places.status = fields.peek("status").map(|node| node.span);
    task.standing = standing(reader, &fields, &task);
    task.extra = fields.rest_of_task();
    task.extra.extend(kept);
    reader.add(task, places)
}

/// Returns the full id of a subtask: of a number, what follows from that of its task; else its own.
fn within(
    reader: &mut Reader<'_>,
    id: &TaskId,
    group: Option<&TaskId>,
    place: super::Span,
) -> Option<TaskId> {
    match group {
        Some(group) if id.as_str().bytes().all(|byte| byte.is_ascii_digit()) => {
            match TaskId::new(&format!("{group}.{id}")) {
                Ok(full) => Some(full),
                Err(error) => {
                    reader
                        .error("invalid-id", place, "this id", || super::reader::escaped(&error.to_string()));
                    None
                }
            }
        }
        _ => Some(id.clone()),
    }
}

/// Returns whether each dependency is written as it is when nothing else is known: as a number, or with a dot as a text.
fn is_canonical(dependencies: &Node<'_>) -> bool {
    match &dependencies.value {
        NodeValue::List(nodes) => nodes.iter().all(|node| match &node.value {
            NodeValue::Number(number) => number.is_u64(),
            NodeValue::Text(text) => text.contains('.'),
            _ => false,
        }),
        _ => false,
    }
}

/// Returns where the task stands; its status stays readable among the kept fields.
fn standing(reader: &mut Reader<'_>, fields: &Fields<'_>, task: &Task) -> Standing {
    let Some(node) = fields.peek("status").filter(|node| node.value != NodeValue::Null).cloned() else {
        return Standing::Pending;
    };
    let span = node.span;
    let status = reader.optional_text(Some(node), "status");
    let written = status.replace(['_', ' '], "-");
    match reader.meaning("status", &written) {
        Some(meaning) => meaning.standing(),
        None => {
            reader.warning("unknown-status", span, "taken as pending", || {
                format!("the status {} of {} is not known", quoted(&status), quoted(task.id.as_str()))
            });
            Standing::Pending
        }
    }
}
