//! beads: one issue a line, as JSON; or a folder of tables, with dependencies, labels and comments in files of their own.
//!
//! - `blocks` and `waits-for` are dependencies (on a group: on all of it), `conditional-blocks` one on failure;
//! - `parent-child` (also written `parent_child`) is the parent; a second one is kept as a relation, with a warning;
//! - every other relation, and what points into another project, is kept in the task's field `relations`.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::fields::Fields;
use super::input::{InputText, TextFile};
use super::json;
use super::node::{Node, NodeValue, Span};
use super::reader::{Reader, TaskPlaces};
use super::status::{Meaning, StatusRule};
use super::{ReadError, empty_plan};
use crate::diagnostic::{Diagnostic, quoted};
use crate::{Dependency, Exclusion, Plan, Standing, Task, TaskId, When};

/// What the statuses and types of an issue mean. A tombstone is one whatever its type; a type that is no work is excluded
/// whatever its status.
pub const BEADS_RULES: &[StatusRule] = &[
    StatusRule::new("status", "open", Meaning::Pending),
    StatusRule::new("status", "in_progress", Meaning::Pending),
    StatusRule::new("status", "blocked", Meaning::Pending),
    StatusRule::new("status", "hooked", Meaning::Pending),
    StatusRule::new("status", "closed", Meaning::Completed),
    StatusRule::new("status", "deferred", Meaning::OnHold),
    StatusRule::new("status", "pinned", Meaning::OnHold),
    StatusRule::new("status", "tombstone", Meaning::Excluded(Exclusion::Tombstone)),
    StatusRule::new("issue_type", "task", Meaning::Work),
    StatusRule::new("issue_type", "bug", Meaning::Work),
    StatusRule::new("issue_type", "feature", Meaning::Work),
    StatusRule::new("issue_type", "epic", Meaning::Work),
    StatusRule::new("issue_type", "chore", Meaning::Work),
    StatusRule::new("issue_type", "decision", Meaning::Work),
    StatusRule::new("issue_type", "molecule", Meaning::Work),
    StatusRule::new("issue_type", "spike", Meaning::Work),
    StatusRule::new("issue_type", "story", Meaning::Work),
    StatusRule::new("issue_type", "milestone", Meaning::Work),
    StatusRule::new("issue_type", "message", Meaning::Excluded(Exclusion::Message)),
    StatusRule::new("issue_type", "event", Meaning::Excluded(Exclusion::Event)),
    StatusRule::new("issue_type", "agent", Meaning::Excluded(Exclusion::Agent)),
    StatusRule::new("issue_type", "role", Meaning::Excluded(Exclusion::Agent)),
    StatusRule::new("issue_type", "rig", Meaning::Excluded(Exclusion::Agent)),
    StatusRule::new("issue_type", "convoy", Meaning::Excluded(Exclusion::Message)),
    StatusRule::new("issue_type", "merge-request", Meaning::Excluded(Exclusion::Message)),
    StatusRule::new("issue_type", "gate", Meaning::Excluded(Exclusion::Gate)),
    StatusRule::new("is_template", "true", Meaning::Excluded(Exclusion::Template)),
];

pub(super) fn read(reader: &mut Reader<'_>, input: &InputText) -> Result<Plan, ReadError> {
    let mut tables = Tables::default();
    let is_dump = input.files().len() > 1;
    if is_dump {
        for file in input.files().iter().filter(|file| !file.path.ends_with("issues.jsonl")) {
            tables.take(reader, input, file)?;
        }
    }
    for file in input.files().iter().filter(|file| !is_dump || file.path.ends_with("issues.jsonl")) {
        for_each_line(reader, input, file, |reader, node| entry(reader, node, &mut tables))?;
    }
    drop_lost_parents(reader);
    Ok(empty_plan(input.source.name()))
}

/// Reads a file of one value a line; a line that is none is told and passed over.
fn for_each_line<'i>(
    reader: &mut Reader<'_>,
    input: &'i InputText,
    file: &TextFile,
    mut take: impl FnMut(&mut Reader<'_>, Node<'i>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let limits = reader.limits();
    let mut start = file.range.start;
    for (number, line) in input.text()[file.range.clone()].split_inclusive('\n').enumerate() {
        let trimmed = line.trim_end();
        if trimmed.len() > limits.line_bytes_max {
            return Err(ReadError::LineTooLong {
                line: number + 1,
                bytes: trimmed.len(),
                limit: limits.line_bytes_max,
            });
        }
        if !trimmed.is_empty() {
            match json::read_document(trimmed, start, limits.depth()) {
                Ok(node) => take(reader, node)?,
                Err(error) => reader.error("unreadable-line", error.span, "here", || {
                    format!("line {} is no JSON: {}", number + 1, error.message)
                }),
            }
        }
        start += line.len();
    }
    Ok(())
}

/// What the tables of a dump say about issues, beside the table of the issues.
#[derive(Default)]
struct Tables<'t> {
    dependencies: HashMap<String, Vec<Node<'t>>>,
    labels: HashMap<String, Vec<Value>>,
    comments: HashMap<String, Vec<Value>>,
}

impl<'t> Tables<'t> {
    fn take(
        &mut self,
        reader: &mut Reader<'_>,
        input: &'t InputText,
        file: &TextFile,
    ) -> Result<(), ReadError> {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if !matches!(name, "dependencies.jsonl" | "labels.jsonl" | "comments.jsonl") {
            return Ok(());
        }
        for_each_line(reader, input, file, |_, node| {
            let Some(NodeValue::Text(issue)) = node.get("issue_id").map(|node| &node.value) else {
                return Ok(());
            };
            let issue = issue.clone().into_owned();
            match name {
                "dependencies.jsonl" => self.dependencies.entry(issue).or_default().push(node),
                "labels.jsonl" => {
                    let label = node.get("label").cloned().map(Node::into_json);
                    self.labels.entry(issue).or_default().extend(label);
                }
                _ => self.comments.entry(issue).or_default().push(node.into_json()),
            }
            Ok(())
        })
    }

    /// Returns the dependencies that the issue states itself and those of the table.
    fn dependencies_of(&mut self, issue: &TaskId, own: Option<Node<'t>>) -> Option<Node<'t>> {
        let Some(mut rows) = self.dependencies.remove(issue.as_str()) else { return own };
        if let Some(Node { value: NodeValue::List(own), .. }) = own {
            rows.extend(own);
        }
        Some(Node::list(rows.first().map_or(Span::default(), |row| row.span), rows))
    }

    /// Adds the labels and comments of the tables to the kept fields of the issue.
    fn complete(&mut self, task: &mut Task) {
        let id = task.id.as_str();
        let tables = [("labels", self.labels.remove(id)), ("comments", self.comments.remove(id))];
        for (field, values) in tables {
            if let Some(values) = values {
                task.extra.insert(field, Value::Array(values));
            }
        }
    }
}

/// Exports leave out short-lived issues but not the relations to them: a child of one has no parent.
fn drop_lost_parents(reader: &mut Reader<'_>) {
    if reader.tasks.iter().all(|task| task.parent.is_none()) {
        return;
    }
    let known: HashSet<TaskId> = reader.tasks.iter().map(|task| task.id.clone()).collect();
    for index in 0..reader.tasks.len() {
        let is_lost = |parent: &mut TaskId| !known.contains(parent);
        if let Some(parent) = reader.tasks[index].parent.take_if(is_lost) {
            let places = reader.places_of(index);
            let span = places.parent.unwrap_or(places.id);
            let task = &mut reader.tasks[index];
            let id = task.id.clone();
            let relation = take_record(task, &parent).unwrap_or_else(
                || serde_json::json!({"issue_id": id, "depends_on_id": parent, "type": "parent-child"}),
            );
            match task.extra.get_mut("relations") {
                Some(Value::Array(relations)) => relations.push(relation),
                _ => task.extra.insert("relations", Value::Array(vec![relation])),
            }
            reader.warning("lost-parent", span, "left out", || {
                format!(
                    "the parent {} of {} is not in the file",
                    quoted(parent.as_str()),
                    quoted(id.as_str())
                )
            });
        }
    }
}

/// Takes the record that says who the parent is, if there is one.
fn take_record(task: &mut Task, parent: &TaskId) -> Option<Value> {
    let Some(Value::Array(records)) = task.extra.get_mut("records") else { return None };
    let place = records.iter().position(|record| {
        let is_parent = record["type"].as_str().is_some_and(|kind| kind.starts_with("parent"));
        is_parent && record["depends_on_id"] == parent.as_str()
    })?;
    let record = records.remove(place);
    if records.is_empty() {
        task.extra.remove("records");
    }
    Some(record)
}

fn entry<'t>(reader: &mut Reader<'_>, node: Node<'t>, tables: &mut Tables<'t>) -> Result<(), ReadError> {
    reader.begin_entry();
    let Some(mut fields) =
        reader.fields(node, "an issue", "write `{\"id\": \"...\"}` and what else there is to say")
    else {
        return Ok(());
    };
    let line = fields.span;
    if let Some(kind) = fields.take(&["_type"]) {
        let kind = reader.optional_text(Some(kind), "_type");
        if !kind.eq_ignore_ascii_case("issue") {
            reader.diagnostics.push("no-issue", || {
                Diagnostic::note("no-issue", format!("a line of the type {} was passed over", quoted(&kind)))
                    .at(line, "this line")
            });
            return Ok(());
        }
    }
    let Some(id_node) = fields.take(&["id"]) else {
        reader.error("missing-id", line, "this line", || "the issue has no id".to_owned());
        return Ok(());
    };
    let mut places = TaskPlaces { id: id_node.span, ..TaskPlaces::default() };
    let Some(id) = reader.id(id_node, "id") else {
        return Ok(());
    };
    let mut task = Task::untitled(id);
    if let Some(title) = fields.take(&["title"]) {
        task.title = reader.optional_text(Some(title), "title");
    }
    task.description = reader.optional_text(fields.take(&["description"]), "description");
    if let Some(node) = fields.take(&["priority"]) {
        task.priority = reader.priority(node, "priority").unwrap_or_default();
    }
    if let Some(node) = fields.take(&["estimated_minutes"]) {
        places.effort = Some(node.span);
        task.effort = reader.effort_of_minutes(&node, "estimated_minutes");
    }
    places.status = fields.peek("status").map(|node| node.span);
    task.standing = standing(reader, &mut fields, &task);
    let dependencies = tables.dependencies_of(&task.id, fields.take(&["dependencies"]));
    let (relations, records) = relations(reader, dependencies, &mut task, &mut places);
    task.extra = fields.rest_of_task();
    tables.complete(&mut task);
    for (field, values) in [("relations", relations), ("records", records)] {
        if !values.is_empty() {
            task.extra.insert(field, Value::Array(values));
        }
    }
    reader.add(task, places)
}

/// Returns where the issue stands. The status and the type stay readable among the kept fields.
fn standing(reader: &mut Reader<'_>, fields: &mut Fields<'_>, task: &Task) -> Standing {
    let (status, status_span) = text_of(reader, fields, "status");
    let (kind, _) = text_of(reader, fields, "issue_type");
    let template = matches!(fields.peek("is_template").map(|node| &node.value), Some(NodeValue::Bool(true)));
    if status.eq_ignore_ascii_case("tombstone") {
        return reader.meaning("status", &status).map_or(Standing::Pending, Meaning::standing);
    }
    if let Some(meaning @ Meaning::Excluded(_)) = reader.meaning("issue_type", &kind) {
        return meaning.standing();
    }
    if template {
        return reader.meaning("is_template", "true").map_or(Standing::Pending, Meaning::standing);
    }
    if status.is_empty() {
        return Standing::Pending;
    }
    if let Some(meaning) = reader.meaning("status", &status) {
        return meaning.standing();
    }
    reader.warning("unknown-status", status_span, "taken as pending", || {
        format!("the status {} of {} is not known", quoted(&status), quoted(task.id.as_str()))
    });
    Standing::Pending
}

fn text_of(reader: &mut Reader<'_>, fields: &Fields<'_>, name: &str) -> (String, Span) {
    match fields.peek(name).cloned() {
        Some(node) => {
            let span = node.span;
            (reader.optional_text(Some(node), name), span)
        }
        None => (String::new(), fields.span),
    }
}

/// Returns what a record that says nothing but "this issue waits for that one" names.
fn plain_target<'n, 't>(record: &'n Node<'t>, issue: &TaskId) -> Option<&'n Node<'t>> {
    let NodeValue::Map(members) = &record.value else { return None };
    let [own, on, kind] = members.as_slice() else { return None };
    let says = |node: &Node<'_>, text: &str| matches!(&node.value, NodeValue::Text(own) if own == text);
    let is_plain = (own.key == "issue_id" && on.key == "depends_on_id" && kind.key == "type")
        && says(&own.node, issue.as_str())
        && says(&kind.node, "blocks");
    let is_near = matches!(&on.node.value, NodeValue::Text(text) if !text.starts_with("external:"));
    (is_plain && is_near).then_some(&on.node)
}

/// Takes the dependencies and the parent, and returns the other relations as they were, and the records of those that were
/// taken where they say more than from what to what.
fn relations(
    reader: &mut Reader<'_>,
    node: Option<Node<'_>>,
    task: &mut Task,
    places: &mut TaskPlaces,
) -> (Vec<Value>, Vec<Value>) {
    let mut kept = Vec::new();
    let mut records = Vec::new();
    for node in node.map(|node| reader.list(node)).unwrap_or_default() {
        if let Some(target) = plain_target(&node, &task.id) {
            if let Some(on) = reader.id(target.clone(), "depends_on_id") {
                task.dependencies.push(Dependency { on, when: When::Completed });
                if reader.remembers_places() {
                    places.dependencies.push(target.span);
                }
            }
            continue;
        }
        let Some(mut fields) =
            reader.fields(node.clone(), "a dependency", "write `{\"depends_on_id\": \"...\"}`")
        else {
            continue;
        };
        let kind = match fields.take(&["type"]) {
            Some(kind) => reader.optional_text(Some(kind), "type"),
            None => "blocks".to_owned(),
        };
        let target = fields.take(&["depends_on_id"]);
        let owner = fields.take(&["issue_id"]).map(|owner| reader.optional_text(Some(owner), "issue_id"));
        let when = match kind.as_str() {
            "blocks" | "waits-for" | "parent-child" | "parent_child" => When::Completed,
            "conditional-blocks" => When::Failed,
            _ => {
                kept.push(node.into_json());
                continue;
            }
        };
        let Some(target) = target else {
            reader.bad_value(node.span, "write the id of the other issue as `depends_on_id`", || {
                "a dependency names no `depends_on_id`".to_owned()
            });
            continue;
        };
        if owner.is_some_and(|owner| !owner.is_empty() && owner != task.id.as_str()) {
            reader.warning("foreign-relation", node.span, "left out", || {
                format!("a dependency of another issue is written in {}", quoted(task.id.as_str()))
            });
            kept.push(node.into_json());
            continue;
        }
        let span = target.span;
        let is_external = matches!(&target.value, NodeValue::Text(text) if text.starts_with("external:"));
        if is_external {
            reader.warning("external-dependency", span, "left out", || {
                format!("{} depends on something in another project", quoted(task.id.as_str()))
            });
            kept.push(node.into_json());
            continue;
        }
        let Some(on) = reader.id(target, "depends_on_id") else {
            continue;
        };
        let is_plain = matches!(kind.as_str(), "blocks" | "parent-child" | "conditional-blocks");
        let is_parent = kind.starts_with("parent");
        if (!is_plain || fields.unread().next().is_some()) && (!is_parent || task.parent.is_none()) {
            records.push(node.clone().into_json());
        }
        if !is_parent {
            task.dependencies.push(Dependency { on, when });
            if reader.remembers_places() {
                places.dependencies.push(span);
            }
        } else if task.parent.is_none() {
            task.parent = Some(on);
            places.parent = Some(span);
        } else if task.parent.as_ref() != Some(&on) {
            reader.warning("second-parent", span, "left out", || {
                format!("{} has more than one parent; the first one counts", quoted(task.id.as_str()))
            });
            kept.push(node.into_json());
        }
    }
    // The order of the records means nothing; with the parent's at the end it is always the same.
    records
        .sort_by_key(|record: &Value| record["type"].as_str().is_some_and(|kind| kind.starts_with("parent")));
    (kept, records)
}
