//! Reading an archive into an empty store.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Seek};

use super::line::{ARCHIVE_VERSION, BaseLine, EndLine, HeaderLine, Line, SegmentLine, StreamLine};
use crate::log::copying::{self, CopyError};
use crate::log::{
    Archived, Base, Copied, Entry, Origin, OriginError, StateStore, StoreError, StreamEnd, StreamName,
};

/// No segment and no snapshot takes more than this as text.
const LINE_BYTES_MAX: u64 = 1 << 34;

/// Why an archive was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("the archive cannot be read")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error("this is no archive: its first line does not say so")]
    Foreign,
    /// A newer program wrote it.
    #[error("the archive has format {found}; this program reads up to {ARCHIVE_VERSION}")]
    Newer {
        /// Its format.
        found: u32,
    },
    /// It has no end.
    #[error("the archive was cut off after line {line}: its last line is missing")]
    CutOff {
        /// The last line there is.
        line: u64,
    },
    /// It is not what was written.
    #[error("the archive is damaged at line {line}: {reason}")]
    Damaged {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot take it.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A segment was not copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// Copies an archive into an empty store and returns the streams that it has then, each with the end that it had.
///
/// The archive is read to its end and checked before anything is written. Where copying comes to no end, the store is
/// [`Unfinished`](crate::log::Provenance::Unfinished) and not to be used. No more than one segment is in memory at a
/// time.
pub fn import(
    store: &dyn StateStore,
    archive: &mut (impl BufRead + Seek),
) -> Result<Vec<Archived>, ImportError> {
    archive.rewind()?;
    let streams = read_pieces(archive, &mut |_| Ok(()))?;
    let copied =
        streams.iter().map(|one| Copied { stream: one.stream.to_string(), head: one.end.head.get() });
    Origin::Import { streams: copied.collect() }.begin(store)?;
    archive.rewind()?;
    read_pieces(archive, &mut |piece| write(store, piece))?;
    for Archived { stream, end } in &streams {
        if store.end(stream)? != *end {
            return Err(CopyError::Disturbed { stream: stream.clone() }.into());
        }
    }
    Origin::finish(store)?;
    Ok(streams)
}

/// What a line of an archive holds, checked against the chain so far.
enum Piece {
    Base { stream: StreamName, base: Base },
    Segment { stream: StreamName, before: StreamEnd, line: SegmentLine, entries: Vec<Entry> },
}

fn write(store: &dyn StateStore, piece: Piece) -> Result<(), ImportError> {
    match piece {
        Piece::Base { stream, base } => copying::start(store, &stream, Some(&base))?,
        Piece::Segment { stream, before, line, entries } => {
            copying::append(store, &stream, before.head, line.at(), entries)?
        }
    };
    Ok(())
}

/// Visits the pieces of an archive, each once it is known to follow the one before, and returns the streams once the
/// last line has been found to agree with them.
fn read_pieces(
    archive: &mut impl BufRead,
    visit: &mut dyn FnMut(Piece) -> Result<(), ImportError>,
) -> Result<Vec<Archived>, ImportError> {
    let mut lines = Lines { archive, number: 0, text: Vec::new() };
    lines.check_header()?;
    let mut ends = BTreeMap::new();
    while lines.next()? {
        let line = lines.line()?;
        let damaged = |reason| ImportError::Damaged { line: lines.number, reason };
        match line {
            Line::Base(line) => visit(begin(&mut ends, &line).map_err(damaged)?)?,
            Line::Segment(line) => visit(follow(&mut ends, line).map_err(damaged)?)?,
            Line::End(end) => {
                let streams = check_end(&end, ends).map_err(damaged)?;
                if lines.next()? {
                    let reason = "there is something after its last line".to_owned();
                    return Err(ImportError::Damaged { line: lines.number, reason });
                }
                return Ok(streams);
            }
        }
    }
    Err(ImportError::CutOff { line: lines.number })
}

/// Has a stream begin after what was dropped of it, or says what is wrong.
fn begin(ends: &mut BTreeMap<StreamName, StreamEnd>, line: &BaseLine) -> Result<Piece, String> {
    let stream = named(&line.stream)?;
    let base = line.base(&stream)?;
    match ends.insert(stream.clone(), base.end()) {
        None => Ok(Piece::Base { stream, base }),
        Some(_) => Err(format!("stream `{stream}` has begun before")),
    }
}

fn named(stream: &str) -> Result<StreamName, String> {
    let stream = StreamName::new(stream).map_err(|invalid| invalid.to_string())?;
    if stream == Origin::stream() {
        return Err(format!("stream `{stream}` belongs to the store that it was in"));
    }
    Ok(stream)
}

/// Moves the end of the segment's stream on over it, or says what is wrong.
fn follow(ends: &mut BTreeMap<StreamName, StreamEnd>, line: SegmentLine) -> Result<Piece, String> {
    let stream = named(&line.stream)?;
    let end = ends.entry(stream.clone()).or_insert(StreamEnd::START);
    let before = *end;
    let expected = before.head.plus(1);
    if line.first != expected.get() {
        return Err(format!("stream `{stream}` goes on at entry {}, not at {expected}", line.first));
    }
    let entries = line.entries()?;
    if entries.is_empty() {
        return Err("a segment has no entries".to_owned());
    }
    *end = before.next(&stream, &entries, line.at()).end();
    Ok(Piece::Segment { stream, before, line, entries })
}

fn check_end(end: &EndLine, ends: BTreeMap<StreamName, StreamEnd>) -> Result<Vec<Archived>, String> {
    let streams: Vec<Archived> = ends.into_iter().map(|(stream, end)| Archived { stream, end }).collect();
    let mut told: Vec<&StreamLine> = end.streams.iter().collect();
    told.sort_by(|one, other| one.stream.cmp(&other.stream));
    for found in &streams {
        let expected = StreamLine::from(found);
        match told.iter().find(|line| line.stream == expected.stream) {
            Some(line) if **line == expected => {}
            Some(line) => {
                return Err(format!(
                    "stream `{}` ends at entry {} with hash {}, not at {} with {}",
                    expected.stream, expected.entries, expected.hash, line.entries, line.hash
                ));
            }
            None => return Err(format!("stream `{}` is not in its last line", expected.stream)),
        }
    }
    match told.iter().find(|line| !streams.iter().any(|found| found.stream.as_str() == line.stream)) {
        Some(missing) => Err(format!("stream `{}` is missing", missing.stream)),
        None => Ok(streams),
    }
}

/// Reads line by line.
struct Lines<'a, R> {
    archive: &'a mut R,
    number: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    /// Moves on to the next line; returns whether there is one.
    fn next(&mut self) -> Result<bool, ImportError> {
        self.text.clear();
        let read = (&mut *self.archive).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.text)?;
        self.number += u64::from(read > 0);
        Ok(read > 0)
    }

    fn check_header(&mut self) -> Result<(), ImportError> {
        self.next()?;
        let header: HeaderLine = serde_json::from_slice(&self.text).map_err(|_| ImportError::Foreign)?;
        match header.super_planner_archive.version {
            1..=ARCHIVE_VERSION => Ok(()),
            found => Err(ImportError::Newer { found }),
        }
    }

    /// Returns what the line says. One without its end was cut off.
    fn line(&self) -> Result<Line, ImportError> {
        if self.text.last() != Some(&b'\n') {
            return Err(ImportError::CutOff { line: self.number });
        }
        serde_json::from_slice(&self.text)
            .map_err(|error| ImportError::Damaged { line: self.number, reason: error.to_string() })
    }
}
