//! What can be measured, and where it puts its figures.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::profile::Profile;
use crate::series::{Series, Unit};

/// One thing worth measuring, with the real implementations.
pub trait Scenario {
    /// Returns its name, such as `BENCH-001`: unique, and the same in every version.
    fn id(&self) -> &'static str;

    /// Returns what it shows, in a sentence.
    fn statement(&self) -> &'static str;

    /// Takes samples as the profile asks, and records each series once.
    ///
    /// It does its own setting up and leaves nothing behind. It asks [`Recorder::out_of_time`] between rounds, not
    /// within one, and ends early when told so; what it records then is complete for the rounds it did. It measures
    /// nothing that it prepared itself, and prints nothing. An error means that no figure can be trusted, and what was
    /// recorded is dropped; a slow result is no error.
    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed>;
}

/// Why a scenario has no figures.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed")]
pub struct ScenarioFailed {
    /// What it was doing, such as `writing the plan`.
    pub step: &'static str,
    /// Why that failed.
    #[source]
    pub cause: Box<dyn Error + Send + Sync>,
}

impl ScenarioFailed {
    /// Returns a function that turns a cause into the failure of that step.
    pub fn during<E: Into<Box<dyn Error + Send + Sync>>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self { step, cause: cause.into() }
    }
}

/// Takes down what one scenario measures, and tells it when to stop.
#[derive(Debug)]
pub struct Recorder {
    deadline: Instant,
    truncated: bool,
    series: Vec<Series>,
    notes: Vec<String>,
}

impl Recorder {
    /// Returns an empty recorder whose scenario may take samples for that long from now.
    pub fn new(budget: Duration) -> Self {
        Self { deadline: Instant::now() + budget, truncated: false, series: Vec::new(), notes: Vec::new() }
    }

    /// Records a series.
    ///
    /// # Panics
    ///
    /// If the metric was recorded before: two series of one name would be two truths.
    pub fn record(&mut self, metric: impl Into<String>, what: &'static str, unit: Unit, samples: Vec<f64>) {
        let metric = metric.into();
        assert!(
            self.series.iter().all(|series| series.metric != metric),
            "the metric {metric} is recorded once"
        );
        self.series.push(Series { metric, what, unit, samples });
    }

    /// Adds a sentence that a reader of the figures must know.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Returns whether the time is up; the report then says that the scenario was cut short.
    pub fn out_of_time(&mut self) -> bool {
        let out = Instant::now() >= self.deadline;
        self.truncated |= out;
        out
    }

    /// Returns the series so far.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// Ends the recording: the series, the notes, and whether the scenario was cut short.
    pub(crate) fn finish(self) -> (Vec<Series>, Vec<String>, bool) {
        (self.series, self.notes, self.truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_out_of_time_is_remembered() {
        let mut recorder = Recorder::new(Duration::from_secs(3600));
        assert!(!recorder.out_of_time());
        assert!(!recorder.finish().2);
        let mut recorder = Recorder::new(Duration::ZERO);
        assert!(recorder.out_of_time());
        assert!(recorder.finish().2);
    }
}
