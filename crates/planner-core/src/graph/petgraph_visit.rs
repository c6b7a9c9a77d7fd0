//! petgraph's view of the graph, so that every algorithm of petgraph runs on it.

use std::iter::Map;
use std::ops::Range;
use std::slice::Iter;

use petgraph::Direction;
use petgraph::visit::{
    EdgeCount, GraphBase, GraphProp, IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers,
    NodeCompactIndexable, NodeCount, NodeIndexable, VisitMap, Visitable,
};

use super::csr::Target;
use super::task_graph::{NodeIndex, TaskGraph};
use crate::When;

impl GraphBase for TaskGraph {
    type EdgeId = (NodeIndex, NodeIndex, When);
    type NodeId = NodeIndex;
}

impl GraphProp for TaskGraph {
    type EdgeType = petgraph::Directed;
}

impl NodeCount for TaskGraph {
    fn node_count(&self) -> usize {
        self.node_count()
    }
}

impl EdgeCount for TaskGraph {
    fn edge_count(&self) -> usize {
        self.edge_count()
    }
}

impl NodeIndexable for TaskGraph {
    fn node_bound(&self) -> usize {
        self.node_count()
    }

    fn to_index(&self, node: NodeIndex) -> usize {
        node.index()
    }

    fn from_index(&self, index: usize) -> NodeIndex {
        NodeIndex::from_usize(index)
    }
}

impl NodeCompactIndexable for TaskGraph {}

/// The nodes that an algorithm has visited.
#[derive(Debug, Clone, Default)]
pub struct Visited(Vec<bool>);

impl VisitMap<NodeIndex> for Visited {
    fn visit(&mut self, node: NodeIndex) -> bool {
        !std::mem::replace(&mut self.0[node.index()], true)
    }

    fn is_visited(&self, node: &NodeIndex) -> bool {
        self.0[node.index()]
    }

    fn unvisit(&mut self, node: NodeIndex) -> bool {
        std::mem::replace(&mut self.0[node.index()], false)
    }
}

impl Visitable for TaskGraph {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited(vec![false; self.node_count()])
    }

    fn reset_map(&self, map: &mut Visited) {
        map.0.clear();
        map.0.resize(self.node_count(), false);
    }
}

/// The nodes at the other ends of a node's edges.
#[derive(Debug, Clone)]
pub struct Neighbors<'g>(Iter<'g, Target>);

impl Iterator for Neighbors<'_> {
    type Item = NodeIndex;

    fn next(&mut self) -> Option<NodeIndex> {
        self.0.next().map(|target| target.node())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<'g> IntoNeighbors for &'g TaskGraph {
    type Neighbors = Neighbors<'g>;

    fn neighbors(self, node: NodeIndex) -> Neighbors<'g> {
        self.neighbors_directed(node, Direction::Outgoing)
    }
}

impl<'g> IntoNeighborsDirected for &'g TaskGraph {
    type NeighborsDirected = Neighbors<'g>;

    fn neighbors_directed(self, node: NodeIndex, direction: Direction) -> Neighbors<'g> {
        let adjacency = match direction {
            Direction::Outgoing => &self.successors,
            Direction::Incoming => &self.predecessors,
        };
        Neighbors(adjacency.of_node(node).iter())
    }
}

impl IntoNodeIdentifiers for &TaskGraph {
    type NodeIdentifiers = Map<Range<usize>, fn(usize) -> NodeIndex>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        (0..self.node_count()).map(NodeIndex::from_usize)
    }
}
