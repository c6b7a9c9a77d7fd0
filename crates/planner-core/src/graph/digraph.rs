//! A directed graph of plain numbers in two flat arrays, cyclic or not, and what is to be known about it in linear time.
//!
//! [`super::TaskGraph`] is the graph of a plan; this one is for anything else: graphs that were read elsewhere, condensed
//! ones, and the raw dependencies of a plan that is not sound. Nothing recurses: a chain of a million nodes is no deeper than
//! one of ten.

use petgraph::visit::{GraphBase, IntoNeighbors, NodeCompactIndexable, NodeCount, NodeIndexable, Visitable};

/// A directed graph over the nodes from 0 on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digraph {
    offsets: Vec<u32>,
    targets: Vec<u32>,
}

/// Which nodes can reach each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Components {
    /// The component of each node; one that another leads to has the smaller number.
    pub of: Vec<u32>,
    /// How many there are.
    pub count: usize,
}

impl Components {
    /// Returns how many nodes each component has.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        for component in &self.of {
            sizes[*component as usize] += 1;
        }
        sizes
    }
}

/// Weighted times of an acyclic graph, by node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Times {
    /// The greatest weight of a way to the node, without its own.
    pub earliest: Vec<u64>,
    /// The greatest weight of a way from the node on, its own included.
    pub bottom: Vec<u64>,
    /// The greatest weight of any way.
    pub critical: u64,
}

impl Times {
    /// Returns by how much the node can be late without delaying the whole.
    pub fn slack(&self, node: usize) -> u64 {
        self.critical - self.bottom[node] - self.earliest[node]
    }
}

impl Digraph {
    /// Returns the graph of the edges, each from what comes first to what waits; repeats are kept.
    ///
    /// # Panics
    ///
    /// If an edge names a node that is not below `nodes`.
    pub fn of_edges(nodes: usize, edges: &[(u32, u32)]) -> Self {
        let mut offsets = vec![0_u32; nodes + 1];
        for (from, to) in edges {
            assert!((*to as usize) < nodes, "an edge leads to the node {to} of {nodes}");
            offsets[*from as usize + 1] += 1;
        }
        for node in 0..nodes {
            offsets[node + 1] += offsets[node];
        }
        let mut next = offsets.clone();
        let mut targets = vec![0_u32; edges.len()];
        for (from, to) in edges {
            let place = &mut next[*from as usize];
            targets[*place as usize] = *to;
            *place += 1;
        }
        Self { offsets, targets }
    }

    /// Returns how many nodes there are.
    pub fn node_count(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Returns how many edges there are, repeats included.
    pub fn edge_count(&self) -> usize {
        self.targets.len()
    }

    /// Returns where the edges of a node lead to.
    pub fn successors(&self, node: u32) -> &[u32] {
        &self.targets[self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize]
    }

    /// Returns all edges.
    pub fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.node_count() as u32).flat_map(|from| self.successors(from).iter().map(move |to| (from, *to)))
    }

    /// Returns the graph with all edges turned around.
    pub fn reversed(&self) -> Self {
        let edges: Vec<(u32, u32)> = self.edges().map(|(from, to)| (to, from)).collect();
        Self::of_edges(self.node_count(), &edges)
    }

    /// Returns the graph with each edge once.
    pub fn without_repeats(&self) -> Self {
        let mut edges: Vec<(u32, u32)> = self.edges().collect();
        edges.sort_unstable();
        edges.dedup();
        Self::of_edges(self.node_count(), &edges)
    }

    /// Returns the strongly connected components (R. Tarjan, "Depth-First Search and Linear Graph Algorithms", SIAM J. Comput.
    /// 1(2), 1972), found with a stack of its own.
    pub fn components(&self) -> Components {
        const UNSEEN: u32 = u32::MAX;
        let count = self.node_count();
        let mut seen = vec![UNSEEN; count];
        let mut low = vec![0_u32; count];
        let mut of = vec![UNSEEN; count];
        let mut components = 0_u32;
        let mut clock = 0_u32;
        let mut path: Vec<u32> = Vec::new();
        // A node and its next edge to look at.
        let mut open: Vec<(u32, u32)> = Vec::new();
        for root in 0..count as u32 {
            if seen[root as usize] != UNSEEN {
                continue;
            }
            open.push((root, self.offsets[root as usize]));
            while let Some((node, edge)) = open.last_mut() {
                let at = *node as usize;
                if seen[at] == UNSEEN {
                    seen[at] = clock;
                    low[at] = clock;
                    clock += 1;
                    path.push(*node);
                }
                if *edge < self.offsets[at + 1] {
                    let next = self.targets[*edge as usize];
                    *edge += 1;
                    if seen[next as usize] == UNSEEN {
                        open.push((next, self.offsets[next as usize]));
                    } else if of[next as usize] == UNSEEN {
                        low[at] = low[at].min(seen[next as usize]);
                    }
                    continue;
                }
                open.pop();
                if let Some((above, _)) = open.last() {
                    low[*above as usize] = low[*above as usize].min(low[at]);
                }
                if low[at] == seen[at] {
                    while let Some(member) = path.pop() {
                        of[member as usize] = components;
                        if member as usize == at {
                            break;
                        }
                    }
                    components += 1;
                }
            }
        }
        Components { of, count: components as usize }
    }

    /// Returns the acyclic graph of the components, each edge once and none within one.
    pub fn condensed(&self, components: &Components) -> Self {
        let edges = self.edges().map(|(from, to)| (components.of[from as usize], components.of[to as usize]));
        let edges: Vec<(u32, u32)> = edges.filter(|(from, to)| from != to).collect();
        Self::of_edges(components.count, &edges).without_repeats()
    }

    /// Returns all nodes, each after those that lead to it, in waves; or none if there is a cycle (A. B. Kahn, "Topological
    /// sorting of large networks", CACM 5(11), 1962).
    pub fn topological_order(&self) -> Option<Vec<u32>> {
        let count = self.node_count();
        let mut waits_for = vec![0_u32; count];
        for target in &self.targets {
            waits_for[*target as usize] += 1;
        }
        let mut order: Vec<u32> = Vec::with_capacity(count);
        order.extend((0..count as u32).filter(|node| waits_for[*node as usize] == 0));
        let mut next = 0;
        while let Some(node) = order.get(next).copied() {
            next += 1;
            for target in self.successors(node) {
                let waits = &mut waits_for[*target as usize];
                *waits -= 1;
                if *waits == 0 {
                    order.push(*target);
                }
            }
        }
        (order.len() == count).then_some(order)
    }

    /// Returns the wave of each node, from 0: the number of edges of the longest way to it. `order` is topological.
    pub fn waves(&self, order: &[u32]) -> Vec<u32> {
        let mut waves = vec![0_u32; self.node_count()];
        for node in order {
            let after = waves[*node as usize] + 1;
            for target in self.successors(*node) {
                let wave = &mut waves[*target as usize];
                *wave = after.max(*wave);
            }
        }
        waves
    }

    /// Returns when each node can and must begin if each takes as long as its weight; sums saturate. `order` is topological.
    pub fn times(&self, order: &[u32], weights: &[u64]) -> Times {
        let mut earliest = vec![0_u64; self.node_count()];
        for node in order {
            let end = earliest[*node as usize].saturating_add(weights[*node as usize]);
            for target in self.successors(*node) {
                let start = &mut earliest[*target as usize];
                *start = end.max(*start);
            }
        }
        let mut bottom = vec![0_u64; self.node_count()];
        for node in order.iter().rev() {
            let after =
                self.successors(*node).iter().map(|target| bottom[*target as usize]).max().unwrap_or(0);
            bottom[*node as usize] = after.saturating_add(weights[*node as usize]);
        }
        let critical = bottom.iter().copied().max().unwrap_or(0);
        Times { earliest, bottom, critical }
    }

    /// Returns the edges that another way makes needless; without them the graph is its transitive reduction (A. V. Aho,
    /// M. R. Garey, J. D. Ullman, SIAM J. Comput. 1(2), 1972). The graph is acyclic and without repeats, `order` topological.
    ///
    /// From each node a search looks at the nodes between it and the last wave that it has an edge to, so the cost grows with
    /// how far edges leap, not with the size alone.
    pub fn redundant_edges(&self, order: &[u32]) -> Vec<(u32, u32)> {
        let waves = self.waves(order);
        let mut reached_from = vec![u32::MAX; self.node_count()];
        let mut redundant = Vec::new();
        let mut open = Vec::new();
        for from in 0..self.node_count() as u32 {
            let targets = self.successors(from);
            let Some(last) =
                targets.iter().map(|target| waves[*target as usize]).max().filter(|_| targets.len() > 1)
            else {
                continue;
            };
            // Nothing leads to a target of the first wave among them but the edge itself.
            open.extend(targets.iter().copied().filter(|target| waves[*target as usize] < last));
            while let Some(node) = open.pop() {
                for next in self.successors(node) {
                    if waves[*next as usize] <= last && reached_from[*next as usize] != from {
                        reached_from[*next as usize] = from;
                        if waves[*next as usize] < last {
                            open.push(*next);
                        }
                    }
                }
            }
            let needless = targets.iter().filter(|target| reached_from[**target as usize] == from);
            redundant.extend(needless.map(|target| (from, *target)));
        }
        redundant
    }
}

impl GraphBase for Digraph {
    type EdgeId = (u32, u32);
    type NodeId = u32;
}

impl NodeCount for Digraph {
    fn node_count(&self) -> usize {
        self.node_count()
    }
}

impl NodeIndexable for Digraph {
    fn node_bound(&self) -> usize {
        self.node_count()
    }

    fn to_index(&self, node: u32) -> usize {
        node as usize
    }

    fn from_index(&self, index: usize) -> u32 {
        index as u32
    }
}

impl NodeCompactIndexable for Digraph {}

impl Visitable for Digraph {
    type Map = std::collections::HashSet<u32>;

    fn visit_map(&self) -> Self::Map {
        Self::Map::new()
    }

    fn reset_map(&self, map: &mut Self::Map) {
        map.clear();
    }
}

impl<'g> IntoNeighbors for &'g Digraph {
    type Neighbors = std::iter::Copied<std::slice::Iter<'g, u32>>;

    fn neighbors(self, node: u32) -> Self::Neighbors {
        self.successors(node).iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use petgraph::algo;
    use petgraph::graph::{DiGraph, NodeIndex};
    use proptest::prelude::*;

    use super::*;

    fn any_edges() -> impl Strategy<Value = (usize, Vec<(u32, u32)>)> {
        (1..40_u32).prop_flat_map(|nodes| {
            (Just(nodes as usize), prop::collection::vec((0..nodes, 0..nodes), 0..120))
        })
    }

    /// The same graph in the form of petgraph.
    fn oracle(nodes: usize, edges: &[(u32, u32)]) -> DiGraph<(), ()> {
        let mut graph = DiGraph::new();
        for _ in 0..nodes {
            graph.add_node(());
        }
        graph.extend_with_edges(edges.iter().copied());
        graph
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn components_are_those_of_petgraph((nodes, edges) in any_edges()) {
            let graph = Digraph::of_edges(nodes, &edges);
            let components = graph.components();
            let mut theirs: Vec<Vec<usize>> = algo::tarjan_scc(&oracle(nodes, &edges))
                .into_iter()
                .map(|nodes| nodes.into_iter().map(NodeIndex::index).collect())
                .collect();
            let mut ours = vec![Vec::new(); components.count];
            for (node, component) in components.of.iter().enumerate() {
                ours[*component as usize].push(node);
            }
            for component in theirs.iter_mut().chain(&mut ours) {
                component.sort_unstable();
            }
            theirs.sort_unstable();
            ours.sort_unstable();
            prop_assert_eq!(ours, theirs);
            for (from, to) in &edges {
                prop_assert!(components.of[*from as usize] >= components.of[*to as usize]);
            }
        }

        #[test]
        fn order_waves_times_and_reduction_are_right((nodes, edges) in any_edges(), seed: u64) {
            let cyclic = Digraph::of_edges(nodes, &edges);
            prop_assert_eq!(cyclic.topological_order().is_none(), algo::is_cyclic_directed(&oracle(nodes, &edges)));
            let acyclic: Vec<(u32, u32)> = edges.iter().copied().filter(|(from, to)| from < to).collect();
            let graph = Digraph::of_edges(nodes, &acyclic).without_repeats();
            let order = graph.topological_order().expect("edges lead to greater numbers");
            let mut random = crate::random::Random::new(seed);
            let weights: Vec<u64> = (0..nodes).map(|_| random.below(9) as u64).collect();
            let times = graph.times(&order, &weights);
            let waves = graph.waves(&order);
            let back = graph.reversed();
            for node in 0..nodes {
                let before = back.successors(node as u32);
                let end = |at: &u32| times.earliest[*at as usize] + weights[*at as usize];
                prop_assert_eq!(times.earliest[node], before.iter().map(end).max().unwrap_or(0));
                let wave = before.iter().map(|at| waves[*at as usize] + 1).max().unwrap_or(0);
                prop_assert_eq!(waves[node], wave);
                prop_assert!(times.earliest[node] + times.bottom[node] + times.slack(node) == times.critical);
            }
            let redundant = graph.redundant_edges(&order);
            let theirs = oracle(nodes, &graph.edges().collect::<Vec<_>>());
            let sorted = algo::toposort(&theirs, None).expect("it is acyclic");
            let (list, _) = algo::tred::dag_to_toposorted_adjacency_list::<_, u32>(&theirs, &sorted);
            let (reduced, _) = algo::tred::dag_transitive_reduction_closure(&list);
            prop_assert_eq!(graph.edge_count() - redundant.len(), reduced.edge_count());
            let kept: Vec<(u32, u32)> = graph.edges().filter(|edge| !redundant.contains(edge)).collect();
            let kept = oracle(nodes, &kept);
            for (from, to) in redundant {
                prop_assert!(algo::has_path_connecting(&kept, from.into(), to.into(), None));
            }
        }
    }

    #[test]
    fn a_chain_of_a_million_is_no_deeper_than_one_of_ten() {
        let count = 1_000_000_u32;
        let mut edges: Vec<(u32, u32)> = (1..count).map(|node| (node - 1, node)).collect();
        let chain = Digraph::of_edges(count as usize, &edges);
        let order = chain.topological_order().unwrap();
        assert_eq!(chain.waves(&order)[count as usize - 1], count - 1);
        assert_eq!(chain.components().count, count as usize);
        edges.push((count - 1, 0));
        let circle = Digraph::of_edges(count as usize, &edges);
        assert_eq!((circle.components().count, circle.topological_order()), (1, None));
    }
}
