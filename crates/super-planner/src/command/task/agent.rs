//! How an agent that is only a script takes part: each command is one turn of a coordinator of one agent.

use std::time::Duration;

use agent_coordinator::engine::{Command, Policy};
use agent_coordinator::{ScriptAgent, ScriptAgentError};
use serde_json::json;
use state_store::StreamName;
use state_store::task::{FailureReason, FencingToken, Handover, Lease, ProjectKey, TaskKey};

use crate::asking;
use crate::cli::{AcquireArgs, AskingArgs, HeldTaskArgs, WordArgs};
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::project_view::find_task;
use crate::state_location::StateLocation;
use crate::terminal::Terminal;

/// Takes the next task that the agent can do; the one that it has, if it has one.
pub(super) fn acquire(args: &AcquireArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut agent = open(&args.asking, &args.agent, config)?.with_lease(args.lease);
    agent = agent.with_labels(args.labels.clone());
    let can = args.can.iter().map(String::as_str).collect();
    let Some((task, lease)) = agent.acquire(&can, args.asking.project.as_deref())? else {
        if args.asking.json {
            terminal.json(&json!({ "version": 1, "task": null }))?;
        } else {
            terminal.line("there is no task for it now")?;
        }
        return Ok(Exit::Problems);
    };
    tell_task(&agent, task, &lease, args.asking.json, terminal)?;
    Ok(Exit::Fine)
}

/// Prolongs the lease.
pub(super) fn heartbeat(args: &HeldTaskArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut agent = open(&args.asking, &args.agent, config)?;
    let task = find(&agent, &args.task, args.asking.project.as_deref())?;
    let prolonged = agent.heartbeat(task, FencingToken::new(args.token), asking::id(&args.asking));
    let expires_at = prolonged.map_err(|error| match error {
        ScriptAgentError::LeaseOver { token, state } => {
            let task = escaped(&args.task);
            let message = format!("the lease on {task} under token {token} is over: it is {state}");
            CliError::new(ErrorKind::Refused, message).hint("stop working on it: nothing of it is accepted")
        }
        error => error.into(),
    })?;
    if args.asking.json {
        terminal
            .json(&json!({ "version": 1, "task": args.task, "expires_at_ms": expires_at.as_millis() }))?;
    } else {
        let left: Duration = expires_at.since(agent.now());
        let (task, left) = (escaped(&args.task), humantime::format_duration(left));
        terminal.line(format!("{task} is yours for {left} more"))?;
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
    let mut agent = open(args, agent, config)?;
    if agent.state().agent_named(&held.agent).is_none() {
        return Err(CliError::new(ErrorKind::NotFound, "there is no agent of that name"));
    }
    let key = find(&agent, task, args.project.as_deref())?;
    agent.complete(key, FencingToken::new(token), asking::id(args))?;
    tell_state(&agent, key, &held, terminal)
}

fn report(
    args: &HeldTaskArgs,
    config: &Config,
    terminal: &Terminal,
    command: impl FnOnce(TaskKey, FencingToken) -> Command,
) -> Result<Exit, CliError> {
    let mut agent = open(&args.asking, &args.agent, config)?;
    let task = find(&agent, &args.task, args.asking.project.as_deref())?;
    agent.report(asking::request(&args.asking, command(task, FencingToken::new(args.token))))?;
    tell_state(&agent, task, args, terminal)
}

fn open(args: &AskingArgs, agent: &str, config: &Config) -> Result<ScriptAgent, CliError> {
    let store = StateLocation::find(&args.place, config)?.open_existing()?;
    let policy = Policy {
        lease: config.lease.value,
        failures_max: config.failures_max.value,
        losses_max: config.losses_max.value,
        ..Policy::default()
    };
    Ok(ScriptAgent::open(store, StreamName::workspace(), agent, policy)?)
}

fn find(agent: &ScriptAgent, id: &str, project: Option<&str>) -> Result<TaskKey, CliError> {
    let projects = (0..).map(ProjectKey).zip(agent.state().projects());
    let named = projects.filter(|(_, found)| project.is_none_or(|name| found.name == name));
    let named: Vec<ProjectKey> = named.map(|(key, _)| key).collect();
    find_task(agent.state(), &named, id)
}

fn tell_task(
    agent: &ScriptAgent,
    key: TaskKey,
    lease: &Lease,
    as_json: bool,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let project = &agent.state().projects()[key.project.index()];
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

fn tell_state(
    agent: &ScriptAgent,
    key: TaskKey,
    args: &HeldTaskArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let name = agent.state().task(key).map(|record| record.state.name());
    if args.asking.json {
        terminal.json(&json!({ "version": 1, "task": args.task, "token": args.token, "state": name }))?;
    } else if let Some(name) = name {
        terminal.line(format!("{} is {name}", escaped(&args.task)))?;
    }
    Ok(Exit::Fine)
}
