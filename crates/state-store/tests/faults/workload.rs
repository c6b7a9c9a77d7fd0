//! A process that appends to a store and says what it is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use faults::Control;
use planner_core::random::Random;
use state_store::{CommitError, Seq, SqliteStore, StateStore, StoreError, StreamName, SystemClock};

use crate::ledger::{self, Batch, Ledger, Outcome, Unreadable};

pub(crate) fn open(path: &Path) -> Result<SqliteStore, state_store::log::OpenError> {
    SqliteStore::open(path, Arc::new(SystemClock))
}

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

/// Appends numbered batches to some streams through one handle on a store. It marks and notes what it tries and is told,
/// goes on whatever fails, and opens the store again where it must.
pub(crate) struct Producer {
    path: PathBuf,
    pub(crate) store: Option<SqliteStore>,
    pub(crate) streams: Vec<StreamName>,
    /// How far it has read each stream: as real ones do, it asks only for what it does not know.
    known: BTreeMap<StreamName, Seq>,
    next: Batch,
    random: Random,
    pub(crate) ledger: Ledger,
    /// Counts failed flushes, where failing flushes are all that fails.
    failed_flushes: Option<Control>,
}

impl Producer {
    pub(crate) fn new(path: &Path, streams: &[&str], seed: u64) -> Self {
        Self {
            path: path.to_owned(),
            store: None,
            streams: streams.iter().map(|name| stream(name)).collect(),
            known: BTreeMap::new(),
            next: 1,
            random: Random::new(seed),
            ledger: Ledger::default(),
            failed_flushes: None,
        }
    }

    /// Has it check that the store takes nothing more after a flush that failed.
    pub(crate) fn watch_flushes(&mut self, control: Control) {
        self.failed_flushes = Some(control);
    }

    /// Does one thing: mostly appends a batch; sometimes a snapshot, a compaction, a look, a reopening.
    ///
    /// Fails where the store breaks its word, not where it says that something failed.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        let stream = self.streams[self.random.below(self.streams.len())].clone();
        let choice = self.random.below(100);
        if choice < 4 {
            self.store = None;
        }
        let path = self.path.clone();
        if self.store.is_none() {
            match open(&path) {
                Ok(store) => self.store = Some(store),
                Err(_) => return Ok(()),
            }
        }
        match choice {
            0..8 => self.snapshot(&stream),
            8..10 => {
                self.known.remove(&stream);
                self.call(|store| store.compact(&stream)).map(drop)
            }
            10..14 => match self.call(|store| ledger::content(store, &stream))? {
                Err(Unreadable::Wrong(problem)) => Err(problem),
                Ok(_) | Err(Unreadable::Told(_)) => Ok(()),
            },
            _ => self.append(&stream).map(drop),
        }
    }

    /// Appends the next batch, and returns what became of it; a refusal where it could not even be tried.
    pub(crate) fn append(&mut self, stream: &StreamName) -> Result<Outcome, String> {
        let known = match self.known.get(stream) {
            Some(known) => Ok(*known),
            None => self.call(|store| store.end(stream).map(|end| end.head))?,
        };
        let Ok(known) = known else { return Ok(Outcome::Refused) };
        let batch = self.next;
        self.next += 1;
        say(&format!("try {stream} {batch}"));
        self.ledger.tries(stream, batch);
        let appended = self.call(|store| append(store, stream, known, batch))?;
        let outcome = outcome_of(&appended);
        self.ledger.settles(stream, batch, outcome);
        match appended {
            Ok(head) => self.known.insert(stream.clone(), head),
            Err(_) => self.known.remove(stream),
        };
        match outcome {
            Outcome::Accepted => say(&format!("accepted {stream} {batch}")),
            Outcome::Refused => say(&format!("refused {stream} {batch}")),
            Outcome::Unknown => {
                say(&format!("unknown {stream} {batch}"));
                let store = self.store.take();
                if store.is_some_and(|store| !is_poisoned(&store, stream)) {
                    return Err(format!("batch {batch} of {stream} ended in doubt, and the store goes on"));
                }
            }
        }
        Ok(outcome)
    }

    fn snapshot(&mut self, stream: &StreamName) -> Result<(), String> {
        let content = match self.call(|store| ledger::content(store, stream))? {
            Ok(content) if content.head > Seq::START => content,
            Ok(_) | Err(Unreadable::Told(_)) => return Ok(()),
            Err(Unreadable::Wrong(problem)) => return Err(problem),
        };
        self.call(|store| Ok::<_, ()>(ledger::check_boundaries(store, stream, &content)))?
            .unwrap_or(Ok(()))?;
        let snapshot = ledger::snapshot(content.head, &content.batches);
        if self.call(|store| store.save_snapshot(stream, &snapshot))?.is_ok() {
            say(&format!("snapshot {stream} {}", content.head));
            self.ledger.keeps_snapshot(stream, content.head);
        }
        Ok(())
    }

    /// Calls the store; where a flush failed in a call that fails, the store takes nothing more and is opened again.
    fn call<T, E: std::fmt::Debug>(
        &mut self,
        call: impl FnOnce(&SqliteStore) -> Result<T, E>,
    ) -> Result<Result<T, E>, String> {
        let store = self.store.as_ref().expect("it is open while something is asked of it");
        let failed =
            |control: &Option<Control>| control.as_ref().map_or(0, |control| control.spoilt().unwrap());
        let before = failed(&self.failed_flushes);
        let called = call(store);
        if let Err(error) = &called
            && failed(&self.failed_flushes) > before
        {
            // What was settled while beginning is settled again before anything is written.
            let is_recovery = format!("{error:?}").contains("make the write-ahead log durable");
            if !is_recovery && !is_poisoned(store, &self.streams[0]) {
                return Err(format!("a flush failed ({error:?}), and the store goes on"));
            }
        }
        Ok(called)
    }
}

/// Says something in the trace: `try`, `accepted`, `refused`, `unknown` or `snapshot`, a stream, a number.
pub(crate) fn say(text: &str) {
    faults::mark(text.as_bytes()).unwrap();
}

/// Returns the ledger that follows from what producers have said.
pub(crate) fn ledger_of(marks: &[&[u8]]) -> Ledger {
    let mut ledger = Ledger::default();
    for mark in marks {
        let text = std::str::from_utf8(mark).unwrap();
        let mut words = text.split(' ');
        let mut word = || words.next().unwrap();
        let (said, stream) = (word(), stream(word()));
        let number = word().parse().unwrap();
        match said {
            "try" => ledger.tries(&stream, number),
            "accepted" => ledger.settles(&stream, number, Outcome::Accepted),
            "refused" => ledger.settles(&stream, number, Outcome::Refused),
            "unknown" => ledger.settles(&stream, number, Outcome::Unknown),
            "snapshot" => ledger.keeps_snapshot(&stream, Seq::new(number)),
            _ => unreachable!("`{text}` is said by nobody"),
        }
    }
    ledger
}

/// Returns what a producer was told.
pub(crate) fn outcome_of(result: &Result<Seq, CommitError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Accepted,
        Err(CommitError::Refused(_) | CommitError::Conflict { .. }) => Outcome::Refused,
        Err(CommitError::Unknown(_)) => Outcome::Unknown,
    }
}

/// Begins and commits; what fails before the commit is a refusal.
pub(crate) fn append(
    store: &dyn StateStore,
    stream: &StreamName,
    after: Seq,
    batch: Batch,
) -> Result<Seq, CommitError> {
    let begun = store.begin(stream, after).map_err(CommitError::Refused)?;
    begun.commit(ledger::entries(stream, batch))
}

/// Returns whether the store refuses because an earlier write to it ended in doubt.
pub(crate) fn is_poisoned(store: &dyn StateStore, stream: &StreamName) -> bool {
    matches!(store.begin(stream, Seq::START), Err(StoreError::Poisoned))
}
