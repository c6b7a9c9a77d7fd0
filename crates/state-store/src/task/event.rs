//! What can happen in a workspace: what the log holds and the fold applies. How it is stored is told in
//! [`stored`](crate::task::stored).

use std::time::Duration;

use planner_core::CapabilitySet;

use crate::Timestamp;
use crate::task::{
    Accepted, AgentKey, Deliverable, FencingToken, Host, InstanceKey, ProjectKey, ProjectRules,
    ProjectSettings, RequestId, TaskKey, Transition,
};

/// Something that has happened in a workspace.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A coordinator begins; its key is the number of those before it.
    InstanceStarted {
        /// Its id.
        id: [u8; 16],
        /// The process it runs in.
        host: Host,
        /// When its lease ends.
        expires_at: Timestamp,
    },
    /// A coordinator is still there.
    InstanceRenewed {
        /// Which.
        instance: InstanceKey,
        /// When its lease ends now.
        expires_at: Timestamp,
    },
    /// A coordinator is gone; its agents are retired.
    InstanceEnded {
        /// Which.
        instance: InstanceKey,
    },
    /// A project is added; its key is the number of those before it.
    ProjectAdded {
        /// Its name.
        name: String,
        /// The plan, as JSON in the native format.
        plan: Vec<u8>,
        /// How its results are treated.
        settings: ProjectSettings,
    },
    /// An agent is there; its key is the number of those before it, or the one it had under the same name.
    AgentRegistered {
        /// Its name.
        name: String,
        /// What it can do.
        capabilities: CapabilitySet,
        /// How many tasks it takes at once.
        slots: u32,
        /// How long its leases last, where that is said.
        lease: Option<Duration>,
        /// What people tell it by.
        labels: Vec<String>,
        /// The coordinator that looks after it.
        instance: InstanceKey,
    },
    /// A task has moved.
    Task {
        /// Which.
        task: TaskKey,
        /// How.
        transition: Transition,
    },
    /// A result came too late to be accepted, and is kept.
    LateResult {
        /// Of which task.
        task: TaskKey,
        /// Of which attempt.
        token: FencingToken,
        /// By whom.
        agent: AgentKey,
        /// The result.
        deliverable: Deliverable,
    },
    /// A project's settings are changed.
    ProjectSettingsChanged {
        /// Which.
        project: ProjectKey,
        /// How its results are treated from now on.
        settings: ProjectSettings,
    },
    /// A coordinator works on a project from now on.
    ProjectEntered {
        /// Which project.
        project: ProjectKey,
        /// Which coordinator.
        instance: InstanceKey,
    },
    /// A request was accepted: whoever repeats it gets the same answer.
    Answered {
        /// Which.
        request: RequestId,
        /// The task that it was about, if it was about one.
        task: Option<TaskKey>,
        /// The answer.
        accepted: Accepted,
    },
    /// Tasks of a project are added, or take the place of those of the same id; one that is removed is excluded, and keeps
    /// its place.
    TasksSet {
        /// Which project.
        project: ProjectKey,
        /// The tasks, as a JSON array in the native format.
        tasks: Vec<u8>,
    },
    /// A project is paused, or goes on.
    ProjectPaused {
        /// Which.
        project: ProjectKey,
        /// Whether it is paused from now on.
        is_paused: bool,
    },
    /// An agent takes no more tasks, or does again.
    AgentPaused {
        /// Which.
        agent: AgentKey,
        /// Whether it is paused from now on.
        is_paused: bool,
    },
    /// What a project allows is changed.
    RulesSet {
        /// Which.
        project: ProjectKey,
        /// What it allows from now on.
        rules: ProjectRules,
    },
    /// As many attempts of a project have failed as it allows: it is paused.
    FailuresReached {
        /// Which.
        project: ProjectKey,
    },
    /// Tokens may have been handed out that this log does not know of, because it was recovered without its end: all up
    /// to this one count as handed out, and whoever holds one of them is fenced off.
    TokensRaised {
        /// The last token that may have been handed out.
        to: FencingToken,
    },
}
