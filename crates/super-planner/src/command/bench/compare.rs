//! `bench compare`: whether one build is slower than another.

use std::path::Path;

use perf_suite::BenchConfig;
use perf_suite::compare::{
    Comparison, Finding, Judgement, compare_reports, instruction_counts, measure_programs,
};

use crate::cli::BenchCompareArgs;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::terminal::Terminal;

/// Compares, and tells; a regression of the severity that the settings name is a problem.
pub(super) fn run(args: &BenchCompareArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let settings = super::settings(args.settings.as_deref())?;
    let comparison = match (&args.base, &args.head, args.what.as_slice()) {
        (Some(base), Some(head), scenarios) => programs(args, base, head, scenarios, &settings, terminal)?,
        (_, _, [base, head]) => {
            let (base, head) = (super::report::read(Path::new(base))?, super::report::read(Path::new(head))?);
            compare_reports(&base, &head, |scenario| settings.rules(scenario))
        }
        _ => {
            return Err(CliError::new(ErrorKind::Usage, "there are not two things to compare")
                .hint("name two reports as JSON, or two programs with --base and --head"));
        }
    };
    if args.json {
        terminal.json(&serde_json::json!({ "version": 1, "comparison": comparison }))?;
    } else {
        tell(&comparison, terminal)?;
    }
    Ok(Exit::problems_if(comparison.worst().is_some_and(|worst| worst >= settings.fail_on)))
}

fn programs(
    args: &BenchCompareArgs,
    base: &Path,
    head: &Path,
    scenarios: &[String],
    settings: &BenchConfig,
    terminal: &Terminal,
) -> Result<Comparison, CliError> {
    let scenarios = if scenarios.is_empty() { vec!["BENCH-001".to_owned()] } else { scenarios.to_vec() };
    let with_rules: Vec<_> =
        scenarios.iter().map(|scenario| (scenario.clone(), settings.rules(scenario))).collect();
    let count = args.pairs.unwrap_or(settings.pairs);
    let told = |pair: usize| terminal.note(format!("pair {} of {count}", pair + 1));
    let pairs = measure_programs(base, head, &with_rules, count, told)
        .map_err(|error| CliError::new(ErrorKind::Input, escaped(&error.to_string())).caused_by(error))?;
    let mut comparison = pairs.compare();
    if args.instructions {
        for scenario in &scenarios {
            let is_open = |finding: &Finding| {
                finding.metric.starts_with(scenario.as_str())
                    && matches!(finding.judgement, Judgement::Inconclusive { .. })
            };
            if comparison.findings.iter().any(is_open) {
                comparison.notes.push(instructions(base, head, scenario));
            }
        }
    }
    Ok(comparison)
}

fn instructions(base: &Path, head: &Path, scenario: &str) -> String {
    match instruction_counts(base, head, scenario) {
        Some((base, head)) => format!(
            "{scenario}: {base} instructions before, {head} after: {:+.2} %",
            (head as f64 / base as f64 - 1.0) * 100.0
        ),
        None => format!("{scenario}: valgrind is not there, so instructions are not counted"),
    }
}

fn tell(comparison: &Comparison, terminal: &Terminal) -> Result<(), CliError> {
    let how = if comparison.is_interleaved { "measured in turn, pair by pair" } else { "stored results" };
    terminal.line(format!("{} metrics compared, {how}", comparison.findings.len()))?;
    for finding in &comparison.findings {
        terminal.line(escaped(&line(finding)))?;
    }
    for note in &comparison.notes {
        terminal.line(escaped(&format!("note: {note}")))?;
    }
    Ok(())
}

fn line(finding: &Finding) -> String {
    let word = match finding.judgement {
        Judgement::Pass => "pass".to_owned(),
        Judgement::Regression { severity } => format!("REGRESSION ({})", severity.as_str()),
        Judgement::Inconclusive { .. } => "inconclusive".to_owned(),
    };
    let more = match finding.judgement {
        Judgement::Inconclusive { smallest_visible, needed } => {
            let needed = needed.map_or("no number of them would tell".to_owned(), |needed| {
                format!("about {needed} would tell")
            });
            let visible = if smallest_visible.is_finite() {
                format!(
                    "changes below {:.1} % cannot be seen with {}",
                    smallest_visible * 100.0,
                    finding.count
                )
            } else {
                format!("{} are too few", finding.count)
            };
            format!("; {visible}, {needed}")
        }
        Judgement::Pass | Judgement::Regression { .. } => String::new(),
    };
    let interval = finding.interval.map_or("-".to_owned(), |interval| {
        format!("{:+.1} % .. {:+.1} %", (interval.low - 1.0) * 100.0, (interval.high - 1.0) * 100.0)
    });
    format!(
        "{word:22} {:28} {:+.1} %  [{interval}]  threshold {:.0} %, p {:.4}{more}",
        finding.metric,
        (finding.ratio - 1.0) * 100.0,
        finding.threshold * 100.0,
        finding.p
    )
}
