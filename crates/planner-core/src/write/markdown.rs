//! Markdown: one check list, groups above their tasks.

use std::fmt::Write as _;

use super::Written;
use super::foreign::{Part, depth_first, losses};
use crate::{Landing, Plan, Priority, Standing, When};

pub(super) fn write(plan: &Plan) -> Written {
    let mut text = format!("# {}\n\n", one_line(&plan.name));
    if !plan.description.is_empty() {
        let _ = writeln!(text, "{}\n", plan.description);
    }
    for (place, depth) in depth_first(plan) {
        let task = &plan.tasks[place];
        let indent = "  ".repeat(depth);
        let mark = if task.standing == Standing::Completed { 'x' } else { ' ' };
        let _ = write!(text, "{indent}- [{mark}] {} {{#{}}}", one_line(&task.title), task.id);
        let mut attribute = |name: &str, value: &str| {
            let _ = write!(text, " ({name}: {value})");
        };
        let after = task.dependencies.iter().filter(|dependency| dependency.when == When::Completed);
        let after: Vec<&str> = after.map(|dependency| dependency.on.as_str()).collect();
        if !after.is_empty() {
            attribute("after", &after.join(", "));
        }
        if let Some(effort) = task.effort {
            attribute("effort", &effort.as_hours().to_string());
        }
        if !task.capabilities.is_empty() {
            let needs: Vec<&str> = task.capabilities.iter().map(crate::Capability::as_str).collect();
            attribute("needs", &needs.join(", "));
        }
        if task.priority != Priority::default() {
            attribute("priority", task.priority.as_str());
        }
        match task.standing {
            Standing::Pending | Standing::Completed => {}
            Standing::OnHold => attribute("status", "on_hold"),
            Standing::Excluded(_) => attribute("status", "cancelled"),
        }
        if task.landing == Landing::None {
            attribute("landing", "none");
        }
        if !task.approval.is_none() {
            attribute("approval", task.approval.as_str());
        }
        if !task.writes.is_empty() {
            let paths: Vec<&str> = task.writes.iter().map(crate::PathPattern::as_str).collect();
            attribute("writes", &paths.join(", "));
        }
        for (name, value) in crate::AttemptLimits::NAMES.into_iter().zip(task.limits.values()) {
            if let Some(number) = value {
                attribute(name, &number.to_string());
            }
        }
        if let Some(check) = &task.check {
            attribute("check", &check.command.join(" "));
        }
        text.push('\n');
        for line in task.description.lines().filter(|line| !line.trim().is_empty()) {
            let _ = writeln!(text, "{indent}  {}", line.trim());
        }
    }
    Written::text(text, losses(plan, &[Part::Extra]))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
