//! More work than hands.

use std::cmp::Reverse;

use planner_core::{Priority, Task};

use crate::fleet::{Fleet, agents, lasting};

#[test]
fn with_fifty_ready_tasks_the_most_urgent_go_first_and_no_slot_is_idle() {
    let mixed = |number: u64| Task {
        priority: Priority::ALL[(number * 7 % 5) as usize],
        ..lasting(&format!("t{number:02}"), 3600 + number * 7919 % 7200)
    };
    let mut fleet = Fleet::on_disk((0..50).map(mixed).collect(), agents(8, 3));
    let order = |place| (mixed(place).priority, Reverse(mixed(place).effort_or_default()), place);
    let mut expected: Vec<_> = (0..50).map(order).collect();
    expected.sort_unstable();
    let expected: Vec<u64> = expected.iter().take(24).map(|(.., place)| *place).collect();
    let first: Vec<u64> = fleet.assigned().map(|(task, _)| u64::from(task.task)).collect();
    assert_eq!(first, expected, "exactly the 24 first in order, in that order");

    let efforts: Vec<_> = fleet.tasks().iter().map(|task| task.effort_or_default().as_duration()).collect();
    fleet.run(&|task| efforts[task.task as usize]);
    fleet.check_all_done();
    // While something waits, slots are in use; what is left then comes to its end.
    let starts: Vec<_> = fleet.starts().collect();
    let (begin, last) = (starts[0].1, starts[49].1);
    let in_use = starts.iter().map(|(task, start)| {
        let end = (*start + efforts[task.task as usize]).min(last);
        end.since(*start).as_secs_f64()
    });
    let utilisation = in_use.sum::<f64>() / (24.0 * last.since(begin).as_secs_f64());
    let work: f64 = efforts.iter().map(std::time::Duration::as_secs_f64).sum();
    let whole = work / (24.0 * fleet.makespan().as_secs_f64());
    println!(
        "slots in use: {:.1} % while something waits, {:.1} % of all the time",
        utilisation * 100.0,
        whole * 100.0
    );
    assert!(utilisation > 0.85, "{utilisation}");
}
