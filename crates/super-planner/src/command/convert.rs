//! `convert`: a plan in another format.

use crate::cli::ConvertArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::plan_file;
use crate::plan_output::{Existing, format_for, write_plan};
use crate::terminal::Terminal;

/// Reads a plan and writes it in another format.
pub fn run(args: &ConvertArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let format = format_for(&args.out, args.to)?;
    let reading = plan_file::read(&args.plan, &config.read_options(args.format, args.tag.as_deref()))?;
    let existing = if args.force { Existing::Replaced } else { Existing::Kept };
    write_plan(&reading.plan, &args.out, format, existing, terminal)?;
    Ok(Exit::Fine)
}
