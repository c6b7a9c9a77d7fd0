//! Backlog.md: a folder of tasks, one Markdown file each, with YAML front matter.
//!
//! - Where a task stands is told by its folder (`completed`, `archive`, `drafts`), else by its status: the last of the
//!   statuses that `config.yml` names is the one that means done.
//! - Ids are the same whatever their case, their prefix and the zeros that fill their numbers; a dependency on `task-7.01` is
//!   on `BACK-7.1`, if there is one.
//! - The text below the front matter is kept as `body`; the description in it is the task's. The file is kept as `file`.

use std::collections::HashMap;

use serde_json::Value;

use super::fields::Fields;
use super::input::{InputText, TextFile};
use super::node::{Node, NodeValue, Span};
use super::reader::{Reader, TaskPlaces};
use super::status::{Meaning, StatusRule};
use super::{ReadError, empty_plan, yaml};
use crate::diagnostic::{Diagnostic, quoted};
use crate::{Dependency, Exclusion, Plan, Priority, Standing, Task, TaskId};

/// What the folder and, in other folders, the usual statuses mean. A status of which the table knows nothing is pending.
pub const BACKLOG_RULES: &[StatusRule] = &[
    StatusRule::new("folder", "completed", Meaning::Completed),
    StatusRule::new("folder", "archive", Meaning::Excluded(Exclusion::Cancelled)),
    StatusRule::new("folder", "drafts", Meaning::OnHold),
    StatusRule::new("status", "draft", Meaning::OnHold),
    StatusRule::new("status", "to do", Meaning::Pending),
    StatusRule::new("status", "in progress", Meaning::Pending),
    StatusRule::new("status", "done", Meaning::Completed),
];

pub(super) fn read(reader: &mut Reader<'_>, input: &InputText) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(input.source.name());
    let mut done = "done".to_owned();
    if let Some(file) = input.files().iter().find(|file| file.path.ends_with("config.yml")) {
        let text = &input.text()[file.range.clone()];
        if let Ok(config) = yaml::read_document(text, reader.limits(), file.range.start) {
            take_config(&config, &mut plan, &mut done);
            plan.extra.insert("config".to_owned(), config.into_json());
        }
    }
    for file in input.files() {
        let Some(folder) = Folder::of(file) else { continue };
        let text = &input.text()[file.range.clone()];
        let Some((front, body)) = yaml::front_matter(text) else { continue };
        let front_start = Span::of_part(text, front, file.range.start).start();
        let node = front_matter(reader, file, front, front_start);
        task(reader, file, folder, node, body, &done)?;
    }
    find_meant(reader);
    Ok(plan)
}

fn take_config(config: &Node<'_>, plan: &mut Plan, done: &mut String) {
    if let Some(NodeValue::Text(name)) = config.get("project_name").map(|node| &node.value)
        && !name.trim().is_empty()
    {
        plan.name = quoted(name).trim_matches('`').to_owned();
    }
    if let Some(NodeValue::List(statuses)) = config.get("statuses").map(|node| &node.value)
        && let Some(NodeValue::Text(last)) = statuses.last().map(|node| &node.value)
    {
        last.as_ref().clone_into(done);
    }
}

/// What the folder of a task says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    Tasks,
    Completed,
    Archive,
    Drafts,
}

impl Folder {
    /// Returns what the folder of a file says, if it holds tasks; a file without a folder is a task.
    fn of(file: &TextFile) -> Option<Self> {
        let mut parts = file.path.rsplit('/');
        let name = parts.next().unwrap_or_default();
        let (folder, above) = (parts.next().unwrap_or("tasks"), parts.next());
        let is_task = name.ends_with(".md") && !name.eq_ignore_ascii_case("readme.md");
        match (folder, above) {
            _ if !is_task && file.path.contains('/') => None,
            ("tasks", Some("archive")) => Some(Self::Archive),
            ("drafts", Some("archive")) | ("milestones" | "docs" | "decisions", _) => None,
            ("completed", _) => Some(Self::Completed),
            ("drafts", _) => Some(Self::Drafts),
            _ => Some(Self::Tasks),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Completed => "completed",
            Self::Archive => "archive",
            Self::Drafts => "drafts",
        }
    }
}

/// Reads front matter; where it is no YAML, which titles with colons often make it, its simple lines are taken one by one.
fn front_matter<'t>(reader: &mut Reader<'_>, file: &TextFile, front: &'t str, start: usize) -> Node<'t> {
    match yaml::read_document(front, reader.limits(), start) {
        Ok(node) => node,
        Err(error) => {
            reader.warning("front-matter", error.span, "here", || {
                format!(
                    "the front matter of {} is no YAML; its lines were taken one by one",
                    quoted(&file.path)
                )
            });
            simple_lines(front, start)
        }
    }
}

fn simple_lines(front: &str, start: usize) -> Node<'_> {
    let whole = Span::of_part(front, front, start);
    let mut members: Vec<(&str, Node<'_>)> = Vec::new();
    for line in front.lines() {
        let item = line.trim_start().strip_prefix("- ").map(plain);
        if let (Some(item), Some((_, last))) = (item, members.last_mut()) {
            let node = Node::text(Span::of_part(front, item, start), item);
            match &mut last.value {
                NodeValue::List(nodes) => nodes.push(node),
                _ => last.value = NodeValue::List(vec![node]),
            }
        } else if let Some((key, value)) = line.split_once(':').filter(|(key, _)| !key.starts_with(' ')) {
            let value = plain(value);
            let span = Span::of_part(front, value, start);
            let list = value.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
            let node = match list {
                Some(list) => {
                    let items = list.split(',').map(plain).filter(|item| !item.is_empty());
                    Node::list(
                        span,
                        items.map(|item| Node::text(Span::of_part(front, item, start), item)).collect(),
                    )
                }
                None => Node::text(span, value),
            };
            members.push((key.trim(), node));
        }
    }
    Node::map(whole, members)
}

fn plain(value: &str) -> &str {
    let value = value.trim();
    let quotes = ['\'', '"'].into_iter();
    let mut unquoted = quotes.filter_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    unquoted.next().unwrap_or(value)
}

fn task(
    reader: &mut Reader<'_>,
    file: &TextFile,
    folder: Folder,
    front: Node<'_>,
    body: &str,
    done: &str,
) -> Result<(), ReadError> {
    reader.begin_entry();
    let Some(mut fields) = reader.fields(front, "the front matter", "write `id: TASK-1`") else {
        return Ok(());
    };
    let Some(id_node) = fields.take(&["id"]) else {
        reader.error("missing-id", fields.span, "this front matter", || {
            format!("the task of {} has no id", quoted(&file.path))
        });
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
    task.description = description(body).to_owned();
    (task.dependencies, places.dependencies) =
        reader.dependencies(fields.take(&["dependencies"]), "dependencies");
    if let Some(node) = fields.take(&["parent_task_id"]) {
        places.parent = Some(node.span);
        task.parent = reader.id(node, "parent_task_id");
    }
    if let Some(class) = priority(reader, &fields) {
        task.priority = class;
        drop(fields.take(&["priority"]));
    }
    places.status = fields.peek("status").map(|node| node.span);
    task.standing = standing(reader, &fields, folder, done);
    task.extra = fields.rest_of_task();
    task.extra.insert("file", Value::String(file.path.clone()));
    if !body.trim().is_empty() {
        task.extra.insert("body", Value::String(body.to_owned()));
    }
    reader.add(task, places)
}

/// Returns the priority, if it is a usual one; those that a project has of its own count as ordinary and are kept.
fn priority(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Priority> {
    let node = fields.peek("priority").filter(|node| node.value != NodeValue::Null).cloned()?;
    let span = node.span;
    let name = reader.optional_text(Some(node), "priority");
    let class = Priority::from_name(&name);
    if class.is_none() && !name.is_empty() {
        reader.diagnostics.push("own-priority", || {
            Diagnostic::note("own-priority", format!("the priority {} counts as medium", quoted(&name)))
                .at(span, "here")
        });
    }
    class
}

fn standing(reader: &mut Reader<'_>, fields: &Fields<'_>, folder: Folder, done: &str) -> Standing {
    if let Some(meaning) = reader.meaning("folder", folder.as_str()) {
        return meaning.standing();
    }
    let Some(node) = fields.peek("status").filter(|node| node.value != NodeValue::Null).cloned() else {
        return Standing::Pending;
    };
    let status = reader.optional_text(Some(node), "status");
    if status.eq_ignore_ascii_case(done) {
        return Standing::Completed;
    }
    reader.meaning("status", &status).map_or(Standing::Pending, Meaning::standing)
}

/// Returns the description in the text below the front matter.
pub(crate) fn description(body: &str) -> &str {
    section(body, "description")
}

/// Returns the text of a section of second level, without the comments that mark its ends.
fn section<'t>(body: &'t str, name: &str) -> &'t str {
    let heading = |line: &str| line.strip_prefix("## ").map(|title| title.trim().to_ascii_lowercase());
    let mut lines = body.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, *at, line))
    });
    let Some((_, start, _)) = lines.by_ref().find(|(.., line)| heading(line).as_deref() == Some(name)) else {
        return "";
    };
    let end = lines.find(|(.., line)| heading(line).is_some()).map_or(body.len(), |(start, ..)| start);
    let text = body[start..end].trim();
    let text = text.strip_prefix("<!-- SECTION:DESCRIPTION:BEGIN -->").unwrap_or(text);
    text.strip_suffix("<!-- SECTION:DESCRIPTION:END -->").unwrap_or(text).trim()
}

/// Replaces the ids that differ from an existing one only in case, prefix or filling zeros.
fn find_meant(reader: &mut Reader<'_>) {
    let exact: HashMap<TaskId, usize> =
        reader.tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place)).collect();
    let mut by_number: HashMap<String, Option<TaskId>> = HashMap::new();
    for task in &reader.tasks {
        let Some(number) = number_of(&task.id) else { continue };
        let only = by_number.entry(number).or_insert_with(|| Some(task.id.clone()));
        if only.as_ref().is_some_and(|only| *only != task.id) {
            *only = None;
        }
    }
    let meant = |id: &TaskId| match exact.contains_key(id) {
        true => None,
        false => by_number.get(&number_of(id)?).cloned().flatten(),
    };
    for place in 0..reader.tasks.len() {
        if let Some(parent) = reader.tasks[place].parent.as_ref().and_then(meant) {
            reader.tasks[place].parent = Some(parent);
        }
        reader.revise_dependencies(place, |reader, dependency, position| {
            let Some(on) = meant(&dependency.on) else { return Some(dependency) };
            if reader.remembers_places() {
                let span = reader.places[place].dependencies[position];
                reader.diagnostics.push("id-in-other-words", || {
                    let message =
                        format!("{} stands for {}", quoted(dependency.on.as_str()), quoted(on.as_str()));
                    Diagnostic::note("id-in-other-words", message).at(span, "here")
                });
            } else {
                drop(reader.places_of(place));
            }
            Some(Dependency { on, when: dependency.when })
        });
    }
}

/// Returns the numbers at the end of an id without filling zeros: `1.7` of `BACK-01.07`. Drafts are numbered apart.
fn number_of(id: &TaskId) -> Option<String> {
    let text = id.as_str();
    let digits = text.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    let (prefix, digits) = (text.get(..digits)?, text.get(digits..)?);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let parts: Vec<&str> = digits.split('.').map(|part| part.trim_start_matches('0')).collect();
    let series = if prefix.eq_ignore_ascii_case("draft-") { "draft-" } else { "" };
    Some(format!("{series}{}", parts.join(".")))
}
