//! How a metric has gone over many runs: steps and slow drift.

use planner_core::random::Random;

use crate::report::Report;
use crate::series::{Better, Unit};
use crate::stats::{ChangePoint, change_points, mann_kendall, theil_sen};

/// The fewest runs of which anything is said.
const RUNS_MIN: usize = 8;
/// The level of a step and of a drift.
const LEVEL: f64 = 0.01;
const SHUFFLES: usize = 499;
/// What changes by less than this share is nobody's business, however certain it is.
const CHANGE_MIN: f64 = 0.05;

/// A metric over many runs of one profile on one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesTrend {
    /// The scenario and the metric.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// The medians, the oldest first.
    pub medians: Vec<f64>,
    /// The commits that they were measured at.
    pub commits: Vec<Option<String>>,
    /// Where it changed for good.
    pub steps: Vec<ChangePoint>,
    /// Whether it drifts, from the first run to the last.
    pub drift: Option<Drift>,
}

/// A slow change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// By which share it has changed from the first run to the last one.
    pub change: f64,
    /// How likely a metric that does not drift would look so.
    pub p: f64,
}

impl SeriesTrend {
    /// Returns why somebody should look, if the last step or a drift made the metric worse.
    pub fn alert(&self) -> Option<String> {
        let worse = |change: f64| match self.unit.better() {
            Some(Better::Less) => change > CHANGE_MIN,
            Some(Better::More) => change < -CHANGE_MIN,
            None => false,
        };
        let percent = |change: f64| format!("{:+.0} %", change * 100.0);
        if let Some(step) = self.steps.last() {
            let change = step.after / step.before - 1.0;
            if worse(change) {
                let commit = self.commits[step.at].as_deref().unwrap_or("no commit");
                let (before, after) = (self.unit.format(step.before), self.unit.format(step.after));
                return Some(format!(
                    "{}: {} at {commit}, {before} to {after}",
                    self.metric,
                    percent(change)
                ));
            }
        }
        let drift = self.drift.filter(|drift| worse(drift.change))?;
        Some(format!("{}: {} slowly, over many runs", self.metric, percent(drift.change)))
    }
}

/// Returns how every metric went over the reports, the oldest first, that were made on the machine of the last one.
pub fn trends(reports: &[Report]) -> Vec<SeriesTrend> {
    let Some(last) = reports.last() else { return Vec::new() };
    let key = last.machine.key();
    let here: Vec<&Report> = reports.iter().filter(|report| report.machine.key() == key).collect();
    let mut found = Vec::new();
    for scenario in &last.scenarios {
        for series in &scenario.series {
            found.extend(trend(&here, &scenario.id, &series.metric, series.unit));
        }
    }
    found
}

fn trend(reports: &[&Report], scenario: &str, metric: &str, unit: Unit) -> Option<SeriesTrend> {
    let point = |report: &&Report| {
        let ran = report.scenarios.iter().find(|ran| ran.id == scenario)?;
        let series = ran.series.iter().find(|series| series.metric == metric && series.unit == unit)?;
        Some((series.summary()?.median, report.build.commit.clone()))
    };
    let (medians, commits): (Vec<f64>, Vec<_>) = reports.iter().filter_map(point).unzip();
    if medians.len() < RUNS_MIN {
        return None;
    }
    // The same history always gives the same answer.
    let steps = change_points(&medians, LEVEL, SHUFFLES, &mut Random::new(1));
    let drift = drift(&medians);
    Some(SeriesTrend { metric: format!("{scenario} {metric}"), unit, medians, commits, steps, drift })
}

fn drift(medians: &[f64]) -> Option<Drift> {
    let trend = mann_kendall(medians).filter(|_| medians.len() >= RUNS_MIN)?;
    let points: Vec<(f64, f64)> = medians.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
    let line = theil_sen(&points, 0.95)?;
    let change = line.slope * (medians.len() - 1) as f64 / line.intercept;
    let is_drift = trend.p_two_sided < LEVEL && change.abs() > CHANGE_MIN && change.is_finite();
    is_drift.then_some(Drift { change, p: trend.p_two_sided })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn reports(values: impl Iterator<Item = f64>) -> Vec<Report> {
        let mut random = Random::new(4);
        values
            .enumerate()
            .map(|(number, value)| {
                let mut report = example::report();
                report.began_at_ms = number as u64;
                report.build.commit = Some(format!("commit-{number}"));
                let noise = 1.0 + 0.01 * (random.unit() - 0.5);
                report.scenarios[0].series[0].samples = vec![value * noise; 6];
                report
            })
            .collect()
    }

    fn first(reports: &[Report]) -> SeriesTrend {
        trends(reports).remove(0)
    }

    #[test]
    fn a_step_is_found_and_told_with_its_commit() {
        let trend = first(&reports((0..24).map(|run| if run < 14 { 1.0 } else { 1.3 })));
        assert_eq!(trend.steps.iter().map(|step| step.at).collect::<Vec<_>>(), [14]);
        let alert = trend.alert().unwrap();
        assert!(alert.contains("+30 %") && alert.contains("commit-14"), "{alert}");
        let better = first(&reports((0..24).map(|run| if run < 14 { 1.3 } else { 1.0 })));
        assert_eq!(better.alert(), None);
    }

    #[test]
    fn slow_drift_is_found_and_steadiness_is_not() {
        let drifting = first(&reports((0..30).map(|run| 1.0 + 0.005 * f64::from(run))));
        assert!(drifting.alert().is_some(), "{drifting:?}");
        assert_eq!(first(&reports((0..30).map(|_| 1.0))).alert(), None);
    }

    #[test]
    fn few_runs_and_other_machines_say_nothing() {
        assert_eq!(trends(&reports((0..7).map(|_| 1.0))), []);
        let mut mixed = reports((0..12).map(|_| 1.0));
        mixed.iter_mut().take(6).for_each(|report| report.machine.cpu = "another".to_owned());
        assert_eq!(trends(&mixed), []);
        assert_eq!(trends(&[]), []);
    }
}
