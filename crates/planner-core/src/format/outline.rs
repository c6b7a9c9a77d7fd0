//! A quick look at JSON: where its values begin and end, without reading them.
//!
//! What is looked at may be broken; then the look ends early, and whoever reads the text in full will say why.

/// The bytes of one JSON value, or what looks like one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline<'t> {
    text: &'t str,
    start: usize,
}

impl<'t> Outline<'t> {
    /// Returns the first value of the text.
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, start: after_space(text.as_bytes(), 0) }
    }

    pub(super) fn is_map(self) -> bool {
        self.text.as_bytes().get(self.start) == Some(&b'{')
    }

    pub(super) fn is_list(self) -> bool {
        self.text.as_bytes().get(self.start) == Some(&b'[')
    }

    /// Returns where the value ends, if it ends.
    pub(super) fn end(self) -> Option<usize> {
        end_of_value(self.text.as_bytes(), self.start)
    }

    /// Returns the keys of a map, as they are written between their quotes, and their values.
    pub(super) fn members(self) -> impl Iterator<Item = (&'t str, Outline<'t>)> {
        let bytes = self.text.as_bytes();
        let mut at = self.is_map().then_some(self.start + 1);
        std::iter::from_fn(move || {
            let key_start = after_space(bytes, at.take()?);
            let key_end =
                (bytes.get(key_start) == Some(&b'"')).then(|| end_of_string(bytes, key_start))??;
            let colon = after_space(bytes, key_end);
            let start = (bytes.get(colon) == Some(&b':')).then(|| after_space(bytes, colon + 1))?;
            at = after_comma(bytes, start);
            Some((&self.text[key_start + 1..key_end - 1], Outline { text: self.text, start }))
        })
    }

    /// Returns the entries of a list.
    pub(super) fn entries(self) -> impl Iterator<Item = Outline<'t>> {
        let bytes = self.text.as_bytes();
        let mut at = self.is_list().then_some(self.start + 1);
        std::iter::from_fn(move || {
            let start = after_space(bytes, at.take()?);
            at = after_comma(bytes, start);
            (bytes.get(start).is_some_and(|byte| *byte != b']')).then_some(Outline { text: self.text, start })
        })
    }

    /// Returns the value of a key of a map.
    pub(super) fn get(self, key: &str) -> Option<Outline<'t>> {
        self.members().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Returns whether a map has the key.
    pub(super) fn has(self, key: &str) -> bool {
        self.get(key).is_some()
    }
}

fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Returns what follows the value that begins here and the comma after it; none where there is no comma.
fn after_comma(bytes: &[u8], start: usize) -> Option<usize> {
    let end = after_space(bytes, end_of_value(bytes, start)?);
    (bytes.get(end) == Some(&b',')).then_some(end + 1)
}

fn end_of_string(bytes: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

fn end_of_value(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        match bytes.get(at)? {
            b'"' => at = end_of_string(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            _ => at += length_of_word(&bytes[at..]),
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn length_of_word(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| {
        matches!(byte, b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"' | b' ' | b'\t' | b'\n' | b'\r')
    };
    bytes.iter().position(ends).unwrap_or(bytes.len()).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_without_being_read() {
        let text = r#" {"a\"b": [1, {"x": "]"}, true], "tasks": {"k": null}, "n": -1.5 } rest"#;
        let outline = Outline::of(text);
        let members: Vec<(&str, &str)> =
            outline.members().map(|(key, value)| (key, &text[value.start..value.end().unwrap()])).collect();
        let list = r#"[1, {"x": "]"}, true]"#;
        assert_eq!(members, [(r#"a\"b"#, list), ("tasks", r#"{"k": null}"#), ("n", "-1.5")]);
        assert_eq!(Outline::of(list).entries().count(), 3);
        assert_eq!(&text[outline.end().unwrap()..], " rest");
        assert!(outline.get("tasks").unwrap().has("k") && !outline.has("k"));
        assert_eq!(Outline::of("[]").entries().count(), 0);
    }

    proptest! {
        #[test]
        fn broken_text_ends_the_look(text in "[\\[\\]{}\",:a1\\\\ ]{0,40}") {
            let outline = Outline::of(&text);
            let values = outline.members().map(|(_, value)| value).chain(outline.entries());
            prop_assert!(values.take(100).filter_map(Outline::end).all(|end| end <= text.len()));
        }

        #[test]
        fn it_ends_where_serde_json_ends(value in prop::collection::vec(".{0,6}", 0..5)) {
            let json = serde_json::json!({ "list": value, "deep": [{ "x": value }, 1e3, null, true] }).to_string();
            let text = format!("{json} , more");
            prop_assert_eq!(Outline::of(&text).end(), Some(json.len()));
        }
    }
}
