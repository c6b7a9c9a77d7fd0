//! A plan of layers: every task depends on tasks of the layer before.

use std::num::NonZeroUsize;

use crate::random::Random;
use crate::{Dependency, Plan};

/// The size and the shape of a layered plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayeredShape {
    /// How many tasks.
    pub tasks: NonZeroUsize,
    /// How many layers; no more than tasks.
    pub layers: NonZeroUsize,
    /// How many tasks of the layer before a task depends on at most; each depends on one at least.
    pub dependencies_max: usize,
}

/// Returns a plan of layers of the same size, the last one smaller where that does not come out even.
pub fn layered(shape: LayeredShape, seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let width = shape.tasks.get().div_ceil(shape.layers.get());
    let mut tasks: Vec<crate::Task> = Vec::with_capacity(shape.tasks.get());
    for number in 0..shape.tasks.get() {
        let layer = number / width;
        let mut task = super::task(&mut random, &format!("layer-{layer}-task-{}", number % width));
        if layer > 0 {
            let before = (layer - 1) * width;
            for _ in 0..1 + random.below(shape.dependencies_max.max(1)) {
                let on = tasks[before + random.below(width)].id.clone();
                task.dependencies.push(Dependency::on_completion(on));
            }
            task.dependencies.sort_unstable_by(|a, b| a.on.cmp(&b.on));
            task.dependencies.dedup();
        }
        tasks.push(task);
    }
    super::plan(format!("layered-{}", shape.tasks), tasks)
}
