//! Bugs that are there only while the tests look for them.
//!
//! A simulation that finds nothing proves nothing until it has found something. With the feature `planted-bugs`, which no
//! program turns on, the environment variable `AGENT_COORDINATOR_PLANTED_BUG` names one of these; without it none of
//! them is even compiled.

/// What can be wrong with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlantedBug {
    /// A result is taken for that of the present attempt, whatever token it shows.
    FencingSkipped,
    /// What depends on a task that has failed may run.
    FailureCountedAsDone,
    /// The heartbeat of an earlier attempt prolongs the lease of the present one.
    HeartbeatInherited,
    /// An agent gets one task more than it takes.
    SlotExceeded,
    /// A failed task is tried again at once.
    BackoffForgotten,
    /// A result that comes too late is not kept.
    LateResultLost,
    /// A task that asks for no capability is never handed out.
    EmptyCapabilityDeadlock,
    /// A coordinator carries out what another one is to do.
    ForeignEffects,
    /// A result lands without the approval that its plan asks for.
    GateSkipped,
    /// Tasks run at once that could write the same file.
    OverlapForgotten,
    /// Attempts that end in silence are made again for ever.
    SilenceUncounted,
    /// An agent that asks the log itself takes over from others whose lease lasts.
    TakenOverTooEarly,
}

/// Returns whether a bug is there.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is_planted(_bug: PlantedBug) -> bool {
    false
}

/// Returns whether a bug is there.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is_planted(bug: PlantedBug) -> bool {
    static PLANTED: std::sync::OnceLock<Option<PlantedBug>> = std::sync::OnceLock::new();
    let planted = PLANTED.get_or_init(|| {
        let name = std::env::var("AGENT_COORDINATOR_PLANTED_BUG").ok()?;
        let mut all = ALL.into_iter().chain(OF_RACES);
        all.find(|bug| format!("{bug:?}") == name)
    });
    *planted == Some(bug)
}

/// Those of the engine.
#[cfg(feature = "planted-bugs")]
const ALL: [PlantedBug; 11] = [
    PlantedBug::FencingSkipped,
    PlantedBug::FailureCountedAsDone,
    PlantedBug::HeartbeatInherited,
    PlantedBug::SlotExceeded,
    PlantedBug::BackoffForgotten,
    PlantedBug::LateResultLost,
    PlantedBug::EmptyCapabilityDeadlock,
    PlantedBug::ForeignEffects,
    PlantedBug::GateSkipped,
    PlantedBug::OverlapForgotten,
    PlantedBug::SilenceUncounted,
];

/// Those by which an agent gets, keeps or delivers what is not its own.
#[cfg(feature = "planted-bugs")]
const OF_RACES: [PlantedBug; 2] = [PlantedBug::FencingSkipped, PlantedBug::TakenOverTooEarly];

/// The names of all bugs of the engine.
#[cfg(feature = "planted-bugs")]
pub fn planted_bugs() -> Vec<String> {
    ALL.iter().map(|bug| format!("{bug:?}")).collect()
}

/// The names of the bugs that concern those who race over tasks.
#[cfg(feature = "planted-bugs")]
pub fn planted_bugs_of_races() -> Vec<String> {
    OF_RACES.iter().map(|bug| format!("{bug:?}")).collect()
}
