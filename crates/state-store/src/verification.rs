//! Everything that can be checked about a store: what the storage engine says, the chain of every stream, and that the
//! events of the workspace follow one another.
//!
//! It changes nothing, and works on a store that is damaged: then it names the first bad place of each stream.

use std::ops::ControlFlow;

use crate::log::{ChainHash, Provenance, Snapshot, StreamEnd, try_read};
use crate::task::stored::UnreadableSnapshot;
use crate::task::{BrokenInvariant, State, UnfitEvent};
use crate::{Recorded, Seq, StateStore, StoreError, StreamName};

/// What was found out about a store.
#[derive(Debug)]
pub struct Verification {
    /// What the storage engine's own check of its files finds wrong.
    pub engine: Vec<String>,
    /// How the store came by its contents, or why that cannot be told.
    pub provenance: Result<Provenance, StoreError>,
    /// What is wrong with the list of streams; then some of them may not have been looked at.
    pub list_damage: Option<StoreError>,
    /// The streams that could be found, by name.
    pub streams: Vec<VerifiedStream>,
}

/// What was found out about a stream.
#[derive(Debug)]
pub struct VerifiedStream {
    /// Its name.
    pub stream: StreamName,
    /// The last entry that was dropped after a snapshot had been made.
    pub base: Seq,
    /// The last entry up to which all is well.
    pub head: Seq,
    /// The hash of the chain at the end, unless there is a problem before it.
    pub hash: Option<ChainHash>,
    /// The place of its snapshot, where it has one.
    pub snapshot: Option<Seq>,
    /// The first thing that is wrong with it.
    pub problem: Option<Problem>,
}

/// What is wrong with a stream.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be read on.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event does not follow from those before it.
    #[error("entry {at} does not fit")]
    Unfit {
        /// Which entry.
        at: Seq,
        /// Why not.
        #[source]
        source: UnfitEvent,
    },
    /// A snapshot cannot be read.
    #[error("its snapshot at entry {at} cannot be read")]
    Unreadable {
        /// Its place.
        at: Seq,
        /// Why not.
        #[source]
        source: UnreadableSnapshot,
    },
    /// A snapshot is of another state than the entries up to it come to.
    #[error("its snapshot at entry {at} is not what the entries up to there come to")]
    OtherState {
        /// Its place.
        at: Seq,
    },
    /// What must hold does not.
    #[error("after entry {at}, something does not hold that must")]
    Broken {
        /// The last entry that was applied.
        at: Seq,
        /// What.
        #[source]
        source: BrokenInvariant,
    },
}

impl Verification {
    /// Checks everything.
    pub fn of(store: &dyn StateStore) -> Result<Self, StoreError> {
        let engine = store.check_engine()?;
        let (streams, list_damage) = store.legible_streams()?;
        let streams = streams.into_iter().map(|stream| verify(store, stream)).collect();
        Ok(Self { engine, provenance: Provenance::of(store), list_damage, streams })
    }

    /// Returns whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.engine.is_empty()
            && self.list_damage.is_none()
            && !matches!(self.provenance, Err(_) | Ok(Provenance::Unfinished(_)))
            && self.streams.iter().all(|stream| stream.problem.is_none())
    }
}

fn verify(store: &dyn StateStore, stream: StreamName) -> VerifiedStream {
    let mut walk = Walk::new();
    let mut outcome = walk.whole(store, &stream);
    // Whoever drops entries meanwhile has damaged nothing: what is left then is looked at.
    while let Err(Problem::Store(StoreError::Compacted { until, .. })) = &outcome
        && *until > walk.base
    {
        walk = Walk::new();
        outcome = walk.whole(store, &stream);
    }
    let Walk { base, head, snapshot, .. } = walk;
    let (hash, problem) = match outcome {
        Ok(end) => (Some(end.hash), None),
        Err(problem) => (None, Some(problem)),
    };
    VerifiedStream { stream, base, head, hash, snapshot, problem }
}

/// A walk along a stream that looks at every entry.
struct Walk {
    base: Seq,
    head: Seq,
    snapshot: Option<Seq>,
    /// The state of a workspace; the events of other streams are their owners' to judge.
    state: Option<State>,
    /// The state that the snapshot of a workspace holds, until the walk comes to its place.
    expected: Option<State>,
    /// Entries since what must always hold was last looked at.
    unchecked: usize,
}

impl Walk {
    fn new() -> Self {
        Self { base: Seq::START, head: Seq::START, snapshot: None, state: None, expected: None, unchecked: 0 }
    }

    /// Walks to where the stream ended when this began, and returns that end.
    fn whole(&mut self, store: &dyn StateStore, stream: &StreamName) -> Result<StreamEnd, Problem> {
        let end = store.end(stream)?;
        self.begin(store, stream)?;
        try_read(store, stream, self.head, |recorded| {
            self.take(&recorded).map(|()| ControlFlow::Continue(()))
        })?;
        if self.head < end.head {
            let (at, reason) = (self.head.plus(1), format!("it ended with {} a moment ago", end.head));
            return Err(StoreError::Corrupt { stream: stream.clone(), at, reason }.into());
        }
        self.check_invariants()?;
        Ok(end)
    }

    /// Looks at the snapshots, and takes the state that the entries which are kept go on from.
    fn begin(&mut self, store: &dyn StateStore, stream: &StreamName) -> Result<(), Problem> {
        let base = store.load_base(stream)?.map(|base| base.snapshot);
        self.base = base.as_ref().map_or(Seq::START, |base| base.seq);
        self.head = self.base;
        let last = store.load_snapshot(stream)?;
        self.snapshot = last.as_ref().map(|last| last.seq);
        if *stream == StreamName::workspace() {
            self.state = Some(base.as_ref().map(read_state).transpose()?.unwrap_or_default());
            self.expected = last.as_ref().map(read_state).transpose()?;
            self.check_snapshot()?;
        }
        Ok(())
    }

    fn take(&mut self, recorded: &Recorded) -> Result<(), Problem> {
        if recorded.seq == recorded.segment && self.is_time_to_check() {
            self.check_invariants()?;
        }
        if let Some(state) = &mut self.state {
            let unfit = |source| Problem::Unfit { at: recorded.seq, source };
            state.apply_recorded(recorded).map_err(unfit)?;
        }
        self.head = recorded.seq;
        self.unchecked += 1;
        self.check_snapshot()
    }

    /// At the place of the snapshot, compares its state with the one that the entries have come to.
    fn check_snapshot(&mut self) -> Result<(), Problem> {
        let (Some(state), Some(expected)) = (&self.state, &mut self.expected) else { return Ok(()) };
        if expected.seq() != self.head {
            return Ok(());
        }
        let is_same =
            expected.forgive_losses_of(state) && expected.to_snapshot().body == state.to_snapshot().body;
        self.expected = None;
        if is_same { Ok(()) } else { Err(Problem::OtherState { at: self.head }) }
    }

    /// As often as makes looking at every task cost no more than applying every event.
    fn is_time_to_check(&self) -> bool {
        let tasks = self.state.iter().flat_map(State::projects).map(|project| project.tasks.len());
        self.unchecked > tasks.sum()
    }

    fn check_invariants(&mut self) -> Result<(), Problem> {
        self.unchecked = 0;
        let holds = self.state.as_ref().map_or(Ok(()), State::check_invariants);
        holds.map_err(|source| Problem::Broken { at: self.head, source })
    }
}

fn read_state(snapshot: &Snapshot) -> Result<State, Problem> {
    State::from_snapshot(snapshot).map_err(|source| Problem::Unreadable { at: snapshot.seq, source })
}
