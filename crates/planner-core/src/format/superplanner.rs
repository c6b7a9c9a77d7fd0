//! The two JSON shapes of the planner that came before this one, and the contradictions that such files hold.
//!
//! A *project file* has a `project`, a list of `tasks` and `expected_outcomes`; a *state file* has a map of `tasks`. What a
//! project file states about itself is compared with what it holds, reported, and not believed.

use std::collections::{BTreeMap, HashMap};

use super::fields::Fields;
use super::node::{Node, NodeValue, Span};
use super::reader::{Reader, TaskPlaces};
use super::status::{Meaning, StatusRule};
use super::{ReadError, empty_plan};
use crate::diagnostic::quoted;
use crate::{Effort, Exclusion, Plan, Standing, Task};

/// What the status of a task in a project file means.
pub const PROJECT_RULES: &[StatusRule] = &[
    StatusRule::new("status", "NOT_STARTED", Meaning::Pending),
    StatusRule::new("status", "ASSIGNED", Meaning::Pending),
    StatusRule::new("status", "IN_PROGRESS", Meaning::Pending),
    StatusRule::new("status", "BLOCKED", Meaning::Pending),
    StatusRule::new("status", "COMPLETED", Meaning::Completed),
    StatusRule::new("status", "CANCELLED", Meaning::Excluded(Exclusion::Cancelled)),
];

/// What the state of a task in a state file means.
pub const STATE_RULES: &[StatusRule] = &[
    StatusRule::new("state", "pending", Meaning::Pending),
    StatusRule::new("state", "in_progress", Meaning::Pending),
    StatusRule::new("state", "testing", Meaning::Pending),
    StatusRule::new("state", "test_failed", Meaning::Pending),
    StatusRule::new("state", "blocked", Meaning::Pending),
    StatusRule::new("state", "completed", Meaning::Completed),
];

const FILE_EXAMPLE: &str = "write `{\"tasks\": ...}`, or name the file's format";
const TASK_EXAMPLE: &str = "write `{\"id\": \"...\"}` and what else there is to say";

pub(super) fn read_project(reader: &mut Reader<'_>, name: &str, root: Node<'_>) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(name);
    let Some(mut fields) = reader.fields(root, "the file", FILE_EXAMPLE) else {
        return Ok(plan);
    };
    if let Some(project) = fields
        .take(&["project"])
        .and_then(|node| reader.fields(node, "`project`", "write `{\"name\": \"...\"}`"))
    {
        take_name(reader, &mut plan, project);
    }
    for node in fields.take(&["tasks"]).map(|node| reader.list(node)).unwrap_or_default() {
        if let Some(fields) = reader.fields(node, "a task", TASK_EXAMPLE) {
            project_task(reader, fields)?;
        }
    }
    if let Some(expected) = fields.peek("expected_outcomes").cloned() {
        compare(reader, &expected);
    }
    plan.extra.extend(fields.rest_of_plan());
    Ok(plan)
}

pub(super) fn read_state(reader: &mut Reader<'_>, name: &str, root: Node<'_>) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(name);
    let Some(mut fields) = reader.fields(root, "the file", FILE_EXAMPLE) else {
        return Ok(plan);
    };
    let tasks = fields.take(&["tasks"]);
    take_name(reader, &mut plan, fields);
    let Some(NodeValue::Map(members)) = tasks.map(|node| node.value) else {
        return Ok(plan);
    };
    for member in members {
        let Some(mut fields) = reader.fields(member.node, "a task", TASK_EXAMPLE) else {
            continue;
        };
        let id = fields
            .take(&["id"])
            .unwrap_or(Node { span: member.key_span, value: NodeValue::Text(member.key.clone()) });
        if !matches!(&id.value, NodeValue::Text(id) if *id == member.key) {
            reader.warning("id-is-not-its-key", id.span, "this id counts", || {
                format!("the task under {} has another id", quoted(&member.key))
            });
        }
        state_task(reader, fields, id)?;
    }
    Ok(plan)
}

/// Takes the name and the description, and keeps everything else.
fn take_name(reader: &mut Reader<'_>, plan: &mut Plan, mut fields: Fields<'_>) {
    if let Some(name) = fields.take(&["name"]) {
        plan.name = reader.optional_text(Some(name), "name");
    }
    plan.description = reader.optional_text(fields.take(&["description"]), "description");
    plan.extra.extend(fields.rest_of_plan());
}

fn project_task(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Result<(), ReadError> {
    let Some(id) = fields.take(&["id"]) else {
        reader.error("missing-id", fields.span, "this task", || "the task has no id".to_owned());
        return Ok(());
    };
    let Some((mut task, mut places)) = named_task(reader, &mut fields, id, "name") else {
        return Ok(());
    };
    (task.dependencies, places.dependencies) =
        reader.dependencies(fields.take(&["dependencies"]), "dependencies");
    if let Some(node) = fields.take(&["priority"]) {
        task.priority = reader.priority(node, "priority").unwrap_or_default();
    }
    if let Some(node) = fields.take(&["estimated_effort"]) {
        places.effort = Some(node.span);
        task.effort = reader.effort(&node, "estimated_effort");
    }
    task.capabilities = reader.capabilities(fields.take(&["capabilities_required"]), "capabilities_required");
    places.status = fields.peek("status").map(|node| node.span);
    task.standing = standing(reader, &fields, "status");
    task.extra = fields.rest_of_task();
    reader.add(task, places)
}

fn state_task(reader: &mut Reader<'_>, mut fields: Fields<'_>, id: Node<'_>) -> Result<(), ReadError> {
    let Some((mut task, mut places)) = named_task(reader, &mut fields, id, "title") else {
        return Ok(());
    };
    (task.dependencies, places.dependencies) =
        reader.dependencies(fields.take(&["depends_on"]), "depends_on");
    let command = fields.take(&["test_command"]);
    let is_blank = |node: &Node<'_>| matches!(&node.value, NodeValue::Text(text) if text.trim().is_empty());
    task.check = command.filter(|node| !is_blank(node)).and_then(|node| reader.check(node)).map(Box::new);
    places.status = fields.peek("state").map(|node| node.span);
    task.standing = standing(reader, &fields, "state");
    task.extra = fields.rest_of_task();
    reader.add(task, places)
}

/// Takes what the tasks of both shapes have.
fn named_task(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    id: Node<'_>,
    title: &str,
) -> Option<(Task, TaskPlaces)> {
    let mut places = TaskPlaces { id: id.span, ..TaskPlaces::default() };
    let mut task = Task::new(reader.id(id, "id")?);
    if let Some(node) = fields.take(&[title]) {
        task.title = reader.optional_text(Some(node), title);
    }
    task.description = reader.optional_text(fields.take(&["description"]), "description");
    if let Some(node) = fields.take(&["parent_id"]) {
        places.parent = Some(node.span);
        task.parent = reader.id(node, "parent_id");
    }
    Some((task, places))
}

/// Returns where the task stands; its status stays readable among the kept fields.
fn standing(reader: &mut Reader<'_>, fields: &Fields<'_>, field: &str) -> Standing {
    let Some(node) = fields.peek(field).filter(|node| node.value != NodeValue::Null).cloned() else {
        return Standing::Pending;
    };
    let span = node.span;
    let status = reader.optional_text(Some(node), field);
    match reader.meaning(field, &status) {
        Some(meaning) => meaning.standing(),
        None => {
            reader.warning("unknown-status", span, "taken as pending", || {
                format!("the status {} is not known", quoted(&status))
            });
            Standing::Pending
        }
    }
}

/// Compares what the file says about itself with what it holds.
fn compare(reader: &mut Reader<'_>, expected: &Node<'_>) {
    let total: Effort = reader.tasks.iter().filter_map(|task| task.effort).sum();
    let count = reader.tasks.len() as f64;
    compare_number(reader, expected.get("total_tasks"), "tasks", count);
    compare_number(reader, expected.get("total_effort"), "hours of effort", total.as_hours());

    let mut asked: BTreeMap<String, f64> = BTreeMap::new();
    for capability in reader.tasks.iter().flat_map(|task| task.capabilities.iter()) {
        *asked.entry(capability.as_str().to_owned()).or_default() += 1.0;
    }
    if let Some(NodeValue::Map(stated)) = expected.get("capabilities_distribution").map(|node| &node.value) {
        for member in stated {
            let held = asked.get(member.key.as_ref()).copied().unwrap_or(0.0);
            let what = format!("tasks that ask for {}", quoted(&member.key));
            compare_number(reader, Some(&member.node), &what, held);
        }
    }
    if let Some(path) = expected.get("critical_path") {
        compare_path(reader, path);
    }
}

fn compare_number(reader: &mut Reader<'_>, stated: Option<&Node<'_>>, what: &str, held: f64) {
    let Some(node) = stated else { return };
    let NodeValue::Number(number) = &node.value else {
        return;
    };
    if number.as_f64() != Some(held) {
        reader.warning("stated-total-is-wrong", node.span, "stated here", || {
            format!("the file states {number} {what}, but holds {held}")
        });
    }
}

/// Warns where a stated critical path is no chain of dependencies.
fn compare_path(reader: &mut Reader<'_>, path: &Node<'_>) {
    let NodeValue::List(steps) = &path.value else {
        return;
    };
    let tasks: HashMap<&str, &Task> = reader.tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let name = |node: &Node<'_>| match &node.value {
        NodeValue::Text(text) => text.clone().into_owned(),
        _ => String::new(),
    };
    let broken: Option<(Span, String, String)> = steps.windows(2).find_map(|pair| {
        let (before, after) = (name(&pair[0]), name(&pair[1]));
        let waits = tasks
            .get(after.as_str())
            .is_some_and(|task| task.dependencies.iter().any(|dependency| dependency.on.as_str() == before));
        (!waits).then_some((pair[1].span, before, after))
    });
    if let Some((span, before, after)) = broken {
        reader.warning("stated-path-is-no-chain", span, "stated here", || {
            format!(
                "the stated critical path is no chain of dependencies: {} does not depend on {}",
                quoted(&after),
                quoted(&before)
            )
        });
    }
}
