//! Work is shared evenly.

use std::time::Duration;

use agent_coordinator::engine::AgentSpec;
use planner_core::random::Random;
use planner_core::{CapabilitySet, Task};

use crate::fleet::{Fleet, agents, lasting};
use crate::scale::tasks;

/// By how much attempts take more or less than planned at the most.
const VARIATIONS: [f64; 2] = [0.0, 0.25];

/// Runs the plan with attempts that vary by so much; returns what each agent was given, by the plan.
fn given(tasks: Vec<Task>, agents: Vec<AgentSpec>, seed: u64, variation: f64) -> Vec<Duration> {
    let count = agents.len();
    let mut fleet = Fleet::in_memory(tasks, agents);
    let efforts: Vec<_> = fleet.tasks().iter().map(|task| task.effort_or_default().as_duration()).collect();
    let took = |task: u32| {
        let drawn = Random::of([seed, u64::from(task)]).unit();
        efforts[task as usize].mul_f64(1.0 + variation * (2.0 * drawn - 1.0))
    };
    fleet.run(&|task| took(task.task));
    fleet.check_all_done();
    let given: Vec<_> = fleet.given().into_values().collect();
    assert_eq!(given.len(), count, "everybody has got something");
    given
}

fn spread(given: &[Duration]) -> Duration {
    *given.iter().max().unwrap() - *given.iter().min().unwrap()
}

#[test]
fn interchangeable_agents_are_given_the_same_effort() {
    for (seed, is_chained) in [(1, false), (2, true), (3, false), (4, true)] {
        let tasks = match is_chained {
            true => tasks(400, 8, seed),
            false => {
                let mut random = Random::new(seed);
                (0..400)
                    .map(|number| lasting(&format!("t{number}"), 600 + random.below(7200) as u64))
                    .collect()
            }
        };
        let largest = tasks.iter().map(|task| task.effort_or_default().as_duration()).max().unwrap();
        for variation in VARIATIONS {
            let given = given(tasks.clone(), agents(8, 1), seed, variation);
            let mean = given.iter().sum::<Duration>() / 8;
            let share = spread(&given).as_secs_f64() / mean.as_secs_f64();
            let in_largest = spread(&given).as_secs_f64() / largest.as_secs_f64();
            println!(
                "seed {seed}, give or take {variation}: spread {:.1} % of the mean, {in_largest:.1} of the largest task",
                share * 100.0
            );
            // Who is quicker than planned gets more: nobody waits for the others.
            let allowed = if variation > 0.0 { 0.15 } else { 0.05 };
            assert!(share <= allowed || spread(&given) <= largest, "seed {seed}, {variation}: {share}");
        }
    }
}

#[test]
fn agents_that_cannot_stand_in_for_each_other_are_compared_with_the_best_possible() {
    let mut random = Random::new(5);
    let mut drawn = |number: usize, capability: &str| Task {
        capabilities: [capability].into_iter().collect(),
        ..lasting(&format!("{capability}-{number}"), 600 + random.below(3600) as u64)
    };
    let mut tasks: Vec<Task> = (0..300).map(|number| drawn(number, "rust")).collect();
    tasks.extend((0..60).map(|number| drawn(number, "docs")));
    let specialist = |number: usize| AgentSpec {
        name: format!("agent-{number}"),
        capabilities: [if number < 4 { "rust" } else { "docs" }].into_iter().collect::<CapabilitySet>(),
        slots: 1,
        lease: None,
        labels: Vec::new(),
    };
    let largest = tasks.iter().map(|task| task.effort_or_default().as_duration()).max().unwrap();
    let of = |capability: &str| -> Duration {
        let own: CapabilitySet = [capability].into_iter().collect();
        tasks
            .iter()
            .filter(|task| task.capabilities == own)
            .map(|task| task.effort_or_default().as_duration())
            .sum()
    };
    // The best possible: all that asks for an ability, shared evenly among those that have it.
    let best = [of("rust") / 4, of("docs") / 2];
    let given = given(tasks.clone(), (0..6).map(specialist).collect(), 5, 0.0);
    for (agent, own) in given.iter().enumerate() {
        let best = best[usize::from(agent >= 4)];
        println!("agent {agent}: {own:.0?} where {best:.0?} is best");
        assert!(own.abs_diff(best) <= largest.max(best.mul_f64(0.05)));
    }
}
