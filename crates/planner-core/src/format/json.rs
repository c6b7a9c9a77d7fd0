//! JSON into nodes.
//!
//! A whole document of a million tasks would be as many trees at once, so [`read_list_of`] hands out the entries of the one long
//! list one by one.

use std::borrow::Cow;

use serde_json::Number;

use super::node::{Member, Node, NodeValue, Span, SyntaxError};

/// Reads one value from the start of the text, whose first byte is at `offset` of the source, and returns it with the
/// number of bytes up to its end.
pub(super) fn read_value(
    text: &str,
    offset: usize,
    depth_max: usize,
) -> Result<(Node<'_>, usize), SyntaxError> {
    let mut parser = Parser::new(text, offset, depth_max);
    let node = parser.value()?;
    Ok((node, parser.at))
}

/// Why a document was not read to its end: its own fault, or that of one of its entries.
pub(super) enum Stopped<E> {
    Syntax(SyntaxError),
    Entry(E),
}

impl<E> From<SyntaxError> for Stopped<E> {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

/// Reads a document that is a list, or a map that holds one under `key`: gives each entry of that list to `each`, in order, and
/// returns the document with the list empty.
pub(super) fn read_list_of<'t, E>(
    text: &'t str,
    offset: usize,
    depth_max: usize,
    key: &str,
    mut each: impl FnMut(Node<'t>) -> Result<(), E>,
) -> Result<Node<'t>, Stopped<E>> {
    let mut parser = Parser::new(text, offset, depth_max);
    parser.skip_space();
    let start = parser.at;
    let value = match parser.peek() {
        Some(b'[') => parser.entries(&mut each)?,
        Some(b'{') => parser.map_with_list(key, &mut each)?,
        _ => parser.value()?.value,
    };
    let node = Node { span: parser.span(start), value };
    no_more(text, offset, parser.at)?;
    Ok(node)
}

fn no_more(text: &str, offset: usize, end: usize) -> Result<(), SyntaxError> {
    match text[end..].char_indices().find(|(_, character)| !character.is_ascii_whitespace()) {
        None => Ok(()),
        Some((more, character)) => {
            let at = offset + end + more;
            let span = Span::new(at, at + character.len_utf8());
            Err(SyntaxError::new(span, "there is more text after the value"))
        }
    }
}

/// Reads a text that is one value and nothing else.
pub(super) fn read_document(text: &str, offset: usize, depth_max: usize) -> Result<Node<'_>, SyntaxError> {
    let (node, end) = read_value(text, offset, depth_max)?;
    no_more(text, offset, end)?;
    Ok(node)
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    offset: usize,
    depth_left: usize,
    depth_max: usize,
    /// What the open maps and lists hold so far, so that each is allocated once and at its size.
    members: Vec<Member<'t>>,
    nodes: Vec<Node<'t>>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, offset: usize, depth_max: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            offset,
            depth_left: depth_max,
            depth_max,
            members: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Reads the list that begins here and gives away its entries.
    fn entries<E>(
        &mut self,
        each: &mut impl FnMut(Node<'t>) -> Result<(), E>,
    ) -> Result<NodeValue<'t>, Stopped<E>> {
        self.enter()?;
        self.skip_space();
        if !self.take(b']') {
            loop {
                let node = self.value()?;
                each(node).map_err(Stopped::Entry)?;
                self.skip_space();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.unexpected("`,` or `]`").into());
                }
            }
        }
        self.depth_left += 1;
        Ok(NodeValue::List(Vec::new()))
    }

    /// Reads the map that begins here; where the value of `key` is a list, its entries are given away.
    fn map_with_list<E>(
        &mut self,
        key: &str,
        each: &mut impl FnMut(Node<'t>) -> Result<(), E>,
    ) -> Result<NodeValue<'t>, Stopped<E>> {
        self.enter()?;
        let mut members: Vec<Member<'t>> = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(NodeValue::Map(members));
        }
        loop {
            let (name, key_span) = self.key()?;
            self.skip_space();
            let start = self.at;
            let is_first = !members.iter().any(|member| member.key == name);
            let node = if name == key && is_first && self.peek() == Some(b'[') {
                let value = self.entries(each)?;
                Node { span: self.span(start), value }
            } else {
                self.value()?
            };
            members.push(Member { key: name, key_span, node });
            self.skip_space();
            if self.take(b'}') {
                return Ok(NodeValue::Map(members));
            }
            if !self.take(b',') {
                return Err(self.unexpected("`,` or `}`").into());
            }
        }
    }

    fn enter(&mut self) -> Result<(), SyntaxError> {
        if self.depth_left == 0 {
            return Err(SyntaxError::too_deep(self.here(), self.depth_max));
        }
        self.depth_left -= 1;
        self.at += 1;
        Ok(())
    }

    /// Reads a key and the colon after it.
    fn key(&mut self) -> Result<(Cow<'t, str>, Span), SyntaxError> {
        self.skip_space();
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        let span = self.span(start);
        self.skip_space();
        if !self.take(b':') {
            return Err(self.unexpected("`:` after the key"));
        }
        Ok((key, span))
    }

    fn value(&mut self) -> Result<Node<'t>, SyntaxError> {
        self.skip_space();
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::map)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => NodeValue::Text(self.string()?),
            Some(b't') => self.word("true", NodeValue::Bool(true))?,
            Some(b'f') => self.word("false", NodeValue::Bool(false))?,
            Some(b'n') => self.word("null", NodeValue::Null)?,
            Some(b'-' | b'0'..=b'9') => NodeValue::Number(self.number()?),
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { span: self.span(start), value })
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<NodeValue<'t>, SyntaxError>,
    ) -> Result<NodeValue<'t>, SyntaxError> {
        self.enter()?;
        let value = read(self)?;
        self.depth_left += 1;
        Ok(value)
    }

    fn map(&mut self) -> Result<NodeValue<'t>, SyntaxError> {
        let first = self.members.len();
        self.skip_space();
        if self.take(b'}') {
            return Ok(NodeValue::Map(Vec::new()));
        }
        loop {
            let (key, key_span) = self.key()?;
            let node = self.value()?;
            self.members.push(Member { key, key_span, node });
            self.skip_space();
            if self.take(b'}') {
                return Ok(NodeValue::Map(self.members.drain(first..).collect()));
            }
            if !self.take(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn list(&mut self) -> Result<NodeValue<'t>, SyntaxError> {
        let first = self.nodes.len();
        self.skip_space();
        if self.take(b']') {
            return Ok(NodeValue::List(Vec::new()));
        }
        loop {
            let node = self.value()?;
            self.nodes.push(node);
            self.skip_space();
            if self.take(b']') {
                return Ok(NodeValue::List(self.nodes.drain(first..).collect()));
            }
            if !self.take(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    fn word(&mut self, word: &str, value: NodeValue<'t>) -> Result<NodeValue<'t>, SyntaxError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Number, SyntaxError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        // Most are short and whole; a zero before other digits is none.
        let digits = &self.bytes[start..self.at];
        if matches!(digits, [b'1'..=b'9', ..]) && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit)
        {
            let whole = digits.iter().fold(0, |whole, digit| 10 * whole + u64::from(digit - b'0'));
            return Ok(Number::from(whole));
        }
        // serde_json knows the grammar of a number.
        self.text[start..self.at].parse().map_err(|_| {
            let message = format!(
                "{} is no number that can be kept",
                crate::diagnostic::quoted(&self.text[start..self.at])
            );
            SyntaxError::new(self.span(start), message)
        })
    }

    fn string(&mut self) -> Result<Cow<'t, str>, SyntaxError> {
        self.at += 1;
        let mut start = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            self.at += plain_length(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let last = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(last),
                        Some(text) => Cow::Owned(text + last),
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(&self.text[start..self.at]);
                    let character = self.escape()?;
                    unescaped.get_or_insert_default().push(character);
                    start = self.at;
                }
                Some(_) => {
                    return Err(SyntaxError::new(
                        self.here(),
                        "a control character in a text is to be escaped",
                    ));
                }
                None => return Err(SyntaxError::new(self.here(), "the text ends within a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let start = self.at;
        self.at += 2;
        Ok(match self.bytes.get(start + 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.hex4(start)?;
                let code = match unit {
                    0xd800..=0xdbff if self.bytes.get(self.at..self.at + 2) == Some(b"\\u") => {
                        let after_high = self.at;
                        self.at += 2;
                        let low = self.hex4(start)?;
                        if (0xdc00..=0xdfff).contains(&low) {
                            0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                        } else {
                            self.at = after_high;
                            unit
                        }
                    }
                    unit => unit,
                };
                // Half a surrogate pair is no character; what other tools let through is not worth refusing a plan for.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                return Err(SyntaxError::new(
                    Span::new(self.offset + start, self.offset + start + 1),
                    "no such escape",
                ));
            }
        })
    }

    fn hex4(&mut self, start: usize) -> Result<u32, SyntaxError> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let unit = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        let at = self.offset + start;
        unit.ok_or_else(|| SyntaxError::new(Span::new(at, at + 1), "`\\u` needs four hexadecimal digits"))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.offset + start, self.offset + self.at)
    }

    fn here(&self) -> Span {
        let length = self.text.get(self.at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        Span::new(self.offset + self.at, self.offset + self.at + length)
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => {
                let found = crate::diagnostic::quoted(found.encode_utf8(&mut [0; 4]));
                SyntaxError::new(self.here(), format!("expected {expected}, found {found}"))
            }
            None => SyntaxError::new(self.here(), format!("expected {expected}, found the end of the text")),
        }
    }
}

/// Returns how many bytes there are up to the first that cannot stand in a string as it is: a quote, a backslash or a control
/// character. Eight are looked at at once: in `x - 0x01...` a byte has its highest bit set and did not before where it was 0
/// (S. E. Anderson, "Bit Twiddling Hacks").
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS != 0;
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let (words, _) = bytes.as_chunks::<8>();
    let plain = words.iter().take_while(|word| {
        let word = u64::from_ne_bytes(**word);
        let is_control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS != 0;
        !(is_control
            || has_zero(word ^ (ONES * u64::from(b'"')))
            || has_zero(word ^ (ONES * u64::from(b'\\'))))
    });
    let start = 8 * plain.count();
    // The word may hold a false find behind a true one, never before it.
    start + bytes[start..].iter().position(is_special).unwrap_or(bytes.len() - start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text that is JSON or nearly so.
    fn nearly_json() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\\n\\u00e9\"",
            "1",
            "-0.5e3",
            "01",
            "1e400",
            "true",
            "false",
            "null",
            "nul",
            " ",
            "\n",
            "\"",
            "\u{1}",
            "é",
            "\\",
            "18446744073709551616",
            "-",
        ]);
        let leaf = prop::sample::select(vec!["1", "-2.5", "\"x\"", "true", "null", "\"\\\"\"", "[]", "{}"])
            .prop_map(str::to_owned);
        let sound = leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" , "))),
                prop::collection::vec(inner, 0..4).prop_map(|items| {
                    let members: Vec<String> =
                        items.iter().enumerate().map(|(n, item)| format!("\"k{n}\":{item}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        });
        prop_oneof![prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat()), sound]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_reads_what_serde_json_reads(text in nearly_json()) {
            let ours = read_document(&text, 0, 100).map(Node::into_json);
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(theirs) => prop_assert_eq!(ours, Ok(theirs)),
                Err(error) => prop_assert!(ours.is_err(), "{error}"),
            }
        }

        #[test]
        fn the_end_of_a_plain_text_is_found(bytes in prop::collection::vec(any::<u8>(), 0..40),
                                            common in prop::collection::vec(0x18..0x7f_u8, 0..40)) {
            for bytes in [bytes, common] {
                let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
                prop_assert_eq!(plain_length(&bytes), expected.unwrap_or(bytes.len()));
            }
        }

        #[test]
        fn a_long_list_holds_the_same_entry_by_entry(text in nearly_json(), key in "k[0-3]") {
            let mut entries = Vec::new();
            let piecewise = read_list_of(&text, 0, 100, &key, |node| {
                entries.push(node);
                Ok::<(), ()>(())
            });
            match (read_document(&text, 0, 100), piecewise) {
                (Ok(whole), Ok(rest)) => {
                    let list = whole.get(&key).unwrap_or(&whole);
                    prop_assert_eq!(rest.span, whole.span);
                    match &list.value {
                        NodeValue::List(nodes) => prop_assert_eq!(nodes, &entries),
                        _ => prop_assert_eq!(&rest, &whole),
                    }
                }
                (Err(error), Err(Stopped::Syntax(same))) => prop_assert_eq!(error, same),
                (whole, _) => prop_assert!(false, "{whole:?}"),
            }
        }
    }
}
