//! `recover`: a new store of what is well of a damaged one.

use serde_json::json;
use state_store::Seq;
use state_store::log::OriginError;
use state_store::log::copying::CopyError;
use state_store::recovery::{RecoveryError, RecoveryPlan};
use state_store::task::FencingToken;
use state_store::verification::Verification;

use crate::cli::RecoverArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::state_location::StateLocation;
use crate::terminal::{HEADING, Terminal, WARN};

/// Makes the new store, checks it, and tells what it lacks.
pub fn run(args: &RecoverArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let location = StateLocation::find(&args.place, config)?;
    let out = StateLocation::parse(&args.out)?;
    if let StateLocation::File(path) = &out
        && path.exists()
    {
        let message = format!("`{}` is there already", escaped(&path.to_string_lossy()));
        return Err(CliError::new(ErrorKind::Usage, message).hint("--out names a file that is not there yet"));
    }
    let from = location.open_as_it_is()?;
    let plan = RecoveryPlan::new(&*from, Seq::new(args.to)).map_err(failed)?;
    let into = out.open_durable()?;
    let tokens_to = plan.carry_out(&*from, &location.to_string(), &*into).map_err(failed)?;
    let found = Verification::of(&*into)?;
    if !found.is_sound() {
        return Err(CliError::new(ErrorKind::Internal, "what was recovered does not verify")
            .hint(format!("`super-planner verify --state {out}` says why")));
    }
    if args.json {
        terminal.json(&json!({
            "version": 1,
            "state": out.to_string(),
            "to": plan.to,
            "streams": plan.streams,
            "left_out": plan.left_out,
            "tokens_to": tokens_to.get(),
        }))?;
    } else {
        terminal.print(text(&plan, tokens_to, &out))?;
    }
    Ok(Exit::Fine)
}

fn text(plan: &RecoveryPlan, tokens_to: FencingToken, out: &StateLocation) -> String {
    let mut text = format!("{HEADING}{out}{HEADING:#}  recovered up to entry {}, and verified\n", plan.to);
    if plan.left_out.is_empty() {
        text.push_str("  nothing is left out\n");
    }
    for left_out in &plan.left_out {
        text.push_str(&format!("  {WARN}left out{WARN:#}: {}\n", escaped(left_out)));
    }
    text.push_str(&format!(
        "  Reports of attempts that were handed out before are refused (tokens up to {tokens_to}).\n  What had landed on the \
         branch after that entry is still there, and its tasks are done again: look at the branch first.\n"
    ));
    text
}

fn failed(error: RecoveryError) -> CliError {
    match error {
        RecoveryError::Store(error)
        | RecoveryError::Copy(CopyError::Store(error))
        | RecoveryError::Origin(OriginError::Store(error)) => error.into(),
        RecoveryError::Replay(error) => error.into(),
        RecoveryError::NotSound { sound, .. } => CliError::new(ErrorKind::NotFound, error.to_string()).hint(
            format!("--to {sound} keeps all that is well; `super-planner verify` names the first bad place"),
        ),
        RecoveryError::Nothing { .. } => CliError::new(ErrorKind::NotFound, error.to_string()),
        RecoveryError::Unfinished => CliError::new(ErrorKind::Store, error.to_string())
            .hint("recover from the store or the archive that it was copied from"),
        RecoveryError::Origin(_) => CliError::new(ErrorKind::Store, "nothing was recovered")
            .caused_by(error)
            .hint("--out names a file that is not there yet, or an empty database"),
        RecoveryError::Copy(_) | RecoveryError::Commit(_) => {
            CliError::new(ErrorKind::Store, "the recovery did not come to its end")
                .caused_by(error)
                .hint("the new store refuses to be used as it is: remove it, and recover again")
        }
    }
}
