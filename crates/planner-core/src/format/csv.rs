//! CSV (RFC 4180): a row of names, then one task a row; the separator is a comma, a semicolon or a tab.
//!
//! The columns are the fields of the native format under any of their names; others are kept with their tasks. In a cell of
//! several names they are separated by semicolons or, where it holds none, by commas.

use std::borrow::Cow;

use super::native;
use super::node::{Node, Span};
use super::reader::Reader;
use super::{ReadError, empty_plan};
use crate::Plan;

const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
/// The columns whose cells hold several names.
const LISTS: [&str; 4] = ["dependencies", "depends_on", "capabilities", "writes"];

/// Returns whether the first line names columns, an id among them.
pub(super) fn is_csv(text: &str) -> bool {
    separator(text).is_some_and(|separator| {
        let mut rows = Rows { text, at: 0, separator };
        let names = rows.next().unwrap_or_default();
        names.len() > 1 && names.iter().any(|cell| cell.text.trim().eq_ignore_ascii_case("id"))
    })
}

fn separator(text: &str) -> Option<u8> {
    let line = text.lines().next().unwrap_or_default();
    SEPARATORS.into_iter().max_by_key(|separator| line.bytes().filter(|byte| byte == separator).count())
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    text: &str,
    offset: usize,
) -> Result<Plan, ReadError> {
    let plan = empty_plan(name);
    let mut rows = Rows { text, at: 0, separator: separator(text).unwrap_or(b',') };
    let names: Vec<String> = rows
        .next()
        .unwrap_or_default()
        .iter()
        .map(|cell| cell.text.trim().to_lowercase().replace([' ', '-'], "_"))
        .collect();
    let limit = reader.limits().line_bytes_max;
    while let Some(row) = rows.next() {
        let start = row.first().map_or(0, |cell| cell.start);
        let whole = Span::new(offset + start, offset + rows.at);
        if rows.at - start > limit {
            let line = 1 + text[..start].matches('\n').count();
            return Err(ReadError::LineTooLong { line, bytes: rows.at - start, limit });
        }
        if row.iter().all(|cell| cell.text.trim().is_empty()) {
            continue;
        }
        if row.len() > names.len() {
            reader.warning("too-many-cells", whole, "this row", || {
                format!("the row has {} cells, but there are {} columns", row.len(), names.len())
            });
        }
        let cells = names
            .iter()
            .map(String::as_str)
            .zip(&row)
            .filter(|(name, cell)| !name.is_empty() && !cell.text.is_empty());
        let members: Vec<_> = cells.map(|(name, cell)| (name, cell.node(name, offset))).collect();
        native::entry(reader, Node::map(whole, members))?;
    }
    Ok(plan)
}

/// What stands between two separators.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell<'t> {
    start: usize,
    end: usize,
    text: Cow<'t, str>,
}

impl Cell<'_> {
    fn node(&self, column: &str, offset: usize) -> Node<'_> {
        let span = Span::new(offset + self.start, offset + self.end);
        if !LISTS.contains(&column) {
            return Node::text(span, self.text.as_ref());
        }
        let separator = if self.text.contains(';') { ';' } else { ',' };
        let names = self.text.split(separator).map(str::trim).filter(|name| !name.is_empty());
        Node::list(span, names.map(|name| Node::text(span, name)).collect())
    }
}

struct Rows<'t> {
    text: &'t str,
    at: usize,
    separator: u8,
}

impl<'t> Iterator for Rows<'t> {
    type Item = Vec<Cell<'t>>;

    fn next(&mut self) -> Option<Vec<Cell<'t>>> {
        if self.at >= self.text.len() {
            return None;
        }
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell());
            match self.text.as_bytes().get(self.at) {
                Some(byte) if *byte == self.separator => self.at += 1,
                Some(b'\r') if self.text.as_bytes().get(self.at + 1) == Some(&b'\n') => {
                    self.at += 2;
                    return Some(cells);
                }
                Some(_) => {
                    self.at += 1;
                    return Some(cells);
                }
                None => return Some(cells),
            }
        }
    }
}

impl<'t> Rows<'t> {
    fn cell(&mut self) -> Cell<'t> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut text = Cow::Borrowed("");
        if bytes.get(start) == Some(&b'"') {
            self.at += 1;
            loop {
                let rest = &self.text[self.at..];
                let Some(quote) = rest.find('"') else {
                    text += rest;
                    self.at = self.text.len();
                    break;
                };
                text += &rest[..quote];
                self.at += quote + 1;
                if bytes.get(self.at) != Some(&b'"') {
                    break;
                }
                text += "\"";
                self.at += 1;
            }
        }
        let rest = &self.text[self.at..];
        let ends = |byte: u8| byte == self.separator || byte == b'\n' || byte == b'\r';
        let end = rest.bytes().position(ends).unwrap_or(rest.len());
        text += &rest[..end];
        self.at += end;
        Cell { start, end: self.at, text }
    }
}
