//! Finds one order of the operations on one task that explains every answer, if there is one.
//!
//! The search is that of Wing and Gong ("Testing and Verifying Concurrent Objects", JPDC 1993), with the memory of dead ends
//! that Lowe added ("Testing for Linearizability", CCPE 2017). What it knows of a task is what an agent may rely on, and
//! nothing of how it is kept.

use std::collections::HashSet;
use std::time::Duration;

use crate::race::history::{Asked, Moment, Operation, Told};

/// Returns whether some order of the operations, all of one task, explains every answer. A lease lasts that long after it was
/// asked for, at the least.
pub(super) fn is_explained(operations: &[&Operation], lease: Duration) -> bool {
    let mut sorted = operations.to_vec();
    sorted.sort_by_key(|operation| operation.invoked);
    let lease = u64::try_from(lease.as_nanos()).unwrap_or(Moment::MAX);
    Search { operations: sorted, lease, dead_ends: HashSet::new() }
        .goes_on(&mut Vec::new(), Standing::default())
}

/// Where a task stands, as far as agents can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Standing {
    holder: Holder,
    /// The greatest token so far.
    last: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Holder {
    #[default]
    Nobody,
    /// Whoever shows this token; nobody else gets the task before that moment.
    Somebody { token: u64, until: Moment },
    /// A result was accepted.
    Over,
}

struct Search<'a> {
    /// In the order in which they were asked.
    operations: Vec<&'a Operation>,
    lease: Moment,
    dead_ends: HashSet<(Vec<usize>, Standing)>,
}

impl Search<'_> {
    /// Returns whether the operations that are not among the `taken` ones, whose places are sorted, can follow.
    fn goes_on(&mut self, taken: &mut Vec<usize>, standing: Standing) -> bool {
        let is_open = |place: &usize| taken.binary_search(place).is_err();
        let open: Vec<usize> = (0..self.operations.len()).filter(is_open).collect();
        // Whoever was answered first cannot come after what was asked only then.
        let Some(first_end) = open.iter().map(|place| self.operations[*place].returned).min() else {
            return true;
        };
        if !self.dead_ends.insert((taken.clone(), standing)) {
            return false;
        }
        for place in open {
            let operation = self.operations[place];
            if operation.invoked > first_end {
                break;
            }
            let Some(next) = standing.after(operation, self.lease) else { continue };
            let at = taken.partition_point(|known| *known < place);
            taken.insert(at, place);
            if self.goes_on(taken, next) {
                return true;
            }
            taken.remove(at);
        }
        false
    }
}

impl Standing {
    /// Returns where the task stands after an operation; none where the answer does not fit.
    fn after(self, operation: &Operation, lease: Moment) -> Option<Self> {
        let until = operation.invoked.saturating_add(lease);
        let is_held_with =
            |shown: u64| matches!(self.holder, Holder::Somebody { token, .. } if token == shown);
        // A lease may have run out unseen, once that much time has passed.
        let may_be_lost = match self.holder {
            Holder::Somebody { until, .. } => operation.returned >= until,
            Holder::Nobody | Holder::Over => true,
        };
        match (&operation.asked, &operation.told) {
            // It had the task already.
            (Asked::Acquire, Told::Task { token, .. }) if is_held_with(*token) => Some(self),
            (Asked::Acquire, Told::Task { token, .. }) => {
                let is_free = self.holder != Holder::Over && may_be_lost && *token > self.last;
                is_free.then_some(Self { holder: Holder::Somebody { token: *token, until }, last: *token })
            }
            (Asked::Heartbeat { token, .. }, Told::Yes) => {
                let holder = Holder::Somebody { token: *token, until };
                is_held_with(*token).then_some(Self { holder, ..self })
            }
            (Asked::Complete { token, .. }, Told::Yes) => {
                is_held_with(*token).then_some(Self { holder: Holder::Over, ..self })
            }
            (Asked::Release { token, .. }, Told::Yes) => {
                is_held_with(*token).then_some(Self { holder: Holder::Nobody, ..self })
            }
            (
                Asked::Heartbeat { token, .. } | Asked::Complete { token, .. } | Asked::Release { token, .. },
                Told::Refused,
            ) if is_held_with(*token) => may_be_lost.then_some(Self { holder: Holder::Nobody, ..self }),
            (Asked::Heartbeat { .. } | Asked::Complete { .. } | Asked::Release { .. }, Told::Refused) => {
                Some(self)
            }
            (Asked::Acquire, Told::NoTask | Told::Yes | Told::Refused)
            | (
                Asked::Heartbeat { .. } | Asked::Complete { .. } | Asked::Release { .. },
                Told::Task { .. } | Told::NoTask,
            ) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_nanos(100);

    fn operation(invoked: Moment, returned: Moment, asked: Asked, told: Told) -> Operation {
        Operation { agent: "a".to_owned(), invoked, returned, asked, told }
    }

    fn acquired(invoked: Moment, returned: Moment, token: u64) -> Operation {
        operation(invoked, returned, Asked::Acquire, Told::Task { task: "T".to_owned(), token })
    }

    fn beat(invoked: Moment, returned: Moment, token: u64, told: Told) -> Operation {
        operation(invoked, returned, Asked::Heartbeat { task: "T".to_owned(), token }, told)
    }

    fn completed(invoked: Moment, returned: Moment, token: u64, told: Told) -> Operation {
        operation(invoked, returned, Asked::Complete { task: "T".to_owned(), token }, told)
    }

    fn released(invoked: Moment, returned: Moment, token: u64, told: Told) -> Operation {
        operation(invoked, returned, Asked::Release { task: "T".to_owned(), token }, told)
    }

    fn fits(operations: &[Operation]) -> bool {
        is_explained(&operations.iter().collect::<Vec<_>>(), LEASE)
    }

    #[test]
    fn what_fits_one_order_is_explained() {
        use Told::{Refused, Yes};
        assert!(fits(&[acquired(1, 2, 1), beat(3, 4, 1, Yes), completed(5, 6, 1, Yes)]));
        assert!(fits(&[
            acquired(1, 2, 1),
            released(3, 9, 1, Yes),
            acquired(4, 5, 2),
            completed(6, 7, 2, Yes)
        ]));
        assert!(fits(&[
            acquired(1, 2, 1),
            acquired(3, 4, 1),
            completed(5, 8, 1, Yes),
            completed(6, 7, 1, Refused)
        ]));
        assert!(
            fits(&[acquired(1, 2, 1), acquired(103, 104, 2), completed(105, 106, 1, Refused)]),
            "it ran out"
        );
        assert!(fits(&[acquired(1, 2, 1), beat(99, 101, 1, Yes), completed(102, 103, 1, Yes)]));
        assert!(fits(&[acquired(1, 2, 1), completed(110, 111, 1, Refused)]), "it ran out, and nobody has it");
    }

    #[test]
    fn what_fits_none_is_found() {
        use Told::{Refused, Yes};
        assert!(!fits(&[acquired(1, 2, 1), acquired(3, 4, 2)]), "two have it at once");
        assert!(!fits(&[acquired(1, 2, 1), released(3, 4, 1, Yes), acquired(5, 6, 1)]), "a token used twice");
        assert!(!fits(&[acquired(1, 2, 2), released(3, 4, 2, Yes), acquired(5, 6, 1)]), "a token that falls");
        assert!(
            !fits(&[acquired(1, 2, 1), acquired(103, 104, 2), completed(105, 106, 1, Yes)]),
            "a result under a token that was superseded"
        );
        assert!(
            !fits(&[acquired(1, 2, 1), acquired(103, 104, 2), beat(105, 106, 1, Yes)]),
            "a zombie's heartbeat"
        );
        assert!(
            !fits(&[acquired(1, 2, 1), completed(3, 4, 1, Yes), completed(5, 6, 1, Yes)]),
            "two accepted results"
        );
        assert!(
            !fits(&[acquired(1, 2, 1), completed(3, 4, 1, Yes), acquired(200, 201, 2)]),
            "given out when over"
        );
        assert!(!fits(&[acquired(1, 2, 1), beat(3, 4, 1, Refused)]), "a lease that ended too early");
        assert!(
            !fits(&[acquired(1, 2, 1), beat(50, 51, 1, Yes), acquired(110, 120, 2)]),
            "prolonged in vain"
        );
        assert!(!fits(&[beat(1, 2, 1, Yes)]), "a lease that nobody was given");
    }
}
