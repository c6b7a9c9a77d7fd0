//! Runs the scenarios and prints the report.
//!
//! `PERF_PROFILE=smoke|quick|standard|full|soak cargo bench -p perf-suite --bench scenarios [-- NAME]`, quick by default. With
//! `PERF_OUT=FILE` the report is also written there as JSON, after every scenario, so that a run that is killed leaves what it
//! had. `--list` prints the names. Options that are meant for the other benchmarks are ignored. The exit code is 1 where
//! something could not be measured, not where a claim fails.

use std::alloc::System;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cap::Cap;
use perf_suite::leak::{AllocationCounter, count_allocations_with};
use perf_suite::{Profile, Progress, Report, RunRefused, Watcher, report, run_watched, scenarios};

/// Counts what is allocated and not freed, so that the scenario LEAKS is exact here.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What the arguments ask for.
#[derive(Default)]
struct Request {
    /// Set by `cargo bench`; without it cargo only wants to know that the program starts.
    is_bench: bool,
    is_list: bool,
    filter: Option<String>,
}

impl Request {
    fn of(arguments: impl Iterator<Item = String>) -> Self {
        let mut request = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--bench" => request.is_bench = true,
                "--list" => request.is_list = true,
                option if option.starts_with('-') => {}
                name => {
                    request.filter.get_or_insert_with(|| name.to_owned());
                }
            }
        }
        request
    }
}

fn main() -> ExitCode {
    count_allocations_with(AllocationCounter {
        live: || ALLOCATOR.allocated() as u64,
        total: || ALLOCATOR.total_allocated() as u64,
    });
    let request = Request::of(std::env::args().skip(1));
    let mut out = io::stdout().lock();
    match answer(&request, &mut out) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done where even this cannot be written.
            let _ = writeln!(out, "scenarios: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(request: &Request, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    if request.is_list {
        for scenario in scenarios::all() {
            writeln!(out, "{}: benchmark", scenario.id())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !request.is_bench {
        return Ok(ExitCode::SUCCESS);
    }
    let filters: Vec<String> = request.filter.iter().cloned().collect();
    let path = std::env::var_os("PERF_OUT").map(PathBuf::from);
    let report = match run_watched(Profile::from_environment()?, &filters, &keeping(path.clone())) {
        Ok(report) => report,
        // Cargo gives one filter to all benchmarks, and this one was meant for another.
        Err(refused @ RunRefused::NothingToRun { .. }) => {
            writeln!(out, "{refused}")?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(refused @ RunRefused::DebugBuild) => return Err(refused.into()),
    };
    report::write_text(&report, out)?;
    if let Some(path) = path {
        keep(&report, &path)?;
    }
    Ok(if report.has_all_figures() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns a watcher that writes the report so far to the file after every scenario.
fn keeping(path: Option<PathBuf>) -> Watcher {
    Arc::new(move |progress: Progress<'_>| {
        if let (Progress::Ended(report), Some(path)) = (progress, &path) {
            // What cannot be written now is told at the end, when it is tried again.
            let _ = keep(report, path);
        }
    })
}

fn keep(report: &Report, path: &Path) -> io::Result<()> {
    // A kill in the middle of it leaves the file of before.
    let new = path.with_extension("new");
    report::write_json(report, &mut std::fs::File::create(&new)?)?;
    std::fs::rename(new, path)
}
