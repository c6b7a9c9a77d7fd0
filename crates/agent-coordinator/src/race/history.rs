//! What a racer asked for and was told, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment by a clock that all processes of a machine share and that never goes back, in nanoseconds.
pub type Moment = u64;

/// Returns the present moment.
pub fn present_moment() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32).as_nanos())
        .unwrap_or(Moment::MAX)
}

/// One question and its answer. As a line of JSON, it goes from a racing process to the one that judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who asked.
    pub agent: String,
    /// When it asked.
    pub invoked: Moment,
    /// When it was answered.
    pub returned: Moment,
    /// What for.
    pub asked: Asked,
    /// The answer.
    pub told: Told,
}

/// What a racer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// A task.
    Acquire,
    /// More time for a task.
    Heartbeat {
        /// The task.
        task: String,
        /// The token that it shows.
        token: u64,
    },
    /// That its result is accepted.
    Complete {
        /// The task.
        task: String,
        /// The token that it shows.
        token: u64,
    },
    /// That somebody else gets the task.
    Release {
        /// The task.
        task: String,
        /// The token that it shows.
        token: u64,
    },
}

/// What a racer is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It has this task.
    Task {
        /// The task.
        task: String,
        /// Under which token.
        token: u64,
    },
    /// There is no task for it now.
    NoTask,
    /// It is done.
    Yes,
    /// It is refused, and nothing has changed.
    Refused,
}

impl Operation {
    /// Returns the task that it is about; none where there was none.
    pub fn task(&self) -> Option<&str> {
        match (&self.asked, &self.told) {
            (
                Asked::Heartbeat { task, .. } | Asked::Complete { task, .. } | Asked::Release { task, .. },
                _,
            )
            | (Asked::Acquire, Told::Task { task, .. }) => Some(task),
            (Asked::Acquire, Told::NoTask | Told::Yes | Told::Refused) => None,
        }
    }
}
