//! `completions`: what a shell needs to complete the command line.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::error::{CliError, ErrorKind, Exit};
use crate::terminal::Terminal;

/// Prints the completions for a shell.
pub fn run(args: &CompletionsArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "super-planner", &mut script);
    let script = String::from_utf8(script).map_err(|error| {
        CliError::new(ErrorKind::Internal, "the completions are no text").caused_by(error)
    })?;
    terminal.print(script)?;
    Ok(Exit::Fine)
}
