//! A report as JSON, for other programs: the shape has a version, and a change that could break a reader raises it.
//!
//! Durations are in seconds and sizes in bytes. Every series carries all its samples, so that any other statistic can be
//! computed from it.

use std::io;

use serde::Serialize;

use crate::claim::{Bound, Outcome, Verdict};
use crate::report::Report;
use crate::run::ScenarioReport;
use crate::series::{Series, Summary, Unit};

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    profile: &'static str,
    machine: MachinePart<'a>,
    scenarios: Vec<ScenarioPart<'a>>,
    claims: Vec<ClaimPart<'a>>,
}

#[derive(Serialize)]
struct MachinePart<'a> {
    cpu: &'a str,
    cores_physical: Option<usize>,
    cores_logical: Option<usize>,
    memory_bytes: Option<u64>,
    system: &'a str,
    load_average: Option<f64>,
    file_system: &'a str,
}

#[derive(Serialize)]
struct ScenarioPart<'a> {
    id: &'a str,
    statement: &'a str,
    truncated: bool,
    failure: Option<&'a str>,
    notes: &'a [String],
    series: Vec<SeriesPart<'a>>,
}

#[derive(Serialize)]
struct SeriesPart<'a> {
    metric: &'a str,
    what: &'a str,
    unit: Unit,
    summary: Option<SummaryPart>,
    samples: &'a [f64],
}

#[derive(Serialize)]
struct SummaryPart {
    count: usize,
    median: f64,
    interval: Option<IntervalPart>,
}

#[derive(Serialize)]
struct IntervalPart {
    low: f64,
    high: f64,
    confidence: f64,
}

#[derive(Serialize)]
struct ClaimPart<'a> {
    id: &'a str,
    source: &'a str,
    statement: &'a str,
    reading: Option<&'a str>,
    scenario: &'a str,
    metric: &'a str,
    unit: Unit,
    at_most: Option<f64>,
    at_least: Option<f64>,
    outcome: &'static str,
    why: Option<&'a str>,
    measured: Option<SummaryPart>,
}

/// Writes the report as one JSON document with a line break at its end.
pub fn write_json(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let machine = &report.machine;
    let document = Document {
        version: VERSION,
        profile: report.profile.as_str(),
        machine: MachinePart {
            cpu: &machine.cpu,
            cores_physical: machine.cores_physical,
            cores_logical: machine.cores_logical,
            memory_bytes: machine.memory_bytes,
            system: &machine.system,
            load_average: machine.load_average,
            file_system: &machine.file_system,
        },
        scenarios: report.scenarios.iter().map(ScenarioPart::from).collect(),
        claims: report.verdicts.iter().map(ClaimPart::from).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

impl<'a> From<&'a ScenarioReport> for ScenarioPart<'a> {
    fn from(scenario: &'a ScenarioReport) -> Self {
        Self {
            id: scenario.id,
            statement: scenario.statement,
            truncated: scenario.truncated,
            failure: scenario.failure.as_deref(),
            notes: &scenario.notes,
            series: scenario.series.iter().map(SeriesPart::from).collect(),
        }
    }
}

impl<'a> From<&'a Series> for SeriesPart<'a> {
    fn from(series: &'a Series) -> Self {
        Self {
            metric: &series.metric,
            what: series.what,
            unit: series.unit,
            summary: series.summary().map(SummaryPart::from),
            samples: &series.samples,
        }
    }
}

impl From<Summary> for SummaryPart {
    fn from(summary: Summary) -> Self {
        Self {
            count: summary.count,
            median: summary.median,
            interval: summary.interval.map(|interval| IntervalPart {
                low: interval.low,
                high: interval.high,
                confidence: interval.confidence,
            }),
        }
    }
}

impl<'a> From<&'a Verdict> for ClaimPart<'a> {
    fn from(verdict: &'a Verdict) -> Self {
        let claim = &verdict.claim;
        let (at_most, at_least) = match claim.bound {
            Bound::AtMost(value) => (Some(value), None),
            Bound::AtLeast(value) => (None, Some(value)),
        };
        let (outcome, why) = match &verdict.outcome {
            Outcome::Holds => ("holds", None),
            Outcome::Fails => ("fails", None),
            Outcome::Inconclusive { why } => ("inconclusive", Some(why.as_str())),
        };
        Self {
            id: &claim.id,
            source: &claim.source,
            statement: &claim.statement,
            reading: claim.reading.as_deref(),
            scenario: &claim.scenario,
            metric: &claim.metric,
            unit: claim.unit,
            at_most,
            at_least,
            outcome,
            why,
            measured: verdict.measured.map(SummaryPart::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn a_report_is_a_versioned_document() {
        let mut out = Vec::new();
        write_json(&example::report(), &mut out).unwrap();
        assert_eq!(out.last(), Some(&b'\n'));
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(document["version"], 1);
        assert_eq!(document["profile"], "quick");
        assert_eq!(document["machine"]["cores_physical"], serde_json::Value::Null);
        let series = &document["scenarios"][0]["series"][0];
        assert_eq!(
            (series["metric"].as_str(), series["unit"].as_str()),
            (Some("load/1000"), Some("seconds"))
        );
        assert_eq!(series["samples"].as_array().map(Vec::len), Some(6));
        assert_eq!(series["summary"]["interval"]["confidence"], 0.968_75);
        let outcomes: Vec<_> = (0..3).map(|index| document["claims"][index]["outcome"].as_str()).collect();
        assert_eq!(outcomes, [Some("holds"), Some("fails"), Some("inconclusive")]);
        assert_eq!(document["claims"][1]["at_most"], 0.001);
    }
}
