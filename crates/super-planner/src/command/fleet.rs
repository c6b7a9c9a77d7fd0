//! `agent`: the agents of a workspace, and what they are let do.

use agent_coordinator::engine::{AgentCondition, Command, IdleReason, Pausable};
use serde::Serialize;
use serde_json::json;
use state_store::task::AgentKey;

use crate::asking;
use crate::cli::{FleetArgs, FleetCommand, FleetListArgs, OneAgentArgs};
use crate::command::explain::Told;
use crate::command::presets;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::project_view::ProjectView;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, BUSY, HEADING, PLAIN, Terminal, WARN};

/// Lists the agents, or changes what one is let do.
pub fn run(args: &FleetArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        FleetCommand::List(args) => list(args, config, terminal),
        FleetCommand::Presets(args) => presets::run(args, config, terminal),
        FleetCommand::Drain(args) => {
            change(args, config, terminal, |agent| Command::Pause(Pausable::Agent(agent)))
        }
        FleetCommand::Stop(args) => change(args, config, terminal, Command::StopAgent),
        FleetCommand::Resume(args) => {
            change(args, config, terminal, |agent| Command::Continue(Pausable::Agent(agent)))
        }
    }
}

/// An agent as it is told.
#[derive(Debug, Serialize)]
struct ToldAgent {
    name: String,
    condition: AgentCondition,
    slots: u32,
    capabilities: Vec<String>,
    labels: Vec<String>,
    tasks: Vec<String>,
    /// Why it has nothing to do; `None` where it has something.
    idle: Option<IdleReason>,
}

impl ToldAgent {
    fn of(view: &ProjectView, key: AgentKey) -> Option<Self> {
        let (engine, agent) = (view.engine(), view.engine().state().agent(key)?);
        let reason = engine.explain_agent(key);
        Some(Self {
            name: agent.name.clone(),
            condition: engine.agent_condition(key, &|coordinator| view.is_at_work(coordinator))?,
            slots: agent.slots,
            capabilities: agent.capabilities.iter().map(|one| one.as_str().to_owned()).collect(),
            labels: agent.labels.clone(),
            tasks: engine.tasks_of_agent(key).map(|task| engine.task_id(task)).collect(),
            idle: reason.filter(|reason| !matches!(reason, IdleReason::Busy { .. })),
        })
    }

    fn row(&self) -> [Cell; 6] {
        let style = match self.condition {
            AgentCondition::Busy => BUSY,
            AgentCondition::Draining | AgentCondition::Paused => WARN,
            AgentCondition::Lost => BAD,
            AgentCondition::Idle | AgentCondition::Retired => PLAIN,
        };
        let doing = match &self.idle {
            Some(reason) => Told::of_agent(reason).sentence,
            None => escaped(&self.tasks.join(", ")),
        };
        [
            Cell::plain(escaped(&self.name)),
            Cell::styled(self.condition.as_str(), style),
            Cell::plain(format!("{} of {}", self.tasks.len(), self.slots)),
            Cell::plain(escaped(&self.capabilities.join(", "))),
            Cell::plain(escaped(&self.labels.join(", "))),
            Cell::plain(doing),
        ]
    }
}

fn list(args: &FleetListArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let view = ProjectView::open(&args.place, config)?;
    let keys = (0..view.engine().state().agents().len() as u32).map(AgentKey);
    let agents: Vec<ToldAgent> = keys
        .filter_map(|key| ToldAgent::of(&view, key))
        .filter(|agent| args.all || agent.condition != AgentCondition::Retired)
        .filter(|agent| args.labels.iter().all(|label| agent.labels.contains(label)))
        .collect();
    if args.json {
        terminal.json(&json!({ "version": 1, "agents": agents }))?;
        return Ok(Exit::Fine);
    }
    if agents.is_empty() {
        terminal.line("no such agents are there; --all lists those that were")?;
        return Ok(Exit::Fine);
    }
    let titles = ["agent", "is", "slots", "can", "labels", "now"];
    let mut table = Table::new(titles.map(|title| Cell::styled(title, HEADING)));
    agents.iter().for_each(|agent| table.row(agent.row()));
    terminal.print(table.draw(terminal.width()))?;
    Ok(Exit::Fine)
}

fn change(
    args: &OneAgentArgs,
    config: &Config,
    terminal: &Terminal,
    command: impl FnOnce(AgentKey) -> Command,
) -> Result<Exit, CliError> {
    let mut view = ProjectView::open(&args.asking.place, config)?;
    let agent = view.find_agent(&args.agent)?;
    view.ask(asking::request(&args.asking, command(agent)))?;
    let Some(told) = ToldAgent::of(&view, agent) else { return Ok(Exit::Fine) };
    if args.asking.json {
        terminal.json(&json!({ "version": 1, "agent": told }))?;
    } else {
        terminal.line(format!("{} is {}", escaped(&told.name), told.condition.as_str()))?;
    }
    Ok(Exit::Fine)
}
