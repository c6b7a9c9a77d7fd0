//! An agent that takes part by itself, without a coordinator that stays: each thing that it asks is one turn of a coordinator
//! of one agent.
//!
//! The coordinator's id follows from the agent's name, so that each turn, of whichever process, goes on where the last one
//! was; its lease is as long as that of a task. An agent that says nothing for so long is taken over from, as any other
//! coordinator, and goes on as the next one.

use std::sync::Arc;
use std::time::Duration;

use planner_core::CapabilitySet;
use state_store::task::{
    Deliverable, FencingToken, Host, InstanceStatus, Lease, ProjectKey, RequestId, State, StateName, TaskKey,
    TaskState,
};
use state_store::{StateStore, StreamName, Timestamp};

use crate::engine::{AgentSpec, Command, Engine, Policy, Refusal, Request};
use crate::host::is_at_work;
use crate::planted::{PlantedBug, is_planted};
use crate::process_owner::{self, ProcessOwner};
use crate::turn::{TurnError, load, patient_turn};

/// An agent that asks the log itself.
#[derive(Debug)]
pub struct ScriptAgent {
    name: String,
    /// How long its leases last where the task does not say, if it asks for that.
    lease: Option<Duration>,
    /// What people tell it by.
    labels: Vec<String>,
    store: Arc<dyn StateStore>,
    stream: StreamName,
    engine: Engine,
}

/// Why an agent did not get what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum ScriptAgentError {
    /// The turn came to nothing.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// It was refused, and nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What it asked to prolong is over: nothing of it is accepted any more.
    #[error("the lease under token {token} is over: the task is {state}")]
    LeaseOver {
        /// The token that it showed.
        token: FencingToken,
        /// Where the task stands.
        state: StateName,
    },
}

impl ScriptAgent {
    /// Returns the agent of that name, once it knows the log. Leases are as long as the policy says; those of its coordinator
    /// too.
    pub fn open(
        store: Arc<dyn StateStore>,
        stream: StreamName,
        name: &str,
        mut policy: Policy,
    ) -> Result<Self, TurnError> {
        policy.instance_lease = policy.lease;
        let mut engine = Engine::observer(policy);
        load(&mut engine, &*store, &stream)?;
        let mut agent =
            Self { name: name.to_owned(), lease: None, labels: Vec::new(), store, stream, engine };
        agent.begin_life();
        Ok(agent)
    }

    /// Is told by these words where it asks for a task from now on.
    pub fn with_labels(self, labels: Vec<String>) -> Self {
        Self { labels, ..self }
    }

    /// Asks for leases of that length from now on, where the task does not say.
    pub fn with_lease(self, lease: Option<Duration>) -> Self {
        Self { lease, ..self }
    }

    /// Returns the state of the workspace, as it was when it last asked something.
    pub fn state(&self) -> &State {
        self.engine.state()
    }

    /// Returns the present moment by the clock of the store.
    pub fn now(&self) -> Timestamp {
        self.store.now()
    }

    /// Returns the task that it has or, where it has none, the next one that it can do, of that project or of any; none where
    /// there is none for it now. The task has been started.
    pub fn acquire(
        &mut self,
        can: &CapabilitySet,
        project: Option<&str>,
    ) -> Result<Option<(TaskKey, Lease)>, ScriptAgentError> {
        load(&mut self.engine, &*self.store, &self.stream)?;
        if self.engine.is_deposed() {
            self.begin_life();
        }
        if self.held().is_none() {
            self.join(can, project)?;
        }
        let Some((task, lease)) = self.held() else { return Ok(None) };
        if matches!(self.state().task(task).map(|record| &record.state), Some(TaskState::Assigned(_))) {
            let start = Command::Start { task, token: lease.token };
            self.ask(&[start.into(), Command::RenewInstance.into()])?;
        }
        Ok(Some((task, lease)))
    }

    /// Prolongs a lease; returns until when it lasts now.
    pub fn heartbeat(
        &mut self,
        task: TaskKey,
        token: FencingToken,
        id: Option<RequestId>,
    ) -> Result<Timestamp, ScriptAgentError> {
        self.engine.drain();
        self.ask(&[
            Command::RenewInstance.into(),
            Request { id, command: Command::Renew(vec![(task, token)]) },
        ])?;
        let record = self.state().task(task).ok_or(Refusal::NoSuchTask { task })?;
        match record.state.occupying_lease() {
            Some(lease) if lease.token == token => Ok(lease.expires_at),
            _ => Err(ScriptAgentError::LeaseOver { token, state: record.state.name() }),
        }
    }

    /// Reports about a task, and takes no other one for it.
    pub fn report(&mut self, request: Request) -> Result<(), ScriptAgentError> {
        self.engine.drain();
        let lease = match self.held() {
            // Nobody is to wait for this agent where it dies before its result is looked after by others.
            Some((task, lease)) if is_end_of(&request.command, task, lease.token) => {
                self.engine.policy().lease
            }
            _ => self.longest_lease(),
        };
        let answers = self.take_turn(&[request, Command::RenewInstance.into()], lease)?;
        Ok(answers.into_iter().next().unwrap_or(Ok(()))?)
    }

    /// Delivers a task. What it has made is where it has put it: nothing is landed.
    pub fn complete(
        &mut self,
        task: TaskKey,
        token: FencingToken,
        id: Option<RequestId>,
    ) -> Result<(), ScriptAgentError> {
        // One that has never asked for a task has no key, and no token either.
        let agent = self.state().agent_named(&self.name);
        let Some(agent) = agent else { return Err(Refusal::NotBegun.into()) };
        let command = Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles };
        self.report(Request { id, command })?;
        if matches!(self.state().task(task).map(|record| &record.state), Some(TaskState::Verifying { .. })) {
            // Its check is for a coordinator that stays: one adopts what the agent leaves.
            self.ask(&[Command::End.into()])?;
        }
        Ok(())
    }

    /// One that was taken over from does not come back: the agent goes on as the next one.
    fn begin_life(&mut self) {
        let instances = self.engine.state().instances();
        let is_over = |id: &[u8; 16]| {
            let found = instances.iter().rfind(|instance| instance.id == *id);
            found.is_some_and(|instance| instance.status == InstanceStatus::Ended)
        };
        let ids = (0_u64..).map(|life| RequestId::from_text(&format!("agent {} {life}", self.name)).0);
        let id = ids.into_iter().find(|id| !is_over(id)).expect("there is no end of numbers");
        let mut engine = Engine::new(id, self.engine.policy().clone());
        engine.set(self.engine.state().clone());
        self.engine = engine;
    }

    /// Begins where it has not, takes over from those that are gone, and is handed a task in the same turn, if there is one.
    fn join(&mut self, can: &CapabilitySet, project: Option<&str>) -> Result<(), TurnError> {
        self.engine.hand_out();
        let now = self.store.now();
        let state = self.engine.state();
        let gone = self
            .engine
            .take_overs(|instance| is_at_work(instance, now) && !is_planted(PlantedBug::TakenOverTooEarly));
        let projects = (0..).map(ProjectKey).zip(state.projects());
        let joined = projects.filter(|(_, found)| project.is_none_or(|name| found.name == name));
        let joined: Vec<_> =
            joined.filter(|(key, _)| !self.engine.serves(*key)).map(|(key, _)| Command::Join(key)).collect();
        let spec = AgentSpec {
            name: self.name.clone(),
            capabilities: can.clone(),
            slots: 1,
            lease: self.lease,
            labels: self.labels.clone(),
        };
        let host = Host::NOBODY;
        let begin = if self.engine.me().is_none() { Command::Begin { host } } else { Command::RenewInstance };
        let commands = std::iter::once(begin).chain(gone).chain(joined);
        let commands = commands.chain([Command::RegisterAgents(vec![spec])]);
        let requests: Vec<Request> = commands.map(Request::from).collect();
        self.ask(&requests)?;
        Ok(())
    }

    /// Takes a turn. Its coordinator's own lease is as long as that on the task that it has: nobody else looks after it.
    fn ask(&mut self, requests: &[Request]) -> Result<Vec<Result<(), Refusal>>, TurnError> {
        self.take_turn(requests, self.longest_lease())
    }

    fn longest_lease(&self) -> Duration {
        let held = self.held().and_then(|(task, lease)| self.engine.lease_of(task, lease.agent));
        let common = self.engine.policy().lease;
        held.map_or(common, |held| held.max(common))
    }

    /// Takes a turn with its coordinator's own lease that long.
    fn take_turn(
        &mut self,
        requests: &[Request],
        lease: Duration,
    ) -> Result<Vec<Result<(), Refusal>>, TurnError> {
        self.engine.set_instance_lease(lease);
        let turn = patient_turn(&mut self.engine, &*self.store, &self.stream, requests)?;
        if let Some(me) = self.engine.me() {
            let own = ProcessOwner::new(self.state().instances()[me.0 as usize].id);
            process_owner::kill_of_ended(&turn.events, self.state(), own);
        }
        Ok(turn.answers.into_iter().map(|answer| answer.map(drop)).collect())
    }

    /// Returns the task that the agent has, under a lease that lasts.
    fn held(&self) -> Option<(TaskKey, Lease)> {
        let (me, now) = (self.engine.me()?, self.store.now());
        let projects = (0..).map(ProjectKey).zip(self.engine.state().projects());
        let mut leases = projects.flat_map(|(project, found)| {
            let leased = (0..).zip(&found.tasks);
            leased.filter_map(move |(task, record)| {
                Some((TaskKey { project, task }, *record.state.occupying_lease()?))
            })
        });
        leases.find(|(_, lease)| lease.instance == me && lease.expires_at > now)
    }
}

/// Returns whether a command hands a task in or gives it back.
fn is_end_of(command: &Command, held: TaskKey, under: FencingToken) -> bool {
    match command {
        Command::Deliver { task, token, .. }
        | Command::Fail { task, token, .. }
        | Command::GiveUp { task, token } => (*task, *token) == (held, under),
        _ => false,
    }
}
