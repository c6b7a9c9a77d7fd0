//! A task as its plan asks for it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{AttemptLimits, CapabilitySet, Effort, KeptFields, Priority, TaskId, WriteSet};

/// A task as its plan asks for it. A task that others name as their parent is a *group*.
///
/// The serialised shape is that of a task in the native format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id, unique in the plan.
    pub id: TaskId,
    /// What it is called, on one line; in files, the id where it is absent or empty.
    #[serde(default)]
    pub title: String,
    /// What is to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The group that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// What must come before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// Its priority class.
    #[serde(default)]
    pub priority: Priority,
    /// How much work it is; [`Effort::DEFAULT`] where the plan does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// What an agent must be able to do to take it.
    #[serde(default, skip_serializing_if = "CapabilitySet::is_empty")]
    pub capabilities: CapabilitySet,
    /// The command that proves it done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Box<Check>>,
    /// Where its result goes.
    #[serde(default)]
    pub landing: Landing,
    /// Where somebody has to agree before it goes on.
    #[serde(default, skip_serializing_if = "Approval::is_none")]
    pub approval: Approval,
    /// The paths that it writes: tasks that could write the same file do not run at once.
    #[serde(default, skip_serializing_if = "WriteSet::is_empty")]
    pub writes: WriteSet,
    /// What an attempt at it may take.
    #[serde(default, flatten)]
    pub limits: AttemptLimits,
    /// Where it stood when the plan was written.
    #[serde(default)]
    pub standing: Standing,
    /// The fields of its file that have no meaning here, kept as they were; none has the name of a field above.
    #[serde(default, flatten)]
    pub extra: KeptFields,
}

impl Task {
    /// Returns a pending task of that id with nothing else said about it; its title is its id.
    pub fn new(id: TaskId) -> Self {
        Self { title: id.as_str().to_owned(), ..Self::untitled(id) }
    }

    /// Returns such a task with an empty title.
    pub(crate) fn untitled(id: TaskId) -> Self {
        Self {
            id,
            title: String::new(),
            description: String::new(),
            parent: None,
            dependencies: Vec::new(),
            priority: Priority::default(),
            effort: None,
            capabilities: CapabilitySet::default(),
            check: None,
            landing: Landing::default(),
            approval: Approval::default(),
            writes: WriteSet::default(),
            limits: AttemptLimits::default(),
            standing: Standing::default(),
            extra: KeptFields::default(),
        }
    }

    /// Returns its effort, or the default one.
    pub fn effort_or_default(&self) -> Effort {
        self.effort.unwrap_or(Effort::DEFAULT)
    }
}

/// Something that must come before a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "DependencyShape", into = "DependencyShape")]
pub struct Dependency {
    /// The task (or group) that must come first.
    pub on: TaskId,
    /// Which end of it is waited for.
    pub when: When,
}

impl Dependency {
    /// Returns the ordinary dependency: on the completion of `on`.
    pub fn on_completion(on: TaskId) -> Self {
        Self { on, when: When::Completed }
    }
}

/// Which end of a task satisfies a dependency on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Its completion only.
    #[default]
    Completed,
    /// Its failure only.
    Failed,
}

/// In files, a dependency is an id, or `{on: ID, when: failed}`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DependencyShape {
    Id(TaskId),
    Full { on: TaskId, when: When },
}

impl From<DependencyShape> for Dependency {
    fn from(shape: DependencyShape) -> Self {
        match shape {
            DependencyShape::Id(on) => Self::on_completion(on),
            DependencyShape::Full { on, when } => Self { on, when },
        }
    }
}

impl From<Dependency> for DependencyShape {
    fn from(dependency: Dependency) -> Self {
        match dependency.when {
            When::Completed => Self::Id(dependency.on),
            when @ When::Failed => Self::Full { on: dependency.on, when },
        }
    }
}

/// The command that proves a task done: a program and its arguments, never a shell line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Check {
    /// The program and its arguments; not empty.
    pub command: Vec<String>,
    /// How long it may take, in seconds; the coordinator's default where the plan does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

impl Check {
    /// Returns how long it may take, if the plan says so.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_seconds.map(Duration::from_secs)
    }
}

/// Where the result of a task goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Landing {
    /// Onto the target branch, as one commit.
    #[default]
    Git,
    /// Nowhere: the task has no files to show.
    None,
}

/// Where somebody has to agree before a task goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Nowhere.
    #[default]
    None,
    /// Before an agent gets it.
    Start,
    /// Before its result lands.
    Landing,
    /// Before both.
    Both,
}

impl Approval {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Start, Self::Landing, Self::Both];

    /// Returns the one that is called so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|approval| approval.as_str() == name)
    }

    /// Returns what it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Start => "start",
            Self::Landing => "landing",
            Self::Both => "both",
        }
    }

    /// Returns whether nobody has to agree.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Returns whether somebody has to agree before an agent gets the task.
    pub fn is_before_start(self) -> bool {
        matches!(self, Self::Start | Self::Both)
    }

    /// Returns whether somebody has to agree before the result lands.
    pub fn is_before_landing(self) -> bool {
        matches!(self, Self::Landing | Self::Both)
    }
}

/// Reads what was stored. A field of that name that a plan had for a purpose of its own, before it had a meaning here, asks
/// for nothing.
impl<'de> Deserialize<'de> for Approval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = serde_json::Value::deserialize(deserializer)?;
        Ok(stored.as_str().and_then(Self::from_name).unwrap_or_default())
    }
}

/// Where a task stood when its plan was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// To be done.
    #[default]
    Pending,
    /// Done before; what depends on it need not wait.
    Completed,
    /// Put aside: it does not run until somebody resumes it, and what depends on it waits.
    OnHold,
    /// Never to run, and nothing waits for it.
    Excluded(Exclusion),
}

/// Why an entry of a plan file is never to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// It was deleted and only its grave is left.
    Tombstone,
    /// It was called off.
    Cancelled,
    /// It is a message, not work.
    Message,
    /// It records something that happened.
    Event,
    /// It describes an agent, a role or a rig.
    Agent,
    /// It stands for a condition outside the plan.
    Gate,
    /// It is a template for other tasks.
    Template,
}

impl Exclusion {
    /// Returns the reason in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Cancelled => "cancelled",
            Self::Message => "message",
            Self::Event => "event",
            Self::Agent => "agent",
            Self::Gate => "gate",
            Self::Template => "template",
        }
    }
}
