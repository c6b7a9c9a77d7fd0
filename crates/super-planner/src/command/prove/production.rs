//! What a producer appends: transactions that say whose they are, and that follow from their number byte for byte.

use planner_core::random::Random;
use state_store::Entry;

/// One transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Production {
    pub(super) round: u32,
    pub(super) producer: u32,
    /// Counted from 1 in each round.
    pub(super) number: u64,
}

impl Production {
    /// Returns its entries: one to three, of about the size that events have.
    pub(super) fn entries(self) -> Vec<Entry> {
        let mut random = Random::of([self.round.into(), self.producer.into(), self.number]);
        let count = 1 + random.below(3);
        let entry = |index| {
            let mut body =
                format!("{} {} {} {index} {count} ", self.round, self.producer, self.number).into_bytes();
            body.extend((0..random.below(300)).map(|_| random.next_u64() as u8));
            Entry { kind: 1, version: 1, body }
        };
        (0..count).map(entry).collect()
    }

    /// Returns the transaction that an entry says it is of.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let mut numbers = entry
            .body
            .split(|byte| *byte == b' ')
            .map_while(|word| std::str::from_utf8(word).ok()?.parse::<u64>().ok());
        let round = u32::try_from(numbers.next()?).ok()?;
        let producer = u32::try_from(numbers.next()?).ok()?;
        Some(Self { round, producer, number: numbers.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_tells_what_it_is_of() {
        let production = Production { round: 3, producer: 7, number: 12_345 };
        let entries = production.entries();
        assert_eq!(entries, production.entries());
        assert!(entries.iter().all(|entry| Production::of(entry) == Some(production)));
        assert_eq!(Production::of(&Entry { kind: 1, version: 1, body: b"what".to_vec() }), None);
    }
}
