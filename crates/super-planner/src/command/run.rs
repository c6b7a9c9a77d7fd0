//! `run`: carries out a plan, to the end or until it is interrupted; the same command goes on where the last one stopped.

use std::sync::Arc;

use agent_coordinator::ProcessLimits;
use agent_coordinator::engine::{AgentSpec, Policy};
use agent_coordinator::executor::{CommandAgent, CommandAgentOptions};
use git_ops::{Repository, WorktreePool};
use planner_core::{Plan, Reading, TaskGraph};
use serde_json::{Value, json};
use state_store::StateStore;
use state_store::task::{OverlappingWrites, ProjectRules};

use crate::agent_tools::AgentTools;
use crate::agents::{Agents, Simulation};
use crate::check_trust;
use crate::cli::{AgentKind, LandingChoice, ModelArgs, RunArgs};
use crate::command::skills;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::plan_file::{self, Defects, SoundPlan};
use crate::plan_summary::plan_summary;
use crate::program_agent::{self, AgentsUsage};
use crate::react_agent::ReactAgent;
use crate::run::{Run, Voice, new_seed};
use crate::session::{ChangedPlan, agents_of, generalists};
use crate::state_location::StateLocation;
use crate::target;
use crate::terminal::{Terminal, WARN};

/// Carries out a plan.
pub fn run(args: &RunArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let options = config.read_options(args.format, args.tag.as_deref());
    let defects = if args.lenient { Defects::SetAside } else { Defects::Refuse };
    let sound = plan_file::read_sound(&args.plan, &options, defects)?;
    let SoundPlan { reading, graph, set_aside } = &sound;
    let set_aside: Vec<String> = set_aside.iter().map(ToString::to_string).collect();
    let run_checks = check_trust::decide(&reading.plan, config, args.trust_checks, args.skip_checks)?;
    check_model(args)?;
    let worktrees = WorktreePool::new(config.worktree_options());
    let program = program_agent::choose(&args.program, config)?;
    let target = match args.landing {
        LandingChoice::Git => Some(target::find(args, config, &reading.plan)?),
        LandingChoice::None => None,
    };
    let agents = agents(args, config, &reading.plan);
    if voice(args) == Voice::People {
        show_plan(args, reading, graph, &agents, terminal)?;
        for change in &set_aside {
            terminal.line(format_args!("  {}", escaped(change)))?;
        }
    }
    let place = place(args, config, target.as_ref().map(|(repository, _)| repository))?;
    let store = place.open()?;
    let seed = config.seed.or_flag(args.seed.map(Some)).value.unwrap_or_else(new_seed);
    let time_scale = config.time_scale.or_flag(args.time_scale).value;
    let (failure_rate, shared_rate) = (args.failure_rate, args.shared_rate);
    let simulation = Simulation { seed, time_scale, failure_rate, shared_rate };
    let rules = rules(reading);
    let ledger = match program {
        Some(program) => Some((program, program_agent::ledger(&args.program.budget, &place)?)),
        None => None,
    };
    let (name, is_real) = (reading.plan.name.clone(), ledger.is_some());
    let run = Run {
        executor: match &ledger {
            Some((program, ledger)) => Agents::Command(CommandAgent::new(CommandAgentOptions {
                program: program.clone(),
                limits: ProcessLimits { time: config.attempt_timeout.value, ..ProcessLimits::default() },
                start_max: args.program.agent_start,
                silence_max: args.program.agent_silence,
                worktrees: worktrees.clone(),
                transcripts: place.transcripts_folder().map(program_agent::transcripts),
                ledger: Arc::clone(ledger),
            })),
            None => executor(args, &store, simulation, &worktrees, terminal)?,
        },
        plan: sound.reading.plan,
        agents,
        target,
        place,
        store,
        run_checks,
        rules: project_rules(args, config),
        policy: Policy {
            lease: config.lease.value,
            failures_max: config.failures_max.value,
            losses_max: config.losses_max.value,
            seed,
            ..Policy::default()
        },
        landing: config.landing_rules(),
        worktrees,
        attempt_time: config.attempt_timeout.value,
        check_limits: ProcessLimits { time: config.check_timeout.value, ..ProcessLimits::default() },
        time_scale: (!is_real).then_some(time_scale),
        seed,
        voice: voice(args),
        changed_plan: if args.join { ChangedPlan::Join } else { ChangedPlan::Refuse },
    };
    let end = run.finish(terminal);
    let usage = ledger.map(|(_, ledger)| AgentsUsage::of(&ledger, &name));
    let end = match (end, &usage) {
        (Err(error), Some(usage)) => {
            terminal.note(usage.text().trim_end());
            return Err(error);
        }
        (end, _) => end?,
    };
    if args.json {
        terminal.json(&json!({
            "report": end.report,
            "places": end.places,
            "rules": rules,
            "set_aside": set_aside,
            "joined": end.joined,
            "usage": usage,
        }))?;
    } else if !args.events {
        terminal.print(end.report.text(terminal, end.places.time_scale))?;
        terminal.print(usage.as_ref().map(AgentsUsage::text).unwrap_or_default())?;
        terminal.print(end.places.text())?;
    }
    Ok(end.exit())
}

/// Returns what the project allows, by the flags and the configuration.
fn project_rules(args: &RunArgs, config: &Config) -> ProjectRules {
    let allowed = args.overlapping_writes.then_some(OverlappingWrites::Allowed);
    ProjectRules {
        overlapping_writes: config.overlapping_writes.or_flag(allowed).value,
        failures_in_row_max: config.project_failures_in_row_max.value,
        failures_max: config.project_failures_max.value,
    }
}

/// Tells what was found, before the work begins.
fn show_plan(
    args: &RunArgs,
    reading: &Reading,
    graph: &TaskGraph,
    agents: &[AgentSpec],
    terminal: &Terminal,
) -> Result<(), CliError> {
    terminal.print(plan_summary(&reading.plan, graph, agents))?;
    for count in reading.rules.iter().filter(|count| count.entries > 0) {
        let rule = count.rule;
        terminal.line(format_args!(
            "  {} {} `{}`: {}",
            count.entries,
            rule.field,
            rule.value,
            rule.meaning.as_str()
        ))?;
    }
    let remarks = planner_core::validate(reading).diagnostics.len();
    if remarks > 0 {
        let plan = escaped(&args.plan.to_string_lossy());
        terminal.line(format_args!(
            "{WARN}{remarks} warnings and notes{WARN:#}: `super-planner validate {plan}` tells them"
        ))?;
    }
    Ok(())
}

/// Returns which rule of the format's table was applied to how many entries.
fn rules(reading: &Reading) -> Vec<Value> {
    let applied = reading.rules.iter().filter(|count| count.entries > 0);
    let told = applied.map(|count| {
        let (rule, meaning) = (count.rule, count.rule.meaning.as_str());
        json!({ "field": rule.field, "value": rule.value, "meaning": meaning, "entries": count.entries })
    });
    told.collect()
}

fn place(
    args: &RunArgs,
    config: &Config,
    repository: Option<&Repository>,
) -> Result<StateLocation, CliError> {
    match repository {
        Some(repository) if args.place.state.is_none() && config.state.value.is_none() => {
            Ok(StateLocation::in_repository(repository))
        }
        _ => StateLocation::find(&args.place, config),
    }
}

/// Only agents that ask models can be told which.
fn check_model(args: &RunArgs) -> Result<(), CliError> {
    let ModelArgs { models, endpoint, skills, tokens_max, cost_max, prices, programs, mcp, summarise } =
        &args.model;
    let has_no_tools = skills.is_empty() && programs.is_empty() && mcp.is_empty();
    let has_no_budget = tokens_max.is_none() && cost_max.is_none() && prices.is_none();
    let is_plain = models.is_empty() && endpoint.is_none() && has_no_tools && has_no_budget && !summarise;
    let is_program = args.program.agent_command.is_some() || args.program.agent_preset.is_some();
    if is_plain || (args.agent == AgentKind::React && !is_program) {
        return Ok(());
    }
    let message = "--model, --endpoint, --skills, --allow-program, --mcp, --tokens-max, --cost-max, --prices and --summarise \
                   are for agents \
                   that ask models";
    Err(CliError::new(ErrorKind::Usage, message).hint("--agent react runs such agents"))
}

fn executor(
    args: &RunArgs,
    store: &Arc<dyn StateStore>,
    simulation: Simulation,
    worktrees: &WorktreePool,
    terminal: &Terminal,
) -> Result<Agents, CliError> {
    match args.agent {
        AgentKind::React => {
            let tools = AgentTools::new(&args.model, worktrees.clone(), terminal);
            let agent = ReactAgent::new(Arc::clone(store), &args.model, tools, simulation)?;
            if !args.quiet {
                skills::tell_warnings(agent.skills(), terminal);
            }
            Ok(Agents::React(agent))
        }
        AgentKind::Simulated => Ok(Agents::simulated(simulation)),
    }
}

/// Returns the agents: as many as the flag says, else those of the plan, else as many as the configuration says.
fn agents(args: &RunArgs, config: &Config, plan: &Plan) -> Vec<AgentSpec> {
    match args.agents {
        Some(count) => generalists(plan, count.get() as usize),
        None => agents_of(plan, config.agents.value.get() as usize),
    }
}

fn voice(args: &RunArgs) -> Voice {
    match (args.events, args.quiet || args.json) {
        (true, _) => Voice::Events,
        (false, true) => Voice::Nobody,
        (false, false) => Voice::People,
    }
}
