//! `task`: what people change of a task, and how an agent that is a script takes part.

mod agent;

use agent_coordinator::engine::{Command, Reach};
use serde_json::json;
use state_store::task::TaskKey;

use crate::asking;
use crate::cli::{AskingArgs, CancelArgs, CompleteArgs, PriorityArgs, RetryArgs, TaskArgs, TaskCommand};
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::project_view::ProjectView;
use crate::terminal::Terminal;

/// Changes a task, or takes part.
pub fn run(args: &TaskArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        TaskCommand::Hold(args) => change(&args.asking, &args.task, config, terminal, Command::Hold),
        TaskCommand::Resume(args) => change(&args.asking, &args.task, config, terminal, Command::Resume),
        TaskCommand::Cancel(args) => cancel(args, config, terminal),
        TaskCommand::Retry(args) => retry(args, config, terminal),
        TaskCommand::Complete(args) => complete(args, config, terminal),
        TaskCommand::Priority(args) => change_priority(args, config, terminal),
        TaskCommand::Acquire(args) => agent::acquire(args, config, terminal),
        TaskCommand::Heartbeat(args) => agent::heartbeat(args, config, terminal),
        TaskCommand::Checkpoint(args) => agent::checkpoint(args, config, terminal),
        TaskCommand::Fail(args) => agent::fail(args, config, terminal),
        TaskCommand::Release(args) => agent::release(args, config, terminal),
    }
}

fn change(
    asking: &AskingArgs,
    task: &str,
    config: &Config,
    terminal: &Terminal,
    command: impl FnOnce(TaskKey) -> Command,
) -> Result<Exit, CliError> {
    let mut view = ProjectView::open(&asking.place, config)?;
    let key = view.find_task(task, asking.project.as_deref())?;
    view.ask(asking::request(asking, command(key)))?;
    tell(&view, key, asking, &[], terminal)
}

fn cancel(args: &CancelArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let asking = &args.asking;
    let reason = args.reason.clone();
    let Some(task) = &args.task else {
        let mut view = ProjectView::open(&asking.place, config)?;
        let projects = view.projects_named(asking.project.as_deref())?;
        for project in &projects {
            let command = Command::CancelProject { project: *project, reason: reason.clone() };
            view.ask(asking::request(asking, command))?;
        }
        let name = asking.project.as_deref().unwrap_or_default();
        if asking.json {
            terminal.json(&json!({ "version": 1, "project": name, "state": "cancelled" }))?;
        } else {
            terminal.line(format!("all of {} that was not over is called off", escaped(name)))?;
        }
        return Ok(Exit::Fine);
    };
    let reach = if args.dependents { Reach::Dependents } else { Reach::Task };
    change(asking, task, config, terminal, |task| Command::Cancel { task, reason, reach })
}

fn retry(args: &RetryArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let asking = &args.asking;
    let mut view = ProjectView::open(&asking.place, config)?;
    let task = view.find_task(&args.task, asking.project.as_deref())?;
    let reach = if args.dependents { Reach::Dependents } else { Reach::Task };
    let after: Vec<String> =
        view.engine().completed_dependents(task).into_iter().map(|key| view.engine().task_id(key)).collect();
    view.ask(asking::request(asking, Command::Reopen { task, reach }))?;
    tell(&view, task, asking, &after, terminal)?;
    if !asking.json && !after.is_empty() {
        let what = if args.dependents { "done again too" } else { "completed, and stay so" };
        terminal.line(format!("{what}: {}", escaped(&after.join(", "))))?;
    }
    Ok(Exit::Fine)
}

fn complete(args: &CompleteArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let asking = &args.asking;
    if let (Some(token), Some(agent)) = (args.token, &args.agent) {
        return agent::complete(asking, &args.task, agent, token, config, terminal);
    }
    let reason = args.reason.clone().unwrap_or_default();
    change(asking, &args.task, config, terminal, |task| Command::CompleteByHand { task, reason })
}

fn change_priority(args: &PriorityArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let asking = &args.asking;
    let mut view = ProjectView::open(&asking.place, config)?;
    let key = view.find_task(&args.task, asking.project.as_deref())?;
    let mut task =
        view.engine().state().projects()[key.project.index()].plan.tasks[key.task as usize].clone();
    task.priority = args.priority;
    view.ask(asking::request(asking, Command::SetTasks { project: key.project, tasks: vec![task] }))?;
    tell(&view, key, asking, &[], terminal)
}

/// Tells where the task stands now.
fn tell(
    view: &ProjectView,
    key: TaskKey,
    asking: &AskingArgs,
    completed_after: &[String],
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let state = view.engine().state();
    let (id, name) = (view.engine().task_id(key), state.task(key).map(|record| record.state.name()));
    let project = state.project(key.project).map(|project| project.name.as_str()).unwrap_or_default();
    if asking.json {
        terminal.json(&json!({
            "version": 1,
            "project": project,
            "task": id,
            "state": name,
            "completed_after": completed_after,
        }))?;
    } else if let Some(name) = name {
        terminal.line(format!("{} is {name}", escaped(&id)))?;
    }
    Ok(Exit::Fine)
}
