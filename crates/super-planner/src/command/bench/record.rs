//! Keeps what a run measures as it goes: in the history, and as files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use perf_suite::history::{History, HistoryError};
use perf_suite::{Progress, Report};

use super::report::written;
use crate::cli::ReportFormat;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;

/// What is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Record(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    history: Option<History>,
    folder: Option<PathBuf>,
    run: Option<i64>,
    /// The first thing that went wrong; nothing is kept after it.
    failed: Option<CliError>,
}

impl Record {
    pub(super) fn new(history: Option<History>, folder: Option<PathBuf>) -> Self {
        Self(Arc::new(Mutex::new(Kept { history, folder, run: None, failed: None })))
    }

    /// Keeps the report so far, when a scenario has ended.
    pub(super) fn see(&self, progress: &Progress<'_>) {
        let Progress::Ended(report) = progress else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.failed.is_none()
            && let Err(error) = kept.keep(report)
        {
            kept.failed = Some(error);
        }
    }

    /// Writes the files again, with the words of a model; the history holds what was measured.
    pub(super) fn words_added(&self, report: &Report) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.failed.is_none()
            && let Some(folder) = &kept.folder
            && let Err(error) = write_all(report, folder)
        {
            kept.failed = Some(error);
        }
    }

    /// Returns what went wrong, if anything did.
    pub(super) fn finish(&self) -> Result<(), CliError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Kept {
    fn keep(&mut self, report: &Report) -> Result<(), CliError> {
        if let Some(history) = &mut self.history {
            self.run = Some(add(history, self.run, report).map_err(super::history::failed)?);
        }
        match &self.folder {
            Some(folder) => write_all(report, folder),
            None => Ok(()),
        }
    }
}

fn add(history: &mut History, run: Option<i64>, report: &Report) -> Result<i64, HistoryError> {
    let run = match run {
        Some(run) => run,
        None => history.begin(report)?,
    };
    history.add_scenario(run, report, report.scenarios.len() - 1)?;
    if report.is_complete {
        history.end(run)?;
    }
    Ok(run)
}

/// Writes the report in every form; each file is whole at any time.
fn write_all(report: &Report, folder: &Path) -> Result<(), CliError> {
    let failed = |path: &Path, error: std::io::Error| {
        let message = format!("{} cannot be written", escaped(&path.display().to_string()));
        CliError::new(ErrorKind::Input, message).caused_by(error)
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, format) in [
        ("report.txt", ReportFormat::Text),
        ("report.html", ReportFormat::Html),
        ("report.json", ReportFormat::Json),
        ("report.md", ReportFormat::Markdown),
        ("report.xml", ReportFormat::Junit),
    ] {
        let (path, partial) = (folder.join(name), folder.join(format!("{name}.new")));
        std::fs::write(&partial, written(report, format))
            .and_then(|()| std::fs::rename(&partial, &path))
            .map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
