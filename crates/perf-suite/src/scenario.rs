//! What can be measured, and where it puts its figures.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gauge::Gauge;
use crate::pause::{Operation, Pause};
use crate::profile::Profile;
use crate::series::{Series, Unit};

/// One thing worth measuring, with the real implementations.
pub trait Scenario {
    /// Returns its name, such as `BENCH-001`: unique, and the same in every version.
    fn id(&self) -> &str;

    /// Returns what it shows, in a sentence.
    fn statement(&self) -> &str;

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

/// What a scenario took down.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) series: Vec<Series>,
    pub(crate) notes: Vec<String>,
    pub(crate) is_truncated: bool,
    pub(crate) operations: Vec<Operation>,
    pub(crate) pauses: Vec<Pause>,
}

/// Takes down what one scenario measures, and tells it when to stop.
#[derive(Debug)]
pub struct Recorder {
    begun: Instant,
    deadline: Instant,
    gauge: Arc<Gauge>,
    recorded: Recorded,
}

impl Recorder {
    /// Returns an empty recorder whose scenario may take samples for that long from now.
    pub fn new(budget: Duration) -> Self {
        Self::with_gauge(budget, Arc::default())
    }

    /// Returns a recorder whose scenario can be watched and told to stop by a gauge.
    pub(crate) fn with_gauge(budget: Duration, gauge: Arc<Gauge>) -> Self {
        let begun = Instant::now();
        Self { begun, deadline: begun + budget, gauge, recorded: Recorded::default() }
    }

    /// Records a series. What is no number, such as a rate over no time, is left out and noted: no file could hold it.
    ///
    /// # Panics
    ///
    /// If the metric was recorded before: two series of one name would be two truths.
    pub fn record(
        &mut self,
        metric: impl Into<String>,
        what: impl Into<String>,
        unit: Unit,
        mut samples: Vec<f64>,
    ) {
        let metric = metric.into();
        let is_new = self.recorded.series.iter().all(|series| series.metric != metric);
        assert!(is_new, "the metric {metric} is recorded once");
        let taken = samples.len();
        samples.retain(|sample| sample.is_finite());
        if samples.len() < taken {
            self.note(format!(
                "{} of {taken} samples of {metric} are no numbers and left out",
                taken - samples.len()
            ));
        }
        self.recorded.series.push(Series { metric, what: what.into(), unit, samples });
    }

    /// Adds a sentence that a reader of the figures must know.
    pub fn note(&mut self, text: impl Into<String>) {
        self.recorded.notes.push(text.into());
    }

    /// Adds operations, so that the slow ones can be held against pauses.
    pub fn operations(&mut self, operations: impl IntoIterator<Item = Operation>) {
        self.recorded.operations.extend(operations);
    }

    /// Adds pauses that the scenario saw itself; those of the platform are seen anyway.
    pub fn pauses(&mut self, pauses: impl IntoIterator<Item = Pause>) {
        self.recorded.pauses.extend(pauses);
    }

    /// Returns the moment that operations and pauses count from.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Returns what shows to others while the scenario runs.
    pub fn gauge(&self) -> Arc<Gauge> {
        Arc::clone(&self.gauge)
    }

    /// Returns whether the time is up, or somebody has said stop; the report then says that the scenario was cut short.
    pub fn out_of_time(&mut self) -> bool {
        let out = Instant::now() >= self.deadline || self.gauge.is_stopped();
        self.recorded.is_truncated |= out;
        out
    }

    /// Returns the series so far.
    pub fn series(&self) -> &[Series] {
        &self.recorded.series
    }

    /// Ends the recording.
    pub(crate) fn finish(mut self) -> Recorded {
        // One that never asked may have been told to stop all the same.
        self.recorded.is_truncated |= self.gauge.is_stopped();
        self.recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_out_of_time_is_remembered() {
        let mut recorder = Recorder::new(Duration::from_secs(3600));
        assert!(!recorder.out_of_time());
        assert!(!recorder.finish().is_truncated);
        let mut recorder = Recorder::new(Duration::ZERO);
        assert!(recorder.out_of_time());
        assert!(recorder.finish().is_truncated);
    }

    #[test]
    fn somebody_else_can_say_stop() {
        let mut recorder = Recorder::new(Duration::from_secs(3600));
        recorder.gauge().stop();
        assert!(recorder.out_of_time());
    }

    #[test]
    fn who_was_stopped_without_asking_was_cut_short() {
        let recorder = Recorder::new(Duration::from_secs(3600));
        recorder.gauge().stop();
        assert!(recorder.finish().is_truncated);
    }

    #[test]
    fn what_is_no_number_is_left_out_and_noted() {
        let mut recorder = Recorder::new(Duration::from_secs(3600));
        recorder.record("ratio", "", Unit::Ratio, vec![1.0, f64::NAN, 2.0, f64::INFINITY]);
        let recorded = recorder.finish();
        assert_eq!(recorded.series[0].samples, [1.0, 2.0]);
        assert_eq!(recorded.notes, ["2 of 4 samples of ratio are no numbers and left out"]);
    }
}
