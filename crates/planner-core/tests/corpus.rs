//! Real plan files of other people, where the environment variable `SUPER_PLANNER_CORPUS` names a folder that holds them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on is to fail, and to say how far it came"
)]

#[cfg(test)]
mod loading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use loading::{bytes_of, corpus};
use planner_core::graph::IgnoredReason;
use planner_core::{
    Analysis, Format, InputFile, Limits, Plan, ReadOptions, Reading, Severity, Standing, Validated, read,
    read_files, validate, write,
};
use serde_json::Value;

#[test]
fn beads_files_hold_what_was_counted_by_others() {
    let Some(folder) = corpus("plans") else { return };
    let answers: Value = serde_json::from_slice(&bytes_of(&folder, "answers.json")).unwrap();
    for name in [
        "beads_beads_3077.jsonl.gz",
        "beads_gastown_6019.jsonl.gz",
        "beads_liftsys_383.jsonl",
        "beads_rust_513.jsonl.gz",
        "beads_viewer_39.jsonl",
    ] {
        let answer = &answers[format!("{name}#blocks")];
        let (reading, validated) = load(&folder, name);
        assert_eq!(reading.format, Format::Beads);
        assert_eq!(reading.plan.tasks.len() as u64, answer["tasks"].as_u64().unwrap(), "{name}");
        let edges: usize = reading.plan.tasks.iter().map(|task| task.dependencies.len()).sum();
        assert_eq!(edges as u64, answer["edges"].as_u64().unwrap(), "{name}");
        let outside =
            validated.diagnostics.iter().filter(|diagnostic| diagnostic.code == "external-dependency");
        assert_eq!(outside.count(), answer["dangling"].as_array().unwrap().len(), "{name}");
        let codes: Vec<_> = validated
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        println!("  errors: {codes:?}");
        if let Some(graph) = &validated.graph {
            let analysis = Analysis::of(&reading.plan, graph);
            println!("  {:?}, {} waves", analysis.counts, analysis.waves.len());
            assert_eq!(analysis.counts.total(), reading.plan.tasks.len());
        }
        assert!(validated.graph.is_some(), "{name} loads");
    }
}

#[test]
fn files_of_the_planner_before_load_and_their_contradictions_are_told() {
    let Some(folder) = corpus("plans") else { return };
    let folder = folder.join("superplanner");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 10);
    for name in &names {
        let (reading, validated) = load(&folder, name);
        let graph = validated.graph.as_ref().unwrap_or_else(|| panic!("{name} has errors"));
        let told =
            |code: &str| validated.diagnostics.iter().filter(|diagnostic| diagnostic.code == code).count();
        let analysis = Analysis::of(&reading.plan, graph);
        let own_group = graph.ignored().iter().filter(|ignored| ignored.reason == IgnoredReason::OwnAncestor);
        match name.as_str() {
            "complex_microservices_platform.json" => {
                assert_eq!(reading.format, Format::SuperPlannerProject);
                assert_eq!(reading.plan.tasks.len(), 21);
                assert_eq!((analysis.counts.pending, analysis.counts.groups), (16, 5));
                assert_eq!(analysis.critical_path.effort.as_hours(), 118.0);
                assert_eq!((told("stated-total-is-wrong"), told("stated-path-is-no-chain")), (4, 1));
            }
            "simple_web_app.json" => {
                assert_eq!((reading.plan.tasks.len(), told("stated-total-is-wrong")), (8, 1));
            }

            "vi-phase-2-core-engine.json" => {
                assert_eq!((own_group.count(), told("depends-on-own-group")), (2, 2));
            }

            "vi-phase-3-command-system.json" => {
                assert_eq!((own_group.count(), told("depends-on-own-group")), (2, 2));
            }

            "django-blog.json" => {
                assert!(reading.plan.tasks.iter().all(|task| task.standing == Standing::Completed));
                assert!(analysis.waves.is_empty());
            }
            _ => assert_eq!(reading.format, Format::SuperPlannerState),
        }
    }
}

#[test]
fn taskmaster_files_hold_what_was_counted_by_others() {
    let Some(folder) = corpus("plans") else { return };
    let answers: BTreeMap<String, Value> =
        serde_json::from_slice(&bytes_of(&folder, "answers.json")).unwrap();
    let mut read = 0;
    for (name, answer) in answers.iter().filter(|(name, _)| name.starts_with("tm_")) {
        let (file, tag) = name.split_once('#').unwrap();
        let options = ReadOptions { tag: (tag != "-").then(|| tag.to_owned()), ..ReadOptions::default() };
        let bytes = bytes_of(&folder, file);
        let reading = read_files(file, &[InputFile { path: file, bytes: &bytes }], &options).unwrap();
        assert_eq!(reading.format, Format::Taskmaster, "{name}");
        assert_eq!(Counted::of(&reading.plan), Counted::answered(answer), "{name}");
        let cycles = validate(&reading).diagnostics.iter().filter(|told| told.code == "cycle").count();
        assert_eq!(cycles, answer["cycles"].as_array().unwrap().len(), "{name}");
        read += 1;
    }
    assert_eq!(read, 14);
}

/// What the answers count, counted here from the tasks and their dependencies alone.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    tasks: usize,
    unique: usize,
    edges: usize,
    dangling: Vec<String>,
    waves: usize,
    in_or_behind_cycle: usize,
    repeated_ids: usize,
    self_edges: usize,
}

impl Counted {
    fn answered(answer: &Value) -> Self {
        let number = |key: &str| answer[key].as_u64().unwrap() as usize;
        let dangling = answer["dangling"].as_array().unwrap();
        Self {
            tasks: number("tasks"),
            unique: number("unique"),
            edges: number("edges"),
            dangling: dangling.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
            waves: number("depth"),
            in_or_behind_cycle: number("in_or_behind_cycle"),
            repeated_ids: number("dup_ids"),
            self_edges: number("self"),
        }
    }

    fn of(plan: &Plan) -> Self {
        let mut waits: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut edges, mut self_edges, mut dangling) = (0, 0, Vec::new());
        for task in &plan.tasks {
            *times.entry(task.id.as_str()).or_default() += 1;
            waits.entry(task.id.as_str()).or_default();
        }
        for task in &plan.tasks {
            for dependency in &task.dependencies {
                let (id, on) = (task.id.as_str(), dependency.on.as_str());
                match () {
                    () if !times.contains_key(on) => dangling.push(format!("{id}->{on}")),
                    () if id == on => self_edges += 1,
                    () => {
                        edges += 1;
                        waits.get_mut(id).unwrap().insert(on);
                    }
                }
            }
        }
        let mut waves = 0;
        let mut done: BTreeSet<&str> = BTreeSet::new();
        loop {
            let is_ready = |(id, on): &(&&str, &BTreeSet<&str>)| !done.contains(*id) && on.is_subset(&done);
            let ready: Vec<&str> = waits.iter().filter(is_ready).map(|(id, _)| *id).collect();
            if ready.is_empty() {
                break;
            }
            done.extend(ready);
            waves += 1;
        }
        Self {
            tasks: plan.tasks.len(),
            unique: times.len(),
            edges,
            dangling,
            waves,
            in_or_behind_cycle: waits.len() - done.len(),
            repeated_ids: times.values().filter(|times| **times > 1).count(),
            self_edges,
        }
    }
}

#[test]
fn a_folder_of_backlog_md_is_read_broken_front_matter_and_all() {
    let Some(folder) = corpus("plans") else { return };
    let files = unpacked(&folder, "backlogmd_self.tar.gz");
    let inputs: Vec<InputFile<'_>> = files.iter().map(|(path, bytes)| InputFile { path, bytes }).collect();
    let reading = read_files("backlog", &inputs, &ReadOptions::default()).unwrap();
    assert_eq!((reading.format, reading.plan.name.as_str()), (Format::Backlog, "Backlog.md"));
    let validated = validate(&reading);
    let told = |code: &str| validated.diagnostics.iter().filter(|told| told.code == code).count();
    for diagnostic in &validated.diagnostics {
        println!("{diagnostic}");
    }
    let of = |folder: &str| {
        let file = |task: &&planner_core::Task| task.extra["file"].as_str().unwrap().starts_with(folder);
        reading.plan.tasks.iter().filter(file).count()
    };
    assert_eq!(of("tasks/") + of("completed/"), 613);
    assert_eq!(told("front-matter"), 21);
    // Ids that were given to two tasks; BACK-0, BACK-8 and BACK-13, which are not there.
    assert_eq!((told("duplicate-id"), told("unknown-dependency"), told("unknown-parent")), (10, 5, 1));
    let count = |standing: &dyn Fn(&Standing) -> bool| {
        reading.plan.tasks.iter().filter(|task| standing(&task.standing)).count()
    };
    assert_eq!(count(&|standing| matches!(standing, Standing::Excluded(_))), 45);
}

#[test]
fn measured_workflows_are_read() {
    let Some(folder) = corpus("wfinstances") else { return };
    let stats = String::from_utf8(bytes_of(&folder, "stats.csv")).unwrap();
    let mut rows = stats.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = rows.next().unwrap();
    let column = |name: &str| names.iter().position(|own| *own == name).unwrap();
    let mut read_count = 0;
    for row in rows {
        let instance = row[column("instance")].rsplit('/').next().unwrap();
        let names = [format!("raw/{instance}.json"), format!("raw/{instance}.json.gz")];
        let Some(name) = names.into_iter().find(|name| folder.join(name).exists()) else { continue };
        let reading = read(&name, &bytes_of(&folder, &name), None, &Limits::default()).unwrap();
        let counted = Counted::of(&reading.plan);
        let expected: Vec<usize> =
            ["tasks", "edges", "depth"].map(|name| row[column(name)].parse().unwrap()).into();
        assert_eq!(
            (reading.format, vec![counted.tasks, counted.edges, counted.waves]),
            (Format::WfFormat, expected),
            "{name}"
        );
        read_count += 1;
    }
    let there = std::fs::read_dir(folder.join("raw")).unwrap().count();
    assert_eq!(read_count, there);
}

#[test]
fn real_plans_are_read_back_as_they_were() {
    let Some(folder) = corpus("plans") else { return };
    let answers: BTreeMap<String, Value> =
        serde_json::from_slice(&bytes_of(&folder, "answers.json")).unwrap();
    for name in answers.keys() {
        let (file, tag) = name.split_once('#').unwrap();
        let options = ReadOptions {
            tag: (file.starts_with("tm_") && tag != "-").then(|| tag.to_owned()),
            ..ReadOptions::default()
        };
        let bytes = bytes_of(&folder, file);
        let reading = read_files(file, &[InputFile { path: file, bytes: &bytes }], &options).unwrap();
        let written = write(&reading.plan, reading.format).unwrap();
        let again = InputFile { path: file, bytes: written.files[0].1.as_bytes() };
        let again =
            read_files(file, &[again], &ReadOptions { format: Some(reading.format), ..options }).unwrap();
        for (task, before) in again.plan.tasks.iter().zip(&reading.plan.tasks) {
            assert_eq!(task, before, "{name}");
        }
        assert_eq!(again.plan.tasks.len(), reading.plan.tasks.len(), "{name}");
        assert_eq!(again.plan.extra, reading.plan.extra, "{name}");
    }
}

#[test]
fn a_real_folder_of_backlog_md_is_read_back_as_it_was() {
    let Some(folder) = corpus("plans") else { return };
    let files = unpacked(&folder, "backlogmd_self.tar.gz");
    let inputs: Vec<InputFile<'_>> = files.iter().map(|(path, bytes)| InputFile { path, bytes }).collect();
    let plan = read_files("backlog", &inputs, &ReadOptions::default()).unwrap().plan;
    let written = write(&plan, Format::Backlog).unwrap();
    let inputs: Vec<InputFile<'_>> =
        written.files.iter().map(|(path, text)| InputFile { path, bytes: text.as_bytes() }).collect();
    let again = read_files("backlog", &inputs, &ReadOptions::default()).unwrap().plan;
    for (task, before) in again.tasks.iter().zip(&plan.tasks) {
        assert_eq!(task, before);
    }
    assert_eq!(again, plan);
}

/// Returns the files of an archive, with their paths below its one folder.
fn unpacked(folder: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let path = folder.join(name);
    let tar = |arguments: &[&str]| {
        let output = Command::new("tar").args(arguments).arg("-f").arg(&path).output().expect("tar runs");
        assert!(output.status.success(), "{name}");
        output.stdout
    };
    let list = String::from_utf8(tar(&["-tz"])).expect("names are texts");
    static UNPACKED: AtomicUsize = AtomicUsize::new(0);
    let number = UNPACKED.fetch_add(1, Ordering::Relaxed);
    let to = std::env::temp_dir().join(format!("super-planner-corpus-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&to).expect("a temporary folder can be made");
    tar(&["-xz", "-C", &to.to_string_lossy()]);
    let files = list.lines().filter(|line| !line.ends_with('/'));
    let files = files.map(|line| {
        let bytes = std::fs::read(to.join(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
        (line.split_once('/').map_or(line, |(_, path)| path).to_owned(), bytes)
    });
    let files = files.collect();
    std::fs::remove_dir_all(&to).expect("the temporary folder can be removed");
    files
}

fn load(folder: &Path, name: &str) -> (Reading, Validated) {
    let reading = read(name, &bytes_of(folder, name), None, &Limits::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let validated = validate(&reading);
    println!("{name}: {} tasks, {} diagnostics", reading.plan.tasks.len(), validated.diagnostics.len());
    for diagnostic in validated.diagnostics.iter().take(12) {
        println!("  {diagnostic}");
    }
    (reading, validated)
}
