//! Recovery: a new store of what is well of a damaged one.
//!
//! The streams are copied up to their last good segment, the workspace up to a place that somebody chooses; the new store
//! says what it is and what it lacks. Tokens that were handed out after that place are unknown to it and may still be
//! shown, so it ends with an event that fences all of them off.

use std::ops::ControlFlow;

use crate::log::copying::{self, CopyError};
use crate::log::{CommitError, Copied, Origin, OriginError, Provenance};
use crate::task::{Event, FencingToken, Moment, ReplayError, State};
use crate::verification::{Verification, VerifiedStream};
use crate::{Recorded, Seq, StateStore, StoreError, StreamName};

/// No stream has more entries, and each token of a task took one.
const ENTRIES_MAX: u64 = 1 << 40;

/// What a new store is going to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing is recovered until the plan is carried out"]
pub struct RecoveryPlan {
    /// The last entry of the damaged workspace that will be in it: the end of a segment.
    pub to: Seq,
    /// The streams with their last entries, without what says how the store came about.
    pub streams: Vec<Copied>,
    /// What will not be in it, in words.
    pub left_out: Vec<String>,
}

/// Why there is no new store.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The workspace is not well up to there.
    #[error("entry {asked} cannot be recovered: the workspace is well up to entry {sound}")]
    NotSound {
        /// What was asked for.
        asked: Seq,
        /// The last entry up to which all is well.
        sound: Seq,
    },
    /// Nothing would be in it.
    #[error("no segment of the workspace ends at or before entry {asked}")]
    Nothing {
        /// What was asked for.
        asked: Seq,
    },
    /// The store is itself a part of something.
    #[error("the store holds only a part of what it was to hold")]
    Unfinished,
    /// The new store cannot take it.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A segment was not copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The state that was recovered cannot be told.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The tokens were not fenced off.
    #[error("the last entry of the recovery was not written")]
    Commit(#[source] CommitError),
}

impl RecoveryPlan {
    /// Finds out what is well of a store; of its workspace, up to the last segment that ends at or before `to`.
    pub fn new(from: &dyn StateStore, to: Seq) -> Result<Self, RecoveryError> {
        let found = Verification::of(from)?;
        if matches!(found.provenance, Ok(Provenance::Unfinished(_))) {
            return Err(RecoveryError::Unfinished);
        }
        let workspace = StreamName::workspace();
        let sound = found.streams.iter().find(|stream| stream.stream == workspace);
        let sound = sound.map_or(Seq::START, |stream| stream.head);
        if to > sound {
            return Err(RecoveryError::NotSound { asked: to, sound });
        }
        let mut plan =
            Self { to: last_segment(from, &workspace, to)?, streams: Vec::new(), left_out: Vec::new() };
        if plan.to == Seq::START || plan.to > to {
            return Err(RecoveryError::Nothing { asked: to });
        }
        if let Some(damage) = &found.list_damage {
            plan.left_out.push(format!("streams that the list has lost, if there are more ({damage})"));
        }
        for stream in found.streams.iter().filter(|stream| stream.stream != Origin::stream()) {
            let is_workspace = stream.stream == workspace;
            let head = if is_workspace { plan.to } else { last_segment(from, &stream.stream, stream.head)? };
            plan.left_out.extend(loss(from, stream, head));
            plan.streams.push(Copied { stream: stream.stream.to_string(), head: head.get() });
        }
        Ok(plan)
    }

    /// Copies all of it into an empty store, and returns the last of the tokens that count as handed out there.
    ///
    /// `name` is what the new store says that it comes from. Nothing of `from` is changed. Where this comes to no end, the
    /// new store is [`Provenance::Unfinished`].
    pub fn carry_out(
        &self,
        from: &dyn StateStore,
        name: &str,
        into: &dyn StateStore,
    ) -> Result<FencingToken, RecoveryError> {
        let (streams, left_out) = (self.streams.clone(), self.left_out.clone());
        Origin::Recovery { from: name.to_owned(), streams, left_out }.begin(into)?;
        for copied in &self.streams {
            let stream = StreamName::new(&copied.stream).expect("the plan was made of names of streams");
            copy(from, &stream, Seq::new(copied.head), into)?;
        }
        let tokens_to = fence_off(into, self.to)?;
        Origin::finish(into)?;
        Ok(tokens_to)
    }
}

/// Returns the last entry of the last segment that ends at or before `until`.
fn last_segment(store: &dyn StateStore, stream: &StreamName, until: Seq) -> Result<Seq, StoreError> {
    let base = store.load_base(stream)?.map_or(Seq::START, |base| base.end().head);
    copying::read_segments(store, stream, base, until, &mut |_| ControlFlow::Continue(()))
}

/// Returns what is lost of a stream whose copy ends with `head`.
fn loss(store: &dyn StateStore, stream: &VerifiedStream, head: Seq) -> Option<String> {
    let name = &stream.stream;
    let after = format!("stream `{name}`: what comes after entry {head}");
    match (&stream.problem, store.end(name)) {
        (Some(problem), _) => Some(format!("{after} ({problem})")),
        (None, Ok(end)) if end.head > head => Some(format!("{after}, up to entry {}", end.head)),
        (None, _) => None,
    }
}

fn copy(
    from: &dyn StateStore,
    stream: &StreamName,
    until: Seq,
    into: &dyn StateStore,
) -> Result<(), RecoveryError> {
    let base = from.load_base(stream)?;
    let begun = copying::start(into, stream, base.as_ref())?;
    let mut copied = Ok(begun);
    copying::read_segments(from, stream, begun, until, &mut |segment: &[Recorded]| {
        let entries = segment.iter().map(|recorded| recorded.entry.clone()).collect();
        let Ok(after) = copied else { return ControlFlow::Break(()) };
        copied = copying::append(into, stream, after, segment[0].at, entries);
        if copied.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    copied.map(drop).map_err(RecoveryError::from)
}

/// Counts as handed out every token that can have been: the greatest that is known, and one for each entry that a stream
/// can have.
fn fence_off(store: &dyn StateStore, to: Seq) -> Result<FencingToken, RecoveryError> {
    let workspace = StreamName::workspace();
    let state = State::as_of(store, &workspace, Moment::At(to))?;
    let tokens = state.projects().iter().flat_map(|project| &project.tasks).map(|record| record.last_token);
    let known = tokens.max().unwrap_or_default();
    let raised = FencingToken::new(known.get().saturating_add(ENTRIES_MAX));
    let transaction = store.begin(&workspace, to)?;
    if transaction.head() != to {
        return Err(CopyError::Disturbed { stream: workspace }.into());
    }
    transaction.commit(vec![Event::TokensRaised { to: raised }.to_entry()]).map_err(RecoveryError::Commit)?;
    Ok(raised)
}
