//! From a plan and its agents to an instance in numbers, and back.

use std::collections::HashMap;

use super::instance::{Instance, Needs};
use super::{Assignment, Budget, Problem, Schedule, list_schedule, solve};
use crate::analysis::{is_to_do, makespan_lower_bound, remaining_effort};
use crate::{CapabilitySet, Effort, Node, TaskIndex};

/// Returns the best schedule found within the budget, never longer than that of [`list_schedule`]. Priority classes, which are
/// about what comes first and not about when all is done, are not regarded.
pub fn improved_schedule(problem: &Problem<'_>, budget: Budget) -> Schedule {
    let simple = list_schedule(problem);
    let slots = Slots::of(problem);
    let instance = slots.instance(problem);
    let solved = solve(&instance, budget);
    if solved.solution.makespan >= simple.makespan.as_millis() {
        return simple;
    }
    let mut assignments = Vec::with_capacity(simple.assignments.len());
    for node in problem.graph.nodes() {
        let Some(task) = leaf_to_do(problem, node) else { continue };
        let start = Effort::from_millis(solved.solution.starts[node.index()]);
        assignments.push(Assignment {
            start,
            task,
            finish: start + problem.plan.tasks[task.index()].effort_or_default(),
            agent: slots.agents[solved.solution.agents[node.index()] as usize],
        });
    }
    assignments.sort_unstable();
    let bound = makespan_lower_bound(problem.plan, problem.graph, problem.agents).makespan;
    Schedule { assignments, makespan: Effort::from_millis(solved.solution.makespan), lower_bound: bound }
}

fn leaf_to_do(problem: &Problem<'_>, node: crate::NodeIndex) -> Option<TaskIndex> {
    match problem.graph.node(node) {
        Node::Task(task) => is_to_do(&problem.plan.tasks[task.index()]).then_some(task),
        Node::GroupStart(_) | Node::GroupFinish(_) => None,
    }
}

/// Every slot of every agent, as an agent of one slot.
struct Slots {
    /// By slot, whose it is.
    agents: Vec<usize>,
}

impl Slots {
    fn of(problem: &Problem<'_>) -> Self {
        // More slots than tasks are of no use.
        let most = problem.graph.task_count().max(1);
        let slots = problem.agents.iter().enumerate();
        let agents =
            slots.flat_map(|(agent, profile)| std::iter::repeat_n(agent, (profile.slots as usize).min(most)));
        Self { agents: agents.collect() }
    }

    fn instance(&self, problem: &Problem<'_>) -> Instance {
        let precedence = problem.graph.to_digraph();
        let efforts: Vec<u64> = problem
            .graph
            .nodes()
            .map(|node| remaining_effort(problem.plan, problem.graph, node).as_millis())
            .collect();
        let mut able: HashMap<&CapabilitySet, Vec<u32>> = HashMap::new();
        for node in problem.graph.nodes() {
            let Some(task) = leaf_to_do(problem, node) else { continue };
            let asked = &problem.plan.tasks[task.index()].capabilities;
            able.entry(asked).or_insert_with(|| {
                let covers = |slot: &usize| problem.agents[self.agents[*slot]].capabilities.covers(asked);
                (0..self.agents.len()).filter(covers).map(|slot| slot as u32).collect()
            });
        }
        if able.values().all(|slots| slots.len() == self.agents.len()) {
            let needs = Needs::Agents { count: self.agents.len(), durations: efforts };
            return Instance { precedence, needs };
        }
        // What is no work takes no time, on an agent of its own.
        let mut count = self.agents.len() as u32;
        let options = problem.graph.nodes().map(|node| match leaf_to_do(problem, node) {
            Some(task) => {
                let slots = &able[&problem.plan.tasks[task.index()].capabilities];
                slots.iter().map(|slot| (*slot, efforts[node.index()])).collect()
            }
            None => {
                count += 1;
                vec![(count - 1, 0)]
            }
        });
        let options = options.collect();
        Instance { precedence, needs: Needs::Able { count: count as usize, options } }
    }
}
