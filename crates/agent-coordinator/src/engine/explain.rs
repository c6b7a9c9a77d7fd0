//! Why a task is not running, and why an agent is idle: answered by the predicates that the dispatcher uses.

use planner_core::graph::{Node, NodeIndex, TaskIndex};
use planner_core::{Capability, When};
use serde::Serialize;
use state_store::Timestamp;
use state_store::task::{
    AgentKey, AgentStatus, Completion, Deliverable, FailureCounts, InstanceRecord, Landed, Pause, Project,
    StateName, TaskKey, TaskState,
};

use crate::engine::Engine;
use crate::engine::approval::is_start_gated;
use crate::engine::progress::Progress;

/// The one reason why a task stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Explanation {
    /// It was done before the plan was loaded.
    DoneBefore,
    /// It is done.
    Completed {
        /// By whom.
        agent: String,
        /// In which try.
        attempt: u32,
        /// When it had landed.
        at: Timestamp,
        /// The commit that it has become; `None` where there was nothing to land.
        commit: Option<String>,
    },
    /// It is being worked on, checked or landed.
    UnderWay {
        /// Where it stands.
        state: StateName,
        /// By whom.
        agent: String,
        /// Which try it is.
        attempt: u32,
        /// How many tries before ended in silence.
        losses: u32,
    },
    /// It was being worked on, checked or landed by a coordinator that is gone.
    Orphaned {
        /// Where it stands.
        state: StateName,
        /// Which try it was.
        attempt: u32,
    },
    /// It could run, and somebody has to agree first.
    AwaitingStart,
    /// Its result is there, and somebody has to agree before it lands.
    AwaitingLanding {
        /// By whom it was made.
        agent: String,
        /// In which try.
        attempt: u32,
        /// The commit that holds it; `None` where it has no files.
        result: Option<String>,
    },
    /// It waits for other tasks.
    Waiting {
        /// For which.
        blockers: Vec<Blocker>,
    },
    /// It failed and waits for its next attempt.
    Backoff {
        /// When that may begin.
        until: Timestamp,
        /// How many attempts have failed.
        failures: u32,
    },
    /// It is put aside until somebody resumes it.
    OnHold,
    /// It failed as often as it may.
    Failed {
        /// How the last attempt failed.
        message: String,
        /// How many attempts there were.
        attempts: u32,
    },
    /// It is not to run.
    Cancelled {
        /// Why.
        message: String,
    },
    /// It is a group: it is done when its children are.
    Group {
        /// How many of the tasks in it are done or called off.
        settled: usize,
        /// How many tasks are in it.
        total: usize,
    },
    /// It was done by somebody outside.
    CompletedByHand {
        /// How, in the words of whoever said so.
        message: String,
        /// When it was said.
        at: Timestamp,
    },
    /// It could run, and another task under way could write the same file.
    WritesOverlap {
        /// The other task.
        task: String,
        /// Its project, where that is another one on the same branch.
        project: Option<String>,
        /// Where that one stands.
        state: StateName,
        /// What this one writes.
        path: String,
        /// What the other one writes.
        other_path: String,
    },
    /// It could run, and its project is paused.
    ProjectPaused,
    /// It could run, and its project is paused because as many attempts have failed as it allows.
    TooManyFailures {
        /// Without a completed task between them.
        in_row: u32,
        /// In all.
        total: u32,
    },
    /// It could run, and every agent that can do it is paused.
    AgentsPaused {
        /// Those agents.
        agents: Vec<String>,
    },
    /// It could run, and no agent can do what it asks for.
    NoAgent {
        /// What no single agent offers beside the rest of what the task asks for; of the agent that lacks the least.
        missing: Vec<Capability>,
    },
    /// It could run, and no coordinator is at work.
    NoCoordinator,
    /// It could run, and every agent that can do it is busy.
    AgentsBusy {
        /// Those agents.
        agents: Vec<String>,
        /// How many ready tasks come first.
        ahead: usize,
    },
    /// It could run, and is handed out in the next turn.
    Next,
}

/// A task that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// Its id.
    pub task: String,
    /// Where it stands; a group that is not done is pending.
    pub state: StateName,
    /// What is waited for.
    pub when: When,
    /// Whether this wait cannot end any more by itself.
    pub is_hopeless: bool,
}

/// The one reason why an agent has no task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum IdleReason {
    /// It has as many as it takes.
    Busy {
        /// The tasks.
        tasks: Vec<String>,
    },
    /// Its coordinator is gone.
    Retired,
    /// It is paused.
    Paused,
    /// Nothing is ready.
    NothingReady,
    /// Something is ready, and nothing that it can do.
    NothingItCanDo,
    /// It gets a task in the next turn.
    Next,
}

impl Engine {
    /// Returns why a task stands where it stands, or `None` where there is no such task. `is_at_work` tells whether a
    /// coordinator is there: see [`crate::is_at_work`].
    pub fn explain(
        &self,
        key: TaskKey,
        now: Timestamp,
        is_at_work: &dyn Fn(&InstanceRecord) -> bool,
    ) -> Option<Explanation> {
        let record = self.state.task(key)?;
        let project = self.state.project(key.project)?;
        if project.graph.is_group(key.task()) {
            return Some(self.explain_group(project, key));
        }
        Some(match &record.state {
            TaskState::Completed(Completion::Beforehand) => Explanation::DoneBefore,
            TaskState::Completed(Completion::Attempt { lease, landed, at }) => Explanation::Completed {
                agent: self.agent_name(lease.agent),
                attempt: lease.attempt,
                at: *at,
                commit: match landed {
                    Landed::Commit { commit, .. } => Some(commit.to_string()),
                    Landed::Empty | Landed::NotAsked => None,
                },
            },
            TaskState::Completed(Completion::ByHand { reason, at }) => {
                Explanation::CompletedByHand { message: reason.clone(), at: *at }
            }
            TaskState::Failed { reason } => {
                Explanation::Failed { message: reason.to_string(), attempts: record.attempts }
            }
            TaskState::Cancelled(reason) => Explanation::Cancelled { message: reason.to_string() },
            TaskState::OnHold => Explanation::OnHold,
            TaskState::Assigned(lease)
            | TaskState::Running(lease)
            | TaskState::Verifying { lease, .. }
            | TaskState::Landing { lease, .. } => {
                let (state, attempt) = (record.state.name(), lease.attempt);
                if self.state.instance(lease.instance).is_some_and(is_at_work) {
                    let (agent, losses) = (self.agent_name(lease.agent), record.losses);
                    Explanation::UnderWay { state, agent, attempt, losses }
                } else {
                    Explanation::Orphaned { state, attempt }
                }
            }
            TaskState::AwaitingApproval { lease, delivery } => Explanation::AwaitingLanding {
                agent: self.agent_name(lease.agent),
                attempt: lease.attempt,
                result: match &delivery.deliverable {
                    Deliverable::Commit { result, .. } => Some(result.to_string()),
                    Deliverable::NoFiles | Deliverable::Unchanged => None,
                },
            },
            TaskState::Backoff { until } if *until > now => {
                Explanation::Backoff { until: *until, failures: record.failures }
            }
            TaskState::Backoff { .. } => Explanation::Next,
            TaskState::Pending | TaskState::InConflict(_) => {
                if !self.progress[key.project.index()].is_free(project, key.task()) {
                    Explanation::Waiting { blockers: self.blockers(project, key) }
                } else if is_start_gated(project, key) {
                    Explanation::AwaitingStart
                } else if let Some(holder) = self.grounds.of(key.project).holder(key) {
                    self.explain_overlap(key, holder)
                } else {
                    self.explain_ready(project, key, is_at_work)
                }
            }
        })
    }

    fn explain_group(&self, project: &Project, key: TaskKey) -> Explanation {
        let leaves: Vec<_> =
            project.graph.tasks().filter(|task| is_leaf_of(project, *task, key.task())).collect();
        let settled = leaves.iter().filter(|leaf| {
            matches!(project.task(**leaf).state, TaskState::Completed(_) | TaskState::Cancelled(_))
        });
        Explanation::Group { settled: settled.count(), total: leaves.len() }
    }

    fn explain_ready(
        &self,
        project: &Project,
        key: TaskKey,
        is_at_work: &dyn Fn(&InstanceRecord) -> bool,
    ) -> Explanation {
        match project.pause {
            Some(Pause::Operator) => return Explanation::ProjectPaused,
            Some(Pause::Failures(FailureCounts { in_row, total })) => {
                return Explanation::TooManyFailures { in_row, total };
            }
            None => {}
        }
        let required = &project.plan.tasks[key.task as usize].capabilities;
        let agents = || (0..).map(AgentKey).zip(self.state.agents());
        // Agents that were there before count too: without one that can do it, no coordinator helps.
        if !self.state.agents().is_empty() && !agents().any(|(_, agent)| agent.capabilities.covers(required))
        {
            let lacks = agents().map(|(_, agent)| agent.capabilities.missing(required));
            return Explanation::NoAgent { missing: lacks.min_by_key(Vec::len).unwrap_or_default() };
        }
        let serves = |instance| {
            project.coordinators.contains(&instance) && self.state.instance(instance).is_some_and(is_at_work)
        };
        let present =
            agents().filter(|(_, agent)| agent.status != AgentStatus::Retired && serves(agent.instance));
        let with_paused: Vec<_> = present.filter(|(_, agent)| agent.capabilities.covers(required)).collect();
        if with_paused.is_empty() {
            return Explanation::NoCoordinator;
        }
        let active = with_paused.iter().filter(|(_, agent)| agent.status == AgentStatus::Active);
        let able: Vec<_> = active.collect();
        if able.is_empty() {
            let agents = with_paused.iter().map(|(_, agent)| agent.name.clone()).collect();
            return Explanation::AgentsPaused { agents };
        }
        if able.iter().any(|(key, agent)| self.roster.in_use(*key) < agent.slots as usize) {
            return Explanation::Next;
        }
        let agents = able.iter().map(|(_, agent)| agent.name.clone()).collect();
        Explanation::AgentsBusy { agents, ahead: self.ready[key.project.index()].ahead_of(key) }
    }

    /// Returns what a task waits for: the unsatisfied edges into it, and those into the groups around it.
    fn blockers(&self, project: &Project, key: TaskKey) -> Vec<Blocker> {
        let progress = &self.progress[key.project.index()];
        let graph = &project.graph;
        let mut blockers = Vec::new();
        let mut around = vec![graph.start_of(key.task())];
        while let Some(node) = around.pop() {
            for (before, when) in graph.predecessors(node) {
                let is_satisfied = match when {
                    When::Completed => progress.is_reached(before),
                    When::Failed => progress.has_failed(before),
                };
                match graph.node(before) {
                    _ if is_satisfied => {}
                    Node::GroupStart(_) => around.push(before),
                    Node::Task(task) | Node::GroupFinish(task) => {
                        blockers.push(Self::blocker(project, progress, task, before, when));
                    }
                }
            }
        }
        blockers
    }

    fn blocker(
        project: &Project,
        progress: &Progress,
        task: TaskIndex,
        finish: NodeIndex,
        when: When,
    ) -> Blocker {
        let state = &project.task(task).state;
        let is_hopeless = match when {
            When::Completed => progress.has_failed(finish) || matches!(state, TaskState::Cancelled(_)),
            When::Failed => progress.is_reached(finish),
        };
        Blocker {
            task: project.plan.tasks[task.index()].id.to_string(),
            state: state.name(),
            when,
            is_hopeless,
        }
    }

    /// Returns why an agent has no task, or what it has; `None` where there is no such agent.
    pub fn explain_agent(&self, key: AgentKey) -> Option<IdleReason> {
        let agent = self.state.agent(key)?;
        let tasks: Vec<_> = self.roster.tasks_of(key).map(|task| self.task_id(task)).collect();
        if !tasks.is_empty() {
            return Some(IdleReason::Busy { tasks });
        }
        match agent.status {
            AgentStatus::Active => {}
            AgentStatus::Retired => return Some(IdleReason::Retired),
            AgentStatus::Paused => return Some(IdleReason::Paused),
        }
        let serves = |(project, _): &(&Project, _)| {
            project.coordinators.contains(&agent.instance) && project.pause.is_none()
        };
        let ready: Vec<_> = self.state.projects().iter().zip(&self.ready).filter(serves).collect();
        if ready.iter().all(|(_, ready)| ready.len() == 0) {
            return Some(IdleReason::NothingReady);
        }
        let mut kinds = ready.iter().flat_map(|(_, ready)| ready.kinds());
        let can_do_some = kinds.any(|(kind, _)| agent.capabilities.covers(kind));
        Some(if can_do_some { IdleReason::Next } else { IdleReason::NothingItCanDo })
    }

    /// Says which files both tasks could write.
    fn explain_overlap(&self, key: TaskKey, holder: TaskKey) -> Explanation {
        let writes = |key| &self.state.asked(key).expect("a claim is that of a task").writes;
        let pairs = writes(key).iter().flat_map(|own| writes(holder).iter().map(move |other| (own, other)));
        let (own, other) = pairs
            .into_iter()
            .find(|(own, other)| own.overlaps(other))
            .expect("it waits because they overlap");
        let project = &self.state.projects()[holder.project.index()];
        Explanation::WritesOverlap {
            task: self.task_id(holder),
            project: (holder.project != key.project).then(|| project.name.clone()),
            state: project.task(holder.task()).state.name(),
            path: own.to_string(),
            other_path: other.to_string(),
        }
    }

    fn agent_name(&self, key: AgentKey) -> String {
        self.state.agent(key).map_or_else(|| key.to_string(), |agent| agent.name.clone())
    }

    /// Returns the id of a task, as its plan has it.
    pub fn task_id(&self, key: TaskKey) -> String {
        let task =
            self.state.project(key.project).and_then(|project| project.plan.tasks.get(key.task as usize));
        task.map_or_else(|| key.to_string(), |task| task.id.to_string())
    }
}

/// Returns whether a leaf is the task itself or lies in the group.
fn is_leaf_of(project: &Project, leaf: TaskIndex, group: TaskIndex) -> bool {
    let graph = &project.graph;
    let mut above = Some(leaf);
    while let Some(task) = above {
        if task == group {
            return !graph.is_group(leaf);
        }
        above = graph.parent_of(task);
    }
    false
}
