//! List scheduling: whenever a slot is free, the most urgent task that its agent can do takes it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::{Assignment, Problem, Schedule};
use crate::analysis::{bottom_levels, is_to_do, makespan_lower_bound};
use crate::{CapabilitySet, Effort, Node, NodeIndex, Priority, TaskIndex};

/// Returns the schedule that hands out tasks by priority class, then by bottom level, then in the order of the file; each to
/// the free agent that can do the least else. The same problem always gives the same schedule.
pub fn list_schedule(problem: &Problem<'_>) -> Schedule {
    let mut run = Run::new(problem);
    let ready: Vec<NodeIndex> =
        problem.graph.nodes().filter(|node| run.waits_for[node.index()] == 0).collect();
    for node in ready {
        run.release(node);
    }
    loop {
        run.hand_out();
        let Some(now) = run.running.peek().map(|Reverse((finish, ..))| *finish) else {
            break;
        };
        run.now = now;
        run.take_back();
    }
    let mut assignments = run.assignments;
    assignments.sort_unstable();
    Schedule {
        makespan: assignments.iter().map(|assignment| assignment.finish).max().unwrap_or_default(),
        lower_bound: makespan_lower_bound(problem.plan, problem.graph, problem.agents).makespan,
        assignments,
    }
}

/// The most urgent task is the greatest.
type Urgency = (Reverse<Priority>, Effort, Reverse<NodeIndex>);

/// Tasks that ask for the same, and who can do them.
struct Class {
    waiting: BinaryHeap<Urgency>,
    /// Those who can do the least else come first.
    able: Vec<usize>,
}

struct Run<'p> {
    problem: &'p Problem<'p>,
    bottom: Vec<Effort>,
    waits_for: Vec<u32>,
    classes: Vec<Class>,
    class_of: HashMap<&'p CapabilitySet, usize>,
    free: Vec<u32>,
    running: BinaryHeap<Reverse<(Effort, NodeIndex, usize)>>,
    now: Effort,
    assignments: Vec<Assignment>,
}

impl<'p> Run<'p> {
    fn new(problem: &'p Problem<'p>) -> Self {
        let mut run = Self {
            problem,
            bottom: bottom_levels(problem.plan, problem.graph),
            waits_for: problem.graph.nodes().map(|node| problem.graph.in_degree(node) as u32).collect(),
            classes: Vec::new(),
            class_of: HashMap::new(),
            free: problem.agents.iter().map(|agent| agent.slots).collect(),
            running: BinaryHeap::new(),
            now: Effort::ZERO,
            assignments: Vec::new(),
        };
        for task in &problem.plan.tasks {
            let classes = &mut run.classes;
            run.class_of.entry(&task.capabilities).or_insert_with(|| {
                let covers = |agent: &usize| problem.agents[*agent].capabilities.covers(&task.capabilities);
                let mut able: Vec<usize> = (0..problem.agents.len()).filter(covers).collect();
                able.sort_by_key(|agent| problem.agents[*agent].capabilities.len());
                classes.push(Class { waiting: BinaryHeap::new(), able });
                classes.len() - 1
            });
        }
        run
    }

    fn leaf_to_do(&self, node: NodeIndex) -> Option<TaskIndex> {
        match self.problem.graph.node(node) {
            Node::Task(task) => is_to_do(&self.problem.plan.tasks[task.index()]).then_some(task),
            Node::GroupStart(_) | Node::GroupFinish(_) => None,
        }
    }

    /// Lets a node wait for a slot; what is no work is passed at once.
    fn release(&mut self, node: NodeIndex) {
        let mut passed = vec![node];
        while let Some(node) = passed.pop() {
            let Some(task) = self.leaf_to_do(node) else {
                self.finished(node, &mut passed);
                continue;
            };
            let task = &self.problem.plan.tasks[task.index()];
            let class = self.class_of[&task.capabilities];
            let urgency = (Reverse(task.priority), self.bottom[node.index()], Reverse(node));
            self.classes[class].waiting.push(urgency);
        }
    }

    fn finished(&mut self, node: NodeIndex, released: &mut Vec<NodeIndex>) {
        for (successor, _) in self.problem.graph.successors(node) {
            let waits = &mut self.waits_for[successor.index()];
            *waits -= 1;
            if *waits == 0 {
                released.push(successor);
            }
        }
    }

    fn hand_out(&mut self) {
        loop {
            let free = &self.free;
            let next = self.classes.iter().enumerate().filter_map(|(place, class)| {
                let urgency = class.waiting.peek()?;
                let agent = class.able.iter().copied().find(|agent| free[*agent] > 0)?;
                Some((*urgency, place, agent))
            });
            let Some(((.., Reverse(node)), class, agent)) = next.max() else {
                return;
            };
            self.classes[class].waiting.pop();
            self.free[agent] -= 1;
            let task = self.leaf_to_do(node).expect("only work waits for a slot");
            let finish = self.now + self.problem.plan.tasks[task.index()].effort_or_default();
            self.running.push(Reverse((finish, node, agent)));
            self.assignments.push(Assignment { start: self.now, task, finish, agent });
        }
    }

    fn take_back(&mut self) {
        while let Some(Reverse((finish, node, agent))) = self.running.peek().copied()
            && finish == self.now
        {
            self.running.pop();
            self.free[agent] += 1;
            let mut released = Vec::new();
            self.finished(node, &mut released);
            for node in released {
                self.release(node);
            }
        }
    }
}
