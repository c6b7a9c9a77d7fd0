//! What is wrong or odd with a plan file, told so that people can act on it.

use std::fmt;
use std::ops::Range;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The plan cannot run.
    Error,
    /// The plan runs, but perhaps not as its author thinks.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// Returns `error`, `warning` or `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place in the source and what it has to do with the matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// The bytes of the source that it is about.
    pub span: Range<usize>,
    /// What about them.
    pub text: String,
}

/// One thing that is wrong or odd. What it quotes of the file has its control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// A name of the kind, such as `unknown-dependency`; it does not change between versions.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter, in one sentence without a full stop.
    pub message: String,
    /// Where; the first label is the main one.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Returns an error of that kind.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    /// Returns a warning of that kind.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    /// Returns a note of that kind.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, message.into())
    }

    fn new(code: &'static str, severity: Severity, message: String) -> Self {
        Self { code, severity, message, labels: Vec::new(), help: None }
    }

    /// Returns it with one more place.
    #[must_use = "the diagnostic is returned, not changed"]
    pub fn at(mut self, span: impl Into<Range<usize>>, text: impl Into<String>) -> Self {
        self.labels.push(Label { span: span.into(), text: text.into() });
        self
    }

    /// Returns it with advice.
    #[must_use = "the diagnostic is returned, not changed"]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `error[unknown-dependency]: ...`, on one line.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity.as_str(), self.code, self.message)
    }
}

/// Diagnostics in the making: beyond a limit, those of one kind are only counted.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    list: Vec<Diagnostic>,
    per_code_max: usize,
    counts: Vec<(&'static str, Severity, usize)>,
}

impl Diagnostics {
    pub(crate) fn new(per_code_max: usize) -> Self {
        Self { list: Vec::new(), per_code_max, counts: Vec::new() }
    }

    /// Takes one in; `tell` is called only if there is room for it.
    pub(crate) fn push(&mut self, code: &'static str, tell: impl FnOnce() -> Diagnostic) {
        let place = self.counts.iter().position(|(other, ..)| *other == code);
        match place {
            Some(place) => {
                self.counts[place].2 += 1;
                if self.counts[place].2 <= self.per_code_max {
                    self.list.push(tell());
                }
            }
            None => {
                let first = tell();
                debug_assert_eq!(first.code, code);
                self.counts.push((code, first.severity, 1));
                self.list.push(first);
            }
        }
    }

    /// Returns how many errors there were, told or counted.
    pub(crate) fn error_count(&self) -> usize {
        let errors = self.counts.iter().filter(|(_, severity, _)| *severity == Severity::Error);
        errors.map(|(.., count)| count).sum()
    }

    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        for (code, severity, count) in self.counts {
            if count > self.per_code_max {
                let more = format!("{} more of the kind `{code}`", count - self.per_code_max);
                self.list.push(Diagnostic::new(code, severity, more));
            }
        }
        self.list
    }
}

/// Returns the text as messages quote it: between backquotes, escaped, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    const CHARS_SHOWN: usize = 80;
    let mut quoted = String::from("`");
    for character in text.chars().take(CHARS_SHOWN) {
        match character {
            '"' | '\'' => quoted.push(character),
            _ => quoted.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(CHARS_SHOWN).is_some() {
        quoted.push_str("...");
    }
    quoted.push('`');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hide_what_terminals_would_act_on() {
        assert_eq!(quoted("a\u{1b}[31m\u{202e}\n'b'"), "`a\\u{1b}[31m\\u{202e}\\n'b'`");
        assert_eq!(quoted(&"x".repeat(100)).len(), 85);
    }

    #[test]
    fn a_flood_of_one_kind_is_counted() {
        let mut diagnostics = Diagnostics::new(2);
        for n in 0..5 {
            diagnostics.push("odd", || Diagnostic::note("odd", format!("{n}")));
        }
        let told: Vec<String> = diagnostics.finish().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["note[odd]: 0", "note[odd]: 1", "note[odd]: 3 more of the kind `odd`"]);
    }
}
