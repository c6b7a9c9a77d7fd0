//! Plans: reading, checking, analysing and scheduling them. Pure and synchronous, without input or output.
//!
//! The way through the crate: [`mod@format`] reads the text of a plan file into a [`Plan`], [`validate()`] says everything
//! that is wrong with it, [`graph`] turns it into a [`TaskGraph`], [`analysis`] and [`schedule`] work on that one graph.
//! [`render`] draws what was planned or has happened; [`generate`] makes plans up for tests and measurements.

pub mod analysis;
pub mod attempt_limits;
pub mod capability;
pub mod diagnostic;
pub mod diff;
pub mod effort;
pub mod format;
pub mod generate;
pub mod graph;
pub mod id;
mod id_table;
pub mod kept_fields;
pub mod plan;
pub mod planning;
pub mod priority;
pub mod random;
pub mod render;
pub mod repair;
pub mod schedule;
pub mod source;
mod suggest;
pub mod sync;
pub mod task;
pub mod validate;
pub mod write;
pub mod write_set;

pub use analysis::Analysis;
pub use attempt_limits::AttemptLimits;
pub use capability::{Capability, CapabilitySet};
pub use diagnostic::{Diagnostic, Label, Severity};
pub use diff::PlanDiff;
pub use effort::Effort;
pub use format::{Format, InputFile, Limits, ReadError, ReadOptions, Reading, read, read_files};
pub use graph::{Defect, Node, NodeIndex, TaskGraph, TaskIndex};
pub use id::{InvalidTaskId, TaskId};
pub use kept_fields::KeptFields;
pub use plan::{AgentProfile, InvalidPlan, Plan};
pub use priority::Priority;
pub use repair::{isolate, repair};
pub use source::Source;
pub use sync::{Progress, SyncError, Synced, sync};
pub use task::{Approval, Check, Dependency, Exclusion, Landing, Standing, Task, When};
pub use validate::{Validated, validate};
pub use write::{WriteError, Written, write};
pub use write_set::{InvalidPathPattern, PathPattern, WriteSet};
