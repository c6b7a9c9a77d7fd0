//! spec-kit: `tasks.md`, whose items are `- [ ] T012 [P] [US1] text (depends on T001, T002)`.
//!
//! A phase is a group that waits for the phase before it. Within one, tasks follow each other as they are written; those that
//! are marked `[P]` may run side by side. `[US1]` and the like are kept as `story`.

use super::check_list::{Line, lines};
use super::markdown::slug;
use super::native;
use super::node::{Node, NodeValue, Span};
use super::reader::Reader;
use super::{ReadError, empty_plan};
use crate::Plan;

pub(super) fn is_spec_kit(text: &str) -> bool {
    lines(text).any(|line| match line {
        Line::Item { text, .. } => number(text).is_some(),
        Line::Heading { .. } | Line::Prose(_) => false,
    })
}

/// Returns the number of a task and what follows it.
fn number(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches("**");
    let digits = text.strip_prefix('T')?.bytes().take_while(u8::is_ascii_digit).count();
    if digits < 2 {
        return None;
    }
    let (id, rest) = text.split_at(1 + digits);
    let rest = rest.trim_start_matches("**").trim_start_matches(':');
    rest.starts_with([' ', ':']).then(|| (id, rest.trim_start_matches([' ', ':'])))
}

/// What the next task of a phase waits for.
#[derive(Default)]
struct Order<'t> {
    /// The last task without `[P]`, and those with it since.
    last: Option<&'t str>,
    beside: Vec<&'t str>,
}

/// A phase that has begun, as soon as it has a task.
struct Phase<'t> {
    title: &'t str,
    id: Option<String>,
    order: Order<'t>,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    text: &str,
    offset: usize,
) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(name);
    let mut phase = Phase { title: "", id: None, order: Order::default() };
    let mut before: Option<String> = None;
    let mut ids = std::collections::HashSet::new();
    for line in lines(text) {
        match line {
            Line::Heading { level: 1, text } => {
                plan.name = crate::diagnostic::quoted(text.trim_start_matches("Tasks:").trim())
                    .trim_matches('`')
                    .to_owned();
            }
            Line::Heading { level: 2, text } => {
                before = phase.id.take().or(before);
                phase = Phase { title: text, id: None, order: Order::default() };
            }
            Line::Item { is_checked, text: item, .. } => {
                let Some((id, rest)) = number(item) else { continue };
                if phase.id.is_none() && !phase.title.is_empty() {
                    let mut group = slug(phase.title);
                    while !ids.insert(group.clone()) {
                        group.push('+');
                    }
                    begin(
                        reader,
                        &phase,
                        &group,
                        before.as_deref(),
                        Span::of_part(text, phase.title, offset),
                    )?;
                    phase.id = Some(group);
                }
                task(reader, &mut phase, &Item { whole: item, id, rest, is_checked }, text, offset)?;
            }
            Line::Heading { .. } | Line::Prose(_) => {}
        }
    }
    Ok(plan)
}

fn begin(
    reader: &mut Reader<'_>,
    phase: &Phase<'_>,
    id: &str,
    before: Option<&str>,
    span: Span,
) -> Result<(), ReadError> {
    let mut members =
        vec![("id", Node::text(span, id.to_owned())), ("title", Node::text(span, phase.title.to_owned()))];
    if let Some(before) = before {
        members.push(("dependencies", Node::list(span, vec![Node::text(span, before.to_owned())])));
    }
    native::entry(reader, Node::map(span, members))
}

/// An item of the list.
struct Item<'t> {
    whole: &'t str,
    id: &'t str,
    rest: &'t str,
    is_checked: bool,
}

fn task<'t>(
    reader: &mut Reader<'_>,
    phase: &mut Phase<'t>,
    item: &Item<'t>,
    text: &str,
    offset: usize,
) -> Result<(), ReadError> {
    let span = |part: &str| Span::of_part(text, part, offset);
    let whole = span(item.whole);
    let (marks, title) = marks(item.rest);
    let is_beside = marks.contains(&"P");
    let (title, stated) = stated_dependencies(title);
    let order = &mut phase.order;
    let implied: Vec<&str> = match is_beside {
        true => order.last.into_iter().collect(),
        false if order.beside.is_empty() => order.last.into_iter().collect(),
        false => order.beside.clone(),
    };
    match is_beside {
        true => order.beside.push(item.id),
        false => *order = Order { last: Some(item.id), beside: Vec::new() },
    }
    let mut dependencies: Vec<Node<'_>> = stated.iter().map(|on| Node::text(span(on), *on)).collect();
    let unstated = implied.into_iter().filter(|on| !stated.contains(on));
    dependencies.extend(unstated.map(|on| Node::text(whole, on)));
    let mut members = vec![
        ("id", Node::text(span(item.id), item.id)),
        ("title", Node::text(span(title), title)),
        ("dependencies", Node::list(whole, dependencies)),
    ];
    if let Some(group) = &phase.id {
        members.push(("parent", Node::text(whole, group.clone())));
    }
    if item.is_checked {
        members.push(("standing", Node::text(whole, "completed")));
    }
    if let Some(story) = marks.iter().find(|mark| **mark != "P") {
        members.push(("story", Node::text(span(story), *story)));
    }
    if is_beside {
        members.push(("parallel", Node { span: whole, value: NodeValue::Bool(true) }));
    }
    native::entry(reader, Node::map(whole, members))
}

/// Returns what stands in square brackets at the beginning, and the rest.
fn marks(text: &str) -> (Vec<&str>, &str) {
    let mut marks = Vec::new();
    let mut rest = text.trim_start();
    while let Some((mark, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        marks.push(mark);
        rest = after.trim_start();
    }
    (marks, rest)
}

/// Returns the title without `(depends on T001, T002)` at its end, and the ids named there.
fn stated_dependencies(text: &str) -> (&str, Vec<&str>) {
    let found = text.trim_end().strip_suffix(')').and_then(|inner| {
        let at = inner.rfind('(')?;
        let ids = inner.get(at + 1..)?.trim().strip_prefix("depends on ")?;
        Some((&text[..at], ids))
    });
    match found {
        None => (text.trim_end(), Vec::new()),
        Some((title, ids)) => {
            let ids = ids.split([',', ' ']).map(str::trim);
            (title.trim_end(), ids.filter(|id| !id.is_empty() && *id != "and").collect())
        }
    }
}
