//! `plan-diff`: how two plans differ by what they mean.

use planner_core::PlanDiff;
use serde_json::json;

use crate::cli::PlanDiffArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::plan_file;
use crate::terminal::Terminal;

/// Tells how the second plan differs from the first; a difference is a problem, as it is for `diff`.
pub fn run(args: &PlanDiffArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let options = config.read_options(None, args.tag.as_deref());
    let [first, second] = [&args.first, &args.second].map(|path| plan_file::read(path, &options));
    let diff = PlanDiff::between(&first?.plan, &second?.plan);
    if args.json {
        terminal.json(&json!({
            "version": 1,
            "plan": diff.plan,
            "removed": diff.removed,
            "added": diff.added,
            "changed": diff.changed,
        }))?;
    } else {
        for line in diff.to_string().lines() {
            terminal.line(escaped(line))?;
        }
    }
    Ok(Exit::problems_if(!diff.is_empty()))
}
