//! The repository and the branch that results land on.

use std::path::Path;

use git_ops::{BranchName, Edit, FileMode, RepoPath, Repository, Signature};
use planner_core::Plan;
use state_store::{Clock, SystemClock};

use crate::cli::RunArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind};

/// Returns the repository and the branch; makes either where that was asked for or costs nothing.
pub(crate) fn find(
    args: &RunArgs,
    config: &Config,
    plan: &Plan,
) -> Result<(Repository, BranchName), CliError> {
    let folder = args.place.repo.as_deref().unwrap_or(Path::new("."));
    let repository = match Repository::open(folder) {
        Ok(repository) => repository,
        Err(_) if args.init => make(folder, &plan.name)?,
        Err(error) => {
            return Err(CliError::from(error)
                .hint("--repo names a repository, --init makes one, --landing none does without"));
        }
    };
    let branch = branch_name(args, config, plan)?;
    enter(&repository, &branch)?;
    Ok((repository, branch))
}

fn branch_name(args: &RunArgs, config: &Config, plan: &Plan) -> Result<BranchName, CliError> {
    let template = config.branch.or_flag(args.branch.clone()).value;
    let name = template.replace("{project}", BranchName::sanitised(&plan.name).as_str());
    BranchName::new(&name)
        .map_err(|error| CliError::new(ErrorKind::Usage, "the branch cannot be named so").caused_by(error))
}

/// Makes sure that the branch is there and not checked out: it would move under somebody's working copy.
pub(crate) fn enter(repository: &Repository, branch: &BranchName) -> Result<(), CliError> {
    let unreadable = |error: git_ops::ReadError| {
        CliError::new(ErrorKind::Repository, "the repository cannot be read").caused_by(error)
    };
    if repository.checked_out_branches().map_err(unreadable)?.contains(branch) {
        let message = format!("the branch {branch} is checked out, and would move under the working copy");
        return Err(CliError::new(ErrorKind::Repository, message)
            .hint("--branch names another one; merge it when the run is over"));
    }
    if repository.tip(branch).map_err(unreadable)?.is_some() {
        return Ok(());
    }
    let head = repository.head().map_err(unreadable)?.ok_or_else(|| {
        CliError::new(ErrorKind::Repository, "the repository has no commit to begin from")
            .hint("make a first one: git commit --allow-empty -m start")
    })?;
    repository.create_branch(branch, head).map_err(|error| {
        CliError::new(ErrorKind::Repository, format!("the branch {branch} cannot be made")).caused_by(error)
    })
}

/// Makes a repository with one file, so that there is a commit to begin from.
pub(crate) fn make(folder: &Path, project: &str) -> Result<Repository, CliError> {
    let path = RepoPath::new("README.md").expect("a plain name");
    let title: String = project.chars().filter(|c| !c.is_control()).collect();
    let readme = Edit::Write { path, content: format!("# {title}\n").into_bytes(), mode: FileMode::Regular };
    let author = Signature { name: "super-planner".to_owned(), email: "super-planner@localhost".to_owned() };
    Repository::init(folder, &[readme], &author, SystemClock.now().as_seconds()).map_err(|error| {
        CliError::new(ErrorKind::Repository, "the repository cannot be made").caused_by(error)
    })
}
