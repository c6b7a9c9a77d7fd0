//! What keeps work from being done without being anybody's fault: a full disk, a branch that is checked out, a program
//! that is not there. Tasks do not fail of it; the coordinator hands out no more, lets agents end, and stops.

/// What keeps work from being done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct Hindrance {
    /// What cannot be done.
    pub what: String,
    /// Why not.
    pub reason: String,
}
