//! One small file of each format, from its bytes to its analysis; and what happens when their bytes are spoilt.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to fail")]

use std::fmt::Write as _;

use planner_core::{
    Analysis, Format, InputFile, Limits, Plan, ReadError, ReadOptions, Reading, Severity, read, read_files,
    validate,
};
use proptest::prelude::*;

/// A fixture: the name of a file, or of a folder with its files.
struct Fixture {
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
    format: Format,
}

/// The fixtures, each with the plan that it holds.
macro_rules! fixtures {
    ($($format:ident $name:literal [$($file:literal),*]),* $(,)?) => {
        const FIXTURES: &[Fixture] = &[$(Fixture {
            name: $name,
            files: fixtures!(@files $name $($file)*),
            format: Format::$format,
        }),*];
    };
    (@files $name:literal) => { &[("", include_bytes!(concat!("fixtures/", $name)))] };
    (@files $name:literal $($file:literal)+) => {
        &[$(($file, include_bytes!(concat!("fixtures/", $name, "/", $file)))),+]
    };
}

fixtures! {
    Yaml "bakery.yaml" [],
    Toml "bakery.toml" [],
    Json "bakery.json" [],
    SuperPlannerProject "library.project.json" [],
    SuperPlannerState "garden.state.json" [],
    Beads "harbour.jsonl" [],
    Beads "dump" ["dependencies.jsonl", "issues.jsonl", "labels.jsonl"],
    Taskmaster "orchard.taskmaster.json" [],
    Backlog "backlog" [
        "config.yml",
        "completed/dish-1 - Shopping.md",
        "drafts/draft-1 - Dessert.md",
        "tasks/dish-2 - Soup.md",
        "tasks/dish-2.01 - Stock.md",
        "tasks/dish-3 - Bread.md"
    ],
    ClaudeTasks "claude" ["1.json", "2.json", "3.json"],
    SpecKit "cinema.tasks.md" [],
    Markdown "parcels.md" [],
    WfFormat "weather.wf.json" [],
    Dot "bridge.dot" [],
    Csv "moving.csv" [],
    Stg "five.stg" [],
    Psplib "tiny.sm" [],
}

impl Fixture {
    fn read_as(&self, name: &str, forced: Option<Format>) -> Result<Reading, ReadError> {
        let options = ReadOptions { format: forced, ..ReadOptions::default() };
        match self.files {
            [("", bytes)] => read(name, bytes, forced, &Limits::default()),
            files => {
                let files: Vec<InputFile<'_>> =
                    files.iter().map(|(path, bytes)| InputFile { path, bytes }).collect();
                read_files(name, &files, &options)
            }
        }
    }
}

fn fixture(name: &str) -> &'static Fixture {
    FIXTURES.iter().find(|fixture| fixture.name == name).expect("a fixture")
}

fn reading(name: &str) -> Reading {
    fixture(name).read_as(name, None).expect("fixtures can be read")
}

/// Returns what the plan amounts to, on a line.
fn outcome(name: &str) -> String {
    let reading = reading(name);
    let validated = validate(&reading);
    let graph = validated.graph.expect("fixtures are sound");
    let analysis = Analysis::of(&reading.plan, &graph);
    let path: Vec<&str> = analysis
        .critical_path
        .tasks
        .iter()
        .map(|task| reading.plan.tasks[task.index()].id.as_str())
        .collect();
    let codes: Vec<&str> = validated.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    format!(
        "{} {}/{}/{} done {} waves {} {} {codes:?}",
        reading.plan.name,
        analysis.counts.pending + analysis.counts.on_hold,
        analysis.counts.groups,
        analysis.counts.excluded,
        analysis.counts.completed,
        analysis.waves.len(),
        path.join(">"),
    )
}

#[test]
fn each_format_is_told_by_its_content_and_amounts_to_what_it_says() {
    for fixture in FIXTURES {
        let (name, format) = (fixture.name, fixture.format);
        assert_eq!(reading(name).format, format, "{name}");
        let nameless = fixture.read_as("plan", None).unwrap();
        assert_eq!(nameless.format, format, "{name} without its name");
        let forced = fixture.read_as("plan", Some(format)).unwrap();
        assert_eq!(forced.plan, nameless.plan, "{name}");
    }
    assert_eq!(outcome("bakery.yaml"), "Bakery shop 4/1/0 done 1 waves 3 shop.cart>shop.pay>rollback []");
    assert_eq!(
        outcome("library.project.json"),
        "Library 2/1/0 done 1 waves 2 lib_3>lib_4 [\"group-with-effort\"]"
    );
    assert_eq!(outcome("garden.state.json"), "Garden 1/1/0 done 1 waves 1 sow [\"depends-on-own-group\"]");
    assert_eq!(outcome("harbour.jsonl"), "harbour 3/1/2 done 1 waves 2 hb-1.2>hb-5 [\"lost-parent\"]");
}

/// Returns all that was read from a fixture, and all that is to be said about it.
fn golden(reading: &Reading) -> String {
    let mut golden = format!("{} {}\n", reading.format, reading.plan.name);
    for task in &reading.plan.tasks {
        writeln!(golden, "{}", serde_json::to_string(task).unwrap()).unwrap();
    }
    let head = Plan { tasks: Vec::new(), ..reading.plan.clone() };
    writeln!(golden, "{}", head.to_json()).unwrap();
    for diagnostic in validate(reading).diagnostics {
        writeln!(golden, "{diagnostic}").unwrap();
        for label in diagnostic.labels {
            let (line, column) = reading.source.line_column(label.span.start);
            let file = reading.source.file_at(label.span.start);
            let written: String = reading.source.text()[label.span].chars().take(60).collect();
            writeln!(golden, "  {file}:{line}:{column} {written:?} {}", label.text).unwrap();
        }
        if let Some(help) = diagnostic.help {
            writeln!(golden, "  help: {help}").unwrap();
        }
    }
    for count in &reading.rules {
        let rule = count.rule;
        writeln!(golden, "{} {}: {} ({})", rule.field, rule.value, rule.meaning.as_str(), count.entries)
            .unwrap();
    }
    golden
}

/// With `SUPER_PLANNER_BLESS` set, what is read now becomes what is expected.
#[test]
fn what_is_read_from_each_fixture_is_as_it_was_looked_over() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    for fixture in FIXTURES {
        let path = folder.join(format!("{}.txt", fixture.name));
        let read = golden(&reading(fixture.name));
        if std::env::var_os("SUPER_PLANNER_BLESS").is_some() {
            std::fs::write(&path, &read).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(read, expected, "{}", path.display());
    }
}

#[test]
fn the_same_plan_is_the_same_in_every_syntax() {
    let yaml = reading("bakery.yaml").plan;
    assert_eq!(reading("bakery.toml").plan, yaml);
    assert_eq!(reading("bakery.json").plan, yaml);
}

#[test]
fn what_was_read_can_be_stored() {
    for name in FIXTURES.iter().map(|fixture| fixture.name) {
        let plan = reading(name).plan;
        assert_eq!(Plan::from_json(plan.to_json().as_bytes()).unwrap(), plan, "{name}");
        let again =
            read("stored.json", plan.to_json().as_bytes(), Some(Format::Json), &Limits::default()).unwrap();
        assert_eq!(again.plan, plan, "{name}, as a file");
        assert!(again.diagnostics.is_empty(), "{name}");
    }
}

/// A change of some bytes of a file.
#[derive(Debug, Clone)]
enum Spoil {
    Remove(usize, usize),
    Repeat(usize, usize),
    Write(usize, Vec<u8>),
}

fn any_spoil() -> impl Strategy<Value = Spoil> {
    let token = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(vec![
            "{", "}", "[", "]", "\"", ":", ",", "\n", " ", "-", "&a", "*a", "null", "-1", "1e999", "\\u",
            "é", "#"
        ])
        .prop_map(|token| token.as_bytes().to_vec()),
    ];
    prop_oneof![
        (0..4_000_usize, 0..40_usize).prop_map(|(at, length)| Spoil::Remove(at, length)),
        (0..4_000_usize, 0..200_usize).prop_map(|(at, length)| Spoil::Repeat(at, length)),
        (0..4_000_usize, token).prop_map(|(at, bytes)| Spoil::Write(at, bytes)),
    ]
}

fn spoilt(bytes: &[u8], spoils: &[Spoil]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for spoil in spoils {
        let place = |at: usize, length: usize| {
            let start = at % (bytes.len() + 1);
            start..(start + length).min(bytes.len())
        };
        match spoil {
            Spoil::Remove(at, length) => drop(bytes.drain(place(*at, *length))),
            Spoil::Repeat(at, length) => {
                let range = place(*at, *length);
                let copy = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, copy);
            }
            Spoil::Write(at, new) => {
                let range = place(*at, new.len());
                bytes.splice(range, new.iter().copied());
            }
        }
    }
    bytes
}

/// How many spoilt files are tried: more with `SUPER_PLANNER_TEST_SCALE`.
fn cases() -> u32 {
    let scale = std::env::var("SUPER_PLANNER_TEST_SCALE").ok().and_then(|scale| scale.parse::<f64>().ok());
    (3_000.0 * scale.unwrap_or(1.0)).max(1.0) as u32
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn spoilt_files_never_panic_and_every_place_is_in_the_text(
        fixture in 0..FIXTURES.len(),
        spoilt_file in any::<usize>(),
        forced in prop::option::weighted(0.3, 0..Format::ALL.len()),
        spoils in prop::collection::vec(any_spoil(), 1..6),
    ) {
        let Fixture { name, files, .. } = FIXTURES[fixture];
        let file = spoilt_file % files.len();
        let bytes = spoilt(files[file].1, &spoils);
        let inputs: Vec<InputFile<'_>> = files
            .iter()
            .enumerate()
            .map(|(place, (path, sound))| InputFile { path, bytes: if place == file { &bytes } else { sound } })
            .collect();
        let options = ReadOptions { format: forced.map(|place| Format::ALL[place]), ..ReadOptions::default() };
        let reading = match read_files(name, &inputs, &options) {
            Ok(reading) => reading,
            Err(ReadError::Syntax { diagnostic, text }) => {
                prop_assert!(!diagnostic.message.chars().any(char::is_control), "{:?}", diagnostic.message);
                prop_assert!(text.text().get(diagnostic.labels[0].span.clone()).is_some(), "{:?}", diagnostic);
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        let validated = validate(&reading);
        let text = reading.source.text();
        for diagnostic in &validated.diagnostics {
            prop_assert!(!diagnostic.message.chars().any(char::is_control), "{:?}", diagnostic.message);
            for label in &diagnostic.labels {
                prop_assert!(text.get(label.span.clone()).is_some(), "{:?} of {}", label, diagnostic);
            }
        }
        let has_error = validated.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        prop_assert_eq!(validated.graph.is_none(), has_error);
        prop_assert_eq!(Plan::from_json(reading.plan.to_json().as_bytes()).unwrap(), reading.plan);
    }
}
