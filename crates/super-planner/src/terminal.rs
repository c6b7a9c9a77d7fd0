//! Where the output goes: colours only where they are wanted, a width, and a reader that may have gone away.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::cli::ColorWhen;
use crate::error::{CliError, ErrorKind};

/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What deserves a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is going on.
pub const BUSY: Style = AnsiColor::Cyan.on_default();
/// What matters less.
pub const DIM: Style = Style::new().dimmed();
/// Everything else.
pub const PLAIN: Style = Style::new();

const WIDTH_DEFAULT: usize = 100;
const HEIGHT_DEFAULT: usize = 24;
const WIDTH_MIN: usize = 40;

/// The standard output and error of this process.
#[derive(Debug, Clone)]
pub struct Terminal {
    width: usize,
    height: usize,
    is_terminal: bool,
    is_coloured: bool,
}

impl Terminal {
    /// Returns the terminal that this process has, and says for the whole process when to colour.
    pub fn detect(color: ColorWhen) -> Self {
        let choice = match color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        let stdout = io::stdout();
        let is_coloured = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        let size = rustix::termios::tcgetwinsize(&stdout).ok();
        let rows = size.map_or(0, |size| usize::from(size.ws_row));
        let height = if rows == 0 { HEIGHT_DEFAULT } else { rows };
        let width = width(size.map_or(0, |size| usize::from(size.ws_col)));
        Self { width, height, is_terminal: stdout.is_terminal(), is_coloured }
    }

    /// Returns how many characters a line holds.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns how many lines are visible at once.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns whether a person reads along, so that lines can be drawn again.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns whether standard output is coloured.
    pub fn is_coloured(&self) -> bool {
        self.is_coloured
    }

    /// Prints the answer. Colours are taken out where they are not wanted.
    pub fn print(&self, text: impl fmt::Display) -> Result<(), CliError> {
        let mut out = anstream::stdout().lock();
        write!(out, "{text}").and_then(|()| out.flush()).map_err(output_error)
    }

    /// Prints a line of the answer.
    pub fn line(&self, text: impl fmt::Display) -> Result<(), CliError> {
        self.print(format_args!("{text}\n"))
    }

    /// Prints a value as one line of JSON.
    pub fn json_line(&self, value: &impl serde::Serialize) -> Result<(), CliError> {
        self.line(serde_json::to_string(value).expect("answers have only text for keys"))
    }

    /// Prints a value as JSON for people to read.
    pub fn json(&self, value: &impl serde::Serialize) -> Result<(), CliError> {
        self.line(serde_json::to_string_pretty(value).expect("answers have only text for keys"))
    }

    /// Prints a line beside the answer, to standard error. Nothing can be done if that fails.
    pub fn note(&self, text: impl fmt::Display) {
        let _ = writeln!(anstream::stderr(), "{text}");
    }
}

/// Returns what it means that the output cannot be written.
pub(crate) fn output_error(error: io::Error) -> CliError {
    let kind =
        if error.kind() == io::ErrorKind::BrokenPipe { ErrorKind::OutputClosed } else { ErrorKind::Internal };
    CliError::new(kind, "the output cannot be written").caused_by(error)
}

fn width(columns: usize) -> usize {
    let from_environment = || std::env::var("COLUMNS").ok()?.parse().ok();
    let columns = if columns > 0 { Some(columns) } else { from_environment() };
    columns.unwrap_or(WIDTH_DEFAULT).max(WIDTH_MIN)
}
