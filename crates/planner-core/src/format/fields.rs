//! The fields of a map, taken out one after the other; what nobody takes is kept as it was.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::node::{Member, Node, NodeValue, Span};
use crate::KeptFields;

/// The names of a task's own fields, which its kept fields must not have.
pub(crate) const TASK_FIELDS: [&str; 18] = [
    "id",
    "title",
    "description",
    "parent",
    "dependencies",
    "priority",
    "effort",
    "capabilities",
    "check",
    "landing",
    "approval",
    "writes",
    "lease_seconds",
    "start_seconds",
    "silence_seconds",
    "attempt_seconds",
    "losses_max",
    "standing",
];
/// The names of a plan's own fields.
const PLAN_FIELDS: [&str; 4] = ["name", "description", "agents", "tasks"];

/// Returns the name that a kept field had in its file.
pub(crate) fn name_in_file(kept: &str) -> &str {
    let foreign = kept.strip_prefix("source_");
    foreign.filter(|name| TASK_FIELDS.contains(name) || PLAN_FIELDS.contains(name)).unwrap_or(kept)
}

pub(super) struct Fields<'t> {
    pub(super) span: Span,
    members: Vec<Member<'t>>,
}

impl<'t> Fields<'t> {
    /// Returns the fields of a map, or the node back if it is none.
    pub(super) fn of(node: Node<'t>) -> Result<Self, Node<'t>> {
        match node.value {
            NodeValue::Map(members) => Ok(Self { span: node.span, members }),
            _ => Err(node),
        }
    }

    /// Takes out the first field that has one of the names; `null` counts as absent.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<Node<'t>> {
        let place =
            names.iter().find_map(|name| self.members.iter().position(|member| member.key == *name))?;
        let node = self.members.remove(place).node;
        (node.value != NodeValue::Null).then_some(node)
    }

    /// Returns a field and leaves it where it is.
    pub(super) fn peek(&self, name: &str) -> Option<&Node<'t>> {
        self.members.iter().find(|member| member.key == name).map(|member| &member.node)
    }

    /// Returns the keys that nobody took, with their places.
    pub(super) fn unread(&self) -> impl Iterator<Item = (&str, Span)> {
        self.members.iter().map(|member| (member.key.as_ref(), member.key_span))
    }

    /// Returns the places of a key that is given twice, if there is one.
    pub(super) fn repeated(&self) -> Option<(&str, Span, Span)> {
        const COMPARED_IN_PLACE: usize = 40;
        if self.members.len() <= COMPARED_IN_PLACE {
            return self.members.iter().enumerate().find_map(|(place, member)| {
                let before = self.members[..place].iter().find(|before| before.key == member.key)?;
                Some((member.key.as_ref(), before.key_span, member.key_span))
            });
        }
        let mut seen = HashMap::new();
        self.members.iter().find_map(|member| {
            let before = seen.insert(member.key.as_ref(), member.key_span)?;
            Some((member.key.as_ref(), before, member.key_span))
        })
    }

    /// Returns what was left, to be kept with a task.
    pub(super) fn rest_of_task(self) -> KeptFields {
        self.rest(&TASK_FIELDS).collect()
    }

    /// Returns what was left, to be kept with a plan.
    pub(super) fn rest_of_plan(self) -> Map<String, Value> {
        self.rest(&PLAN_FIELDS).map(|(key, value)| (key.into_owned(), value)).collect()
    }

    /// A foreign field that has the name of one of ours is kept as `source_NAME`.
    fn rest(self, ours: &[&str]) -> impl Iterator<Item = (Cow<'t, str>, Value)> {
        self.members.into_iter().map(|member| {
            let key = match ours.contains(&member.key.as_ref()) {
                true => format!("source_{}", member.key).into(),
                false => member.key,
            };
            (key, member.node.into_json())
        })
    }
}
