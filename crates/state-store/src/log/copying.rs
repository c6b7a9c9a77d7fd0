//! Copying streams from store to store, segment by segment, so that the copy has the ends that they had.

use std::ops::ControlFlow;

use crate::Timestamp;
use crate::log::{Base, CommitError, Entry, Recorded, Seq, StateStore, StoreError, StreamName};

/// Why a segment was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was not written.
    #[error("entry {at} of stream `{stream}` was not written")]
    Commit {
        /// Which stream.
        stream: StreamName,
        /// The first entry of the segment.
        at: Seq,
        /// Why not.
        #[source]
        source: CommitError,
    },
    /// Somebody else has written to the store at the same time.
    #[error("stream `{stream}` was written to by somebody else while it was copied")]
    Disturbed {
        /// Which stream.
        stream: StreamName,
    },
}

/// Visits the segments of a stream after `base` that end at or before `until`, in order, until the visitor breaks, and
/// returns the last entry of the last of them; `base` where there is none.
///
/// What comes after `until` may be damaged. Where entries after `base` are dropped meanwhile, it fails.
pub fn read_segments(
    store: &dyn StateStore,
    stream: &StreamName,
    base: Seq,
    until: Seq,
    visit: &mut dyn FnMut(&[Recorded]) -> ControlFlow<()>,
) -> Result<Seq, StoreError> {
    let (mut segment, mut done, mut reached): (Vec<Recorded>, _, _) = (Vec::new(), base, base);
    let mut flow = ControlFlow::Continue(());
    let mut hand_out = |segment: &mut Vec<Recorded>| {
        let Some(last) = segment.last() else { return ControlFlow::Continue(()) };
        done = last.seq;
        let flow = visit(segment);
        segment.clear();
        flow
    };
    let read = store.read(stream, base, &mut |recorded| {
        if segment.first().is_some_and(|first| first.segment != recorded.segment) {
            flow = hand_out(&mut segment);
        }
        if flow.is_continue() && recorded.seq > until {
            // Where it began before, it is of no use without its end.
            segment.clear();
            flow = ControlFlow::Break(());
        }
        if flow.is_continue() {
            reached = recorded.seq;
            segment.push(recorded);
        }
        flow
    });
    // Stores hand out whole segments, so what was handed out before something bad was met is whole.
    if reached < until {
        read?;
    }
    if flow.is_continue() {
        let _ = hand_out(&mut segment);
    }
    Ok(done)
}

/// Has a copy begin where its stream begins, if entries of that were dropped; returns the last that was.
pub fn start(store: &dyn StateStore, stream: &StreamName, base: Option<&Base>) -> Result<Seq, CopyError> {
    let Some(base) = base else { return Ok(Seq::START) };
    let at = base.end().head;
    let failed = |source| CopyError::Commit { stream: stream.clone(), at, source };
    store.start_after(stream, base).map_err(failed)?;
    Ok(at)
}

/// Appends a segment after `after`, recorded at the moment that it was.
pub fn append(
    store: &dyn StateStore,
    stream: &StreamName,
    after: Seq,
    at: Timestamp,
    entries: Vec<Entry>,
) -> Result<Seq, CopyError> {
    let mut transaction = store.begin(stream, after)?;
    if transaction.head() != after {
        return Err(CopyError::Disturbed { stream: stream.clone() });
    }
    transaction.record_at(at);
    let first = after.plus(1);
    let failed = |source| CopyError::Commit { stream: stream.clone(), at: first, source };
    transaction.commit(entries).map_err(failed)
}
