//! What snapshots hold since version 4: what attempts may take, by task and by agent, and how many have ended in silence.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use planner_core::AttemptLimits;
use serde::{Deserialize, Serialize};

use super::guards::{asked, project, record};
use super::parts::StoredTaskKey;
use crate::task::{AgentKey, ProjectKey, State, TaskKey};

#[derive(Serialize, Deserialize, Default)]
pub(super) struct StoredAllowances {
    /// Where a task says any: the values in the order of [`AttemptLimits::NAMES`] of this version.
    limits: Vec<(StoredTaskKey, [Option<NonZeroU32>; 5])>,
    /// By project, by the place of the agent in the plan: seconds.
    profile_leases: Vec<(u32, u32, NonZeroU32)>,
    /// By agent: milliseconds.
    agent_leases: Vec<(u32, u64)>,
    /// Where there are any.
    losses: Vec<(StoredTaskKey, u32)>,
    /// By project, by the place of the agent in the plan: where there are any.
    profile_labels: Vec<(u32, u32, Vec<String>)>,
    /// By agent: where there are any.
    agent_labels: Vec<(u32, Vec<String>)>,
}

impl From<&State> for StoredAllowances {
    fn from(state: &State) -> Self {
        let projects = || (0..).map(ProjectKey).zip(state.projects());
        let keys = |project| (0..).map(move |task| StoredTaskKey::from(TaskKey { project, task }));
        let asked = projects().flat_map(|(key, found)| keys(key).zip(&found.plan.tasks));
        let records = projects().flat_map(|(key, found)| keys(key).zip(&found.tasks));
        let profiles = || {
            projects().flat_map(|(key, found)| {
                (0..).zip(&found.plan.agents).map(move |(place, profile)| (key.0, place, profile))
            })
        };
        let agents = || (0..).zip(state.agents());
        Self {
            limits: asked
                .filter(|(_, task)| !task.limits.is_empty())
                .map(|(key, task)| (key, task.limits.values()))
                .collect(),
            profile_leases: profiles()
                .filter_map(|(project, place, profile)| Some((project, place, profile.lease_seconds?)))
                .collect(),
            agent_leases: agents()
                .filter_map(|(key, agent)| Some((key, super::millis(agent.lease?))))
                .collect(),
            losses: records
                .filter(|(_, record)| record.losses > 0)
                .map(|(key, record)| (key, record.losses))
                .collect(),
            profile_labels: profiles()
                .filter(|(.., profile)| !profile.labels.is_empty())
                .map(|(project, place, profile)| (project, place, profile.labels.clone()))
                .collect(),
            agent_labels: agents()
                .filter(|(_, agent)| !agent.labels.is_empty())
                .map(|(key, agent)| (key, agent.labels.clone()))
                .collect(),
        }
    }
}

impl StoredAllowances {
    pub(super) fn add_to(self, state: &mut State) -> Result<(), String> {
        for (key, values) in self.limits {
            asked(state, key)?.limits = AttemptLimits::of(values);
        }
        for (key, place, seconds) in self.profile_leases {
            let plan = Arc::make_mut(&mut project(state, key)?.plan);
            let profile = plan.agents.get_mut(place as usize);
            profile.ok_or_else(|| format!("there is no agent {place}"))?.lease_seconds = Some(seconds);
        }
        for (key, lease) in self.agent_leases {
            let agent = state.agent_mut(AgentKey(key)).ok_or_else(|| format!("there is no agent {key}"))?;
            agent.lease = Some(Duration::from_millis(lease));
        }
        for (key, losses) in self.losses {
            record(state, key)?.losses = losses;
        }
        for (key, place, labels) in self.profile_labels {
            let plan = Arc::make_mut(&mut project(state, key)?.plan);
            let profile = plan.agents.get_mut(place as usize);
            profile.ok_or_else(|| format!("there is no agent {place}"))?.labels = labels;
        }
        for (key, labels) in self.agent_labels {
            let agent = state.agent_mut(AgentKey(key)).ok_or_else(|| format!("there is no agent {key}"))?;
            agent.labels = labels;
        }
        Ok(())
    }
}

/// Gives a state of an older version what that one kept as fields of the plan without a meaning.
pub(super) fn find_limits(state: &mut State) {
    for key in (0..state.projects().len() as u32).map(ProjectKey) {
        let Some(project) = state.project_mut(key) else { continue };
        for task in &mut Arc::make_mut(&mut project.plan).tasks {
            task.limits = AttemptLimits::taken_from(&mut task.extra);
        }
    }
}

impl State {
    /// Takes over how many attempts at each task have ended in silence, by the entries: before version 4 of the snapshots nobody
    /// counted them, and one that goes on from such a snapshot knows of fewer. Returns whether it knows of none that never were.
    pub(crate) fn forgive_losses_of(&mut self, walked: &Self) -> bool {
        for key in (0..self.projects().len() as u32).map(ProjectKey) {
            let (Some(own), Some(walked)) = (self.project_mut(key), walked.project(key)) else {
                return false;
            };
            for (own, walked) in own.tasks.iter_mut().zip(&walked.tasks) {
                if own.losses > walked.losses {
                    return false;
                }
                own.losses = walked.losses;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use planner_core::{AgentProfile, CapabilitySet, Plan, Task, TaskId};

    use super::*;
    use crate::Timestamp;
    use crate::task::{Event, Host, InstanceKey, ProjectSettings};

    #[test]
    fn what_came_with_version_4_is_kept() {
        let seconds = NonZeroU32::new(7);
        let limits = AttemptLimits::of([seconds, None, None, seconds, NonZeroU32::new(2)]);
        let first = Task { limits, ..Task::new(TaskId::new("a").unwrap()) };
        let capabilities = CapabilitySet::default();
        let profile = AgentProfile {
            name: "ann".to_owned(),
            capabilities: capabilities.clone(),
            slots: 1,
            lease_seconds: seconds,
            labels: vec!["big".to_owned()],
        };
        let plan = Plan {
            name: "p".to_owned(),
            tasks: vec![first, Task::new(TaskId::new("b").unwrap())],
            agents: vec![profile],
            ..Plan::from_json(b"{\"name\": \"p\", \"tasks\": []}").unwrap()
        };
        let host = Host { boot: String::new(), pid: 1, started: 1 };
        let settings = ProjectSettings { branch: None, checks: false };
        let instance = InstanceKey(0);
        let lease = Some(Duration::from_millis(1500));
        let agent = |name: &str, lease, labels: &[&str]| Event::AgentRegistered {
            name: name.to_owned(),
            capabilities: capabilities.clone(),
            slots: 1,
            lease,
            instance,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        };
        let events = [
            Event::InstanceStarted { id: [1; 16], host, expires_at: Timestamp::default() },
            Event::ProjectAdded { name: "p".to_owned(), plan: plan.to_json().into_bytes(), settings },
            agent("ann", None, &["big", "cold"]),
            agent("ben", lease, &[]),
        ];
        let mut state = State::default();
        events.iter().for_each(|event| state.apply(event, Timestamp::default()).unwrap());
        state.project_mut(ProjectKey(0)).unwrap().tasks[1].losses = 3;
        let read = State::from_snapshot(&state.to_snapshot()).unwrap();
        assert_eq!(*read.projects()[0].plan, plan);
        assert_eq!(read.agents(), state.agents());
        assert_eq!(read.agents()[1].lease, lease);
        assert_eq!(read.projects()[0].tasks, state.projects()[0].tasks);
        let mut older = state.clone();
        older.project_mut(ProjectKey(0)).unwrap().tasks[1].losses = 0;
        assert!(!state.clone().forgive_losses_of(&older), "three that never were");
        assert!(older.forgive_losses_of(&state), "what was not counted before");
        assert_eq!(older.projects()[0].tasks, state.projects()[0].tasks);
    }
}
