//! A plain outline in Markdown: headings are groups, items of check lists are tasks, and items below an item belong to it.
//!
//! ```markdown
//! # The project
//! ## Interface {#api}
//! - [ ] Register a parcel {#register} (effort: 3h) (needs: rust, database)
//!   What is to be done, in as many lines as it takes.
//! - [x] Track a parcel (after: register) (priority: high)
//! ```
//!
//! - The first heading of first level, if it is the only one, names the plan.
//! - An id is given as `{#id}`; else it is made of the title. `after` names tasks by their ids or titles.
//! - `after`, `effort`, `needs`, `priority`, `status`, `landing`, `approval`,
//!   `writes`, `check` and the limits of attempts (`lease_seconds` and so on) stand in brackets at the end of a line.
//! - Headings without items below them are not part of the plan.

use std::collections::{HashMap, HashSet};

use super::check_list::{Line, lines};
use super::native;
use super::node::{Node, Span};
use super::reader::Reader;
use super::{ReadError, empty_plan};
use crate::{Plan, TaskId};

/// What may stand in brackets, and the field that it is.
const ATTRIBUTES: [(&str, &str); 14] = [
    ("after", "dependencies"),
    ("effort", "effort"),
    ("needs", "capabilities"),
    ("priority", "priority"),
    ("status", "standing"),
    ("landing", "landing"),
    ("approval", "approval"),
    ("writes", "writes"),
    ("lease_seconds", "lease_seconds"),
    ("start_seconds", "start_seconds"),
    ("silence_seconds", "silence_seconds"),
    ("attempt_seconds", "attempt_seconds"),
    ("losses_max", "losses_max"),
    ("check", "check"),
];

/// A heading or an item.
struct Entry<'t> {
    written: Written<'t>,
    depth: Depth,
    is_checked: bool,
    id: String,
    /// The place among all entries of the one that it belongs to.
    parent: Option<usize>,
    has_children: bool,
    prose: Vec<&'t str>,
}

/// How deep an entry lies: items are below all headings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Heading(usize),
    Item(usize),
}

/// What a line says.
struct Written<'t> {
    whole: &'t str,
    title: &'t str,
    id: Option<&'t str>,
    attributes: Vec<(&'static str, &'t str)>,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    text: &str,
    offset: usize,
) -> Result<Plan, ReadError> {
    let mut plan = empty_plan(name);
    let mut entries = entries(text);
    let is_title = |entry: &Entry<'_>| entry.depth == Depth::Heading(1);
    if entries.iter().filter(|entry| is_title(entry)).count() == 1 && entries.first().is_some_and(is_title) {
        let title = entries.remove(0);
        plan.name = crate::diagnostic::quoted(title.written.title).trim_matches('`').to_owned();
        plan.description = title.prose.join("\n");
    }
    place(&mut entries);
    entries_to_tasks(reader, &entries, text, offset)?;
    Ok(plan)
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for line in lines(text) {
        let (depth, is_checked, text) = match line {
            Line::Heading { level, text } => (Depth::Heading(level), false, text),
            Line::Item { indent, is_checked, text } => (Depth::Item(indent), is_checked, text),
            Line::Prose(text) => {
                if let Some(last) = entries.last_mut() {
                    last.prose.push(text);
                }
                continue;
            }
        };
        entries.push(Entry {
            written: Written::of(text),
            depth,
            is_checked,
            id: String::new(),
            parent: None,
            has_children: false,
            prose: Vec::new(),
        });
    }
    entries
}

/// Gives every entry its parent and its id.
fn place(entries: &mut [Entry<'_>]) {
    let mut open: Vec<usize> = Vec::new();
    let mut taken: HashSet<String> =
        entries.iter().filter_map(|entry| entry.written.id.map(str::to_owned)).collect();
    let mut repeats: HashMap<String, usize> = HashMap::new();
    for index in 0..entries.len() {
        let depth = entries[index].depth;
        while open.last().is_some_and(|above| entries[*above].depth >= depth) {
            open.pop();
        }
        entries[index].parent = open.last().copied();
        open.push(index);
        entries[index].id = match entries[index].written.id {
            Some(id) => id.to_owned(),
            None => {
                let slug = slug(entries[index].written.title);
                let mut id = slug.clone();
                while !taken.insert(id.clone()) {
                    let number = repeats.entry(slug.clone()).or_insert(1);
                    *number += 1;
                    id = format!("{slug}-{number}");
                }
                id
            }
        };
    }
    // Only what leads to an item is part of the plan.
    for index in (0..entries.len()).rev() {
        let is_part = entries[index].has_children || matches!(entries[index].depth, Depth::Item(_));
        if let Some(parent) = entries[index].parent.filter(|_| is_part) {
            entries[parent].has_children = true;
        }
    }
}

/// Returns the words of a title in small letters, with hyphens between.
pub(crate) fn slug(title: &str) -> String {
    const CHARS_MAX: usize = 48;
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
    let slug: String = slug.chars().take(CHARS_MAX).collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "task".to_owned() } else { slug.to_owned() }
}

fn entries_to_tasks(
    reader: &mut Reader<'_>,
    entries: &[Entry<'_>],
    text: &str,
    offset: usize,
) -> Result<(), ReadError> {
    let mut by_title: HashMap<String, Option<&str>> = HashMap::new();
    for entry in entries {
        let only = by_title.entry(slug(entry.written.title)).or_insert(Some(&entry.id));
        if only.is_some_and(|id| id != entry.id) {
            *only = None;
        }
    }
    let ids: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    for entry in entries.iter().filter(|entry| entry.has_children || matches!(entry.depth, Depth::Item(_))) {
        let meant = |name: &str| match ids.contains(name) {
            true => name.to_owned(),
            false => by_title.get(&slug(name)).copied().flatten().unwrap_or(name).to_owned(),
        };
        let span = |part: &str| Span::of_part(text, part, offset);
        let written = &entry.written;
        let whole = span(written.whole);
        let mut members = vec![
            ("id", Node::text(written.id.map_or(span(written.title), span), entry.id.clone())),
            ("title", Node::text(span(written.title), written.title)),
        ];
        if !entry.prose.is_empty() {
            members.push(("description", Node::text(whole, entry.prose.join("\n"))));
        }
        if let Some(parent) = entry.parent {
            members.push(("parent", Node::text(whole, entries[parent].id.clone())));
        }
        if entry.is_checked {
            members.push(("standing", Node::text(whole, "completed")));
        }
        for (field, value) in &written.attributes {
            let list = |meant: &dyn Fn(&str) -> String| {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                Node::list(span(value), names.map(|name| Node::text(span(name), meant(name))).collect())
            };
            let node = match *field {
                "dependencies" => list(&meant),
                "capabilities" | "writes" => list(&|name: &str| name.to_owned()),
                _ => Node::text(span(value), *value),
            };
            members.push((field, node));
        }
        native::entry(reader, Node::map(whole, members))?;
    }
    Ok(())
}

impl<'t> Written<'t> {
    /// Returns what a line says: the title, and what stands in brackets behind it.
    fn of(line: &'t str) -> Self {
        let mut written = Self { whole: line, title: line, id: None, attributes: Vec::new() };
        loop {
            let rest = written.title.trim_end();
            if let Some((before, id)) = last_in(rest, "{#", '}').filter(|(_, id)| TaskId::new(id).is_ok()) {
                // What stands before the id is the title, whatever it looks like.
                (written.title, written.id) = (before.trim_end(), Some(id));
                return written;
            } else if let Some((before, field, value)) = last_attribute(rest) {
                written.title = before;
                written.attributes.insert(0, (field, value));
            } else {
                written.title = rest;
                return written;
            }
        }
    }
}

fn last_attribute(text: &str) -> Option<(&str, &'static str, &str)> {
    let (before, attribute) = last_in(text, "(", ')')?;
    let (name, value) = attribute.split_once(':')?;
    let (_, field) = ATTRIBUTES.into_iter().find(|(own, _)| name.trim().eq_ignore_ascii_case(own))?;
    Some((before, field, value.trim()))
}

/// Returns what stands between the last `open` and the `close` at the end, and what stands before.
fn last_in<'t>(text: &'t str, open: &str, close: char) -> Option<(&'t str, &'t str)> {
    let inner = text.strip_suffix(close)?;
    let at = inner.rfind(open)?;
    Some((&inner[..at], &inner[at + open.len()..]))
}
