//! What the entries of a workspace mean: tasks, their states, and the agents and coordinators that move them.
//!
//! [`transition`] is the one table of what may follow what. [`Event`]s are what the log holds; [`State::apply`] folds
//! them, the live ones and the replayed ones alike.

mod agent;
mod difference;
mod event;
mod fold;
mod instance;
mod invariants;
mod key;
mod landing;
mod lease;
mod moment;
mod project;
mod request;
mod review;
mod rules;
pub mod snapshot;
mod state;
pub mod stored;
pub mod transition;

pub use agent::{AgentRecord, AgentStatus};
pub use difference::{Change, Difference};
pub use event::Event;
pub use fold::{LateResult, State, UnfitEvent};
pub use instance::{Host, InstanceRecord, InstanceStatus};
pub use invariants::BrokenInvariant;
pub use key::{AgentKey, InstanceKey, ProjectKey, TaskKey};
pub use landing::{CheckRecord, CommitHash, ConflictRecord, Deliverable, Delivery, Intent, Landed};
pub use lease::{FencingToken, Lease};
pub use moment::{Moment, ReplayError};
pub use project::{ChangedPlan, Handover, Project, ProjectSettings, TaskRecord};
pub use request::{ANSWERS_KEPT, Accepted, Answer, Answers, RequestId};
pub use review::Review;
pub use rules::{FailureCounts, OverlappingWrites, Pause, ProjectRules};
pub use snapshot::{LoadError, Loaded, SnapshotPolicy, replay};
pub use state::{CancelReason, Completion, FailureReason, StateName, TaskState};
pub use stored::{EVENT_KIND, EVENT_VERSION, UnreadableEvent};
pub use transition::{AfterFailure, IllegalTransition, Lost, Transition};
