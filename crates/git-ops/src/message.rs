//! What a commit says, made safe: one line for the subject, and no trailer but those that we were given.

use crate::printable;

/// The longest subject in characters.
const SUBJECT_CHARS_MAX: usize = 120;
/// The longest body in bytes; the rest is cut off.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A commit message in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub subject: String,
    /// Any text below it; may be empty.
    pub body: String,
    /// Keys and values that programs read back, in this order. They are the last block of the message.
    pub trailers: Vec<(String, String)>,
}

/// Who made a commit. Characters that would break the commit's header are left out when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The person's or the program's name.
    pub name: String,
    /// Its mail address.
    pub email: String,
}

impl Message {
    /// Returns the text of the commit message.
    ///
    /// Control characters and marks that turn the direction of text are gone, a line of the body that could be read
    /// as a trailer or as the end of the message is indented, and the text ends with one newline.
    #[must_use]
    pub fn render(&self) -> String {
        let blocks = [render_subject(&self.subject), render_body(&self.body), self.render_trailers()];
        let filled: Vec<&str> = blocks.iter().map(String::as_str).filter(|block| !block.is_empty()).collect();
        format!("{}\n", filled.join("\n\n"))
    }

    fn render_trailers(&self) -> String {
        let lines = self.trailers.iter().filter_map(|(key, value)| {
            let key: String =
                key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(100).collect();
            let key = key.trim_matches('-');
            let line = format!("{key}: {}", printable::trailer_value(value));
            (!key.is_empty()).then(|| line.trim_end().to_owned())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Signature {
    /// Returns `name <email>`, fit for the header of a commit.
    pub(crate) fn render(&self) -> String {
        let clean = |text: &str| {
            let kept: String = text.chars().filter(|c| !matches!(c, '<' | '>')).collect();
            let line = printable::trailer_value(&kept);
            line.trim_matches(['.', ',', ':', ';', '"', '\\', '\'', ' ']).to_owned()
        };
        let (name, email) = (clean(&self.name), clean(&self.email));
        format!("{} <{email}>", if name.is_empty() { "unknown" } else { &name })
    }
}

fn render_subject(subject: &str) -> String {
    let line = printable::one_line(subject, SUBJECT_CHARS_MAX);
    // `git interpret-trailers` takes a line that begins with `---` for the end of the message.
    let line = line.trim_start_matches('-').trim_start();
    if line.is_empty() { "(no subject)".to_owned() } else { line.to_owned() }
}

fn render_body(body: &str) -> String {
    let cut = (0..=BODY_BYTES_MAX.min(body.len())).rev().find(|&at| body.is_char_boundary(at)).unwrap_or(0);
    let safe: String = body[..cut]
        .replace("\r\n", "\n")
        .chars()
        .map(|c| {
            if matches!(c, '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{b}' | '\u{c}') { '\n' } else { c }
        })
        .filter(|&c| c == '\n' || c == '\t' || !printable::is_unsafe(c))
        .collect();
    let lines: Vec<String> = safe.lines().map(|line| guard_line(line.trim_end())).collect();
    let text = lines.join("\n");
    text.trim_end().trim_start_matches('\n').to_owned()
}

/// Returns the line, indented if a reader of trailers could take it for one or for the end of the message.
fn guard_line(line: &str) -> String {
    let is_divider = line.starts_with("---") || line.starts_with("(cherry picked from commit ");
    if is_divider || looks_like_trailer(line) { format!(" {line}") } else { line.to_owned() }
}

fn looks_like_trailer(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| {
        let key = key.trim_end();
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    fn message(subject: &str, body: &str, trailers: &[(&str, &str)]) -> Message {
        let trailers = trailers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Message { subject: subject.to_owned(), body: body.to_owned(), trailers }
    }

    /// Returns the trailers that stock git reads in a message.
    fn git_reads(text: &str) -> Vec<String> {
        let mut child = Command::new("git")
            .args(["interpret-trailers", "--parse"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_parts_are_in_order() {
        let text =
            message("add the parser", "It reads.\n\nIt writes.", &[("Task-Id", "t1"), ("Agent", "a b")])
                .render();
        assert_eq!(text, "add the parser\n\nIt reads.\n\nIt writes.\n\nTask-Id: t1\nAgent: a b\n");
        assert_eq!(git_reads(&text), ["Task-Id: t1", "Agent: a b"]);
    }

    #[test]
    fn a_subject_cannot_forge_anything() {
        let text = message("x\n\nTask-Id: forged\r\u{202e}\u{0}", "", &[("Task-Id", "real")]).render();
        assert_eq!(text, "x Task-Id: forged\n\nTask-Id: real\n");
        assert_eq!(message("---\n", "", &[]).render(), "(no subject)\n");
    }

    #[test]
    fn a_body_cannot_forge_trailers() {
        for body in [
            "Task-Id: forged",
            "text\n\nTask-Id: forged",
            "a\n---\nb",
            "\n\nTask-Id : x\n",
            "a\u{2028}Task-Id: f",
            "(cherry picked from commit 1)\nTask-Id: y",
        ] {
            let text = message("s", body, &[("Task-Id", "real")]).render();
            assert_eq!(git_reads(&text), ["Task-Id: real"], "{body:?} gave {text:?}");
            let text = message("s", body, &[]).render();
            assert_eq!(git_reads(&text), [""; 0], "{body:?} gave {text:?}");
        }
    }

    #[test]
    fn a_value_stays_on_its_line() {
        let text =
            message("s", "", &[("Task-Id", "a\nAgent: forged"), ("b\nad: key", "v"), ("::", "v")]).render();
        assert_eq!(text, "s\n\nTask-Id: a Agent: forged\nbadkey: v\n");
    }

    #[test]
    fn a_signature_fits_the_header() {
        let signature =
            |name: &str, email: &str| Signature { name: name.to_owned(), email: email.to_owned() }.render();
        assert_eq!(signature("A B", "a@b.c"), "A B <a@b.c>");
        assert_eq!(signature("A <x>\n\0committer E", "<a@b>\n"), "A x committer E <a@b>");
        assert_eq!(signature("", ""), "unknown <>");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn git_reads_only_our_trailers(subject in ".{0,40}", body in "([-A-Za-z:() \t\n\r#\u{2028}]|Task-Id: x\n|---\n|Signed-off-by: y\n){0,30}") {
            let text = message(&subject, &body, &[("Task-Id", "real")]).render();
            prop_assert_eq!(git_reads(&text), ["Task-Id: real"], "{:?}", text);
        }
    }
}
