//! Real plan files of other people, where the environment variable `SUPER_PLANNER_CORPUS` names a folder that holds them.

#[cfg(test)]
mod loading;

use loading::{bytes_of, load, plans};
use planner_core::graph::IgnoredReason;
use planner_core::{Analysis, Format, Limits, Severity, Standing, read};

#[test]
fn beads_files_hold_what_was_counted_by_others() {
    let Some(folder) = plans() else { return };
    let answers: serde_json::Value = serde_json::from_slice(&bytes_of(&folder, "answers.json")).unwrap();
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
    let Some(folder) = plans() else { return };
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
fn files_of_formats_that_are_not_read_are_named() {
    let Some(folder) = plans() else { return };
    for name in ["tm_prdv2_12.json", "tm_smartinsight_203.json", "tm_nutrisensia_177.json"] {
        let error = read(name, &bytes_of(&folder, name), None, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("Taskmaster"), "{name}: {error}");
    }
}
