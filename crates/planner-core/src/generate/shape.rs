//! Shapes whose answers are known without looking: how many edges and waves they have. Every task is an hour of work.

use crate::{Dependency, Effort, Task, TaskId};

/// A shape of so many tasks; the n-th task follows from n alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One after the other.
    Chain,
    /// None waits for another.
    Independent,
    /// One, then all others at once, then one.
    ForkJoin,
    /// Pairs, of which each waits for both of the pair before.
    Ladder,
    /// Each task has two that wait for it.
    Tree,
    /// Rows and columns: each waits for its neighbours above and to the left.
    Grid,
    /// Levels of the same width, a power of two: each waits for the one above and for one across, as in a fast Fourier transform.
    Butterfly,
}

/// What is known of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// How many dependencies it has.
    pub edges: usize,
    /// How many waves.
    pub waves: usize,
    /// How long it takes at least, whoever works on it.
    pub critical_path: Effort,
}

impl Shape {
    pub(super) fn task(self, number: usize, of: usize) -> Task {
        let mut task = Task::new(id(number));
        task.effort = Some(Effort::DEFAULT);
        let before = self.before(number, of);
        task.dependencies =
            before.into_iter().flatten().map(|on| Dependency::on_completion(id(on))).collect();
        if self == Self::ForkJoin && number > 1 && number + 1 == of {
            task.dependencies = (1..number).map(|on| Dependency::on_completion(id(on))).collect();
        }
        task
    }

    /// Returns the one or two tasks that the task waits for; of all that the last one of a fork waits for, none.
    fn before(self, number: usize, of: usize) -> [Option<usize>; 2] {
        let back = |steps: usize| number.checked_sub(steps);
        match self {
            Self::Independent => [None, None],
            Self::Chain => [back(1), None],
            Self::ForkJoin => [back(1).map(|_| 0), None],
            Self::Tree => [back(1).map(|before| before / 2), None],
            Self::Ladder => {
                let pair = number / 2;
                [
                    pair.checked_sub(1).map(|before| 2 * before),
                    pair.checked_sub(1).map(|before| 2 * before + 1),
                ]
            }
            Self::Grid => {
                let width = grid_width(of);
                [back(width), back(1).filter(|_| !number.is_multiple_of(width))]
            }
            Self::Butterfly => {
                let bits = butterfly_bits(of);
                let width = 1 << bits;
                let across = back(width).filter(|_| bits > 0).map(|above| {
                    let level = above / width;
                    above ^ (1 << (level % bits as usize))
                });
                [back(width), across]
            }
        }
    }

    pub(super) fn answers(self, of: usize) -> Answers {
        let (edges, waves) = match self {
            Self::Independent => (0, 1),
            Self::Chain => (of - 1, of),
            Self::ForkJoin if of < 3 => (of - 1, of),
            Self::ForkJoin => (2 * (of - 2), 3),
            Self::Tree => (of - 1, of.ilog2() as usize + 1),
            Self::Ladder => (2 * of.saturating_sub(2), of.div_ceil(2)),
            Self::Grid => {
                let width = grid_width(of);
                let rows = of.div_ceil(width);
                let last = of - (rows - 1) * width;
                // The farthest corner is that of the last row or, where that is short, of the one before.
                let waves = (rows + last - 1).max(if rows > 1 { rows + width - 2 } else { 0 });
                ((of - rows) + (of - width), waves)
            }
            Self::Butterfly => {
                let width = 1 << butterfly_bits(of);
                ((of - width) * if width > 1 { 2 } else { 1 }, of.div_ceil(width))
            }
        };
        let critical_path = Effort::from_millis(waves as u64 * Effort::DEFAULT.as_millis());
        Answers { edges, waves, critical_path }
    }
}

fn id(number: usize) -> TaskId {
    super::id(&format!("task-{number}"))
}

/// Returns a width that makes the grid about square.
fn grid_width(of: usize) -> usize {
    of.isqrt().max(1)
}

/// Returns the logarithm of a width for which there are about as many levels as a whole transform has.
fn butterfly_bits(of: usize) -> u32 {
    (of / (of.max(2).ilog2() as usize)).max(1).ilog2()
}
