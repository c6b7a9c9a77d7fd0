//! What is typed.

use std::io::{self, BufRead};

use tokio::sync::mpsc;

use crate::terminal::{DIM, Terminal};

/// What can be typed beside requests.
pub(super) const HELP: &str = "\
Whatever is typed is a request. The simulated model does what these say:
  use SKILL | consult SKILL FILE | read FILE | list FOLDER | search TEXT | write FILE with TEXT | run PROGRAM ARGUMENTS
/pin FACT     keep a fact in sight for good        /fork NAME    go on in a copy of the session
/export FILE  write the messages as JSON lines     /stats        what was used, and how it felt
/close        end the session for good             /quit         leave; the same command goes on
Ctrl-C cancels what is under way.";

/// The longest line that is taken.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A line that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Request(String),
    Pin(String),
    Fork(String),
    Export(String),
    Statistics,
    Close,
    Help,
    Quit,
    Unknown(String),
}

impl Line {
    /// Returns what a line means, `None` where there is nothing in it.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() {
            return None;
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim().to_owned();
        Some(match word {
            "/pin" if !rest.is_empty() => Self::Pin(rest),
            "/fork" if !rest.is_empty() => Self::Fork(rest),
            "/export" if !rest.is_empty() => Self::Export(rest),
            "/stats" => Self::Statistics,
            "/close" => Self::Close,
            "/help" => Self::Help,
            "/quit" => Self::Quit,
            word if word.starts_with('/') => Self::Unknown(word.to_owned()),
            // Where lines cannot be typed in a request, `\n` stands for their end.
            _ => Self::Request(line.replace("\\n", "\n")),
        })
    }
}

/// The lines of standard input, read on a thread of its own: nothing else waits for somebody who types.
pub(super) struct Input<'a> {
    lines: mpsc::Receiver<String>,
    terminal: &'a Terminal,
}

impl<'a> Input<'a> {
    /// Begins to read.
    pub(super) fn begin(terminal: &'a Terminal) -> Self {
        let (sender, lines) = mpsc::channel(1);
        std::thread::spawn(move || read(&mut io::stdin().lock(), &sender));
        Self { lines, terminal }
    }

    /// Waits for the next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Line> {
        loop {
            if self.terminal.is_terminal() {
                // Where the prompt cannot be printed, the answers will say so.
                let _ = self.terminal.print(format_args!("{DIM}›{DIM:#} "));
            }
            if let Some(line) = Line::parse(&self.lines.recv().await?) {
                return Some(line);
            }
        }
    }
}

/// Hands on lines until there are no more, or nobody wants them.
fn read(from: &mut impl BufRead, to: &mpsc::Sender<String>) {
    loop {
        let mut bytes = Vec::new();
        let taken = io::Read::take(&mut *from, LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        let line = String::from_utf8_lossy(&bytes).into_owned();
        if !matches!(taken, Ok(1..)) || to.blocking_send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_the_help_says() {
        for (line, meaning) in [
            (" \t", None),
            ("hello there\n", Some(Line::Request("hello there".to_owned()))),
            ("read a\\nread b", Some(Line::Request("read a\nread b".to_owned()))),
            ("/pin the key is 7", Some(Line::Pin("the key is 7".to_owned()))),
            ("/pin", Some(Line::Unknown("/pin".to_owned()))),
            ("/fork  two ", Some(Line::Fork("two".to_owned()))),
            ("/quit", Some(Line::Quit)),
            ("/stats", Some(Line::Statistics)),
            ("/nonsense x", Some(Line::Unknown("/nonsense".to_owned()))),
        ] {
            assert_eq!(Line::parse(line), meaning, "{line:?}");
        }
    }

    #[test]
    fn input_of_any_kind_becomes_bounded_lines() {
        let mut bytes = vec![b'x'; 3 << 20];
        bytes.extend(b"\nend\xff\n");
        let (sender, mut lines) = mpsc::channel(16);
        read(&mut &bytes[..], &sender);
        drop(sender);
        let mut lengths = Vec::new();
        while let Some(line) = lines.blocking_recv() {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [1 << 20, 1 << 20, 1 << 20, 1, 7]);
    }
}
