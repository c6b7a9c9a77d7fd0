//! Ordinary sizes: every task once, in order, with nobody idle for long.

use std::num::NonZeroUsize;

use planner_core::analysis::makespan_lower_bound;
use planner_core::generate::{LayeredShape, layered};
use planner_core::{AgentProfile, CapabilitySet, Priority, Task};

use crate::fleet::{Fleet, agents};

/// A layered plan in which everybody can do everything, and nothing is urgent.
pub(crate) fn tasks(count: usize, layers: usize, seed: u64) -> Vec<Task> {
    let [tasks, layers] = [count, layers].map(|count| NonZeroUsize::new(count).unwrap());
    let plan = layered(LayeredShape { tasks, layers, dependencies_max: 3 }, seed);
    let anybody =
        |task| Task { capabilities: CapabilitySet::default(), priority: Priority::default(), ..task };
    plan.tasks.into_iter().map(anybody).collect()
}

fn check(count: usize, agent_count: usize) {
    let mut fleet = Fleet::on_disk(tasks(count, 10, 7), agents(agent_count, 1));
    let efforts: Vec<_> = fleet.tasks().iter().map(|task| task.effort_or_default().as_duration()).collect();
    fleet.run(&|task| efforts[task.task as usize]);
    fleet.check_all_done();
    let project = &fleet.engine.state().projects()[0];
    let profile = |number| AgentProfile {
        name: format!("{number}"),
        capabilities: CapabilitySet::default(),
        slots: 1,
        lease_seconds: None,
        labels: Vec::new(),
    };
    let profiles: Vec<_> = (0..agent_count).map(profile).collect();
    let bound = makespan_lower_bound(&project.plan, &project.graph, &profiles).makespan.as_duration();
    let ratio = fleet.makespan().as_secs_f64() / bound.as_secs_f64();
    println!("{agent_count} agents, {count} tasks: {ratio:.3} times what no schedule can beat");
    assert!(ratio < 1.1, "{ratio}");
}

#[test]
fn twenty_agents_do_five_hundred_tasks() {
    check(500, 20);
}

#[test]
fn ten_agents_do_two_hundred_tasks() {
    check(200, 10);
}
