//! What can be asked of the engine, and how it answers.

use std::time::Duration;

use planner_core::{CapabilitySet, Plan, Task};
use state_store::Timestamp;
use state_store::task::{
    Accepted, AgentKey, ConflictRecord, Deliverable, Event, FailureReason, FencingToken, Host,
    IllegalTransition, InstanceKey, Intent, Landed, ProjectKey, ProjectRules, ProjectSettings, RequestId,
    Review, StateName, TaskKey,
};

/// Something that is asked of the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A coordinator begins: the one whose engine this is.
    Begin {
        /// The process it runs in.
        host: Host,
    },
    /// This coordinator is still there.
    RenewInstance,
    /// A coordinator is gone: its attempts are given up, its results adopted.
    TakeOver {
        /// Which.
        instance: InstanceKey,
        /// When its lease was to end, for all that was known when it was found gone; one that has renewed it since is not gone.
        expires_at: Timestamp,
    },
    /// This coordinator looks after the results of those that have ended.
    AdoptOrphans,
    /// This coordinator ends: its attempts are given up.
    End,
    /// This coordinator works on a project from now on: a new one, or the one that is recorded under the name of the plan.
    Enter {
        /// The plan; sound, and the recorded one where there is one.
        plan: Plan,
        /// How its results are treated.
        settings: ProjectSettings,
    },
    /// This coordinator works on a project that is there, and leaves what others have begun of it alone.
    Join(ProjectKey),
    /// Agents are there, looked after by this coordinator.
    RegisterAgents(Vec<AgentSpec>),
    /// An agent begins an attempt.
    Start {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
    },
    /// Agents are still at it.
    Renew(Vec<(TaskKey, FencingToken)>),
    /// An agent reports a result.
    Deliver {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
        /// Who made it.
        agent: AgentKey,
        /// The result.
        deliverable: Deliverable,
    },
    /// An attempt failed, or its check did.
    Fail {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
        /// How.
        reason: FailureReason,
    },
    /// An attempt could not be made; it does not count against the task.
    GiveUp {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
    },
    /// The check of a result passed.
    PassCheck {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
        /// How long the check took, in milliseconds.
        took_ms: u64,
    },
    /// Results are about to become these commits.
    Intend(Vec<(TaskKey, FencingToken, Intent)>),
    /// A result is where it belongs.
    Land {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
        /// Where.
        landed: Landed,
    },
    /// A result does not go together with the branch.
    Conflict {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
        /// What does not go together.
        conflict: ConflictRecord,
    },
    /// A task is put aside; where somebody works on it, that is given up.
    Hold(TaskKey),
    /// A task that was put aside may run.
    Resume(TaskKey),
    /// A task is called off.
    Cancel {
        /// The task.
        task: TaskKey,
        /// Why, in the words of whoever did it.
        reason: String,
        /// How far that goes; what is being checked or landed, or is over, is passed over.
        reach: Reach,
    },
    /// Every task of a project that is not over, being checked or being landed is called off.
    CancelProject {
        /// The project.
        project: ProjectKey,
        /// Why, in the words of whoever did it.
        reason: String,
    },
    /// A task that has failed, was called off or is completed is done again.
    Reopen {
        /// The task.
        task: TaskKey,
        /// How far that goes: what depends on it and is completed stays so, or is done again too.
        reach: Reach,
    },
    /// A task was done outside.
    CompleteByHand {
        /// The task.
        task: TaskKey,
        /// How, in the words of whoever says so.
        reason: String,
    },
    /// Somebody agrees that a task begins, or that its result lands, whichever it waits for.
    Approve {
        /// The task.
        task: TaskKey,
        /// Who, and in which words.
        review: Review,
    },
    /// Somebody does not agree.
    Reject {
        /// The task.
        task: TaskKey,
        /// Who, and why.
        review: Review,
    },
    /// An agent leaves word of how far it is.
    Checkpoint {
        /// The task.
        task: TaskKey,
        /// The attempt.
        token: FencingToken,
        /// What the next attempt is told, if there has to be one.
        text: String,
    },
    /// Nothing more is handed out of a project, or to an agent.
    Pause(Pausable),
    /// An agent gets no more tasks, and what it works on is given up for others.
    StopAgent(AgentKey),
    /// It goes on.
    Continue(Pausable),
    /// What a project allows is changed.
    SetRules {
        /// The project.
        project: ProjectKey,
        /// What it allows from now on.
        rules: ProjectRules,
    },
    /// Tasks are added to a project, or take the place of those of the same id. One whose standing is *excluded* is
    /// removed.
    SetTasks {
        /// The project.
        project: ProjectKey,
        /// The tasks.
        tasks: Vec<Task>,
    },
}

/// How far a command about a task goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is about this task only.
    Task,
    /// It is also about everything that depends on it, directly or not.
    Dependents,
}

/// What can be paused; a task is put on hold instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pausable {
    /// A project.
    Project(ProjectKey),
    /// An agent.
    Agent(AgentKey),
}

/// A command, with the id by which whoever asks can ask again.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The id, for those who may have to repeat it: the answer is then kept with what comes of the command.
    pub id: Option<RequestId>,
    /// The command.
    pub command: Command,
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        Self { id: None, command }
    }
}

impl Command {
    /// Returns whether it reports of a landing, which only the coordinator that has begun it may.
    pub(super) fn is_of_landing(&self) -> bool {
        matches!(self, Self::Intend(_) | Self::Land { .. } | Self::Conflict { .. })
    }

    /// Returns the task that it is about, if it is about one.
    pub fn task(&self) -> Option<TaskKey> {
        match self {
            Self::Start { task, .. }
            | Self::Deliver { task, .. }
            | Self::Fail { task, .. }
            | Self::GiveUp { task, .. }
            | Self::PassCheck { task, .. }
            | Self::Land { task, .. }
            | Self::Conflict { task, .. }
            | Self::Hold(task)
            | Self::Resume(task)
            | Self::Cancel { task, .. }
            | Self::Reopen { task, .. }
            | Self::CompleteByHand { task, .. }
            | Self::Approve { task, .. }
            | Self::Reject { task, .. }
            | Self::Checkpoint { task, .. } => Some(*task),
            Self::Begin { .. }
            | Self::RenewInstance
            | Self::TakeOver { .. }
            | Self::AdoptOrphans
            | Self::End
            | Self::Enter { .. }
            | Self::Join(_)
            | Self::RegisterAgents(_)
            | Self::Renew(_)
            | Self::CancelProject { .. }
            | Self::Pause(_)
            | Self::StopAgent(_)
            | Self::Continue(_)
            | Self::SetRules { .. }
            | Self::SetTasks { .. }
            | Self::Intend(_) => None,
        }
    }
}

/// An agent to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpec {
    /// Its name; where an agent of another coordinator at work has it, the number of this coordinator is added.
    pub name: String,
    /// What it can do.
    pub capabilities: CapabilitySet,
    /// How many tasks it takes at once.
    pub slots: u32,
    /// How long its leases last where the task does not say; as all where this does not either.
    pub lease: Option<Duration>,
    /// What people tell it by: words of their own, in order.
    pub labels: Vec<String>,
}

/// What a command comes to.
#[derive(Debug)]
pub struct Decision {
    /// What happens; may be something even where the command is refused (a late result is kept).
    pub events: Vec<Event>,
    /// The answer to give once the events are durable.
    pub answer: Result<Accepted, Refusal>,
}

/// A command was not carried out; nothing has changed but what the refusal says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The id is that of a request about something else.
    #[error("request {id:?} was about another task")]
    OtherRequest {
        /// Which.
        id: RequestId,
    },
    /// There is no such task.
    #[error("there is no {task}")]
    NoSuchTask {
        /// Which.
        task: TaskKey,
    },
    /// There is no such coordinator, or it is not gone.
    #[error("{instance} is still at work")]
    NotGone {
        /// Which.
        instance: InstanceKey,
    },
    /// This engine has not begun as a coordinator.
    #[error("this coordinator has not begun")]
    NotBegun,
    /// Another coordinator has taken over from this one, which it found gone.
    #[error("{instance}, this one, was found gone: another coordinator has taken over")]
    Deposed {
        /// This one.
        instance: InstanceKey,
    },
    /// The project is recorded with another plan.
    #[error("the project `{name}` is recorded with another plan")]
    OtherPlan {
        /// The project.
        name: String,
    },
    /// Another coordinator works on the project by other settings.
    #[error("{other} is at work on the project `{name}` by other settings, until {}", until.as_millis())]
    OtherSettings {
        /// The project.
        name: String,
        /// Which.
        other: InstanceKey,
        /// Until when that one's lease lasts.
        until: Timestamp,
    },
    /// The plan is not sound.
    #[error("the plan `{name}` has {defects} defects; the first: {first}")]
    UnsoundPlan {
        /// The plan.
        name: String,
        /// How many.
        defects: usize,
        /// The first.
        first: String,
    },
    /// There is no such project.
    #[error("there is no {project}")]
    NoSuchProject {
        /// Which.
        project: ProjectKey,
    },
    /// There is no such agent.
    #[error("there is no {agent}")]
    NoSuchAgent {
        /// Which.
        agent: AgentKey,
    },
    /// The plan would not be sound any more, or a task cannot be changed so.
    #[error("the plan `{name}` cannot be changed so: {reason}")]
    UnsoundChange {
        /// The plan.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A task that is to be removed is being worked on.
    #[error("{task} is {state}: what is to be removed must not be under way; cancel it first")]
    UnderWay {
        /// Which.
        task: TaskKey,
        /// Where it stands.
        state: StateName,
    },
    /// The task does not wait for anybody to agree.
    #[error("{task} is {state}, and waits for nobody's approval")]
    NoGate {
        /// Which.
        task: TaskKey,
        /// Where it stands.
        state: StateName,
    },
    /// A group is not worked on.
    #[error("{task} is a group: its children are worked on")]
    IsGroup {
        /// Which.
        task: TaskKey,
    },
    /// The task does not take that step now.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The result came too late; it is kept.
    #[error("the result came too late and is kept for the operator: {0}")]
    Late(IllegalTransition),
}
