//! `sync`: how far the tasks are, written into the plan's own file.

use std::path::Path;

use planner_core::{Progress, SyncError, Synced, TaskId};
use serde_json::json;
use state_store::task::{Project, TaskState};

use crate::cli::SyncArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::plan_file;
use crate::plan_output::replace_file;
use crate::project_view::ProjectView;
use crate::terminal::{DIM, Terminal, WARN};

/// Writes the states of a project into the file of its plan. Where the file says of a task that it need not be done and the project
/// does not, the file is kept, and that is a problem.
pub fn run(args: &SyncArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let reading = plan_file::read(&args.plan, &config.read_options(args.format, args.tag.as_deref()))?;
    let view = ProjectView::open(&args.place, config)?;
    let name = args.project.as_deref().unwrap_or(&reading.plan.name);
    let keys = view.projects_named(Some(name))?;
    let project = keys.first().and_then(|key| view.engine().state().project(*key));
    let project = project.ok_or_else(|| CliError::new(ErrorKind::NotFound, "the project is gone"))?;
    let synced = planner_core::sync(&reading, |task| progress(project, task)).map_err(refused)?;
    if !args.dry_run {
        for file in &synced.files {
            let path = if args.plan.is_dir() { args.plan.join(&file.path) } else { args.plan.clone() };
            replace_file(&path, &reading.source.text().as_bytes()[file.read.clone()], file.text.as_bytes())?;
        }
    }
    if args.json {
        terminal.json(&told(&synced, args))?;
    } else {
        tell(&synced, args, terminal)?;
    }
    Ok(Exit::problems_if(!synced.contradicted.is_empty()))
}

/// Returns how far a task of the project is; nothing of one that the project does not know.
fn progress(project: &Project, task: &TaskId) -> Option<Progress> {
    let index = project.graph.task_index(task.as_str())?;
    Some(match project.task(index).state {
        TaskState::Pending => Progress::Pending,
        TaskState::Assigned(_)
        | TaskState::Running(_)
        | TaskState::Verifying { .. }
        | TaskState::AwaitingApproval { .. }
        | TaskState::Landing { .. }
        | TaskState::Backoff { .. }
        | TaskState::InConflict(_) => Progress::Underway,
        TaskState::Completed(_) => Progress::Completed,
        TaskState::OnHold => Progress::OnHold,
        TaskState::Failed { .. } => Progress::Failed,
        TaskState::Cancelled(_) => Progress::Cancelled,
    })
}

fn refused(error: SyncError) -> CliError {
    let hint = match &error {
        SyncError::Format(_) => "`super-planner convert` writes the plan in a format that does",
        SyncError::NotInPlace { .. } => {
            "write its status as a value of its own, such as `status: pending`; nothing was changed"
        }
        SyncError::Unreadable(_) => "nothing was changed; this is a fault of the program",
    };
    CliError::new(ErrorKind::Plan, "the states cannot be written").hint(hint).caused_by(error)
}

fn told(synced: &Synced, args: &SyncArgs) -> serde_json::Value {
    let written = synced
        .written
        .iter()
        .map(|status| json!({ "task": status.task, "before": status.before, "after": status.after }));
    json!({
        "version": 1,
        "dry_run": args.dry_run,
        "files": synced.files.iter().map(|file| &file.path).collect::<Vec<_>>(),
        "written": written.collect::<Vec<_>>(),
        "contradicted": synced.contradicted,
        "unsaid": synced.unsaid,
    })
}

fn tell(synced: &Synced, args: &SyncArgs, terminal: &Terminal) -> Result<(), CliError> {
    for status in &synced.written {
        let before = status.before.as_deref().unwrap_or("nothing");
        let line = format!("{}: {before} -> {}", status.task, status.after);
        terminal.line(escaped(&line))?;
    }
    for task in &synced.contradicted {
        let line = format!("{task}: kept as the file has it; the project has it still to do");
        terminal.line(format_args!("{WARN}{}{WARN:#}", escaped(&line)))?;
    }
    for task in &synced.unsaid {
        let line = format!("{task}: the format has no word for where it stands");
        terminal.line(format_args!("{DIM}{}{DIM:#}", escaped(&line)))?;
    }
    let plan = escaped(&Path::new(&args.plan).to_string_lossy());
    let done = if args.dry_run { "to be written; nothing was" } else { "written" };
    let count = match synced.written.len() {
        1 => "1 state".to_owned(),
        count => format!("{count} states"),
    };
    terminal.line(format_args!("{plan}: {count} {done}"))
}
