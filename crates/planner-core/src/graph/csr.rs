//! Adjacency in two flat arrays: compact, and walked without chasing pointers.

use std::ops::Range;

use super::task_graph::NodeIndex;
use crate::When;

/// An edge as the builder lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    pub(super) when: When,
}

impl Edge {
    pub(super) fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, when: self.when }
    }
}

/// The edges that leave each node, in order of their targets.
#[derive(Debug, Clone)]
pub(super) struct Csr {
    offsets: Vec<u32>,
    targets: Vec<(NodeIndex, When)>,
}

impl Csr {
    /// Returns the adjacency of `edges`, which are sorted by origin and target.
    pub(super) fn of_sorted(node_count: usize, edges: &[Edge]) -> Self {
        debug_assert!(edges.is_sorted(), "the builder sorts");
        let mut offsets = vec![0_u32; node_count + 1];
        for edge in edges {
            offsets[edge.from.index() + 1] += 1;
        }
        for node in 0..node_count {
            offsets[node + 1] += offsets[node];
        }
        Self { offsets, targets: edges.iter().map(|edge| (edge.to, edge.when)).collect() }
    }

    pub(super) fn of(&self, node: NodeIndex) -> &[(NodeIndex, When)] {
        &self.targets[self.range(node)]
    }

    pub(super) fn degree(&self, node: NodeIndex) -> usize {
        self.range(node).len()
    }

    pub(super) fn edge_count(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn node_count(&self) -> usize {
        self.offsets.len() - 1
    }

    fn range(&self, node: NodeIndex) -> Range<usize> {
        self.offsets[node.index()] as usize..self.offsets[node.index() + 1] as usize
    }
}
