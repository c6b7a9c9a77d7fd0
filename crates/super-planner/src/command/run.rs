//! `run`: not part of this build.

use crate::cli::RunArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::terminal::Terminal;

/// Says that this build has no such command.
pub fn run(_args: &RunArgs, _config: &Config, _terminal: &Terminal) -> Result<Exit, CliError> {
    Err(CliError::new(ErrorKind::NotInThisBuild, "`run` is not part of this build"))
}
