//! One small file of each format, from its bytes to its analysis; and what happens when their bytes are spoilt.

use planner_core::{Analysis, Format, Limits, Plan, ReadError, Reading, Severity, read, validate};
use proptest::prelude::*;

const FIXTURES: [(&str, &[u8], Format); 6] = [
    ("bakery.yaml", include_bytes!("fixtures/bakery.yaml"), Format::Yaml),
    ("bakery.toml", include_bytes!("fixtures/bakery.toml"), Format::Toml),
    ("bakery.json", include_bytes!("fixtures/bakery.json"), Format::Json),
    ("library.project.json", include_bytes!("fixtures/library.project.json"), Format::SuperPlannerProject),
    ("garden.state.json", include_bytes!("fixtures/garden.state.json"), Format::SuperPlannerState),
    ("harbour.jsonl", include_bytes!("fixtures/harbour.jsonl"), Format::Beads),
];

fn reading(name: &str) -> Reading {
    let (_, bytes, _) = FIXTURES.into_iter().find(|(other, ..)| *other == name).expect("a fixture");
    read(name, bytes, None, &Limits::default()).expect("fixtures can be read")
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
    for (name, bytes, format) in FIXTURES {
        assert_eq!(reading(name).format, format, "{name}");
        let nameless = read("plan", bytes, None, &Limits::default()).unwrap();
        assert_eq!(nameless.format, format, "{name} without its name");
        let forced = read("plan", bytes, Some(format), &Limits::default()).unwrap();
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

#[test]
fn the_same_plan_is_the_same_in_every_syntax() {
    let yaml = reading("bakery.yaml").plan;
    assert_eq!(reading("bakery.toml").plan, yaml);
    assert_eq!(reading("bakery.json").plan, yaml);
}

#[test]
fn what_was_read_can_be_stored() {
    for (name, ..) in FIXTURES {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn spoilt_files_never_panic_and_every_place_is_in_the_text(
        fixture in 0..FIXTURES.len(),
        forced in prop::option::weighted(0.3, 0..Format::ALL.len()),
        spoils in prop::collection::vec(any_spoil(), 1..6),
    ) {
        let (name, bytes, _) = FIXTURES[fixture];
        let bytes = spoilt(bytes, &spoils);
        let reading = match read(name, &bytes, forced.map(|place| Format::ALL[place]), &Limits::default()) {
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
