//! Diagnostics with the lines that they are about, through miette: shortened, and with nothing in them for a terminal
//! to act on.

use std::fmt;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};
use planner_core::{Diagnostic, Severity, Source};

use crate::error::CliError;
use crate::escape::is_unprintable;
use crate::terminal::Terminal;

/// How much of a line, before and after a place in it, is shown where the line is long.
const LINE_BYTES_SHOWN: usize = 120;
/// How much is shown around one place, or several that are near each other.
const EXCERPT_BYTES_MAX: usize = 4_000;
/// How much of a place is marked.
const MARKED_BYTES_MAX: usize = 80;

/// Draws diagnostics about one text.
#[derive(Debug)]
pub struct Snippets {
    text: Arc<PlanText>,
    handler: GraphicalReportHandler,
}

impl Snippets {
    /// Returns what draws diagnostics about `source`.
    pub fn new(source: &Source, terminal: &Terminal) -> Self {
        let theme = if terminal.is_coloured() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_width(terminal.width())
            .with_context_lines(1);
        Self { text: Arc::new(PlanText::new(source)), handler }
    }

    /// Returns the diagnostic with the lines that it is about.
    pub fn draw(&self, diagnostic: &Diagnostic) -> String {
        let report = Report { diagnostic, text: self.text.as_ref() };
        let mut drawn = String::new();
        // Only an unreadable place could fail, and then the message alone is still worth having.
        if self.handler.render_report(&mut drawn, &report).is_err() {
            drawn = format!("{diagnostic}\n");
        }
        drawn
    }
}

/// Returns the error as people read it: with its causes, its hint, and the place that it is about.
pub fn draw_error(error: &CliError, terminal: &Terminal) -> String {
    use crate::terminal::{BAD, HEADING};
    let mut drawn = format!("{BAD}error{BAD:#}: {HEADING}{error}{HEADING:#}\n");
    match error.place() {
        Some((diagnostic, source)) => drawn.push_str(&Snippets::new(source, terminal).draw(diagnostic)),
        None => {
            for cause in error.causes() {
                drawn.push_str(&format!("  because {}\n", crate::escape::escaped(&cause)));
            }
        }
    }
    let is_told = error.place().is_some_and(|(diagnostic, _)| diagnostic.help.is_some());
    if let Some(hint) = error.advice().filter(|_| !is_told) {
        drawn.push_str(&format!("  {HEADING}hint{HEADING:#}: {hint}\n"));
    }
    drawn
}

/// A text of which excerpts can be shown on a terminal.
#[derive(Debug)]
struct PlanText {
    source: Source,
    /// The text with other characters of the same length in the place of unprintable ones.
    printable: Arc<str>,
}

impl PlanText {
    fn new(source: &Source) -> Self {
        let text = source.text();
        let is_plain =
            |character: char| matches!(character, '\n' | '\t' | '\r') || !is_unprintable(character);
        let printable = if text.chars().all(is_plain) {
            text.clone()
        } else {
            let replaced = text.chars().map(|character| match character {
                character if is_plain(character) => character,
                character => ['?', '¿', '\u{fffd}', '\u{10fffd}'][character.len_utf8() - 1],
            });
            replaced.collect::<String>().into()
        };
        Self { source: source.clone(), printable }
    }

    /// Returns a place within the text, cut to what can be marked on one line.
    fn marked(&self, place: &std::ops::Range<usize>) -> SourceSpan {
        let text = &self.printable;
        let start = boundary_before(text, place.start);
        let end = boundary_before(text, place.end.clamp(start, start + MARKED_BYTES_MAX));
        let length = text[start..end].find(['\n', '\r']).unwrap_or(end - start);
        (start, length).into()
    }
}

impl SourceCode for PlanText {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let file = self.source.file_range(span.offset());
        let text = &self.printable[..file.end];
        let (from, to) = (span.offset(), span.offset() + span.len());
        if to > text.len() || span.len() > EXCERPT_BYTES_MAX {
            return Err(MietteError::OutOfBounds);
        }
        let (start, end) = if lines_before + lines_after == 0 {
            (from, to)
        } else {
            (excerpt_start(text, from, lines_before).max(file.start), excerpt_end(text, to, lines_after))
        };
        let (line, column) = self.source.line_column(start);
        let excerpt = &text[start..end];
        Ok(Box::new(MietteSpanContents::new_named(
            self.source.file_at(start).to_owned(),
            excerpt.as_bytes(),
            (start, end - start).into(),
            line - 1,
            column - 1,
            excerpt.matches('\n').count(),
        )))
    }
}

/// Returns the offset, or the nearest one before it that is within the text and not within a character.
fn boundary_before(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Returns where an excerpt begins: so many lines before, as long as they are short.
fn excerpt_start(text: &str, from: usize, lines_before: usize) -> usize {
    let mut start = from;
    for line in 0..=lines_before {
        // The first step goes to the start of the line itself, each other one over a line break.
        let end_of_line = if line == 0 { start } else { start - 1 };
        let line_start = text[..end_of_line].rfind('\n').map_or(0, |at| at + 1);
        if end_of_line - line_start > LINE_BYTES_SHOWN {
            return if line == 0 { boundary_before(text, start - LINE_BYTES_SHOWN) } else { start };
        }
        start = line_start;
        if start == 0 {
            break;
        }
    }
    start
}

/// Returns where an excerpt ends: so many lines after, as long as they are short.
fn excerpt_end(text: &str, to: usize, lines_after: usize) -> usize {
    let mut end = to;
    for line in 0..=lines_after {
        let rest = &text[end..];
        let length = rest.find('\n').unwrap_or(rest.len());
        if length > LINE_BYTES_SHOWN {
            return if line == 0 { boundary_before(text, end + LINE_BYTES_SHOWN) } else { end };
        }
        end = (end + length + 1).min(text.len());
        if end == text.len() {
            break;
        }
    }
    end
}

/// A diagnostic as miette sees it.
#[derive(Debug)]
struct Report<'d> {
    diagnostic: &'d Diagnostic,
    text: &'d PlanText,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.diagnostic.labels.iter().enumerate().map(|(position, label)| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            let span = self.text.marked(&label.span);
            if position == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        });
        Some(Box::new(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal() -> Terminal {
        Terminal::detect(crate::cli::ColorWhen::Never)
    }

    fn draw(text: &str, place: std::ops::Range<usize>) -> String {
        let source = Source::new("plan.yaml", text.into());
        Snippets::new(&source, &terminal()).draw(&Diagnostic::error("odd", "it is odd").at(place, "this"))
    }

    #[test]
    fn the_line_is_shown_with_its_neighbours() {
        let drawn = draw("one\ntwo\nthree\nfour\nfive\n", 8..13);
        assert!(drawn.contains("plan.yaml:3:1"), "{drawn}");
        assert!(drawn.contains("two") && drawn.contains("three") && drawn.contains("four"), "{drawn}");
        assert!(!drawn.contains("one") && !drawn.contains("five"), "{drawn}");
    }

    #[test]
    fn control_characters_of_the_text_are_not_drawn() {
        let drawn = draw("a\u{1b}[2J\u{9b}\u{202e}\u{e0041}b\n", 0..3);
        assert!(!drawn.chars().any(|c| c != '\n' && is_unprintable(c)), "{drawn:?}");
        assert!(drawn.contains("a?[2J¿\u{fffd}"), "{drawn}");
    }

    #[test]
    fn of_a_long_line_a_part_is_shown() {
        let text = format!("{}here{}", "ä".repeat(500_000), "ö".repeat(500_000));
        let drawn = draw(&text, 1_000_000..1_000_004);
        assert!(drawn.contains("here") && drawn.len() < 3_000, "{}", drawn.len());
        assert!(drawn.contains("plan.yaml:1:500001"), "{drawn}");
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        for (start, end) in [(0, 0), (3, 9), (50, 60), (2, 1)] {
            assert!(draw("ab\n", start..end).contains("it is odd"));
        }
        assert!(draw("", 0..1).contains("it is odd"));
    }
}
