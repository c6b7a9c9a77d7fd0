//! The tables that people look at, in the same schema. They are made when they are first written, and anew where their
//! form has changed.

use std::borrow::Cow;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error};

use crate::log::Seq;
use crate::tables::TableStep;

/// The version of the tables and views.
const VERSION: i32 = 1;

/// One process at a time; "SPlt".
const LOCK: &str = "SELECT pg_advisory_xact_lock(1397779572)";

/// The views hide the rows of projects that the place which they are true for has not reached.
const TABLES: &str = "
    DROP TABLE IF EXISTS super_planner.table_place, super_planner.table_tasks, super_planner.table_agents,
        super_planner.table_history CASCADE;
    CREATE TABLE super_planner.table_place (version integer NOT NULL, seq bigint NOT NULL);
    CREATE TABLE super_planner.table_tasks (
        project text NOT NULL, task text NOT NULL, title text NOT NULL, state text NOT NULL, attempts bigint NOT NULL,
        failures bigint NOT NULL, agent text, token bigint, expires_ms bigint, commit_id text, reason text,
        since bigint NOT NULL, PRIMARY KEY (project, task));
    CREATE TABLE super_planner.table_agents (
        name text PRIMARY KEY, capabilities text NOT NULL, slots bigint NOT NULL, status text NOT NULL);
    CREATE TABLE super_planner.table_history (
        seq bigint PRIMARY KEY, at_ms bigint NOT NULL, event text NOT NULL, project text, task text, agent text,
        attempt bigint, detail text);
    CREATE VIEW super_planner.as_of AS SELECT seq FROM super_planner.table_place;
    CREATE VIEW super_planner.tasks AS SELECT project, task, title, state, attempts, failures, agent, commit_id, reason
        FROM super_planner.table_tasks WHERE since <= (SELECT seq FROM super_planner.table_place);
    CREATE VIEW super_planner.leases AS SELECT project, task, agent, attempts AS attempt, token,
        to_timestamp(expires_ms / 1000.0) AS expires_at
        FROM super_planner.table_tasks
        WHERE token IS NOT NULL AND since <= (SELECT seq FROM super_planner.table_place);
    CREATE VIEW super_planner.agents AS SELECT name, capabilities, slots, status FROM super_planner.table_agents;
    CREATE VIEW super_planner.history AS SELECT seq, to_timestamp(at_ms / 1000.0) AS at, event, project, task, agent,
        attempt, detail FROM super_planner.table_history;
";

const TASK: &str = "INSERT INTO super_planner.table_tasks VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
    ON CONFLICT (project, task) DO UPDATE SET title = $3, state = $4, attempts = $5, failures = $6, agent = $7, \
    token = $8, expires_ms = $9, commit_id = $10, reason = $11, since = $12";

const AGENT: &str = "INSERT INTO super_planner.table_agents VALUES ($1, $2, $3, $4) \
    ON CONFLICT (name) DO UPDATE SET capabilities = $2, slots = $3, status = $4";

const HISTORY: &str = "INSERT INTO super_planner.table_history VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
    ON CONFLICT (seq) DO NOTHING";

/// Returns the place that the tables are true for; `None` where there are none of this form.
pub(super) async fn seq(client: &Client) -> Result<Option<Seq>, Error> {
    let is_there = "SELECT to_regclass('super_planner.table_place') IS NOT NULL";
    if !client.query_one(is_there, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let place = "SELECT seq FROM super_planner.table_place WHERE version = $1";
    let row = client.query_opt(place, &[&VERSION]).await?;
    Ok(row.map(|row| row.try_get::<_, i64>(0)).transpose()?.map(|seq| Seq::new(seq as u64)))
}

/// Takes the step in a transaction of its own, if the tables are where it begins.
pub(super) async fn advance(client: &Client, step: &TableStep) -> Result<bool, Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    client.query(LOCK, &[]).await?;
    let place = match seq(client).await? {
        Some(place) => place,
        None => {
            client.batch_execute(TABLES).await?;
            let insert = "INSERT INTO super_planner.table_place (version, seq) VALUES ($1, 0)";
            client.execute(insert, &[&VERSION]).await?;
            Seq::START
        }
    };
    if place != step.from {
        client.batch_execute("ROLLBACK").await?;
        return Ok(false);
    }
    write(client, step).await?;
    let moved = "UPDATE super_planner.table_place SET seq = $1";
    client.execute(moved, &[&(step.to.get() as i64)]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(true)
}

/// Returns a text as PostgreSQL takes it, which knows no NUL.
fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

fn some_text(found: Option<&String>) -> Option<Cow<'_, str>> {
    found.map(|found| text(found))
}

async fn write(client: &Client, step: &TableStep) -> Result<(), Error> {
    let (into_tasks, into_agents, into_history) =
        (client.prepare(TASK).await?, client.prepare(AGENT).await?, client.prepare(HISTORY).await?);
    for row in &step.tasks {
        let (attempts, failures) = (i64::from(row.attempts), i64::from(row.failures));
        let token = row.token.map(|token| token as i64);
        let expires_ms = row.expires_at.map(|at| at.as_millis() as i64);
        let since = row.since.get() as i64;
        let values: [&(dyn ToSql + Sync); 12] = [
            &text(&row.project),
            &text(&row.task),
            &text(&row.title),
            &row.state,
            &attempts,
            &failures,
            &some_text(row.agent.as_ref()),
            &token,
            &expires_ms,
            &row.commit,
            &some_text(row.reason.as_ref()),
            &since,
        ];
        client.execute(&into_tasks, &values).await?;
    }
    for row in &step.agents {
        let values: [&(dyn ToSql + Sync); 4] =
            [&text(&row.name), &text(&row.capabilities), &i64::from(row.slots), &row.status];
        client.execute(&into_agents, &values).await?;
    }
    for row in &step.history {
        let (seq, at) = (row.seq.get() as i64, row.at.as_millis() as i64);
        let attempt = row.attempt.map(i64::from);
        let [project, task, agent, detail] =
            [&row.project, &row.task, &row.agent, &row.detail].map(|found| some_text(found.as_ref()));
        let values: [&(dyn ToSql + Sync); 8] =
            [&seq, &at, &row.event, &project, &task, &agent, &attempt, &detail];
        client.execute(&into_history, &values).await?;
    }
    Ok(())
}
