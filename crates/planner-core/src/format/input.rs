//! The texts that a plan is read from: one file, or those of a folder in a row.

use std::ops::Range;

use super::node::SyntaxError;
use super::{Limits, ReadError, reader};
use crate::{Diagnostic, Source};

/// A file of a plan, as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputFile<'f> {
    /// Its path, from the folder of the plan on, with `/` between its parts.
    pub path: &'f str,
    /// What it holds.
    pub bytes: &'f [u8],
}

/// The text of a plan, of however many files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct InputText {
    pub(super) source: Source,
    files: Vec<TextFile>,
}

/// One file in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextFile {
    pub(super) path: String,
    /// Its bytes in the text, without a byte order mark.
    pub(super) range: Range<usize>,
}

const BYTE_ORDER_MARK: char = '\u{feff}';

impl InputText {
    /// Returns the text of the files, if it is one and within the limits.
    pub(super) fn of(name: &str, files: &[InputFile<'_>], limits: &Limits) -> Result<Self, ReadError> {
        let bytes = files.iter().map(|file| file.bytes.len() + 1).sum::<usize>().saturating_sub(1);
        if bytes > limits.bytes() {
            return Err(ReadError::TooLarge { bytes, limit: limits.bytes() });
        }
        let texts = files.iter().map(text_of).collect::<Result<Vec<_>, _>>()?;
        if texts.iter().all(|text| text.trim_start_matches(BYTE_ORDER_MARK).trim().is_empty()) {
            return Err(ReadError::Empty);
        }
        let source = match texts.as_slice() {
            [text] => Source::new(name, (*text).into()),
            _ => {
                let paths = files.iter().map(|file| format!("{}/{}", name.trim_end_matches('/'), file.path));
                let paths: Vec<String> = paths.collect();
                Source::of_files(name, paths.iter().map(String::as_str).zip(texts.iter().copied()))
            }
        };
        let mut start = 0;
        let files = files.iter().zip(&texts).map(|(file, text)| {
            let mark = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
            let range = start + mark..start + text.len();
            start += text.len() + 1;
            TextFile { path: file.path.to_owned(), range }
        });
        Ok(Self { files: files.collect(), source })
    }

    pub(super) fn text(&self) -> &str {
        self.source.text()
    }

    pub(super) fn files(&self) -> &[TextFile] {
        &self.files
    }

    /// Returns the paths of the files and where each lies in the text, byte order marks included.
    pub(super) fn file_ranges(&self) -> Vec<(String, Range<usize>)> {
        let ranges = self.files.iter().map(|file| {
            let before = &self.text()[..file.range.start];
            let mark = if before.ends_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
            (file.path.clone(), file.range.start - mark..file.range.end)
        });
        ranges.collect()
    }

    /// Returns where the text begins that formats of one file read.
    pub(super) fn body_start(&self) -> usize {
        self.files.first().map_or(0, |file| file.range.start)
    }

    /// Returns the text from there on.
    pub(super) fn body(&self) -> &str {
        &self.text()[self.body_start()..]
    }

    /// Returns the error of a text that does not follow its syntax.
    pub(super) fn broken(&self, error: &SyntaxError) -> ReadError {
        let diagnostic =
            Diagnostic::error(error.code, reader::escaped(&error.message)).at(error.span, "here");
        ReadError::Syntax { diagnostic: Box::new(diagnostic), text: self.source.clone() }
    }
}

fn text_of<'f>(file: &InputFile<'f>) -> Result<&'f str, ReadError> {
    std::str::from_utf8(file.bytes).map_err(|error| ReadError::NotUtf8 {
        offset: error.valid_up_to(),
        line: 1 + file.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count(),
    })
}
