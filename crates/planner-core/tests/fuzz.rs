//! Every reader, fed with files that are nearly sound.
//!
//! Sound files are spoilt over and over; a spoilt one that made the reader say something new is spoilt further, so that the search
//! goes where the readers have more to say. It is guided by what a reader tells instead of by its branches, which takes no other
//! compiler. `SUPER_PLANNER_FUZZ_SECONDS=60 cargo test --release -p planner-core --test fuzz -- --nocapture` gives each format a
//! minute; without it a fixed number of files is tried, times `SUPER_PLANNER_TEST_SCALE`.

mod harm;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use planner_core::Format;
use planner_core::random::Random;

const BYTES_MAX: usize = 20_000;
const KEPT_MAX: usize = 2_000;

/// A sound file of each format.
const SOUND: [(Format, &str, &[u8]); 16] = [
    (Format::Yaml, "x.yaml", include_bytes!("fixtures/bakery.yaml")),
    (Format::Toml, "x.toml", include_bytes!("fixtures/bakery.toml")),
    (Format::Json, "x.json", include_bytes!("fixtures/bakery.json")),
    (Format::SuperPlannerProject, "x.json", include_bytes!("fixtures/library.project.json")),
    (Format::SuperPlannerState, "x.json", include_bytes!("fixtures/garden.state.json")),
    (Format::Beads, "x.jsonl", include_bytes!("fixtures/harbour.jsonl")),
    (Format::Taskmaster, "x.json", include_bytes!("fixtures/orchard.taskmaster.json")),
    (
        Format::Backlog,
        "tasks/task-1 - A.md",
        b"---\nid: TASK-1\ntitle: A\nstatus: To Do\ndependencies: [task-01]\npriority: high\n---\n\n## Description\n\nText\n",
    ),
    (
        Format::ClaudeTasks,
        "1.json",
        b"{\"id\": \"1\", \"subject\": \"A\", \"status\": \"pending\", \"blocks\": [\"2\"], \"blockedBy\": [\"3\"]}",
    ),
    (Format::SpecKit, "x.md", include_bytes!("fixtures/cinema.tasks.md")),
    (Format::Markdown, "x.md", include_bytes!("fixtures/parcels.md")),
    (Format::WfFormat, "x.json", include_bytes!("fixtures/weather.wf.json")),
    (Format::Dot, "x.dot", include_bytes!("fixtures/bridge.dot")),
    (Format::Csv, "x.csv", include_bytes!("fixtures/moving.csv")),
    (Format::Stg, "x.stg", include_bytes!("fixtures/five.stg")),
    (Format::Psplib, "x.sm", include_bytes!("fixtures/tiny.sm")),
];

/// Words that mean something somewhere.
const WORDS: [&str; 34] = [
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    ",",
    ":",
    "\n",
    "\t",
    " ",
    "- ",
    "- [ ] ",
    "# ",
    "---\n",
    "&a ",
    "*a",
    "<<: ",
    "null",
    "true",
    "-1",
    "1e400",
    "18446744073709551616",
    "0.1",
    "\u{1b}[31m",
    "\u{202e}",
    "ß",
    "\u{feff}",
    "\\u0000",
    "../",
    "id",
    "->",
    "(after: ",
    "=",
];

/// Whether a planted fault would show with a file.
type IsStruck<'f> = &'f dyn Fn(&[u8]) -> bool;

/// Files to spoil, and what has been said of any file so far.
struct Search {
    random: Random,
    files: Vec<Vec<u8>>,
    said: HashSet<String>,
}

impl Search {
    fn new(sound: &[u8], seed: u64) -> Self {
        Self { random: Random::new(seed), files: vec![sound.to_vec()], said: HashSet::new() }
    }

    /// Tries one more file; returns it where the use of it panicked.
    fn step(&mut self, use_it: &dyn Fn(&[u8]) -> String) -> Option<Vec<u8>> {
        let file = self.spoilt();
        match catch_unwind(AssertUnwindSafe(|| use_it(&file))) {
            Err(_) => Some(file),
            Ok(said) => {
                if self.files.len() < KEPT_MAX && self.said.insert(said) {
                    self.files.push(file);
                }
                None
            }
        }
    }

    fn spoilt(&mut self) -> Vec<u8> {
        let mut file = self.files[self.random.below(self.files.len())].clone();
        for _ in 0..1 + self.random.below(4) {
            self.spoil(&mut file);
        }
        file.truncate(BYTES_MAX);
        file
    }

    fn spoil(&mut self, file: &mut Vec<u8>) {
        let random = &mut self.random;
        let mut range = |length: usize, longest: usize| {
            let start = random.below(length + 1);
            start..(start + random.below(longest)).min(length)
        };
        let place = range(file.len(), 40);
        match self.random.below(8) {
            0 => {
                if let Some(byte) = file.get_mut(place.start) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
            1 => drop(file.drain(place)),
            2 => {
                let copy = file[place.clone()].to_vec();
                let times = 1 + self.random.below(6);
                file.splice(place.end..place.end, copy.repeat(times));
            }
            3 | 4 => {
                let word = WORDS[self.random.below(WORDS.len())];
                let times = if self.random.percent(5) { self.random.below(2_000) } else { 1 };
                file.splice(place.start..place.start, word.repeat(times).into_bytes());
            }
            5 => {
                let word = WORDS[self.random.below(WORDS.len())];
                file.splice(place, word.bytes());
            }
            6 => {
                let other = &self.files[self.random.below(self.files.len())];
                let start = self.random.below(other.len() + 1);
                let end = (start + self.random.below(200)).min(other.len());
                file.splice(place, other[start..end].iter().copied());
            }
            _ => file.truncate(place.start),
        }
    }
}

fn scale() -> f64 {
    std::env::var("SUPER_PLANNER_TEST_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1.0)
}

fn seed() -> u64 {
    std::env::var("SUPER_PLANNER_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// One test, so that nothing else uses memory beside: first the search itself, then every reader.
#[test]
fn spoilt_files_do_no_harm() {
    the_search_finds_planted_faults();
    let seconds = std::env::var("SUPER_PLANNER_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = seconds.map(Duration::from_secs);
    let files = (120.0 * scale()) as usize;
    for (format, name, sound) in SOUND {
        let mut search = Search::new(sound, seed());
        let (start, mut tried) = (Instant::now(), 0);
        while time.map_or(tried < files, |time| start.elapsed() < time) {
            tried += 1;
            // Now and then the content is to tell the format.
            let forced = (tried % 8 != 0).then_some(format);
            let harmful = search.step(&|bytes| harm::use_within_bounds(name, bytes, forced, "spoilt"));
            if let Some(file) = harmful {
                panic!("{format}, seed {}, file {tried}: {:?}", seed(), String::from_utf8_lossy(&file));
            }
        }
        println!("{format}: {tried} files, {} kinds of outcome", search.said.len());
    }
}

/// Readers with faults of different kinds, each of which the search must come upon without being told of it.
fn the_search_finds_planted_faults() {
    const FILES_MAX: usize = 20_000;
    let (_, name, sound) = SOUND[0];
    let told = |bytes: &[u8]| harm::use_it(name, bytes, Some(Format::Yaml));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let faults: [(&str, IsStruck<'_>); 4] = [
        ("a task that waits for itself", &|bytes| told(bytes).contains("self-dependency")),
        ("a file without tasks", &|bytes| told(bytes).starts_with("yaml 0")),
        ("a character of two bytes", &|bytes| text(bytes).contains('ß')),
        ("many brackets", &|bytes| text(bytes).contains("[[[[[[[[")),
    ];
    for (about, is_struck) in faults {
        let mut search = Search::new(sound, seed());
        let use_it = |bytes: &[u8]| {
            let said = told(bytes);
            assert!(!is_struck(bytes), "planted");
            said
        };
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let found = (0..FILES_MAX).any(|_| search.step(&use_it).is_some());
        std::panic::set_hook(hook);
        assert!(found, "seed {}: the search has not come upon {about}", seed());
    }
}
