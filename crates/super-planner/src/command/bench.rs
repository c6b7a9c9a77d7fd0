//! `bench`: measures this program on this machine.

use perf_suite::{Profile, RunRefused, report, run_scenarios};

use crate::cli::{BenchArgs, BenchProfile};
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::terminal::Terminal;

/// Runs scenarios and tells what they measured; a scenario without figures is a problem.
pub fn run(args: &BenchArgs, _config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let profile = match args.profile {
        BenchProfile::Smoke => Profile::Smoke,
        BenchProfile::Quick => Profile::Quick,
        BenchProfile::Full => Profile::Full,
    };
    let filters = if args.scenarios.is_empty() { &[String::new()][..] } else { &args.scenarios };
    let mut is_complete = true;
    for filter in filters {
        let report = run_scenarios(profile, filter).map_err(|error| refused(&error))?;
        let mut told = Vec::new();
        if args.json {
            report::write_json(&report, &mut told)
        } else {
            report::write_text(&report, &mut told)
        }
        .expect("writing to memory does not fail");
        terminal.print(String::from_utf8_lossy(&told))?;
        is_complete &= report.is_complete();
    }
    Ok(Exit::problems_if(!is_complete))
}

fn refused(error: &RunRefused) -> CliError {
    CliError::new(ErrorKind::Usage, escaped(&error.to_string()))
}
