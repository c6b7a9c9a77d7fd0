//! The least time that any schedule takes on given agents.

use std::collections::BTreeMap;

use super::{is_to_do, remaining_effort};
use crate::{AgentProfile, CapabilitySet, Effort, Node, Plan, TaskGraph};

/// A time that no schedule can beat, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The time.
    pub makespan: Effort,
    /// What keeps every schedule from being shorter.
    pub reason: BoundReason,
}

/// What keeps every schedule from being shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundReason {
    /// A chain of tasks, each waiting for the one before.
    CriticalPath,
    /// All the work, shared among all slots.
    Work {
        /// How many tasks the agents take at once.
        slots: u64,
    },
    /// The work that only the agents of these capabilities can do, shared among their slots.
    Capabilities {
        /// What the work asks for.
        required: CapabilitySet,
        /// How many tasks the agents that have it take at once.
        slots: u64,
    },
    /// No agent has what some task asks for: it never ends.
    Impossible {
        /// What that task asks for.
        required: CapabilitySet,
    },
}

/// How many different sets of capabilities are compared with each other; beyond, each counts by itself.
const SETS_COMPARED_MAX: usize = 2_000;

/// Returns the greatest of the known lower bounds: the critical path, the work per slot, and for each set of capabilities
/// that some task asks for the work that asks for at least that, per slot of the agents that have it.
///
/// Where no agent can do some task, the bound is `Impossible`, with the critical path as its time.
pub fn makespan_lower_bound(plan: &Plan, graph: &TaskGraph, agents: &[AgentProfile]) -> Bound {
    let mut bounds = makespan_lower_bounds(plan, graph, agents);
    bounds.swap_remove(0)
}

/// Returns all the bounds that [`makespan_lower_bound`] is the greatest of, the greatest first; of equals the critical path comes
/// before the work, and that before the sets of capabilities.
pub fn makespan_lower_bounds(plan: &Plan, graph: &TaskGraph, agents: &[AgentProfile]) -> Vec<Bound> {
    let critical = super::bottom_levels(plan, graph).into_iter().max().unwrap_or_default();
    let mut bounds = vec![Bound { makespan: critical, reason: BoundReason::CriticalPath }];
    let work = work_by_capabilities(plan, graph);
    let sets: Vec<(&CapabilitySet, Effort)> = work.iter().map(|(set, effort)| (set, *effort)).collect();
    let slots_of = |required: &CapabilitySet| -> u64 {
        let able = agents.iter().filter(|agent| agent.capabilities.covers(required));
        able.map(|agent| u64::from(agent.slots)).sum()
    };
    let (all, slots) = (work.values().copied().sum(), slots_of(&CapabilitySet::default()));
    if slots > 0 {
        bounds.push(Bound { makespan: per_slot(all, slots), reason: BoundReason::Work { slots } });
    }
    for (required, own_work) in &sets {
        let slots = slots_of(required);
        if slots == 0 {
            let required = (*required).clone();
            return vec![Bound { makespan: critical, reason: BoundReason::Impossible { required } }];
        }
        // What asks for nothing is work like any other.
        if required.is_empty() {
            continue;
        }
        let asking = if sets.len() <= SETS_COMPARED_MAX {
            sets.iter().filter(|(other, _)| other.covers(required)).map(|(_, effort)| *effort).sum()
        } else {
            *own_work
        };
        let reason = BoundReason::Capabilities { required: (*required).clone(), slots };
        bounds.push(Bound { makespan: per_slot(asking, slots), reason });
    }
    bounds.sort_by_key(|bound| std::cmp::Reverse(bound.makespan));
    bounds
}

fn per_slot(work: Effort, slots: u64) -> Effort {
    Effort::from_millis(work.as_millis().div_ceil(slots))
}

fn work_by_capabilities(plan: &Plan, graph: &TaskGraph) -> BTreeMap<CapabilitySet, Effort> {
    let mut work: BTreeMap<CapabilitySet, Effort> = BTreeMap::new();
    for node in graph.nodes() {
        let Node::Task(task) = graph.node(node) else {
            continue;
        };
        let task = &plan.tasks[task.index()];
        if is_to_do(task) {
            let effort = remaining_effort(plan, graph, node);
            match work.get_mut(&task.capabilities) {
                Some(sum) => *sum += effort,
                None => {
                    work.insert(task.capabilities.clone(), effort);
                }
            }
        }
    }
    work
}
