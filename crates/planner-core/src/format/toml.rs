//! TOML into nodes.

use std::borrow::Cow;

use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Member, Node, NodeValue, Span, SyntaxError};

pub(super) fn read_document(text: &str, offset: usize, depth_max: usize) -> Result<Node<'_>, SyntaxError> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        SyntaxError::new(Span::new(offset + span.start, offset + span.end), error.message())
    })?;
    let span = table.span();
    let reader = Reader { offset, depth_max };
    Ok(Node {
        span: reader.span(span),
        value: NodeValue::Map(reader.members(table.into_inner(), depth_max)?),
    })
}

struct Reader {
    offset: usize,
    depth_max: usize,
}

impl Reader {
    fn span(&self, span: std::ops::Range<usize>) -> Span {
        Span::new(self.offset + span.start, self.offset + span.end)
    }

    fn node<'t>(&self, value: Spanned<DeValue<'t>>, depth_left: usize) -> Result<Node<'t>, SyntaxError> {
        let span = self.span(value.span());
        let Some(below) = depth_left.checked_sub(1) else {
            return Err(SyntaxError::too_deep(span, self.depth_max));
        };
        let number = |number: Option<Number>| {
            number.map(NodeValue::Number).ok_or_else(|| SyntaxError::new(span, "no number that can be kept"))
        };
        let value = match value.into_inner() {
            DeValue::String(text) => NodeValue::Text(text),
            DeValue::Integer(integer) => {
                let parsed = i64::from_str_radix(integer.as_str(), integer.radix());
                number(parsed.ok().map(Number::from))?
            }
            DeValue::Float(float) => number(float.as_str().parse().ok().and_then(Number::from_f64))?,
            DeValue::Boolean(value) => NodeValue::Bool(value),
            DeValue::Datetime(time) => NodeValue::Text(Cow::Owned(time.to_string())),
            DeValue::Array(values) => NodeValue::List(
                values.into_iter().map(|value| self.node(value, below)).collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => NodeValue::Map(self.members(table, below)?),
        };
        Ok(Node { span, value })
    }

    /// Returns the members in the order of the file.
    fn members<'t>(&self, table: DeTable<'t>, depth_left: usize) -> Result<Vec<Member<'t>>, SyntaxError> {
        let mut members = table
            .into_iter()
            .map(|(key, value)| {
                Ok(Member {
                    key_span: self.span(key.span()),
                    key: key.into_inner(),
                    node: self.node(value, depth_left)?,
                })
            })
            .collect::<Result<Vec<_>, SyntaxError>>()?;
        members.sort_by_key(|member| member.key_span);
        Ok(members)
    }
}
