//! Which crate of the workspace may use which, and where the async runtime may appear.
//!
//! The walls keep the pure parts pure and let git-ops and state-store be used alone. Whoever must move one changes the
//! table here, and with it the architecture.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// What one crate may use of the others.
struct Room {
    name: &'static str,
    uses: Uses,
    /// Why it may use no other.
    why: &'static str,
}

enum Uses {
    /// These and no others, all of them.
    Exactly(&'static [&'static str]),
    /// Any but these.
    AnyBut(&'static [&'static str]),
}

const ROOMS: [Room; 7] = [
    Room {
        name: "planner-core",
        uses: Uses::Exactly(&[]),
        why: "it is the pure ground that the others stand on",
    },
    Room {
        name: "git-ops",
        uses: Uses::Exactly(&[]),
        why: "it knows nothing of tasks, so that it can be used alone",
    },
    Room {
        name: "state-store",
        uses: Uses::Exactly(&["planner-core"]),
        why: "it keeps the states of tasks; who changes them, and how results land, is decided above it",
    },
    Room {
        name: "agent-runtime",
        uses: Uses::Exactly(&["state-store"]),
        why: "an agent needs the log for its sessions and nothing of plans, git or coordination",
    },
    Room {
        name: "agent-coordinator",
        uses: Uses::Exactly(&["planner-core", "state-store", "git-ops"]),
        why: "it is the one place where tasks and git meet, and it drives any agent, not only ours",
    },
    Room {
        name: "perf-suite",
        uses: Uses::AnyBut(&["super-planner"]),
        why: "it measures the program from outside, by starting it",
    },
    Room {
        name: "super-planner",
        uses: Uses::Exactly(&[
            "planner-core",
            "state-store",
            "git-ops",
            "agent-runtime",
            "agent-coordinator",
            "perf-suite",
        ]),
        why: "it is the facade and the only crate that knows them all",
    },
];

/// perf-suite runs the asynchronous crates that it measures.
const MAY_USE_TOKIO: [&str; 4] = ["agent-coordinator", "agent-runtime", "perf-suite", "super-planner"];

/// An edge to the async runtime that is there only with a feature.
const OPTIONAL_TOKIO: &str = "tokio (optional)";

/// The client of PostgreSQL is async. Its store hides it, with its runtime, on a thread of its own; nothing of it shows,
/// and without the feature the crate has no runtime.
const MAY_HIDE_TOKIO: &str = "state-store";

/// From each crate to the crates it depends on, at run time or while building; tests may use what they like.
type Edges = BTreeMap<String, BTreeSet<String>>;

#[test]
fn crates_depend_on_one_another_as_the_architecture_says() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo can read the workspace that it is testing");
    let crates: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| package.manifest_path.components().any(|part| part.as_str() == "crates"))
        .collect();
    let edges: Edges = crates.iter().map(|package| edges_of(package)).collect();
    let violations = violations(&edges);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

fn edges_of(package: &Package) -> (String, BTreeSet<String>) {
    let targets = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| match dependency.name.as_str() {
            "tokio" if dependency.optional => OPTIONAL_TOKIO.to_owned(),
            name => name.to_owned(),
        })
        .collect();
    (package.name.to_string(), targets)
}

/// Returns a sentence for every edge that is forbidden or missing, and for every crate without a room.
fn violations(edges: &Edges) -> Vec<String> {
    let mut found = Vec::new();
    for name in edges.keys().filter(|name| !ROOMS.iter().any(|room| room.name == *name)) {
        found.push(format!("{name} has no room: say in ROOMS what it may use"));
    }
    for room in &ROOMS {
        let Some(used) = edges.get(room.name) else {
            found.push(format!("{} is gone: take its room out of ROOMS", room.name));
            continue;
        };
        found.extend(room_violations(room, used));
        if used.contains(OPTIONAL_TOKIO) && room.name != MAY_HIDE_TOKIO {
            found.push(format!(
                "{} -> {OPTIONAL_TOKIO} is forbidden: only {MAY_HIDE_TOKIO} may hide a runtime behind a feature",
                room.name
            ));
        }
        if used.contains("tokio") && !MAY_USE_TOKIO.contains(&room.name) {
            found.push(format!(
                "{} -> tokio is forbidden: only {} may run one, so that all else can be tested without a runtime",
                room.name,
                MAY_USE_TOKIO.join(", ")
            ));
        }
    }
    found
}

fn room_violations(room: &Room, used: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for other in ROOMS.iter().map(|other| other.name) {
        let allowed = match room.uses {
            Uses::Exactly(names) => names.contains(&other),
            Uses::AnyBut(names) => !names.contains(&other),
        };
        if used.contains(other) && !allowed {
            let reason = if other == "perf-suite" {
                "perf-suite measures the crates; only the program's `bench` command calls it"
            } else {
                room.why
            };
            found.push(format!("{} -> {other} is forbidden: {reason}", room.name));
        }
    }
    if let Uses::Exactly(names) = room.uses {
        for missing in names.iter().filter(|name| !used.contains(**name)) {
            found.push(format!(
                "{} -> {missing} is missing: the architecture says that it is used; if it no longer is, take it out of ROOMS",
                room.name
            ));
        }
    }
    found
}

/// Returns the edges that the table asks for.
fn intended() -> Edges {
    ROOMS
        .iter()
        .map(|room| {
            let targets: &[&str] = match room.uses {
                Uses::Exactly(names) => names,
                Uses::AnyBut(_) => &["planner-core"],
            };
            (room.name.to_owned(), targets.iter().map(|name| (*name).to_owned()).collect())
        })
        .collect()
}

#[test]
fn every_planted_edge_is_named_with_its_reason() {
    assert_eq!(violations(&intended()), Vec::<String>::new());
    for (from, to, reason) in [
        ("planner-core", "state-store", "pure ground"),
        ("git-ops", "planner-core", "used alone"),
        ("state-store", "git-ops", "decided above it"),
        ("state-store", "tokio", "without a runtime"),
        ("git-ops", OPTIONAL_TOKIO, "behind a feature"),
        ("agent-runtime", "agent-coordinator", "nothing of plans"),
        ("agent-coordinator", "agent-runtime", "any agent"),
        ("agent-coordinator", "perf-suite", "`bench` command"),
        ("perf-suite", "super-planner", "from outside"),
    ] {
        let mut edges = intended();
        edges.get_mut(from).expect("every room has edges").insert(to.to_owned());
        let found = violations(&edges);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{from} -> {to} is forbidden: ")), "{found:?}");
        assert!(found[0].contains(reason), "{found:?}");
    }
}

#[test]
fn a_missing_edge_and_a_new_crate_are_named() {
    let mut edges = intended();
    edges.insert("newcomer".to_owned(), BTreeSet::new());
    edges.get_mut("state-store").expect("every room has edges").remove("planner-core");
    let found = violations(&edges);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("newcomer has no room"), "{found:?}");
    assert!(found[1].starts_with("state-store -> planner-core is missing"), "{found:?}");
}
