//! What all writers of foreign formats share.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::Written;
use crate::format::{StatusRule, name_in_file};
use crate::{Landing, Plan, Standing, Task, TaskId, When};

/// A part of a task that not every format has words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Effort,
    Capabilities,
    Check,
    Landing,
    Approval,
    Writes,
    Limits,
    Extra,
    /// Whether a kept field is a text, a number, a list: formats whose fields are all texts cannot say it.
    KindOfExtra,
}

impl Written {
    /// Returns what is written as one text.
    pub(super) fn text(text: String, losses: BTreeMap<&'static str, usize>) -> Self {
        Self { files: vec![(String::new(), text)], losses }
    }
}

/// Returns how many tasks have something that a format without those parts does not say.
pub(super) fn losses(plan: &Plan, unsaid: &[Part]) -> BTreeMap<&'static str, usize> {
    let mut losses = BTreeMap::new();
    let mut lost = |what, tasks: usize| {
        if tasks > 0 {
            losses.insert(what, tasks);
        }
    };
    let count = |has: &dyn Fn(&Task) -> bool| plan.tasks.iter().filter(|task| has(task)).count();
    lost(
        "dependencies on a failure",
        count(&|task| task.dependencies.iter().any(|on| on.when == When::Failed)),
    );
    for part in unsaid {
        match part {
            Part::Effort => lost("efforts", count(&|task| task.effort.is_some())),
            Part::Capabilities => lost("capabilities", count(&|task| !task.capabilities.is_empty())),
            Part::Check => lost("checks", count(&|task| task.check.is_some())),
            Part::Landing => lost("landings", count(&|task| task.landing != Landing::default())),
            Part::Approval => lost("approvals", count(&|task| !task.approval.is_none())),
            Part::Writes => lost("write sets", count(&|task| !task.writes.is_empty())),
            Part::Limits => lost("limits of attempts", count(&|task| !task.limits.is_empty())),
            Part::Extra => lost("other fields", count(&|task| !task.extra.is_empty())),
            Part::KindOfExtra => lost(
                "other fields that become texts",
                count(&|task| task.extra.iter().any(|(_, value)| !value.is_string())),
            ),
        }
    }
    lost("agents", plan.agents.len());
    losses
}

/// Returns the status that the file had, if it still means where the task stands; else the first of the table that does.
pub(super) fn status<'r>(task: &'r Task, field: &str, rules: &'r [StatusRule]) -> Option<&'r str> {
    let own = task.extra.get(field).and_then(Value::as_str);
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let meaning = own.and_then(|own| {
        let found = rules.iter().find(|rule| rule.field == field && plain(rule.value) == plain(own));
        Some(found?.meaning.standing())
    });
    if own.is_some() && meaning.as_ref().is_none_or(|standing| *standing == task.standing) {
        // A word that the table does not know counts as pending.
        if meaning.is_some() || task.standing == Standing::Pending {
            return own;
        }
    }
    let of_standing = |rule: &&StatusRule| rule.field == field && rule.meaning.standing() == task.standing;
    rules.iter().find(of_standing).map(|rule| rule.value)
}

/// Returns the kept fields under the names that they had, without those of `own`.
pub(super) fn kept_fields<'f>(
    extra: impl Iterator<Item = (&'f str, &'f Value)>,
    own: &[&str],
) -> Map<String, Value> {
    let kept = extra.filter(|(key, _)| !own.contains(key));
    kept.map(|(key, value)| (name_in_file(key).to_owned(), value.clone())).collect()
}

/// Returns the places of the tasks without a parent in the plan, and of the members of each group, in the order of the plan.
pub(super) fn members(plan: &Plan) -> (Vec<usize>, HashMap<&TaskId, Vec<usize>>) {
    let ids: HashMap<&TaskId, usize> =
        plan.tasks.iter().enumerate().rev().map(|(place, task)| (&task.id, place)).collect();
    let mut roots = Vec::new();
    let mut members: HashMap<&TaskId, Vec<usize>> = HashMap::new();
    for (place, task) in plan.tasks.iter().enumerate() {
        match task.parent.as_ref().filter(|parent| ids.contains_key(parent)) {
            Some(parent) => members.entry(parent).or_default().push(place),
            None => roots.push(place),
        }
    }
    (roots, members)
}

/// Returns the places of all tasks with how deep they are nested, each group before its members. What is its own ancestor comes
/// last, as if it had no parent.
pub(super) fn depth_first(plan: &Plan) -> Vec<(usize, usize)> {
    let (roots, members) = members(plan);
    let mut seen = vec![false; plan.tasks.len()];
    let mut order = Vec::with_capacity(plan.tasks.len());
    let mut open: Vec<(usize, usize)> = (0..plan.tasks.len()).rev().map(|place| (place, 0)).collect();
    open.extend(roots.into_iter().rev().map(|place| (place, 0)));
    while let Some((place, depth)) = open.pop() {
        if std::mem::replace(&mut seen[place], true) {
            continue;
        }
        order.push((place, depth));
        if let Some(members) = members.get(&plan.tasks[place].id) {
            open.extend(members.iter().rev().map(|member| (*member, depth + 1)));
        }
    }
    order
}
