//! Who does what: leases, assignment, retries and recovery. A pure engine and one driver around it.
//!
//! [`engine`] decides; [`turn`] makes what it decides durable; the driver carries out what follows.

pub mod engine;
mod random;
mod turn;

pub use turn::{RecordedEvent, Turn, TurnError, load, turn};
