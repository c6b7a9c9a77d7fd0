//! Who does what: leases, assignment, retries and recovery. A pure engine and one driver around it.
//!
//! [`engine`] decides; [`turn()`] makes what it decides durable; the driver behind a [`Coordinator`] carries out what
//! follows, by an [`executor`] that the embedding program chooses, and is asked through a [`Handle`].

mod attempt;
mod desk;
mod driver;
pub mod engine;
pub mod executor;
mod handle;
mod hindrance;
mod host;
mod landing;
mod landing_rules;
mod launcher;
mod lending;
mod message_style;
mod metrics;
mod planted;
mod process;
mod process_owner;
pub mod race;
mod script_agent;
pub mod simulation;
mod snapshotter;
mod turn;
mod verification;

pub use driver::{Coordinator, DriverError, Running};
pub use handle::{CommandError, Handle, ShutDown, Stopped};
pub use hindrance::Hindrance;
pub use host::is_at_work;
pub use landing_rules::LandingRules;
pub use message_style::{InvalidStyle, MessageStyle};
pub use metrics::Metrics;
#[cfg(feature = "planted-bugs")]
pub use planted::{planted_bugs, planted_bugs_of_races};
pub use process::ProcessLimits;
pub use process_owner::ProcessOwner;
pub use script_agent::{ScriptAgent, ScriptAgentError};
pub use turn::{RecordedEvent, Turn, TurnError, load, turn};
