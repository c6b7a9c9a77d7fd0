//! YAML into nodes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Location, Spanned};

use super::Limits;
use super::node::{Member, Node, NodeValue, Span, SyntaxError};

/// How deep values are nested at most, whatever the limits say: the parser takes tens of kilobytes of stack for each level where it
/// is not optimised, and threads have two megabytes.
const DEPTH_MAX: usize = 40;

pub(super) fn read_document(
    text: &str,
    limits: &Limits,
    offset: usize,
) -> Result<Node<'static>, SyntaxError> {
    let depth_max = limits.depth().min(DEPTH_MAX);
    // Every event but a replayed one takes at least a byte of the text, so only aliases need a budget of their own.
    let events_max = text.len().saturating_add(limits.alias_values_max).saturating_add(16);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: events_max,
            max_nodes: events_max,
            max_depth: depth_max,
            flow_nesting_limit: depth_max,
            max_total_scalar_bytes: text.len().saturating_add(64 << 20),
            max_anchors: limits.alias_values_max,
            max_aliases: limits.alias_values_max,
            max_recorded_anchor_events: limits.alias_values_max.saturating_mul(10),
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.alias_values_max,
        },
        strict_booleans: true,
        with_snippet: false,
    };
    let tree: Tree = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let span = error.location().map_or(Span::default(), |place| place_of_error(place, text, offset));
        SyntaxError::new(span, error.to_string())
    })?;
    Ok(tree.into_node(offset))
}

/// Returns the YAML between the first two lines of three hyphens, if the text begins with one, and what comes after them.
pub(super) fn front_matter(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---")?;
    let start = rest.find('\n').filter(|end| rest[..*end].trim().is_empty())? + 1;
    let mut at = start;
    for line in rest[start..].split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some((&rest[start..at], &rest[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

fn span_of(place: Location, offset: usize) -> Span {
    let span = place.span();
    match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(length)) => Span::new(offset + start as usize, offset + (start + length) as usize),
        _ => Span::default(),
    }
}

/// Errors of the syntax have a line and a column only.
fn place_of_error(place: Location, text: &str, offset: usize) -> Span {
    if place.span().byte_offset().is_some() {
        return span_of(place, offset);
    }
    let [lines_before, columns_before] =
        [place.line(), place.column()].map(|from_one| from_one.saturating_sub(1) as usize);
    let mut lines = text.split_inclusive('\n');
    let line_start: usize = lines.by_ref().take(lines_before).map(str::len).sum();
    let line = lines.next().unwrap_or_default().trim_end_matches(['\r', '\n']);
    let mut rest = line.char_indices().skip(columns_before);
    let (start, length) = rest.next().map_or((line.len(), 0), |(at, character)| (at, character.len_utf8()));
    let start = offset + line_start + start;
    Span::new(start, start + length)
}

/// A value as serde-saphyr gives it, with its place.
struct Tree(Spanned<Branch>);

enum Branch {
    Leaf(NodeValue<'static>),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl Tree {
    /// Recursion is bounded by the depth that the budget lets through.
    fn into_node(self, offset: usize) -> Node<'static> {
        let span = span_of(self.0.referenced, offset);
        let value = match self.0.value {
            Branch::Leaf(value) => value,
            Branch::List(trees) => {
                NodeValue::List(trees.into_iter().map(|tree| tree.into_node(offset)).collect())
            }
            Branch::Map(members) => NodeValue::Map(
                members
                    .into_iter()
                    .map(|(key, value)| {
                        let key = key.into_node(offset);
                        Member {
                            key_span: key.span,
                            key: match key.value {
                                NodeValue::Text(text) => text,
                                _ => Cow::Owned(key.into_json().to_string()),
                            },
                            node: value.into_node(offset),
                        }
                    })
                    .collect(),
            ),
        };
        Node { span, value }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Branch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BranchVisitor)
    }
}

struct BranchVisitor;

impl<'de> Visitor<'de> for BranchVisitor {
    type Value = Branch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Branch, E> {
        Ok(Branch::Leaf(NodeValue::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Branch, E> {
        Ok(Branch::Leaf(NodeValue::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Branch, E> {
        Ok(Branch::Leaf(NodeValue::Number(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Branch, E> {
        Number::from_f64(value)
            .map(|number| Branch::Leaf(NodeValue::Number(number)))
            .ok_or_else(|| E::custom("no number that can be kept"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Branch, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<Branch, E> {
        Ok(Branch::Leaf(NodeValue::Text(Cow::Owned(text))))
    }

    fn visit_unit<E>(self) -> Result<Branch, E> {
        Ok(Branch::Leaf(NodeValue::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Branch, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Branch, D::Error> {
        Branch::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Branch, A::Error> {
        let mut trees = Vec::new();
        while let Some(tree) = sequence.next_element()? {
            trees.push(tree);
        }
        Ok(Branch::List(trees))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Branch, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Branch::Map(members))
    }
}
