//! `bench`: measures this program on this machine.

mod compare;
mod flamegraph;
mod history;
mod live;
mod record;
mod report;
mod self_test;
mod words;

use std::path::Path;

use perf_suite::{BenchConfig, Profile, RunRefused, Watcher, run_watched};

use crate::cli::{BenchArgs, BenchCommand, BenchProfile, ReportFormat};
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::terminal::Terminal;

use live::Live;
use record::Record;
use words::Wording;

/// Measures, or does what the subcommand says; a scenario without figures is a problem, a claim that fails is a figure.
pub fn run(args: &BenchArgs, _config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        None => measure(args, terminal),
        Some(BenchCommand::Compare(args)) => compare::run(args, terminal),
        Some(BenchCommand::History(args)) => history::run(args, terminal),
        Some(BenchCommand::Report(args)) => report::run(args, terminal),
        Some(BenchCommand::Claims(args)) => report::claims(args, terminal),
        Some(BenchCommand::SelfTest(args)) => self_test::run(args, terminal),
    }
}

fn measure(args: &BenchArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    if let Some(file) = &args.flamegraph {
        return flamegraph::run(args, file, terminal);
    }
    let settings = settings(args.settings.as_deref())?;
    let wording = args.words.as_deref().map(Wording::by).transpose()?;
    let history = if args.no_history { None } else { Some(history::open(args.history.as_deref())?) };
    let record = Record::new(history, args.out.clone());
    let live = args.live.then(|| Live::new(settings.alerts.clone()));
    let watcher: Watcher = {
        let (record, live) = (record.clone(), live.clone());
        std::sync::Arc::new(move |progress| {
            if let Some(live) = &live {
                live.see(&progress);
            }
            record.see(&progress);
        })
    };
    let mut measured =
        run_watched(profile(args.profile), &args.scenarios, &watcher).map_err(|error| refused(&error))?;
    if let Some(wording) = &wording {
        wording.add_to(&mut measured, terminal)?;
        record.words_added(&measured);
    }
    record.finish()?;
    let format = if args.json { ReportFormat::Json } else { ReportFormat::Text };
    terminal.print(report::written(&measured, format))?;
    Ok(Exit::problems_if(!measured.has_all_figures()))
}

fn profile(profile: BenchProfile) -> Profile {
    match profile {
        BenchProfile::Smoke => Profile::Smoke,
        BenchProfile::Quick => Profile::Quick,
        BenchProfile::Standard => Profile::Standard,
        BenchProfile::Full => Profile::Full,
        BenchProfile::Soak => Profile::Soak,
    }
}

/// Returns the settings of a file, or those of the claims.
fn settings(file: Option<&Path>) -> Result<BenchConfig, CliError> {
    let Some(file) = file else { return Ok(BenchConfig::default()) };
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("{} cannot be read", escaped(&file.display().to_string()));
        CliError::new(ErrorKind::Config, message).caused_by(error)
    })?;
    BenchConfig::parse(&text).map_err(|error| {
        let message = format!("{}: {}", escaped(&file.display().to_string()), escaped(&error.to_string()));
        CliError::new(ErrorKind::Config, message).hint("docs/measuring.md shows a whole file")
    })
}

fn refused(error: &RunRefused) -> CliError {
    CliError::new(ErrorKind::Usage, escaped(&error.to_string()))
}
