//! Writing an archive.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::Value;

use super::line::{
    ARCHIVE_VERSION, BaseLine, EndLine, EntryLine, Header, HeaderLine, Line, SegmentLine, StreamLine,
};
use crate::log::copying::read_segments;
use crate::log::{Archived, Origin, Recorded, Seq, StateStore, StoreError, StreamName};

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be written where it was to go.
    #[error("the archive cannot be written")]
    Write(#[from] io::Error),
}

/// Writes all streams, or one, and returns their ends. What is appended meanwhile may be left out.
///
/// `says` is asked for what an entry says, in order within a stream; that goes beside its bytes. Of a store, no more
/// than one segment, or snapshot, is in memory at a time. A stream whose beginning was dropped goes with the snapshot that
/// it begins with.
pub fn export(
    store: &dyn StateStore,
    only: Option<&StreamName>,
    out: &mut dyn Write,
    says: &mut dyn FnMut(&StreamName, &Recorded) -> Option<Value>,
) -> Result<Vec<Archived>, ExportError> {
    let header = Header { version: ARCHIVE_VERSION, exported_at_ms: store.now().as_millis() };
    write_line(out, &HeaderLine { super_planner_archive: header })?;
    let mut streams = Vec::new();
    for stream in store.streams()? {
        let is_asked_for = only.map_or(stream != Origin::stream(), |only| *only == stream);
        if is_asked_for {
            streams.push(export_stream(store, stream, out, says)?);
        }
    }
    let ends = streams.iter().map(StreamLine::from).collect();
    write_line(out, &Line::End(EndLine { streams: ends }))?;
    out.flush()?;
    Ok(streams)
}

fn export_stream(
    store: &dyn StateStore,
    stream: StreamName,
    out: &mut dyn Write,
    says: &mut dyn FnMut(&StreamName, &Recorded) -> Option<Value>,
) -> Result<Archived, ExportError> {
    let end = store.end(&stream)?;
    let base = store.load_base(&stream)?;
    if let Some(base) = &base {
        write_line(out, &Line::Base(BaseLine::new(&stream, base)))?;
    }
    let base = base.map_or(Seq::START, |base| base.end().head);
    let mut written = Ok(());
    read_segments(store, &stream, base, end.head, &mut |segment| {
        let entries = segment.iter().map(|recorded| {
            let says = says(&stream, recorded);
            EntryLine::new(&recorded.entry, says)
        });
        let line = SegmentLine::new(&stream, &segment[0], entries.collect());
        written = write_line(out, &Line::Segment(line));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    Ok(Archived { stream, end })
}

fn write_line(out: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
