//! `approve` and `reject`: somebody agrees that a task goes on, or does not.

use agent_coordinator::engine::{Command, Gate};
use serde_json::json;
use state_store::task::{Review, TaskKey};

use crate::asking;
use crate::cli::ReviewArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::project_view::ProjectView;
use crate::terminal::Terminal;

/// Agrees.
pub fn approve(args: &ReviewArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let command = |task, review| Command::Approve { task, review };
    ask(args, config, terminal, "approved", command)
}

/// Does not.
pub fn reject(args: &ReviewArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let command = |task, review| Command::Reject { task, review };
    ask(args, config, terminal, "rejected", command)
}

fn ask(
    args: &ReviewArgs,
    config: &Config,
    terminal: &Terminal,
    told: &str,
    command: impl FnOnce(TaskKey, Review) -> Command,
) -> Result<Exit, CliError> {
    let mut view = ProjectView::open(&args.asking.place, config)?;
    let task = view.find_task(&args.task, args.asking.project.as_deref())?;
    let gate = view.engine().closed_gate(task);
    let review = Review { by: args.by.clone(), comment: args.comment.clone() };
    view.ask(asking::request(&args.asking, command(task, review)))?;
    let state = view.engine().state().task(task).map(|record| record.state.name());
    if args.asking.json {
        let id = view.engine().task_id(task);
        terminal.json(&json!({ "version": 1, "task": id, "gate": gate, "review": told, "state": state }))?;
    } else {
        let what = match gate {
            Some(Gate::Start) => "the start of ",
            Some(Gate::Landing) => "the result of ",
            // A request that was made before: its first answer counts.
            None => "",
        };
        let state = state.map_or("", |state| state.as_str());
        terminal.line(format!("{what}{} is {told}; it is {state}", escaped(&args.task)))?;
    }
    Ok(Exit::Fine)
}
