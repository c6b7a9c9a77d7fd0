//! What a workload asked for and was told, and whether a store keeps to it.
//!
//! Batches are numbered in each stream and their entries follow from the number, so whoever reads a store can tell which
//! batches are in it, whether each is whole, and whether every byte is right.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use planner_core::random::Random;
use state_store::log::{Snapshot, SnapshotError};
use state_store::{Entry, Recorded, Seq, StateStore, StoreError, StreamName};

pub(crate) type Batch = u64;

/// What became of a batch, as far as its producer was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing yet, or that it is not known.
    Unknown,
    Accepted,
    Refused,
}

/// Every batch of every stream, in the order in which they were tried, and the snapshots that were acknowledged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    batches: BTreeMap<StreamName, Vec<(Batch, Outcome)>>,
    snapshots: BTreeMap<StreamName, Seq>,
}

/// What a stream holds: the place of its end, and the batches in order, those of its snapshot first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Content {
    pub(crate) head: Seq,
    pub(crate) batches: Vec<Batch>,
    pub(crate) snapshot: Option<Seq>,
}

/// Why the content of a stream cannot be told.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The store says that it cannot be read.
    Told(StoreError),
    /// What the store gave out as sound is not what was written.
    Wrong(String),
}

/// Returns the entries of a batch.
pub(crate) fn entries(stream: &StreamName, batch: Batch) -> Vec<Entry> {
    let name = stream.as_str().bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte));
    let mut random = Random::of([name, batch]);
    let count = 1 + random.below(4);
    (0..count)
        .map(|index| {
            // Some fit into a page many times, some do not fit into one.
            let length = if random.percent(10) { 3000 + random.below(9000) } else { random.below(400) };
            let mut body = format!("{batch} {index} {count} ").into_bytes();
            body.extend(random.next_u64().to_le_bytes().repeat(length / 8));
            Entry { kind: index as u16, version: 1, body }
        })
        .collect()
}

/// Returns the snapshot of a stream that holds these batches up to that place.
pub(crate) fn snapshot(seq: Seq, batches: &[Batch]) -> Snapshot {
    let mut body = String::new();
    for batch in batches {
        let _ = write!(body, "{batch} ");
    }
    // Every third one is long enough to be stored in two parts.
    let mut body = body.into_bytes();
    if seq.get().is_multiple_of(3) {
        body.push(b'.');
        body.extend(Random::new(seq.get()).next_u64().to_le_bytes().repeat(40_000));
    }
    Snapshot { seq, kind: 5, version: 2, body }
}

/// Reads everything of a stream.
pub(crate) fn content(store: &dyn StateStore, stream: &StreamName) -> Result<Content, Unreadable> {
    let told = Unreadable::Told;
    let kept = store.load_snapshot(stream).map_err(told)?;
    let mut content = Content::default();
    let mut from = Seq::START;
    if let Some(kept) = kept {
        content.batches = snapshot_batches(&kept)?;
        content.snapshot = Some(kept.seq);
        (content.head, from) = (kept.seq, kept.seq);
        // Where the entries that it covers are still there, they say the same.
        match batches_after(store, stream, Seq::START, Some(kept.seq)) {
            Ok((covered, head)) if covered != content.batches || head != kept.seq => {
                let reason = format!("the snapshot of {stream} has other batches than the log up to it");
                return Err(Unreadable::Wrong(reason));
            }
            Ok(_) | Err(Unreadable::Told(StoreError::Compacted { .. })) => {}
            Err(unreadable) => return Err(unreadable),
        }
    }
    let (batches, head) = batches_after(store, stream, from, None)?;
    content.batches.extend(batches);
    content.head = content.head.max(head);
    let end = store.end(stream).map_err(told)?.head;
    if end != content.head {
        return Err(Unreadable::Wrong(format!("{stream} ends at {end}, and holds {}", content.head)));
    }
    Ok(content)
}

fn snapshot_batches(kept: &Snapshot) -> Result<Vec<Batch>, Unreadable> {
    let list = kept.body.split(|byte| *byte == b'.').next().unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    let batches: Vec<Batch> = list.split_whitespace().map_while(|number| number.parse().ok()).collect();
    if snapshot(kept.seq, &batches) != *kept {
        return Err(Unreadable::Wrong("the snapshot is not as it was saved".to_owned()));
    }
    Ok(batches)
}

/// Returns the batches of the log after a place, up to another, each of them checked byte by byte.
fn batches_after(
    store: &dyn StateStore,
    stream: &StreamName,
    after: Seq,
    until: Option<Seq>,
) -> Result<(Vec<Batch>, Seq), Unreadable> {
    let mut found = Vec::new();
    let mut visit = |recorded: Recorded| {
        if until.is_some_and(|until| recorded.seq > until) {
            return ControlFlow::Break(());
        }
        found.push(recorded);
        ControlFlow::Continue(())
    };
    store.read(stream, after, &mut visit).map_err(Unreadable::Told)?;
    batches(stream, &found, after).map_err(Unreadable::Wrong)
}

/// Returns the batches that entries after a place are, and the place where they end.
pub(crate) fn batches(
    stream: &StreamName,
    found: &[Recorded],
    after: Seq,
) -> Result<(Vec<Batch>, Seq), String> {
    let (mut batches, mut head) = (Vec::new(), after);
    for segment in found.chunk_by(|one, next| one.segment == next.segment) {
        batches.push(batch_of(stream, segment, head)?);
        head = head.plus(segment.len() as u64);
    }
    Ok((batches, head))
}

fn batch_of(stream: &StreamName, segment: &[Recorded], head: Seq) -> Result<Batch, String> {
    let text = String::from_utf8_lossy(&segment[0].entry.body);
    let batch = text.split(' ').next().and_then(|number| number.parse::<Batch>().ok());
    let batch = batch.ok_or_else(|| format!("an entry of {stream} is of no batch"))?;
    let places: Vec<Seq> = segment.iter().map(|recorded| recorded.seq).collect();
    let expected: Vec<Seq> = (1..=segment.len() as u64).map(|offset| head.plus(offset)).collect();
    if places != expected || segment[0].segment != head.plus(1) {
        return Err(format!("batch {batch} of {stream} is at {places:?} after {head}"));
    }
    let found: Vec<&Entry> = segment.iter().map(|recorded| &recorded.entry).collect();
    if found != entries(stream, batch).iter().collect::<Vec<_>>() {
        return Err(format!("batch {batch} of {stream} is not whole, or not as it was written"));
    }
    Ok(batch)
}

impl Ledger {
    /// Notes that a batch is about to be appended.
    pub(crate) fn tries(&mut self, stream: &StreamName, batch: Batch) {
        self.batches.entry(stream.clone()).or_default().push((batch, Outcome::Unknown));
    }

    /// Notes what became of the batch that was tried last.
    pub(crate) fn settles(&mut self, stream: &StreamName, batch: Batch, outcome: Outcome) {
        let last = self.batches.get_mut(stream).and_then(|batches| batches.last_mut());
        let (tried, settled) = last.expect("a batch is tried before it ends");
        assert_eq!(*tried, batch, "one batch of a stream is tried at a time");
        *settled = outcome;
    }

    /// Notes that a snapshot was acknowledged.
    pub(crate) fn keeps_snapshot(&mut self, stream: &StreamName, seq: Seq) {
        self.snapshots.insert(stream.clone(), seq);
    }

    /// Returns how many batches were tried.
    pub(crate) fn tried(&self) -> usize {
        self.batches.values().map(Vec::len).sum()
    }

    /// Returns how many batches were accepted.
    pub(crate) fn accepted(&self) -> usize {
        let outcomes = self.batches.values().flatten();
        outcomes.filter(|(_, outcome)| *outcome == Outcome::Accepted).count()
    }

    /// Checks every stream of a store: all that was accepted is there, nothing that was refused, nothing half, nothing
    /// that was never tried, and all in order.
    pub(crate) fn check(&self, store: &dyn StateStore) -> Result<(), String> {
        let named = store.streams().map_err(|error| format!("the streams cannot be listed: {error:?}"))?;
        if let Some(stranger) = named.iter().find(|stream| !self.batches.contains_key(stream)) {
            return Err(format!("nobody has written to stream {stranger}"));
        }
        self.batches.iter().try_for_each(|(stream, batches)| {
            let found = content(store, stream)
                .map_err(|unreadable| format!("{stream} cannot be read: {unreadable:?}"))?;
            check_batches(stream, batches, &found.batches)?;
            match self.snapshots.get(stream) {
                Some(kept) if found.snapshot < Some(*kept) => Err(format!(
                    "the snapshot of {stream} at {kept} was acknowledged; there is {:?}",
                    found.snapshot
                )),
                _ => Ok(()),
            }
        })
    }
}

fn check_batches(stream: &StreamName, tried: &[(Batch, Outcome)], found: &[Batch]) -> Result<(), String> {
    let mut found = found.iter().peekable();
    for (batch, outcome) in tried {
        let is_there = found.next_if_eq(&batch).is_some();
        match outcome {
            Outcome::Accepted if !is_there => {
                return Err(format!("batch {batch} of {stream} was accepted and is lost"));
            }
            Outcome::Refused if is_there => {
                return Err(format!("batch {batch} of {stream} was refused and is there"));
            }
            Outcome::Accepted | Outcome::Refused | Outcome::Unknown => {}
        }
    }
    match found.next() {
        Some(batch) => Err(format!("batch {batch} of {stream} is out of order, twice there, or never tried")),
        None => Ok(()),
    }
}

/// Tries to save a snapshot that would be of a moment to come, and of one within a batch; both must be refused.
pub(crate) fn check_boundaries(
    store: &dyn StateStore,
    stream: &StreamName,
    content: &Content,
) -> Result<(), String> {
    let last = content.batches.last().map_or(0, |batch| entries(stream, *batch).len() as u64);
    let mut wrong = vec![content.head.plus(1)];
    if last > 1 && content.snapshot < Some(content.head) {
        wrong.push(Seq::new(content.head.get() - 1));
    }
    wrong.into_iter().filter(|seq| content.snapshot < Some(*seq)).try_for_each(|seq| {
        match store.save_snapshot(stream, &snapshot(seq, &content.batches)) {
            Err(SnapshotError::NoBoundary { .. } | SnapshotError::Store(_)) => Ok(()),
            Ok(()) => Err(format!("{stream} ends at {}, and took a snapshot of {seq}", content.head)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(tried: &[(Batch, Outcome)], found: &[Batch]) -> Result<(), String> {
        check_batches(&StreamName::workspace(), tried, found)
    }

    #[test]
    fn what_was_promised_is_there_and_nothing_else() {
        use Outcome::{Accepted, Refused, Unknown};
        let tried = [(1, Accepted), (2, Refused), (3, Unknown), (4, Accepted)];
        assert_eq!(checked(&tried, &[1, 4]), Ok(()));
        assert_eq!(checked(&tried, &[1, 3, 4]), Ok(()));
        for wrong in [&[1, 3][..], &[1, 2, 4], &[4, 1], &[1, 1, 4], &[1, 4, 9], &[]] {
            assert!(checked(&tried, wrong).is_err(), "{wrong:?}");
        }
    }
}
