//! The state as it was: of a place in the log, or of a time.

use std::ops::ControlFlow;

use crate::log::try_read;
use crate::task::{LoadError, State, UnfitEvent};
use crate::{Recorded, Seq, StateStore, StoreError, StreamName, Timestamp};

/// A point in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After this entry.
    At(Seq),
    /// After everything that was committed up to this time; what was committed later ends it, whatever comes after that.
    Time(Timestamp),
}

/// Why a history cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read up to there.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The log does not reach that far.
    #[error("there is no entry {asked}: the log ends with {head}")]
    Beyond {
        /// What was asked for.
        asked: Seq,
        /// The last entry.
        head: Seq,
    },
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        Self::Load(error.into())
    }
}

impl Moment {
    /// Returns whether an entry had been recorded by then.
    pub fn includes(&self, recorded: &Recorded) -> bool {
        match self {
            Self::At(seq) => recorded.seq <= *seq,
            Self::Time(time) => recorded.at <= *time,
        }
    }

    /// Hands each entry after `after` that had been recorded by then to `apply`, in order, and returns the place of the
    /// last one.
    ///
    /// Nothing after the moment is looked at, so that may be damaged.
    pub fn replay(
        &self,
        store: &dyn StateStore,
        stream: &StreamName,
        after: Seq,
        apply: &mut dyn FnMut(&Recorded) -> Result<(), UnfitEvent>,
    ) -> Result<Seq, ReplayError> {
        let mut reached = after;
        if self.is_at(reached) {
            return Ok(reached);
        }
        try_read(store, stream, after, |recorded| {
            if !self.includes(&recorded) {
                return Ok(ControlFlow::Break(()));
            }
            apply(&recorded).map_err(|source| LoadError::Unfit { at: recorded.seq, source })?;
            reached = recorded.seq;
            Ok::<_, ReplayError>(if self.is_at(reached) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        match self {
            Self::At(asked) if reached < *asked => Err(ReplayError::Beyond { asked: *asked, head: reached }),
            Self::At(_) | Self::Time(_) => Ok(reached),
        }
    }

    fn is_at(&self, seq: Seq) -> bool {
        matches!(self, Self::At(asked) if *asked <= seq)
    }
}

impl State {
    /// Returns the state of a workspace as it was.
    ///
    /// Fails with [`StoreError::Compacted`] where the entries up to then were dropped.
    pub fn as_of(store: &dyn StateStore, stream: &StreamName, moment: Moment) -> Result<Self, ReplayError> {
        let mut state = Self::before(store, stream, moment)?;
        let base = state.seq();
        let is_dropped = matches!(moment, Moment::At(asked) if asked < base);
        let mut apply = |recorded: &Recorded| state.apply_recorded(recorded).map(drop);
        let reached = if is_dropped { base } else { moment.replay(store, stream, base, &mut apply)? };
        // Whether the last entry that was dropped had been recorded by a time cannot be told.
        let is_unsure = matches!(moment, Moment::Time(_)) && reached == base && base > Seq::START;
        if is_dropped || is_unsure {
            return Err(StoreError::Compacted { stream: stream.clone(), until: base }.into());
        }
        Ok(state)
    }

    /// Returns the state that is nearest before the moment without reading the log: the last snapshot, or the base.
    fn before(store: &dyn StateStore, stream: &StreamName, moment: Moment) -> Result<Self, LoadError> {
        if let Moment::At(asked) = moment {
            // One that cannot be read is passed over, as long as the entries that it covers are there.
            let snapshot = store.load_snapshot(stream).ok().flatten();
            let snapshot = snapshot.filter(|snapshot| snapshot.seq <= asked);
            if let Some(Ok(state)) = snapshot.as_ref().map(Self::from_snapshot) {
                return Ok(state);
            }
        }
        Self::base(store, stream)
    }
}
