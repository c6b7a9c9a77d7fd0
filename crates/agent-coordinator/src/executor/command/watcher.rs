//! Watches what an agent prints while it works: keeps it, counts what it has used up, and learns when it is over.

use std::sync::Arc;

use serde_json::Value;
use state_store::clock::Clock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::CommandAgentOptions;
use super::budget::{Spender, Spent, micros};
use super::output_rule::{Counts, Ends, LINE_BYTES_MAX, Said};
use super::transcript::Transcript;
use super::usage::Usage;
use crate::executor::Progress;
use crate::process::{Chunk, Stream};

/// Watches one attempt.
pub(super) struct Watcher {
    pub(super) options: Arc<CommandAgentOptions>,
    pub(super) transcript: Option<Transcript>,
    pub(super) spender: Spender,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) progress: Progress,
    /// Cancelled when the agent says that it has ended, in whatever way.
    pub(super) has_ended: CancellationToken,
    /// Cancelled when a budget is spent.
    pub(super) is_spent: CancellationToken,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// How the agent said that it has ended, the last time that it did.
    pub(super) ends: Option<Ends>,
    /// What it said last that people want to read.
    pub(super) text: Option<String>,
    /// The budget that is spent.
    pub(super) spent: Option<Spent>,
    /// What it has said it used up in all.
    total: Usage,
    /// What it has said it used up since, added up.
    more: Usage,
}

impl Watched {
    fn usage(&self) -> Usage {
        self.total.at_least(&self.more)
    }
}

impl Watcher {
    /// Watches until nothing can come any more.
    pub(super) async fn watch(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Watched {
        let mut watched = Watched::default();
        let mut lines = [Lines::default(), Lines::default()];
        while let Some(Chunk { stream, bytes }) = chunks.recv().await {
            self.progress.mark();
            let lines = &mut lines[stream as usize];
            lines.add(&bytes, |line, is_whole| self.take_line(stream, line, is_whole, &mut watched));
        }
        for (stream, mut lines) in [Stream::Out, Stream::Err].into_iter().zip(lines) {
            lines.finish(|line, is_whole| self.take_line(stream, line, is_whole, &mut watched));
        }
        watched
    }

    fn take_line(&mut self, stream: Stream, line: &[u8], is_whole: bool, watched: &mut Watched) {
        if let Some(transcript) = &mut self.transcript
            && let Err(error) = transcript.add(self.clock.now(), stream, line)
        {
            tracing::warn!(%error, "what an agent prints cannot be kept any more");
            self.transcript = None;
        }
        if !is_whole {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let before = watched.usage();
        for said in self.read(&text) {
            match said.used {
                Some((usage, Counts::Total)) => watched.total = watched.total.at_least(&self.priced(usage)),
                Some((usage, Counts::More)) => watched.more = watched.more.plus(&self.priced(usage)),
                None => {}
            }
            watched.text = said.text.or(watched.text.take());
            if let Some(ends) = said.ends {
                watched.ends = Some(ends);
                self.has_ended.cancel();
            }
        }
        if !watched.usage().beyond(&before).is_nothing() {
            self.options.ledger.record(&self.spender, watched.usage());
            if let Some(spent) = self.options.ledger.spent_for(&self.spender) {
                watched.spent = Some(spent);
                self.is_spent.cancel();
            }
        }
    }

    /// Returns what a line says by each rule that is for it.
    fn read(&self, line: &str) -> Vec<Said> {
        if self.options.program.json.is_empty() && self.options.program.text.is_empty() {
            return Vec::new();
        }
        match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => {
                self.options.program.json.iter().filter_map(|rule| rule.read(&value)).collect()
            }
            Ok(_) | Err(_) => self.options.program.text.iter().filter_map(|rule| rule.read(line)).collect(),
        }
    }

    /// Returns what was used up with what it costs, where the agent does not say that.
    fn priced(&self, usage: Usage) -> Usage {
        match &self.options.program.price {
            Some(price) if usage.cost_micros == 0 => {
                // Dollars a million tokens are millionths of a dollar a token.
                let cost =
                    usage.tokens_input as f64 * price.input + usage.tokens_output as f64 * price.output;
                Usage { cost_micros: micros(cost / 1e6).unwrap_or(0), ..usage }
            }
            _ => usage,
        }
    }
}

/// Bytes that become lines.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
    /// Whether the beginning of the line was told already, because it was too long.
    is_cut: bool,
}

impl Lines {
    /// Adds bytes and tells each line that they end, and whether that is a whole one.
    fn add(&mut self, mut bytes: &[u8], mut tell: impl FnMut(&[u8], bool)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = self.pending.strip_suffix(b"\r").unwrap_or(&self.pending);
            tell(line, !self.is_cut);
            self.pending.clear();
            self.is_cut = false;
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > LINE_BYTES_MAX {
            tell(&self.pending, false);
            self.pending.clear();
            self.is_cut = true;
        }
    }

    /// Tells what is left without an end.
    fn finish(&mut self, mut tell: impl FnMut(&[u8], bool)) {
        if !self.pending.is_empty() {
            tell(&self.pending, !self.is_cut);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines_however_they_come() {
        let text = b"one\r\ntwo\n\nlast";
        for size in 1..text.len() {
            let (mut lines, mut told) = (Lines::default(), Vec::new());
            let mut tell =
                |line: &[u8], is_whole| told.push((String::from_utf8_lossy(line).into_owned(), is_whole));
            text.chunks(size).for_each(|chunk| lines.add(chunk, &mut tell));
            lines.finish(&mut tell);
            assert_eq!(told, ["one", "two", "", "last"].map(|line| (line.to_owned(), true)), "{size}");
        }
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        let mut tell = |line: &[u8], is_whole: bool| told.push((line.len(), is_whole));
        lines.add(&vec![b'x'; LINE_BYTES_MAX + 5], &mut tell);
        lines.add(b"rest\nnext\n", &mut tell);
        assert_eq!(
            told,
            [(LINE_BYTES_MAX + 5, false), (4, false), (4, true)],
            "too long a line is never read"
        );
    }
}
