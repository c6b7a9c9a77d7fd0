//! Runs the check of a task on the files of an attempt.

use std::time::Instant;

use git_ops::{CommitId, PathPattern, Repository, WorktreePool};
use planner_core::Check;

use crate::lending;
use crate::process::{self, End, ProcessLimits, Program};
use crate::process_owner::ProcessOwner;

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It passed.
    Passed {
        /// After how many milliseconds.
        took_ms: u64,
    },
    /// It did not; this is the end of what it printed.
    Failed(String),
    /// It could not be run.
    Unable(String),
}

/// The files that a check is run on.
#[derive(Debug, Clone)]
pub(crate) struct CheckedFiles {
    pub(crate) repository: Repository,
    pub(crate) commit: CommitId,
}

/// Runs a check in a folder that holds the files, and only them.
pub(crate) async fn verify(
    check: &Check,
    files: Option<CheckedFiles>,
    worktrees: WorktreePool,
    limits: ProcessLimits,
    owner: ProcessOwner,
) -> Verdict {
    let begin = Instant::now();
    let lent = lending::lend(&worktrees, move |pool| match &files {
        Some(CheckedFiles { repository, commit }) => pool.lend(repository, *commit, &[PathPattern::all()]),
        None => pool.lend_empty(),
    });
    let worktree = match lent.await {
        Ok(worktree) => worktree,
        Err(reason) => return Verdict::Unable(format!("there is no folder to run it in: {reason}")),
    };
    let limits = ProcessLimits { time: check.timeout().unwrap_or(limits.time), ..limits };
    let program = Program {
        command: &check.command,
        folder: worktree.path(),
        variables: vec![owner.variable()],
        input: Vec::new(),
    };
    let command = check.command.join(" ");
    let finished = process::run(program, limits, None, std::future::pending()).await;
    // Giving it back means reading its folder, which is not for a thread of the runtime; nobody waits for it.
    drop(tokio::task::spawn_blocking(move || drop(worktree)));
    match finished {
        Ok(finished) => match finished.end {
            End::Exit(Some(0)) => Verdict::Passed { took_ms: begin.elapsed().as_millis() as u64 },
            End::Exit(Some(code)) => {
                Verdict::Failed(format!("`{command}` ended with {code}\n{}", finished.output))
            }
            End::Exit(None) => Verdict::Failed(format!("`{command}` was killed\n{}", finished.output)),
            // Nobody stops a check but by dropping it.
            End::TimedOut | End::Stopped => {
                Verdict::Failed(format!("`{command}` took longer than {:?}", limits.time))
            }
        },
        Err(error) => Verdict::Unable(format!("`{command}` could not be started: {error}")),
    }
}
