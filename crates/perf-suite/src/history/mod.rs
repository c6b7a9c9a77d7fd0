//! What was measured before: one SQLite file that is only ever added to.
//!
//! A run is recorded as it goes: first that it began, then each scenario as it ends, then that it came to its end. One that is
//! killed leaves what it had, and is shown as partial. Triggers refuse to change or delete a row, so no later program can
//! rewrite what was measured. As JSON it is one report a line.

mod trend;

pub use trend::{Drift, SeriesTrend, trends};

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::profile::Profile;
use crate::report::{Report, UnreadableReport, read_json, write_json};

/// Tells a history from any other SQLite file: `perf` in ASCII.
const APPLICATION: i32 = 0x7065_7266;
const VERSION: i32 = 1;

const TABLES: &str = "
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        began_at_ms INTEGER NOT NULL,
        machine TEXT NOT NULL,
        commit_id TEXT,
        profile TEXT NOT NULL
    ) STRICT;
    CREATE TABLE part (
        run INTEGER NOT NULL REFERENCES run (id),
        report TEXT NOT NULL
    ) STRICT;
    CREATE INDEX part_of_run ON part (run);
    CREATE TABLE ended (run INTEGER PRIMARY KEY REFERENCES run (id)) STRICT;
    CREATE TRIGGER run_stays BEFORE UPDATE ON run BEGIN SELECT RAISE (ABORT, 'a history is only added to'); END;
    CREATE TRIGGER run_is_kept BEFORE DELETE ON run BEGIN SELECT RAISE (ABORT, 'a history is only added to'); END;
    CREATE TRIGGER part_stays BEFORE UPDATE ON part BEGIN SELECT RAISE (ABORT, 'a history is only added to'); END;
    CREATE TRIGGER part_is_kept BEFORE DELETE ON part BEGIN SELECT RAISE (ABORT, 'a history is only added to'); END;
    CREATE TRIGGER end_stays BEFORE UPDATE ON ended BEGIN SELECT RAISE (ABORT, 'a history is only added to'); END;
    CREATE TRIGGER end_is_kept BEFORE DELETE ON ended BEGIN SELECT RAISE (ABORT, 'a history is only added to'); END;
";

/// A history.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
}

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The folder cannot be made.
    #[error("the folder of {} cannot be made", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be used.
    #[error("{} cannot be used: {cause}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: rusqlite::Error,
    },
    /// The file is something else.
    #[error("{} is not a history of measurements: name another file with --history", path.display())]
    NotAHistory {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another version.
    #[error("{} has version {found}; this program knows version {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: i32,
    },
    /// What was recorded cannot be read.
    #[error("run {run} in {} cannot be read", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which run.
        run: i64,
        /// Why not.
        #[source]
        cause: UnreadableReport,
    },
    /// There is no such run.
    #[error("there is no run {run}: `bench history` lists them")]
    NoSuchRun {
        /// Which.
        run: i64,
    },
    /// A line of what is imported is no report.
    #[error("line {line} is no report; nothing was imported")]
    Import {
        /// Which line, from 1.
        line: usize,
        /// Why not.
        #[source]
        cause: UnreadableReport,
    },
    /// What is imported cannot be read, or what is exported not be written.
    #[error("reading or writing failed")]
    Io(#[from] io::Error),
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its number.
    pub id: i64,
    /// When it began, in milliseconds since 1970.
    pub began_at_ms: u64,
    /// What it ran on.
    pub machine: String,
    /// What was measured.
    pub commit: Option<String>,
    /// How thorough it was.
    pub profile: String,
    /// How many scenarios have ended in it.
    pub scenarios: u64,
    /// Whether it came to its end.
    pub is_complete: bool,
}

impl History {
    /// Opens a history, and makes an empty one where there is none.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|cause| HistoryError::Folder { path: path.to_owned(), cause })?;
        }
        let unusable = |cause| HistoryError::Unusable { path: path.to_owned(), cause };
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(unusable)?;
        let history = Self { connection, path: path.to_owned() };
        history.prepare()?;
        Ok(history)
    }

    fn prepare(&self) -> Result<(), HistoryError> {
        let number = |name: &str| self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
        let set_up = || -> rusqlite::Result<(i32, i32, i64)> {
            self.connection.busy_timeout(std::time::Duration::from_secs(10))?;
            let application = number("application_id")?;
            let version = number("user_version")?;
            let tables =
                self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            Ok((application, version, tables))
        };
        match set_up() {
            Ok((0, 0, 0)) => self.create(),
            Ok((APPLICATION, VERSION, _)) => Ok(()),
            Ok((APPLICATION, found, _)) => Err(HistoryError::Version { path: self.path.clone(), found }),
            Ok(_) => Err(HistoryError::NotAHistory { path: self.path.clone() }),
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == rusqlite::ErrorCode::NotADatabase =>
            {
                Err(HistoryError::NotAHistory { path: self.path.clone() })
            }
            Err(cause) => Err(self.unusable(cause)),
        }
    }

    fn create(&self) -> Result<(), HistoryError> {
        let script = format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
        );
        self.connection.execute_batch(&script).map_err(|cause| self.unusable(cause))
    }

    fn unusable(&self, cause: rusqlite::Error) -> HistoryError {
        HistoryError::Unusable { path: self.path.clone(), cause }
    }

    /// Records a report: the whole of one that is complete, or as far as it goes of one that is not.
    pub fn add(&mut self, report: &Report) -> Result<i64, HistoryError> {
        let run = self.begin(report)?;
        for index in 0..report.scenarios.len() {
            self.add_scenario(run, report, index)?;
        }
        if report.is_complete {
            self.end(run)?;
        }
        Ok(run)
    }

    /// Records that a run began; returns its number.
    pub fn begin(&mut self, report: &Report) -> Result<i64, HistoryError> {
        let row = params![
            i64::try_from(report.began_at_ms).unwrap_or(i64::MAX),
            report.machine.key(),
            report.build.commit,
            report.profile.as_str()
        ];
        self.connection
            .execute(
                "INSERT INTO run (began_at_ms, machine, commit_id, profile) VALUES (?1, ?2, ?3, ?4)",
                row,
            )
            .map_err(|cause| self.unusable(cause))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Records a scenario of a run that has ended.
    pub fn add_scenario(&mut self, run: i64, report: &Report, index: usize) -> Result<(), HistoryError> {
        let part = Report {
            scenarios: report.scenarios[index..=index].to_vec(),
            verdicts: Vec::new(),
            words: None,
            is_complete: true,
            ..report.clone()
        };
        let mut text = Vec::new();
        write_json(&part, &mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        self.connection
            .execute("INSERT INTO part (run, report) VALUES (?1, ?2)", params![run, text])
            .map_err(|cause| self.unusable(cause))
            .map(drop)
    }

    /// Records that a run came to its end.
    pub fn end(&mut self, run: i64) -> Result<(), HistoryError> {
        self.connection
            .execute("INSERT INTO ended (run) VALUES (?1)", [run])
            .map_err(|cause| self.unusable(cause))
            .map(drop)
    }

    /// Returns all runs, the oldest first.
    pub fn runs(&self) -> Result<Vec<RunRow>, HistoryError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT id, began_at_ms, machine, commit_id, profile,
                        (SELECT count(*) FROM part WHERE run = id),
                        EXISTS (SELECT 1 FROM ended WHERE run = id)
                 FROM run ORDER BY began_at_ms, id",
            )?;
            let row = |row: &rusqlite::Row<'_>| {
                Ok(RunRow {
                    id: row.get(0)?,
                    began_at_ms: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
                    machine: row.get(2)?,
                    commit: row.get(3)?,
                    profile: row.get(4)?,
                    scenarios: u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
                    is_complete: row.get(6)?,
                })
            };
            statement.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|cause| self.unusable(cause))
    }

    /// Returns the report of a run, judged by the claims of today.
    pub fn report(&self, run: i64) -> Result<Report, HistoryError> {
        let is_complete = self
            .connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM ended WHERE run = id) FROM run WHERE id = ?1",
                [run],
                |row| row.get(0),
            )
            .optional()
            .map_err(|cause| self.unusable(cause))?
            .ok_or(HistoryError::NoSuchRun { run })?;
        let parts = || {
            let mut statement =
                self.connection.prepare("SELECT report FROM part WHERE run = ?1 ORDER BY rowid")?;
            statement.query_map([run], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        };
        let parts = parts().map_err(|cause| self.unusable(cause))?;
        let mut whole: Option<Report> = None;
        for part in parts {
            let part = read_json(&part).map_err(|cause| HistoryError::Damaged {
                path: self.path.clone(),
                run,
                cause,
            })?;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => whole.scenarios.extend(part.scenarios),
            }
        }
        let mut report = whole.ok_or(HistoryError::NoSuchRun { run })?;
        report.is_complete = is_complete;
        crate::run::judge(&mut report);
        Ok(report)
    }

    /// Returns the reports of one profile, the oldest first; runs in which no scenario ended have none.
    pub fn reports(&self, profile: Profile) -> Result<Vec<Report>, HistoryError> {
        let runs = self.runs()?;
        let fitting = runs.iter().filter(|run| run.profile == profile.as_str() && run.scenarios > 0);
        fitting.map(|run| self.report(run.id)).collect()
    }

    /// Writes every run as a report on a line of its own.
    pub fn export(&self, out: &mut dyn io::Write) -> Result<usize, HistoryError> {
        let runs: Vec<_> = self.runs()?.into_iter().filter(|run| run.scenarios > 0).collect();
        for run in &runs {
            write_json(&self.report(run.id)?, out)?;
        }
        Ok(runs.len())
    }

    /// Adds the reports that are not there yet; returns how many. All of them, or none where a line is no report.
    pub fn import(&mut self, lines: impl BufRead) -> Result<usize, HistoryError> {
        let mut reports = Vec::new();
        for (number, line) in lines.lines().enumerate() {
            let line = line?;
            if !line.trim().is_empty() {
                let report =
                    read_json(&line).map_err(|cause| HistoryError::Import { line: number + 1, cause })?;
                reports.push(report);
            }
        }
        let known = self.runs()?;
        let is_known = |report: &Report| {
            known
                .iter()
                .any(|run| run.began_at_ms == report.began_at_ms && run.machine == report.machine.key())
        };
        let new: Vec<_> = reports.into_iter().filter(|report| !is_known(report)).collect();
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|cause| self.unusable(cause))?;
        for report in &new {
            if let Err(error) = self.add(report) {
                // The first error is the one to tell; closing the file undoes what was begun as well.
                let _ = self.connection.execute_batch("ROLLBACK");
                return Err(error);
            }
        }
        self.connection.execute_batch("COMMIT").map_err(|cause| self.unusable(cause))?;
        Ok(new.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn history() -> (tempfile::TempDir, History) {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(&folder.path().join("new/history.db")).unwrap();
        (folder, history)
    }

    #[test]
    fn what_was_recorded_comes_back() {
        let (_folder, mut history) = history();
        let run = history.add(&example::report()).unwrap();
        let back = history.report(run).unwrap();
        assert_eq!(back.scenarios, example::report().scenarios);
        assert!(back.is_complete);
        assert!(matches!(history.report(99), Err(HistoryError::NoSuchRun { run: 99 })));
    }

    #[test]
    fn a_run_that_was_killed_is_partial_and_the_rest_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let mut history = History::open(&path).unwrap();
        history.add(&example::report()).unwrap();
        let run = history.begin(&example::report()).unwrap();
        history.add_scenario(run, &example::report(), 0).unwrap();
        drop(history);
        let history = History::open(&path).unwrap();
        let complete: Vec<_> = history.runs().unwrap().iter().map(|run| run.is_complete).collect();
        assert_eq!(complete, [true, false]);
        assert!(!history.report(run).unwrap().is_complete);
    }

    #[test]
    fn nothing_is_changed_or_deleted() {
        let (_folder, mut history) = history();
        history.add(&example::report()).unwrap();
        for statement in ["DELETE FROM run", "UPDATE part SET report = ''", "DELETE FROM ended"] {
            let refused = history.connection.execute(statement, []).unwrap_err().to_string();
            assert!(refused.contains("only added to"), "{refused}");
        }
    }

    #[test]
    fn an_export_can_be_imported_once() {
        let (_folder, mut from) = history();
        from.add(&example::report()).unwrap();
        from.add(&Report { began_at_ms: 5, ..example::report() }).unwrap();
        let mut lines = Vec::new();
        assert_eq!(from.export(&mut lines).unwrap(), 2);
        let (_folder, mut to) = history();
        assert_eq!(to.import(&lines[..]).unwrap(), 2);
        assert_eq!(to.import(&lines[..]).unwrap(), 0);
        let mut again = Vec::new();
        to.export(&mut again).unwrap();
        assert_eq!(String::from_utf8_lossy(&lines), String::from_utf8_lossy(&again));
        let broken = [&lines[..], b"{}\n"].concat();
        let (_folder, mut empty) = history();
        let refused = empty.import(&broken[..]).unwrap_err().to_string();
        assert!(refused.contains("line 3") && empty.runs().unwrap().is_empty(), "{refused}");
    }

    #[test]
    fn other_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        std::fs::write(
            &text,
            "my notes, which are longer than a header of a database would be, and more than that",
        )
        .unwrap();
        assert!(History::open(&text).unwrap_err().to_string().contains("not a history"));
        assert!(std::fs::read_to_string(&text).unwrap().starts_with("my notes"));
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(History::open(&other), Err(HistoryError::NotAHistory { .. })));
        let newer = folder.path().join("newer.db");
        drop(History::open(&newer).unwrap());
        Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
        assert!(matches!(History::open(&newer), Err(HistoryError::Version { found: 9, .. })));
    }
}
