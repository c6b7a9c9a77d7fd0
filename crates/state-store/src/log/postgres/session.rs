//! One connection: its settings, its statements, and what is said over it.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::people;
use super::runtime::NoAnswer;
use super::tables::{self, Absent};
use super::{PostgresAddress, PostgresOpenError, PostgresOptions, engine_error};
use crate::Timestamp;
use crate::log::chain::StoredSegment;
use crate::log::{Base, ChainHash, Entry, Recorded, Seq, Snapshot, StoreError, StreamEnd, StreamName};
use crate::tables::TableStep;

/// How long connecting may take, and sent bytes may go without an answer, where the address says nothing else.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the server keeps the lock of a stream for a process that neither commits nor gives up: one that was
/// stopped, or whose machine is gone. Its commit is refused.
const DECIDING_MAX: Duration = Duration::from_secs(60);

/// How many segments are fetched at a time.
const PAGE_SEGMENTS: i64 = 64;

/// How many segments are dropped at a time.
const SEGMENTS_A_ROUND: i64 = 500;

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
    end: Statement,
    end_at: Statement,
    names: Statement,
    now: Statement,
    snapshot: Statement,
    keep_snapshot: Statement,
    keep_base: Statement,
    set_base: Statement,
    drop_below: Statement,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    Server { action: &'static str, source: tokio_postgres::Error },
    Stored(StoreError),
    NoAnswer(NoAnswer),
}

impl From<NoAnswer> for Trouble {
    fn from(reason: NoAnswer) -> Self {
        Self::NoAnswer(reason)
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
            Self::Stored(_) | Self::NoAnswer(_) => false,
        }
    }
}

fn failed(action: &'static str) -> impl Fn(tokio_postgres::Error) -> Trouble {
    move |source| Trouble::Server { action, source }
}

/// The row of a stream.
#[derive(Debug, Clone, Copy)]
struct StreamRow {
    number: i64,
    head: Seq,
    /// The last entry that is dropped.
    base: StreamEnd,
}

/// The end of a stream whose row is locked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    number: i64,
    pub(super) end: StreamEnd,
}

/// What the holder of a stream's lock knows.
pub(super) struct Begun {
    pub(super) place: Place,
    pub(super) news: Vec<Recorded>,
    pub(super) now: Timestamp,
}

/// Where a snapshot would be kept.
pub(super) enum Boundary {
    /// A segment that is kept ends there.
    At { number: i64, chain: ChainHash },
    /// There is one of that place, or of a later one.
    Passed,
    /// No segment ends there.
    None,
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
    end: StreamEnd,
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
        let row = self.lock(&stream).await?;
        let now = self.clone().now().await.map_err(failed("read the clock"))?;
        let mut reading = self.start(stream, row, after).await?;
        let mut news = Vec::new();
        while !reading.is_complete {
            let page;
            (reading, page) = self.clone().turn_page(reading).await?;
            news.extend(page.into_iter().filter(|recorded| recorded.seq > after));
        }
        if reading.end.head != row.head {
            let reason = format!("its row says that it ends at {}", row.head);
            return Err(Trouble::Stored(corrupt(&reading.stream, reading.end.head.get() as i64, reason)));
        }
        Ok(Begun { place: Place { number: row.number, end: reading.end }, news, now })
    }

    /// Returns the row of the stream, locked; makes it where there is none.
    async fn lock(&self, stream: &StreamName) -> Result<StreamRow, Trouble> {
        let name = stream.as_str();
        let failed = failed("lock the stream");
        if let Some(row) = self.client.query_opt(&self.statements.lock, &[&name]).await.map_err(&failed)? {
            return stream_row(stream, &row, failed);
        }
        // Somebody else may be making it; this waits for them.
        self.client.execute(&self.statements.add_stream, &[&name]).await.map_err(&failed)?;
        let row = self.client.query_one(&self.statements.lock, &[&name]).await.map_err(&failed)?;
        stream_row(stream, &row, failed)
    }

    /// Returns the row of the stream, or `None` where there is none.
    async fn row(&self, stream: &StreamName) -> Result<Option<StreamRow>, Trouble> {
        let failed = failed("find the stream");
        let row = self.client.query_opt(&self.statements.find, &[&stream.as_str()]).await.map_err(&failed)?;
        row.map(|row| stream_row(stream, &row, failed)).transpose()
    }

    /// Returns a reading of what is after `after`, or `None` where nobody has written to the stream.
    pub(super) async fn find(self, stream: StreamName, after: Seq) -> Result<Option<Reading>, Trouble> {
        let Some(row) = self.row(&stream).await? else { return Ok(None) };
        self.start(stream, row, after).await.map(Some)
    }

    /// Returns a reading that begins with the segment that holds the entry after `after`.
    async fn start(&self, stream: StreamName, row: StreamRow, after: Seq) -> Result<Reading, Trouble> {
        if after < row.base.head {
            return Err(Trouble::Stored(StoreError::Compacted { stream, until: row.base.head }));
        }
        let failed = failed("read the chain");
        let place = i64::try_from(after.get()).unwrap_or(i64::MAX);
        let base = row.base.head.get() as i64;
        let known = self
            .client
            .query(&self.statements.known, &[&row.number, &place, &base])
            .await
            .map_err(&failed)?;
        // Of the last two segments that begin at or before `after`, the one that ends there or earlier.
        let mut end = row.base;
        for found in &known {
            let (first, count): (i64, i64) =
                (found.try_get(0).map_err(&failed)?, found.try_get(1).map_err(&failed)?);
            let hash: &[u8] = found.try_get(2).map_err(&failed)?;
            let before = StreamEnd::stored(first, count, hash)
                .map_err(|reason| Trouble::Stored(corrupt(&stream, first, reason)))?;
            if before.head <= after {
                end = before;
                break;
            }
        }
        let next = end.head.get() as i64 + 1;
        Ok(Reading { stream, number: row.number, head: row.head, next, end, is_complete: false })
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
        let mut is_last = (rows.len() as i64) < PAGE_SEGMENTS;
        for row in &rows {
            let (first, stored) = stored_segment(row).map_err(&failed)?;
            match reading.end.follow(&reading.stream, stored) {
                Ok(entries) => page.extend(entries),
                // What is well is handed out first; the next page begins with what is not.
                Err(_) if !page.is_empty() => {
                    is_last = false;
                    break;
                }
                Err(reason) => return Err(self.misfit(&reading, first, reason).await),
            }
        }
        let is_whole = reading.end.head >= reading.head;
        reading.is_complete = is_last && is_whole;
        reading.next = (reading.end.head.get() as i64).saturating_add(1);
        if is_last && !is_whole && page.is_empty() {
            let missing = reading.end.head.plus(1);
            let reason = format!("entry {missing} is missing");
            return Err(self.misfit(&reading, missing.get() as i64, reason).await);
        }
        Ok((reading, page))
    }

    /// Returns why a reading does not go on: what comes next is damaged, unless somebody has dropped it meanwhile.
    async fn misfit(&self, reading: &Reading, at: i64, reason: String) -> Trouble {
        let stream = reading.stream.clone();
        match self.row(&stream).await {
            Ok(Some(row)) if row.base.head > reading.end.head => {
                Trouble::Stored(StoreError::Compacted { stream, until: row.base.head })
            }
            Ok(_) => Trouble::Stored(corrupt(&stream, at, reason)),
            Err(trouble) => trouble,
        }
    }

    /// Writes one segment and moves the stream's head; returns whether the stream was where it was expected to be.
    pub(super) fn append(
        self,
        stream: StreamName,
        place: Place,
        entries: &[Entry],
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send + 'static {
        let segment = place.end.next(&stream, entries, at);
        async move {
            let appended = self
                .client
                .query(
                    &self.statements.append,
                    &[
                        &place.number,
                        &(segment.first.get() as i64),
                        &(segment.count as i64),
                        &(segment.at.as_millis() as i64),
                        &segment.hash.as_bytes().as_slice(),
                        &segment.body,
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
    pub(super) async fn roll_back(self) -> Result<(), Trouble> {
        self.client.batch_execute("ROLLBACK").await.map_err(failed("end a transaction"))
    }

    /// Returns the end of the stream as its last segment has it, unchecked.
    pub(super) async fn end(self, stream: StreamName) -> Result<StreamEnd, Trouble> {
        let failed = failed("look for the last segment");
        let row = self.client.query_opt(&self.statements.end, &[&stream.as_str()]).await.map_err(&failed)?;
        let Some(row) = row else { return Ok(StreamEnd::START) };
        stored_end(&stream, &row, failed)
    }

    /// Returns where a snapshot of that place would be kept.
    pub(super) async fn boundary(self, stream: StreamName, seq: Seq) -> Result<Boundary, Trouble> {
        let failed = failed("look for the segment of a snapshot");
        let Some(row) = self.row(&stream).await? else { return Ok(Boundary::None) };
        let place = i64::try_from(seq.get()).unwrap_or(i64::MAX);
        let found =
            self.client.query_one(&self.statements.end_at, &[&row.number, &place]).await.map_err(&failed)?;
        let last: Option<i64> = found.try_get(1).map_err(&failed)?;
        if last.is_some_and(|last| last >= place) {
            return Ok(Boundary::Passed);
        }
        let chain: Option<&[u8]> = found.try_get(0).map_err(&failed)?;
        let Some(chain) = chain else { return Ok(Boundary::None) };
        let chain = ChainHash::from_stored(chain)
            .map_err(|reason| Trouble::Stored(corrupt(&stream, place, reason)))?;
        Ok(Boundary::At { number: row.number, chain })
    }

    /// Keeps a snapshot in the place of an older one. Nobody waits for it.
    pub(super) async fn keep_snapshot(
        self,
        stream: StreamName,
        number: i64,
        chain: ChainHash,
        snapshot: Snapshot,
    ) -> Result<(), Trouble> {
        let kept = self
            .client
            .execute(
                &self.statements.keep_snapshot,
                &[
                    &number,
                    &(snapshot.seq.get() as i64),
                    &chain.as_bytes().as_slice(),
                    &i32::from(snapshot.kind),
                    &i32::from(snapshot.version),
                    &snapshot.hash(&stream, &chain).as_slice(),
                    &snapshot.body,
                ],
            )
            .await;
        kept.map(drop).map_err(failed("keep a snapshot"))
    }

    /// Returns the last snapshot, or the one of the base, and the hash of the chain at its place, both checked.
    pub(super) async fn snapshot(
        self,
        stream: StreamName,
        is_base: bool,
    ) -> Result<Option<(Snapshot, ChainHash)>, Trouble> {
        let failed = failed("read the snapshot");
        let name = stream.as_str();
        let row =
            self.client.query_opt(&self.statements.snapshot, &[&name, &is_base]).await.map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        let (seq, kind, version): (i64, i32, i32) = (
            row.try_get(0).map_err(&failed)?,
            row.try_get(2).map_err(&failed)?,
            row.try_get(3).map_err(&failed)?,
        );
        let (chain, hash): (&[u8], &[u8]) =
            (row.try_get(1).map_err(&failed)?, row.try_get(4).map_err(&failed)?);
        let damaged =
            |reason: &str| Trouble::Stored(corrupt(&stream, seq, format!("its snapshot: {reason}")));
        let chain = ChainHash::from_stored(chain).map_err(|reason| damaged(&reason))?;
        let body = row.try_get(5).map_err(&failed)?;
        let snapshot =
            Snapshot { seq: Seq::new(seq as u64), kind: kind as u16, version: version as u16, body };
        if snapshot.hash(&stream, &chain).as_slice() != hash {
            return Err(damaged("its hash does not match"));
        }
        Ok(Some((snapshot, chain)))
    }

    /// Has the stream begin after what its last snapshot covers; returns the last entry before that.
    pub(super) async fn move_base(self, stream: StreamName) -> Result<Seq, Trouble> {
        let covered = self.clone().snapshot(stream.clone(), false).await?;
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        self.client.batch_execute(begin).await.map_err(failed("begin a transaction"))?;
        let row = self.lock(&stream).await?;
        let Some((snapshot, chain)) = covered.filter(|(snapshot, _)| snapshot.seq > row.base.head) else {
            self.roll_back().await?;
            return Ok(row.base.head);
        };
        let seq = snapshot.seq.get() as i64;
        let failed = failed("move the beginning of the stream");
        let base = [&row.number as &(dyn tokio_postgres::types::ToSql + Sync), &seq];
        self.client
            .execute(&self.statements.set_base, &[base[0], base[1], &chain.as_bytes().as_slice()])
            .await
            .map_err(&failed)?;
        // Somebody may have kept a newer one meanwhile: then nothing is dropped.
        let kept = self.client.execute(&self.statements.keep_base, &base).await.map_err(&failed)?;
        if kept == 0 {
            self.roll_back().await?;
            return Ok(row.base.head);
        }
        self.client.batch_execute("COMMIT").await.map_err(failed)?;
        Ok(snapshot.seq)
    }

    /// Has a stream that has no entries begin after `base`, not yet committed; where it has some, returns its end and ends
    /// the transaction.
    pub(super) async fn start_after(self, stream: StreamName, base: Base) -> Result<Seq, Trouble> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        self.client.batch_execute(begin).await.map_err(failed("begin a transaction"))?;
        let row = self.lock(&stream).await?;
        if row.head > Seq::START {
            self.roll_back().await?;
            return Ok(row.head);
        }
        let failed = failed("begin a stream after what was dropped");
        let (seq, chain) = (base.snapshot.seq.get() as i64, base.hash);
        self.clone().keep_snapshot(stream, row.number, chain, base.snapshot).await?;
        let begins_after =
            "UPDATE super_planner.streams SET head = $2, base = $2, base_hash = $3 WHERE number = $1";
        self.client
            .execute(begins_after, &[&row.number, &seq, &chain.as_bytes().as_slice()])
            .await
            .map_err(&failed)?;
        self.client.execute(&self.statements.keep_base, &[&row.number, &seq]).await.map_err(&failed)?;
        Ok(Seq::START)
    }

    /// Drops some of the segments before the beginning of the stream, the first ones first; returns whether there may be
    /// more.
    pub(super) async fn drop_below(self, stream: StreamName) -> Result<bool, Trouble> {
        let Some(row) = self.row(&stream).await? else { return Ok(false) };
        let base = row.base.head.get() as i64;
        let dropped = self
            .client
            .execute(&self.statements.drop_below, &[&row.number, &base, &SEGMENTS_A_ROUND])
            .await
            .map_err(failed("drop segments"))?;
        Ok(dropped > 0)
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

    /// Returns the place that the tables for people are true for; where there are none, the beginning.
    pub(super) async fn tables_seq(self) -> Result<Seq, Trouble> {
        let found = people::seq(&self.client).await.map_err(failed("look at the tables for people"))?;
        Ok(found.unwrap_or(Seq::START))
    }

    /// Changes the tables for people; returns whether they were where the step begins.
    pub(super) async fn advance_tables(self, step: TableStep) -> Result<bool, Trouble> {
        people::advance(&self.client, &step).await.map_err(failed("write the tables for people"))
    }

    /// Returns the database's time.
    pub(super) async fn now(self) -> Result<Timestamp, tokio_postgres::Error> {
        let row = self.client.query_one(&self.statements.now, &[]).await?;
        Ok(Timestamp::from_millis(row.try_get::<_, i64>(0)?.max(0) as u64))
    }
}

async fn connect(address: &PostgresAddress) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = client_config(address).connect(NoTls).await?;
    // How it ends, its client is told by the next question.
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// Returns how to connect: as the address says, and for what it does not say, as we need it.
pub(super) fn client_config(address: &PostgresAddress) -> tokio_postgres::Config {
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
    config
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
                .prepare(
                    "SELECT number, head, base, base_hash FROM super_planner.streams WHERE name = $1 FOR UPDATE",
                )
                .await?,
            add_stream: client
                .prepare(
                    "INSERT INTO super_planner.streams (name, head) VALUES ($1, 0) ON CONFLICT DO NOTHING",
                )
                .await?,
            find: client
                .prepare("SELECT number, head, base, base_hash FROM super_planner.streams WHERE name = $1")
                .await?,
            known: client
                .prepare(
                    "SELECT first_seq, count, hash FROM super_planner.segments \
                     WHERE stream = $1 AND first_seq <= $2 AND first_seq > $3 ORDER BY first_seq DESC LIMIT 2",
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
            end: client
                .prepare(
                    "SELECT base, base_hash, last.first_seq, last.count, last.hash FROM super_planner.streams \
                     LEFT JOIN LATERAL (SELECT first_seq, count, hash FROM super_planner.segments \
                     WHERE stream = number ORDER BY first_seq DESC LIMIT 1) AS last ON true WHERE name = $1",
                )
                .await?,
            end_at: client
                .prepare(
                    "SELECT (SELECT hash FROM (SELECT first_seq, count, hash FROM super_planner.segments \
                     WHERE stream = $1 AND first_seq <= $2::bigint ORDER BY first_seq DESC LIMIT 1) AS last \
                     WHERE first_seq + count - 1 = $2::bigint), \
                     (SELECT seq FROM super_planner.snapshots WHERE stream = $1 AND NOT is_base)",
                )
                .await?,
            snapshot: client
                .prepare(
                    "SELECT seq, chain, kind, version, hash, body FROM super_planner.snapshots \
                     JOIN super_planner.streams ON number = stream WHERE name = $1 AND is_base = $2",
                )
                .await?,
            keep_snapshot: client
                .prepare(
                    "INSERT INTO super_planner.snapshots (stream, is_base, seq, chain, kind, version, hash, body) \
                     VALUES ($1, false, $2, $3, $4, $5, $6, $7) \
                     ON CONFLICT (stream, is_base) DO UPDATE SET seq = $2, \
                     chain = $3, kind = $4, version = $5, hash = $6, body = $7 \
                     WHERE super_planner.snapshots.seq < $2",
                )
                .await?,
            keep_base: client
                .prepare(
                    "INSERT INTO super_planner.snapshots \
                     SELECT stream, true, seq, chain, kind, version, hash, body FROM super_planner.snapshots \
                     WHERE stream = $1 AND NOT is_base AND seq = $2 \
                     ON CONFLICT (stream, is_base) DO UPDATE SET seq = excluded.seq, chain = excluded.chain, \
                     kind = excluded.kind, version = excluded.version, hash = excluded.hash, \
                     body = excluded.body",
                )
                .await?,
            set_base: client
                .prepare("UPDATE super_planner.streams SET base = $2, base_hash = $3 WHERE number = $1")
                .await?,
            drop_below: client
                .prepare(
                    "DELETE FROM super_planner.segments WHERE stream = $1 AND first_seq IN ( \
                     SELECT first_seq FROM super_planner.segments \
                     WHERE stream = $1 AND first_seq <= $2 ORDER BY first_seq LIMIT $3)",
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

fn stream_row(
    stream: &StreamName,
    row: &Row,
    failed: impl Fn(tokio_postgres::Error) -> Trouble,
) -> Result<StreamRow, Trouble> {
    let (number, head, base): (i64, i64, i64) = (
        row.try_get(0).map_err(&failed)?,
        row.try_get(1).map_err(&failed)?,
        row.try_get(2).map_err(&failed)?,
    );
    let hash: &[u8] = row.try_get(3).map_err(&failed)?;
    let hash =
        ChainHash::from_stored(hash).map_err(|reason| Trouble::Stored(corrupt(stream, base, reason)))?;
    // A head below zero cannot be written; should it be there, no segment reaches what it becomes here.
    let (head, base) = (Seq::new(head as u64), StreamEnd { head: Seq::new(base as u64), hash });
    Ok(StreamRow { number, head, base })
}

fn stored_end(
    stream: &StreamName,
    row: &Row,
    failed: impl Fn(tokio_postgres::Error) -> Trouble,
) -> Result<StreamEnd, Trouble> {
    let last: Option<i64> = row.try_get(2).map_err(&failed)?;
    // Where nothing is kept, the stream ends with what is dropped.
    let (first, count, column) = match last {
        Some(first) => (first, row.try_get(3).map_err(&failed)?, 4),
        None => (1, row.try_get(0).map_err(&failed)?, 1),
    };
    let hash: &[u8] = row.try_get(column).map_err(&failed)?;
    StreamEnd::stored(first, count, hash).map_err(|reason| Trouble::Stored(corrupt(stream, first, reason)))
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
