//! A report as Markdown, for a comment on a pull request: short enough for any forge.

use std::fmt::Write as _;
use std::io;

use crate::advice::{Advice, advise};
use crate::report::text::{interval_text, machine_line, verdict_row};
use crate::report::{Report, day};
use crate::run::ScenarioReport;

/// The most that is written, in bytes: forges take 65,536 characters.
const BYTES_MAX: usize = 60_000;
/// How many recommendations stand in it at the most.
const ADVICE_MAX: usize = 40;

/// Writes the report as Markdown of less than 60,000 characters; what does not fit is left out and said so.
pub fn write_markdown(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut text = head(report);
    let mut left_out = 0;
    for part in report.scenarios.iter().map(scenario) {
        if text.len() + part.len() < BYTES_MAX - 200 { text.push_str(&part) } else { left_out += 1 }
    }
    if left_out > 0 {
        let _ = writeln!(text, "\n{left_out} scenarios are left out here: the whole report has them.");
    }
    out.write_all(text.as_bytes())
}

fn head(report: &Report) -> String {
    let mut text = String::from("## Performance\n\n");
    if !report.is_complete {
        text.push_str("**Partial: the run did not come to its end.**\n\n");
    }
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} · profile `{}` · {} · {}\n",
        day(report.began_at_ms),
        report.profile.as_str(),
        cell(report.build.commit.as_deref().unwrap_or("of no commit")),
        cell(&machine_line(&report.machine))
    );
    if !report.verdicts.is_empty() {
        text.push_str("| | claim | measured | bound | statement |\n|---|---|---|---|---|\n");
        for verdict in &report.verdicts {
            let row = verdict_row(verdict).map(|text| cell(&text));
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
    text.push_str(&advice(report));
    text
}

fn advice(report: &Report) -> String {
    let mut text = String::new();
    let advice = advise(report);
    for Advice { scenario, what, evidence } in advice.iter().take(ADVICE_MAX) {
        let before = if text.is_empty() { "\n### What follows from the figures\n\n" } else { "" };
        let _ = writeln!(text, "{before}- {}: {} ({})", cell(scenario), cell(what), cell(evidence));
    }
    if advice.len() > ADVICE_MAX {
        let _ = writeln!(text, "- {} more in the whole report", advice.len() - ADVICE_MAX);
    }
    if let Some(words) = &report.words {
        let _ = writeln!(text, "\n{}:\n\n> {}", cell(&words.heading()), cell(&words.text));
    }
    text
}

fn scenario(scenario: &ScenarioReport) -> String {
    let mut text =
        format!("\n<details><summary>{}: {}</summary>\n\n", cell(&scenario.id), cell(&scenario.statement));
    match &scenario.failure {
        Some(failure) => {
            let _ = writeln!(text, "**Failed, so there are no figures:** {}", cell(failure));
        }
        None => {
            text.push_str("| metric | median | 95 % interval | samples |\n|---|---|---|---|\n");
            for series in &scenario.series {
                let Some(summary) = series.summary() else { continue };
                let (median, interval) =
                    (series.unit.format(summary.median), interval_text(series.unit, summary));
                let _ = writeln!(
                    text,
                    "| {} | {median} | {interval} | {} |",
                    cell(&series.metric),
                    summary.count
                );
            }
        }
    }
    text.push_str("\n</details>\n");
    text
}

/// Returns text that stays within its cell and is no markup.
pub(super) fn cell(text: &str) -> String {
    let plain = text.replace('\n', " ");
    let mut safe = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | '\\' | '@' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write_markdown(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_is_a_table_of_claims_and_folded_figures() {
        let text = written(&example::report());
        assert!(
            text.contains("| holds | E.holds | 10.000 ms .. 15.000 ms | &lt;= 20.000 ms | it is fast |"),
            "{text}"
        );
        assert!(text.contains("| load/1000 | 12.500 ms | 10.000 ms .. 15.000 ms | 6 |"));
        assert!(text.contains("- all: measure again on a quiet machine"), "{text}");
    }

    #[test]
    fn the_words_of_a_model_are_a_quotation_in_which_nothing_is_markup() {
        let text = written(&example::report_with_words("Buy *this*.\n\n# Now <b>"));
        assert!(text.contains("the language model scripted"), "{text}");
        assert!(text.contains("\n> Buy \\*this\\*.  # Now &lt;b>\n"), "{text}");
    }

    #[test]
    fn it_fits_whatever_was_measured_and_nothing_breaks_out_of_a_cell() {
        let mut report = example::report();
        report.scenarios[0].id = "x|y\n@everybody".to_owned();
        let scenario = report.scenarios[0].clone();
        report.scenarios = vec![scenario; 600];
        let text = written(&report);
        assert!(text.chars().count() < 60_000, "{}", text.len());
        assert!(text.contains("are left out here") && text.contains("x\\|y \\@everybody"));
        assert!(text.contains("- 561 more in the whole report"), "{text}");
    }
}
