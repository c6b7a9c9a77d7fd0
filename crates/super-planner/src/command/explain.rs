//! `explain`: the one reason why a task stands where it stands, or an agent is idle.

use std::time::Duration;

use agent_coordinator::engine::{Blocker, Explanation, IdleReason};
use planner_core::When;
use serde_json::json;
use state_store::Timestamp;
use state_store::task::StateName;

use crate::cli::ExplainArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::{clipped, escaped, gist};
use crate::local_time::local_time;
use crate::project_view::ProjectView;
use crate::terminal::{DIM, HEADING, Terminal};

const BLOCKERS_SHOWN: usize = 5;
const MESSAGE_CHARS_MAX: usize = 500;

/// Explains a task or an agent.
pub fn run(args: &ExplainArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let view = ProjectView::open_as_of(&args.place, config, args.at)?;
    match (&args.task, &args.agent) {
        (_, Some(agent)) => explain_agent(&view, agent, args.json, terminal)?,
        (Some(task), None) => explain_task(&view, task, args, terminal)?,
        (None, None) => return Err(CliError::new(ErrorKind::Usage, "a task or --agent is needed")),
    }
    Ok(Exit::Fine)
}

fn explain_task(
    view: &ProjectView,
    id: &str,
    args: &ExplainArgs,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let key = view.find_task(id, args.project.as_deref())?;
    let now = view.now();
    let (Some(explanation), Some(project)) =
        (view.explain(key, now), view.engine().state().project(key.project))
    else {
        return Err(CliError::new(ErrorKind::Internal, "a task that was found has no explanation"));
    };
    let task = &project.plan.tasks[key.task as usize];
    let told = Told::of(&explanation, now);
    if args.json {
        return terminal.json(&json!({
            "version": 1,
            "project": project.name,
            "task": task.id,
            "title": task.title,
            "explanation": explanation,
            "sentence": told.sentence,
            "hint": told.hint,
        }));
    }
    let title = match escaped(&task.title) {
        title if title == task.id.as_str() => String::new(),
        title => format!("  {DIM}{title}{DIM:#}"),
    };
    terminal.line(format!("{HEADING}{}{HEADING:#}{title}", task.id))?;
    tell(&told, terminal)
}

fn explain_agent(view: &ProjectView, name: &str, as_json: bool, terminal: &Terminal) -> Result<(), CliError> {
    let key = view.find_agent(name)?;
    let reason = view
        .engine()
        .explain_agent(key)
        .ok_or_else(|| CliError::new(ErrorKind::Internal, "an agent that was found has no explanation"))?;
    let told = Told::of_agent(&reason);
    if as_json {
        return terminal.json(&json!({
            "version": 1,
            "agent": name,
            "explanation": reason,
            "sentence": told.sentence,
            "hint": told.hint,
        }));
    }
    terminal.line(format!("{HEADING}{}{HEADING:#}", escaped(name)))?;
    tell(&told, terminal)
}

fn tell(told: &Told, terminal: &Terminal) -> Result<(), CliError> {
    terminal.line(format!("{}.", told.sentence))?;
    match told.hint {
        Some(hint) => terminal.line(format!("{HEADING}hint{HEADING:#}: {hint}")),
        None => Ok(()),
    }
}

/// An explanation in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The reason, in one sentence without a full stop.
    pub sentence: String,
    /// What can be done about it.
    pub hint: Option<&'static str>,
}

impl Told {
    fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), hint: None }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Returns the reason why a task stands where it stands, in words.
    pub fn of(explanation: &Explanation, now: Timestamp) -> Self {
        match explanation {
            Explanation::DoneBefore => Self::new("It was done before the plan was loaded"),
            Explanation::Completed { agent, attempt, at, commit } => {
                let commit = commit.as_ref().map_or_else(
                    || "without a commit: there was nothing to land".to_owned(),
                    |commit| format!("commit {commit}"),
                );
                Self::new(format!(
                    "It is done: by {}, attempt {attempt}, {}, {commit}",
                    escaped(agent),
                    local_time(*at)
                ))
            }
            Explanation::UnderWay { state, agent, attempt, losses } => {
                let silent = match losses {
                    0 => String::new(),
                    1 => "; one before ended in silence".to_owned(),
                    several => format!("; {several} before ended in silence"),
                };
                Self::new(format!("{}, in attempt {attempt}{silent}", under_way(*state, agent)))
            }
            Explanation::Orphaned { state, attempt } => {
                Self::new(format!("It was {state}, in attempt {attempt}, and its coordinator is gone"))
                    .hint("`super-planner run` with the same plan goes on")
            }
            Explanation::AwaitingStart => Self::new("It could run, but somebody has to agree first")
                .hint("`super-planner approve TASK` lets it begin, `reject` calls it off"),
            Explanation::AwaitingLanding { agent, attempt, result } => {
                let result = result
                    .as_ref()
                    .map_or_else(|| "without files".to_owned(), |commit| format!("commit {commit} holds it"));
                let agent = escaped(agent);
                Self::new(format!(
                    "{agent} has delivered it in attempt {attempt}, and somebody has to agree before it lands; {result}"
                ))
                .hint("`super-planner approve TASK` lets it land, `reject --comment` sends it back")
            }
            Explanation::Waiting { blockers } => Self::waiting(blockers),
            Explanation::Backoff { until, failures } => {
                let wait = until.since(now).max(Duration::from_millis(1));
                let attempts = match failures {
                    1 => "An attempt failed".to_owned(),
                    _ => format!("{failures} attempts failed"),
                };
                Self::new(format!("{attempts}; the next may begin in {}", humantime::format_duration(wait)))
                    .hint("`super-planner log TASK` shows how they failed")
            }
            Explanation::OnHold => Self::new("It is on hold").hint("`super-planner task resume` lets it run"),
            Explanation::Failed { message, attempts } => Self::new(format!(
                "It has failed after {}: {}",
                if *attempts == 1 { "one attempt".to_owned() } else { format!("{attempts} attempts") },
                gist(message, MESSAGE_CHARS_MAX)
            ))
            .hint("mend the cause, then `super-planner task retry` has it done again"),
            Explanation::Cancelled { message } => {
                Self::new(format!("It is not to run: {}", clipped(message, MESSAGE_CHARS_MAX)))
            }
            Explanation::Group { settled, total } if settled == total => {
                Self::new(format!("It is a group, and all of its {total} tasks are done or called off"))
            }
            Explanation::Group { settled, total } => Self::new(format!(
                "It is a group, which is done when its tasks are: {settled} of {total} so far"
            )),
            Explanation::CompletedByHand { message, at } => Self::new(format!(
                "It is done: by hand, {}: {}",
                local_time(*at),
                clipped(message, MESSAGE_CHARS_MAX)
            )),
            Explanation::WritesOverlap { task, project, state, path, other_path } => {
                let other = match project {
                    Some(project) => format!("{} of project {}", escaped(task), escaped(project)),
                    None => escaped(task),
                };
                let paths = match path == other_path {
                    true => format!("both write {}", escaped(path)),
                    false => format!("this writes {}, that {}", escaped(path), escaped(other_path)),
                };
                Self::new(format!("It could run, but not beside {other}, which is {state}: {paths}"))
                    .hint("`--overlapping-writes` lets a run do such tasks at once")
            }
            Explanation::ProjectPaused => Self::new("It could run, but its project is paused")
                .hint("`super-planner continue --project` lets it go on"),
            Explanation::TooManyFailures { in_row, total } => Self::new(format!(
                "It could run, but its project is paused: {total} attempts have failed, {in_row} of them in a row"
            ))
            .hint("mend the cause, then `super-planner continue --project` lets it go on"),
            Explanation::AgentsPaused { agents } => {
                let agents: Vec<String> = agents.iter().map(|agent| escaped(agent)).collect();
                Self::new(format!(
                    "It could run, but all agents that can do it are paused: {}",
                    agents.join(", ")
                ))
                .hint("`super-planner continue --agent` lets one go on")
            }
            Explanation::NoAgent { missing } => {
                let missing: Vec<String> = missing.iter().map(|one| escaped(one.as_str())).collect();
                Self::new(format!(
                    "It could run, but no agent can do all that it asks for; the nearest one lacks {}",
                    missing.join(", ")
                ))
                .hint("add an agent with these capabilities to the plan, or ask for fewer")
            }
            Explanation::NoCoordinator => Self::new("It could run, but no coordinator is at work")
                .hint("`super-planner run` with the same plan goes on"),
            Explanation::AgentsBusy { agents, ahead } => {
                let agents = match agents.as_slice() {
                    [only] => format!("{}, the only agent that can do it, is busy", escaped(only)),
                    several => format!("all {} agents that can do it are busy", several.len()),
                };
                let queue = match ahead {
                    0 => "it is next in line".to_owned(),
                    1 => "one ready task comes first".to_owned(),
                    _ => format!("{ahead} ready tasks come first"),
                };
                Self::new(format!("It could run, but {agents}; {queue}"))
            }
            Explanation::Next => Self::new("It could run, and is handed out next"),
        }
    }

    fn waiting(blockers: &[Blocker]) -> Self {
        let hopeless = blockers.iter().filter(|blocker| blocker.is_hopeless).count();
        let mut shown: Vec<&Blocker> = blockers.iter().collect();
        shown.sort_by_key(|blocker| !blocker.is_hopeless);
        let named: Vec<String> =
            shown.iter().take(BLOCKERS_SHOWN).map(|blocker| blocker_text(blocker)).collect();
        let more = match blockers.len().saturating_sub(BLOCKERS_SHOWN) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let told = Self::new(format!("It waits for {}{more}", named.join(", ")));
        if hopeless > 0 {
            told.hint(
                "this wait does not end by itself: something that it needs has failed or was called off",
            )
        } else {
            told
        }
    }

    /// Returns why an agent has no task, or what it has, in words.
    pub fn of_agent(reason: &IdleReason) -> Self {
        match reason {
            IdleReason::Busy { tasks } => {
                let tasks: Vec<String> = tasks.iter().map(|task| escaped(task)).collect();
                Self::new(format!("It works on {}", tasks.join(", ")))
            }
            IdleReason::Retired => Self::new("Its coordinator is gone")
                .hint("`super-planner run` with the same plan brings it back"),
            IdleReason::Paused => {
                Self::new("It is paused").hint("`super-planner continue --agent` lets it go on")
            }
            IdleReason::NothingReady => Self::new("It is idle: nothing is ready"),
            IdleReason::NothingItCanDo => {
                Self::new("It is idle: some task is ready, but none that it can do")
                    .hint("`super-planner status` lists what is ready")
            }
            IdleReason::Next => Self::new("It gets a task next"),
        }
    }
}

fn blocker_text(blocker: &Blocker) -> String {
    let state = match (blocker.when, blocker.is_hopeless) {
        (When::Completed, _) => blocker.state.to_string(),
        (When::Failed, false) => format!("{}, and must fail first", blocker.state),
        (When::Failed, true) => format!("{}, and would have had to fail", blocker.state),
    };
    format!("{} ({state})", escaped(&blocker.task))
}

fn under_way(state: StateName, agent: &str) -> String {
    let agent = escaped(agent);
    match state {
        StateName::Assigned => format!("{agent} has it and is about to begin"),
        StateName::Verifying => format!("{agent} has delivered it, and it is being checked"),
        StateName::Landing => format!("{agent} has delivered it, and it is being landed"),
        _ => format!("{agent} works on it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_names_what_is_hopeless_first_and_says_so() {
        let blocker = |task: &str, state, when, is_hopeless| Blocker {
            task: task.to_owned(),
            state,
            when,
            is_hopeless,
        };
        let told = Told::of(
            &Explanation::Waiting {
                blockers: vec![
                    blocker("A", StateName::Running, When::Completed, false),
                    blocker("B", StateName::Failed, When::Completed, true),
                    blocker("C", StateName::Pending, When::Failed, false),
                ],
            },
            Timestamp::default(),
        );
        assert_eq!(told.sentence, "It waits for B (failed), A (running), C (pending, and must fail first)");
        assert!(told.hint.is_some());
    }
}
