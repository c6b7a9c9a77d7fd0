//! `plan`: from a goal to a plan, broken down by methods, by an outline, or by a command that is asked.

mod asked_command;

use std::io::BufRead;

use planner_core::planning::{Bounds, Decomposer, Methods, propose};
use planner_core::{Analysis, Format, Plan, TaskGraph};

use crate::cli::PlanArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::{clipped, escaped};
use crate::plan_file::{self, Defects};
use crate::plan_output::{Existing, format_for, write_plan};
use crate::terminal::{DIM, HEADING, Terminal};

use asked_command::AskedCommand;

const TITLE_CHARS_MAX: usize = 90;
/// How many entries of a proposal are shown before it is approved.
const ENTRIES_SHOWN: usize = 60;

/// Proposes a plan, shows it, and writes it once it is approved.
pub fn run(args: &PlanArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let format = format_for(&args.out, args.to)?;
    let plan = match &args.outline {
        Some(outline) => {
            plan_file::read_sound(
                outline,
                &config.read_options(Some(Format::Markdown), None),
                Defects::Refuse,
            )?
            .reading
            .plan
        }
        None => proposed(args, terminal)?,
    };
    show(&plan, terminal);
    if !args.yes && !is_approved(terminal)? {
        terminal.note("nothing was written");
        return Ok(Exit::Problems);
    }
    let existing = if args.force { Existing::Replaced } else { Existing::Kept };
    write_plan(&plan, &args.out, format, existing, terminal)?;
    terminal.note(format_args!("written to {}", escaped(&args.out.to_string_lossy())));
    Ok(Exit::Fine)
}

fn proposed(args: &PlanArgs, terminal: &Terminal) -> Result<Plan, CliError> {
    let goal = args.goal.as_deref().unwrap_or_default();
    let bounds = Bounds {
        depth_max: args.depth.map_or(Bounds::default().depth_max, |depth| depth.get() as usize),
        tasks_max: args.tasks.map_or(Bounds::default().tasks_max, |tasks| tasks.get() as usize),
        ..Bounds::default()
    };
    let mut decomposer: Box<dyn Decomposer> = match (&args.command, &args.methods) {
        (Some(command), _) => Box::new(AskedCommand::of(command)?),
        (None, Some(file)) => {
            let shown = escaped(&file.to_string_lossy());
            let unreadable = || CliError::new(ErrorKind::Input, format!("{shown} cannot be read as methods"));
            let text = std::fs::read_to_string(file).map_err(|error| unreadable().caused_by(error))?;
            Box::new(Methods::parse(&text).map_err(|error| unreadable().caused_by(error))?)
        }
        (None, None) => Box::new(Methods::shipped()),
    };
    let proposal = propose(goal, decomposer.as_mut(), bounds)
        .map_err(|error| CliError::new(ErrorKind::Plan, "there is no plan for this goal").caused_by(error))?;
    for repair in &proposal.repairs {
        terminal.note(format_args!("put right: {}", escaped(repair)));
    }
    Ok(proposal.approve())
}

/// Shows what there is to approve; beside the answer, so that the plan itself can go to the standard output.
fn show(plan: &Plan, terminal: &Terminal) {
    let mut depths: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for (number, task) in plan.tasks.iter().enumerate() {
        let depth =
            task.parent.as_ref().and_then(|parent| depths.get(parent.as_str())).map_or(0, |depth| depth + 1);
        depths.insert(task.id.as_str(), depth);
        if number < ENTRIES_SHOWN {
            let title = clipped(&task.title, TITLE_CHARS_MAX);
            terminal.note(format_args!(
                "{}{title}  {DIM}{}{DIM:#}",
                "  ".repeat(depth),
                escaped(task.id.as_str())
            ));
        }
    }
    if plan.tasks.len() > ENTRIES_SHOWN {
        terminal.note(format_args!("{DIM}and {} more{DIM:#}", plan.tasks.len() - ENTRIES_SHOWN));
    }
    if let Ok(graph) = TaskGraph::new(plan) {
        let analysis = Analysis::of(plan, &graph);
        terminal.note(format_args!(
            "{HEADING}{}{HEADING:#}: {} tasks in {} groups, {} waves, {} of work, the longest way {}",
            escaped(&plan.name),
            analysis.counts.pending,
            analysis.counts.groups,
            analysis.waves.len(),
            analysis.work,
            analysis.critical_path.effort
        ));
    }
}

fn is_approved(terminal: &Terminal) -> Result<bool, CliError> {
    terminal.note("Is this the plan? [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::new(ErrorKind::Input, "the answer cannot be read").caused_by(error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
