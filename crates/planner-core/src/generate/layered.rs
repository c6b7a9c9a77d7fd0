//! A plan of layers: every task depends on tasks of the layer before.

use std::num::NonZeroUsize;

use crate::random::Random;
use crate::{Dependency, Task, TaskId};

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

/// The tasks, layer by layer.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    shape: LayeredShape,
    random: Random,
    made: usize,
}

impl Layers {
    pub(super) fn new(shape: LayeredShape, seed: u64) -> Self {
        Self { shape, random: Random::new(seed), made: 0 }
    }

    fn width(&self) -> usize {
        self.shape.tasks.get().div_ceil(self.shape.layers.get())
    }

    fn id(&self, number: usize) -> TaskId {
        super::id(&format!("layer-{}-task-{}", number / self.width(), number % self.width()))
    }
}

impl Iterator for Layers {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        if self.made == self.shape.tasks.get() {
            return None;
        }
        let id = self.id(self.made);
        let mut task = super::work(&mut self.random, id);
        let layer = self.made / self.width();
        if let Some(before) = layer.checked_sub(1) {
            for _ in 0..1 + self.random.below(self.shape.dependencies_max.max(1)) {
                let on = before * self.width() + self.random.below(self.width());
                task.dependencies.push(Dependency::on_completion(self.id(on)));
            }
            super::sort_and_drop_repeats(&mut task);
        }
        self.made += 1;
        Some(task)
    }
}
