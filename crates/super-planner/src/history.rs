//! What has happened, entry by entry, in words.

use planner_core::{Capability, Task};
use serde::Serialize;
use state_store::task::{
    AfterFailure, AgentKey, CheckRecord, Deliverable, Event, Landed, LoadError, State, TaskKey, Transition,
    UnfitEvent,
};
use state_store::{Recorded, StateStore, StreamName};

use crate::escape::clipped;

/// The version of [`HistoryLine`] as JSON.
pub const HISTORY_VERSION: u32 = 1;

const DETAIL_CHARS_MAX: usize = 300;

/// One entry of the log. As JSON it is one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryLine {
    /// The version of this shape.
    pub version: u32,
    /// The place in the log.
    pub seq: u64,
    /// When it was committed, in milliseconds since the start of 1970.
    pub at_ms: u64,
    /// What happened, in a word or two.
    pub event: &'static str,
    /// The project.
    pub project: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The attempt, from 1.
    pub attempt: Option<u32>,
    /// The commit.
    pub commit: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
    /// Whether only a lease was prolonged.
    #[serde(skip)]
    pub is_renewal: bool,
}

impl HistoryLine {
    /// Returns it as JSON, without what is absent and without its place and moment.
    pub fn brief(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("a line is text and numbers");
        if let Some(fields) = value.as_object_mut() {
            let is_elsewhere = |name: &str| matches!(name, "version" | "seq" | "at_ms");
            fields.retain(|name, value| !value.is_null() && !is_elsewhere(name));
        }
        value
    }
}

/// Follows a log and tells each entry.
#[derive(Debug)]
pub struct History {
    state: State,
}

impl History {
    /// Begins before the first entry of a log that is kept.
    pub fn begin(store: &dyn StateStore, stream: &StreamName) -> Result<Self, LoadError> {
        Ok(Self { state: State::base(store, stream)? })
    }

    /// Returns the state up to the last entry told.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns what the next entry says, and of which task.
    pub fn tell(&mut self, recorded: &Recorded) -> Result<(Option<TaskKey>, HistoryLine), UnfitEvent> {
        let event = Event::of(recorded)?;
        let task = match &event {
            Event::Task { task, .. } | Event::LateResult { task, .. } => Some(*task),
            _ => None,
        };
        let holder = task.and_then(|task| self.state.task(task)?.state.lease().map(|lease| lease.agent));
        self.state.apply(&event, recorded.at)?;
        Ok((task, self.line(recorded, &event, holder)))
    }

    fn line(&self, recorded: &Recorded, event: &Event, holder: Option<AgentKey>) -> HistoryLine {
        let mut line = HistoryLine {
            version: HISTORY_VERSION,
            seq: recorded.seq.get(),
            at_ms: recorded.at.as_millis(),
            event: "",
            project: None,
            task: None,
            agent: None,
            attempt: None,
            commit: None,
            detail: None,
            is_renewal: false,
        };
        match event {
            Event::InstanceStarted { host, .. } => {
                line.event = "coordinator started";
                line.detail = Some(format!("process {}", host.pid));
            }
            Event::InstanceRenewed { instance, .. } => {
                line.event = "coordinator renewed";
                line.detail = Some(instance.to_string());
                line.is_renewal = true;
            }
            Event::InstanceEnded { instance } => {
                line.event = "coordinator ended";
                line.detail = Some(instance.to_string());
            }
            Event::ProjectAdded { name, settings, .. } => {
                line.event = "project added";
                line.project = Some(name.clone());
                line.detail = settings.branch.as_ref().map(|branch| format!("lands on {branch}"));
            }
            Event::ProjectSettingsChanged { project, settings } => {
                line.event = "project changed";
                line.project = self.state.project(*project).map(|project| project.name.clone());
                line.detail = settings.branch.as_ref().map(|branch| format!("lands on {branch}"));
            }
            Event::TasksSet { project, tasks } => {
                line.event = "plan changed";
                line.project = self.state.project(*project).map(|project| project.name.clone());
                let tasks: Vec<Task> = serde_json::from_slice(tasks).unwrap_or_default();
                let ids: Vec<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
                line.detail = Some(ids.join(", "));
            }
            Event::ProjectPaused { project, is_paused } => {
                line.event = if *is_paused { "project paused" } else { "project goes on" };
                line.project = self.state.project(*project).map(|project| project.name.clone());
            }
            Event::FailuresReached { project } => {
                line.event = "too many failures";
                line.project = self.state.project(*project).map(|project| project.name.clone());
                line.detail = Some("the project is paused".to_owned());
            }
            Event::RulesSet { project, .. } => {
                line.event = "rules changed";
                line.project = self.state.project(*project).map(|project| project.name.clone());
            }
            Event::AgentPaused { agent, is_paused } => {
                line.event = if *is_paused { "agent paused" } else { "agent goes on" };
                line.agent = self.agent_name(*agent);
            }
            Event::ProjectEntered { project, instance } => {
                line.event = "project entered";
                line.project = self.state.project(*project).map(|project| project.name.clone());
                line.detail = Some(instance.to_string());
            }
            Event::AgentRegistered { name, capabilities, .. } => {
                line.event = "agent registered";
                line.agent = Some(name.clone());
                let capabilities: Vec<&str> = capabilities.iter().map(Capability::as_str).collect();
                line.detail = Some(capabilities.join(", "));
            }
            Event::Task { task, transition } => {
                self.name_task(&mut line, *task);
                line.agent = holder.and_then(|agent| self.agent_name(agent));
                line.attempt = match transition {
                    Transition::Hold
                    | Transition::Resume
                    | Transition::Cancel(_)
                    | Transition::Reopen
                    | Transition::ApproveStart(_)
                    | Transition::CompleteByHand(_) => None,
                    _ => self.state.task(*task).map(|record| record.attempts),
                };
                self.tell_transition(&mut line, transition);
            }
            Event::TokensRaised { to } => {
                line.event = "recovered";
                line.detail = Some(format!("what was handed out before is fenced off: tokens up to {to}"));
            }
            Event::LateResult { task, agent, deliverable, .. } => {
                self.name_task(&mut line, *task);
                line.event = "late result kept";
                line.agent = self.agent_name(*agent);
                line.commit = commit_of(deliverable);
            }
            Event::Answered { request, task, .. } => {
                if let Some(task) = task {
                    self.name_task(&mut line, *task);
                }
                line.event = "answer kept";
                line.detail = Some(format!("request {request:?}"));
            }
        }
        line.detail = line
            .detail
            .filter(|detail| !detail.is_empty())
            .map(|text| clipped(text.trim(), DETAIL_CHARS_MAX));
        line
    }

    fn tell_transition(&self, line: &mut HistoryLine, transition: &Transition) {
        (line.event, line.detail) = match transition {
            Transition::Assign(lease) => {
                line.agent = self.agent_name(lease.agent);
                ("assigned", None)
            }
            Transition::Start(_) => ("started", None),
            Transition::Renew { .. } => {
                line.is_renewal = true;
                ("renewed", None)
            }
            Transition::Deliver { deliverable, .. } => {
                line.commit = commit_of(deliverable);
                let detail = match deliverable {
                    Deliverable::NoFiles => Some("no files asked for".to_owned()),
                    Deliverable::Unchanged => Some("nothing changed".to_owned()),
                    Deliverable::Commit { .. } => None,
                };
                ("delivered", detail)
            }
            Transition::Verify { check: CheckRecord::NotNamed, .. } => {
                ("accepted", Some("no check".to_owned()))
            }
            Transition::Verify { check: CheckRecord::Passed { took_ms }, .. } => {
                ("accepted", Some(format!("the check passed in {took_ms} ms")))
            }
            Transition::Propose { check, .. } => {
                let checked = match check {
                    CheckRecord::NotNamed => "no check".to_owned(),
                    CheckRecord::Passed { took_ms } => format!("the check passed in {took_ms} ms"),
                };
                ("awaits approval", Some(checked))
            }
            Transition::ApproveStart(review) => ("start approved", Some(review.to_string())),
            Transition::ApproveLanding { review, .. } => ("landing approved", Some(review.to_string())),
            Transition::Intend { intent, .. } => {
                line.commit = Some(intent.commit.to_string());
                ("landing", None)
            }
            Transition::Land { landed, .. } => match landed {
                Landed::Commit { commit, merged } => {
                    line.commit = Some(commit.to_string());
                    ("completed", merged.then(|| "merged with what others had landed".to_owned()))
                }
                Landed::Empty => ("completed", Some("nothing to land".to_owned())),
                Landed::NotAsked => ("completed", None),
            },
            Transition::Conflict { conflict, .. } => {
                line.commit = Some(conflict.theirs.to_string());
                ("in conflict", Some(conflict.paths.join(", ")))
            }
            Transition::Fail { reason, then: AfterFailure::Retry(_), .. } => {
                ("failed", Some(reason.to_string()))
            }
            Transition::Fail { reason, then: AfterFailure::GiveUp, .. } => {
                ("failed for good", Some(reason.to_string()))
            }
            Transition::Lose { why, .. } => ("given up", Some(why.to_string())),
            Transition::Hold => ("put on hold", None),
            Transition::Resume => ("resumed", None),
            Transition::Cancel(reason) => ("cancelled", Some(reason.to_string())),
            Transition::Reopen => ("reopened", None),
            Transition::CompleteByHand(reason) => ("completed by hand", Some(reason.clone())),
            Transition::Checkpoint { text, .. } => ("left word", Some(text.clone())),
            Transition::Adopt { instance, .. } => ("adopted", Some(format!("by {instance}"))),
        };
    }

    fn name_task(&self, line: &mut HistoryLine, key: TaskKey) {
        if let Some(project) = self.state.project(key.project) {
            line.project = Some(project.name.clone());
            line.task = project.plan.tasks.get(key.task as usize).map(|task| task.id.to_string());
        }
    }

    fn agent_name(&self, key: AgentKey) -> Option<String> {
        self.state.agent(key).map(|agent| agent.name.clone())
    }
}

fn commit_of(deliverable: &Deliverable) -> Option<String> {
    match deliverable {
        Deliverable::Commit { result, .. } => Some(result.to_string()),
        Deliverable::NoFiles | Deliverable::Unchanged => None,
    }
}
