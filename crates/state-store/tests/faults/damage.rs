//! Flipped bits and lost ends in every file of a store: an error before anything wrong is given out, or no difference.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use planner_core::random::Random;
use state_store::{Seq, StateStore, StoreError, StreamName};

use crate::effort::{Effort, share};
use crate::ledger::{self, Content, Unreadable};
use crate::workload::{Producer, open};

const STREAMS: [&str; 3] = ["workspace", "sessions/1", "sessions/2"];

/// What became of the damages.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// The store said that it is damaged.
    pub(crate) told: usize,
    /// The store gave out what it did before.
    pub(crate) harmless: usize,
}

/// The files of a store.
type Files = BTreeMap<OsString, Vec<u8>>;

/// All that a store gives out.
type Picture = BTreeMap<StreamName, Content>;

/// What is done to one file.
#[derive(Debug)]
enum Damage {
    FlippedBit { at: usize, bit: u8 },
    Cut { to: usize },
}

/// Damages stores that were closed, and stores that were killed; returns the first damage that passes unnoticed.
pub(crate) fn run(effort: Effort) -> Result<Count, String> {
    let stores = [store_files(effort.seed, Ending::Closed)?, store_files(effort.seed, Ending::Killed)?];
    let pictures = [picture_of(&stores[0])?, picture_of(&stores[1])?];
    let outcomes = share(effort.of(2000), |trial| {
        let mut random = Random::of([effort.seed, trial as u64]);
        let (files, picture) = (&stores[trial % 2], &pictures[trial % 2]);
        let (name, damage) = draw(files, &mut random);
        let mut damaged = files.clone();
        damage.do_to(damaged.get_mut(&name).expect("the file is one of them"));
        let problem =
            |problem| format!("{damage} of {}, {} trial: {problem}", name.display(), Ending::of(trial));
        match look(&damaged).map_err(problem)? {
            Some(found) if found == *picture => Ok(Count { told: 0, harmless: 1 }),
            Some(found) => Err(problem(format!("the store gives out {found:?} and gave out {picture:?}"))),
            None => Ok(Count { told: 1, harmless: 0 }),
        }
    })?;
    Ok(outcomes.into_iter().fold(Count::default(), |sum, count| Count {
        told: sum.told + count.told,
        harmless: sum.harmless + count.harmless,
    }))
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Closed,
    Killed,
}

impl Ending {
    fn of(trial: usize) -> &'static str {
        if trial.is_multiple_of(2) { "a closed store's" } else { "a killed store's" }
    }
}

/// Fills a store and returns its files.
fn store_files(seed: u64, ending: Ending) -> Result<Files, String> {
    let folder = faults::temporary_folder().unwrap();
    let mut producer = Producer::new(&folder.path().join("state.db"), &STREAMS, seed);
    for _ in 0..60 {
        producer.step()?;
    }
    // One after another, so that each has entries in the log.
    for stream in producer.streams.clone() {
        producer.append(&stream)?;
    }
    match ending {
        Ending::Closed => drop(producer.store.take()),
        // What a killed process leaves are its files as they are.
        Ending::Killed => {}
    }
    Ok(read(folder.path()))
}

fn read(folder: &Path) -> Files {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect()
}

fn picture_of(files: &Files) -> Result<Picture, String> {
    look(files)?.ok_or_else(|| "the store that nobody damaged cannot be read".to_owned())
}

/// Reads everything; `None` where the store says that it is damaged. What it gives out wrong is a failure.
fn look(files: &Files) -> Result<Option<Picture>, String> {
    let folder = faults::temporary_folder().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let Ok(store) = open(&folder.path().join("state.db")) else { return Ok(None) };
    let Ok(streams) = store.streams() else { return Ok(None) };
    let mut picture = Picture::new();
    for stream in STREAMS.map(|name| StreamName::new(name).unwrap()) {
        match ledger::content(&store, &stream) {
            Ok(content) => picture.insert(stream, content),
            Err(Unreadable::Told(_)) => return Ok(None),
            Err(Unreadable::Wrong(problem)) => return Err(problem),
        };
    }
    if let Some(missing) = picture.keys().find(|stream| !streams.contains(stream)) {
        return Err(format!("{missing} is not listed any more"));
    }
    for (stream, content) in &picture {
        // Whoever writes is told, too; and is not given another place.
        match store.begin(stream, content.head) {
            Ok(transaction) if transaction.head() == content.head => {}
            Ok(transaction) => return Err(format!("{stream} would be written to at {}", transaction.head())),
            Err(StoreError::Compacted { until, .. }) if until > Seq::START => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(picture))
}

fn draw(files: &Files, random: &mut Random) -> (OsString, Damage) {
    let names: Vec<_> = files.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(name, _)| name).collect();
    let name = names[random.below(names.len())].clone();
    let length = files[&name].len();
    let damage = match random.below(20) {
        0 => Damage::Cut { to: 0 },
        1..6 => Damage::Cut { to: random.below(length) },
        // Heads of files and pages decide more than what follows.
        6..12 => Damage::FlippedBit {
            at: random.below(length) / 4096 * 4096 + random.below(120),
            bit: bit(random),
        },
        _ => Damage::FlippedBit { at: random.below(length), bit: bit(random) },
    };
    (name, damage)
}

fn bit(random: &mut Random) -> u8 {
    1 << random.below(8)
}

impl Damage {
    fn do_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::FlippedBit { at, bit } => {
                let at = (*at).min(bytes.len() - 1);
                bytes[at] ^= bit;
            }
            Self::Cut { to } => bytes.truncate(*to),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FlippedBit { at, bit } => write!(f, "bit {bit:#04x} flipped in byte {at}"),
            Self::Cut { to } => write!(f, "a cut to {to} bytes"),
        }
    }
}

#[test]
fn no_damage_passes_unnoticed() {
    let effort = Effort::from_environment();
    let count = run(effort).unwrap();
    println!("{count:?}");
    assert!(count.told > 0 && count.harmless > 0, "{count:?}");
}
