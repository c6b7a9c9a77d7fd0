//! What is to be scheduled, on whom.

use std::collections::HashMap;

use crate::analysis::is_to_do;
use crate::{AgentProfile, CapabilitySet, Node, Plan, TaskGraph, TaskId, TaskIndex};

/// A plan, its graph, and agents of which at least one can do each task that is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'p> {
    pub(super) plan: &'p Plan,
    pub(super) graph: &'p TaskGraph,
    pub(super) agents: &'p [AgentProfile],
}

/// A task that no agent can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no agent can do `{id}`, which asks for {}", names(required))]
pub struct Unschedulable {
    /// The task.
    pub task: TaskIndex,
    /// Its id.
    pub id: TaskId,
    /// What it asks for.
    pub required: CapabilitySet,
}

fn names(required: &CapabilitySet) -> String {
    let names: Vec<String> = required.iter().map(|capability| format!("`{capability}`")).collect();
    if names.is_empty() {
        return "nothing but an agent with a slot".to_owned();
    }
    names.join(" and ")
}

impl<'p> Problem<'p> {
    /// Returns the problem, or the first task of the file that no agent can do. `graph` is the graph of `plan`.
    pub fn new(
        plan: &'p Plan,
        graph: &'p TaskGraph,
        agents: &'p [AgentProfile],
    ) -> Result<Self, Unschedulable> {
        let mut can_be_done: HashMap<&CapabilitySet, bool> = HashMap::new();
        for node in graph.nodes() {
            let Node::Task(index) = graph.node(node) else { continue };
            let task = &plan.tasks[index.index()];
            let able = *can_be_done.entry(&task.capabilities).or_insert_with(|| {
                let mut agents = agents.iter().filter(|agent| agent.slots > 0);
                agents.any(|agent| agent.capabilities.covers(&task.capabilities))
            });
            if is_to_do(task) && !able {
                return Err(Unschedulable {
                    task: index,
                    id: task.id.clone(),
                    required: task.capabilities.clone(),
                });
            }
        }
        Ok(Self { plan, graph, agents })
    }
}
