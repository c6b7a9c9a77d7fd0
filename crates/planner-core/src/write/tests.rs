//! What is written is read as the same plan.

use proptest::prelude::*;

use super::*;
use crate::{InputFile, Limits, ReadOptions, TaskId, generate, read, read_files, validate};

fn read_again(written: &Written, format: Format, name: &str) -> Plan {
    let inputs: Vec<InputFile<'_>> =
        written.files.iter().map(|(path, text)| InputFile { path, bytes: text.as_bytes() }).collect();
    let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
    read_files(name, &inputs, &options).unwrap_or_else(|error| panic!("{error}\n{:?}", written.files)).plan
}

/// A plan that came from a format, written and read again, is the same.
fn check_same(name: &str, text: &str, format: Format) {
    let plan = read(name, text.as_bytes(), Some(format), &Limits::default()).unwrap().plan;
    let written = write(&plan, format).unwrap();
    assert_eq!(read_again(&written, format, name), plan, "{}", written.files[0].1);
}

#[test]
fn each_format_is_read_back_as_it_was() {
    for (name, format) in [
        ("bakery.yaml", Format::Yaml),
        ("bakery.json", Format::Json),
        ("bakery.toml", Format::Toml),
        ("harbour.jsonl", Format::Beads),
        ("orchard.taskmaster.json", Format::Taskmaster),
        ("parcels.md", Format::Markdown),
        ("bridge.dot", Format::Dot),
        ("moving.csv", Format::Csv),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        check_same(name, &std::fs::read_to_string(path).unwrap(), format);
    }
    let beads = r#"{"id":"a","title":"A","status":"hooked","issue_type":"task","priority":0,"estimated_minutes":7.5,"dependencies":[{"issue_id":"a","depends_on_id":"b","type":"blocks","created_at":"2026","created_by":"ann"},{"issue_id":"a","depends_on_id":"c","type":"conditional-blocks"},{"issue_id":"a","depends_on_id":"b","type":"parent_child","metadata":{"x":1}},{"issue_id":"a","depends_on_id":"c","type":"related"}]}
{"id":"b","title":"B","status":"tombstone","issue_type":"event","priority":4,"parent":"odd"}
{"id":"c","title":"C","status":"strange","issue_type":"message","priority":2}
"#;
    check_same("x.jsonl", beads, Format::Beads);
    let plan = read("x.jsonl", beads.as_bytes(), None, &Limits::default()).unwrap().plan;
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // Not only the plan is the same, but every value of the file.
    assert_eq!(lines(&write(&plan, Format::Beads).unwrap().files[0].1), lines(beads));
}

#[test]
fn a_folder_of_backlog_md_is_read_back_as_it_was() {
    let front = |id: &str, more: &str| {
        format!("---\nid: {id}\ntitle: '{id}: title'\n{more}---\n\n## Description\n\nWords.\n\n## Notes\n")
    };
    let files = [
        ("config.yml", "project_name: Kitchen\nstatuses: [Open, Cooking, Served]\nport: 7\n".to_owned()),
        (
            "tasks/k-1 - a.md",
            front("K-1", "status: Cooking\ndependencies: [K-2]\npriority: high\nordinal: 2\n"),
        ),
        ("completed/k-2 - b.md", front("K-2", "status: Served\ndependencies: []\npriority: own\n")),
        ("archive/tasks/k-3 - c.md", front("K-3", "status: Open\ndependencies: []\nparent_task_id: K-1\n")),
        ("drafts/k-4 - d.md", front("K-4", "status: Draft\ndependencies: []\nlabels: ['a: b', \"c\"]\n")),
    ];
    let inputs: Vec<InputFile<'_>> =
        files.iter().map(|(path, text)| InputFile { path, bytes: text.as_bytes() }).collect();
    let plan = read_files("backlog", &inputs, &ReadOptions::default()).unwrap().plan;
    let written = write(&plan, Format::Backlog).unwrap();
    assert_eq!(read_again(&written, Format::Backlog, "backlog"), plan, "{:#?}", written.files);
}

#[test]
fn a_plan_goes_from_format_to_format_with_what_both_have_words_for() {
    let plan = generate::complex(120, 3);
    for format in WRITTEN {
        let written = write(&plan, format).unwrap();
        let again = read_again(&written, format, "x");
        let ids = |plan: &Plan| plan.tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&plan), "{format}");
        for (task, before) in again.tasks.iter().zip(&plan.tasks) {
            let parts = |task: &crate::Task| {
                (
                    task.title.clone(),
                    task.parent.clone(),
                    task.dependencies.clone(),
                    task.priority,
                    task.standing.clone(),
                )
            };
            assert_eq!(parts(task), parts(before), "{format}");
            if !written.losses.contains_key("efforts") {
                assert_eq!(task.effort, before.effort, "{format}");
            }
            if !written.losses.contains_key("capabilities") {
                assert_eq!(task.capabilities, before.capabilities, "{format}");
            }
        }
    }
}

#[test]
fn what_has_no_words_is_told() {
    let text = "agents: [{name: a}]\ntasks: [{id: x, effort: 2h, depends_on: [{on: y, when: failed}]}, {id: y, mine: 1}]\n";
    let plan = read("x.yaml", text.as_bytes(), None, &Limits::default()).unwrap().plan;
    let losses = |format| write(&plan, format).unwrap().losses.into_keys().collect::<Vec<_>>();
    assert_eq!(losses(Format::Yaml), [""; 0]);
    assert_eq!(losses(Format::Beads), ["agents"]);
    assert_eq!(losses(Format::Taskmaster), ["agents", "dependencies on a failure", "efforts"]);
    assert_eq!(losses(Format::Markdown), ["agents", "dependencies on a failure", "other fields"]);
    assert_eq!(
        losses(Format::Csv),
        ["agents", "dependencies on a failure", "other fields that become texts"]
    );
    assert!(matches!(write(&plan, Format::Stg), Err(WriteError::Format(Format::Stg))));
}

proptest! {
    #[test]
    fn any_text_survives_its_quotes(title in "\\PC{1,12}", description in "[ -~\n\"\\\\,;]{0,30}", kept in "[ -~\n\"]{1,20}") {
        let mut task = crate::Task::new(TaskId::new("a").expect("it is one"));
        task.title = title.trim().to_owned();
        task.description = description;
        task.extra.insert("note", kept.into());
        prop_assume!(!task.title.is_empty());
        let plan = Plan { name: "x".to_owned(), description: String::new(), agents: Vec::new(), tasks: vec![task], extra: serde_json::Map::new() };
        for format in [Format::Yaml, Format::Json, Format::Toml, Format::Beads, Format::Taskmaster, Format::Dot, Format::Csv] {
            let again = read_again(&write(&plan, format).expect("it can be written"), format, "x");
            prop_assert_eq!(&again.tasks[0].title, &plan.tasks[0].title, "{}", format);
            prop_assert_eq!(&again.tasks[0].description, &plan.tasks[0].description, "{}", format);
            prop_assert_eq!(&again.tasks[0].extra["note"], &plan.tasks[0].extra["note"], "{}", format);
        }
    }
}

#[test]
fn written_plans_are_sound() {
    let plan = generate::complex(60, 5);
    for format in WRITTEN {
        let written = write(&plan, format).unwrap();
        let inputs: Vec<InputFile<'_>> =
            written.files.iter().map(|(path, text)| InputFile { path, bytes: text.as_bytes() }).collect();
        let reading = read_files("x", &inputs, &ReadOptions::default()).unwrap();
        assert_eq!(reading.format, format, "told by its content");
        assert_eq!(validate(&reading).error_count(), 0, "{format}");
    }
}

#[test]
fn approvals_write_sets_and_limits_are_written_where_there_are_words_for_them() {
    let text = "name: p\ntasks: [{id: a, approval: start, writes: [src/*.rs, docs/], lease_seconds: 90, silence_seconds: 5, losses_max: 2}, {id: b}]\n";
    let plan = read("p.yaml", text.as_bytes(), None, &Limits::default()).unwrap().plan;
    for (format, name) in [(Format::Markdown, "p.md"), (Format::Dot, "p.dot"), (Format::Csv, "p.csv")] {
        let written = write(&plan, format).unwrap();
        let again = read_again(&written, format, name);
        assert_eq!(again.tasks[0].approval, plan.tasks[0].approval, "{}", written.files[0].1);
        assert_eq!(again.tasks[0].writes, plan.tasks[0].writes, "{}", written.files[0].1);
        assert_eq!(again.tasks[0].limits, plan.tasks[0].limits, "{}", written.files[0].1);
    }
    let losses = write(&plan, Format::Beads).unwrap().losses;
    let lost = ["approvals", "write sets", "limits of attempts"].map(|part| losses[part]);
    assert_eq!(lost, [1, 1, 1]);
}
