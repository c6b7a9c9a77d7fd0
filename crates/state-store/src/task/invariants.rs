//! What must hold of every state, whatever led to it. Tests and simulations check it after every step.

use planner_core::Standing;

use crate::task::{AgentStatus, InstanceStatus, Project, ProjectKey, State, TaskKey, TaskRecord, TaskState};

/// Something that must hold and does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct BrokenInvariant {
    /// Where.
    pub place: String,
    /// What.
    pub what: String,
}

impl State {
    /// Checks what must hold of every state.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        for agent in self.agents() {
            let ended =
                self.instance(agent.instance).is_none_or(|owner| owner.status == InstanceStatus::Ended);
            if agent.status == AgentStatus::Active && ended {
                return broken(format!("agent `{}`", agent.name), "it is active and its coordinator is gone");
            }
        }
        for (key, project) in (0..).map(ProjectKey).zip(self.projects()) {
            self.check_project(key, project)?;
        }
        Ok(())
    }

    fn check_project(&self, key: ProjectKey, project: &Project) -> Result<(), BrokenInvariant> {
        if project.tasks.len() != project.plan.tasks.len() {
            return broken(project.name.clone(), "the plan and the state have different numbers of tasks");
        }
        for (task, (record, asked)) in (0..).zip(project.tasks.iter().zip(&project.plan.tasks)) {
            let place = || format!("{} (`{}`)", TaskKey { project: key, task }, asked.id);
            self.check_record(record).or_else(|what| broken(place(), what))?;
            let moved = record.attempts > 0;
            if moved && project.graph.is_group(planner_core::graph::TaskIndex(task)) {
                return broken(place(), "a group has an attempt");
            }
            if matches!(asked.standing, Standing::Excluded(_)) && record.state.lease().is_some() {
                return broken(place(), "a task that is not to run is under way");
            }
        }
        Ok(())
    }

    fn check_record(&self, record: &TaskRecord) -> Result<(), &'static str> {
        if u64::from(record.attempts) > record.last_token.get() {
            return Err("there are more attempts than tokens");
        }
        if record.failures > record.attempts {
            return Err("more attempts failed than there were");
        }
        if record.losses > record.attempts {
            return Err("more attempts ended in silence than there were");
        }
        if let Some(lease) = record.state.lease() {
            if lease.token != record.last_token {
                return Err("the lease does not have the latest token");
            }
            if lease.attempt != record.attempts {
                return Err("the lease is not that of the latest attempt");
            }
            if self.agent(lease.agent).is_none() || self.instance(lease.instance).is_none() {
                return Err("the lease is held by nobody known");
            }
        }
        if matches!(record.state, TaskState::Backoff { .. } | TaskState::Failed { .. })
            && record.failures == 0
        {
            return Err("it has failed without a failed attempt");
        }
        Ok(())
    }
}

fn broken(place: String, what: &str) -> Result<(), BrokenInvariant> {
    Err(BrokenInvariant { place, what: what.to_owned() })
}
