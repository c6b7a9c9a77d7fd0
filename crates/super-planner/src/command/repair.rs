//! `repair`: a copy of a plan that is sound, and what was done to make it so.

use serde_json::json;

use crate::cli::RepairArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::plan_file;
use crate::plan_output::{Existing, format_for, write_plan};
use crate::terminal::Terminal;

/// Writes a repaired copy and tells each change.
pub fn run(args: &RepairArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let format = format_for(&args.out, args.to)?;
    let reading = plan_file::read(&args.plan, &config.read_options(args.format, args.tag.as_deref()))?;
    let (plan, changes) = planner_core::repair(&reading.plan);
    let existing = if args.force { Existing::Replaced } else { Existing::Kept };
    write_plan(&plan, &args.out, format, existing, terminal)?;
    let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
    if args.json {
        terminal.json(&json!({ "version": 1, "changes": told }))?;
        return Ok(Exit::Fine);
    }
    for change in &told {
        terminal.line(escaped(change))?;
    }
    let count = match told.len() {
        0 => "nothing had to be changed".to_owned(),
        1 => "1 change".to_owned(),
        count => format!("{count} changes"),
    };
    terminal.note(format_args!("{count}; what values could not be read is told by `super-planner validate`"));
    Ok(Exit::Fine)
}
