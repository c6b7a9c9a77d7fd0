//! DOT: tasks are nodes with their fields as attributes, groups are clusters.

use std::fmt::Write as _;

use serde_json::Value;

use super::Written;
use super::foreign::{Part, depth_first, losses};
use crate::{Landing, Plan, Priority, Standing, Task, When};

pub(super) fn write(plan: &Plan) -> Written {
    let mut text = format!("digraph {} {{\n  node [shape=box];\n", quoted(&plan.name));
    for task in &plan.tasks {
        let _ = writeln!(text, "  {} [{}];", quoted(task.id.as_str()), attributes(task));
    }
    clusters(plan, &mut text);
    for task in &plan.tasks {
        for on in task.dependencies.iter().filter(|dependency| dependency.when == When::Completed) {
            let _ = writeln!(text, "  {} -> {};", quoted(on.on.as_str()), quoted(task.id.as_str()));
        }
    }
    Written::text(text + "}\n", losses(plan, &[Part::KindOfExtra]))
}

/// Writes who belongs to whom: after the tasks, which so keep their order.
fn clusters(plan: &Plan, text: &mut String) {
    let order = depth_first(plan);
    let mut open = 0;
    let close = |text: &mut String, open: &mut usize| {
        let _ = writeln!(text, "{}}}", "  ".repeat(*open));
        *open -= 1;
    };
    for (at, (place, depth)) in order.iter().enumerate() {
        while open > *depth {
            close(text, &mut open);
        }
        let task = &plan.tasks[*place];
        let has_members = order.get(at + 1).is_some_and(|(_, next)| next > depth);
        if has_members {
            open += 1;
            let _ = writeln!(
                text,
                "{}subgraph {} {{",
                "  ".repeat(open),
                quoted(&format!("cluster_{}", task.id))
            );
        } else if *depth > 0 {
            let _ = writeln!(text, "{}{};", "  ".repeat(open + 1), quoted(task.id.as_str()));
        }
    }
    while open > 0 {
        close(text, &mut open);
    }
}

fn attributes(task: &Task) -> String {
    let mut attributes = format!("label={}", quoted(&task.title));
    let mut set = |key: &str, value: &str| {
        let _ = write!(attributes, ", {}={}", quoted(key), quoted(value));
    };
    if !task.description.is_empty() {
        set("description", &task.description);
    }
    if let Some(effort) = task.effort {
        set("effort", &effort.as_hours().to_string());
    }
    if !task.capabilities.is_empty() {
        let names: Vec<&str> = task.capabilities.iter().map(crate::Capability::as_str).collect();
        set("capabilities", &names.join(","));
    }
    if task.priority != Priority::default() {
        set("priority", task.priority.as_str());
    }
    match task.standing {
        Standing::Pending => {}
        Standing::Completed => set("standing", "completed"),
        Standing::OnHold => set("standing", "on_hold"),
        Standing::Excluded(_) => set("standing", "cancelled"),
    }
    if task.landing == Landing::None {
        set("landing", "none");
    }
    if !task.approval.is_none() {
        set("approval", task.approval.as_str());
    }
    if !task.writes.is_empty() {
        let paths: Vec<&str> = task.writes.iter().map(crate::PathPattern::as_str).collect();
        set("writes", &paths.join(","));
    }
    for (name, value) in crate::AttemptLimits::NAMES.into_iter().zip(task.limits.values()) {
        if let Some(number) = value {
            set(name, &number.to_string());
        }
    }
    if let Some(check) = &task.check {
        set("check", &check.command.join(" "));
    }
    for (key, value) in task.extra.iter() {
        match value {
            Value::String(text) => set(key, text),
            other => set(key, &other.to_string()),
        }
    }
    attributes
}

/// Returns a text in quotes; line breaks are written as `\n`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
