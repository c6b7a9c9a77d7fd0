//! From ratios to a verdict.

use serde::Serialize;

use crate::stats::{
    Interval, Sample, benjamini_hochberg, least_possible_p, mann_whitney, paired_shift, shift, wilcoxon,
};

/// The level of the interval of every ratio.
const CONFIDENCE: f64 = 0.95;
/// How often a comparison of a build with itself may raise an alarm, over all its metrics together. Stricter than the interval,
/// because on a busy machine pairs that follow one another are not quite independent.
const LEVEL: f64 = 0.005;

/// When a difference counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// By how much something may be slower, as a share: 0.1 is 10 %.
    pub threshold: f64,
}

/// How bad a regression is for certain: by the lower end of its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Less than half slower.
    Minor,
    /// From one and a half to three times as long.
    Moderate,
    /// Longer than that.
    Critical,
}

impl Severity {
    /// Returns the severity of a ratio that a regression has at least.
    pub fn of(ratio_at_least: f64) -> Self {
        match ratio_at_least - 1.0 {
            slower if slower > 2.0 => Self::Critical,
            slower if slower >= 0.5 => Self::Moderate,
            _ => Self::Minor,
        }
    }

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Moderate => "moderate",
            Self::Critical => "critical",
        }
    }
}

/// What is said of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum Judgement {
    /// It is within the threshold for certain.
    Pass,
    /// It is beyond it for certain.
    Regression {
        /// How bad.
        severity: Severity,
    },
    /// The figures do not tell.
    Inconclusive {
        /// The least change, as a share, that they could have told from none.
        smallest_visible: f64,
        /// How many pairs or samples it would take; absent where no number would do.
        needed: Option<usize>,
    },
}

impl Judgement {
    /// Returns its name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Regression { .. } => "regression",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }
}

/// One metric of two builds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The scenario and the metric.
    pub metric: String,
    /// How many pairs, or the samples of the smaller side.
    pub count: usize,
    /// Head over base, above one where head is worse.
    pub ratio: f64,
    /// Where the ratio lies; absent where there are too few figures.
    #[serde(serialize_with = "as_pair")]
    pub interval: Option<Interval>,
    /// How likely builds of the same speed (or just at the threshold) would look so, corrected for all that was tested.
    pub p: f64,
    /// By how much it may be slower.
    pub threshold: f64,
    /// What is said of it.
    pub judgement: Judgement,
}

fn as_pair<S: serde::Serializer>(interval: &Option<Interval>, to: S) -> Result<S::Ok, S::Error> {
    interval.map(|interval| (interval.low, interval.high)).serialize(to)
}

/// Everything that was compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Comparison {
    /// Whether base and head were measured in turn.
    pub is_interleaved: bool,
    /// What was found, in the order in which it was given.
    pub findings: Vec<Finding>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Returns the worst regression, if there is one.
    pub fn worst(&self) -> Option<Severity> {
        let severity = |finding: &Finding| match finding.judgement {
            Judgement::Regression { severity } => Some(severity),
            Judgement::Pass | Judgement::Inconclusive { .. } => None,
        };
        self.findings.iter().filter_map(severity).max()
    }
}

/// A metric that has not been judged yet: its p still belongs among the others.
pub(super) struct Candidate {
    pub(super) metric: String,
    pub(super) count: usize,
    pub(super) threshold: f64,
    pub(super) log_ratio: f64,
    pub(super) log_interval: Option<Interval>,
    pub(super) p: f64,
}

impl Candidate {
    /// Returns the candidate that ratios within pairs make; `None` where one is not a positive number.
    pub(super) fn paired(metric: String, ratios: &[f64], threshold: f64) -> Option<Self> {
        let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
        let (log_ratio, log_interval) = paired_shift(&logs, CONFIDENCE)?;
        let beyond: Vec<f64> = logs.iter().map(|log| log - threshold.ln_1p()).collect();
        let p = wilcoxon(&beyond).map_or(1.0, |test| test.p_greater);
        Some(Self { metric, count: ratios.len(), threshold, log_ratio, log_interval, p })
    }

    /// Returns the candidate that two samples make, each larger where it is worse; `None` where one is not positive.
    pub(super) fn unpaired(metric: String, base: &[f64], head: &[f64], threshold: f64) -> Option<Self> {
        let logs =
            |values: &[f64], less: f64| Sample::new(values.iter().map(|value| value.ln() - less).collect());
        let (base_logs, head_logs) = (logs(base, 0.0)?, logs(head, 0.0)?);
        let (log_ratio, log_interval) = shift(&base_logs, &head_logs, CONFIDENCE);
        let at_threshold = logs(head, threshold.ln_1p())?;
        let test = mann_whitney(&base_logs, &at_threshold);
        let is_above = test.first_above * 2.0 < (base.len() * head.len()) as f64;
        let p = if is_above { test.p_two_sided / 2.0 } else { 1.0 - test.p_two_sided / 2.0 };
        let count = base.len().min(head.len());
        Some(Self { metric, count, threshold, log_ratio, log_interval, p })
    }
}

/// Judges all metrics of a comparison together, so that the more there are the more each has to show.
pub(super) fn judge(candidates: Vec<Candidate>) -> Vec<Finding> {
    let adjusted = benjamini_hochberg(&candidates.iter().map(|candidate| candidate.p).collect::<Vec<_>>());
    let tests = candidates.len();
    candidates.into_iter().zip(adjusted).map(|(candidate, p)| finding(candidate, p, tests)).collect()
}

fn finding(candidate: Candidate, p: f64, tests: usize) -> Finding {
    let limit = candidate.threshold.ln_1p();
    let judgement = match candidate.log_interval {
        Some(interval) if interval.low > limit && p < LEVEL => {
            Judgement::Regression { severity: Severity::of(interval.low.exp()) }
        }
        Some(interval) if interval.high < limit => Judgement::Pass,
        Some(interval) => {
            let half = (interval.high - interval.low) / 2.0;
            // The width falls with the root of the count; it must become less than the distance to the limit.
            let distance = (candidate.log_ratio - limit).abs();
            let needed = (half / distance).powi(2) * candidate.count as f64;
            let needed = (needed.is_finite() && needed < 1e6)
                .then(|| (needed.ceil() as usize).max(candidate.count + 1));
            Judgement::Inconclusive { smallest_visible: half.exp_m1(), needed }
        }
        None => {
            Judgement::Inconclusive { smallest_visible: f64::INFINITY, needed: Some(pairs_to_decide(tests)) }
        }
    };
    Finding {
        metric: candidate.metric,
        count: candidate.count,
        ratio: candidate.log_ratio.exp(),
        interval: candidate.log_interval.map(|interval| Interval {
            low: interval.low.exp(),
            high: interval.high.exp(),
            confidence: interval.confidence,
        }),
        p,
        threshold: candidate.threshold,
        judgement,
    }
}

/// Returns the fewest pairs whose p can be small enough among so many tests.
fn pairs_to_decide(tests: usize) -> usize {
    (6..64).find(|pairs| least_possible_p(*pairs) / 2.0 * (tests as f64) < LEVEL).unwrap_or(64)
}

#[cfg(test)]
mod tests {
    use planner_core::random::Random;

    use super::*;

    fn judged(ratios: &[f64], threshold: f64) -> Finding {
        judge(vec![Candidate::paired("x".to_owned(), ratios, threshold).unwrap()]).remove(0)
    }

    /// Returns ratios around one value with a spread of a few percent.
    fn around(middle: f64, count: usize, random: &mut Random) -> Vec<f64> {
        (0..count).map(|_| middle * (1.0 + 0.04 * (random.unit() - 0.5))).collect()
    }

    #[test]
    fn three_answers() {
        let mut random = Random::new(1);
        let regression = judged(&around(1.2, 12, &mut random), 0.1);
        assert_eq!(regression.judgement, Judgement::Regression { severity: Severity::Minor });
        assert_eq!(judged(&around(1.02, 12, &mut random), 0.1).judgement, Judgement::Pass);
        let open = judged(&around(1.1, 12, &mut random), 0.1).judgement;
        let Judgement::Inconclusive { smallest_visible, needed } = open else { panic!("{open:?}") };
        assert!(smallest_visible < 0.05 && needed.is_none_or(|needed| needed > 12));
        let few = judged(&[1.5, 1.5, 1.5], 0.1).judgement;
        assert_eq!(few.as_str(), "inconclusive");
    }

    #[test]
    fn severity_follows_from_the_lower_end() {
        for (ratio, severity) in
            [(1.49, Severity::Minor), (1.5, Severity::Moderate), (3.1, Severity::Critical)]
        {
            assert_eq!(Severity::of(ratio), severity);
        }
        let wide = [1.15, 1.2, 1.2, 1.25, 1.3, 1.3, 3.0, 3.1, 3.2, 3.0, 2.8, 3.0];
        let Judgement::Regression { severity } = judged(&wide, 0.1).judgement else { panic!() };
        assert_eq!(severity, Severity::Minor, "the least that is certain, not the typical one");
    }

    #[test]
    fn the_more_is_tested_the_more_each_has_to_show() {
        let mut random = Random::new(7);
        let mut alarms = 0;
        for _ in 0..200 {
            let candidate = |_| Candidate::paired(String::new(), &around(1.0, 10, &mut random), 0.0).unwrap();
            let findings = judge((0..10).map(candidate).collect());
            alarms += usize::from(findings.iter().any(|finding| finding.judgement.as_str() == "regression"));
        }
        assert!(alarms <= 12, "{alarms} of 200 comparisons of ten equal metrics");
    }

    #[test]
    fn values_that_are_no_times_are_not_compared() {
        assert!(Candidate::paired(String::new(), &[1.0, -1.0], 0.0).is_none());
        assert!(Candidate::unpaired(String::new(), &[1.0], &[0.0], 0.0).is_none());
    }
}
