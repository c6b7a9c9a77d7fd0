//! Finding the tasks that wait for each other, one short way around, and the cheapest place to cut it.

use super::csr::Csr;
use super::task_graph::{Node, NodeIndex};
use super::{Cycle, CycleEdge, Origin};
use crate::Plan;

/// How many edges the search for shortest ways and cheapest cuts may look at in all, beyond one way for each component.
const SEARCH_STEPS_MAX: usize = 2_000_000;

/// Returns one cycle for each component of nodes that wait for each other, in the order of the file.
pub(super) fn find_cycles(
    plan: &Plan,
    nodes: &[Node],
    successors: &Csr,
    ordered: &[NodeIndex],
    origin: impl Fn(NodeIndex, NodeIndex) -> Origin,
) -> Vec<Cycle> {
    let mut left: Vec<bool> = vec![true; nodes.len()];
    for node in ordered {
        left[node.index()] = false;
    }
    let candidates: Vec<NodeIndex> =
        (0..nodes.len()).map(NodeIndex::from_usize).filter(|node| left[node.index()]).collect();
    let mut search = Search::new(successors);
    let mut components = search.components(&candidates, None);
    for component in &mut components {
        component.sort_unstable();
    }
    components.sort_unstable();
    components
        .iter()
        .map(|component| {
            search.enter(component);
            let way = search.shortest_cycle(component);
            let path: Vec<CycleEdge> = way
                .iter()
                .enumerate()
                .map(|(place, from)| {
                    let to = way[(place + 1) % way.len()];
                    CycleEdge { from: nodes[from.index()], to: nodes[to.index()], origin: origin(*from, to) }
                })
                .collect();
            let cut = search.cheapest_cut(plan, component, &way, &path);
            let mut tasks: Vec<_> = component.iter().map(|node| nodes[node.index()].task()).collect();
            tasks.dedup();
            let ids = path.iter().map(|edge| plan.tasks[edge.from.task().index()].id.clone()).collect();
            Cycle { path, cut, tasks_involved: tasks.len(), ids }
        })
        .collect()
}

/// Scratch space that the searches share; entries belong to the current search where their stamp says so.
struct Search<'g> {
    successors: &'g Csr,
    /// By node: the component that is being looked at, numbered from 1.
    member: Vec<u32>,
    entered: u32,
    stamp: Vec<u32>,
    round: u32,
    came_from: Vec<NodeIndex>,
    steps_left: usize,
    /// Tarjan's numbers: when a node was first seen, and the earliest open node that it reaches.
    order: Vec<u32>,
    low: Vec<u32>,
}

impl<'g> Search<'g> {
    fn new(successors: &'g Csr) -> Self {
        let count = successors.node_count();
        Self {
            successors,
            member: vec![0; count],
            entered: 0,
            stamp: vec![0; count],
            round: 0,
            came_from: vec![NodeIndex(0); count],
            steps_left: SEARCH_STEPS_MAX,
            order: vec![0; count],
            low: vec![0; count],
        }
    }

    fn enter(&mut self, component: &[NodeIndex]) {
        self.entered += 1;
        for node in component {
            self.member[node.index()] = self.entered;
        }
    }

    fn is_member(&self, node: NodeIndex) -> bool {
        self.member[node.index()] == self.entered
    }

    /// Returns the strongly connected components of more than one node within `nodes`, leaving out one edge (Tarjan's
    /// algorithm with its own stack).
    fn components(
        &mut self,
        nodes: &[NodeIndex],
        without: Option<(NodeIndex, NodeIndex)>,
    ) -> Vec<Vec<NodeIndex>> {
        const UNSEEN: u32 = u32::MAX;
        const DONE: u32 = u32::MAX - 1;
        self.enter(nodes);
        for node in nodes {
            self.order[node.index()] = UNSEEN;
        }
        let mut found = Vec::new();
        let mut open: Vec<NodeIndex> = Vec::new();
        let mut calls: Vec<(NodeIndex, usize)> = Vec::new();
        let mut clock = 0;
        for root in nodes {
            if self.order[root.index()] != UNSEEN {
                continue;
            }
            calls.push((*root, 0));
            while let Some((node, next)) = calls.pop() {
                if next == 0 {
                    self.order[node.index()] = clock;
                    self.low[node.index()] = clock;
                    clock += 1;
                    open.push(node);
                }
                let mut descended = false;
                for (place, target) in self.successors.of_node(node).iter().enumerate().skip(next) {
                    let successor = target.node();
                    if !self.is_member(successor) || Some((node, successor)) == without {
                        continue;
                    }
                    match self.order[successor.index()] {
                        UNSEEN => {
                            // Come back to this same edge, which then takes over what the successor reached.
                            calls.push((node, place + 1));
                            calls.push((successor, 0));
                            descended = true;
                            break;
                        }
                        DONE => {}
                        seen => {
                            self.low[node.index()] = self.low[node.index()].min(seen);
                        }
                    }
                }
                if descended {
                    continue;
                }
                if self.low[node.index()] == self.order[node.index()] {
                    let place =
                        open.iter().rposition(|other| *other == node).expect("opened when first seen");
                    let component = open.split_off(place);
                    for member in &component {
                        self.order[member.index()] = DONE;
                    }
                    if component.len() > 1 {
                        found.push(component);
                    }
                }
                if let Some((caller, _)) = calls.last() {
                    self.low[caller.index()] = self.low[caller.index()].min(self.low[node.index()]);
                }
            }
        }
        found
    }

    /// Returns the nodes along a shortest cycle of the component that was entered.
    fn shortest_cycle(&mut self, component: &[NodeIndex]) -> Vec<NodeIndex> {
        let mut best: Option<Vec<NodeIndex>> = None;
        for start in component {
            if best.is_some() && self.steps_left == 0 {
                break;
            }
            let longest = best.as_ref().map_or(usize::MAX, Vec::len);
            if let Some(way) = self.way_back(*start, longest) {
                best = Some(way);
            }
        }
        best.expect("a strongly connected component of two nodes has a cycle")
    }

    /// Returns a shortest way from the node back to itself that is shorter than `below`, first node first.
    fn way_back(&mut self, start: NodeIndex, below: usize) -> Option<Vec<NodeIndex>> {
        self.round += 1;
        self.stamp[start.index()] = self.round;
        let mut frontier = vec![start];
        let mut length = 0;
        while !frontier.is_empty() {
            length += 1;
            if length >= below {
                return None;
            }
            let mut next_frontier = Vec::new();
            for node in frontier {
                for target in self.successors.of_node(node) {
                    let successor = target.node();
                    self.steps_left = self.steps_left.saturating_sub(1);
                    if successor == start {
                        return Some(self.walk_back(start, node));
                    }
                    if self.is_member(successor) && self.stamp[successor.index()] != self.round {
                        self.stamp[successor.index()] = self.round;
                        self.came_from[successor.index()] = node;
                        next_frontier.push(successor);
                    }
                }
            }
            frontier = next_frontier;
        }
        None
    }

    fn walk_back(&self, start: NodeIndex, last: NodeIndex) -> Vec<NodeIndex> {
        let mut way = vec![last];
        let mut at = last;
        while at != start {
            at = self.came_from[at.index()];
            way.push(at);
        }
        way.reverse();
        way
    }

    /// Returns the place in `path` of the dependency to remove; see [`Cycle`] for the rule.
    fn cheapest_cut(
        &mut self,
        plan: &Plan,
        component: &[NodeIndex],
        way: &[NodeIndex],
        path: &[CycleEdge],
    ) -> usize {
        let edges: usize = component.iter().map(|node| self.successors.degree(*node)).sum();
        let cost = way.len().saturating_mul(edges);
        let affordable = cost <= self.steps_left;
        if affordable {
            self.steps_left -= cost;
        }
        (0..path.len())
            .filter(|place| matches!(path[*place].origin, Origin::Dependency { .. }))
            .min_by_key(|place| {
                let edge = (way[*place], way[(*place + 1) % way.len()]);
                let still_in_cycles: usize = if affordable {
                    self.components(component, Some(edge)).iter().map(Vec::len).sum()
                } else {
                    0
                };
                let importance = plan.tasks[path[*place].from.task().index()].priority;
                (still_in_cycles, std::cmp::Reverse(importance), std::cmp::Reverse(path[*place].origin))
            })
            .expect("parents alone form no cycle")
    }
}
