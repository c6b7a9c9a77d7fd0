//! Operations on a timeline: what is asked of a running system, and when, all from a seed.

use std::time::Duration;

use planner_core::random::Random;

/// The four kinds of operations that a running system is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationKind {
    /// A task is put on hold, or goes on.
    Transition,
    /// A task becomes free to be handed to an agent.
    Assignment,
    /// An agent tells that it is still there.
    AgentStatus,
    /// A task comes to depend on another, or does not any more.
    DependencyChange,
}

impl OperationKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::Transition, Self::Assignment, Self::AgentStatus, Self::DependencyChange];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transition => "transition",
            Self::Assignment => "assignment",
            Self::AgentStatus => "agent-status",
            Self::DependencyChange => "dependency-change",
        }
    }
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// When it is due, from the beginning.
    pub at: Duration,
    /// What it is.
    pub kind: OperationKind,
    /// What it is about is drawn from this: the same operation of the same timeline is about the same task.
    pub draw: u64,
}

/// A sequence of operations at a steady rate, in the order of their time.
#[derive(Debug, Clone)]
pub struct Timeline {
    rate: f64,
    weights: [u32; 4],
    random: Random,
    next: u64,
}

impl Timeline {
    /// Returns the operations at that many a second, each kind as often as its weight among all, in the order of
    /// [`OperationKind::ALL`]. The weights are not all zero, and the rate is above zero.
    pub fn new(rate: f64, weights: [u32; 4], seed: u64) -> Self {
        Self { rate, weights, random: Random::new(seed), next: 0 }
    }

    fn kind(&mut self) -> OperationKind {
        let total: u32 = self.weights.iter().sum();
        let mut left = self.random.below(total as usize) as u32;
        for (kind, weight) in OperationKind::ALL.into_iter().zip(self.weights) {
            match left.checked_sub(weight) {
                None => return kind,
                Some(rest) => left = rest,
            }
        }
        unreachable!("what is drawn is below the sum of the weights")
    }
}

impl Iterator for Timeline {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        let at = Duration::from_secs_f64(self.next as f64 / self.rate);
        self.next += 1;
        let kind = self.kind();
        Some(Operation { at, kind, draw: self.random.next_u64() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_its_rate_its_weights_and_its_seed() {
        let of = |seed| Timeline::new(50.0, [5, 3, 2, 0], seed).take(1000).collect::<Vec<_>>();
        let operations = of(1);
        assert_eq!(operations, of(1));
        assert_ne!(operations, of(2));
        assert_eq!(operations[999].at, Duration::from_millis(19_980));
        let count = |kind| operations.iter().filter(|operation| operation.kind == kind).count();
        let counts = OperationKind::ALL.map(count);
        assert_eq!(counts[3], 0);
        for (count, share) in counts.into_iter().zip([500, 300, 200, 0]) {
            assert!(count.abs_diff(share) < 60, "{counts:?}");
        }
    }
}
