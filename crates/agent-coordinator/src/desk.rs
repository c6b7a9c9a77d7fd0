//! The desk of a coordinator: its engine, the log, and what falls due from time to time.
//!
//! Synchronous, and told the time: the driver sits at it in real time, the simulation in virtual time. What is tried in
//! the one is what is done in the other.

use std::sync::Arc;
use std::time::Duration;

use state_store::log::StateStore;
use state_store::task::{Event, FencingToken, InstanceRecord, ProjectKey, State, StateName, TaskKey};
use state_store::{Seq, StoreError, StreamName, Timestamp};

use crate::engine::{Command, Engine, Request};
use crate::turn::{self, Turn, TurnError};

/// Tells one attempt from every other.
pub(crate) type AttemptId = (TaskKey, FencingToken);

/// Whether a coordinator is there, as far as whoever asks can see.
pub(crate) type AtWork<'a> = &'a dyn Fn(&InstanceRecord, Timestamp) -> bool;

/// How often other coordinators and leases are looked after.
const SWEEP: Duration = Duration::from_secs(1);

/// A coordinator at work, without the world around it.
pub(crate) struct Desk {
    engine: Engine,
    store: Arc<dyn StateStore>,
    stream: StreamName,
    /// Whether another coordinator has ended since the last sweep.
    has_orphans: bool,
    next_sweep: Duration,
    next_renewal: Duration,
}

impl Desk {
    /// Returns the desk of a coordinator that has not begun.
    pub(crate) fn new(engine: Engine, store: Arc<dyn StateStore>, stream: StreamName) -> Self {
        let (next_sweep, next_renewal) = (Duration::ZERO, Duration::ZERO);
        Self { engine, store, stream, has_orphans: false, next_sweep, next_renewal }
    }

    /// Reads the log, without the lock; returns the place of the snapshot that it was loaded through.
    pub(crate) fn load(&mut self) -> Result<Seq, TurnError> {
        turn::load(&mut self.engine, &*self.store, &self.stream)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn state(&self) -> &State {
        self.engine.state()
    }

    /// Hands out no more tasks from now on.
    pub(crate) fn drain(&mut self) {
        self.engine.drain();
    }

    /// Takes one turn of its round: the requests, and what is due. `elapsed` is the time since the coordinator began, by
    /// a clock that never jumps; `attempts` are those of its own that are still at it.
    ///
    /// Returns nothing where nothing was to be done. The answers to the requests come first among the answers.
    pub(crate) fn round(
        &mut self,
        elapsed: Duration,
        attempts: impl Iterator<Item = AttemptId>,
        is_at_work: AtWork<'_>,
        requests: &mut Vec<Request>,
    ) -> Result<Option<Turn>, TurnError> {
        requests.extend(self.chores(elapsed, attempts, is_at_work).into_iter().map(Request::from));
        if requests.is_empty() && !self.has_news().map_err(TurnError::NotBegun)? {
            return Ok(None);
        }
        self.take(requests).map(Some)
    }

    /// Has requests decided and made durable, with whatever else is due.
    pub(crate) fn take(&mut self, requests: &[Request]) -> Result<Turn, TurnError> {
        let turn = turn::patient_turn(&mut self.engine, &*self.store, &self.stream, requests)?;
        self.has_orphans |=
            turn.events.iter().any(|found| matches!(found.event, Event::InstanceEnded { .. }));
        Ok(turn)
    }

    /// Returns how long nothing needs to be done, `poll` at the most.
    pub(crate) fn patience(&self, poll: Duration) -> Duration {
        let now = self.store.now();
        self.engine.next_due().map_or(poll, |due| due.since(now)).min(poll)
    }

    /// Returns whether time or another process calls for a turn.
    fn has_news(&self) -> Result<bool, StoreError> {
        let is_due = self.engine.next_due().is_some_and(|due| due <= self.store.now());
        Ok(is_due || self.store.head(&self.stream)? > self.engine.seq())
    }

    /// Returns what is to be done from time to time: to renew leases, and to look after other coordinators.
    fn chores(
        &mut self,
        elapsed: Duration,
        attempts: impl Iterator<Item = AttemptId>,
        is_at_work: AtWork<'_>,
    ) -> Vec<Command> {
        let mut chores = Vec::new();
        if elapsed >= self.next_sweep {
            self.next_sweep = elapsed + SWEEP.min(self.engine.policy().lease / 3);
            chores.extend(self.gone(is_at_work));
            chores.extend(self.renewals(attempts));
            if std::mem::take(&mut self.has_orphans) {
                chores.push(Command::AdoptOrphans);
            }
        }
        if elapsed >= self.next_renewal {
            self.next_renewal = elapsed + self.engine.policy().instance_lease / 3;
            chores.push(Command::RenewInstance);
        }
        chores
    }

    /// Returns the take-overs of the coordinators that are gone.
    pub(crate) fn gone(&self, is_at_work: AtWork<'_>) -> Vec<Command> {
        let now = self.store.now();
        self.engine.take_overs(|record| is_at_work(record, now))
    }

    /// Returns the renewal of the leases of attempts that are still at it and have used a third of their lease.
    fn renewals(&self, attempts: impl Iterator<Item = AttemptId>) -> Option<Command> {
        let now = self.store.now();
        let is_due = |(task, token): &AttemptId| {
            let state = self.state().task(*task).map(|record| &record.state);
            let lease = state.and_then(|state| state.occupying_lease()).filter(|lease| lease.token == *token);
            let length = lease.and_then(|lease| self.engine.lease_of(*task, lease.agent));
            lease.zip(length).is_some_and(|(lease, length)| lease.expires_at <= now + length * 2 / 3)
        };
        let leases: Vec<_> = attempts.filter(is_due).collect();
        (!leases.is_empty()).then_some(Command::Renew(leases))
    }

    /// Returns whether something of this coordinator is under way.
    pub(crate) fn has_work(&self) -> bool {
        let me = self.engine.me();
        let tasks = self.state().projects().iter().flat_map(|project| &project.tasks);
        // What waits for people is not waited for.
        let moving = tasks.filter(|record| record.state.name() != StateName::AwaitingApproval);
        let mut leases = moving.filter_map(|record| record.state.lease());
        leases.any(|lease| Some(lease.instance) == me)
    }

    /// Returns whether nothing will happen to a project any more unless somebody does something.
    pub(crate) fn is_settled(&self, project: ProjectKey) -> bool {
        self.engine.is_settled(project)
    }
}
