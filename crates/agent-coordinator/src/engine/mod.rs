//! The pure heart: what a command decides, what the dispatcher hands out, what follows from the state.
//!
//! No clock, no files, no threads, no randomness: time comes with each call. [`Engine::decide`] changes nothing;
//! [`Engine::apply`] decides nothing; what must be done in the world is told as [`Effect`]s.

mod agents;
mod approval;
mod assign;
mod before;
mod claims;
mod command;
mod decide;
mod effect;
mod explain;
mod follow;
mod learnt;
mod lifecycle;
mod policy;
mod progress;
mod ready_queue;
mod retry;
mod roster;
mod take_over;

pub use agents::AgentCondition;
pub use approval::Gate;
pub use command::{AgentSpec, Command, Decision, Pausable, Reach, Refusal, Request};
pub use effect::Effect;
pub use explain::{Blocker, Explanation, IdleReason};
pub use policy::Policy;

use std::collections::BTreeSet;
use std::time::Duration;

use planner_core::graph::TaskIndex;
use state_store::task::{
    AgentKey, BrokenInvariant, Event, InstanceKey, InstanceStatus, Project, ProjectKey, State, TaskKey,
    TaskState, UnfitEvent,
};
use state_store::{Recorded, Seq, Timestamp};

use before::Before;
use claims::Grounds;
use learnt::Learnt;
use progress::Progress;
use ready_queue::ReadyQueue;
use roster::Roster;

/// The state of a workspace, with what the dispatcher derives from it.
#[derive(Debug)]
pub struct Engine {
    /// Which coordinator this is, by its id; commands that only look have none.
    id: Option<[u8; 16]>,
    me: Option<InstanceKey>,
    policy: Policy,
    state: State,
    /// By project: which nodes of the graph are reached.
    progress: Vec<Progress>,
    /// By project: the tasks that could be handed out now.
    ready: Vec<ReadyQueue>,
    /// Who writes what, and who waits for that.
    grounds: Grounds,
    /// By project: how long tasks take.
    learnt: Vec<Learnt>,
    /// The tasks that could be handed out at a later moment.
    delayed: BTreeSet<(Timestamp, TaskKey)>,
    /// The leases that keep agents busy, by the moment they end.
    expiries: BTreeSet<(Timestamp, TaskKey)>,
    /// The agents that this coordinator hands tasks to.
    roster: Roster,
    /// Tasks that wait for a failure which cannot happen any more.
    not_needed: BTreeSet<TaskKey>,
    /// The projects of which as many attempts have failed as they allow.
    stopping: BTreeSet<ProjectKey>,
    is_draining: bool,
}

impl Engine {
    /// Returns the engine of a coordinator, before its first entry of the log.
    pub fn new(id: [u8; 16], policy: Policy) -> Self {
        Self { id: Some(id), ..Self::observer(policy) }
    }

    /// Returns an engine that hands out nothing and only answers questions.
    pub fn observer(policy: Policy) -> Self {
        Self {
            id: None,
            me: None,
            policy,
            state: State::default(),
            progress: Vec::new(),
            ready: Vec::new(),
            grounds: Grounds::default(),
            learnt: Vec::new(),
            delayed: BTreeSet::new(),
            expiries: BTreeSet::new(),
            roster: Roster::default(),
            not_needed: BTreeSet::new(),
            stopping: BTreeSet::new(),
            is_draining: false,
        }
    }

    /// Goes on from a state that was loaded instead of being followed event by event.
    pub fn set(&mut self, state: State) {
        let me = state.instances().iter().position(|instance| Some(instance.id) == self.id);
        *self = Self {
            id: self.id,
            me: me.map(|place| InstanceKey(place as u32)),
            state,
            is_draining: self.is_draining,
            learnt: std::mem::take(&mut self.learnt),
            ..Self::observer(self.policy.clone())
        };
        for agent in 0..self.state.agents().len() as u32 {
            self.follow_agent(AgentKey(agent));
        }
        for key in (0..self.state.projects().len() as u32).map(ProjectKey) {
            self.derive_project(key);
        }
    }

    /// Returns the state of the workspace.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns the place in the log up to which the engine knows.
    pub fn seq(&self) -> Seq {
        self.state.seq()
    }

    /// Returns the key under which this coordinator is recorded.
    pub fn me(&self) -> Option<InstanceKey> {
        self.me
    }

    /// Returns whether this coordinator has begun and has ended, by its own command or because another one found it gone.
    pub fn is_deposed(&self) -> bool {
        let own = self.me.and_then(|me| self.state.instance(me));
        own.is_some_and(|own| own.status == InstanceStatus::Ended)
    }

    /// Returns whether this coordinator works on a project: it hands out the tasks of no other.
    pub fn serves(&self, project: ProjectKey) -> bool {
        let coordinators = self.state.project(project).map(|project| &project.coordinators);
        self.me.zip(coordinators).is_some_and(|(me, coordinators)| coordinators.contains(&me))
    }

    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Has this coordinator's own lease last so long from its next renewal on.
    pub(crate) fn set_instance_lease(&mut self, lease: Duration) {
        self.policy.instance_lease = lease;
    }

    /// Hands out no more tasks from now on; what is under way goes on.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Hands out tasks, also where it was told not to before.
    pub fn hand_out(&mut self) {
        self.is_draining = false;
    }

    /// Applies an entry of the log that somebody else, or an earlier run, appended.
    pub fn apply_recorded(&mut self, recorded: &Recorded) -> Result<Event, UnfitEvent> {
        let event = Event::of(recorded)?;
        self.apply(&event, recorded.at)?;
        Ok(event)
    }

    /// Applies an event. Where it does not fit, nothing changes.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), UnfitEvent> {
        match event {
            Event::Task { task, transition } => {
                let before = self.state.task(*task).map(|record| Before::of(&record.state));
                self.state.apply(event, at)?;
                match before {
                    // What was reached is not any more: rare enough to begin anew.
                    Some(before) if before.is_settled => self.derive_again(task.project),
                    Some(before) => self.follow_task(*task, before, transition, at),
                    None => {}
                }
            }
            Event::TasksSet { project, .. }
            | Event::RulesSet { project, .. }
            | Event::ProjectSettingsChanged { project, .. } => {
                self.state.apply(event, at)?;
                self.derive_again(*project);
            }
            Event::AgentPaused { agent, .. } => {
                self.state.apply(event, at)?;
                self.follow_agent(*agent);
            }
            Event::ProjectAdded { .. } => {
                self.state.apply(event, at)?;
                self.follow_project(ProjectKey(self.progress.len() as u32));
            }
            Event::InstanceStarted { id, .. } => {
                self.state.apply(event, at)?;
                if self.id == Some(*id) {
                    self.me = Some(InstanceKey(self.state.instances().len() as u32 - 1));
                }
            }
            Event::AgentRegistered { name, .. } => {
                self.state.apply(event, at)?;
                if let Some(agent) = self.state.agent_named(name) {
                    self.follow_agent(agent);
                }
            }
            Event::InstanceEnded { instance } => {
                self.state.apply(event, at)?;
                for agent in 0..self.state.agents().len() as u32 {
                    if self.state.agents()[agent as usize].instance == *instance {
                        self.follow_agent(AgentKey(agent));
                    }
                }
            }
            Event::InstanceRenewed { .. }
            | Event::LateResult { .. }
            | Event::Answered { .. }
            | Event::TokensRaised { .. }
            | Event::ProjectEntered { .. } => {
                self.state.apply(event, at)?;
            }
            Event::ProjectPaused { project, .. } | Event::FailuresReached { project } => {
                self.state.apply(event, at)?;
                self.follow_failures(*project);
            }
        }
        Ok(())
    }

    /// Returns the next moment at which time alone changes something here.
    pub fn next_due(&self) -> Option<Timestamp> {
        let delayed = self.delayed.first().map(|(until, _)| *until);
        let expiry = self.expiries.first().map(|(at, _)| *at);
        delayed.into_iter().chain(expiry).min()
    }

    /// Returns whether nothing will happen to a project any more unless somebody does something.
    pub fn is_settled(&self, key: ProjectKey) -> bool {
        let Some(project) = self.state.project(key) else {
            return true;
        };
        // While anybody is at work, nothing else needs to be looked at.
        if self.roster.in_use_by(key) > 0 {
            return false;
        }
        let is_moving = |(place, record): (usize, &state_store::task::TaskRecord)| match &record.state {
            TaskState::Assigned(_)
            | TaskState::Running(_)
            | TaskState::Verifying { .. }
            | TaskState::Landing { .. } => true,
            TaskState::Backoff { .. } | TaskState::Pending | TaskState::InConflict(_)
                if project.pause.is_some() =>
            {
                false
            }
            TaskState::Backoff { .. } | TaskState::Pending | TaskState::InConflict(_) => {
                let task = TaskKey::new(key, TaskIndex(place as u32));
                (self.is_unhindered(project, task) || self.waits_for_another_project(task))
                    && self.roster.has_somebody_for(&project.plan.tasks[place].capabilities)
            }
            TaskState::Completed(_)
            | TaskState::AwaitingApproval { .. }
            | TaskState::OnHold
            | TaskState::Failed { .. }
            | TaskState::Cancelled(_) => false,
        };
        !project.tasks.iter().enumerate().any(is_moving)
    }

    /// Returns whether a task waits for nothing but the files that one of another project writes, and somebody moves that one.
    fn waits_for_another_project(&self, key: TaskKey) -> bool {
        let holder = self.grounds.of(key.project).holder(key).filter(|holder| holder.project != key.project);
        let state = holder.and_then(|holder| self.state.task(holder)).map(|record| &record.state);
        let owner = state.and_then(TaskState::lease).and_then(|lease| self.state.instance(lease.instance));
        owner.is_some_and(|owner| owner.status != InstanceStatus::Ended)
            && !matches!(state, Some(TaskState::AwaitingApproval { .. }))
    }

    /// Returns whether a task could be handed out, if an agent for it were free: the dispatcher's own predicate.
    pub fn is_ready(&self, key: TaskKey) -> bool {
        let Some(project) = self.state.project(key.project) else { return false };
        let may_run = matches!(project.task(key.task()).state, TaskState::Pending | TaskState::InConflict(_));
        may_run && self.is_unhindered(project, key)
    }

    /// Returns whether neither a dependency, nor somebody's approval, nor a file that another task writes keeps a task from
    /// running.
    fn is_unhindered(&self, project: &Project, key: TaskKey) -> bool {
        self.progress[key.project.index()].is_free(project, key.task())
            && !approval::is_start_gated(project, key)
            && self.grounds.of(key.project).holder(key).is_none()
    }

    /// Returns whether a task is completed, or every task of a group done or called off.
    pub fn is_reached(&self, key: TaskKey) -> bool {
        let Some(project) = self.state.project(key.project) else {
            return false;
        };
        self.progress[key.project.index()].is_reached(project.graph.finish_of(key.task()))
    }

    /// Checks what must hold of the state and of what is derived from it.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        self.state.check_invariants()?;
        // What was learnt does not follow from the state.
        let learnt = self.learnt.clone();
        let mut fresh = Self { id: self.id, learnt, ..Self::observer(self.policy.clone()) };
        fresh.set(self.state.clone());
        let same = |place: &str, holds: bool| {
            let what = "what is kept differs from what follows from the state".to_owned();
            if holds { Ok(()) } else { Err(BrokenInvariant { place: place.to_owned(), what }) }
        };
        same("progress", self.progress == fresh.progress)?;
        same("the ready tasks", self.ready == fresh.ready)?;
        same("the write sets", self.grounds.agree_with(&fresh.grounds))?;
        same("what is to be stopped", self.stopping == fresh.stopping)?;
        same("the delayed tasks", self.delayed == fresh.delayed)?;
        same("the leases", self.expiries == fresh.expiries)?;
        same("the slots in use", self.roster.uses().eq(fresh.roster.uses()))?;
        self.roster.check_slots()
    }
}
