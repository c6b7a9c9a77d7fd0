//! The text of a plan, and where in its files something is.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The text of a file, or of several in a row, for telling people where something is.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: Arc<str>,
    /// Where each file begins, if there are several.
    files: Arc<[SourceFile]>,
    line_starts: OnceLock<Vec<usize>>,
}

/// One of several files whose texts stand in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SourceFile {
    start: usize,
    name: String,
}

impl Source {
    /// Returns the source of that name.
    pub fn new(name: &str, text: Arc<str>) -> Self {
        Self { name: name.to_owned(), text, files: Arc::default(), line_starts: OnceLock::new() }
    }

    /// Returns the source of several files, of which each is a name and a text, with a line break after each.
    pub fn of_files<'f>(name: &str, files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        let mut text = String::new();
        let mut starts = Vec::new();
        for (file, content) in files {
            starts.push(SourceFile { start: text.len(), name: file.to_owned() });
            text.push_str(content);
            text.push('\n');
        }
        Self { files: starts.into(), ..Self::new(name, text.into()) }
    }

    /// Returns the name of the file that a byte offset lies in.
    pub fn file_at(&self, offset: usize) -> &str {
        self.file_before(offset).map_or(&self.name, |file| &file.name)
    }

    fn file_before(&self, offset: usize) -> Option<&SourceFile> {
        self.files.partition_point(|file| file.start <= offset).checked_sub(1).map(|place| &self.files[place])
    }

    /// Returns the bytes of the file that the byte offset lies in.
    pub fn file_range(&self, offset: usize) -> Range<usize> {
        let next = self.files.partition_point(|file| file.start <= offset);
        let start = self.file_before(offset).map_or(0, |file| file.start);
        start..self.files.get(next).map_or(self.text.len(), |file| file.start)
    }

    /// Returns the name of the file or the folder, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the line within its file and the column in characters, both from 1, of a byte offset; past the end, those of
    /// the end.
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
        let lines_before = match self.file_range(offset).start {
            0 => 0,
            start => starts.partition_point(|line| *line < start),
        };
        (line - lines_before, column)
    }
}

/// Two sources are equal when their names and texts are.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.text, &self.files) == (&other.name, &other.text, &other.files)
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

    #[test]
    fn places_in_several_files_are_those_of_their_file() {
        let source = Source::of_files("folder", [("a.md", "one\ntwo"), ("b.md", "three\nfour")]);
        let place = |of: &str| {
            let offset = source.text().find(of).unwrap();
            (source.file_at(offset), source.line_column(offset))
        };
        assert_eq!(place("one"), ("a.md", (1, 1)));
        assert_eq!(place("wo"), ("a.md", (2, 2)));
        assert_eq!(place("three"), ("b.md", (1, 1)));
        assert_eq!(place("our"), ("b.md", (2, 2)));
        assert_eq!(source.file_range(9), 8..19);
    }
}
