//! What a tool returns, made fit to be shown: of bounded size, and without characters that a terminal or a reader would act
//! on.

use crate::planted::{self, Bug};

/// How the note begins that stands for what is missing.
pub(crate) const CUT: &str = "[cut: the first ";

/// Returns the text with its control characters written out, cut after so many bytes, with a note of how much is missing.
pub(super) fn presentable(text: String, bytes_max: usize) -> String {
    // Cut first: what is cut off need not be looked at, and what is written out becomes at most ten times as long.
    let text = cut(text, bytes_max);
    if !text.chars().any(is_acted_on) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 64);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        // Both characters together are the end of a line.
        let ends_line = character == '\r' && characters.peek() == Some(&'\n');
        if is_acted_on(character) && !ends_line {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    cut(shown, bytes_max)
}

/// Returns whether a character moves a cursor, hides text or turns it around.
fn is_acted_on(character: char) -> bool {
    if planted::is_on(Bug::OutputUnescaped) {
        return false;
    }
    let is_control = character.is_control() && !matches!(character, '\n' | '\t');
    is_control
        || matches!(character,
            '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns the first bytes of a text, with a note of how much is missing.
pub(super) fn cut(mut text: String, bytes_max: usize) -> String {
    let bytes = text.len();
    if bytes <= bytes_max || planted::is_on(Bug::OutputUncut) {
        return text;
    }
    let kept = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.truncate(kept);
    text.shrink_to_fit();
    text.push_str(&format!("\n{CUT}{kept} of {bytes} bytes]"));
    text
}

/// Returns whether a text that is shown to a model says at its end that it is not all there is.
pub(crate) fn is_cut(text: &str) -> bool {
    text.lines().next_back().is_some_and(|line| line.starts_with(CUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_acted_on_is_written_out() {
        let shown = presentable("a\u{1b}[2J\tb\r\n\rß\u{202e}\u{0}\u{9b}日".to_owned(), 1000);
        assert_eq!(shown, "a\\u{1b}[2J\tb\r\n\\rß\\u{202e}\\u{0}\\u{9b}日");
        let plain = "one\ntwo".to_owned();
        assert_eq!(presentable(plain.clone(), 1000), plain);
    }

    #[test]
    fn written_out_text_is_bounded_too() {
        let shown = presentable("\u{1b}".repeat(10 << 20), 1000);
        assert!(shown.len() < 1100, "{}", shown.len());
        assert_eq!(cut("ééé".to_owned(), 3), "é\n[cut: the first 2 of 6 bytes]");
        assert!(is_cut(&cut("ééé".to_owned(), 3)) && !is_cut("ééé\n"));
    }
}
