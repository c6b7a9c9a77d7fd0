//! A plan like that of a large platform: services of nested groups, with dependencies within and between them.

use crate::random::Random;
use crate::{Dependency, Plan, TaskId};

const TASKS_PER_SERVICE: usize = 50;
const DEPTH_MAX: usize = 5;
const DEPENDENT_PERCENT: usize = 30;
const CROSS_SERVICE_PERCENT: usize = 20;

/// Returns a plan of exactly that many tasks and groups: a service for every 50, each a tree of groups up to five deep; 30 %
/// of the tasks have one to three dependencies, a fifth of which lead into other services.
pub fn complex(tasks: usize, seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let mut made: Vec<crate::Task> = Vec::with_capacity(tasks);
    while made.len() < tasks {
        let service = made.len() / TASKS_PER_SERVICE;
        let size = TASKS_PER_SERVICE.min(tasks - made.len());
        add_service(&mut random, service, size, &mut made);
    }
    super::plan(format!("complex-{tasks}"), made)
}

/// Adds the tasks of a service in the order of a walk through its tree. A task depends only on what ends before it in that
/// order, so there is no cycle, through groups or otherwise.
fn add_service(random: &mut Random, service: usize, size: usize, made: &mut Vec<crate::Task>) {
    let first = made.len();
    let mut open: Vec<usize> = Vec::with_capacity(DEPTH_MAX);
    for number in 0..size {
        let id = format!("svc-{service:04}-task-{number:02}");
        let mut task = super::task(random, &id);
        if number > 0 {
            // The service itself stays open; how much else does decides the depth of this task.
            open.truncate(1 + random.below(open.len().min(DEPTH_MAX - 1)));
        }
        task.parent = open.last().map(|group| made[*group].id.clone());
        if random.percent(DEPENDENT_PERCENT) {
            for _ in 0..1 + random.below(3) {
                let on = earlier(random, first, made, &open);
                task.dependencies.extend(on.map(Dependency::on_completion));
            }
            task.dependencies.sort_unstable_by(|a, b| a.on.cmp(&b.on));
            task.dependencies.dedup();
        }
        open.push(made.len());
        made.push(task);
    }
}

/// Returns a task that has ended when the next one begins: none of the open groups.
fn earlier(random: &mut Random, first: usize, made: &[crate::Task], open: &[usize]) -> Option<TaskId> {
    const TRIES: usize = 8;
    let (low, high) = match first > 0 && (random.percent(CROSS_SERVICE_PERCENT) || made.len() == first) {
        true => (0, first),
        false => (first, made.len()),
    };
    if low == high {
        return None;
    }
    let mut candidates = (0..TRIES).map(|_| low + random.below(high - low));
    let found = candidates.find(|candidate| !open.contains(candidate))?;
    Some(made[found].id.clone())
}
