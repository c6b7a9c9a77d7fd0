//! Tables for people with `sqlite3` or `psql`: tasks, leases, agents and history, and the place that they are true for.
//!
//! They follow from the log and nothing is ever read from them. They are brought up step by step, each in one short
//! transaction that also moves the place on, so that they are true for that place at every moment, and whoever commits
//! waits no longer than for another commit.

mod follow;
mod rows;

pub use follow::{TablesError, bring_up};
pub use rows::{AgentRow, HistoryRow, TaskRow};

use crate::Seq;

/// What changes in the tables from one place to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableStep {
    /// The place that they are true for.
    pub from: Seq,
    /// The place that they are true for afterwards.
    pub to: Seq,
    /// Tasks as they are then.
    pub tasks: Vec<TaskRow>,
    /// Agents as they are then.
    pub agents: Vec<AgentRow>,
    /// What has happened.
    pub history: Vec<HistoryRow>,
}
