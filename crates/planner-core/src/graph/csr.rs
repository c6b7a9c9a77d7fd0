//! Adjacency in two flat arrays: compact, and walked without chasing pointers.

use std::ops::Range;

use super::task_graph::NodeIndex;
use crate::When;

/// An edge as the builder lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    pub(super) when: When,
}

/// Where an edge leads and what satisfies it, in four bytes; in order of the nodes, completions first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target(u32);

impl Target {
    fn new(node: NodeIndex, when: When) -> Self {
        Self(node.0 << 1 | u32::from(when == When::Failed))
    }

    pub(super) fn node(self) -> NodeIndex {
        NodeIndex(self.0 >> 1)
    }

    pub(super) fn when(self) -> When {
        if self.0 & 1 == 0 { When::Completed } else { When::Failed }
    }

    pub(super) fn both(self) -> (NodeIndex, When) {
        (self.node(), self.when())
    }
}

/// The edges that leave each node, in order of their targets and each once.
#[derive(Debug, Clone)]
pub(super) struct Csr {
    offsets: Vec<u32>,
    targets: Vec<Target>,
}

impl Csr {
    /// Returns the adjacency of the edges, whatever their order.
    pub(super) fn of(node_count: usize, edges: &[Edge]) -> Self {
        let listed = edges.iter().map(|edge| (edge.from, Target::new(edge.to, edge.when)));
        let mut all = Self::in_the_order_of(node_count, edges.len(), listed);
        all.sort_and_drop_repeats();
        all
    }

    /// Returns the adjacency of the same edges turned round.
    pub(super) fn reversed(&self) -> Self {
        // Their origins come in order, so that the targets of each node are too.
        let turned = (0..self.node_count()).map(NodeIndex::from_usize).flat_map(|from| {
            self.of_node(from).iter().map(move |target| (target.node(), Target::new(from, target.when())))
        });
        Self::in_the_order_of(self.node_count(), self.edge_count(), turned)
    }

    /// Puts each edge to its origin, by counting; those of one origin stay in the order in which they come.
    fn in_the_order_of(
        node_count: usize,
        edge_count: usize,
        edges: impl Iterator<Item = (NodeIndex, Target)> + Clone,
    ) -> Self {
        let mut offsets = vec![0_u32; node_count + 1];
        for (from, _) in edges.clone() {
            offsets[from.index() + 1] += 1;
        }
        for node in 0..node_count {
            offsets[node + 1] += offsets[node];
        }
        let mut targets = vec![Target(0); edge_count];
        // Each offset runs through its node's places, and so ends as that of the next node.
        for (from, target) in edges {
            let place = &mut offsets[from.index()];
            targets[*place as usize] = target;
            *place += 1;
        }
        offsets.copy_within(..node_count, 1);
        offsets[0] = 0;
        Self { offsets, targets }
    }

    fn sort_and_drop_repeats(&mut self) {
        let mut kept = 0;
        for node in 0..self.node_count() {
            let own = self.range(NodeIndex::from_usize(node));
            self.targets[own.clone()].sort_unstable();
            let first = kept;
            for place in own {
                let target = self.targets[place];
                if kept == first || self.targets[kept - 1] != target {
                    self.targets[kept] = target;
                    kept += 1;
                }
            }
            self.offsets[node] = first as u32;
        }
        if let Some(end) = self.offsets.last_mut() {
            *end = kept as u32;
        }
        self.targets.truncate(kept);
    }

    pub(super) fn of_node(&self, node: NodeIndex) -> &[Target] {
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
