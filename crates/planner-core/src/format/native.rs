//! The native format, in YAML, JSON or TOML: the serialised shape of [`Plan`], with friendlier spellings.
//!
//! - `depends_on` for `dependencies`, `estimate` for `effort`, `status` for `standing`, `parent_id` for `parent`, `name` for
//!   `title`;
//! - tasks may be nested in their group as `children` or `tasks`;
//! - lists of one may be written without a list; ids may be numbers;
//! - a title that is absent or empty is the id;
//! - a check may be a text, which is split at white space; there is no shell.
//!
//! Fields that are not read are kept. One whose name is near that of a field that is read gets a warning; others are their
//! author's own.

use std::collections::HashSet;
use std::num::NonZeroU32;

use super::fields::Fields;
use super::node::{Node, NodeValue, Span};
use super::reader::{Reader, TaskPlaces, escaped};
use super::spelling::Owner;
use super::status::{Meaning, StatusRule};
use super::{ReadError, empty_plan};
use crate::diagnostic::{Diagnostic, quoted};
use crate::{
    AgentProfile, Approval, AttemptLimits, Exclusion, Landing, PathPattern, Plan, Standing, Task, TaskId,
    WriteSet,
};

/// What the standing of a task may be called.
pub const NATIVE_RULES: &[StatusRule] = &[
    StatusRule::new("standing", "pending", Meaning::Pending),
    StatusRule::new("standing", "todo", Meaning::Pending),
    StatusRule::new("standing", "open", Meaning::Pending),
    StatusRule::new("standing", "in_progress", Meaning::Pending),
    StatusRule::new("standing", "completed", Meaning::Completed),
    StatusRule::new("standing", "done", Meaning::Completed),
    StatusRule::new("standing", "on_hold", Meaning::OnHold),
    StatusRule::new("standing", "deferred", Meaning::OnHold),
    StatusRule::new("standing", "cancelled", Meaning::Excluded(Exclusion::Cancelled)),
    StatusRule::new("excluded", "tombstone", Meaning::Excluded(Exclusion::Tombstone)),
    StatusRule::new("excluded", "cancelled", Meaning::Excluded(Exclusion::Cancelled)),
    StatusRule::new("excluded", "message", Meaning::Excluded(Exclusion::Message)),
    StatusRule::new("excluded", "event", Meaning::Excluded(Exclusion::Event)),
    StatusRule::new("excluded", "agent", Meaning::Excluded(Exclusion::Agent)),
    StatusRule::new("excluded", "gate", Meaning::Excluded(Exclusion::Gate)),
    StatusRule::new("excluded", "template", Meaning::Excluded(Exclusion::Template)),
];

const PLAN_EXAMPLE: &str = "write the tasks as a list under `tasks`, each with at least an `id`";

/// Reads the plan; its entries may have been read before, then the list of the tasks is empty.
pub(super) fn read(reader: &mut Reader<'_>, name: &str, root: Node<'_>) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(name);
    let tasks = if matches!(root.value, NodeValue::List(_)) {
        Some(root)
    } else {
        let Some(mut fields) = reader.fields(root, "the plan", PLAN_EXAMPLE) else {
            return Ok(plan);
        };
        if let Some(node) = fields.take(&["name"]) {
            plan.name = reader.optional_text(Some(node), "name");
        }
        plan.description = reader.optional_text(fields.take(&["description"]), "description");
        plan.agents = agents(reader, fields.take(&["agents"]));
        let tasks = fields.take(&["tasks"]);
        if tasks.is_none() {
            reader.diagnostics.push("no-tasks", || {
                Diagnostic::error("no-tasks", "the plan has no `tasks`")
                    .at(fields.span, "the plan")
                    .help(PLAN_EXAMPLE)
            });
        }
        reader.misspelt(&fields, Owner::Plan, None);
        plan.extra = fields.rest_of_plan();
        tasks
    };
    for node in tasks.map(|node| reader.list(node)).unwrap_or_default() {
        entry(reader, node)?;
    }
    Ok(plan)
}

/// Reads a task and those that are nested in it: depth first and in order, so that a group comes right before its children.
pub(super) fn entry(reader: &mut Reader<'_>, node: Node<'_>) -> Result<(), ReadError> {
    let mut open: Open<'_> = vec![(node, None)];
    while let Some((node, group)) = open.pop() {
        task(reader, node, group, &mut open)?;
    }
    Ok(())
}

type Open<'n> = Vec<(Node<'n>, Option<(TaskId, Span)>)>;

fn push_reversed<'n>(
    reader: &mut Reader<'_>,
    open: &mut Open<'n>,
    tasks: Option<Node<'n>>,
    group: Option<&(TaskId, Span)>,
) {
    let nodes = tasks.map(|node| reader.list(node)).unwrap_or_default();
    open.extend(nodes.into_iter().rev().map(|node| (node, group.cloned())));
}

fn task<'n>(
    reader: &mut Reader<'_>,
    node: Node<'n>,
    group: Option<(TaskId, Span)>,
    open: &mut Open<'n>,
) -> Result<(), ReadError> {
    reader.begin_entry();
    let Some(mut fields) = reader.fields(node, "a task", "write at least its id: `{id: build}`") else {
        return Ok(());
    };
    let children = [fields.take(&["children"]), fields.take(&["tasks"])];
    let Some(id_node) = fields.take(&["id"]) else {
        reader.error("missing-id", fields.span, "this task", || "the task has no id".to_owned());
        for children in children {
            push_reversed(reader, open, children, group.as_ref());
        }
        return Ok(());
    };
    let mut places = TaskPlaces { id: id_node.span, ..TaskPlaces::default() };
    let Some(id) = reader.id(id_node, "id") else {
        return Ok(());
    };
    given_twice(reader, &fields, &id);
    let as_group = (id.clone(), places.id);
    for children in children.into_iter().rev() {
        push_reversed(reader, open, children, Some(&as_group));
    }

    let mut task = Task::untitled(id);
    if let Some(title) = fields.take(&["title", "name"]) {
        task.title = reader.optional_text(Some(title), "title");
    }
    task.description = reader.optional_text(fields.take(&["description"]), "description");
    if let Some(parent) = fields.take(&["parent", "parent_id"]) {
        places.parent = Some(parent.span);
        task.parent = reader.id(parent, "parent");
    }
    if let Some((group, place)) = group {
        if task.parent.as_ref().is_some_and(|parent| *parent != group) {
            let span = places.parent.unwrap_or(places.id);
            reader.error("two-parents", span, "another parent than the task that it is nested in", || {
                format!(
                    "{} is nested in {} and names another parent",
                    quoted(task.id.as_str()),
                    quoted(group.as_str())
                )
            });
        }
        places.parent = Some(places.parent.unwrap_or(place));
        task.parent = Some(group);
    }
    (task.dependencies, places.dependencies) =
        reader.dependencies(fields.take(&["dependencies", "depends_on"]), "dependencies");
    if let Some(node) = fields.take(&["priority"]) {
        task.priority = reader.priority(node, "priority").unwrap_or_default();
    }
    if let Some(node) = fields.take(&["effort", "estimate"]) {
        places.effort = Some(node.span);
        task.effort = reader.effort(&node, "effort");
    }
    let capabilities = fields.take(&["capabilities"]);
    places.capabilities = capabilities.as_ref().map(|node| node.span);
    task.capabilities = reader.capabilities(capabilities, "capabilities");
    task.check = fields.take(&["check"]).and_then(|node| reader.check(node)).map(Box::new);
    task.landing = landing(reader, fields.take(&["landing"]));
    task.approval = approval(reader, fields.take(&["approval"]));
    task.writes = writes(reader, fields.take(&["writes"]));
    task.limits = limits(reader, &mut fields);
    places.status = fields.peek("standing").or(fields.peek("status")).map(|node| node.span);
    task.standing = standing(reader, fields.take(&["standing", "status"]));
    reader.misspelt(&fields, Owner::Task, Some(task.id.as_str()));
    task.extra = fields.rest_of_task();
    reader.add(task, places)
}

/// Warns of fields that are given under both of their names. A status beside a standing and a name beside a title are kept by
/// plans that came from other formats.
fn given_twice(reader: &mut Reader<'_>, fields: &Fields<'_>, id: &TaskId) {
    for (read, unread) in [("dependencies", "depends_on"), ("effort", "estimate"), ("parent", "parent_id")] {
        let node = fields.peek(unread).filter(|node| node.value != NodeValue::Null);
        let Some(span) = node.filter(|_| fields.peek(read).is_some()).map(|node| node.span) else {
            continue;
        };
        reader.diagnostics.push("repeated-field", || {
            let message = format!("{} has `{read}` and `{unread}`, which mean the same", quoted(id.as_str()));
            Diagnostic::warning("repeated-field", message)
                .at(span, "not read")
                .help(format!("write all of it as `{read}`"))
        });
    }
}

fn landing(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Landing {
    let Some(node) = node else {
        return Landing::default();
    };
    let span = node.span;
    match reader.optional_text(Some(node), "landing").as_str() {
        "git" => Landing::Git,
        "none" => Landing::None,
        other => {
            reader.bad_value(span, "leave it out to land the result in git", || {
                format!("`landing` must be `git` or `none`, not {}", quoted(other))
            });
            Landing::default()
        }
    }
}

fn approval(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Approval {
    let Some(node) = node else {
        return Approval::default();
    };
    let span = node.span;
    let written = reader.optional_text(Some(node), "approval");
    Approval::from_name(&written).unwrap_or_else(|| {
        reader.bad_value(span, "leave it out where nobody has to agree", || {
            format!("`approval` must be `start`, `landing` or `both`, not {}", quoted(&written))
        });
        Approval::default()
    })
}

fn writes(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> WriteSet {
    let nodes = node.map(|node| reader.list(node)).unwrap_or_default();
    let mut patterns = Vec::with_capacity(nodes.len());
    for node in nodes {
        let span = node.span;
        let Some(text) = reader.text(node, "writes") else { continue };
        match PathPattern::new(&text) {
            Ok(pattern) => patterns.push(pattern),
            Err(invalid) => {
                let help = "write a path from the root of the repository, such as `src/*.rs` or `docs/`";
                reader.bad_value(span, help, || {
                    format!("{} is no pattern of paths: {}", quoted(&text), escaped(&invalid.to_string()))
                });
            }
        }
    }
    patterns.into()
}

fn limits(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> AttemptLimits {
    AttemptLimits::of(AttemptLimits::NAMES.map(|name| {
        let node = fields.take(&[name])?;
        reader.whole_number(&node, name, "leave it out for what the configuration says")
    }))
}

fn standing(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Standing {
    let Some(node) = node else {
        return Standing::default();
    };
    let span = node.span;
    let (field, value) = match Fields::of(node) {
        Err(node) => ("standing", node),
        Ok(mut fields) => match fields.take(&["excluded"]) {
            Some(reason) => ("excluded", reason),
            None => {
                reader.error("unknown-status", span, "here", || {
                    "a standing that is a map names a reason as `excluded`".to_owned()
                });
                return Standing::default();
            }
        },
    };
    let value = reader.optional_text(Some(value), field);
    let written = value.replace(['-', ' '], "_");
    reader.meaning(field, &written).map_or_else(
        || {
            reader.diagnostics.push("unknown-status", || {
                Diagnostic::error("unknown-status", format!("{} is no status", quoted(&value)))
                    .at(span, "here")
                    .help("statuses are pending, completed, on_hold and cancelled")
            });
            Standing::default()
        },
        Meaning::standing,
    )
}

fn agents(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Vec<AgentProfile> {
    let nodes = node.map(|node| reader.list(node)).unwrap_or_default();
    let mut agents: Vec<AgentProfile> = Vec::with_capacity(nodes.len());
    let mut names = HashSet::new();
    for node in nodes {
        let Some(mut fields) = reader.fields(node, "an agent", "write at least its name: `{name: builder}`")
        else {
            continue;
        };
        let span = fields.span;
        let name = reader.optional_text(fields.take(&["name", "id"]), "name");
        if name.is_empty() {
            reader.bad_value(span, "write at least its name: `{name: builder}`", || {
                "the agent has no name".to_owned()
            });
            continue;
        }
        if name.chars().any(char::is_control) {
            reader.bad_value(span, "use characters that can be shown", || {
                format!("the name of the agent {} holds a control character", quoted(&name))
            });
            continue;
        }
        if !names.insert(name.clone()) {
            reader.error("duplicate-agent", span, "again here", || {
                format!("the agent {} is given twice", quoted(&name))
            });
            continue;
        }
        let capabilities = reader.capabilities(fields.take(&["capabilities"]), "capabilities");
        let slots = fields.take(&["slots"]);
        let slots =
            slots.and_then(|node| reader.whole_number(&node, "slots", "leave it out for one task at a time"));
        let lease = fields.take(&["lease_seconds"]);
        let lease_seconds = lease.and_then(|node| {
            reader.whole_number(&node, "lease_seconds", "leave it out for what the configuration says")
        });
        let labels = reader.words(fields.take(&["labels"]), "labels");
        reader.misspelt(&fields, Owner::Agent, Some(&name));
        let slots = slots.map_or(1, NonZeroU32::get);
        agents.push(AgentProfile { name, capabilities, slots, lease_seconds, labels });
    }
    agents
}
