//! `land`: what tasks have become on their own branch comes to another one, the one that is checked out if asked for.

use std::collections::HashSet;
use std::path::Path;

use git_ops::{
    BranchName, CommitId, LandRequest, LoggedCommit, Preparation, Prepared, Repository, WorkingCopy,
};
use serde::Serialize;
use state_store::task::Project;

use crate::cli::LandArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::project_view::ProjectView;
use crate::session;
use crate::terminal::{BAD, GOOD, Terminal};

/// How many commits are brought over at once.
const COMMITS_MAX: usize = 100_000;

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum Landing {
    /// The branch has all of it already.
    NothingToDo { onto: BranchName },
    /// The branch went forward.
    Landed { onto: BranchName, commits: usize, tip: CommitId },
    /// A commit does not go together with the branch, and nothing has moved.
    Conflict { onto: BranchName, commit: CommitId, subject: String, paths: Vec<String> },
}

/// Brings the commits of a project to a branch.
pub fn run(args: &LandArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let view = ProjectView::open(&args.place, config)?;
    let place = args.place.repo.as_deref().unwrap_or(Path::new("."));
    let repository = Repository::open(place)?;
    let from = project_branch(only_project(&view, args.project.as_deref())?)?;
    let onto = match &args.onto {
        Some(name) => branch_name(name)?,
        None => checked_out(place)?,
    };
    let landing = match prepare(&repository, &from, &onto)? {
        Ok(prepared) if prepared.new_tip == prepared.expected_tip => Landing::NothingToDo { onto },
        Ok(prepared) => {
            let commits = commits_between(&repository, &prepared)?;
            publish(&repository, place, &prepared, args.checkout)?;
            Landing::Landed { onto, commits, tip: prepared.new_tip }
        }
        Err(conflict) => conflict,
    };
    tell(&landing, args, terminal)?;
    Ok(Exit::problems_if(matches!(landing, Landing::Conflict { .. })))
}

fn only_project<'v>(view: &'v ProjectView, name: Option<&str>) -> Result<&'v Project, CliError> {
    match view.projects_named(name)?[..] {
        [only] => Ok(view.engine().state().project(only).expect("the view has just named it")),
        [] => Err(CliError::new(ErrorKind::NotFound, "there is no project yet")),
        _ => {
            let names: Vec<String> = view.projects().map(|(_, project)| escaped(&project.name)).collect();
            Err(CliError::new(ErrorKind::Usage, "there are several projects")
                .hint(format!("--project says which: {}", names.join(", "))))
        }
    }
}

fn project_branch(project: &Project) -> Result<BranchName, CliError> {
    match &project.settings.branch {
        Some(name) => branch_name(name),
        None => {
            Err(CliError::new(ErrorKind::NotFound, format!("{} lands on no branch", escaped(&project.name))))
        }
    }
}

fn branch_name(name: &str) -> Result<BranchName, CliError> {
    BranchName::new(name)
        .map_err(|error| CliError::new(ErrorKind::Usage, "that is not the name of a branch").caused_by(error))
}

fn checked_out(place: &Path) -> Result<BranchName, CliError> {
    let shown = WorkingCopy::open(place).and_then(|copy| copy.branch()).map_err(unusable)?;
    shown.ok_or_else(|| {
        CliError::new(ErrorKind::Usage, "no branch is checked out here")
            .hint("--onto names the branch to land on")
    })
}

/// Returns the commits that the branch gets, or which one of them it cannot get.
fn prepare(
    repository: &Repository,
    from: &BranchName,
    onto: &BranchName,
) -> Result<Result<Prepared, Landing>, CliError> {
    let missing = |branch: &BranchName| {
        CliError::new(ErrorKind::NotFound, format!("there is no branch {}", escaped(branch.as_str())))
    };
    let source = repository.tip(from).map_err(unusable)?.ok_or_else(|| missing(from))?;
    let target = repository.tip(onto).map_err(unusable)?.ok_or_else(|| missing(onto))?;
    let forward =
        |new_tip| Prepared { branch: onto.clone(), expected_tip: target, new_tip, items: Vec::new() };
    if repository.contains(onto, source).map_err(unusable)? {
        return Ok(Ok(forward(target)));
    }
    if repository.contains(from, target).map_err(unusable)? {
        return Ok(Ok(forward(source)));
    }
    let commits = missing_commits(repository, from, onto, target)?;
    let requests: Vec<LandRequest> = commits.iter().map(request).collect();
    let prepared =
        repository.writer().and_then(|mut writer| writer.prepare(onto, &requests)).map_err(unusable)?;
    let mut conflicts = prepared.items.iter().zip(&commits).filter_map(|(item, commit)| match item {
        Preparation::Conflict(conflict) => Some((conflict, commit)),
        Preparation::Commit { .. } | Preparation::Empty | Preparation::Unmergeable { .. } => None,
    });
    if let Some(reason) = prepared.items.iter().find_map(|item| match item {
        Preparation::Unmergeable { reason } => Some(reason),
        Preparation::Commit { .. } | Preparation::Empty | Preparation::Conflict(_) => None,
    }) {
        return Err(CliError::new(
            ErrorKind::Repository,
            format!("it cannot be landed: {}", escaped(reason)),
        ));
    }
    Ok(match conflicts.next() {
        None => Ok(prepared),
        Some((conflict, commit)) => Err(Landing::Conflict {
            onto: onto.clone(),
            commit: commit.id,
            subject: commit.subject.clone(),
            paths: conflict.paths.iter().map(|at| at.path.clone()).collect(),
        }),
    })
}

/// Returns the commits that a branch does not have, the oldest first.
///
/// One that was brought there before is there under another id, and is left out: it may have been changed since, or taken back.
fn missing_commits(
    repository: &Repository,
    from: &BranchName,
    onto: &BranchName,
    target: CommitId,
) -> Result<Vec<LoggedCommit>, CliError> {
    let mut commits = Vec::new();
    for commit in repository.history(from, COMMITS_MAX).map_err(unusable)? {
        if repository.contains(onto, commit.id).map_err(unusable)? {
            break;
        }
        commits.push(commit);
    }
    let Some(source) = commits.first() else { return Ok(commits) };
    let theirs = repository.commits_beyond(source.id, target, COMMITS_MAX).map_err(unusable)?;
    let brought: HashSet<Origin<'_>> = theirs.iter().map(Origin::of).collect();
    commits.retain(|commit| !brought.contains(&Origin::of(commit)));
    commits.reverse();
    Ok(commits)
}

/// What a commit keeps when it is made again after other parents, here or by git.
#[derive(PartialEq, Eq, Hash)]
enum Origin<'c> {
    /// The attempt that it is of.
    Attempt { said: [&'c str; 3], time: i64 },
    /// It is of no task.
    Other { subject: &'c str, time: i64 },
}

impl<'c> Origin<'c> {
    fn of(commit: &'c LoggedCommit) -> Self {
        let time = commit.time;
        match ["Project", "Task", "Attempt"].map(|key| commit.trailer(key)) {
            [Some(project), Some(task), Some(attempt)] => {
                Self::Attempt { said: [project, task, attempt], time }
            }
            _ => Self::Other { subject: &commit.subject, time },
        }
    }
}

fn request(commit: &LoggedCommit) -> LandRequest {
    LandRequest {
        result: commit.id,
        message: commit.message(),
        author: session::default_author(),
        time: commit.time,
    }
}

fn commits_between(repository: &Repository, prepared: &Prepared) -> Result<usize, CliError> {
    repository.distance(prepared.expected_tip, prepared.new_tip).map_err(unusable)
}

fn publish(
    repository: &Repository,
    place: &Path,
    prepared: &Prepared,
    checkout: bool,
) -> Result<(), CliError> {
    if repository.checked_out_branches().map_err(unusable)?.contains(&prepared.branch) {
        if !checkout {
            let message = format!("{} is checked out", escaped(prepared.branch.as_str()));
            return Err(CliError::new(ErrorKind::Usage, message)
                .hint("--checkout brings its files forward too, where none is changed"));
        }
        return WorkingCopy::open(place).and_then(|copy| copy.advance(prepared)).map_err(unusable);
    }
    repository.writer().map_err(unusable)?.publish(prepared).map_err(unusable)
}

fn tell(landing: &Landing, args: &LandArgs, terminal: &Terminal) -> Result<(), CliError> {
    if args.json {
        return terminal.json_line(landing);
    }
    terminal.line(match landing {
        Landing::NothingToDo { onto } => format!("{onto} has all of it already"),
        Landing::Landed { onto, commits, tip } => {
            format!("{GOOD}landed{GOOD:#} {commits} commits on {onto}, which is at {tip}")
        }
        Landing::Conflict { onto, commit, subject, paths } => {
            let paths: Vec<String> = paths.iter().map(|path| escaped(path)).collect();
            let what = format!("{commit} ({})", escaped(subject));
            format!(
                "{BAD}conflict{BAD:#}: {what} and {onto} both change {}; nothing has moved",
                paths.join(", ")
            )
        }
    })
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::new(ErrorKind::Repository, "it cannot be landed").caused_by(error)
}
