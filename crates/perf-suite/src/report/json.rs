//! A report as JSON, for other programs: the shape has a version, and a change that could break a reader raises it.
//!
//! Durations are in seconds and sizes in bytes. Every series carries all its samples, so that any other statistic can be
//! computed from it; summaries and claims stand there for readers, and are computed again when a report is read.

use std::io;

use serde::{Deserialize, Serialize};

use crate::advice::{Advice, advise};
use crate::claim::{Bound, Outcome, Verdict};
use crate::machine::Machine;
use crate::monitor::UsageLog;
use crate::pause::{Pause, PauseKind, TailShares};
use crate::profile::Profile;
use crate::report::{Build, Report};
use crate::run::{ScenarioReport, judge};
use crate::series::{Series, Summary, Unit};
use crate::words::Words;

const VERSION: u32 = 3;
/// The oldest version that is still read: it knew no shares of the tail by kind and no recommendations.
const VERSION_MIN: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    began_at_ms: u64,
    build: Build,
    profile: Profile,
    machine: Machine,
    is_complete: bool,
    scenarios: Vec<ScenarioPart>,
    #[serde(skip_deserializing)]
    claims: Vec<ClaimPart>,
    #[serde(skip_deserializing)]
    advice: Vec<Advice>,
    #[serde(default)]
    words: Option<Words>,
}

#[derive(Serialize, Deserialize)]
struct ScenarioPart {
    id: String,
    statement: String,
    truncated: bool,
    failure: Option<String>,
    notes: Vec<String>,
    series: Vec<SeriesPart>,
    usage: UsageLog,
    pauses: Vec<Pause>,
    tail_explained: Option<f64>,
    #[serde(default)]
    tail_by_kind: Vec<(PauseKind, f64)>,
}

#[derive(Serialize, Deserialize)]
struct SeriesPart {
    metric: String,
    what: String,
    unit: Unit,
    #[serde(skip_deserializing)]
    summary: Option<SummaryPart>,
    samples: Vec<f64>,
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
struct ClaimPart {
    id: String,
    source: String,
    statement: String,
    reading: Option<String>,
    scenario: String,
    metric: String,
    unit: Unit,
    at_most: Option<f64>,
    at_least: Option<f64>,
    outcome: &'static str,
    why: Option<String>,
    measured: Option<SummaryPart>,
}

/// Why a file is no report.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableReport {
    /// It is not the JSON that was expected.
    #[error("it is not a report as JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is of another version.
    #[error("the report has version {found}; this program reads {VERSION_MIN} to {VERSION}")]
    Version {
        /// The version given.
        found: u64,
    },
}

/// Writes the report as one JSON document with a line break at its end.
pub fn write_json(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let document = Document {
        version: VERSION,
        began_at_ms: report.began_at_ms,
        build: report.build.clone(),
        profile: report.profile,
        machine: report.machine.clone(),
        is_complete: report.is_complete,
        scenarios: report.scenarios.iter().map(ScenarioPart::from).collect(),
        claims: report.verdicts.iter().map(ClaimPart::from).collect(),
        advice: advise(report),
        words: report.words.clone(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

/// Returns the report that was written so, judged by the claims of today.
pub fn read_json(text: &str) -> Result<Report, UnreadableReport> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    let known = u64::from(VERSION_MIN)..=u64::from(VERSION);
    if let Some(found) = value["version"].as_u64().filter(|found| !known.contains(found)) {
        return Err(UnreadableReport::Version { found });
    }
    let document: Document = serde_json::from_value(value)?;
    let mut report = Report {
        began_at_ms: document.began_at_ms,
        build: document.build,
        profile: document.profile,
        machine: document.machine,
        is_complete: document.is_complete,
        scenarios: document.scenarios.into_iter().map(ScenarioReport::from).collect(),
        verdicts: Vec::new(),
        words: document.words,
    };
    judge(&mut report);
    Ok(report)
}

impl From<&ScenarioReport> for ScenarioPart {
    fn from(scenario: &ScenarioReport) -> Self {
        Self {
            id: scenario.id.clone(),
            statement: scenario.statement.clone(),
            truncated: scenario.truncated,
            failure: scenario.failure.clone(),
            notes: scenario.notes.clone(),
            series: scenario.series.iter().map(SeriesPart::from).collect(),
            usage: scenario.usage.clone(),
            pauses: scenario.pauses.clone(),
            tail_explained: scenario.tail.as_ref().map(|tail| tail.any),
            tail_by_kind: scenario.tail.as_ref().map(|tail| tail.by_kind.clone()).unwrap_or_default(),
        }
    }
}

impl From<ScenarioPart> for ScenarioReport {
    fn from(part: ScenarioPart) -> Self {
        Self {
            id: part.id,
            statement: part.statement,
            series: part.series.into_iter().map(Series::from).collect(),
            notes: part.notes,
            truncated: part.truncated,
            failure: part.failure,
            usage: part.usage,
            pauses: part.pauses,
            tail: part.tail_explained.map(|any| TailShares { any, by_kind: part.tail_by_kind }),
        }
    }
}

impl From<&Series> for SeriesPart {
    fn from(series: &Series) -> Self {
        Self {
            metric: series.metric.clone(),
            what: series.what.clone(),
            unit: series.unit,
            summary: series.summary().map(SummaryPart::from),
            samples: series.samples.clone(),
        }
    }
}

impl From<SeriesPart> for Series {
    fn from(part: SeriesPart) -> Self {
        Self { metric: part.metric, what: part.what, unit: part.unit, samples: part.samples }
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

impl From<&Verdict> for ClaimPart {
    fn from(verdict: &Verdict) -> Self {
        let claim = verdict.claim.clone();
        let (at_most, at_least) = match claim.bound {
            Bound::AtMost(value) => (Some(value), None),
            Bound::AtLeast(value) => (None, Some(value)),
        };
        let why = match &verdict.outcome {
            Outcome::Holds | Outcome::Fails => None,
            Outcome::Inconclusive { why } => Some(why.clone()),
        };
        Self {
            id: claim.id,
            source: claim.source,
            statement: claim.statement,
            reading: claim.reading,
            scenario: claim.scenario,
            metric: claim.metric,
            unit: claim.unit,
            at_most,
            at_least,
            outcome: verdict.outcome.as_str(),
            why,
            measured: verdict.measured.map(SummaryPart::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn written() -> String {
        let mut out = Vec::new();
        write_json(&example::report(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_is_a_versioned_document() {
        let document: serde_json::Value = serde_json::from_str(&written()).unwrap();
        assert_eq!(document["version"], 3);
        let advised = document["advice"][0]["evidence"].as_str();
        assert_eq!(advised, Some("load 3.5 on 2 processors in the minute before"));
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

    #[test]
    fn what_is_written_can_be_read() {
        let report = example::report_with_words("Buy a quieter machine.");
        let mut out = Vec::new();
        write_json(&report, &mut out).unwrap();
        let read = read_json(&String::from_utf8(out).unwrap()).unwrap();
        assert_eq!(Report { verdicts: Vec::new(), ..report }, Report { verdicts: Vec::new(), ..read });
    }

    #[test]
    fn a_report_of_the_version_before_is_still_read() {
        let mut document: serde_json::Value = serde_json::from_str(&written()).unwrap();
        document["version"] = 2.into();
        document["scenarios"][0].as_object_mut().unwrap().remove("tail_by_kind");
        let read = read_json(&document.to_string()).unwrap();
        assert_eq!(read.scenarios[0].tail, Some(TailShares { any: 0.5, by_kind: Vec::new() }));
        assert_eq!(read.scenarios[0].series, example::report().scenarios[0].series);
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let older = written().replace("\"version\":3", "\"version\":1");
        for (text, message) in [
            ("", "not a report"),
            ("{\"version\":3}", "missing field"),
            ("[]", "not a report"),
            (older.as_str(), "version 1; this program reads 2 to 3"),
            (&written()[..200], "EOF"),
        ] {
            let refused = read_json(text).unwrap_err().to_string();
            assert!(refused.contains(message), "{refused}");
        }
    }
}
