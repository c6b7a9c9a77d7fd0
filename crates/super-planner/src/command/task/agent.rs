//! How an agent that is only a script takes part: each command is a coordinator of one agent, for one turn.
//!
//! Its coordinator's id follows from the agent's name, so that each command goes on where the last one was; its lease is
//! as long as that of a task. An agent that says nothing for so long is taken over from, as any other coordinator.

use std::sync::Arc;

use agent_coordinator::engine::{AgentSpec, Command, Engine, Policy, Request};
use agent_coordinator::{is_at_work, load, turn};
use serde_json::json;
use state_store::task::{
    Accepted, Deliverable, FailureReason, FencingToken, Handover, Host, InstanceKey, InstanceStatus, Lease,
    ProjectKey, RequestId, TaskKey, TaskState,
};
use state_store::{StateStore, StreamName};

use crate::asking;
use crate::cli::{AcquireArgs, AskingArgs, HeldTaskArgs, WordArgs};
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::state_location::StateLocation;
use crate::terminal::Terminal;

/// Takes the next task that the agent can do; the one that it has, if it has one.
pub(super) fn acquire(args: &AcquireArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut desk = ScriptDesk::open(&args.asking, &args.agent, config)?;
    let held = match desk.held() {
        Some(held) => Some(held),
        None => {
            desk.join(&args.agent, &args.can, args.asking.project.as_deref())?;
            desk.held()
        }
    };
    let Some((task, lease)) = held else {
        if args.asking.json {
            terminal.json(&json!({ "version": 1, "task": null }))?;
        } else {
            terminal.line("there is no task for it now")?;
        }
        return Ok(Exit::Problems);
    };
    if matches!(desk.engine.state().task(task).map(|record| &record.state), Some(TaskState::Assigned(_))) {
        desk.ask(&[Command::Start { task, token: lease.token }.into()])?;
    }
    desk.tell_task(task, &lease, args.asking.json, terminal)?;
    Ok(Exit::Fine)
}

/// Prolongs the lease.
pub(super) fn heartbeat(args: &HeldTaskArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut desk = ScriptDesk::open(&args.asking, &args.agent, config)?;
    let task = desk.find(&args.task, args.asking.project.as_deref())?;
    let token = FencingToken::new(args.token);
    desk.engine.drain();
    let renew = asking::request(&args.asking, Command::Renew(vec![(task, token)]));
    desk.ask(&[Command::RenewInstance.into(), renew])?;
    let state = desk.engine.state().task(task).map(|record| &record.state);
    let lease = state.and_then(TaskState::occupying_lease).filter(|lease| lease.token == token);
    let Some(lease) = lease else {
        let name = state.map(TaskState::name).map(|name| name.to_string()).unwrap_or_default();
        let message =
            format!("the lease on {} under token {token} is over: it is {name}", escaped(&args.task));
        return Err(
            CliError::new(ErrorKind::Refused, message).hint("stop working on it: nothing of it is accepted")
        );
    };
    if args.asking.json {
        terminal.json(
            &json!({ "version": 1, "task": args.task, "expires_at_ms": lease.expires_at.as_millis() }),
        )?;
    } else {
        let left = lease.expires_at.since(desk.store.now());
        terminal.line(format!(
            "{} is yours for {} more",
            escaped(&args.task),
            humantime::format_duration(left)
        ))?;
    }
    Ok(Exit::Fine)
}

/// Leaves word.
pub(super) fn checkpoint(args: &WordArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let text = args.text.clone();
    report(&args.held, config, terminal, |task, token| Command::Checkpoint { task, token, text })
}

/// Says that the attempt has failed.
pub(super) fn fail(args: &WordArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let reason = FailureReason::Agent(args.text.clone());
    report(&args.held, config, terminal, |task, token| Command::Fail { task, token, reason })
}

/// Gives a task back.
pub(super) fn release(args: &HeldTaskArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    report(args, config, terminal, |task, token| Command::GiveUp { task, token })
}

/// Delivers a task. What the agent has made is where it has put it: nothing is landed.
pub(super) fn complete(
    args: &AskingArgs,
    task: &str,
    agent: &str,
    token: u64,
    config: &Config,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let held = HeldTaskArgs { task: task.to_owned(), agent: agent.to_owned(), token, asking: args.clone() };
    let mut desk = ScriptDesk::open(args, agent, config)?;
    let key = desk.find(task, args.project.as_deref())?;
    let agent = desk.engine.state().agent_named(agent);
    let agent = agent.ok_or_else(|| CliError::new(ErrorKind::NotFound, "there is no agent of that name"))?;
    let token = FencingToken::new(token);
    let deliver = Command::Deliver { task: key, token, agent, deliverable: Deliverable::NoFiles };
    desk.report(asking::request(args, deliver))?;
    let is_checked = matches!(
        desk.engine.state().task(key).map(|record| &record.state),
        Some(TaskState::Verifying { .. })
    );
    if is_checked {
        // Its check is for a coordinator that stays: one adopts what the agent leaves.
        desk.ask(&[Command::End.into()])?;
    }
    desk.tell_state(key, &held, terminal)
}

fn report(
    args: &HeldTaskArgs,
    config: &Config,
    terminal: &Terminal,
    command: impl FnOnce(TaskKey, FencingToken) -> Command,
) -> Result<Exit, CliError> {
    let mut desk = ScriptDesk::open(&args.asking, &args.agent, config)?;
    let task = desk.find(&args.task, args.asking.project.as_deref())?;
    desk.report(asking::request(&args.asking, command(task, FencingToken::new(args.token))))?;
    desk.tell_state(task, args, terminal)
}

/// The coordinator of one agent, for one command.
struct ScriptDesk {
    store: Arc<dyn StateStore>,
    stream: StreamName,
    engine: Engine,
}

impl ScriptDesk {
    fn open(args: &AskingArgs, agent: &str, config: &Config) -> Result<Self, CliError> {
        let (store, stream) =
            (StateLocation::find(&args.place, config)?.open_existing()?, StreamName::workspace());
        let policy = Policy {
            lease: config.lease.value,
            instance_lease: config.lease.value,
            failures_max: config.failures_max.value,
            ..Policy::default()
        };
        let mut engine = Engine::observer(policy.clone());
        load(&mut engine, &*store, &stream)?;
        // One that was taken over from does not come back: the agent goes on as the next one.
        let instances = engine.state().instances();
        let is_over = |id: &[u8; 16]| {
            let found = instances.iter().find(|instance| instance.id == *id);
            found.is_some_and(|instance| instance.status == InstanceStatus::Ended)
        };
        let ids = (0_u64..).map(|life| RequestId::from_text(&format!("agent {agent} {life}")).0);
        let id = ids.into_iter().find(|id| !is_over(id)).expect("there is no end of numbers");
        let state = engine.state().clone();
        let mut engine = Engine::new(id, policy);
        engine.set(state);
        Ok(Self { store, stream, engine })
    }

    fn ask(&mut self, requests: &[Request]) -> Result<Vec<Result<Accepted, CliError>>, CliError> {
        let turn = turn(&mut self.engine, &*self.store, &self.stream, requests)?;
        Ok(turn.answers.into_iter().map(|answer| answer.map_err(CliError::from)).collect())
    }

    /// Begins where it has not, takes over from those that are gone, and is handed a task in the same turn, if there is one.
    fn join(&mut self, agent: &str, can: &[String], project: Option<&str>) -> Result<(), CliError> {
        let now = self.store.now();
        let state = self.engine.state();
        let gone = (0..).map(InstanceKey).zip(state.instances()).filter(|(key, instance)| {
            let has_ended = instance.status == InstanceStatus::Ended;
            Some(*key) != self.engine.me() && !has_ended && !is_at_work(instance, now)
        });
        let gone: Vec<_> = gone.map(|(instance, _)| Command::TakeOver { instance }).collect();
        let projects = (0..).map(ProjectKey).zip(state.projects());
        let joined = projects.filter(|(_, found)| project.is_none_or(|name| found.name == name));
        let joined: Vec<_> =
            joined.filter(|(key, _)| !self.engine.serves(*key)).map(|(key, _)| Command::Join(key)).collect();
        let spec = AgentSpec {
            name: agent.to_owned(),
            capabilities: can.iter().map(String::as_str).collect(),
            slots: 1,
        };
        // No process stays that could be looked for: only its lease tells.
        let host = Host { boot: String::new(), pid: 0, started: 0 };
        let begin = if self.engine.me().is_none() { Command::Begin { host } } else { Command::RenewInstance };
        let commands = std::iter::once(begin).chain(gone).chain(joined);
        let commands = commands.chain([Command::RegisterAgents(vec![spec])]);
        let requests: Vec<Request> = commands.map(Request::from).collect();
        self.ask(&requests)?;
        Ok(())
    }

    /// Reports about a task, and takes no other one for it.
    fn report(&mut self, request: Request) -> Result<(), CliError> {
        self.engine.drain();
        let mut answers = self.ask(&[request, Command::RenewInstance.into()])?;
        answers.swap_remove(0)?;
        Ok(())
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

    fn find(&self, id: &str, project: Option<&str>) -> Result<TaskKey, CliError> {
        let projects = (0..).map(ProjectKey).zip(self.engine.state().projects());
        let named = projects.filter(|(_, found)| project.is_none_or(|name| found.name == name));
        let mut found = named.filter_map(|(key, found)| Some(TaskKey::new(key, found.graph.task_index(id)?)));
        let missing = || CliError::new(ErrorKind::NotFound, format!("there is no task `{}`", escaped(id)));
        let first = found.next().ok_or_else(missing)?;
        match found.next() {
            None => Ok(first),
            Some(_) => {
                let message = format!("several projects have a task `{}`", escaped(id));
                Err(CliError::new(ErrorKind::Usage, message).hint("--project says which"))
            }
        }
    }

    fn tell_task(
        &self,
        key: TaskKey,
        lease: &Lease,
        as_json: bool,
        terminal: &Terminal,
    ) -> Result<(), CliError> {
        let project = &self.engine.state().projects()[key.project.index()];
        let (task, record) = (&project.plan.tasks[key.task as usize], project.task(key.task()));
        let earlier = record.handover.as_deref().map(|handover| match handover {
            Handover::Failure(text) => text.clone(),
            Handover::Conflict(conflict) => format!("in conflict: {}", conflict.paths.join(", ")),
        });
        if as_json {
            return terminal.json(&json!({
                "version": 1,
                "project": project.name,
                "task": task.id,
                "title": task.title,
                "description": task.description,
                "token": lease.token.get(),
                "attempt": lease.attempt,
                "expires_at_ms": lease.expires_at.as_millis(),
                "idempotency_key": format!("{}/{}", project.name, task.id),
                "earlier_attempt": earlier,
                "checkpoint": record.checkpoint,
            }));
        }
        terminal.line(format!("{} under token {}: {}", task.id, lease.token, escaped(&task.title)))?;
        for (what, text) in
            [("earlier attempt", earlier.as_deref()), ("checkpoint", record.checkpoint.as_deref())]
        {
            if let Some(text) = text {
                terminal.line(format!("{what}: {}", escaped(text)))?;
            }
        }
        Ok(())
    }

    fn tell_state(&self, key: TaskKey, args: &HeldTaskArgs, terminal: &Terminal) -> Result<Exit, CliError> {
        let name = self.engine.state().task(key).map(|record| record.state.name());
        if args.asking.json {
            terminal.json(&json!({ "version": 1, "task": args.task, "token": args.token, "state": name }))?;
        } else if let Some(name) = name {
            terminal.line(format!("{} is {name}", escaped(&args.task)))?;
        }
        Ok(Exit::Fine)
    }
}
