//! A report as aligned tables for a terminal or a log: plain text, no colours.

use std::io;

use crate::claim::{Bound, Outcome, Verdict};
use crate::machine::Machine;
use crate::report::Report;
use crate::run::ScenarioReport;
use crate::series::{Series, Summary, Unit};

/// Writes the report as text.
pub fn write_text(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "profile  {}", report.profile.as_str())?;
    writeln!(out, "machine  {}", machine_line(&report.machine))?;
    if let Some(load) = report.machine.load_average {
        writeln!(out, "load     {load:.2} on average over the minute before")?;
    }
    for scenario in &report.scenarios {
        write_scenario(scenario, out)?;
    }
    if !report.verdicts.is_empty() {
        writeln!(out, "\nClaims")?;
        let rows = report.verdicts.iter().map(verdict_row);
        write_table(["", "claim", "measured", "bound", "statement"], rows, out)?;
    }
    Ok(())
}

fn machine_line(machine: &Machine) -> String {
    let count = |cores: Option<usize>| cores.map_or("unknown".to_owned(), |cores| cores.to_string());
    let memory = machine.memory_bytes.map_or("unknown".to_owned(), |bytes| Unit::Bytes.format(bytes as f64));
    format!(
        "{}, {} cores ({} physical), {memory} of memory, {}, temporary files on {}",
        machine.cpu,
        count(machine.cores_logical),
        count(machine.cores_physical),
        machine.system,
        machine.file_system
    )
}

fn write_scenario(scenario: &ScenarioReport, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "\n{}: {}", scenario.id, scenario.statement)?;
    if let Some(failure) = &scenario.failure {
        return writeln!(out, "  FAILED, so there are no figures: {failure}");
    }
    let rows = scenario.series.iter().map(series_row);
    write_table(["metric", "median", "95 % interval", "samples", "what"], rows, out)?;
    if scenario.truncated {
        writeln!(out, "  cut short: out of time, with fewer samples than the profile asks for")?;
    }
    for note in &scenario.notes {
        writeln!(out, "  note: {note}")?;
    }
    Ok(())
}

fn series_row(series: &Series) -> [String; 5] {
    let [median, interval, count] = match series.summary() {
        Some(summary) => [
            series.unit.format(summary.median),
            interval_text(series.unit, summary),
            summary.count.to_string(),
        ],
        None => ["-".to_owned(), "-".to_owned(), "0".to_owned()],
    };
    [series.metric.clone(), median, interval, count, series.what.to_owned()]
}

fn interval_text(unit: Unit, summary: Summary) -> String {
    summary.interval.map_or("-".to_owned(), |interval| {
        format!("{} .. {}", unit.format(interval.low), unit.format(interval.high))
    })
}

fn verdict_row(verdict: &Verdict) -> [String; 5] {
    let claim = &verdict.claim;
    let (word, reason) = match &verdict.outcome {
        Outcome::Holds => ("holds", String::new()),
        Outcome::Fails => ("FAILS", String::new()),
        Outcome::Inconclusive { why } => ("inconclusive", format!(" ({why})")),
    };
    let measured = verdict.measured.map_or("-".to_owned(), |summary| {
        if summary.interval.is_some() {
            interval_text(claim.unit, summary)
        } else {
            claim.unit.format(summary.median)
        }
    });
    let bound = match claim.bound {
        Bound::AtMost(value) => format!("<= {}", claim.unit.format(value)),
        Bound::AtLeast(value) => format!(">= {}", claim.unit.format(value)),
    };
    let statement = format!("{}{reason}", claim.statement);
    [word.to_owned(), claim.id.clone(), measured, bound, statement]
}

/// Writes rows under their headings, each column as wide as its widest cell.
fn write_table<const N: usize>(
    headings: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut rows: Vec<[String; N]> = rows.collect();
    rows.insert(0, headings.map(str::to_owned));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "  {}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn a_report_reads_as_tables() {
        let mut out = Vec::new();
        write_text(&example::report(), &mut out).unwrap();
        let expected = "\
profile  quick
machine  Example CPU, 2 cores (unknown physical), 8.000 GB of memory, Example 1.0, kernel 1.2.3, temporary files on ext4
load     3.50 on average over the minute before

BENCH-001: projects load fast
  metric     median     95 % interval           samples  what
  load/1000  12.500 ms  10.000 ms .. 15.000 ms  6        from the file to the first ready task
  growth     1.100      -                       1        time per task, large over small
  note: the file was in the cache

Claims
                claim    measured                bound         statement
  holds         E.holds  10.000 ms .. 15.000 ms  <= 20.000 ms  it is fast
  FAILS         E.fails  10.000 ms .. 15.000 ms  <= 1.000 ms   it is fast
  inconclusive  E.open   1.100                   <= 2.000      it is fast (1 samples are too few for an interval)
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_failure_is_told_instead_of_figures() {
        let mut report = example::report();
        report.scenarios[0].failure = Some("the disk is full".to_owned());
        assert!(!report.is_complete());
        let mut out = Vec::new();
        write_text(&report, &mut out).unwrap();
        assert!(
            String::from_utf8(out).unwrap().contains("FAILED, so there are no figures: the disk is full")
        );
    }
}
