//! The one graph that everything works on: waves, critical path, bounds, dispatch and explanations.
//!
//! It is acyclic by construction. A leaf is one node; a group is two nodes without effort, its start and its finish,
//! so that "depend on a group" and "inherit the group's dependencies" cost one edge each:
//!
//! - `start of the group -> start of the child` and `finish of the child -> finish of the group`;
//! - `finish of what is depended on -> start of the dependent`.
//!
//! What is left out of it, and why, is told by [`TaskGraph::ignored`].

mod builder;
mod csr;
mod cut;
mod cycle;
mod defect;
mod digraph;
mod hierarchy;
mod live_order;
mod petgraph_visit;
mod task_graph;

pub use defect::{Cycle, CycleEdge, Defect, Origin};
pub use digraph::{Components, Digraph, Times};
pub use live_order::{LiveOrder, WouldCycle};
pub use petgraph_visit::{Neighbors, Visited};
pub use task_graph::{Ignored, IgnoredReason, Node, NodeIndex, TaskGraph, TaskIndex};

#[cfg(test)]
mod tests;
