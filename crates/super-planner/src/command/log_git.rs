//! `log --git`: which commit each task has become, and which task each commit is, as the branch tells it.

use std::path::Path;

use git_ops::{BranchName, CommitId, LoggedCommit, Repository};
use serde::Serialize;
use state_store::Timestamp;
use state_store::task::{Project, TaskKey};

use crate::cli::LogArgs;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::landed::{Disagreement, LandedCommit, verify};
use crate::local_time::local_time;
use crate::project_view::ProjectView;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, DIM, GOOD, HEADING, Terminal};

/// How far the history of a branch is followed.
const COMMITS_MAX: usize = 1_000_000;
const COMMIT_CHARS_SHOWN: usize = 10;

/// Shows the commits, or what state and branch do not agree about.
pub(crate) fn run(view: &ProjectView, args: &LogArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let repository = Repository::open(args.place.repo.as_deref().unwrap_or(Path::new(".")))?;
    let task = match &args.task {
        Some(id) => Some(view.find_task(id, args.project.as_deref())?),
        None => None,
    };
    let mut landed = Vec::new();
    let mut disagreements = Vec::new();
    for key in view.projects_named(args.project.as_deref())? {
        let project = view.engine().state().project(key).expect("the view has just named it");
        let history = history(&repository, project)?;
        if args.verify {
            disagreements.extend(verify(project, view.engine().state().agents(), &history));
        }
        let commits = history.iter().filter_map(|commit| LandedCommit::of(project, commit));
        landed.extend(commits.filter(|landed| task.is_none_or(|task| is_of(project, task, landed))));
    }
    if args.verify {
        return tell(&disagreements, landed.len(), args, terminal);
    }
    if let Some(asked) = &args.commit {
        landed.retain(|landed| is_called(&landed.commit, asked));
        if landed.is_empty() {
            let message = format!("no task has become a commit `{}`", escaped(asked));
            let hint = "`super-planner log --git` shows those of all tasks";
            return Err(CliError::new(ErrorKind::NotFound, message).hint(hint));
        }
    }
    landed.truncate(args.limit.unwrap_or(usize::MAX));
    show(&landed, args, terminal)?;
    Ok(Exit::Fine)
}

/// Returns the commits of the branch that a project lands on; none where it lands nothing.
fn history(repository: &Repository, project: &Project) -> Result<Vec<LoggedCommit>, CliError> {
    let Some(branch) = &project.settings.branch else { return Ok(Vec::new()) };
    let unusable = |error: &dyn std::fmt::Display| {
        CliError::new(
            ErrorKind::Repository,
            format!("the branch {} cannot be read: {error}", escaped(branch)),
        )
    };
    let name = BranchName::new(branch).map_err(|error| unusable(&error))?;
    repository.history(&name, COMMITS_MAX).map_err(|error| unusable(&error))
}

fn is_of(project: &Project, task: TaskKey, landed: &LandedCommit) -> bool {
    landed.project == project.name && landed.task == project.plan.tasks[task.task as usize].id.as_str()
}

/// Returns whether the hash of a commit is or begins as somebody wrote it.
fn is_called(commit: &CommitId, asked: &str) -> bool {
    !asked.is_empty() && commit.to_string().starts_with(&asked.to_ascii_lowercase())
}

fn show(landed: &[LandedCommit], args: &LogArgs, terminal: &Terminal) -> Result<(), CliError> {
    if args.json {
        return landed.iter().try_for_each(|landed| terminal.json_line(landed));
    }
    if landed.is_empty() {
        terminal.note(format!("{DIM}no task has become a commit{DIM:#}"));
        return Ok(());
    }
    let header = ["commit", "time", "task", "agent", "try", "subject"];
    let mut table = Table::new(header.map(|title| Cell::styled(title, HEADING)).to_vec());
    for commit in landed {
        table.row(vec![
            Cell::plain(commit.commit.to_string().chars().take(COMMIT_CHARS_SHOWN).collect::<String>()),
            Cell::dim(local_time(Timestamp::from_millis(
                u64::try_from(commit.time).unwrap_or(0).saturating_mul(1000),
            ))),
            Cell::plain(escaped(&commit.task)),
            Cell::plain(escaped(&commit.agent)),
            Cell::plain(escaped(&commit.attempt)),
            Cell::plain(escaped(&commit.subject)),
        ]);
    }
    terminal.print(table.draw(terminal.width()))
}

/// What a verification came to, as JSON has it.
#[derive(Serialize)]
struct Verified<'d> {
    agrees: bool,
    commits: usize,
    findings: &'d [Disagreement],
}

fn tell(
    disagreements: &[Disagreement],
    commits: usize,
    args: &LogArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let agrees = disagreements.is_empty();
    if args.json {
        terminal.json_line(&Verified { agrees, commits, findings: disagreements })?;
    } else if agrees {
        terminal
            .print(format!("{GOOD}state, branch and trailers agree{GOOD:#}: {commits} commits of tasks\n"))?;
    } else {
        let lines =
            disagreements.iter().map(|found| format!("{BAD}!{BAD:#} {}\n", escaped(&found.to_string())));
        terminal.print(lines.collect::<String>())?;
    }
    Ok(if agrees { Exit::Fine } else { Exit::Problems })
}
