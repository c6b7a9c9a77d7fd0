//! WfFormat of WfCommons: a workflow whose tasks name their parents, with the run times that were measured.

use std::collections::HashMap;

use super::native;
use super::node::{Node, NodeValue};
use super::reader::Reader;
use super::{ReadError, empty_plan};
use crate::{Effort, Plan};

pub(super) fn read(reader: &mut Reader<'_>, name: &str, root: &Node<'_>) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(name);
    if let Some(NodeValue::Text(text)) = root.get("name").map(|node| &node.value) {
        plan.name = crate::diagnostic::quoted(text).trim_matches('`').to_owned();
    }
    if let Some(NodeValue::Text(text)) = root.get("description").map(|node| &node.value) {
        plan.description = text.clone().into_owned();
    }
    let workflow = root.get("workflow");
    // Version 1.5 tells what there is to do apart from how long it took; earlier ones say both in one place.
    let tasks = workflow.and_then(|workflow| workflow.get("specification").unwrap_or(workflow).get("tasks"));
    let measured = workflow.and_then(|workflow| workflow.get("execution")?.get("tasks"));
    let Some(NodeValue::List(tasks)) = tasks.map(|tasks| &tasks.value) else {
        reader.error("no-tasks", root.span, "the file", || "the workflow has no tasks".to_owned());
        return Ok(plan);
    };
    let seconds: HashMap<&str, &Node<'_>> = match measured.map(|measured| &measured.value) {
        Some(NodeValue::List(measured)) => measured
            .iter()
            .filter_map(|task| Some((text(task.get("id")?)?, task.get("runtimeInSeconds")?)))
            .collect(),
        _ => HashMap::new(),
    };
    for task in tasks {
        let own_seconds = task.get("runtimeInSeconds").or_else(|| task.get("runtime"));
        let id = task.get("id").or_else(|| task.get("name"));
        let seconds = own_seconds.or_else(|| seconds.get(text(id?)?).copied());
        entry(reader, task, id, seconds)?;
    }
    Ok(plan)
}

fn text<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match &node.value {
        NodeValue::Text(text) => Some(text),
        _ => None,
    }
}

fn entry(
    reader: &mut Reader<'_>,
    task: &Node<'_>,
    id: Option<&Node<'_>>,
    seconds: Option<&Node<'_>>,
) -> Result<(), ReadError> {
    let mut members: Vec<(&str, Node<'_>)> = Vec::new();
    members.extend(id.map(|id| ("id", id.clone())));
    members.extend(task.get("name").map(|name| ("title", name.clone())));
    members.extend(task.get("parents").map(|parents| ("dependencies", parents.clone())));
    if let Some((NodeValue::Number(number), span)) = seconds.map(|node| (&node.value, node.span)) {
        let effort = Effort::from_hours(number.as_f64().unwrap_or(f64::NAN) / 3600.0);
        match effort {
            Ok(effort) => {
                members
                    .push(("effort", Node::text(span, format!("{}s", effort.as_millis() as f64 / 1000.0))));
            }
            Err(error) => reader.error("bad-effort", span, "here", || error.to_string()),
        }
    }
    if let NodeValue::Map(own) = &task.value {
        const READ: [&str; 7] =
            ["id", "name", "parents", "children", "runtime", "runtimeInSeconds", "dependencies"];
        let rest = own.iter().filter(|member| !READ.contains(&member.key.as_ref()));
        let mut map = Node::map(task.span, members);
        if let NodeValue::Map(members) = &mut map.value {
            members.extend(rest.cloned());
        }
        return native::entry(reader, map);
    }
    native::entry(reader, task.clone())
}
