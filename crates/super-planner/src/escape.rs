//! Other people's text on a terminal: characters that it would act on are shown, not sent.

use std::fmt;

/// Returns whether a terminal would act on the character, or it hides or reorders what is around it.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text as it may be printed on one line.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'t>(pub &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_unprintable(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Returns the text as it may be printed on one line.
pub fn escaped(text: &str) -> String {
    Escaped(text).to_string()
}

/// Returns the text as it may be printed on one line of at most `chars_max` characters, its end cut where it is longer.
pub fn clipped(text: &str, chars_max: usize) -> String {
    let text = escaped(text);
    if text.chars().count() <= chars_max {
        return text;
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// Returns what a text of several lines comes to: its first line and its last, as they may be printed on one line.
pub fn gist(text: &str, chars_max: usize) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next_back() {
        Some(last) => clipped(&format!("{first} … {last}"), chars_max),
        None => clipped(first, chars_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown() {
        assert_eq!(escaped("a\u{1b}[2J\nß\u{202e}\u{9b}\u{7f}"), "a\\u{1b}[2J\\nß\\u{202e}\\u{9b}\\u{7f}");
        assert_eq!(clipped("Aufräumen\n", 8), "Aufräum…");
        assert_eq!(clipped("short", 8), "short");
        assert_eq!(gist("ended with 3\nnoise\n\nboom\n", 40), "ended with 3 … boom");
        assert_eq!(gist("one line", 40), "one line");
    }
}
