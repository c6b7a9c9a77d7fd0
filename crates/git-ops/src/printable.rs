//! Which characters may reach a terminal, a file name or a commit: none that moves a cursor or hides text.

/// Returns whether a character is invisible or changes how its neighbours are shown.
///
/// These are control characters, line and paragraph separators, the marks that turn the direction of text, and tags.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The longest value of a trailer, and the longest name and address of a person, in characters.
pub(crate) const VALUE_CHARS_MAX: usize = 1000;

/// Returns the text as the value of a trailer.
pub(crate) fn trailer_value(text: &str) -> String {
    one_line(text, VALUE_CHARS_MAX)
}

/// Returns the text on one line without unsafe characters, white space collapsed and at most `chars_max` long.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let spaced: String = text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
    let collapsed = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if collapsed.chars().count() <= chars_max {
        return collapsed;
    }
    let kept: String = collapsed.chars().take(chars_max - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_safe_and_bounded() {
        assert_eq!(one_line("a\r\nb\u{202e}c \t d\u{0}", 80), "a b c d");
        assert_eq!(one_line("abcdefgh", 5), "abcd…");
        assert_eq!(one_line("\u{1b}[31mred", 80), "[31mred");
        assert_eq!(one_line("naïve 日本 👩‍💻", 80), "naïve 日本 👩‍💻");
    }
}
