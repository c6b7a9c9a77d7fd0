//! `generate`: a plan of any size, made up from a seed.

use planner_core::generate::MadeUp;

use crate::cli::GenerateArgs;
use crate::error::{CliError, Exit};
use crate::plan_output::{Existing, format_for, stream_file, write_plan};
use crate::terminal::Terminal;

/// Writes a plan. In JSON, YAML and beads its tasks are written one after the other, and never all of them held in memory.
pub fn run(args: &GenerateArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let format = format_for(&args.out, args.to)?;
    let existing = if args.force { Existing::Replaced } else { Existing::Kept };
    let plan = MadeUp::new(args.kind, args.tasks.get() as usize, args.seed);
    match plan.pieces(format) {
        Some(pieces) => stream_file(&args.out, existing, terminal, &mut |out| {
            pieces.clone().try_for_each(|piece| out.write_all(piece.as_bytes()))
        })?,
        None => write_plan(&plan.plan(), &args.out, format, existing, terminal)?,
    }
    Ok(Exit::Fine)
}
