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
const WIDTH_MIN: usize = 40;

/// The standard output and error of this process.
#[derive(Debug, Clone)]
pub struct Terminal {
    width: usize,
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
        Self { width: width(), is_terminal: stdout.is_terminal(), is_coloured }
    }

    /// Returns how many characters a line holds.
    pub fn width(&self) -> usize {
        self.width
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

fn output_error(error: io::Error) -> CliError {
    let kind =
        if error.kind() == io::ErrorKind::BrokenPipe { ErrorKind::OutputClosed } else { ErrorKind::Internal };
    CliError::new(kind, "the output cannot be written").caused_by(error)
}

fn width() -> usize {
    let from_terminal = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let from_environment = || std::env::var("COLUMNS").ok()?.parse().ok();
    from_terminal
        .filter(|columns| *columns > 0)
        .or_else(from_environment)
        .unwrap_or(WIDTH_DEFAULT)
        .max(WIDTH_MIN)
}
