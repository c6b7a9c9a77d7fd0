//! The text of a plan file, and where in it something is.

use std::sync::{Arc, OnceLock};

/// The text of a file and its name, for telling people where something is.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: Arc<str>,
    line_starts: OnceLock<Vec<usize>>,
}

impl Source {
    /// Returns the source of that name.
    pub fn new(name: &str, text: Arc<str>) -> Self {
        Self { name: name.to_owned(), text, line_starts: OnceLock::new() }
    }

    /// Returns the name of the file, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the line and the column in characters, both from 1, of a byte offset; past the end, those of the end.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let starts = self.line_starts.get_or_init(|| {
            let breaks = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
        });
        let line = starts.partition_point(|start| *start <= offset);
        let column = self.text[starts[line - 1]..offset].chars().count() + 1;
        (line, column)
    }
}

/// Two sources are equal when their names and texts are.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.text) == (&other.name, &other.text)
    }
}

impl Eq for Source {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_lines_and_columns_in_characters() {
        let source = Source::new("plan.yaml", "aß\r\nc".into());
        let places: Vec<_> = [0, 1, 2, 3, 5, 6, 99].map(|offset| source.line_column(offset)).into();
        assert_eq!(places, [(1, 1), (1, 2), (1, 2), (1, 3), (2, 1), (2, 2), (2, 2)]);
    }
}
