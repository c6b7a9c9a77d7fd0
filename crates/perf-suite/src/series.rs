//! What a scenario measured: samples of one metric, and what they amount to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::stats::{Interval, Sample, median, median_interval};

/// The confidence of every interval in a report.
const CONFIDENCE: f64 = 0.95;

/// The unit of a metric. Values are in the base unit; texts choose a readable multiple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds of wall-clock time.
    Seconds,
    /// Bytes.
    Bytes,
    /// A quotient of two values of one unit.
    Ratio,
    /// How many a second.
    PerSecond,
    /// How many.
    Count,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Better {
    /// The less, the better.
    Less,
    /// The more, the better.
    More,
}

impl Unit {
    /// Returns the name that reports and claims use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
            Self::PerSecond => "per_second",
            Self::Count => "count",
        }
    }

    /// Returns which way is better; `None` where that depends on what was measured.
    pub fn better(self) -> Option<Better> {
        match self {
            Self::Seconds | Self::Bytes => Some(Better::Less),
            Self::PerSecond => Some(Better::More),
            Self::Ratio | Self::Count => None,
        }
    }

    /// Returns the value with four significant digits or so and a readable unit, such as `1.250 ms`.
    pub fn format(self, value: f64) -> String {
        let scaled = |steps: &[(f64, &str)]| {
            let (size, name) = steps
                .iter()
                .find(|(size, _)| value.abs() >= *size)
                .or(steps.last())
                .expect("every unit has a smallest multiple");
            format!("{:.3} {name}", value / size)
        };
        match self {
            Self::Seconds => scaled(&[(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")]),
            Self::Bytes => scaled(&[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
            Self::Ratio => format!("{value:.3}"),
            Self::PerSecond => format!("{value:.1}/s"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Samples of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The name of the metric, unique in its scenario, such as `load/1000`.
    pub metric: String,
    /// What was measured, in a phrase.
    pub what: String,
    /// The unit of the samples.
    pub unit: Unit,
    /// The samples in the order in which they were taken.
    pub samples: Vec<f64>,
}

/// What a series amounts to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The number of samples.
    pub count: usize,
    /// Their median.
    pub median: f64,
    /// Where the true median lies with 95 % confidence; absent for fewer than six samples.
    pub interval: Option<Interval>,
}

impl Series {
    /// Returns what the series amounts to, or `None` where it holds no sample or one that is not finite.
    pub fn summary(&self) -> Option<Summary> {
        let sample = Sample::new(self.samples.clone())?;
        Some(Summary {
            count: self.samples.len(),
            median: median(&sample),
            interval: median_interval(&sample, CONFIDENCE),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_in_a_fitting_multiple() {
        for (unit, value, text) in [
            (Unit::Seconds, 0.001_25, "1.250 ms"),
            (Unit::Seconds, 30.0, "30.000 s"),
            (Unit::Seconds, 4.2e-8, "42.000 ns"),
            (Unit::Seconds, 0.0, "0.000 ns"),
            (Unit::Bytes, 1e9, "1.000 GB"),
            (Unit::Bytes, 512.0, "512.000 B"),
            (Unit::Bytes, -2048.0, "-2.048 kB"),
            (Unit::Ratio, 1.5, "1.500"),
            (Unit::PerSecond, 12.34, "12.3/s"),
            (Unit::Count, 3.0, "3"),
        ] {
            assert_eq!(unit.format(value), text);
        }
    }

    #[test]
    fn a_short_series_has_a_median_and_no_interval() {
        let mut series = Series {
            metric: "load/10".to_owned(),
            what: String::new(),
            unit: Unit::Seconds,
            samples: vec![3.0, 1.0, 2.0],
        };
        let summary = series.summary().unwrap();
        assert_eq!((summary.median, summary.interval), (2.0, None));
        series.samples.clear();
        assert_eq!(series.summary(), None);
    }
}
