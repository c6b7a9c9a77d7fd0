//! Plan files to load: of any size, in the shape that a scenario asks for, and the same for the same seed.

use std::fmt::Write as _;

use planner_core::random::Random;

/// What a generated plan looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// How many tasks there are, groups among them.
    pub tasks: usize,
    /// How many levels the hierarchy has; reached where there are at least that many tasks.
    pub depth: usize,
    /// The share of all tasks that have dependencies, from 0 to 1. Groups have none, so the leaves carry them all.
    pub with_dependencies: f64,
    /// How many dependencies such a task has: from one to this many.
    pub dependencies_max: usize,
    /// Everything random follows from it.
    pub seed: u64,
}

const PRIORITIES: [&str; 4] = ["low", "medium", "high", "critical"];
const CAPABILITIES: [&str; 5] = ["rust", "frontend", "database", "devops", "qa"];

impl Workload {
    /// Returns the shape of BENCH-001: five levels, 30 % of the tasks with one dependency.
    pub fn bench_001(tasks: usize) -> Self {
        Self { tasks, depth: 5, with_dependencies: 0.3, dependencies_max: 1, seed: 1 }
    }

    /// Returns the plan in the native format, as YAML.
    ///
    /// Only leaves depend on others, and only on leaves before them, so the plan is acyclic whatever its hierarchy.
    pub fn yaml(&self) -> String {
        let parents = parents(self.tasks, self.depth);
        let mut is_group = vec![false; self.tasks];
        for parent in parents.iter().flatten() {
            is_group[*parent] = true;
        }
        let mut random = Random::new(self.seed);
        let mut leaves_before: Vec<usize> = Vec::new();
        let mut leaves_left = is_group.iter().filter(|group| !**group).count();
        let mut dependents_left = (self.tasks as f64 * self.with_dependencies).round() as usize;
        let mut yaml = format!("name: load-{}\ntasks:\n", self.tasks);
        for task in 0..self.tasks {
            write_task(&mut yaml, task, parents[task], &mut random);
            if is_group[task] {
                continue;
            }
            write_work(&mut yaml, &mut random);
            // Drawn without replacement, so that the share is met exactly and not on average.
            let is_dependent = !leaves_before.is_empty() && random.below(leaves_left) < dependents_left;
            if is_dependent {
                dependents_left -= 1;
                let count = 1 + random.below(self.dependencies_max);
                write_dependencies(&mut yaml, &leaves_before, count, &mut random);
            }
            leaves_left -= 1;
            leaves_before.push(task);
        }
        yaml
    }
}

/// Returns the parent of each task in one tree: the widest with that many levels that reaches the last of them.
fn parents(tasks: usize, depth: usize) -> Vec<Option<usize>> {
    if depth <= 1 {
        return vec![None; tasks];
    }
    let levels_above = depth - 1;
    let width = (1..tasks).take_while(|width| tree_size(*width, levels_above) < tasks).last().unwrap_or(1);
    // What would begin a further level hangs on the last group instead.
    let last_group = tree_size(width, levels_above) - 1;
    (0..tasks).map(|task| task.checked_sub(1).map(|before| (before / width).min(last_group))).collect()
}

/// Returns the size of a full tree.
fn tree_size(width: usize, levels: usize) -> usize {
    (0..levels).fold(0_usize, |below, _| below.saturating_mul(width).saturating_add(1))
}

fn write_task(yaml: &mut String, task: usize, parent: Option<usize>, random: &mut Random) {
    // Writing to a String cannot fail.
    let _ = writeln!(yaml, "  - id: {}", id(task));
    let _ = writeln!(yaml, "    title: Step {task} of the work on module {}", task / 10);
    let _ = writeln!(
        yaml,
        "    description: What is to be done for step {task}, in one sentence of an ordinary length."
    );
    if let Some(parent) = parent {
        let _ = writeln!(yaml, "    parent: {}", id(parent));
    }
    let _ = writeln!(yaml, "    priority: {}", PRIORITIES[random.below(PRIORITIES.len())]);
}

/// Writes what only a leaf has: a group's effort is the sum of its children's.
fn write_work(yaml: &mut String, random: &mut Random) {
    let _ = writeln!(yaml, "    effort: {}h", 1 + random.below(8));
    let _ = writeln!(yaml, "    capabilities: [{}]", CAPABILITIES[random.below(CAPABILITIES.len())]);
}

fn write_dependencies(yaml: &mut String, leaves_before: &[usize], count: usize, random: &mut Random) {
    let mut chosen: Vec<usize> =
        (0..count).map(|_| leaves_before[random.below(leaves_before.len())]).collect();
    chosen.sort_unstable();
    chosen.dedup();
    let ids: Vec<String> = chosen.into_iter().map(id).collect();
    let _ = writeln!(yaml, "    dependencies: [{}]", ids.join(", "));
}

fn id(task: usize) -> String {
    format!("T-{task:05}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn levels(parents: &[Option<usize>]) -> usize {
        let level = |task: usize| std::iter::successors(Some(task), |task| parents[*task]).count();
        (0..parents.len()).map(level).max().unwrap_or(0)
    }

    #[test]
    fn the_sizes_of_bench_001_have_five_levels_and_the_asked_share() {
        for tasks in [10, 50, 100, 500, 1000, 2000] {
            assert_eq!(levels(&parents(tasks, 5)), 5, "{tasks}");
            let yaml = Workload::bench_001(tasks).yaml();
            assert_eq!(yaml.matches("  - id: ").count(), tasks);
            assert_eq!(yaml.matches("    dependencies: ").count(), tasks * 3 / 10, "{tasks}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_file() {
        let workload = Workload::bench_001(100);
        assert_eq!(workload.yaml(), workload.yaml());
        assert_ne!(workload.yaml(), Workload { seed: 2, ..workload }.yaml());
    }

    proptest! {
        #[test]
        fn every_parent_stands_before_its_children_and_no_tree_is_too_deep(tasks in 0..400_usize, depth in 0..8_usize) {
            let parents = parents(tasks, depth);
            prop_assert_eq!(parents.len(), tasks);
            prop_assert!(parents.iter().enumerate().all(|(task, parent)| parent.is_none_or(|parent| parent < task)));
            prop_assert!(levels(&parents) <= depth.max(1));
            prop_assert!(tasks < depth || levels(&parents) == depth.max(1).min(tasks));
        }
    }
}
