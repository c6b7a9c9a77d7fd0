//! One attempt at a simulated agent: what it turns out to be, and how far it is.

use std::time::Duration;

use planner_core::random::Random;
use state_store::task::{
    AgentKey, CommitHash, Deliverable, FailureReason, FencingToken, Lease, RequestId, TaskKey,
};

use crate::engine::{Command, Request};

/// How long a worker waits for an answer before it asks again.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How often it asks.
pub(super) const ASKS_MAX: u32 = 20;

/// An attempt at an agent.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) task: TaskKey,
    pub(super) token: FencingToken,
    pub(super) agent: AgentKey,
    pub(super) place: Place,
    pub(super) phase: Phase,
    pub(super) length: Duration,
    pub(super) outcome: Outcome,
    /// When it goes on, where it has stopped.
    pub(super) paused_until: Duration,
}

/// Where an agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the process of its coordinator: they talk without fail, end together, and the coordinator renews the lease.
    Inside {
        /// Which life of that coordinator.
        life: u64,
    },
    /// Elsewhere: messages may be lost, and it renews its lease itself.
    Outside,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has asked for leave to begin, so many times.
    Starting(u32),
    /// It works.
    Working,
    /// It has told its result, so many times.
    Reporting(u32),
}

/// What comes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Files,
    Unchanged,
    NoFiles,
    Fails,
    Unusable,
    /// Nothing, ever.
    Hangs,
}

impl Worker {
    pub(super) fn new(task: TaskKey, lease: Lease, place: Place, length: Duration, outcome: Outcome) -> Self {
        let (token, agent) = (lease.token, lease.agent);
        Self {
            task,
            token,
            agent,
            place,
            phase: Phase::Starting(0),
            length,
            outcome,
            paused_until: Duration::ZERO,
        }
    }

    /// Returns what it has to say now; `None` where it has nothing to ask.
    pub(super) fn request(&self) -> Option<Request> {
        let (task, token, agent) = (self.task, self.token, self.agent);
        let (name, command) = match self.phase {
            Phase::Starting(_) => ("start", Command::Start { task, token }),
            Phase::Working => return None,
            Phase::Reporting(_) => ("report", self.report(task, token, agent)?),
        };
        let id = RequestId::from_text(&format!("{task} {} {name}", token.get()));
        Some(Request { id: Some(id), command })
    }

    fn report(&self, task: TaskKey, token: FencingToken, agent: AgentKey) -> Option<Command> {
        let deliver = |deliverable| Some(Command::Deliver { task, token, agent, deliverable });
        let fail = |reason| Some(Command::Fail { task, token, reason });
        match self.outcome {
            Outcome::Files => {
                let result = commit_of(task, token, 0);
                deliver(Deliverable::Commit { result, base: CommitHash([1; 20]) })
            }
            Outcome::Unchanged => deliver(Deliverable::Unchanged),
            Outcome::NoFiles => deliver(Deliverable::NoFiles),
            Outcome::Fails => fail(FailureReason::Agent("simulated".to_owned())),
            Outcome::Unusable => fail(FailureReason::Unusable("simulated".to_owned())),
            Outcome::Hangs => None,
        }
    }

    /// Returns its heartbeat.
    pub(super) fn heartbeat(&self) -> Request {
        Command::Renew(vec![(self.task, self.token)]).into()
    }
}

/// Returns the commit that stands for a result, or for what it becomes on a tip.
pub(super) fn commit_of(task: TaskKey, token: FencingToken, tip: usize) -> CommitHash {
    let mut random = Random::of([u64::from(task.project.0), u64::from(task.task), token.get(), tip as u64]);
    let mut hash = [0; 20];
    for piece in hash.chunks_mut(8) {
        piece.copy_from_slice(&random.next_u64().to_le_bytes()[..piece.len()]);
    }
    CommitHash(hash)
}
