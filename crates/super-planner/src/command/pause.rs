//! `pause` and `continue`: a project, or an agent, gets no more tasks for a while.

use agent_coordinator::engine::{Command, Pausable};
use serde_json::json;

use crate::asking;
use crate::cli::PauseArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::project_view::ProjectView;
use crate::terminal::Terminal;

/// Hands out nothing more of a project, or to an agent.
pub fn pause(args: &PauseArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    ask(args, config, terminal, Command::Pause, "is paused: what is under way goes on")
}

/// Lets it go on.
pub fn go_on(args: &PauseArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    ask(args, config, terminal, Command::Continue, "goes on")
}

fn ask(
    args: &PauseArgs,
    config: &Config,
    terminal: &Terminal,
    command: fn(Pausable) -> Command,
    told: &str,
) -> Result<Exit, CliError> {
    let mut view = ProjectView::open(&args.asking.place, config)?;
    let (what, name) = match &args.agent {
        Some(agent) => (Pausable::Agent(view.find_agent(agent)?), agent.clone()),
        None => {
            let projects = view.projects_named(args.asking.project.as_deref())?;
            let [project] = projects.as_slice() else {
                let message = format!("there are {} projects", projects.len());
                return Err(CliError::new(ErrorKind::Usage, message).hint("--project or --agent says which"));
            };
            let name = view.engine().state().projects()[project.index()].name.clone();
            (Pausable::Project(*project), name)
        }
    };
    view.ask(asking::request(&args.asking, command(what)))?;
    if args.asking.json {
        let is_paused = matches!(command(what), Command::Pause(_));
        terminal.json(&json!({ "version": 1, "name": name, "is_paused": is_paused }))?;
    } else {
        terminal.line(format!("{} {told}", escaped(&name)))?;
    }
    Ok(Exit::Fine)
}
