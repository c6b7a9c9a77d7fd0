//! Server-sent events, as HTML defines them, out of bytes that come in any pieces.

/// The longest event in bytes.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SseEvent {
    /// Its name, empty where it has none.
    pub(super) name: String,
    /// Its data, lines of it joined.
    pub(super) data: String,
}

/// An event is longer than any that makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sends an event of more than {EVENT_BYTES_MAX} bytes")]
pub(super) struct EventTooLong;

/// Bytes so far, and the event that they begin.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    event: SseEvent,
    has_data: bool,
    skips_newline: bool,
}

impl SseParser {
    /// Takes in bytes and returns the events that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, EventTooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::take(&mut self.skips_newline);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.skips_newline = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.take_line(&String::from_utf8_lossy(&line)));
                }
                byte => self.line.push(byte),
            }
            if self.line.len() + self.event.data.len() > EVENT_BYTES_MAX {
                return Err(EventTooLong);
            }
        }
        Ok(events)
    }

    /// Takes in a line and returns the event that it ends, if it does.
    fn take_line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event.name),
            // A comment, or a field that does not matter here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nevent: a\ndata: one\ndata:two\n\ndata\n\r\nid: 7\ndata: {\"é\": 1}\r\n\r\nevent: none\n\ndata: cut";

    fn event(name: &str, data: &str) -> SseEvent {
        SseEvent { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_come_out_however_the_bytes_are_cut() {
        let expected = [event("a", "one\ntwo"), event("", ""), event("", "{\"é\": 1}")];
        for length in 1..STREAM.len() {
            let mut parser = SseParser::default();
            let mut events = Vec::new();
            for piece in STREAM.as_bytes().chunks(length) {
                events.extend(parser.push(piece).unwrap());
            }
            assert_eq!(events, expected, "pieces of {length} bytes");
        }
    }

    #[test]
    fn garbage_is_bounded() {
        let mut parser = SseParser::default();
        let flood = vec![b'x'; 1 << 20];
        assert!((0..8).any(|_| parser.push(&flood).is_err()));
        let mut parser = SseParser::default();
        let lines = b"data: x\n".repeat(1 << 17);
        assert!((0..32).any(|_| parser.push(&lines).is_err()));
        assert_eq!(SseParser::default().push(&[0xff, 0xfe, 0, b'\n', b'\n']).unwrap(), []);
    }
}
