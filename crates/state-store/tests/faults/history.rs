//! Decides whether what concurrent users of one stream were told fits some order of one thing after another.
//!
//! The log itself says in which order the appends took effect, so no order has to be searched for: an append took effect
//! at its place, and who saw the stream end at a place looked between the append that ends there and the next. The
//! history is linearizable exactly if that order never puts an operation before one that had ended before it began
//! (Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects", TOPLAS 1990).

use std::collections::HashMap;

use crate::ledger::Batch;

/// A moment by a clock that all processes share and that never goes back, in nanoseconds.
pub(crate) type Moment = u64;

/// What one user asked for and was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) invoked: Moment,
    pub(crate) returned: Moment,
    /// The place after which it asked what there is.
    pub(crate) after: u64,
    /// The batches that it saw there, in order.
    pub(crate) seen: Vec<Batch>,
    pub(crate) end: End,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It only looked.
    Looked,
    /// It appended the batch, which ends at that place.
    Appended(Batch, u64),
    /// Its batch was refused.
    Refused(Batch),
    /// It is not known whether its batch was appended.
    Unknown(Batch),
}

/// Checks a history against the log that it left: its batches in order, and how many entries each has.
pub(crate) fn check(history: &[Operation], log: &[(Batch, u64)]) -> Result<(), String> {
    let places = places(log)?;
    check_ends(history, &places)?;
    let mut effects = Vec::new();
    for operation in history {
        let looked_at = check_seen(operation, log)?;
        match operation.end {
            End::Looked | End::Refused(_) => {
                effects.push(Effect { operation, returned: operation.returned, rank: 2 * looked_at + 1 });
            }
            End::Appended(batch, _) => {
                let (first, last) = places[&batch];
                if looked_at != first {
                    return Err(format!(
                        "batch {batch} is at {last}, decided on what there was at {looked_at}"
                    ));
                }
                effects.push(Effect { operation, returned: operation.returned, rank: 2 * last });
            }
            // It may have taken effect long after nobody waited for it any more.
            End::Unknown(batch) => {
                if let Some((_, last)) = places.get(&batch) {
                    effects.push(Effect { operation, returned: Moment::MAX, rank: 2 * last });
                }
            }
        }
    }
    check_real_time(&effects)
}

/// When an operation took effect, as a number that grows along the log.
struct Effect<'a> {
    operation: &'a Operation,
    returned: Moment,
    rank: u64,
}

/// Returns, for each batch, the places before its first entry and of its last.
fn places(log: &[(Batch, u64)]) -> Result<HashMap<Batch, (u64, u64)>, String> {
    let mut places = HashMap::new();
    let mut head = 0;
    for (batch, count) in log {
        if places.insert(*batch, (head, head + count)).is_some() {
            return Err(format!("batch {batch} is twice in the log"));
        }
        head += count;
    }
    Ok(places)
}

/// Checks that the log holds what was appended, where it was said to be, and nothing that nobody appended.
fn check_ends(history: &[Operation], places: &HashMap<Batch, (u64, u64)>) -> Result<(), String> {
    let mut claimed = 0;
    for operation in history {
        match operation.end {
            End::Looked => {}
            End::Appended(batch, end) => match places.get(&batch) {
                None => return Err(format!("batch {batch} was appended at {end} and is lost")),
                Some((_, last)) if *last != end => {
                    return Err(format!("batch {batch} was appended at {end} and is at {last}"));
                }
                Some(_) => claimed += 1,
            },
            End::Refused(batch) if places.contains_key(&batch) => {
                return Err(format!("batch {batch} was refused and is in the log"));
            }
            End::Refused(_) => {}
            End::Unknown(batch) => claimed += usize::from(places.contains_key(&batch)),
        }
    }
    match places.len().checked_sub(claimed) {
        Some(0) => Ok(()),
        strangers => Err(format!("batches in the log that nobody appended: {strangers:?}")),
    }
}

/// Checks that what was seen is a part of the log, and returns the place where it ended.
fn check_seen(operation: &Operation, log: &[(Batch, u64)]) -> Result<u64, String> {
    let mut head = 0;
    let mut rest = log.iter();
    while head < operation.after {
        let Some((_, count)) = rest.next() else {
            return Err(format!("{} entries were known, and there are {head}", operation.after));
        };
        head += count;
    }
    for seen in &operation.seen {
        match rest.next() {
            Some((batch, count)) if batch == seen => head += count,
            other => return Err(format!("batch {seen} was seen after {head}, where the log has {other:?}")),
        }
    }
    Ok(head)
}

/// Checks that nothing took effect before something that had ended before it began.
fn check_real_time(effects: &[Effect<'_>]) -> Result<(), String> {
    let mut by_end: Vec<usize> = (0..effects.len()).collect();
    by_end.sort_by_key(|index| effects[*index].returned);
    let mut ended = by_end.into_iter().map(|index| &effects[index]).peekable();
    let mut by_begin: Vec<&Effect<'_>> = effects.iter().collect();
    by_begin.sort_by_key(|effect| effect.operation.invoked);
    let mut latest: Option<&Effect<'_>> = None;
    for effect in by_begin {
        while let Some(earlier) = ended.next_if(|earlier| earlier.returned < effect.operation.invoked) {
            if latest.is_none_or(|latest| latest.rank < earlier.rank) {
                latest = Some(earlier);
            }
        }
        if let Some(latest) = latest.filter(|latest| latest.rank > effect.rank) {
            return Err(format!(
                "{:?} had ended before {:?} began, and took effect after it",
                latest.operation, effect.operation
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(invoked: Moment, returned: Moment, seen: &[Batch]) -> Operation {
        Operation { invoked, returned, after: 0, seen: seen.to_vec(), end: End::Looked }
    }

    fn appended(invoked: Moment, returned: Moment, seen: &[Batch], batch: Batch, end: u64) -> Operation {
        Operation { end: End::Appended(batch, end), ..looked(invoked, returned, seen) }
    }

    fn ended(invoked: Moment, returned: Moment, end: End) -> Operation {
        Operation { end, ..looked(invoked, returned, &[]) }
    }

    const LOG: [(Batch, u64); 2] = [(7, 2), (8, 1)];

    fn both() -> [Operation; 2] {
        [appended(1, 4, &[], 7, 2), appended(2, 6, &[7], 8, 3)]
    }

    #[test]
    fn what_fits_one_order_is_linearizable() {
        assert_eq!(check(&both(), &LOG), Ok(()));
        // While both are under way, each of these may be seen, in any order that does not go back.
        for looks in [
            vec![looked(3, 4, &[])],
            vec![looked(3, 4, &[7])],
            vec![looked(3, 4, &[7, 8])],
            vec![looked(3, 5, &[7, 8]), looked(4, 5, &[7])],
            vec![looked(3, 4, &[7]), looked(5, 6, &[7, 8])],
        ] {
            assert_eq!(check(&[&both()[..], &looks].concat(), &LOG), Ok(()), "{looks:?}");
        }
        let unknown = [appended(1, 4, &[], 7, 2), ended(2, 3, End::Unknown(8)), looked(5, 6, &[7])];
        assert_eq!(check(&unknown, &LOG), Ok(()), "it may take effect after the last look");
        assert_eq!(check(&unknown, &LOG[..1]), Ok(()), "or never");
        let refused = [appended(1, 4, &[], 7, 2), ended(2, 3, End::Refused(8))];
        assert_eq!(check(&refused, &LOG[..1]), Ok(()));
    }

    #[test]
    fn what_fits_none_is_told() {
        let problem = |operations: &[Operation], log: &[(Batch, u64)]| check(operations, log).unwrap_err();
        let with = |look: Operation| problem(&[&both()[..], &[look]].concat(), &LOG);
        assert!(with(looked(5, 6, &[])).contains("took effect after it"), "a look behind what had ended");
        assert!(with(looked(3, 4, &[8])).contains("where the log has"), "a look that left one out");
        let looks = [looked(3, 4, &[7, 8]), looked(5, 6, &[7])];
        assert!(
            problem(&[&both()[..], &looks].concat(), &LOG).contains("took effect after it"),
            "back again"
        );
        assert!(problem(&both(), &LOG[..1]).contains("batch 8 was appended at 3 and is lost"));
        assert!(problem(&both(), &[(7, 2), (8, 1), (7, 2)]).contains("twice"));
        assert!(problem(&both(), &[(8, 1), (7, 2)]).contains("is at 3"));
        assert!(problem(&both()[..1], &LOG).contains("nobody appended"));
        assert!(problem(&[ended(1, 2, End::Refused(7))], &LOG[..1]).contains("was refused"));
        let swapped = [appended(5, 6, &[], 7, 2), appended(1, 2, &[7], 8, 3)];
        assert!(
            problem(&swapped, &LOG).contains("took effect after it"),
            "in the order of the log, not of time"
        );
        let blind = [appended(1, 4, &[], 7, 2), appended(2, 6, &[], 8, 3)];
        assert!(
            problem(&blind, &LOG).contains("decided on what there was at 0"),
            "a writer that was not alone"
        );
    }
}
