//! beads: one issue a line. Records of dependencies are written as they were; new ones say only what is needed.

use serde_json::{Map, Value, json};

use super::Written;
use super::foreign::{Part, kept_fields, losses, status};
use crate::format::BEADS_RULES;
use crate::{Plan, Priority, Standing, Task, When};

const PARTS_UNSAID: [Part; 6] =
    [Part::Capabilities, Part::Check, Part::Landing, Part::Approval, Part::Writes, Part::Limits];

pub(super) fn write(plan: &Plan) -> Written {
    let mut text = String::new();
    for task in &plan.tasks {
        text += &issue_line(task);
    }
    let mut losses = losses(plan, &PARTS_UNSAID);
    losses.remove("dependencies on a failure");
    Written::text(text, losses)
}

/// Returns the line of a task.
pub(crate) fn issue_line(task: &Task) -> String {
    let mut line = Value::Object(issue(task)).to_string();
    line.push('\n');
    line
}

fn issue(task: &Task) -> Map<String, Value> {
    let mut issue = kept_fields(task.extra.iter(), &["relations", "records"]);
    let set = |issue: &mut Map<String, Value>, key: &str, value: Value| issue.insert(key.to_owned(), value);
    set(&mut issue, "id", json!(task.id));
    set(&mut issue, "title", json!(task.title));
    if !task.description.is_empty() {
        set(&mut issue, "description", json!(task.description));
    }
    let kind_tells = task.extra.contains("issue_type") && matches!(task.standing, Standing::Excluded(_));
    if !(kind_tells && task.extra.contains("status")) {
        set(&mut issue, "status", json!(status(task, "status", BEADS_RULES).unwrap_or("open")));
    }
    let class = Priority::ALL.iter().position(|class| *class == task.priority);
    set(&mut issue, "priority", json!(class));
    if let Some(effort) = task.effort {
        let millis = effort.as_millis();
        let minutes =
            if millis % 60_000 == 0 { json!(millis / 60_000) } else { json!(millis as f64 / 60_000.0) };
        set(&mut issue, "estimated_minutes", minutes);
    }
    let dependencies = dependencies(task);
    if !dependencies.is_empty() {
        set(&mut issue, "dependencies", Value::Array(dependencies));
    }
    issue
}

fn dependencies(task: &Task) -> Vec<Value> {
    let list = |field: &str| task.extra.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut records = list("records");
    let mut record = |on: &str, kinds: &[&str]| {
        let place = records.iter().position(|record| {
            record["depends_on_id"] == on && kinds.contains(&record["type"].as_str().unwrap_or("blocks"))
        });
        match place {
            Some(place) => records.remove(place),
            None => json!({ "issue_id": task.id, "depends_on_id": on, "type": kinds[0] }),
        }
    };
    let mut written: Vec<Value> = task
        .dependencies
        .iter()
        .map(|dependency| match dependency.when {
            When::Completed => record(dependency.on.as_str(), &["blocks", "waits-for"]),
            When::Failed => record(dependency.on.as_str(), &["conditional-blocks"]),
        })
        .collect();
    written.extend(
        task.parent.as_ref().map(|parent| record(parent.as_str(), &["parent-child", "parent_child"])),
    );
    // What is told by a relation already, a lost parent for one, is not told again.
    written.extend(list("relations"));
    written
}
