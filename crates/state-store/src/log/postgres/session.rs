//! One connection: its settings, its statements, and what is said over it.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::runtime::RuntimeEnded;
use super::tables::{self, Absent};
use super::{PostgresAddress, PostgresOpenError, PostgresOptions, engine_error};
use crate::Timestamp;
use crate::log::segment::{self, ChainEnd, StoredSegment};
use crate::log::{Entry, Recorded, Seq, StoreError, StreamName};

/// How long connecting may take, and sent bytes may go without an answer, where the address says nothing else.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the server keeps the lock of a stream for a process that neither commits nor gives up: one that was
/// stopped, or whose machine is gone. Its commit is refused.
const DECIDING_MAX: Duration = Duration::from_secs(60);

/// How many segments are fetched at a time.
const PAGE_SEGMENTS: i64 = 64;

/// A connection with its settings checked. Clones share it.
#[derive(Clone)]
pub(super) struct Session {
    client: Arc<Client>,
    statements: Arc<Statements>,
}

struct Statements {
    lock: Statement,
    add_stream: Statement,
    find: Statement,
    known: Statement,
    page: Statement,
    append: Statement,
    names: Statement,
    now: Statement,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    Server { action: &'static str, source: tokio_postgres::Error },
    Stored(StoreError),
    Ended(RuntimeEnded),
}

impl From<RuntimeEnded> for Trouble {
    fn from(ended: RuntimeEnded) -> Self {
        Self::Ended(ended)
    }
}

impl Trouble {
    /// Returns whether the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Server { source, .. } => match source.as_db_error() {
                Some(error) => {
                    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
                }
                None => source.is_closed() || source.source().is_some_and(<dyn StdError>::is::<io::Error>),
            },
            Self::Stored(_) | Self::Ended(_) => false,
        }
    }
}

fn failed(action: &'static str) -> impl Fn(tokio_postgres::Error) -> Trouble {
    move |source| Trouble::Server { action, source }
}

/// The end of a stream whose row is locked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    number: i64,
    pub(super) end: ChainEnd,
}

/// What the holder of a stream's lock knows.
pub(super) struct Begun {
    pub(super) place: Place,
    pub(super) news: Vec<Recorded>,
    pub(super) now: Timestamp,
}

/// How far the segments of a stream have been read and checked.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    stream: StreamName,
    number: i64,
    /// Where the stream was when the reading began: its segments must reach that far.
    head: Seq,
    /// The first segment of the next page begins here or later.
    next: i64,
    end: ChainEnd,
    pub(super) is_complete: bool,
}

impl Session {
    /// Connects, checks settings and tables, and prepares the statements.
    pub(super) async fn open(
        address: PostgresAddress,
        options: PostgresOptions,
        absent: Absent,
    ) -> Result<Self, PostgresOpenError> {
        let engine = |action| PostgresOpenError::engine(&address, action);
        let client = connect(&address).await.map_err(engine("connect"))?;
        if !options.unsafe_durability {
            check_settings(&client, &address).await?;
        }
        let settings = format!(
            "SET search_path = pg_catalog; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}",
            options.lock_timeout.as_millis().clamp(1, i32::MAX as u128),
            DECIDING_MAX.as_millis()
        );
        client.batch_execute(&settings).await.map_err(engine("set up the session"))?;
        tables::prepare(&client, &address, absent).await?;
        let statements = Statements::prepare(&client).await.map_err(engine("prepare the statements"))?;
        Ok(Self { client: Arc::new(client), statements: Arc::new(statements) })
    }

    /// Returns whether nothing is known to be wrong with the connection.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Begins a transaction, locks the stream's row and reads what is after `after`.
    pub(super) async fn begin(self, stream: StreamName, after: Seq) -> Result<Begun, Trouble> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        self.client.batch_execute(begin).await.map_err(failed("begin a transaction"))?;
        let (number, head) = self.lock(&stream).await?;
        let now = self.clone().now().await.map_err(failed("read the clock"))?;
        let mut reading = self.start(stream, number, head, after).await?;
        let mut news = Vec::new();
        while !reading.is_complete {
            let page;
            (reading, page) = self.clone().turn_page(reading).await?;
            news.extend(page.into_iter().filter(|recorded| recorded.seq > after));
        }
        if reading.end.head != head {
            let reason = format!("its row says that it ends at {head}");
            return Err(Trouble::Stored(corrupt(&reading.stream, reading.end.head.get() as i64, reason)));
        }
        Ok(Begun { place: Place { number, end: reading.end }, news, now })
    }

    /// Returns number and head of the stream, its row locked; makes the row where there is none.
    async fn lock(&self, stream: &StreamName) -> Result<(i64, Seq), Trouble> {
        let name = stream.as_str();
        let failed = failed("lock the stream");
        if let Some(row) = self.client.query_opt(&self.statements.lock, &[&name]).await.map_err(&failed)? {
            return number_and_head(&row).map_err(failed);
        }
        // Somebody else may be making it; this waits for them.
        self.client.execute(&self.statements.add_stream, &[&name]).await.map_err(&failed)?;
        let row = self.client.query_one(&self.statements.lock, &[&name]).await.map_err(&failed)?;
        number_and_head(&row).map_err(failed)
    }

    /// Returns a reading of what is after `after`, or `None` where nobody has written to the stream.
    pub(super) async fn find(self, stream: StreamName, after: Seq) -> Result<Option<Reading>, Trouble> {
        let failed = failed("find the stream");
        let row = self.client.query_opt(&self.statements.find, &[&stream.as_str()]).await.map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        let (number, head) = number_and_head(&row).map_err(failed)?;
        self.start(stream, number, head, after).await.map(Some)
    }

    /// Returns a reading that begins with the last segment that begins at or before `after`.
    async fn start(
        &self,
        stream: StreamName,
        number: i64,
        head: Seq,
        after: Seq,
    ) -> Result<Reading, Trouble> {
        let failed = failed("read the chain");
        let after = i64::try_from(after.get()).unwrap_or(i64::MAX);
        let known = self.client.query(&self.statements.known, &[&number, &after]).await.map_err(&failed)?;
        let next = known.first().map_or(Ok(0), |row| row.try_get(0)).map_err(&failed)?;
        // The hash before the very first segment is known; before a later one it is taken from the row before that.
        let end = match known.get(1) {
            Some(row) => {
                let (first, count): (i64, i64) =
                    (row.try_get(0).map_err(&failed)?, row.try_get(1).map_err(&failed)?);
                let hash: &[u8] = row.try_get(2).map_err(&failed)?;
                let end = ChainEnd::stored(first, count, hash);
                end.map_err(|reason| Trouble::Stored(corrupt(&stream, first, reason)))?
            }
            None => ChainEnd::START,
        };
        Ok(Reading { stream, number, head, next, end, is_complete: false })
    }

    /// Reads and checks the next segments; returns their entries and how far that was.
    pub(super) async fn turn_page(self, mut reading: Reading) -> Result<(Reading, Vec<Recorded>), Trouble> {
        let failed = failed("read the segments");
        let rows = self
            .client
            .query(&self.statements.page, &[&reading.number, &reading.next, &PAGE_SEGMENTS])
            .await
            .map_err(&failed)?;
        let mut page = Vec::new();
        for row in &rows {
            let (first, stored) = stored_segment(row).map_err(&failed)?;
            let entries = reading
                .end
                .follow(&reading.stream, stored)
                .map_err(|reason| Trouble::Stored(corrupt(&reading.stream, first, reason)))?;
            page.extend(entries);
        }
        reading.is_complete = (rows.len() as i64) < PAGE_SEGMENTS;
        reading.next = (reading.end.head.get() as i64).saturating_add(1);
        if reading.is_complete && reading.end.head < reading.head {
            let missing = reading.end.head.plus(1);
            let reason = format!("entry {missing} is missing");
            return Err(Trouble::Stored(corrupt(&reading.stream, missing.get() as i64, reason)));
        }
        Ok((reading, page))
    }

    /// Writes one segment and moves the stream's head; returns whether the stream was where it was expected to be.
    pub(super) fn append(
        self,
        stream: StreamName,
        place: Place,
        entries: &[Entry],
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send + 'static {
        let (first, count, body) = (place.end.head.plus(1), entries.len() as u64, segment::encode(entries));
        async move {
            let hash = segment::chain(&place.end.hash, &stream, first, count, at, &body);
            let appended = self
                .client
                .query(
                    &self.statements.append,
                    &[
                        &place.number,
                        &(first.get() as i64),
                        &(count as i64),
                        &(at.as_millis() as i64),
                        &hash.as_slice(),
                        &body,
                        &stream.as_str(),
                    ],
                )
                .await;
            match appended {
                Ok(rows) => Ok(rows.len() == 1),
                Err(source) if source.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(false),
                Err(source) => Err(Trouble::Server { action: "append a segment", source }),
            }
        }
    }

    /// Makes durable what was appended.
    pub(super) async fn commit(self) -> Result<(), Trouble> {
        self.client.batch_execute("COMMIT").await.map_err(failed("flush a segment"))
    }

    /// Forgets what was appended and gives the lock back.
    pub(super) async fn roll_back(self) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute("ROLLBACK").await
    }

    /// Returns the place of the last entry.
    pub(super) async fn head(self, stream: StreamName) -> Result<Seq, Trouble> {
        let failed = failed("look for the last segment");
        let row = self.client.query_opt(&self.statements.find, &[&stream.as_str()]).await.map_err(&failed)?;
        row.map_or(Ok(Seq::START), |row| Ok(number_and_head(&row).map_err(failed)?.1))
    }

    /// Returns the names of the streams that have entries.
    pub(super) async fn streams(self) -> Result<Vec<StreamName>, Trouble> {
        let failed = failed("list the streams");
        let rows = self.client.query(&self.statements.names, &[]).await.map_err(&failed)?;
        rows.iter()
            .map(|row| {
                let name: &str = row.try_get(0).map_err(&failed)?;
                let invalid = |invalid| Trouble::Stored(engine_error("read the name of a stream", invalid));
                StreamName::new(name).map_err(invalid)
            })
            .collect()
    }

    /// Returns the database's time.
    pub(super) async fn now(self) -> Result<Timestamp, tokio_postgres::Error> {
        let row = self.client.query_one(&self.statements.now, &[]).await?;
        Ok(Timestamp::from_millis(row.try_get::<_, i64>(0)?.max(0) as u64))
    }
}

async fn connect(address: &PostgresAddress) -> Result<Client, tokio_postgres::Error> {
    let mut config = address.config().clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(NETWORK_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(NETWORK_TIMEOUT).keepalives_idle(NETWORK_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("super-planner");
    }
    // Of several hosts, the one that takes writes.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    let (client, connection) = config.connect(NoTls).await?;
    // How it ends, its client is told by the next question.
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// Refuses settings that can lose what was acknowledged; keeps the session from becoming less careful later.
async fn check_settings(client: &Client, address: &PostgresAddress) -> Result<(), PostgresOpenError> {
    let engine = PostgresOpenError::engine(address, "read the settings of the server");
    let show = async |setting| -> Result<String, tokio_postgres::Error> {
        client.query_one(&format!("SHOW {setting}"), &[]).await?.try_get(0)
    };
    for (setting, needed, enough) in [
        ("fsync", "on", &["on"][..]),
        ("full_page_writes", "on", &["on"]),
        ("synchronous_commit", "on or remote_apply", &["on", "remote_apply"]),
    ] {
        let found = show(setting).await.map_err(&engine)?;
        if !enough.contains(&found.as_str()) {
            return Err(PostgresOpenError::UnsafeSetting { setting, found, needed });
        }
        if setting == "synchronous_commit" {
            client.batch_execute(&format!("SET synchronous_commit = {found}")).await.map_err(&engine)?;
        }
    }
    Ok(())
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            lock: client
                .prepare("SELECT number, head FROM super_planner.streams WHERE name = $1 FOR UPDATE")
                .await?,
            add_stream: client
                .prepare(
                    "INSERT INTO super_planner.streams (name, head) VALUES ($1, 0) ON CONFLICT DO NOTHING",
                )
                .await?,
            find: client.prepare("SELECT number, head FROM super_planner.streams WHERE name = $1").await?,
            known: client
                .prepare(
                    "SELECT first_seq, count, hash FROM super_planner.segments \
                     WHERE stream = $1 AND first_seq <= $2 ORDER BY first_seq DESC LIMIT 2",
                )
                .await?,
            page: client
                .prepare(
                    "SELECT first_seq, count, at, hash, body FROM super_planner.segments \
                     WHERE stream = $1 AND first_seq >= $2 ORDER BY first_seq LIMIT $3",
                )
                .await?,
            // Whoever listens on the channel hears the stream's name when the segment is committed.
            append: client
                .prepare(
                    "WITH moved AS (UPDATE super_planner.streams SET head = $2::bigint + $3::bigint - 1 \
                     WHERE number = $1 AND head = $2::bigint - 1 RETURNING number), \
                     appended AS (INSERT INTO super_planner.segments (stream, first_seq, count, at, hash, body) \
                     SELECT number, $2, $3, $4, $5, $6 FROM moved RETURNING stream) \
                     SELECT pg_notify('super_planner', $7::text) FROM appended",
                )
                .await?,
            names: client
                .prepare("SELECT name FROM super_planner.streams WHERE head > 0 ORDER BY name")
                .await?,
            now: client
                .prepare("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
                .await?,
        })
    }
}

fn number_and_head(row: &Row) -> Result<(i64, Seq), tokio_postgres::Error> {
    // A head below zero cannot be written; should it be there, no segment reaches what it becomes here.
    Ok((row.try_get(0)?, Seq::new(row.try_get::<_, i64>(1)? as u64)))
}

fn stored_segment(row: &Row) -> Result<(i64, StoredSegment<'_>), tokio_postgres::Error> {
    let (first, count, at): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let stored = StoredSegment {
        first: Seq::new(first as u64),
        count: count as u64,
        at: Timestamp::from_millis(at as u64),
        hash: row.try_get(3)?,
        body: row.try_get(4)?,
    };
    Ok((first, stored))
}

fn corrupt(stream: &StreamName, at: i64, reason: String) -> StoreError {
    StoreError::Corrupt { stream: stream.clone(), at: Seq::new(at as u64), reason }
}
