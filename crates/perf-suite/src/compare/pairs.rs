//! Two builds measured in turn.

use super::judgement::{Candidate, Comparison, Rules, judge};

/// What one run of one build took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The processor's time in seconds.
    pub cpu: f64,
    /// The wall's time in seconds.
    pub wall: f64,
}

/// Runs of base and head in pairs, by scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pairs {
    scenarios: Vec<ScenarioPairs>,
}

/// The pairs of one scenario: base and head.
#[derive(Debug, Clone, PartialEq)]
struct ScenarioPairs {
    name: String,
    rules: Rules,
    pairs: Vec<(Measurement, Measurement)>,
}

impl Pairs {
    /// Returns whether base goes first in the pair of that number: A B, B A, A B and so on, so that whatever grows over time
    /// strikes both sides alike.
    pub fn is_base_first(pair: usize) -> bool {
        pair.is_multiple_of(2)
    }

    /// Adds a pair of runs of a scenario.
    pub fn add(&mut self, scenario: &str, rules: Rules, base: Measurement, head: Measurement) {
        match self.scenarios.iter_mut().find(|known| known.name == scenario) {
            Some(known) => known.pairs.push((base, head)),
            None => {
                let (name, pairs) = (scenario.to_owned(), vec![(base, head)]);
                self.scenarios.push(ScenarioPairs { name, rules, pairs });
            }
        }
    }

    /// Judges the processor's time and the wall's time of every scenario.
    pub fn compare(&self) -> Comparison {
        let mut candidates = Vec::new();
        for ScenarioPairs { name: scenario, rules, pairs } in &self.scenarios {
            let ratios = |of: fn(&Measurement) -> f64| -> Vec<f64> {
                pairs.iter().map(|(base, head)| of(head) / of(base)).collect()
            };
            for (name, ratios) in [("processor", ratios(|run| run.cpu)), ("wall", ratios(|run| run.wall))] {
                let metric = format!("{scenario} {name}");
                candidates.extend(Candidate::paired(metric, &ratios, rules.threshold));
            }
        }
        Comparison { is_interleaved: true, findings: judge(candidates), notes: Vec::new() }
    }
}
