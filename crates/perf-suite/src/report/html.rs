//! A report as one HTML file that needs nothing else: no network, no script to be read, light and dark.

use std::io;

use crate::advice::{Advice, advise};
use crate::claim::Outcome;
use crate::monitor::UsageLog;
use crate::report::chart::{Mark, curve, escaped, over_time};
use crate::report::text::{interval_text, machine_line, pauses_line, usage_line, verdict_row};
use crate::report::{Report, day};
use crate::run::ScenarioReport;
use crate::series::{Series, Unit};

const STYLE: &str = include_str!("../../data/report.css");
const SCRIPT: &str = include_str!("../../data/report.js");

/// How large a page may be, in bytes.
const BYTES_MAX: usize = 300_000;

/// How much a page tells: the most that fits.
#[derive(Debug, Clone, Copy)]
struct Detail {
    /// How many points a series over time has.
    points: usize,
    /// How many curves a scenario has at the most.
    curves: usize,
    /// How many series stand in its table at the most.
    rows: usize,
}

const DETAILS: [Detail; 6] = [
    Detail { points: 240, curves: 14, rows: 120 },
    Detail { points: 120, curves: 10, rows: 100 },
    Detail { points: 60, curves: 6, rows: 80 },
    Detail { points: 24, curves: 3, rows: 60 },
    Detail { points: 8, curves: 1, rows: 40 },
    Detail { points: 8, curves: 1, rows: 24 },
];

/// Writes the report as one HTML file of less than 300 KB: a longer report has coarser charts.
pub fn write_html(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Vec::new();
    for detail in DETAILS {
        page.clear();
        write_page(report, detail, &mut page)?;
        if page.len() < BYTES_MAX {
            break;
        }
    }
    out.write_all(&page)
}

fn write_page(report: &Report, detail: Detail, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\"><title>Performance report</title><style>{STYLE}</style></head><body>"
    )?;
    write_head(report, out)?;
    write_claims(report, out)?;
    write_advice(report, out)?;
    for scenario in &report.scenarios {
        write_scenario(scenario, detail, out)?;
    }
    writeln!(out, "<script>{SCRIPT}</script></body></html>")
}

fn write_head(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "<h1>Performance report</h1>")?;
    if !report.is_complete {
        writeln!(out, "<p class=\"alarm\">Partial: the run did not come to its end.</p>")?;
    }
    let commit = report.build.commit.as_deref().unwrap_or("of no commit");
    writeln!(
        out,
        "<p>{} · profile <b>{}</b> · version {} · {}</p><p class=\"quiet\">{}</p>",
        escaped(&day(report.began_at_ms)),
        report.profile.as_str(),
        escaped(&report.build.version),
        escaped(commit),
        escaped(&machine_line(&report.machine))
    )?;
    if let Some(load) = report.machine.load_average {
        writeln!(out, "<p class=\"quiet\">load {load:.2} on average over the minute before</p>")?;
    }
    Ok(())
}

fn write_claims(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    if report.verdicts.is_empty() {
        return Ok(());
    }
    let count =
        |word: &str| report.verdicts.iter().filter(|verdict| verdict.outcome.as_str() == word).count();
    writeln!(
        out,
        "<h2>Claims</h2><p>{} hold, {} fail, {} are inconclusive.</p><table class=\"claims\"><thead><tr><th></th>\
         <th>claim</th><th>measured</th><th>bound</th><th>statement</th></tr></thead><tbody>",
        count("holds"),
        count("fails"),
        count("inconclusive")
    )?;
    for verdict in &report.verdicts {
        let class = match verdict.outcome {
            Outcome::Holds => "good",
            Outcome::Fails => "bad",
            Outcome::Inconclusive { .. } => "open",
        };
        let [word, id, measured, bound, statement] = verdict_row(verdict).map(|cell| escaped(&cell));
        writeln!(
            out,
            "<tr><td class=\"{class}\">{word}</td><td>{id}</td><td class=\"number\">{measured}</td>\
             <td class=\"number\">{bound}</td><td>{statement}</td></tr>"
        )?;
    }
    writeln!(out, "</tbody></table>")
}

fn write_advice(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let advice = advise(report);
    if !advice.is_empty() {
        writeln!(out, "<h2>What follows from the figures</h2><ul>")?;
        for Advice { scenario, what, evidence } in advice {
            let [scenario, what, evidence] = [scenario, what, evidence].map(|text| escaped(&text));
            writeln!(out, "<li>{scenario}: {what} <span class=\"quiet\">({evidence})</span></li>")?;
        }
        writeln!(out, "</ul>")?;
    }
    match &report.words {
        Some(words) => {
            let (heading, text) = (escaped(&words.heading()), escaped(&words.text));
            writeln!(out, "<p class=\"quiet\">{heading}:</p><blockquote>{text}</blockquote>")
        }
        None => Ok(()),
    }
}

fn write_scenario(scenario: &ScenarioReport, detail: Detail, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "<section><h2>{}</h2><p>{}</p>", escaped(&scenario.id), escaped(&scenario.statement))?;
    if let Some(failure) = &scenario.failure {
        return writeln!(
            out,
            "<p class=\"alarm\">Failed, so there are no figures: {}</p></section>",
            escaped(failure)
        );
    }
    if scenario.truncated {
        writeln!(out, "<p class=\"alarm\">Cut short: with fewer samples than the profile asks for.</p>")?;
    }
    for (name, unit, marks) in curves(&scenario.series).into_iter().take(detail.curves) {
        writeln!(
            out,
            "<figure><figcaption>{}</figcaption>{}</figure>",
            escaped(&name),
            curve(&name, unit, &marks)
        )?;
    }
    write_usage(scenario, detail.points, out)?;
    writeln!(
        out,
        "<details><summary>All figures</summary><table><thead><tr><th>metric</th><th>median</th><th>95 % interval</th>\
         <th>samples</th><th>what</th></tr></thead><tbody>"
    )?;
    for series in scenario.series.iter().take(detail.rows) {
        let summary = series.summary();
        let median = summary.map_or("-".to_owned(), |summary| series.unit.format(summary.median));
        let interval = summary.map_or("-".to_owned(), |summary| interval_text(series.unit, summary));
        writeln!(
            out,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            escaped(&series.metric),
            escaped(&median),
            escaped(&interval),
            series.samples.len(),
            escaped(&series.what)
        )?;
    }
    if scenario.series.len() > detail.rows {
        writeln!(out, "<tr><td>{} more are in the JSON</td></tr>", scenario.series.len() - detail.rows)?;
    }
    writeln!(out, "</tbody></table></details>")?;
    for note in &scenario.notes {
        writeln!(out, "<p class=\"quiet\">{}</p>", escaped(note))?;
    }
    writeln!(out, "</section>")
}

/// Returns the metrics that are measured at three numbers or more, such as `load/10`, `load/100` and `load/1000`.
fn curves(series: &[Series]) -> Vec<(String, Unit, Vec<Mark>)> {
    let mut found: Vec<(String, Unit, Vec<Mark>)> = Vec::new();
    for one in series {
        let Some((name, x)) =
            one.metric.split_once('/').and_then(|(name, number)| Some((name, number.parse().ok()?)))
        else {
            continue;
        };
        let Some(summary) = one.summary() else { continue };
        let (low, high) = summary
            .interval
            .map_or((summary.median, summary.median), |interval| (interval.low, interval.high));
        let mark = Mark { x, low, middle: summary.median, high };
        let label = format!("{name}: {}", one.what);
        match found.iter_mut().find(|(other, unit, _)| *other == label && *unit == one.unit) {
            Some((_, _, marks)) => marks.push(mark),
            None => found.push((label, one.unit, vec![mark])),
        }
    }
    found.retain(|(_, _, marks)| marks.len() >= 3);
    found
}

fn write_usage(scenario: &ScenarioReport, points: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let usage = &scenario.usage;
    if usage.samples.len() < 2 {
        return Ok(());
    }
    let moments: Vec<f64> = scenario.pauses.iter().map(|pause| pause.at).collect();
    let memory: Vec<(f64, f64)> =
        usage.samples.iter().map(|sample| (sample.at, sample.resident as f64)).collect();
    writeln!(
        out,
        "<figure><figcaption>resident memory; marks below are pauses</figcaption>{}</figure>\
         <figure><figcaption>processors in use</figcaption>{}</figure><p class=\"quiet\">{}</p>",
        over_time("resident memory", Unit::Bytes, &memory, &moments, points),
        over_time("processors in use", Unit::Ratio, &processors(usage), &moments, points),
        escaped(&usage_line(usage))
    )?;
    if !scenario.pauses.is_empty() {
        writeln!(out, "<p class=\"quiet\">Pauses: {}</p>", escaped(&pauses_line(scenario)))?;
    }
    Ok(())
}

/// Returns how many processors were in use between each two samples.
fn processors(usage: &UsageLog) -> Vec<(f64, f64)> {
    let between = |pair: &[crate::monitor::Usage]| {
        let spent = pair[1].cpu + pair[1].cpu_children - pair[0].cpu - pair[0].cpu_children;
        let elapsed = pair[1].at - pair[0].at;
        (pair[1].at, if elapsed > 0.0 { spent / elapsed } else { 0.0 })
    };
    usage.samples.windows(2).map(between).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write_html(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_stands_alone_and_shows_every_claim() {
        let page = written(&example::report());
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="), "{page}");
        for text in ["E.holds", "E.fails", "E.open", "class=\"chart time\"", "prefers-color-scheme: dark"] {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn hostile_text_is_no_markup() {
        let mut report = example::report();
        report.scenarios[0].notes = vec!["<script>alert(1)</script>".to_owned()];
        report.scenarios[0].series[0].metric = "\"><img>/1".to_owned();
        let page = written(&report);
        assert!(!page.contains("<script>alert") && !page.contains("<img>"));
        let page = written(&example::report_with_words("<script>alert(2)</script>"));
        assert!(!page.contains("<script>alert"));
    }

    #[test]
    fn what_follows_is_told_and_the_words_of_a_model_are_marked() {
        let page = written(&example::report_with_words("Buy a quieter machine."));
        assert!(page.contains("<li>all: measure again on a quiet machine"), "{page}");
        let marked =
            "nobody has measured what it says of 40:</p><blockquote>Buy a quieter machine.</blockquote>";
        assert!(page.contains("the language model scripted") && page.contains(marked), "{page}");
    }

    #[test]
    fn the_longest_report_stays_small() {
        let mut report = example::report();
        let series = |number: usize| Series {
            metric: format!("metric-{}/{number}", number / 10),
            what: format!("what was measured in number {}", number / 10),
            unit: Unit::Seconds,
            samples: (0..100).map(f64::from).collect(),
        };
        report.scenarios[0].series = (0..200).map(series).collect();
        report.scenarios[0].usage.samples = (0..1200)
            .map(|n| crate::monitor::Usage { at: f64::from(n), ..crate::monitor::Usage::default() })
            .collect();
        let scenario = report.scenarios[0].clone();
        // As many scenarios as there are, of which three have many series.
        let few = ScenarioReport { series: scenario.series[..30].to_vec(), ..scenario.clone() };
        report.scenarios = [vec![scenario; 3], vec![few; 22]].concat();
        let page = written(&report);
        assert!(page.len() < 300_000, "{}", page.len());
    }
}
