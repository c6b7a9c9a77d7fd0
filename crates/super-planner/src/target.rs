//! The repository and the branch that results land on.

use std::path::Path;

use git_ops::{BranchName, Edit, FileMode, RepoPath, Repository};
use planner_core::Plan;
use state_store::{Clock, SystemClock};

use crate::cli::RunArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind};
use crate::session;

/// Returns the repository and the name of the branch; makes the repository where that was asked for.
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
    session::check_free(&repository, &branch)?;
    Ok((repository, branch))
}

fn branch_name(args: &RunArgs, config: &Config, plan: &Plan) -> Result<BranchName, CliError> {
    let template = config.branch.or_flag(args.branch.clone()).value;
    let name = template.replace("{project}", BranchName::sanitised(&plan.name).as_str());
    BranchName::new(&name)
        .map_err(|error| CliError::new(ErrorKind::Usage, "the branch cannot be named so").caused_by(error))
}

/// Makes a repository with one file, so that there is a commit to begin from.
pub(crate) fn make(folder: &Path, project: &str) -> Result<Repository, CliError> {
    let path = RepoPath::new("README.md").expect("a plain name");
    let title: String = project.chars().filter(|c| !c.is_control()).collect();
    let readme = Edit::Write { path, content: format!("# {title}\n").into_bytes(), mode: FileMode::Regular };
    Repository::init(folder, &[readme], &session::default_author(), SystemClock.now().as_seconds()).map_err(
        |error| CliError::new(ErrorKind::Repository, "the repository cannot be made").caused_by(error),
    )
}
