//! `bench history`: what was measured before, and how it went.

use std::path::{Path, PathBuf};

use perf_suite::history::{History, HistoryError, trends};

use crate::cli::{BenchHistoryArgs, BenchHistoryCommand};
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::terminal::Terminal;

/// Shows the history, or moves it.
pub(super) fn run(args: &BenchHistoryArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut history = open(args.history.as_deref())?;
    match args.command.as_ref().unwrap_or(&BenchHistoryCommand::List) {
        BenchHistoryCommand::List => list(&history, terminal),
        BenchHistoryCommand::Trends { profile, metric } => {
            let reports = history.reports(super::profile(*profile)).map_err(failed)?;
            show_trends(&reports, metric.as_deref(), terminal)
        }
        BenchHistoryCommand::Export => {
            let mut lines = Vec::new();
            history.export(&mut lines).map_err(failed)?;
            terminal.print(String::from_utf8_lossy(&lines))?;
            Ok(Exit::Fine)
        }
        BenchHistoryCommand::Import { file } => {
            let opened = std::fs::File::open(file).map_err(|error| {
                let message = format!("{} cannot be read", escaped(&file.display().to_string()));
                CliError::new(ErrorKind::Input, message).caused_by(error)
            })?;
            let count = history.import(std::io::BufReader::new(opened)).map_err(failed)?;
            terminal.line(format!("{count} runs added"))?;
            Ok(Exit::Fine)
        }
    }
}

fn list(history: &History, terminal: &Terminal) -> Result<Exit, CliError> {
    let runs = history.runs().map_err(failed)?;
    if runs.is_empty() {
        terminal.line("nothing has been recorded yet: `super-planner bench` measures and records")?;
    }
    for run in runs {
        let at =
            i64::try_from(run.began_at_ms).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        let at = at.map_or_else(String::new, |at| at.strftime("%F %T UTC").to_string());
        let commit: String = run.commit.unwrap_or_default().chars().take(12).collect();
        let state = if run.is_complete { "" } else { "  PARTIAL" };
        let line = format!(
            "{:>5}  {at}  {:9} {:>3} scenarios  {commit:12}  {}{state}",
            run.id, run.profile, run.scenarios, run.machine
        );
        terminal.line(escaped(&line))?;
    }
    Ok(Exit::Fine)
}

fn show_trends(
    reports: &[perf_suite::Report],
    metric: Option<&str>,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let mut found = trends(reports);
    found.retain(|trend| metric.is_none_or(|wanted| trend.metric.contains(wanted)));
    if found.is_empty() {
        terminal.line(format!(
            "{} runs of this profile: eight on one machine are the fewest of which anything is said",
            reports.len()
        ))?;
    }
    let mut alerts = Vec::new();
    for trend in &found {
        let (first, last) = (trend.medians[0], trend.medians[trend.medians.len() - 1]);
        let steps: Vec<_> = trend
            .steps
            .iter()
            .map(|step| format!("{:+.0} % at run {}", (step.after / step.before - 1.0) * 100.0, step.at + 1))
            .collect();
        let line = format!(
            "{}  {}  {} to {}  {}",
            trend.metric,
            sparkline(&trend.medians),
            trend.unit.format(first),
            trend.unit.format(last),
            if steps.is_empty() { "no steps".to_owned() } else { steps.join(", ") }
        );
        terminal.line(escaped(&line))?;
        alerts.extend(trend.alert());
    }
    if !alerts.is_empty() {
        terminal.line("\nBecame worse:")?;
        for alert in &alerts {
            terminal.line(escaped(&format!("  {alert}")))?;
        }
    }
    Ok(Exit::problems_if(!alerts.is_empty()))
}

/// Returns the values as a line of blocks.
fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(*v), most.max(*v)));
    let height = |value: &f64| {
        let share = if most > least { (value - least) / (most - least) } else { 0.0 };
        BLOCKS[((share * 7.0).round() as usize).min(7)]
    };
    let last = values.len().saturating_sub(40);
    values[last..].iter().map(height).collect()
}

/// Opens the history that was named, or the one of this user.
pub(super) fn open(file: Option<&Path>) -> Result<History, CliError> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => default_path(|name| std::env::var_os(name).map(PathBuf::from)).ok_or_else(|| {
            CliError::new(ErrorKind::Config, "there is no folder to record measurements in")
                .hint("name a file with --history, or say --no-history")
        })?,
    };
    History::open(&path).map_err(failed)
}

/// Returns `$XDG_STATE_HOME/super-planner/bench.db`, or the same below `~/.local/state`.
fn default_path(environment: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let folder = environment("XDG_STATE_HOME").filter(|folder| folder.is_absolute());
    let folder = folder
        .or_else(|| Some(environment("HOME").filter(|home| home.is_absolute())?.join(".local/state")))?;
    Some(folder.join("super-planner/bench.db"))
}

pub(super) fn failed(error: HistoryError) -> CliError {
    CliError::new(ErrorKind::Input, escaped(&error.to_string())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_where_states_are_kept() {
        let at = |set: &'static [(&'static str, &'static str)]| {
            default_path(move |name| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
            })
        };
        assert_eq!(at(&[("XDG_STATE_HOME", "/s")]), Some("/s/super-planner/bench.db".into()));
        let below_home = Some("/h/.local/state/super-planner/bench.db".into());
        assert_eq!(at(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]), below_home);
        assert_eq!(at(&[("HOME", "h")]), None);
    }

    #[test]
    fn a_sparkline_rises_with_its_values() {
        assert_eq!(sparkline(&[1.0, 2.0, 3.0]), "▁▅█");
        assert_eq!(sparkline(&[1.0, 1.0]), "▁▁");
    }
}
