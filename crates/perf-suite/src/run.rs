//! Running scenarios and judging the claims by what they measured.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use state_store::{Clock as _, SystemClock};

use crate::claim::claims;
use crate::gauge::Gauge;
use crate::machine::Machine;
use crate::monitor::{HiccupMeter, INTERVAL, Monitor, Usage, UsageLog};
use crate::pause::{Pause, TailShares, shares_of_tail};
use crate::profile::Profile;
use crate::report::{Build, Report};
use crate::scenario::{Recorder, Scenario};
use crate::scenarios;
use crate::series::Series;

/// What one scenario measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScenarioReport {
    /// Its name.
    pub id: String,
    /// What it shows.
    pub statement: String,
    /// What it measured; empty where it failed.
    pub series: Vec<Series>,
    /// What a reader of the figures must know.
    pub notes: Vec<String>,
    /// Whether it ran out of time and took fewer samples than the profile asks for.
    pub truncated: bool,
    /// Why it has no figures, if it failed.
    pub failure: Option<String>,
    /// What the process used meanwhile.
    pub usage: UsageLog,
    /// When work that could go on did not.
    pub pauses: Vec<Pause>,
    /// How much of the slowest hundredth of its operations pauses explain; absent where it told of no operations.
    pub tail: Option<TailShares>,
}

/// Why nothing was measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunRefused {
    /// The program was built without optimisation.
    #[error("this is a debug build, whose figures mean nothing: build with `--release` or use `cargo bench`")]
    DebugBuild,
    /// The filter fits no scenario.
    #[error("no scenario has `{filter}` in its name; there are {known}")]
    NothingToRun {
        /// The filter given.
        filter: String,
        /// The names that exist.
        known: String,
    },
}

/// What happens in a run, for those who look on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A scenario begins; the gauge shows how it goes.
    Began {
        /// Its name.
        id: &'a str,
        /// What it shows.
        statement: &'a str,
        /// What shows of it.
        gauge: Arc<Gauge>,
    },
    /// A sample of the process was taken. Comes from a thread of its own.
    Used(&'a Usage),
    /// A scenario has ended; the report so far holds it.
    Ended(&'a Report),
}

/// Somebody who looks on.
pub type Watcher = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

/// Returns the watcher that looks at nothing.
pub fn nobody() -> Watcher {
    Arc::new(|_: Progress<'_>| ())
}

/// Runs every scenario whose name contains one of the filters (none fits all) and judges the claims about them.
///
/// A scenario that fails is reported as failed and does not keep the others from running.
pub fn run_scenarios(profile: Profile, filters: &[String]) -> Result<Report, RunRefused> {
    run_watched(profile, filters, &nobody())
}

/// Does the same, and tells a watcher how it goes.
pub fn run_watched(profile: Profile, filters: &[String], watcher: &Watcher) -> Result<Report, RunRefused> {
    let all = scenarios::all();
    let chosen = choose(&all, filters)?;
    measure(profile, &chosen, watcher)
}

/// Runs these scenarios, whoever they are from, and judges the claims about them.
pub fn measure(
    profile: Profile,
    scenarios: &[&dyn Scenario],
    watcher: &Watcher,
) -> Result<Report, RunRefused> {
    if cfg!(debug_assertions) {
        return Err(RunRefused::DebugBuild);
    }
    Ok(measure_anyway(profile, scenarios, watcher))
}

/// Runs scenarios also in a build that is not optimised, for tests.
pub(crate) fn measure_anyway(profile: Profile, scenarios: &[&dyn Scenario], watcher: &Watcher) -> Report {
    let mut report = Report {
        began_at_ms: SystemClock.now().as_millis(),
        build: Build::current(),
        profile,
        // Before the scenarios, which are a load of their own.
        machine: Machine::inspect(),
        is_complete: false,
        scenarios: Vec::new(),
        verdicts: Vec::new(),
        words: None,
    };
    for scenario in scenarios {
        report.scenarios.push(run_one(*scenario, profile, watcher));
        judge(&mut report);
        report.is_complete = report.scenarios.len() == scenarios.len();
        watcher(Progress::Ended(&report));
    }
    report
}

fn choose<'a>(all: &'a [Box<dyn Scenario>], filters: &[String]) -> Result<Vec<&'a dyn Scenario>, RunRefused> {
    let fits = |scenario: &dyn Scenario, filter: &String| scenario.id().contains(filter.as_str());
    if let Some(filter) = filters.iter().find(|filter| !all.iter().any(|one| fits(one.as_ref(), filter))) {
        return Err(RunRefused::NothingToRun {
            filter: filter.clone(),
            known: all.iter().map(|scenario| scenario.id()).collect::<Vec<_>>().join(", "),
        });
    }
    let is_chosen =
        |scenario: &dyn Scenario| filters.is_empty() || filters.iter().any(|filter| fits(scenario, filter));
    Ok(all.iter().map(AsRef::as_ref).filter(|scenario| is_chosen(*scenario)).collect())
}

fn run_one(scenario: &dyn Scenario, profile: Profile, watcher: &Watcher) -> ScenarioReport {
    let gauge = Arc::new(Gauge::default());
    let (id, statement) = (scenario.id(), scenario.statement());
    watcher(Progress::Began { id, statement, gauge: Arc::clone(&gauge) });
    let onlooker = Arc::clone(watcher);
    let monitor = Monitor::start(INTERVAL, move |usage| onlooker(Progress::Used(usage)));
    let stalled = Arc::clone(&gauge);
    let hiccups = HiccupMeter::start_telling(move |length| stalled.stalled(length));
    let mut recorder = Recorder::with_gauge(profile.scenario_budget(), gauge);
    let begun = Instant::now();
    let outcome = scenario.run(profile, &mut recorder);
    let mut recorded = recorder.finish();
    // A machine on which no thread can be started any more has figures without what was used.
    let stalls = hiccups.map(HiccupMeter::finish).unwrap_or_default();
    recorded.pauses.extend(Pause::of(&stalls, begun));
    let mut usage = monitor.map(Monitor::finish).unwrap_or_default();
    usage.own_cpu += stalls.own_cpu;
    let (series, failure) = match outcome {
        Ok(()) => (recorded.series, None),
        Err(failed) => (Vec::new(), Some(with_causes(&failed))),
    };
    ScenarioReport {
        id: id.to_owned(),
        statement: statement.to_owned(),
        series,
        notes: recorded.notes,
        truncated: recorded.is_truncated,
        failure,
        usage,
        tail: shares_of_tail(&recorded.operations, &recorded.pauses),
        pauses: recorded.pauses,
    }
}

/// Judges every claim about the scenarios of the report.
pub(crate) fn judge(report: &mut Report) {
    let claims = claims();
    let about = claims.iter().filter(|claim| report.scenarios.iter().any(|ran| ran.id == claim.scenario));
    report.verdicts = about.map(|claim| claim.verdict(report.profile, &report.scenarios)).collect();
}

/// Returns the texts of the error and of all its causes.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
impl ScenarioReport {
    /// Returns the report of a scenario that measured nothing.
    pub(crate) fn empty(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFailed;
    use crate::series::Unit;

    struct Broken;

    impl Scenario for Broken {
        fn id(&self) -> &str {
            "BROKEN"
        }

        fn statement(&self) -> &str {
            "fails half way"
        }

        fn run(&self, _: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
            recorder.record("half", "what came before the failure", Unit::Seconds, vec![1.0]);
            Err("the disk is full").map_err(ScenarioFailed::during("writing the plan"))
        }
    }

    #[test]
    fn a_failed_scenario_is_reported_without_figures() {
        let report = run_one(&Broken, Profile::Smoke, &nobody());
        assert_eq!(report.failure.as_deref(), Some("writing the plan failed: the disk is full"));
        assert!(report.series.is_empty());
        assert!(report.usage.taken > 0);
    }

    #[test]
    fn a_debug_build_refuses_to_measure() {
        let refused = run_scenarios(Profile::Smoke, &["no such scenario".to_owned()]).unwrap_err();
        assert!(matches!(refused, RunRefused::NothingToRun { .. }));
        let refused = measure(Profile::Smoke, &[&Broken], &nobody());
        assert_eq!(refused.is_err(), cfg!(debug_assertions));
    }

    #[test]
    fn each_report_but_the_last_is_partial() {
        let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let watcher: Watcher = Arc::new(move |progress: Progress<'_>| {
            if let Progress::Ended(report) = progress {
                notes.lock().push((report.scenarios.len(), report.is_complete));
            }
        });
        measure_anyway(Profile::Smoke, &[&Broken, &Broken], &watcher);
        assert_eq!(*seen.lock(), [(1, false), (2, true)]);
    }
}
