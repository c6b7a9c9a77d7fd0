//! `analyze`: what a plan amounts to.

mod json;
mod what_if;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use planner_core::analysis::{
    Bottleneck, Bound, BoundReason, Chain, Counts, bottlenecks, critical_effort_if, is_to_do, longest_chains,
    makespan_lower_bounds,
};
use planner_core::render::{Bar, BarKind, Gantt, GraphPicture, Lane};
use planner_core::schedule::{Budget, Problem, improved_schedule};
use planner_core::{
    AgentProfile, Analysis, Capability, CapabilitySet, Effort, Plan, Standing, TaskGraph, TaskIndex,
};

use crate::cli::AnalyzeArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::{clipped, escaped};
use crate::plan_file::{self, Defects, SoundPlan};
use crate::plan_output::{Existing, write_file};
use crate::table::{Cell, Table};
use crate::terminal::{BAD, BUSY, DIM, HEADING, Terminal};

use what_if::WhatIf;

const CHAINS_SHOWN: usize = 5;
const WAVES_SHOWN: usize = 12;
const CRITICAL_TASKS_SHOWN: usize = 30;
const SLACK_TASKS_SHOWN: usize = 10;
const BOTTLENECKS_SHOWN: usize = 5;
const BOUNDS_SHOWN: usize = 5;
const TITLE_CHARS_MAX: usize = 60;

/// Tells what a plan amounts to.
pub fn run(args: &AnalyzeArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let options = config.read_options(args.format, args.tag.as_deref());
    let SoundPlan { reading, graph, .. } = plan_file::read_sound(&args.plan, &options, Defects::Refuse)?;
    let picture = Picture::of(&reading.plan, &graph, args.agents, config.agents.value);
    picture.draw(args)?;
    let what_if = WhatIf::of(&picture, args)?;
    if args.json {
        let mut told = picture.json();
        told["what_if"] = what_if.as_ref().map(|what_if| what_if.json(&picture)).into();
        terminal.json(&told)?;
    } else {
        terminal.print(picture.text(terminal.width()))?;
        if let Some(what_if) = what_if {
            terminal.print(what_if.text(&picture, terminal.width()))?;
        }
    }
    Ok(Exit::Fine)
}

/// Everything that is told about a plan.
struct Picture<'p> {
    plan: &'p Plan,
    graph: &'p TaskGraph,
    analysis: Analysis,
    dependencies: usize,
    excluded: BTreeMap<&'static str, usize>,
    chains: Vec<Chain>,
    bottlenecks: Vec<Bottleneck>,
    /// The leaves that are still to be done, by their slack, then by their place in the file.
    by_slack: Vec<(Effort, TaskIndex)>,
    agents: Agents,
    /// The greatest first.
    bounds: Vec<Bound>,
}

/// Whom the least time is told for.
struct Agents {
    profiles: Vec<AgentProfile>,
    are_the_plans: bool,
}

impl<'p> Picture<'p> {
    fn of(
        plan: &'p Plan,
        graph: &'p TaskGraph,
        asked_for: Option<NonZeroU32>,
        otherwise: NonZeroU32,
    ) -> Self {
        let analysis = Analysis::of(plan, graph);
        let agents = Agents::of(plan, asked_for, otherwise);
        let mut excluded = BTreeMap::new();
        for task in &plan.tasks {
            if let Standing::Excluded(reason) = task.standing {
                *excluded.entry(reason.as_str()).or_default() += 1;
            }
        }
        let is_open_leaf = |task: &TaskIndex| !graph.is_group(*task) && is_to_do(&plan.tasks[task.index()]);
        let mut by_slack: Vec<(Effort, TaskIndex)> = graph
            .tasks()
            .filter(is_open_leaf)
            .map(|task| (analysis.timing.slack_of(graph, task), task))
            .collect();
        by_slack.sort_unstable();
        Self {
            dependencies: plan.tasks.iter().map(|task| task.dependencies.len()).sum(),
            excluded,
            chains: longest_chains(plan, graph, CHAINS_SHOWN),
            bottlenecks: bottlenecks(plan, graph, BOTTLENECKS_SHOWN),
            by_slack,
            bounds: makespan_lower_bounds(plan, graph, &agents.profiles),
            agents,
            plan,
            graph,
            analysis,
        }
    }

    /// Draws what was asked for.
    fn draw(&self, args: &AnalyzeArgs) -> Result<(), CliError> {
        if let Some(path) = &args.graph {
            let drawn = GraphPicture::of(self.plan, self.graph, &self.analysis);
            let ending = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
            let text = match ending {
                "dot" | "gv" => drawn.to_dot(),
                "mmd" | "mermaid" => drawn.to_mermaid(),
                "svg" => drawn.to_svg(),
                _ => {
                    let message = "the ending of the picture of the graph is none of .dot, .mmd and .svg";
                    return Err(CliError::new(ErrorKind::Usage, message));
                }
            };
            write_file(path, text.as_bytes(), Existing::Replaced)?;
        }
        if let Some(path) = &args.gantt {
            write_file(path, self.gantt(args.evaluations)?.to_svg().as_bytes(), Existing::Replaced)?;
        }
        Ok(())
    }

    /// Returns the best schedule found, a lane an agent.
    fn gantt(&self, evaluations: usize) -> Result<Gantt, CliError> {
        let agents = &self.agents.profiles;
        let problem = Problem::new(self.plan, self.graph, agents)
            .map_err(|error| CliError::new(ErrorKind::Plan, "there is no schedule").caused_by(error))?;
        let schedule = improved_schedule(&problem, Budget { evaluations, seed: 1 });
        let bars = |agent: usize| -> Vec<Bar> {
            let own = schedule.assignments.iter().filter(|assignment| assignment.agent == agent);
            own.map(|assignment| Bar {
                start_ms: assignment.start.as_millis(),
                end_ms: assignment.finish.as_millis(),
                label: self.id(assignment.task).to_owned(),
                kind: BarKind::Planned,
            })
            .collect()
        };
        let lanes = agents
            .iter()
            .enumerate()
            .map(|(agent, profile)| Lane { name: profile.name.clone(), bars: bars(agent) });
        let title = format!(
            "{}: {} with {}, at least {}",
            self.plan.name,
            schedule.makespan,
            self.agents.described(),
            schedule.lower_bound
        );
        Ok(Gantt { title, lanes: lanes.collect() })
    }

    fn id(&self, task: TaskIndex) -> &str {
        self.plan.tasks[task.index()].id.as_str()
    }

    fn title(&self, task: TaskIndex) -> String {
        clipped(&self.plan.tasks[task.index()].title, TITLE_CHARS_MAX)
    }

    fn without_slack(&self) -> usize {
        self.by_slack.iter().take_while(|(slack, _)| *slack == Effort::ZERO).count()
    }

    fn text(&self, width: usize) -> String {
        let mut text = format!("{HEADING}{}{HEADING:#}\n", escaped(&self.plan.name));
        text.push_str(&self.counts_text(width));
        text.push_str(&self.waves_text());
        text.push_str(&self.critical_path_text(width));
        text.push_str(&self.slack_text(width));
        text.push_str(&self.chains_text(width));
        text.push_str(&self.bottlenecks_text(width));
        text.push_str(&format!("\n{HEADING}Least time{HEADING:#}  {}\n", self.bound_text()));
        for Bound { makespan, reason } in self.bounds.iter().skip(1).take(BOUNDS_SHOWN) {
            text.push_str(&format!("  {DIM}at least {makespan}: {}{DIM:#}\n", self.reason_text(reason)));
        }
        text.push_str(&more(self.bounds.len(), BOUNDS_SHOWN + 1));
        text
    }

    fn counts_text(&self, width: usize) -> String {
        let Counts { pending, on_hold, completed, groups, excluded } = self.analysis.counts;
        let reasons: Vec<String> =
            self.excluded.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let held = if on_hold > 0 { format!("{on_hold} of them on hold") } else { String::new() };
        let mut table = Table::default();
        for (what, count, remark) in [
            ("  entries", self.analysis.counts.total(), String::new()),
            ("  groups", groups, String::new()),
            ("  tasks to do", pending + on_hold, held),
            ("  done before", completed, String::new()),
            ("  excluded", excluded, reasons.join(", ")),
            ("  dependencies", self.dependencies, String::new()),
        ] {
            table.row([Cell::plain(what), Cell::number(count), Cell::dim(remark)]);
        }
        table.row([Cell::plain("  work to do"), Cell::number(self.analysis.work), Cell::plain("")]);
        table.draw(width)
    }

    fn waves_text(&self) -> String {
        let waves = &self.analysis.waves;
        let Some((number, size)) = waves.widest() else {
            return "\nNothing is left to do.\n".to_owned();
        };
        let mut sizes: Vec<String> =
            waves.iter().take(WAVES_SHOWN).map(|wave| wave.len().to_string()).collect();
        if waves.len() > WAVES_SHOWN {
            sizes.push("…".to_owned());
        }
        format!(
            "\n{HEADING}Waves{HEADING:#}  {}; the widest is number {} with {}\n  sizes: {DIM}{}{DIM:#}\n",
            waves.len(),
            number + 1,
            tasks(size),
            sizes.join(" ")
        )
    }

    fn critical_path_text(&self, width: usize) -> String {
        let path = &self.analysis.critical_path;
        if path.tasks.is_empty() {
            return String::new();
        }
        let mut table = Table::default();
        for task in path.tasks.iter().take(CRITICAL_TASKS_SHOWN) {
            let effort = self.plan.tasks[task.index()].effort_or_default();
            table.row([
                Cell::styled(format!("  {}", self.id(*task)), BUSY),
                Cell::number(effort),
                Cell::plain(self.title(*task)),
            ]);
        }
        let more = more(path.tasks.len(), CRITICAL_TASKS_SHOWN);
        format!(
            "\n{HEADING}Critical path{HEADING:#}  {} in {}\n{}{more}",
            path.effort,
            tasks(path.tasks.len()),
            table.draw(width)
        )
    }

    fn slack_text(&self, width: usize) -> String {
        let without = self.without_slack();
        let rest = &self.by_slack[without..];
        if self.by_slack.is_empty() {
            return String::new();
        }
        let mut table = Table::default();
        for (slack, task) in rest.iter().take(SLACK_TASKS_SHOWN) {
            table.row([
                Cell::plain(format!("  {}", self.id(*task))),
                Cell::number(slack),
                Cell::plain(self.title(*task)),
            ]);
        }
        let least = if rest.is_empty() { "" } else { "; the least of the others:" };
        format!(
            "\n{HEADING}Slack{HEADING:#}  {} without any{least}\n{}{}",
            tasks(without),
            table.draw(width),
            more(rest.len(), SLACK_TASKS_SHOWN)
        )
    }

    fn chains_text(&self, width: usize) -> String {
        if self.chains.len() < 2 {
            return String::new();
        }
        let mut table = Table::default();
        for chain in &self.chains {
            let ids: Vec<&str> = chain.tasks.iter().map(|task| self.id(*task)).collect();
            table.row([
                Cell::plain(" "),
                Cell::number(chain.effort),
                Cell::number(chain.tasks.len()),
                Cell::plain(ids.join(" → ")),
            ]);
        }
        format!(
            "\n{HEADING}Longest chains{HEADING:#}  no task in two: work, tasks, and which\n{}",
            table.draw(width)
        )
    }

    fn bottlenecks_text(&self, width: usize) -> String {
        if self.bottlenecks.is_empty() {
            return String::new();
        }
        let mut table = Table::default();
        for Bottleneck { task, share } in &self.bottlenecks {
            let without = critical_effort_if(self.plan, self.graph, *task, Effort::ZERO);
            table.row([
                Cell::plain(format!("  {}", self.id(*task))),
                Cell::number(format!("{:.0} %", 100.0 * share)),
                Cell::number(without),
                Cell::plain(self.title(*task)),
            ]);
        }
        format!(
            "\n{HEADING}Bottlenecks{HEADING:#}  the share of long ways through each, and the critical path without it\n{}",
            table.draw(width)
        )
    }

    /// Returns the greatest of the bounds.
    fn bound(&self) -> &Bound {
        self.bounds.first().expect("the critical path is one")
    }

    fn bound_text(&self) -> String {
        let whom = self.agents.described();
        let Bound { makespan, reason } = self.bound();
        match reason {
            BoundReason::Impossible { required } => {
                format!("{BAD}never{BAD:#} with {whom}: none has all of {}", names(required))
            }
            reason => format!("{makespan} with {whom}: {}", self.reason_text(reason)),
        }
    }

    fn reason_text(&self, reason: &BoundReason) -> String {
        let at_once = |slots: u64| match slots {
            1 => "one task at a time".to_owned(),
            _ => format!("{slots} tasks at once"),
        };
        match reason {
            BoundReason::CriticalPath => "the critical path takes that long with any number".to_owned(),
            BoundReason::Work { slots } => {
                format!("there are {} of work, and they take {}", self.analysis.work, at_once(*slots))
            }
            BoundReason::Capabilities { required, slots } => {
                format!("those that have {} take {}", names(required), at_once(*slots))
            }
            BoundReason::Impossible { required } => format!("none has all of {}", names(required)),
        }
    }
}

impl Agents {
    /// Returns the agents asked for, else the plan's, else as many as otherwise; those that are only counted can do
    /// everything.
    fn of(plan: &Plan, asked_for: Option<NonZeroU32>, otherwise: NonZeroU32) -> Self {
        if asked_for.is_none() && !plan.agents.is_empty() {
            return Self { profiles: plan.agents.clone(), are_the_plans: true };
        }
        let asked: Vec<Capability> =
            plan.tasks.iter().flat_map(|task| task.capabilities.iter().cloned()).collect();
        let everything = CapabilitySet::from(asked);
        let profiles = (1..=asked_for.unwrap_or(otherwise).get())
            .map(|number| AgentProfile {
                name: format!("agent-{number}"),
                capabilities: everything.clone(),
                slots: 1,
                lease_seconds: None,
                labels: Vec::new(),
            })
            .collect();
        Self { profiles, are_the_plans: false }
    }

    fn described(&self) -> String {
        match (self.profiles.len(), self.are_the_plans) {
            (1, true) => "the plan's one agent".to_owned(),
            (count, true) => format!("the plan's {count} agents"),
            (1, false) => "one agent that can do everything".to_owned(),
            (count, false) => format!("{count} agents that can do everything"),
        }
    }
}

fn names(capabilities: &CapabilitySet) -> String {
    let names: Vec<String> = capabilities.iter().map(|capability| escaped(capability.as_str())).collect();
    names.join(" + ")
}

fn tasks(count: usize) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

fn more(count: usize, shown: usize) -> String {
    match count.saturating_sub(shown) {
        0 => String::new(),
        rest => format!("  {DIM}and {rest} more; --json has all that there is{DIM:#}\n"),
    }
}
