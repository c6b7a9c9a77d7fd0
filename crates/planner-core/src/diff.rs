//! How two plans differ by what they mean, not by how they are written.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::{Plan, Task, TaskId};

/// What differs between two plans.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PlanDiff {
    /// The ids of tasks that only the second plan has, in its order.
    pub added: Vec<TaskId>,
    /// The ids of tasks that only the first plan has.
    pub removed: Vec<TaskId>,
    /// The tasks that both have but that are not the same.
    pub changed: Vec<TaskChange>,
    /// What differs about the plans themselves: `name`, `description`, `agents`, or a kept field.
    pub plan: Vec<String>,
}

/// A task that is not the same in both plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskChange {
    /// Its id.
    pub id: TaskId,
    /// What differs, field by field, as the first and as the second plan has it.
    pub fields: Vec<FieldChange>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name in the native format.
    pub field: String,
    /// What the first plan has, as JSON; none where it has none.
    pub before: Option<String>,
    /// What the second plan has.
    pub after: Option<String>,
}

impl PlanDiff {
    /// Returns what leads from the first plan to the second. Of tasks that share an id the first counts; the order of tasks, of
    /// dependencies and of fields means nothing.
    pub fn between(first: &Plan, second: &Plan) -> Self {
        let by_id = |plan: &Plan| -> HashMap<TaskId, usize> {
            plan.tasks.iter().enumerate().rev().map(|(place, task)| (task.id.clone(), place)).collect()
        };
        let (in_first, in_second) = (by_id(first), by_id(second));
        let only = |plan: &Plan, own: &HashMap<TaskId, usize>, other: &HashMap<TaskId, usize>| {
            let tasks = plan.tasks.iter().enumerate();
            let firsts =
                tasks.filter(|(place, task)| own[&task.id] == *place && !other.contains_key(&task.id));
            firsts.map(|(_, task)| task.id.clone()).collect()
        };
        let changed = first.tasks.iter().enumerate().filter(|(place, task)| in_first[&task.id] == *place);
        let changed = changed.filter_map(|(_, task)| {
            let after = &second.tasks[*in_second.get(&task.id)?];
            let fields = fields_between(task, after);
            (!fields.is_empty()).then(|| TaskChange { id: task.id.clone(), fields })
        });
        Self {
            added: only(second, &in_second, &in_first),
            removed: only(first, &in_first, &in_second),
            changed: changed.collect(),
            plan: plan_fields(first, second),
        }
    }

    /// Returns whether the plans mean the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty() && self.plan.is_empty()
    }
}

fn plan_fields(first: &Plan, second: &Plan) -> Vec<String> {
    let own = [
        ("name", first.name != second.name),
        ("description", first.description != second.description),
        ("agents", first.agents != second.agents),
    ];
    let own = own.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field.to_owned());
    let mut kept: Vec<String> = first.extra.keys().chain(second.extra.keys()).cloned().collect();
    kept.sort_unstable();
    kept.dedup();
    kept.retain(|field| first.extra.get(field) != second.extra.get(field));
    own.chain(kept).collect()
}

fn fields_between(before: &Task, after: &Task) -> Vec<FieldChange> {
    if before == after {
        return Vec::new();
    }
    let (before, after) = (as_fields(before), as_fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    changed
        .map(|name| FieldChange {
            field: name.clone(),
            before: before.get(name).map(ToString::to_string),
            after: after.get(name).map(ToString::to_string),
        })
        .collect()
}

/// Returns the fields of a task, dependencies in an order of their own.
fn as_fields(task: &Task) -> serde_json::Map<String, serde_json::Value> {
    let mut task = task.clone();
    task.dependencies.sort_unstable_by(|a, b| (&a.on, a.when).cmp(&(&b.on, b.when)));
    task.dependencies.dedup();
    match serde_json::to_value(&task) {
        Ok(serde_json::Value::Object(fields)) => fields,
        other => unreachable!("a task is a map in JSON: {other:?}"),
    }
}

/// A line for each difference: `+ id`, `- id`, `~ id: field before -> after`.
impl fmt::Display for PlanDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for field in &self.plan {
            writeln!(f, "~ the plan: {field}")?;
        }
        for id in &self.removed {
            writeln!(f, "- {id}")?;
        }
        for id in &self.added {
            writeln!(f, "+ {id}")?;
        }
        for change in &self.changed {
            for FieldChange { field, before, after } in &change.fields {
                let value =
                    |value: &Option<String>| crate::diagnostic::quoted(value.as_deref().unwrap_or("nothing"));
                writeln!(f, "~ {}: {field} {} -> {}", change.id, value(before), value(after))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, generate, read};

    fn plan(text: &str) -> Plan {
        read("x.yaml", text.as_bytes(), None, &Limits::default()).unwrap().plan
    }

    #[test]
    fn what_differs_is_told_field_by_field() {
        let first =
            plan("name: p\ntasks: [{id: a}, {id: b, depends_on: [a, c]}, {id: c, effort: 2h, mine: 1}]\n");
        let second = plan("name: q\ntasks: [{id: d}, {id: c, effort: 3h}, {id: b, depends_on: [c, a]}]\n");
        let expected = "~ the plan: name\n- a\n+ d\n~ c: effort `2.0` -> `3.0`\n~ c: mine `1` -> `nothing`\n";
        assert_eq!(PlanDiff::between(&first, &second).to_string(), expected);
    }

    #[test]
    fn the_same_plan_in_another_order_does_not_differ() {
        let plan = generate::complex(200, 1);
        let mut turned = plan.clone();
        turned.tasks.reverse();
        for task in &mut turned.tasks {
            task.dependencies.reverse();
        }
        assert!(PlanDiff::between(&plan, &turned).is_empty());
        turned.tasks[0].title.push('!');
        assert_eq!(PlanDiff::between(&plan, &turned).changed.len(), 1);
    }
}
