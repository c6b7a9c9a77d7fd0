//! The turn: the one synchronous function by which anything changes. The driver, simulations and short-lived commands
//! all call it.
//!
//! Take the stream's write lock; read what others have appended; decide and apply each request; let the dispatcher do
//! what is due; append everything as one segment; give the lock back. Only then are effects carried out and answers
//! given, so that nobody is told of something that a crash could undo.

use state_store::log::CommitError;
use state_store::task::stored::UnreadableSnapshot;
use state_store::task::{Accepted, Event, LoadError, State, UnfitEvent, replay};
use state_store::{Recorded, Seq, StateStore, StoreError, StreamName, Timestamp};

use crate::engine::{Effect, Engine, Refusal, Request};

/// How often a lock that others keep is asked for again.
const LOCK_TRIES: u32 = 6;

/// How many events room is made for beforehand: most requests are reports, and what is given back is handed out again.
const EVENTS_A_REQUEST: usize = 3;

/// What a turn has brought about, durably.
#[derive(Debug)]
pub struct Turn {
    /// The answers, in the order of the requests.
    pub answers: Vec<Result<Accepted, Refusal>>,
    /// What is to be done in the world now.
    pub effects: Vec<Effect>,
    /// What has happened: first what others had appended, then what this turn did.
    pub events: Vec<RecordedEvent>,
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// Its place.
    pub seq: Seq,
    /// The place of the first event that was committed together with it.
    pub segment: Seq,
    /// When it was committed.
    pub at: Timestamp,
    /// The event.
    pub event: Event,
}

/// Why a turn came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The lock could not be had, or the log not be read: the engine is as it was, and the requests may be repeated.
    #[error("nothing was changed")]
    NotBegun(#[source] StoreError),
    /// Nothing was appended, and the engine has gone ahead of the log: load it again.
    #[error("nothing was recorded")]
    NotRecorded(#[source] CommitError),
    /// The events may be in the log or not: open the store again, load the engine again, and look.
    #[error("it is not known whether the changes were recorded")]
    InDoubt(#[source] CommitError),
    /// Entries were dropped, and the snapshot of what they came to cannot be read.
    #[error("the snapshot at entry {at} cannot be read")]
    Snapshot {
        /// Where.
        at: Seq,
        /// Why not.
        #[source]
        source: UnreadableSnapshot,
    },
    /// The log holds something that does not fit.
    #[error("the log does not fit together at entry {at}")]
    Unfit {
        /// Where.
        at: Seq,
        /// What.
        #[source]
        source: UnfitEvent,
    },
}

impl From<LoadError> for TurnError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(source) => Self::NotBegun(source),
            LoadError::Unfit { at, source } => Self::Unfit { at, source },
            LoadError::Snapshot { at, source } => Self::Snapshot { at, source },
        }
    }
}

/// Brings an engine up to the end of the log, without the lock; a new one through the last snapshot. Returns the place
/// that it was read on from.
pub fn load(engine: &mut Engine, store: &dyn StateStore, stream: &StreamName) -> Result<Seq, TurnError> {
    let known = engine.seq();
    if known == Seq::START {
        let loaded = State::load(store, stream)?;
        engine.set(loaded.state);
        return Ok(loaded.snapshot);
    }
    replay(store, stream, known, |recorded| engine.apply_recorded(recorded).map(drop))?;
    Ok(known)
}

/// Carries out a batch of requests and whatever is due.
pub fn turn(
    engine: &mut Engine,
    store: &dyn StateStore,
    stream: &StreamName,
    requests: &[Request],
) -> Result<Turn, TurnError> {
    let transaction = store.begin(stream, engine.seq()).map_err(TurnError::NotBegun)?;
    let mut events = follow(engine, transaction.news())?;
    let (now, first) = (transaction.now(), transaction.head());
    if engine.seq() != first {
        // A server that went over to a copy of itself may have lost what was there: nothing follows from that.
        let reason = format!("entries up to {} were there and are lost", engine.seq());
        let (stream, at) = (stream.clone(), first.plus(1));
        return Err(TurnError::NotBegun(StoreError::Corrupt { stream, at, reason }));
    }
    let news = events.len();
    events.reserve(EVENTS_A_REQUEST * requests.len());
    let mut own = Own { segment: first.plus(1), at: now, next: first.plus(1), events };
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        let decision = engine.decide_request(request, now);
        answers.push(decision.answer);
        for event in decision.events {
            own.apply(engine, event);
        }
    }
    while let Some(event) = engine.housekeeping(now) {
        own.apply(engine, event);
    }
    let events = own.events;
    if events.len() > news {
        let entries = events[news..].iter().map(|recorded| recorded.event.to_entry()).collect();
        transaction.commit(entries).map_err(|error| match error {
            CommitError::Conflict { .. } | CommitError::Refused(_) => TurnError::NotRecorded(error),
            CommitError::Unknown(_) => TurnError::InDoubt(error),
        })?;
    }
    let effects = engine.effects_of(events.iter().map(|recorded| &recorded.event));
    Ok(Turn { answers, effects, events })
}

/// What a turn decides, with the places that it will have in the log.
struct Own {
    segment: Seq,
    at: Timestamp,
    next: Seq,
    /// After what others had appended.
    events: Vec<RecordedEvent>,
}

impl Own {
    fn apply(&mut self, engine: &mut Engine, event: Event) {
        engine.apply(&event, self.at).expect("every event that is decided applies");
        let (seq, segment, at) = (self.next, self.segment, self.at);
        self.events.push(RecordedEvent { seq, segment, at, event });
        self.next = seq.plus(1);
    }
}

/// Carries out a batch of requests as [`turn`] does, and asks again for a lock that others keep.
pub(crate) fn patient_turn(
    engine: &mut Engine,
    store: &dyn StateStore,
    stream: &StreamName,
    requests: &[Request],
) -> Result<Turn, TurnError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match turn(engine, store, stream, requests) {
            Err(TurnError::NotBegun(StoreError::Busy { .. })) if tries < LOCK_TRIES => {}
            outcome => return outcome,
        }
    }
}

fn follow(engine: &mut Engine, news: &[Recorded]) -> Result<Vec<RecordedEvent>, TurnError> {
    let applied = news.iter().map(|recorded| {
        let Recorded { seq, segment, at, .. } = *recorded;
        let event = engine.apply_recorded(recorded).map_err(|source| TurnError::Unfit { at: seq, source })?;
        Ok(RecordedEvent { seq, segment, at, event })
    });
    applied.collect()
}
