//! A plan in a few lines, before it is run.

use agent_coordinator::engine::AgentSpec;
use planner_core::analysis::{BoundReason, makespan_lower_bound};
use planner_core::{AgentProfile, Analysis, Plan, TaskGraph};

use crate::escape::{clipped, escaped};
use crate::terminal::{DIM, HEADING};

/// How many tasks of the critical path are named.
const PATH_SHOWN: usize = 6;

/// Returns what a plan amounts to for these agents.
pub(crate) fn plan_summary(plan: &Plan, graph: &TaskGraph, agents: &[AgentSpec]) -> String {
    let analysis = Analysis::of(plan, graph);
    let counts = analysis.counts;
    let dependencies: usize = plan.tasks.iter().map(|task| task.dependencies.len()).sum();
    let widest = analysis.waves.widest().map_or(0, |(_, width)| width);
    let mut text = format!(
        "{HEADING}{}{HEADING:#}  {} tasks to do in {} groups, {dependencies} dependencies, {} waves, the widest of {widest}\n",
        escaped(&plan.name),
        counts.pending,
        counts.groups,
        analysis.waves.len(),
    );
    if counts.completed + counts.on_hold + counts.excluded > 0 {
        text += &format!(
            "  {} done before, {} put aside, {} never to run\n",
            counts.completed, counts.on_hold, counts.excluded
        );
    }
    let path: Vec<_> = analysis
        .critical_path
        .tasks
        .iter()
        .map(|task| escaped(plan.tasks[task.index()].id.as_str()))
        .collect();
    let more = path.len().saturating_sub(PATH_SHOWN);
    let shown = path[..path.len() - more].join(" → ");
    let more = if more > 0 { format!(" → … {more} more") } else { String::new() };
    text += &format!(
        "  critical path  {}  {DIM}{}{DIM:#}\n",
        analysis.critical_path.effort,
        clipped(&(shown + &more), 120)
    );
    let profiles: Vec<_> = agents.iter().map(profile).collect();
    let bound = makespan_lower_bound(plan, graph, &profiles);
    let reason = match bound.reason {
        BoundReason::CriticalPath => "the critical path".to_owned(),
        BoundReason::Work { .. } => format!("{} of work, shared", analysis.work),
        BoundReason::Capabilities { required, slots } => {
            let names: Vec<_> = required.iter().map(|capability| escaped(capability.as_str())).collect();
            format!("the work for {}, which {slots} can do", names.join(" + "))
        }
        BoundReason::Impossible { required } => {
            let names: Vec<_> = required.iter().map(|capability| escaped(capability.as_str())).collect();
            format!("and no agent can do {}", names.join(" + "))
        }
    };
    text += &format!(
        "  with {} agents no schedule is shorter than {}  {DIM}{reason}{DIM:#}\n",
        agents.len(),
        bound.makespan
    );
    text
}

fn profile(agent: &AgentSpec) -> AgentProfile {
    AgentProfile {
        name: agent.name.clone(),
        capabilities: agent.capabilities.clone(),
        slots: agent.slots,
        lease_seconds: None,
        labels: Vec::new(),
    }
}
