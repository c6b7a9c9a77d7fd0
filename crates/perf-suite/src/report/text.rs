//! A report as aligned tables for a terminal or a log: plain text, no colours.

use std::io;

use crate::advice::{Advice, advise};
use crate::claim::{Bound, Ledger, Outcome, Verdict};
use crate::machine::Machine;
use crate::monitor::{Usage, UsageLog};
use crate::pause::PauseKind;
use crate::profile::Profile;
use crate::report::Report;
use crate::run::ScenarioReport;
use crate::series::{Series, Summary, Unit};

/// Writes the report as text.
pub fn write_text(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    if !report.is_complete {
        writeln!(out, "PARTIAL: the run did not come to its end")?;
    }
    writeln!(out, "profile  {}", report.profile.as_str())?;
    writeln!(
        out,
        "build    {} {}",
        report.build.version,
        report.build.commit.as_deref().unwrap_or("of no commit")
    )?;
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
    write_advice(report, out)
}

fn write_advice(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let advice = advise(report);
    if !advice.is_empty() {
        writeln!(out, "\nWhat follows from the figures")?;
    }
    for Advice { scenario, what, evidence } in advice {
        writeln!(out, "  {scenario}: {what} ({evidence})")?;
    }
    if let Some(words) = &report.words {
        writeln!(out, "\n{}:", words.heading())?;
        words.text.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    Ok(())
}

/// Writes every row of the ledger with what the report says of it: holds, fails, inconclusive, or not measured in it.
pub fn write_claims(ledger: &Ledger, report: Option<&Report>, out: &mut dyn io::Write) -> io::Result<()> {
    let profile = report.map_or(Profile::Smoke, |report| report.profile);
    let scenarios = report.map_or(&[][..], |report| &report.scenarios);
    let measured = ledger.measured.iter().map(|claim| verdict_row(&claim.verdict(profile, scenarios)));
    let other = |word: &str, id: &str, statement: &str, more: &str| {
        [word.to_owned(), id.to_owned(), "-".to_owned(), "-".to_owned(), format!("{statement} ({more})")]
    };
    let shown =
        ledger.shown.iter().map(|row| other("shown", &row.id, &row.statement, &format!("by {}", row.by)));
    let not_yet = ledger.not_yet.iter().map(|row| other("not yet", &row.id, &row.statement, &row.why));
    let mut rows: Vec<_> = measured.chain(shown).chain(not_yet).collect();
    rows.sort_by(|a, b| a[1].cmp(&b[1]));
    write_table(["", "claim", "measured", "bound", "statement"], rows.into_iter(), out)
}

pub(super) fn machine_line(machine: &Machine) -> String {
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
    writeln!(out, "  used: {}", usage_line(&scenario.usage))?;
    if !scenario.pauses.is_empty() {
        writeln!(out, "  pauses: {}", pauses_line(scenario))?;
    }
    Ok(())
}

pub(super) fn usage_line(usage: &UsageLog) -> String {
    let totals = usage.totals();
    let most = |of: fn(&Usage) -> u64| usage.samples.iter().map(of).max().unwrap_or(0);
    let bytes = |count: u64| Unit::Bytes.format(count as f64);
    // What the watch takes at its beginning is no share of a time as short as that.
    let watching = if usage.seconds < 1.0 {
        String::new()
    } else {
        format!("; watching took {:.2} % of one processor", usage.own_share() * 100.0)
    };
    format!(
        "{} of memory at the peak ({} typical, {} virtual), {:.2} processors, {} read, {} written, {} threads, {} files{watching}",
        bytes(usage.resident_peak()),
        Unit::Bytes.format(usage.resident_typical()),
        bytes(usage.virtual_peak()),
        usage.cpu_share(),
        bytes(totals.read),
        bytes(totals.written),
        most(|sample| sample.threads),
        most(|sample| sample.files)
    )
}

pub(super) fn pauses_line(scenario: &ScenarioReport) -> String {
    let of = |kind: PauseKind| {
        let lengths: Vec<f64> =
            scenario.pauses.iter().filter(|pause| pause.kind == kind).map(|pause| pause.length).collect();
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        (!lengths.is_empty()).then(|| {
            let sum: f64 = lengths.iter().sum();
            let (sum, longest) = (Unit::Seconds.format(sum), Unit::Seconds.format(longest));
            format!("{} {} ({sum} together, the longest {longest})", lengths.len(), kind.as_str())
        })
    };
    let kinds: Vec<_> = PauseKind::ALL.into_iter().filter_map(of).collect();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let tail = scenario.tail.as_ref().map_or(String::new(), |tail| {
        let kinds = tail.by_kind.iter().map(|(kind, share)| format!("{} {}", kind.as_str(), percent(*share)));
        let kinds: Vec<_> = kinds.collect();
        let kinds = if kinds.len() < 2 { String::new() } else { format!(" ({})", kinds.join(", ")) };
        format!("; {} of the slowest hundredth of the operations overlap one{kinds}", percent(tail.any))
    });
    format!("{}{tail}", kinds.join(", "))
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
    [series.metric.clone(), median, interval, count, series.what.clone()]
}

pub(super) fn interval_text(unit: Unit, summary: Summary) -> String {
    summary.interval.map_or("-".to_owned(), |interval| {
        format!("{} .. {}", unit.format(interval.low), unit.format(interval.high))
    })
}

pub(super) fn verdict_row(verdict: &Verdict) -> [String; 5] {
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
build    0.1.0 0123abcd
machine  Example CPU, 2 cores (unknown physical), 8.000 GB of memory, Example 1.0, kernel 1.2.3, temporary files on ext4
load     3.50 on average over the minute before

BENCH-001: projects load fast
  metric     median     95 % interval           samples  what
  load/1000  12.500 ms  10.000 ms .. 15.000 ms  6        from the file to the first ready task
  growth     1.100      -                       1        time per task, large over small
  note: the file was in the cache
  used: 51.900 MB of memory at the peak (50.950 MB typical, 0.000 B virtual), 0.48 processors, 0.000 B read, 0.000 B written, 0 threads, 0 files; watching took 0.10 % of one processor
  pauses: 1 platform (20.000 ms together, the longest 20.000 ms); 50 % of the slowest hundredth of the operations overlap one

Claims
                claim    measured                bound         statement
  holds         E.holds  10.000 ms .. 15.000 ms  <= 20.000 ms  it is fast
  FAILS         E.fails  10.000 ms .. 15.000 ms  <= 1.000 ms   it is fast
  inconclusive  E.open   1.100                   <= 2.000      it is fast (1 samples are too few for an interval)

What follows from the figures
  all: measure again on a quiet machine: others were at work, so times are longer than they need be (load 3.5 on 2 processors in the minute before)
  BENCH-001: the machine itself stalls: measure where no other programs run, or on hardware of its own (platform pauses together 20.000 ms, 50 % of the slowest operations overlap a pause)
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_words_of_a_model_are_marked_as_such() {
        let mut out = Vec::new();
        write_text(&example::report_with_words("Buy a quieter machine.\nIt is 40 % slower."), &mut out)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        let end = "In the words of the language model scripted, which has seen only these recommendations; nobody has measured \
                   what it says of 40:\n  Buy a quieter machine.\n  It is 40 % slower.\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn the_kinds_of_pauses_are_told_apart_in_the_tail() {
        let mut report = example::report();
        let tail = report.scenarios[0].tail.as_mut().unwrap();
        tail.by_kind = vec![(PauseKind::Flush, 0.25), (PauseKind::Allocator, 0.5)];
        let line = pauses_line(&report.scenarios[0]);
        assert!(
            line.ends_with(
                "50 % of the slowest hundredth of the operations overlap one (flush 25 %, allocator 50 %)"
            ),
            "{line}"
        );
    }

    #[test]
    fn a_failure_is_told_instead_of_figures() {
        let mut report = example::report();
        report.scenarios[0].failure = Some("the disk is full".to_owned());
        assert!(!report.has_all_figures());
        let mut out = Vec::new();
        write_text(&report, &mut out).unwrap();
        assert!(
            String::from_utf8(out).unwrap().contains("FAILED, so there are no figures: the disk is full")
        );
    }

    #[test]
    fn every_row_of_the_ledger_is_told() {
        let ledger = crate::claim::ledger();
        let mut out = Vec::new();
        write_claims(&ledger, None, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(ledger.ids().all(|id| text.contains(id)), "{text}");
        assert!(text.contains("not measured in this run"), "{text}");
    }
}
