//! An order of tasks that is kept while tasks and dependencies come and go.
//!
//! The algorithm is that of D. J. Pearce and P. H. J. Kelly, "A dynamic topological sort algorithm for directed acyclic
//! graphs", ACM Journal of Experimental Algorithmics 11, 2006: an edge that agrees with the order costs nothing; one that does
//! not moves only nodes between its two ends, of those only the ones that can reach or be reached.

/// A graph that is changed edge by edge and always has a topological order.
#[derive(Debug, Clone, Default)]
pub struct LiveOrder {
    successors: Vec<Vec<u32>>,
    predecessors: Vec<Vec<u32>>,
    /// By node, its place in the order; places of removed nodes stay empty.
    places: Vec<u32>,
    /// Scratch: in which search a node was last seen.
    seen: Vec<u32>,
    came_from: Vec<u32>,
    search: u32,
    next_place: u32,
}

/// Why an edge cannot be added: the nodes from its end to its beginning, each waiting for the one before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the edge would close a circle of {} nodes", path.len())]
pub struct WouldCycle {
    /// From the node that the edge leads to, to the one that it comes from.
    pub path: Vec<u32>,
}

impl LiveOrder {
    /// Returns the order of an acyclic graph; none if it has a cycle.
    pub fn of(graph: &super::Digraph) -> Option<Self> {
        let order = graph.topological_order()?;
        let count = graph.node_count();
        let mut live = Self { places: vec![0; count], next_place: count as u32, ..Self::default() };
        for (place, node) in order.iter().enumerate() {
            live.places[*node as usize] = place as u32;
        }
        live.successors = (0..count as u32).map(|node| graph.successors(node).to_vec()).collect();
        let back = graph.reversed();
        live.predecessors = (0..count as u32).map(|node| back.successors(node).to_vec()).collect();
        live.seen = vec![0; count];
        live.came_from = vec![0; count];
        Some(live)
    }

    /// Adds a node without edges and returns its number.
    pub fn add_node(&mut self) -> u32 {
        let node = self.places.len() as u32;
        self.successors.push(Vec::new());
        self.predecessors.push(Vec::new());
        self.places.push(self.next_place);
        self.seen.push(0);
        self.came_from.push(0);
        self.next_place += 1;
        node
    }

    /// Adds an edge; tells the way back if there is one, and then changes nothing. An edge that is there is not added again.
    ///
    /// # Panics
    ///
    /// If one of the nodes does not exist.
    pub fn add_edge(&mut self, from: u32, to: u32) -> Result<(), WouldCycle> {
        if from == to {
            return Err(WouldCycle { path: vec![from] });
        }
        if self.successors[from as usize].contains(&to) {
            return Ok(());
        }
        let (low, high) = (self.places[to as usize], self.places[from as usize]);
        if low < high {
            let after = self.reachable(to, from, high)?;
            let before = self.reaching(from, low);
            self.reorder(before, after);
        }
        self.successors[from as usize].push(to);
        self.predecessors[to as usize].push(from);
        Ok(())
    }

    /// Removes an edge if it is there; the order stays as it is.
    pub fn remove_edge(&mut self, from: u32, to: u32) {
        self.successors[from as usize].retain(|node| *node != to);
        self.predecessors[to as usize].retain(|node| *node != from);
    }

    /// Removes all edges of a node.
    pub fn isolate(&mut self, node: u32) {
        for next in std::mem::take(&mut self.successors[node as usize]) {
            self.predecessors[next as usize].retain(|other| *other != node);
        }
        for before in std::mem::take(&mut self.predecessors[node as usize]) {
            self.successors[before as usize].retain(|other| *other != node);
        }
    }

    /// Returns the nodes in order.
    pub fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.places.len() as u32).collect();
        order.sort_unstable_by_key(|node| self.places[*node as usize]);
        order
    }

    /// Returns whether the first node stands before the second.
    pub fn is_before(&self, first: u32, second: u32) -> bool {
        self.places[first as usize] < self.places[second as usize]
    }

    /// Returns what can be reached from `start` below the place `high`, or the way to `goal`.
    fn reachable(&mut self, start: u32, goal: u32, high: u32) -> Result<Vec<u32>, WouldCycle> {
        self.search += 1;
        let mut found = vec![start];
        self.seen[start as usize] = self.search;
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            next += 1;
            for successor in &self.successors[node as usize] {
                let at = *successor as usize;
                if *successor == goal {
                    self.came_from[at] = node;
                    return Err(WouldCycle { path: self.path(start, goal) });
                }
                if self.places[at] < high && self.seen[at] != self.search {
                    self.seen[at] = self.search;
                    self.came_from[at] = node;
                    found.push(*successor);
                }
            }
        }
        Ok(found)
    }

    fn reaching(&mut self, start: u32, low: u32) -> Vec<u32> {
        self.search += 1;
        let mut found = vec![start];
        self.seen[start as usize] = self.search;
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            next += 1;
            for predecessor in &self.predecessors[node as usize] {
                let at = *predecessor as usize;
                if self.places[at] > low && self.seen[at] != self.search {
                    self.seen[at] = self.search;
                    found.push(*predecessor);
                }
            }
        }
        found
    }

    fn path(&self, start: u32, goal: u32) -> Vec<u32> {
        let mut path = vec![goal];
        let mut at = goal;
        while at != start {
            at = self.came_from[at as usize];
            path.push(at);
        }
        path.reverse();
        path
    }

    /// Gives the places of both sets to the same nodes anew: first those that reach, then those that are reached.
    fn reorder(&mut self, mut before: Vec<u32>, mut after: Vec<u32>) {
        before.sort_unstable_by_key(|node| self.places[*node as usize]);
        after.sort_unstable_by_key(|node| self.places[*node as usize]);
        let nodes: Vec<u32> = before.into_iter().chain(after).collect();
        let mut places: Vec<u32> = nodes.iter().map(|node| self.places[*node as usize]).collect();
        places.sort_unstable();
        for (node, place) in nodes.iter().zip(places) {
            self.places[*node as usize] = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use petgraph::algo;
    use petgraph::graph::DiGraph;
    use proptest::prelude::*;

    use super::*;
    use crate::graph::Digraph;

    #[derive(Debug, Clone)]
    enum Change {
        AddNode,
        AddEdge(usize, usize),
        RemoveEdge(usize),
        Isolate(usize),
    }

    fn any_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            1 => Just(Change::AddNode),
            12 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Change::AddEdge(from, to)),
            2 => any::<usize>().prop_map(Change::RemoveEdge),
            1 => any::<usize>().prop_map(Change::Isolate),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn the_order_holds_after_every_change(changes in prop::collection::vec(any_change(), 1..120)) {
            let start = Digraph::of_edges(8, &[(7, 0), (0, 3), (3, 2), (5, 2)]);
            let mut live = LiveOrder::of(&start).expect("it is acyclic");
            let mut edges: BTreeSet<(u32, u32)> = start.edges().collect();
            let mut count = 8;
            for change in changes {
                match change {
                    Change::AddNode => {
                        prop_assert_eq!(live.add_node(), count);
                        count += 1;
                    }
                    Change::AddEdge(from, to) => {
                        let (from, to) = ((from % count as usize) as u32, (to % count as usize) as u32);
                        let mut oracle = DiGraph::<(), ()>::from_edges(edges.iter().copied());
                        while oracle.node_count() < count as usize {
                            oracle.add_node(());
                        }
                        let closes = algo::has_path_connecting(&oracle, to.into(), from.into(), None);
                        match live.add_edge(from, to) {
                            Ok(()) => {
                                prop_assert!(!closes);
                                edges.insert((from, to));
                            }
                            Err(WouldCycle { path }) => {
                                prop_assert!(closes);
                                prop_assert_eq!((path[0], path[path.len() - 1]), (to, from));
                                prop_assert!(path.windows(2).all(|step| edges.contains(&(step[0], step[1]))));
                            }
                        }
                    }
                    Change::RemoveEdge(place) => {
                        if let Some((from, to)) = edges.iter().nth(place % edges.len().max(1)).copied() {
                            live.remove_edge(from, to);
                            edges.remove(&(from, to));
                        }
                    }
                    Change::Isolate(node) => {
                        let node = (node % count as usize) as u32;
                        live.isolate(node);
                        edges.retain(|(from, to)| *from != node && *to != node);
                    }
                }
                prop_assert!(edges.iter().all(|(from, to)| live.is_before(*from, *to)));
            }
            let order = live.order();
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), count as usize);
        }
    }
}
