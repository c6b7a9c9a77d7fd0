//! The tables that people look at. They are made when they are first written, and anew where their form has changed.

use rusqlite::{Connection, OptionalExtension, params};

use super::segments::engine_error;
use crate::log::{Seq, StoreError};
use crate::tables::TableStep;

/// The version of the tables and views.
const VERSION: i64 = 1;

/// The views hide the rows of projects that the place which they are true for has not reached.
const TABLES: &str = "
    DROP VIEW IF EXISTS as_of; DROP VIEW IF EXISTS tasks; DROP VIEW IF EXISTS leases; DROP VIEW IF EXISTS agents;
    DROP VIEW IF EXISTS history;
    DROP TABLE IF EXISTS table_place; DROP TABLE IF EXISTS table_tasks; DROP TABLE IF EXISTS table_agents;
    DROP TABLE IF EXISTS table_history;
    CREATE TABLE table_place (version INTEGER NOT NULL, seq INTEGER NOT NULL);
    CREATE TABLE table_tasks (
        project TEXT NOT NULL, task TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL,
        attempts INTEGER NOT NULL, failures INTEGER NOT NULL, agent TEXT, token INTEGER, expires_ms INTEGER,
        commit_id TEXT, reason TEXT, since INTEGER NOT NULL, PRIMARY KEY (project, task));
    CREATE TABLE table_agents (
        name TEXT PRIMARY KEY, capabilities TEXT NOT NULL, slots INTEGER NOT NULL, status TEXT NOT NULL);
    CREATE TABLE table_history (
        seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, event TEXT NOT NULL, project TEXT, task TEXT, agent TEXT,
        attempt INTEGER, detail TEXT);
    CREATE VIEW as_of AS SELECT seq FROM table_place;
    CREATE VIEW tasks AS SELECT project, task, title, state, attempts, failures, agent, commit_id, reason
        FROM table_tasks WHERE since <= (SELECT seq FROM table_place);
    CREATE VIEW leases AS SELECT project, task, agent, attempts AS attempt, token,
        strftime('%Y-%m-%dT%H:%M:%fZ', expires_ms / 1000.0, 'unixepoch') AS expires_at
        FROM table_tasks WHERE token IS NOT NULL AND since <= (SELECT seq FROM table_place);
    CREATE VIEW agents AS SELECT name, capabilities, slots, status FROM table_agents;
    CREATE VIEW history AS SELECT seq, strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at, event,
        project, task, agent, attempt, detail FROM table_history;
";

/// Returns the place that the tables are true for; where there are none of this form, the beginning.
pub(super) fn seq(connection: &Connection) -> Result<Seq, StoreError> {
    find(connection)
        .map(|found| found.unwrap_or(Seq::START))
        .map_err(|source| engine_error("look at the tables for people", source))
}

fn find(connection: &Connection) -> rusqlite::Result<Option<Seq>> {
    let is_there = "SELECT 1 FROM sqlite_schema WHERE name = 'table_place'";
    if connection.query_row(is_there, [], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    let place = "SELECT seq FROM table_place WHERE version = ?1";
    let seq: Option<i64> = connection.query_row(place, [VERSION], |row| row.get(0)).optional()?;
    Ok(seq.map(|seq| Seq::new(seq as u64)))
}

/// Takes the step within the transaction that is open, if the tables are where it begins.
pub(super) fn advance(connection: &Connection, step: &TableStep) -> Result<bool, StoreError> {
    take(connection, step).map_err(|source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        _ => engine_error("write the tables for people", source),
    })
}

fn take(connection: &Connection, step: &TableStep) -> rusqlite::Result<bool> {
    let place = match find(connection)? {
        Some(place) => place,
        None => {
            connection.execute_batch(TABLES)?;
            connection.execute("INSERT INTO table_place (version, seq) VALUES (?1, 0)", [VERSION])?;
            Seq::START
        }
    };
    if place != step.from {
        return Ok(false);
    }
    let mut tasks = connection.prepare_cached(
        "INSERT OR REPLACE INTO table_tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for row in &step.tasks {
        let expires_ms = row.expires_at.map(|at| at.as_millis() as i64);
        tasks.execute(params![
            row.project,
            row.task,
            row.title,
            row.state,
            row.attempts,
            row.failures,
            row.agent,
            row.token.map(|token| token as i64),
            expires_ms,
            row.commit,
            row.reason,
            row.since.get() as i64
        ])?;
    }
    let mut agents =
        connection.prepare_cached("INSERT OR REPLACE INTO table_agents VALUES (?1, ?2, ?3, ?4)")?;
    for row in &step.agents {
        agents.execute(params![row.name, row.capabilities, row.slots, row.status])?;
    }
    let mut history = connection
        .prepare_cached("INSERT OR REPLACE INTO table_history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for row in &step.history {
        let (seq, at) = (row.seq.get() as i64, row.at.as_millis() as i64);
        history.execute(params![
            seq,
            at,
            row.event,
            row.project,
            row.task,
            row.agent,
            row.attempt,
            row.detail
        ])?;
    }
    connection.execute("UPDATE table_place SET seq = ?1", [step.to.get() as i64])?;
    Ok(true)
}
