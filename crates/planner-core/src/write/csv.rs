//! CSV (RFC 4180): a column for each field that any task has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Written;
use super::foreign::{Part, losses};
use crate::format::TASK_FIELDS;
use crate::{Landing, Plan, Standing, Task, When};

pub(super) fn write(plan: &Plan) -> Written {
    let extra: BTreeSet<&str> = plan.tasks.iter().flat_map(|task| task.extra.names()).collect();
    let mut text =
        TASK_FIELDS.iter().copied().chain(extra.iter().copied()).map(cell).collect::<Vec<_>>().join(",");
    text.push('\n');
    for task in &plan.tasks {
        let own = own_cells(task);
        let others = extra.iter().map(|key| match task.extra.get(key) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        });
        let row: Vec<String> = own.into_iter().chain(others).map(|text| cell(&text)).collect();
        text += &row.join(",");
        text.push('\n');
    }
    Written::text(text, losses(plan, &[Part::KindOfExtra]))
}

fn own_cells(task: &Task) -> [String; 18] {
    // A list ends in a semicolon, so that no name of it is parted at its commas.
    let list = |names: Vec<&str>| names.iter().map(|name| format!("{name};")).collect::<String>();
    let [lease, start, silence, attempt, losses] =
        task.limits.values().map(|value| value.map(|number| number.to_string()).unwrap_or_default());
    let on = task.dependencies.iter().filter(|dependency| dependency.when == When::Completed);
    [
        task.id.to_string(),
        task.title.clone(),
        task.description.clone(),
        task.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        list(on.map(|dependency| dependency.on.as_str()).collect()),
        task.priority.as_str().to_owned(),
        task.effort.map(|effort| effort.as_hours().to_string()).unwrap_or_default(),
        list(task.capabilities.iter().map(crate::Capability::as_str).collect()),
        task.check.as_ref().map(|check| check.command.join(" ")).unwrap_or_default(),
        match task.landing {
            Landing::Git => String::new(),
            Landing::None => "none".to_owned(),
        },
        if task.approval.is_none() { String::new() } else { task.approval.as_str().to_owned() },
        list(task.writes.iter().map(crate::PathPattern::as_str).collect()),
        lease,
        start,
        silence,
        attempt,
        losses,
        match task.standing {
            Standing::Pending => "pending",
            Standing::Completed => "completed",
            Standing::OnHold => "on_hold",
            Standing::Excluded(_) => "cancelled",
        }
        .to_owned(),
    ]
}

fn cell(text: &str) -> String {
    match text.contains([',', ';', '\t', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
