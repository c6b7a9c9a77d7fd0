//! How a run looks on a terminal: the answer on standard output, all else beside it.

use agent_runtime::event::{Event, Told};
use agent_runtime::react::Outcome;
use agent_runtime::tool::ToolStatus;

use crate::error::CliError;
use crate::escape::{clipped, is_unprintable};
use crate::terminal::{BAD, DIM, Terminal, WARN};

const ARGUMENTS_CHARS_MAX: usize = 100;

/// What is shown of one run.
pub(super) struct Screen<'a> {
    terminal: &'a Terminal,
    /// The answer is told as JSON when it is whole.
    as_json: bool,
    has_text: bool,
}

impl<'a> Screen<'a> {
    pub(super) fn new(terminal: &'a Terminal, as_json: bool) -> Self {
        Self { terminal, as_json, has_text: false }
    }

    pub(super) fn show(&mut self, update: &[Told]) -> Result<(), CliError> {
        update.iter().try_for_each(|told| match told {
            Told::Event(event) => self.show_event(event),
            Told::Missed(missed) => {
                self.beside(&format!("{WARN}{missed} events were missed{WARN:#}"));
                Ok(())
            }
        })
    }

    fn show_event(&mut self, event: &Event) -> Result<(), CliError> {
        match event {
            Event::Text(text) if !self.as_json => {
                self.has_text = true;
                self.terminal.print(printable(text))?;
            }
            Event::Replied { .. } => self.end_line()?,
            Event::Retrying { wait, error, .. } => {
                self.end_line()?;
                self.beside(&format!("{WARN}{}; again in {wait:.1?}{WARN:#}", clipped(error, 200)));
            }
            Event::ToolCalled { name, arguments, .. } => {
                let arguments = clipped(arguments, ARGUMENTS_CHARS_MAX);
                self.beside(&format!("{DIM}→ {} {arguments}{DIM:#}", clipped(name, 80)));
            }
            Event::ToolReturned { name, status, bytes, elapsed, .. } => {
                let style = if *status == ToolStatus::Succeeded { DIM } else { WARN };
                let name = clipped(name, 80);
                self.beside(&format!("{style}← {name}: {status:?}, {bytes} bytes in {elapsed:.1?}{style:#}"));
            }
            Event::Compacted(compaction) => {
                let (before, after) = (compaction.tokens_before, compaction.tokens_after);
                self.beside(&format!("{DIM}the model is shown {after} of {before} tokens{DIM:#}"));
            }
            Event::LimitReached(limit) => {
                self.beside(&format!("{WARN}a limit is reached: {limit:?}{WARN:#}"));
            }
            Event::Failed { error } => {
                self.end_line()?;
                self.beside(&format!("{BAD}{}{BAD:#}", clipped(error, 400)));
            }
            Event::Finished(Outcome::Cancelled) => {
                self.end_line()?;
                self.beside(&format!("{WARN}cancelled{WARN:#}"));
            }
            Event::Text(_) | Event::Started { .. } | Event::Preprocessed { .. } | Event::Finished(_) => {}
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), CliError> {
        if std::mem::take(&mut self.has_text) { self.terminal.line("") } else { Ok(()) }
    }

    fn beside(&self, text: &str) {
        self.terminal.note(text);
    }
}

/// Returns the text with everything but ends of lines written out that a terminal would act on.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unprintable(character) && character != '\n' {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_lines_and_nothing_that_a_terminal_acts_on() {
        assert_eq!(printable("a\nb\u{1b}[2J\rß"), "a\nb\\u{1b}[2J\\rß");
    }
}
