//! One command of a chore: announced, run at the root of the workspace, its output left alone.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// A command that is about to run.
#[must_use = "a step does nothing until it runs"]
pub(crate) struct Step {
    command: Command,
}

/// Why a chore ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepFailed {
    /// The program could not be started.
    #[error("`{line}` could not be started: {cause}")]
    NotStarted { line: String, cause: io::Error },
    /// The program ended without success.
    #[error("`{line}` ended with {status}")]
    Ended { line: String, status: ExitStatus },
    /// Something that the chore needs is missing and cannot be installed here.
    #[error("{program} is missing: {remedy}")]
    Missing { program: &'static str, remedy: &'static str },
    /// An environment variable holds no usable value.
    #[error("{variable} is {value:?}: {expected}")]
    Variable { variable: &'static str, value: String, expected: &'static str },
}

impl Step {
    /// Returns the step that runs that program.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.current_dir(root());
        Self { command }
    }

    /// Returns the step that runs the cargo which runs this program.
    pub(crate) fn cargo() -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Adds arguments that are separated by spaces.
    pub(crate) fn words(mut self, words: &str) -> Self {
        self.command.args(words.split_whitespace());
        self
    }

    /// Adds arguments as they are.
    pub(crate) fn arguments(mut self, arguments: &[String]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Announces and runs the step; fails where the program does.
    pub(crate) fn run(mut self) -> Result<(), StepFailed> {
        let line = self.line();
        println!("\n=== {line}");
        match self.command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(StepFailed::Ended { line, status }),
            Err(cause) => Err(StepFailed::NotStarted { line, cause }),
        }
    }

    /// Runs the step without a word; returns whether the program is there and succeeds.
    pub(crate) fn succeeds_silently(mut self) -> bool {
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Returns what a person would type: the variables set, the program's name and its arguments.
    fn line(&self) -> String {
        let mut line = String::new();
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                let _ = write!(line, "{}={} ", name.display(), value.display());
            }
        }
        let program = Path::new(self.command.get_program());
        let name = program.file_name().unwrap_or(program.as_os_str());
        let _ = write!(line, "{}", name.display());
        for argument in self.command.get_args() {
            let _ = write!(line, " {}", argument.display());
        }
        line
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_as_it_would_be_typed() {
        let step = Step::new("/usr/bin/cargo")
            .words("doc  --no-deps")
            .arguments(&["a b".to_owned()])
            .variable("RUSTDOCFLAGS", "-D");
        assert_eq!(step.line(), "RUSTDOCFLAGS=-D cargo doc --no-deps a b");
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure_and_no_panic() {
        assert!(!Step::new("/nowhere/at/all").succeeds_silently());
        assert!(matches!(Step::new("/nowhere/at/all").run(), Err(StepFailed::NotStarted { .. })));
    }
}
