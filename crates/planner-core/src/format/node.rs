//! A value of a file that knows where it was written; what every syntax is read into.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Number, Value};

/// Bytes of the source; half the size of a range of `usize`, because there is one for every value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Returns the span; offsets are below 4 GiB because of [`super::Limits`].
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end.max(start) as u32 }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    /// Returns where a part of a text was written, of which the whole begins at `offset`.
    pub(super) fn of_part(whole: &str, part: &str, offset: usize) -> Self {
        let start =
            offset + (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
        Self::new(start, start + part.len())
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start as usize..span.end as usize
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'t> {
    pub(super) span: Span,
    pub(super) value: NodeValue<'t>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeValue<'t> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Map(Vec<Member<'t>>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_span: Span,
    pub(super) node: Node<'t>,
}

impl<'t> Node<'t> {
    /// Returns a text that was written there.
    pub(super) fn text(span: Span, text: impl Into<Cow<'t, str>>) -> Self {
        Self { span, value: NodeValue::Text(text.into()) }
    }

    /// Returns a map that was written there, of keys whose values were written elsewhere in it.
    pub(super) fn map(span: Span, members: Vec<(&'t str, Node<'t>)>) -> Self {
        let members =
            members.into_iter().map(|(key, node)| Member { key: key.into(), key_span: node.span, node });
        Self { span, value: NodeValue::Map(members.collect()) }
    }

    /// Returns a list that was written there.
    pub(super) fn list(span: Span, nodes: Vec<Node<'t>>) -> Self {
        Self { span, value: NodeValue::List(nodes) }
    }

    /// Returns what kind of value it is, as messages say it.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            NodeValue::Null => "null",
            NodeValue::Bool(_) => "a truth value",
            NodeValue::Number(_) => "a number",
            NodeValue::Text(_) => "a text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a map",
        }
    }

    /// Returns the value of a key, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node<'t>> {
        match &self.value {
            NodeValue::Map(members) => {
                members.iter().find(|member| member.key == key).map(|member| &member.node)
            }
            _ => None,
        }
    }

    /// Returns the value without its places. Of a key that is given twice, the last value counts.
    pub(super) fn into_json(self) -> Value {
        match self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::Bool(value),
            NodeValue::Number(value) => Value::Number(value),
            NodeValue::Text(text) => Value::String(text.into_owned()),
            NodeValue::List(nodes) => nodes.into_iter().map(Node::into_json).collect(),
            NodeValue::Map(members) => {
                let members =
                    members.into_iter().map(|member| (member.key.into_owned(), member.node.into_json()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

/// Why a text does not follow its syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) code: &'static str,
    pub(super) span: Span,
    pub(super) message: String,
}

impl SyntaxError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { code: "syntax", span, message: message.into() }
    }

    pub(super) fn too_deep(span: Span, limit: usize) -> Self {
        Self { code: "too-deep", span, message: format!("values are nested more than {limit} deep here") }
    }
}
