//! `schema`: what the native format may hold, as JSON Schema.

use crate::error::{CliError, Exit};
use crate::terminal::Terminal;

/// Prints the schema.
pub fn run(terminal: &Terminal) -> Result<Exit, CliError> {
    terminal.print(planner_core::format::NATIVE_SCHEMA)?;
    Ok(Exit::Fine)
}
