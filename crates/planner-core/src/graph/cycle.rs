//! Finding the tasks that wait for each other, and one short way around.

use std::collections::HashSet;

use super::csr::Csr;
use super::cut::Parting;
use super::task_graph::{Node, NodeIndex};
use super::{Cycle, CycleEdge, Origin};
use crate::Plan;

/// How many edges the search for shortest ways may look at in all, beyond one way for each component.
const SEARCH_STEPS_MAX: usize = 2_000_000;
/// How many edges the search for the fewest cuts may look at in all.
const CUT_STEPS_MAX: usize = 300_000;

/// An edge by its ends.
pub(super) type Ends = (NodeIndex, NodeIndex);

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
    let mut components = search.components(&candidates);
    for component in &mut components {
        component.sort_unstable();
    }
    components.sort_unstable();
    let edge = |(from, to): Ends| CycleEdge {
        from: nodes[from.index()],
        to: nodes[to.index()],
        origin: origin(from, to),
    };
    components
        .iter()
        .map(|component| {
            search.enter(component);
            let way = search.shortest_cycle(component);
            let path: Vec<CycleEdge> = ends_along(&way).map(edge).collect();
            let Parting { cuts, is_complete } = search.part(plan, component, &way, &edge);
            let mut tasks: Vec<_> = component.iter().map(|node| nodes[node.index()].task()).collect();
            tasks.dedup();
            let ids = path.iter().map(|edge| plan.tasks[edge.from.task().index()].id.clone()).collect();
            let cuts = cuts.into_iter().map(edge).collect();
            Cycle { path, cuts, is_parted: is_complete, tasks_involved: tasks.len(), ids }
        })
        .collect()
}

/// Returns the edges along a cycle of nodes.
pub(super) fn ends_along(way: &[NodeIndex]) -> impl Iterator<Item = Ends> + '_ {
    way.iter().enumerate().map(|(place, from)| (*from, way[(place + 1) % way.len()]))
}

/// Scratch space that the searches share; entries belong to the current search where their stamp says so.
pub(super) struct Search<'g> {
    pub(super) successors: &'g Csr,
    /// The edges that are taken to be cut, and by node whether one of its own may be.
    cut: HashSet<Ends>,
    has_cuts: Vec<bool>,
    /// By node: the component that is being looked at, numbered from 1.
    member: Vec<u32>,
    entered: u32,
    stamp: Vec<u32>,
    round: u32,
    came_from: Vec<NodeIndex>,
    steps_left: usize,
    cut_steps_left: usize,
    /// Tarjan's numbers: when a node was first seen, and the earliest open node that it reaches.
    order: Vec<u32>,
    low: Vec<u32>,
}

impl<'g> Search<'g> {
    fn new(successors: &'g Csr) -> Self {
        let count = successors.node_count();
        Self {
            successors,
            cut: HashSet::new(),
            has_cuts: vec![false; count],
            member: vec![0; count],
            entered: 0,
            stamp: vec![0; count],
            round: 0,
            came_from: vec![NodeIndex(0); count],
            steps_left: SEARCH_STEPS_MAX,
            cut_steps_left: CUT_STEPS_MAX,
            order: vec![0; count],
            low: vec![0; count],
        }
    }

    /// Has the nodes taken for the whole graph by what follows.
    pub(super) fn enter(&mut self, component: &[NodeIndex]) {
        self.entered += 1;
        for node in component {
            self.member[node.index()] = self.entered;
        }
    }

    fn is_member(&self, node: NodeIndex) -> bool {
        self.member[node.index()] == self.entered
    }

    fn is_cut(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.has_cuts[from.index()] && self.cut.contains(&(from, to))
    }

    /// Takes an edge to be cut.
    pub(super) fn cut(&mut self, ends: Ends) {
        self.has_cuts[ends.0.index()] = true;
        self.cut.insert(ends);
    }

    /// Takes an edge to be there again.
    pub(super) fn join(&mut self, ends: Ends) {
        self.cut.remove(&ends);
    }

    /// Takes all edges to be there again.
    pub(super) fn join_all(&mut self) {
        for (from, _) in self.cut.drain() {
            self.has_cuts[from.index()] = false;
        }
    }

    /// Returns how many steps the search for cuts may still take.
    pub(super) fn cut_steps_left(&self) -> usize {
        self.cut_steps_left
    }

    /// Takes steps from those that the search for cuts has left, if there are enough.
    pub(super) fn take_cut_steps(&mut self, steps: usize) -> bool {
        let left = self.cut_steps_left.checked_sub(steps);
        self.cut_steps_left = left.unwrap_or(self.cut_steps_left);
        left.is_some()
    }

    /// Returns the strongly connected components of more than one node within `nodes`, without the edges that are cut (Tarjan's
    /// algorithm with its own stack).
    pub(super) fn components(&mut self, nodes: &[NodeIndex]) -> Vec<Vec<NodeIndex>> {
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
                    if !self.is_member(successor) || self.is_cut(node, successor) {
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
    pub(super) fn way_back(&mut self, start: NodeIndex, below: usize) -> Option<Vec<NodeIndex>> {
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
                    if self.is_cut(node, successor) {
                        continue;
                    }
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
}
