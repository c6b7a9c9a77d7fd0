//! The fewest dependencies to leave out so that nothing waits for itself any more: the minimum feedback arc set of a strongly
//! connected component, with the edges between groups and their members out of reach.
//!
//! To find it is NP-hard (Karp, "Reducibility among combinatorial problems", 1972). Every cycle must lose an edge, so that a search
//! that branches over the edges of one short cycle, allowed one cut, then two, and so on, proves its answer. Where that takes too
//! long, cuts are made one after the other where each does the most, and those that the others make needless are taken back.

use super::cycle::{Ends, Search, ends_along};
use super::{CycleEdge, NodeIndex, Origin};
use crate::Plan;

/// How many cuts a proof is tried for: each more multiplies the search by the length of a cycle.
const CUTS_PROVED_MAX: usize = 6;
/// How many cuts are told at the most.
const CUTS_MAX: usize = 1_000;

/// The cuts of a component, the first on the way around that it is told by.
pub(super) struct Parting {
    pub(super) cuts: Vec<Ends>,
    /// Whether nothing waits for itself without them.
    pub(super) is_complete: bool,
}

/// A dependency that might be cut, and what would be left: the best come first.
struct Candidate {
    ends: Ends,
    nodes_in_cycles: usize,
    components: Vec<Vec<NodeIndex>>,
}

impl Search<'_> {
    /// Returns where to cut a component, of which `way` is a short cycle; see [`super::Cycle`] for the rule.
    pub(super) fn part(
        &mut self,
        plan: &Plan,
        component: &[NodeIndex],
        way: &[NodeIndex],
        edge: &impl Fn(Ends) -> CycleEdge,
    ) -> Parting {
        let budget = self.cut_steps_left();
        for count in 1..=CUTS_PROVED_MAX {
            let mut cuts = Vec::new();
            let found = self.part_by(count, plan, component, way, edge, &mut cuts);
            self.join_all();
            if found {
                return Parting { cuts, is_complete: true };
            }
            // The rest is for the quick way and for other components.
            if self.cut_steps_left() < budget / 2 {
                break;
            }
        }
        let parting = self.part_greedily(plan, component, way, edge);
        self.join_all();
        parting
    }

    /// Cuts `way` and what else is a cycle of the nodes, by no more than `count` cuts; returns whether that was possible, and known
    /// in time.
    fn part_by(
        &mut self,
        count: usize,
        plan: &Plan,
        nodes: &[NodeIndex],
        way: &[NodeIndex],
        edge: &impl Fn(Ends) -> CycleEdge,
        cuts: &mut Vec<Ends>,
    ) -> bool {
        for Candidate { ends, components, .. } in self.candidates(plan, nodes, way, edge) {
            // Each component needs a cut of its own.
            if components.len() >= count {
                continue;
            }
            cuts.push(ends);
            let Some(next) = components.first() else { return true };
            self.cut(ends);
            let next_way = self.way_around(next);
            if self.part_by(count - 1, plan, &components.concat(), &next_way, edge, cuts) {
                return true;
            }
            self.join(ends);
            cuts.pop();
        }
        false
    }

    /// Enters a component, and returns a short cycle of it.
    fn way_around(&mut self, component: &[NodeIndex]) -> Vec<NodeIndex> {
        self.enter(component);
        self.way_back(component[0], usize::MAX).expect("a component has a cycle through each of its nodes")
    }

    /// Makes the best cut of one cycle after the other, and takes back those that are needless in the end.
    fn part_greedily(
        &mut self,
        plan: &Plan,
        component: &[NodeIndex],
        way: &[NodeIndex],
        edge: &impl Fn(Ends) -> CycleEdge,
    ) -> Parting {
        let best =
            self.candidates(plan, component, way, edge).into_iter().next().map(|candidate| candidate.ends);
        let first = best.unwrap_or_else(|| first_cut(plan, way, edge));
        let mut cuts = vec![first];
        self.cut(first);
        let mut open = self.components(component);
        while let Some(next) = open.pop() {
            if cuts.len() == CUTS_MAX || !self.take_cut_steps(self.edges_of(&next)) {
                return Parting { cuts, is_complete: false };
            }
            let way = self.way_around(&next);
            let best = self.candidates(plan, &next, &way, edge).into_iter().next();
            let ends = best.map_or_else(|| first_cut(plan, &way, edge), |candidate| candidate.ends);
            cuts.push(ends);
            self.cut(ends);
            open.extend(self.components(&next));
        }
        for place in (1..cuts.len()).rev() {
            let ends = cuts[place];
            if !self.take_cut_steps(self.edges_of(component)) {
                break;
            }
            self.join(ends);
            if self.components(component).is_empty() {
                cuts.remove(place);
            } else {
                self.cut(ends);
            }
        }
        Parting { cuts, is_complete: true }
    }

    /// Returns the dependencies on a cycle with what is left of the nodes without each, the best to cut first; none where there is no
    /// time to look.
    fn candidates(
        &mut self,
        plan: &Plan,
        nodes: &[NodeIndex],
        way: &[NodeIndex],
        edge: &impl Fn(Ends) -> CycleEdge,
    ) -> Vec<Candidate> {
        if !self.take_cut_steps(way.len().saturating_mul(self.edges_of(nodes))) {
            return Vec::new();
        }
        let mut candidates: Vec<Candidate> = cuttable(way, edge)
            .map(|ends| {
                self.cut(ends);
                let components = self.components(nodes);
                self.join(ends);
                let nodes_in_cycles = components.iter().map(Vec::len).sum();
                Candidate { ends, nodes_in_cycles, components }
            })
            .collect();
        candidates
            .sort_by_key(|candidate| (candidate.nodes_in_cycles, dispensability(plan, edge(candidate.ends))));
        candidates
    }

    fn edges_of(&self, nodes: &[NodeIndex]) -> usize {
        nodes.iter().map(|node| self.successors.degree(*node)).sum()
    }
}

/// Returns the dependency of a cycle that is easiest to do without.
fn first_cut(plan: &Plan, way: &[NodeIndex], edge: &impl Fn(Ends) -> CycleEdge) -> Ends {
    let all = cuttable(way, edge);
    all.min_by_key(|ends| dispensability(plan, edge(*ends))).expect("parents alone form no cycle")
}

fn cuttable(way: &[NodeIndex], edge: &impl Fn(Ends) -> CycleEdge) -> impl Iterator<Item = Ends> {
    ends_along(way).filter(|ends| matches!(edge(*ends).origin, Origin::Dependency { .. }))
}

/// Returns how hard it is to do without: easiest is what waits for the least important task, then what was written last.
fn dispensability(plan: &Plan, edge: CycleEdge) -> impl Ord + use<> {
    let importance = plan.tasks[edge.from.task().index()].priority;
    (std::cmp::Reverse(importance), std::cmp::Reverse(edge.origin))
}
