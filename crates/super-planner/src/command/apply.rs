//! `apply`: makes the plan of a project that of a file, also while it runs.

use agent_coordinator::engine::{Command, Request};
use serde_json::json;

use crate::asking;
use crate::cli::ApplyArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::plan_change::PlanChange;
use crate::plan_file::{self, Defects};
use crate::project_view::ProjectView;
use crate::terminal::{DIM, Terminal};

/// Changes the recorded plan.
pub fn run(args: &ApplyArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let options = config.read_options(args.format, args.tag.as_deref());
    let given = plan_file::read_sound(&args.plan, &options, Defects::Refuse)?.reading.plan;
    let mut view = ProjectView::open(&args.asking.place, config)?;
    let name = args.asking.project.as_deref().unwrap_or(&given.name);
    let [key] = view.projects_named(Some(name))?[..] else {
        return Err(CliError::new(ErrorKind::NotFound, format!("there is no project `{}`", escaped(name))));
    };
    let change = PlanChange::between(key, &view.engine().state().projects()[key.index()], &given);
    if !args.dry_run {
        if !change.hindrances.is_empty() {
            let message = format!("the plan of `{}` cannot be changed now", escaped(name));
            return Err(CliError::new(ErrorKind::Refused, message)
                .hint("nothing was changed; `super-planner task cancel` stops what is under way")
                .caused_by(escaped(&change.hindrances.join("; "))));
        }
        let requests: Vec<Request> =
            change.commands.iter().map(|command| request(args, command.clone())).collect();
        view.ask_all(&requests)?;
    }
    tell(args, name, &change, terminal)?;
    Ok(Exit::problems_if(!change.hindrances.is_empty()))
}

/// Returns the request for a command; the id that was given is that of the change of the tasks.
fn request(args: &ApplyArgs, command: Command) -> Request {
    match command {
        Command::SetTasks { .. } => asking::request(&args.asking, command),
        other => other.into(),
    }
}

fn tell(args: &ApplyArgs, name: &str, change: &PlanChange, terminal: &Terminal) -> Result<(), CliError> {
    let PlanChange { difference, hindrances, .. } = change;
    if args.asking.json {
        return terminal.json(&json!({
            "version": 1,
            "project": name,
            "is_dry_run": args.dry_run,
            "changes": difference,
            "hindrances": hindrances,
        }));
    }
    for line in difference.to_string().lines() {
        terminal.line(escaped(line))?;
    }
    for hindrance in hindrances {
        terminal.line(format!("in the way: {}", escaped(hindrance)))?;
    }
    let verb = if args.dry_run { "would be" } else { "was" };
    match difference.is_empty() {
        true => terminal.line(format!("{DIM}nothing {verb} changed: the plan is that of the file{DIM:#}")),
        false => terminal.line(format!("the plan of {} {verb} changed", escaped(name))),
    }
}
