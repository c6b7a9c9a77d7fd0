//! Runs the check of a task on the files of an attempt.

use std::time::Instant;

use git_ops::Snapshot;
use planner_core::Check;

use crate::process::{self, End, ProcessLimits, Program};

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

/// Runs a check in a folder of its own that holds the files, and only them.
pub(crate) async fn verify(check: &Check, files: Option<Snapshot>, limits: ProcessLimits) -> Verdict {
    let begin = Instant::now();
    let folder = match tempfile::Builder::new().prefix("super-planner-check-").tempdir() {
        Ok(folder) => folder,
        Err(error) => return Verdict::Unable(format!("no folder to run it in: {error}")),
    };
    if let Some(files) = files {
        let target = folder.path().to_owned();
        let exported =
            tokio::task::spawn_blocking(move || files.export_to(&target).map_err(|error| error.to_string()));
        match exported.await {
            Ok(Ok(_)) => {}
            Ok(Err(text)) => return Verdict::Unable(format!("the files could not be written: {text}")),
            Err(panic) => return Verdict::Unable(format!("the files could not be written: {panic}")),
        }
    }
    let limits = ProcessLimits { time: check.timeout().unwrap_or(limits.time), ..limits };
    let program =
        Program { command: &check.command, folder: folder.path(), variables: Vec::new(), input: Vec::new() };
    let command = check.command.join(" ");
    match process::run(program, limits).await {
        Ok(finished) => match finished.end {
            End::Exit(Some(0)) => Verdict::Passed { took_ms: begin.elapsed().as_millis() as u64 },
            End::Exit(Some(code)) => {
                Verdict::Failed(format!("`{command}` ended with {code}\n{}", finished.output))
            }
            End::Exit(None) => Verdict::Failed(format!("`{command}` was killed\n{}", finished.output)),
            End::TimedOut => Verdict::Failed(format!("`{command}` took longer than {:?}", limits.time)),
        },
        Err(error) => Verdict::Unable(format!("`{command}` could not be started: {error}")),
    }
}
