//! Which checks may be run. A plan names commands; that somebody wrote them into a file is no reason to run them.

use planner_core::Plan;

use crate::config::Config;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;

/// Returns whether the plan's checks are run: all of them, because the configuration names each or the operator has
/// said that those of this plan may; or none, because the operator has said so or there are none.
pub(crate) fn decide(
    plan: &Plan,
    config: &Config,
    trust_all: bool,
    skip_all: bool,
) -> Result<bool, CliError> {
    let mut checks: Vec<_> = plan.tasks.iter().filter_map(|task| task.check.as_ref()).collect();
    if skip_all || checks.is_empty() {
        return Ok(false);
    }
    let is_trusted = |command: &[String]| config.trusted_checks.value.iter().any(|rule| rule.allows(command));
    checks.retain(|check| !trust_all && !is_trusted(&check.command));
    let Some(first) = checks.first() else { return Ok(true) };
    let example = escaped(&first.command.join(" "));
    Err(CliError::new(
        ErrorKind::Plan,
        format!("the plan names {} checks that nobody has approved, such as `{example}`", checks.len()),
    )
    .hint("--trust-checks runs the checks of this plan, --skip-checks none; `[checks] trusted` in the configuration approves commands for good"))
}
