//! Two stored reports: the weaker evidence.

use super::judgement::{Candidate, Comparison, Rules, judge};
use crate::report::Report;
use crate::series::{Better, Series};

/// The fewest samples of a side that are compared: fewer have no interval.
const SAMPLES_MIN: usize = 6;
/// How many samples of a side are compared at the most: the time grows with their product.
const SAMPLES_MAX: usize = 200;

/// Compares every series that both reports have and that is better small or large, by the rule of its scenario.
pub fn compare_reports(base: &Report, head: &Report, rules: impl Fn(&str) -> Rules) -> Comparison {
    let mut candidates = Vec::new();
    for scenario in &head.scenarios {
        let Some(before) = base.scenarios.iter().find(|other| other.id == scenario.id) else { continue };
        for series in &scenario.series {
            let other =
                before.series.iter().find(|other| other.metric == series.metric && other.unit == series.unit);
            let Some(other) = other else { continue };
            let metric = format!("{} {}", scenario.id, series.metric);
            candidates.extend(candidate(metric, other, series, rules(&scenario.id).threshold));
        }
    }
    Comparison { is_interleaved: false, findings: judge(candidates), notes: notes(base, head) }
}

fn candidate(metric: String, base: &Series, head: &Series, threshold: f64) -> Option<Candidate> {
    let worse = |series: &Series| -> Vec<f64> {
        let every = series.samples.len().div_ceil(SAMPLES_MAX).max(1);
        let samples = series.samples.iter().step_by(every);
        match series.unit.better() {
            Some(Better::Less) => samples.copied().collect(),
            Some(Better::More) => samples.map(|value| 1.0 / value).collect(),
            None => Vec::new(),
        }
    };
    let (base, head) = (worse(base), worse(head));
    if base.len().min(head.len()) < SAMPLES_MIN {
        return None;
    }
    Candidate::unpaired(metric, &base, &head, threshold)
}

fn notes(base: &Report, head: &Report) -> Vec<String> {
    let mut notes = vec![
        "weaker evidence: the two were measured at different times, so the state of the machine is part of every ratio; \
         `bench compare --base PROGRAM --head PROGRAM` measures both in turn"
            .to_owned(),
    ];
    if base.machine.key() != head.machine.key() {
        let (base, head) = (base.machine.key(), head.machine.key());
        notes.push(format!("measured on different machines: {base} and {head}"));
    }
    if base.profile != head.profile {
        let (base, head) = (base.profile.as_str(), head.profile.as_str());
        notes.push(format!("measured with different profiles: {base} and {head}"));
    }
    for (name, report) in [("base", base), ("head", head)] {
        if !report.is_complete {
            notes.push(format!("the report of {name} is partial: its run did not come to its end"));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn slower(by: f64) -> Report {
        let mut report = example::report();
        report.scenarios[0].series[0].samples.iter_mut().for_each(|sample| *sample *= by);
        report
    }

    #[test]
    fn what_is_much_slower_is_found_and_what_is_the_same_is_not() {
        let rules = |_: &str| Rules { threshold: 0.1 };
        let found = compare_reports(&example::report(), &slower(4.0), rules);
        assert_eq!(found.findings.len(), 1, "the other series is too short");
        assert_eq!(found.findings[0].judgement.as_str(), "regression");
        assert!(found.worst().is_some() && !found.is_interleaved);
        let same = compare_reports(&example::report(), &example::report(), rules);
        assert_eq!(same.worst(), None);
        let better = compare_reports(&slower(4.0), &example::report(), rules);
        assert_eq!(better.findings[0].judgement.as_str(), "pass");
        assert!(found.notes[0].contains("weaker"));
    }

    #[test]
    fn other_machines_and_profiles_are_told() {
        let mut other = example::report();
        other.machine.cpu = "Another".to_owned();
        other.profile = crate::Profile::Full;
        other.is_complete = false;
        let notes = compare_reports(&example::report(), &other, |_| Rules { threshold: 0.1 }).notes;
        assert_eq!(notes.len(), 4, "{notes:?}");
    }
}
