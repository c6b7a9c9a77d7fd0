//! The schema and its format.

use tokio_postgres::Client;

use super::{PostgresAddress, PostgresOpenError};

/// The version of the tables that this program writes.
pub const POSTGRES_FORMAT_VERSION: i32 = 2;

/// What to do where there is no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    Make,
    Refuse,
}

/// The number of the advisory lock under which the tables are made: "SPln".
const MAKING: &str = "SELECT pg_advisory_xact_lock(1397779566)";

const TABLES: &str = r#"
    CREATE TABLE super_planner.format (version integer NOT NULL);
    CREATE TABLE super_planner.streams (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text COLLATE "C" NOT NULL UNIQUE,
        head bigint NOT NULL, base bigint NOT NULL DEFAULT 0,
        base_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')) WITH (fillfactor = 70);
    CREATE TABLE super_planner.segments (
        stream bigint NOT NULL, first_seq bigint NOT NULL, count bigint NOT NULL, at bigint NOT NULL,
        hash bytea NOT NULL, body bytea NOT NULL, PRIMARY KEY (stream, first_seq));
"#;

const SNAPSHOTS: &str = r#"
    CREATE TABLE super_planner.snapshots (
        stream bigint NOT NULL, is_base boolean NOT NULL, seq bigint NOT NULL, chain bytea NOT NULL,
        kind integer NOT NULL, version integer NOT NULL, hash bytea NOT NULL, body bytea NOT NULL,
        PRIMARY KEY (stream, is_base));
"#;

/// Format 1 had neither snapshots nor streams that do not begin with their first entry.
const UPGRADE_FROM_1: &str = r#"
    ALTER TABLE super_planner.streams ADD COLUMN base bigint NOT NULL DEFAULT 0;
    ALTER TABLE super_planner.streams
        ADD COLUMN base_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex');
"#;

/// What is in the schema of ours.
enum Found {
    NoSchema,
    Nothing,
    Foreign,
    Format(i32),
}

/// Checks that the tables are ours and of a format that is known; makes them where there are none and that is wanted.
pub(super) async fn prepare(
    client: &Client,
    address: &PostgresAddress,
    absent: Absent,
) -> Result<(), PostgresOpenError> {
    let mut found =
        look(client).await.map_err(PostgresOpenError::engine(address, "look at the tables of the store"))?;
    let is_older = matches!(found, Found::Format(found) if found < POSTGRES_FORMAT_VERSION);
    if is_older || absent == Absent::Make && matches!(found, Found::NoSchema | Found::Nothing) {
        let engine = PostgresOpenError::engine(address, "make the tables of the store");
        found = make(client).await.map_err(engine)?;
    }
    match found {
        Found::Format(found) if found > POSTGRES_FORMAT_VERSION => {
            Err(PostgresOpenError::Newer { address: address.clone(), found })
        }
        Found::Format(_) => Ok(()),
        Found::Foreign => Err(PostgresOpenError::Foreign { address: address.clone() }),
        Found::NoSchema | Found::Nothing => Err(PostgresOpenError::Missing { address: address.clone() }),
    }
}

/// Makes what is missing, or brings an older format up to this one, one process at a time; returns what is there then.
async fn make(client: &Client) -> Result<Found, tokio_postgres::Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    client.query(MAKING, &[]).await?;
    let found = look(client).await?;
    if matches!(found, Found::Format(found) if found < POSTGRES_FORMAT_VERSION) {
        client.batch_execute(UPGRADE_FROM_1).await?;
        client.batch_execute(SNAPSHOTS).await?;
        let update = "UPDATE super_planner.format SET version = $1";
        client.execute(update, &[&POSTGRES_FORMAT_VERSION]).await?;
        client.batch_execute("COMMIT").await?;
        return Ok(Found::Format(POSTGRES_FORMAT_VERSION));
    }
    if matches!(found, Found::Format(_) | Found::Foreign) {
        client.batch_execute("ROLLBACK").await?;
        return Ok(found);
    }
    // Where the schema is there, its owner may lack the right to make another.
    if matches!(found, Found::NoSchema) {
        client.batch_execute("CREATE SCHEMA super_planner").await?;
    }
    client.batch_execute(TABLES).await?;
    client.batch_execute(SNAPSHOTS).await?;
    client
        .execute("INSERT INTO super_planner.format (version) VALUES ($1)", &[&POSTGRES_FORMAT_VERSION])
        .await?;
    client.batch_execute("COMMIT").await?;
    Ok(Found::Format(POSTGRES_FORMAT_VERSION))
}

async fn look(client: &Client) -> Result<Found, tokio_postgres::Error> {
    let row = client
        .query_one(
            "SELECT to_regnamespace('super_planner') IS NULL, to_regclass('super_planner.format') IS NULL, \
             EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('super_planner'))",
            &[],
        )
        .await?;
    let (no_schema, no_format, is_used): (bool, bool, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if no_schema {
        return Ok(Found::NoSchema);
    }
    if no_format {
        return Ok(if is_used { Found::Foreign } else { Found::Nothing });
    }
    let version = client.query_opt("SELECT max(version) FROM super_planner.format", &[]).await?;
    let version: Option<i32> = version.map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(version.map_or(Found::Foreign, Found::Format))
}
