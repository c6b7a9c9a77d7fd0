//! `bench report` and `bench claims`: what was measured before, in another form.

use std::path::Path;

use perf_suite::claim::ledger;
use perf_suite::{Report, report};

use super::history;
use super::words::Wording;
use crate::cli::{BenchClaimsArgs, BenchReportArgs, ReportFormat};
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::terminal::Terminal;

/// Writes a report that was recorded.
pub(super) fn run(args: &BenchReportArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut report = match &args.from {
        Some(file) => read(file)?,
        None => recorded(args.history.as_deref(), args.run)?.ok_or_else(|| {
            CliError::new(ErrorKind::Input, "nothing has been recorded yet")
                .hint("`super-planner bench` measures and records")
        })?,
    };
    if let Some(model) = &args.words {
        Wording::by(model)?.add_to(&mut report, terminal)?;
    }
    terminal.print(written(&report, args.format))?;
    Ok(Exit::Fine)
}

/// Shows every row of the ledger with what the last run says of it.
pub(super) fn claims(args: &BenchClaimsArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let report = match &args.from {
        Some(file) => Some(read(file)?),
        None => recorded(args.history.as_deref(), None)?,
    };
    let mut told = Vec::new();
    report::write_claims(&ledger(), report.as_ref(), &mut told).expect("writing to memory does not fail");
    terminal.print(String::from_utf8_lossy(&told))?;
    Ok(Exit::Fine)
}

/// Returns the report in a form.
pub(super) fn written(report: &Report, format: ReportFormat) -> String {
    let mut told = Vec::new();
    match format {
        ReportFormat::Text => report::write_text(report, &mut told),
        ReportFormat::Html => report::write_html(report, &mut told),
        ReportFormat::Json => report::write_json(report, &mut told),
        ReportFormat::Markdown => report::write_markdown(report, &mut told),
        ReportFormat::Junit => report::write_junit(report, &mut told),
    }
    .expect("writing to memory does not fail");
    String::from_utf8_lossy(&told).into_owned()
}

/// Returns the report in a file.
pub(super) fn read(file: &Path) -> Result<Report, CliError> {
    let name = escaped(&file.display().to_string());
    let text = std::fs::read_to_string(file).map_err(|error| {
        CliError::new(ErrorKind::Input, format!("{name} cannot be read")).caused_by(error)
    })?;
    report::read_json(&text).map_err(|error| {
        CliError::new(ErrorKind::Input, format!("{name}: {}", escaped(&error.to_string())))
            .hint("`super-planner bench --out DIR` writes report.json, and `bench report --format json` what was recorded")
    })
}

/// Returns the run of that number, or the last one in which something was measured.
fn recorded(file: Option<&Path>, run: Option<i64>) -> Result<Option<Report>, CliError> {
    let history = history::open(file)?;
    let run = match run {
        Some(run) => Some(run),
        None => {
            let runs = history.runs().map_err(history::failed)?;
            runs.iter().rev().find(|run| run.scenarios > 0).map(|run| run.id)
        }
    };
    run.map(|run| history.report(run).map_err(history::failed)).transpose()
}
