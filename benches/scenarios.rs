//! Runs the scenarios and prints the report.
//!
//! `PERF_PROFILE=smoke|quick|full cargo bench -p perf-suite --bench scenarios [-- NAME]`, quick by default. With
//! `PERF_OUT=FILE` the report is also written there as JSON. `--list` prints the names. Options that are meant for the
//! other benchmarks are ignored. The exit code is 1 where something could not be measured, not where a claim fails.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use perf_suite::{Profile, RunRefused, report, run_scenarios, scenarios};

/// What the arguments ask for.
#[derive(Default)]
struct Request {
    /// Set by `cargo bench`; without it cargo only wants to know that the program starts.
    is_bench: bool,
    is_list: bool,
    filter: String,
}

impl Request {
    fn of(arguments: impl Iterator<Item = String>) -> Self {
        let mut request = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--bench" => request.is_bench = true,
                "--list" => request.is_list = true,
                option if option.starts_with('-') => {}
                name if request.filter.is_empty() => request.filter = name.to_owned(),
                _ => {}
            }
        }
        request
    }
}

fn main() -> ExitCode {
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
    let report = match run_scenarios(Profile::from_environment()?, &request.filter) {
        Ok(report) => report,
        // Cargo gives one filter to all benchmarks, and this one was meant for another.
        Err(refused @ RunRefused::NothingToRun { .. }) => {
            writeln!(out, "{refused}")?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(refused @ RunRefused::DebugBuild) => return Err(refused.into()),
    };
    report::write_text(&report, out)?;
    if let Some(path) = std::env::var_os("PERF_OUT") {
        report::write_json(&report, &mut std::fs::File::create(path)?)?;
    }
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
