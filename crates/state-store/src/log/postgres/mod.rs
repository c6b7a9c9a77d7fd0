//! A store in a PostgreSQL database, shared by any number of processes of any number of machines.
//!
//! A segment is one row. The write lock of a stream is the lock of its row, so that writers of different streams do not
//! wait for one another; the primary key of the segments stays as a guard. Time is the database's. The client is
//! asynchronous; it runs on a thread of its own, and whoever calls the store waits for its answer.
//!
//! A connection that is lost before a commit was asked for leaves nothing in doubt: the call fails or is made again on
//! a new connection. One that is lost during a commit does, and poisons the store.

mod address;
mod listener;
mod people;
mod runtime;
mod session;
mod tables;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio_postgres::error::SqlState;

pub use address::{InvalidPostgresAddress, PostgresAddress};
pub use tables::POSTGRES_FORMAT_VERSION;

use self::listener::Listener;
use self::runtime::{NoAnswer, Runtime};
use self::session::{Begun, Boundary, Session, Trouble};
use self::tables::Absent;
use crate::Timestamp;
use crate::log::patience::{LOCK_PATIENCE, until};
use crate::log::{
    Base, ChainHash, CommitError, Entry, Recorded, Seq, Snapshot, SnapshotError, StateStore, StoreError,
    StreamEnd, StreamName, Transaction,
};
use crate::tables::TableStep;

/// How a store in PostgreSQL behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Take a server whose settings can lose what it has acknowledged.
    pub unsafe_durability: bool,
    /// How long [`StateStore::begin`] waits for the lock of a stream.
    pub lock_timeout: Duration,
    /// How long the answer to any question may take. It is there for a server that has stopped and still holds its
    /// connections: whoever waits for a lock, or reads a page, is answered long before.
    pub answer_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        let answer_timeout = Duration::from_secs(120);
        Self { unsafe_durability: false, lock_timeout: LOCK_PATIENCE, answer_timeout }
    }
}

/// Why a database cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum PostgresOpenError {
    /// The thread of the client cannot be started.
    #[error("the client of PostgreSQL cannot be started")]
    Client(#[source] std::io::Error),
    /// The server, or the client's thread, did not answer.
    #[error("PostgreSQL cannot be reached: {reason}")]
    NoAnswer {
        /// Who, and for how long.
        reason: String,
    },
    /// There is no such store, and none was to be made.
    #[error("there is no store in `{address}`")]
    Missing {
        /// The database.
        address: PostgresAddress,
    },
    /// The schema is somebody else's.
    #[error("the schema `super_planner` in `{address}` holds tables that are not ours")]
    Foreign {
        /// The database.
        address: PostgresAddress,
    },
    /// A newer program wrote it.
    #[error(
        "the store in `{address}` has format {found}; this program reads up to {POSTGRES_FORMAT_VERSION}"
    )]
    Newer {
        /// The database.
        address: PostgresAddress,
        /// Its format.
        found: i32,
    },
    /// A setting of the server can lose what it has acknowledged.
    #[error("the server runs with {setting}={found}, which can lose acknowledged work; {needed} is needed")]
    UnsafeSetting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// PostgreSQL failed.
    #[error("`{address}`: could not {action}")]
    Engine {
        /// The database.
        address: PostgresAddress,
        /// What was about to be done.
        action: &'static str,
        /// What the client says.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl From<NoAnswer> for PostgresOpenError {
    fn from(reason: NoAnswer) -> Self {
        Self::NoAnswer { reason: reason.to_string() }
    }
}

impl PostgresOpenError {
    fn engine(
        address: &PostgresAddress,
        action: &'static str,
    ) -> impl Fn(tokio_postgres::Error) -> Self + use<> {
        let address = address.clone();
        move |source| Self::Engine { address: address.clone(), action, source }
    }
}

/// Streams in one PostgreSQL database, in the schema `super_planner`.
///
/// Connections are not encrypted. A pooler in between must keep one session for each connection.
pub struct PostgresStore {
    address: PostgresAddress,
    options: PostgresOptions,
    writer: Mutex<Option<Session>>,
    reader: Mutex<Option<Session>>,
    /// For what takes its time and nobody waits for: snapshots, tables for people, dropping what they cover.
    keeper: Mutex<Option<Session>>,
    clock: Mutex<ClockReading>,
    poisoned: AtomicBool,
    listener: Listener,
    runtime: Runtime,
}

/// How often the database is asked while nobody tells what is appended.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How often it is asked all the same.
const ASK_EVERY_WHILE_TOLD: Duration = Duration::from_secs(1);

/// A moment of the database, and when it was heard of here.
#[derive(Debug, Clone, Copy)]
struct ClockReading {
    at: Timestamp,
    heard: Instant,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("address", &self.address)
            .field("options", &self.options)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the store at `address`; makes its schema and tables where there are none.
    pub fn open(address: &PostgresAddress, options: PostgresOptions) -> Result<Self, PostgresOpenError> {
        Self::open_with(address, options, Absent::Make)
    }

    /// Opens the store at `address`; writes nothing where there is none.
    pub fn open_existing(
        address: &PostgresAddress,
        options: PostgresOptions,
    ) -> Result<Self, PostgresOpenError> {
        Self::open_with(address, options, Absent::Refuse)
    }

    fn open_with(
        address: &PostgresAddress,
        options: PostgresOptions,
        absent: Absent,
    ) -> Result<Self, PostgresOpenError> {
        let runtime = Runtime::start(options.answer_timeout).map_err(PostgresOpenError::Client)?;
        let session = connect(&runtime, address, options, absent)?;
        let now = session.clone().now();
        let unread = PostgresOpenError::engine(address, "read the clock");
        let at = runtime.answer(async move { now.await.map_err(unread) })?;
        Ok(Self {
            address: address.clone(),
            options,
            writer: Mutex::new(None),
            reader: Mutex::new(Some(session)),
            keeper: Mutex::new(None),
            clock: Mutex::new(ClockReading { at, heard: Instant::now() }),
            poisoned: AtomicBool::new(false),
            listener: Listener::default(),
            runtime,
        })
    }

    /// Returns the database.
    pub fn address(&self) -> &PostgresAddress {
        &self.address
    }

    fn check_poison(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::SeqCst) { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Returns the connection that writes, unless somebody in this process keeps it for too long.
    fn writing_line(&self, stream: &StreamName) -> Result<MutexGuard<'_, Option<Session>>, StoreError> {
        let line = self.writer.try_lock_for(self.options.lock_timeout).ok_or_else(|| self.busy(stream))?;
        self.check_poison()?;
        Ok(line)
    }

    fn connect(&self) -> Result<Session, StoreError> {
        connect(&self.runtime, &self.address, self.options, Absent::Refuse)
            .map_err(|source| engine_error("connect to the database", source))
    }

    /// Asks what changes nothing, or what may be done twice, on the connection there is or on a new one; a connection that
    /// was lost while nobody looked is renewed once.
    fn ask<T, F>(
        &self,
        line: &mut Option<Session>,
        stream: Option<&StreamName>,
        question: impl Fn(Session) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let put = |session: &Session| self.runtime.answer(question(session.clone()));
        if let Some(session) = line.take().filter(Session::is_open) {
            match put(&session) {
                Ok(answer) => {
                    *line = Some(session);
                    return Ok(answer);
                }
                Err(trouble) if trouble.is_lost() => {}
                Err(trouble) => return Err(self.store_error(trouble, stream)),
            }
        }
        // A connection on which something failed is given up; the server rolls back what was begun on it.
        let session = self.connect()?;
        let answer = put(&session).map_err(|trouble| self.store_error(trouble, stream))?;
        *line = Some(session);
        Ok(answer)
    }

    /// Returns the last snapshot, or the one of the base, and the hash of the chain at its place.
    fn find_snapshot(
        &self,
        stream: &StreamName,
        is_base: bool,
    ) -> Result<Option<(Snapshot, ChainHash)>, StoreError> {
        self.check_poison()?;
        let load = |session: Session| session.snapshot(stream.clone(), is_base);
        self.ask(&mut self.reader.lock(), Some(stream), load)
    }

    /// Makes durable what was written on the connection.
    fn commit_on(&self, line: &mut Option<Session>, stream: &StreamName) -> Result<(), CommitError> {
        let session = line.clone().ok_or(CommitError::Refused(StoreError::Poisoned))?;
        self.runtime.answer(session.commit()).map_err(|trouble| {
            // It may be in the log or not, and only opening the store again tells.
            self.poisoned.store(true, Ordering::SeqCst);
            *line = None;
            CommitError::Unknown(self.store_error(trouble, Some(stream)))
        })
    }

    fn store_error(&self, trouble: Trouble, stream: Option<&StreamName>) -> StoreError {
        match (trouble, stream) {
            (Trouble::Stored(error), _) => error,
            (Trouble::NoAnswer(reason), _) => engine_error("reach PostgreSQL", reason),
            (Trouble::Server { source, .. }, Some(stream))
                if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) =>
            {
                self.busy(stream)
            }
            (Trouble::Server { source, .. }, _) if source.code() == Some(&SqlState::DISK_FULL) => {
                StoreError::Full
            }
            (Trouble::Server { action, source }, _) => engine_error(action, source),
        }
    }

    fn busy(&self, stream: &StreamName) -> StoreError {
        StoreError::Busy {
            stream: stream.clone(),
            waited_ms: u64::try_from(self.options.lock_timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn connect(
    runtime: &Runtime,
    address: &PostgresAddress,
    options: PostgresOptions,
    absent: Absent,
) -> Result<Session, PostgresOpenError> {
    runtime.answer(Session::open(address.clone(), options, absent))
}

fn engine_error(
    action: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Engine { action, source: source.into() }
}

impl StateStore for PostgresStore {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        let mut line = self.writing_line(stream)?;
        let begun = self.ask(&mut line, Some(stream), |session| session.begin(stream.clone(), after))?;
        *self.clock.lock() = ClockReading { at: begun.now, heard: Instant::now() };
        Ok(Box::new(PostgresTransaction { store: self, line, stream: stream.clone(), begun, is_open: true }))
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.check_poison()?;
        let find = |session: Session| session.find(stream.clone(), after);
        let Some(mut reading) = self.ask(&mut self.reader.lock(), Some(stream), find)? else {
            return Ok(());
        };
        // The connection is free while the visitor is at work.
        while !reading.is_complete {
            let turn = |session: Session| session.turn_page(reading.clone());
            let (next, page) = self.ask(&mut self.reader.lock(), Some(stream), turn)?;
            reading = next;
            let mut unseen = page.into_iter().filter(|recorded| recorded.seq > after);
            if unseen.try_for_each(&mut *visit).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn end(&self, stream: &StreamName) -> Result<StreamEnd, StoreError> {
        self.check_poison()?;
        self.ask(&mut self.reader.lock(), Some(stream), |session| session.end(stream.clone()))
    }

    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError> {
        let until = until(patience);
        self.listener.open(&self.runtime, &self.address);
        loop {
            let heard = self.listener.count();
            let end = self.end(stream)?;
            let now = Instant::now();
            if end.head > after || now >= until {
                return Ok(end);
            }
            let pause = if self.listener.is_open() { ASK_EVERY_WHILE_TOLD } else { ASK_EVERY };
            self.listener.wait(heard, until.min(now + pause));
        }
    }

    fn save_snapshot(&self, stream: &StreamName, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.check_poison()?;
        let boundary = |session: Session| session.boundary(stream.clone(), snapshot.seq);
        let mut line = self.keeper.lock();
        let boundary = self.ask(&mut line, Some(stream), boundary)?;
        let (number, chain) = match boundary {
            Boundary::Passed => return Ok(()),
            Boundary::None => {
                return Err(SnapshotError::NoBoundary { stream: stream.clone(), at: snapshot.seq });
            }
            Boundary::At { number, chain } => (number, chain),
        };
        let keep = |session: Session| session.keep_snapshot(stream.clone(), number, chain, snapshot.clone());
        Ok(self.ask(&mut line, Some(stream), keep)?)
    }

    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError> {
        let found = self.find_snapshot(stream, false)?;
        Ok(found.map(|(snapshot, _)| snapshot))
    }

    fn load_base(&self, stream: &StreamName) -> Result<Option<Base>, StoreError> {
        let found = self.find_snapshot(stream, true)?;
        Ok(found.map(|(snapshot, hash)| Base { hash, snapshot }))
    }

    fn start_after(&self, stream: &StreamName, base: &Base) -> Result<(), CommitError> {
        let mut line = self.writing_line(stream).map_err(CommitError::Refused)?;
        let start = |session: Session| session.start_after(stream.clone(), base.clone());
        let found = self.ask(&mut line, Some(stream), start).map_err(CommitError::Refused)?;
        if found > Seq::START {
            return Err(CommitError::Conflict { expected: Seq::START, found });
        }
        self.commit_on(&mut line, stream)
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        let mut line = self.writing_line(stream)?;
        let base = self.ask(&mut line, Some(stream), |session| session.move_base(stream.clone()))?;
        drop(line);
        // Nobody needs the rows any more, so no lock is held while they go.
        let drop_some = |session: Session| session.drop_below(stream.clone());
        while self.ask(&mut self.keeper.lock(), Some(stream), drop_some)? {}
        Ok(base)
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        self.check_poison()?;
        self.ask(&mut self.reader.lock(), None, Session::streams)
    }

    fn tables_seq(&self) -> Result<Option<Seq>, StoreError> {
        self.check_poison()?;
        self.ask(&mut self.reader.lock(), None, Session::tables_seq).map(Some)
    }

    fn advance_tables(&self, step: &TableStep) -> Result<bool, StoreError> {
        self.check_poison()?;
        self.ask(&mut self.keeper.lock(), None, |session| session.advance_tables(step.clone()))
    }

    /// Returns the database's time; while the database cannot be reached, its last one and what has passed since.
    fn now(&self) -> Timestamp {
        let read = |session: Session| async {
            session.now().await.map_err(|source| Trouble::Server { action: "read the clock", source })
        };
        let read = self.ask(&mut self.reader.lock(), None, read);
        let mut clock = self.clock.lock();
        match read {
            Ok(at) => {
                *clock = ClockReading { at, heard: Instant::now() };
                at
            }
            Err(_) => clock.at + clock.heard.elapsed(),
        }
    }
}

struct PostgresTransaction<'a> {
    store: &'a PostgresStore,
    line: MutexGuard<'a, Option<Session>>,
    stream: StreamName,
    begun: Begun,
    is_open: bool,
}

impl PostgresTransaction<'_> {
    /// Writes the segment, not yet committed.
    fn append(&mut self, entries: &[Entry]) -> Result<(), CommitError> {
        let session = self.line.clone().ok_or(CommitError::Refused(StoreError::Poisoned))?;
        let append = session.append(self.stream.clone(), self.begun.place, entries, self.begun.now);
        let is_appended =
            self.store.runtime.answer(append).map_err(|trouble| {
                CommitError::Refused(self.store.store_error(trouble, Some(&self.stream)))
            })?;
        if !is_appended {
            return Err(CommitError::Conflict { expected: self.head(), found: self.head().plus(1) });
        }
        Ok(())
    }
}

impl Transaction for PostgresTransaction<'_> {
    fn news(&self) -> &[Recorded] {
        &self.begun.news
    }

    fn head(&self) -> Seq {
        self.begun.place.end.head
    }

    fn now(&self) -> Timestamp {
        self.begun.now
    }

    fn record_at(&mut self, at: Timestamp) {
        self.begun.now = at;
    }

    fn commit(mut self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError> {
        let head = self.head();
        if entries.is_empty() {
            return Ok(head);
        }
        self.append(&entries)?;
        self.is_open = false;
        self.store.commit_on(&mut self.line, &self.stream)?;
        Ok(head.plus(entries.len() as u64))
    }
}

impl Drop for PostgresTransaction<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        // Where rolling back fails, closing the connection makes the server do it.
        *self.line =
            self.line.take().filter(|session| self.store.runtime.answer(session.clone().roll_back()).is_ok());
    }
}
