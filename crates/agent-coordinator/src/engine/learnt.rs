//! What was learnt of how long tasks take, by what they ask of an agent: of the order of tasks only ratios matter, so it is kept
//! as how much longer than planned those of one kind take than those of another.

use std::collections::BTreeMap;
use std::time::Duration;

use planner_core::{CapabilitySet, Effort, Task};
use state_store::Timestamp;
use state_store::task::{Completion, Project, TaskRecord, TaskState};

/// How many attempts must have been seen before anything is made of them; then again whenever there are twice as many.
const OBSERVATIONS_MIN: u32 = 16;

/// How many of one kind must have been seen.
const OBSERVATIONS_OF_KIND_MIN: u32 = 4;

/// How long the attempts of a project took, and what was made of that last. It is no part of the state: a coordinator that
/// begins learns from what is recorded.
#[derive(Debug, Clone, Default)]
pub(super) struct Learnt {
    seen: BTreeMap<CapabilitySet, Seen>,
    count: u32,
    /// By what tasks ask for: how much longer than others, compared with the plan, they take.
    factors: BTreeMap<CapabilitySet, f64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    planned: Duration,
    took: Duration,
    count: u32,
}

impl Learnt {
    /// Returns what is to be learnt from the tasks that are completed.
    pub(super) fn of(project: &Project) -> Self {
        let mut learnt = Self::default();
        for (task, record) in project.plan.tasks.iter().zip(&project.tasks) {
            // Where somebody had to agree, the time is theirs.
            if let TaskState::Completed(Completion::Attempt { at, .. }) = &record.state
                && !task.approval.is_before_landing()
            {
                learnt.observe(task, record, *at);
            }
        }
        learnt.conclude();
        learnt
    }

    /// Takes in that an attempt has delivered. Returns whether it is time to make something of what was seen.
    pub(super) fn observe(&mut self, task: &Task, record: &TaskRecord, at: Timestamp) -> bool {
        let seen = self.seen.entry(task.capabilities.clone()).or_default();
        seen.planned += task.effort_or_default().as_duration();
        seen.took += at.since(record.assigned_at);
        seen.count += 1;
        self.count += 1;
        self.count >= OBSERVATIONS_MIN && self.count.is_power_of_two()
    }

    /// Makes of what was seen how much longer than others tasks of each kind take.
    pub(super) fn conclude(&mut self) {
        let ratio = |planned: Duration, took: Duration| took.as_secs_f64() / planned.as_secs_f64();
        let planned: Duration = self.seen.values().map(|seen| seen.planned).sum();
        let took: Duration = self.seen.values().map(|seen| seen.took).sum();
        if self.count < OBSERVATIONS_MIN || planned.is_zero() || took.is_zero() {
            return;
        }
        let known = self.seen.iter().filter(|(_, seen)| {
            seen.count >= OBSERVATIONS_OF_KIND_MIN && !seen.planned.is_zero() && !seen.took.is_zero()
        });
        let of_all = ratio(planned, took);
        self.factors =
            known.map(|(kind, seen)| (kind.clone(), ratio(seen.planned, seen.took) / of_all)).collect();
    }

    /// Returns how much work a task is, by the plan and what was learnt.
    pub(super) fn effort(&self, task: &Task) -> Effort {
        let planned = task.effort_or_default();
        let factor = self.factors.get(&task.capabilities);
        factor.map_or(planned, |factor| {
            let millis = planned.as_millis() as f64 * factor;
            Effort::from_millis(millis as u64).min(Effort::MAX)
        })
    }
}
