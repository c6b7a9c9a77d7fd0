//! `apply`: makes the plan of a project that of a file, also while it runs.

use std::collections::BTreeSet;

use agent_coordinator::engine::Command;
use planner_core::{Exclusion, Plan, Standing, Task};
use serde_json::json;

use crate::asking;
use crate::cli::ApplyArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::plan_file::{self, Defects};
use crate::project_view::ProjectView;
use crate::terminal::{DIM, Terminal};

/// What has to be changed of a recorded plan, so that it is that of the file.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    added: Vec<Task>,
    changed: Vec<Task>,
    removed: Vec<Task>,
}

/// Changes the recorded plan.
pub fn run(args: &ApplyArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let options = config.read_options(args.format, args.tag.as_deref());
    let given = plan_file::read_sound(&args.plan, &options, Defects::Refuse)?.reading.plan;
    let mut view = ProjectView::open(&args.asking.place, config)?;
    let name = args.asking.project.as_deref().unwrap_or(&given.name);
    let [project] = view.projects_named(Some(name))?[..] else {
        return Err(CliError::new(ErrorKind::NotFound, format!("there is no project `{}`", escaped(name))));
    };
    let changes = Changes::between(&view.engine().state().projects()[project.index()].plan, &given);
    let told = changes.told();
    let tasks: Vec<Task> = changes.added.into_iter().chain(changes.changed).chain(changes.removed).collect();
    let is_same = tasks.is_empty();
    if !args.dry_run && !is_same {
        view.ask(asking::request(&args.asking, Command::SetTasks { project, tasks }))?;
    }
    if args.asking.json {
        terminal
            .json(&json!({ "version": 1, "project": name, "is_dry_run": args.dry_run, "changes": told }))?;
        return Ok(Exit::Fine);
    }
    let verb = if args.dry_run { "would be" } else { "was" };
    for (what, ids) in [("added", &told.added), ("changed", &told.changed), ("removed", &told.removed)] {
        if !ids.is_empty() {
            terminal.line(format!("{what:<8}{}", ids.join(", ")))?;
        }
    }
    match is_same {
        true => terminal.line(format!("{DIM}nothing {verb} changed: the plan is that of the file{DIM:#}"))?,
        false => terminal.line(format!("the plan of {} {verb} changed", escaped(name)))?,
    }
    Ok(Exit::Fine)
}

/// The ids of what is changed.
#[derive(serde::Serialize)]
struct Told {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl Changes {
    fn between(recorded: &Plan, given: &Plan) -> Self {
        let mut changes = Self::default();
        let recorded_of = |task: &Task| recorded.tasks.iter().find(|known| known.id == task.id);
        // What is recorded has been through JSON once.
        let given = Plan::from_json(given.to_json().as_bytes()).unwrap_or_else(|_| given.clone());
        let present: BTreeSet<_> = given.tasks.iter().map(|task| task.id.clone()).collect();
        for task in given.tasks {
            match recorded_of(&task) {
                None => changes.added.push(task),
                Some(known) if *known != task => changes.changed.push(task),
                Some(_) => {}
            }
        }
        let gone = recorded.tasks.iter().filter(|task| !present.contains(&task.id));
        let gone = gone.filter(|task| !matches!(task.standing, Standing::Excluded(_)));
        changes.removed = gone
            .map(|task| Task { standing: Standing::Excluded(Exclusion::Tombstone), ..task.clone() })
            .collect();
        changes
    }

    fn told(&self) -> Told {
        let ids = |tasks: &[Task]| tasks.iter().map(|task| task.id.to_string()).collect();
        Told { added: ids(&self.added), changed: ids(&self.changed), removed: ids(&self.removed) }
    }
}
