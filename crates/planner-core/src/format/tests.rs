//! Each format by small files, hostile ones among them.

use super::*;
use crate::{Approval, Dependency, Effort, Exclusion, Landing, PathPattern, Priority, Standing, Task, When};

fn read_text(name: &str, text: &str) -> Reading {
    read(name, text.as_bytes(), None, &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn told(reading: &Reading) -> Vec<String> {
    let place = |diagnostic: &Diagnostic| {
        let span = diagnostic.labels.first()?.span.clone();
        let (line, column) = reading.source.line_column(span.start);
        Some(format!(" at {line}:{column} {:?}", &reading.source.text()[span]))
    };
    let list = reading.diagnostics.iter();
    list.map(|diagnostic| format!("{diagnostic}{}", place(diagnostic).unwrap_or_default())).collect()
}

fn task<'r>(reading: &'r Reading, id: &str) -> &'r Task {
    reading.plan.tasks.iter().find(|task| task.id.as_str() == id).unwrap()
}

const NATIVE_YAML: &str = "\
name: Demo
owner: ann
agents:
  - name: rusty
    capabilities: [rust]
    slots: 2
    labels: [team-b, big, big]
tasks:
  - id: 1.10
    title: First
    estimate: 30m
    check: cargo test
  - id: group
    depends_on: 1.10
    status: on_hold
    children:
      - id: child
        priority: critical
        landing: none
        approval: both
        lease_seconds: 90
        losses_max: 2
        writes: [src/*.rs, docs/]
        dependencies: [{on: \"1.10\", when: failed}]
        check: {command: [sh, -c, 'true'], timeout_seconds: 5}
        note: [kept]
";

const NATIVE_TOML: &str = "\
name = 'Demo'
owner = 'ann'
[[agents]]
name = 'rusty'
capabilities = ['rust']
slots = 2
labels = ['team-b', 'big']
[[tasks]]
id = '1.10'
title = 'First'
effort = 0.5
check = ['cargo', 'test']
[[tasks]]
id = 'group'
dependencies = ['1.10']
standing = 'on_hold'
[[tasks.children]]
id = 'child'
priority = 0
landing = 'none'
approval = 'both'
lease_seconds = 90
losses_max = 2
writes = ['docs/', 'src/*.rs']
dependencies = [{on = '1.10', when = 'failed'}]
check = {command = ['sh', '-c', 'true'], timeout_seconds = 5}
note = ['kept']
";

#[test]
fn the_native_format_is_the_same_in_its_three_syntaxes() {
    let yaml = read_text("demo.yaml", NATIVE_YAML);
    assert_eq!(told(&yaml), [""; 0]);
    assert_eq!(yaml.format, Format::Yaml);
    let plan = &yaml.plan;
    assert_eq!((plan.name.as_str(), plan.agents[0].slots), ("Demo", 2));
    assert_eq!(plan.agents[0].labels, ["big", "team-b"]);
    assert_eq!(plan.extra["owner"], "ann");
    let first = task(&yaml, "1.10");
    assert_eq!(first.effort, Some(Effort::from_millis(1_800_000)));
    assert_eq!(first.check.as_ref().unwrap().command, ["cargo", "test"]);
    let group = task(&yaml, "group");
    assert_eq!(group.dependencies, [Dependency::on_completion("1.10".parse().unwrap())]);
    assert_eq!(group.standing, Standing::OnHold);
    let child = task(&yaml, "child");
    assert_eq!(child.parent, Some("group".parse().unwrap()));
    assert_eq!((child.priority, child.landing), (Priority::Critical, Landing::None));
    assert_eq!(child.approval, Approval::Both);
    assert_eq!(child.limits.lease(), Some(std::time::Duration::from_secs(90)));
    assert_eq!(
        child.limits.values().map(|value| value.map(std::num::NonZero::get)),
        [Some(90), None, None, None, Some(2)]
    );
    let writes: Vec<_> = child.writes.iter().map(PathPattern::as_str).collect();
    assert_eq!(writes, ["docs/**", "src/*.rs"]);
    assert_eq!(child.dependencies[0].when, When::Failed);
    assert_eq!(child.check.as_ref().unwrap().timeout_seconds, Some(5));
    assert_eq!(child.extra["note"][0], "kept");

    let toml = read_text("demo.toml", NATIVE_TOML);
    assert_eq!((toml.format, told(&toml)), (Format::Toml, vec![]));
    assert_eq!(toml.plan, yaml.plan);
    let json = read_text("demo", &serde_json::to_string_pretty(plan).unwrap());
    assert_eq!((json.format, told(&json)), (Format::Json, vec![]));
    assert_eq!(json.plan, yaml.plan);
}

#[test]
fn every_bad_value_is_told_with_its_place_and_spares_the_others() {
    let yaml = "\
tasks:
  - id: a
    effort: -1
    priority: urgent
    status: dreaming
    check: []
    title: [1]
  - id: \"../b\"
  - title: nameless
  - 7
  - {id: c, effort: soon, landing: moon, approval: never, silence_seconds: 0, attempt_seconds: 2h, writes: [src/, /etc], dependencies: [{when: failed}, {on: a, when: never}], parent: \"x\\ny\"}
  - {id: d, check: \"cargo test && rm -r x\"}
agents: [{name: a}, {name: a}, {name: b, slots: 0}]
";
    let reading = read_text("bad.yaml", yaml);
    let ids: Vec<_> = reading.plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["a", "c", "d"]);
    let told = told(&reading).join("\n");
    println!("{told}");
    for expected in [
        "error[bad-effort]: an effort of -1 hours is not between 0 and 100000 at 3:13 \"-1\"",
        "error[unknown-priority]: `urgent` is no priority at 4:15 \"urgent\"",
        "error[unknown-status]: `dreaming` is no status at 5:13 \"dreaming\"",
        "error[empty-check]: the check names no program at 6:12",
        "error[bad-value]: `title` must be a text, but this is a list at 7:12",
        "error[invalid-id]: the task id \"../b\" has a path component `..` at 8:9",
        "error[missing-id]: the task has no id at 9:",
        "error[bad-value]: a task must be a map, but this is a number at 10:5 \"7\"",
        "error[bad-effort]: `soon` is no effort",
        "error[bad-value]: `landing` must be `git` or `none`, not `moon`",
        "error[bad-value]: `approval` must be `start`, `landing` or `both`, not `never`",
        "error[bad-value]: `silence_seconds` must be a whole number above 0",
        "error[bad-value]: `attempt_seconds` must be a whole number above 0",
        "error[bad-value]: `/etc` is no pattern of paths: it begins with `/`",
        "error[bad-value]: a dependency that is a map must name the task as `on`",
        "error[bad-value]: `when` must be `completed` or `failed`, not `never`",
        "error[invalid-id]: the task id \"x\\ny\" holds the character '\\n'",
        "warning[check-is-no-shell-line]: the check `cargo test && rm -r x` is run without a shell at 12:20",
        "error[duplicate-agent]: the agent `a` is given twice",
        "error[bad-value]: `slots` must be a whole number above 0",
    ] {
        assert!(told.contains(expected), "{expected}");
    }
}

const BEADS: &str = r#"{"id":"bd-1","title":"Epic","status":"closed","issue_type":"epic","priority":0,"labels":["x"]}
{"id":"bd-1.1","title":"Child","status":"open","issue_type":"task","priority":2,"estimated_minutes":90,"dependencies":[{"issue_id":"bd-1.1","depends_on_id":"bd-1","type":"parent-child"},{"issue_id":"bd-1.1","depends_on_id":"bd-2","type":"conditional-blocks"},{"issue_id":"bd-1.1","depends_on_id":"external:other:x","type":"blocks"},{"issue_id":"bd-1.1","depends_on_id":"bd-3","type":"related"}]}

{"id":"bd-2","title":"Note","status":"closed","issue_type":"event","priority":2}
{"id":"bd-3","title":"Gone","status":"tombstone","issue_type":"event","priority":2}
{"id":"bd-4","title":"Odd","status":"frozen","issue_type":"task","priority":9}
{"_type":"memory","key":"x"}
{"id":"bd-5","status":"deferred",
"#;

#[test]
fn json_lines_are_told_by_their_text_whatever_the_file_is_called() {
    let text = "{\"id\":\"a\",\"status\":\"open\"}\n{\"id\":\"b\",\"status\":\"open\"}\n";
    for name in ["issues.jsonl", "plan.yaml", "plan.json", "plan"] {
        assert_eq!(read_text(name, text).format, Format::Beads, "{name}");
    }
}

#[test]
fn beads_issues_are_tasks_by_the_table() {
    let reading = read_text(".beads/issues.jsonl", BEADS);
    assert_eq!(reading.format, Format::Beads);
    assert_eq!(reading.plan.name, "issues");
    assert_eq!(task(&reading, "bd-1").standing, Standing::Completed);
    let child = task(&reading, "bd-1.1");
    assert_eq!(child.parent, Some("bd-1".parse().unwrap()));
    assert_eq!(child.effort, Some(Effort::from_millis(5_400_000)));
    assert_eq!(child.dependencies.len(), 1);
    assert_eq!(child.dependencies[0].when, When::Failed);
    assert_eq!(child.extra["relations"].as_array().unwrap().len(), 2);
    assert_eq!(task(&reading, "bd-2").standing, Standing::Excluded(Exclusion::Event));
    assert_eq!(task(&reading, "bd-3").standing, Standing::Excluded(Exclusion::Tombstone));
    assert_eq!(
        told(&reading),
        [
            "warning[external-dependency]: `bd-1.1` depends on something in another project at 2:297 \"\\\"external:other:x\\\"\"",
            "error[unknown-priority]: `9` is no priority at 6:77 \"9\"",
            "warning[unknown-status]: the status `frozen` of `bd-4` is not known at 6:37 \"\\\"frozen\\\"\"",
            "note[no-issue]: a line of the type `memory` was passed over at 7:1 \"{\\\"_type\\\":\\\"memory\\\",\\\"key\\\":\\\"x\\\"}\"",
            "error[unreadable-line]: line 8 is no JSON: expected a key in double quotes, found the end of the text at 8:34 \"\"",
        ]
    );
    let counts: Vec<_> = reading.rules.iter().map(|count| (count.rule.value, count.entries)).collect();
    assert_eq!(
        counts,
        [("open", 1), ("closed", 1), ("tombstone", 1), ("task", 2), ("epic", 1), ("event", 1)]
    );
}

#[test]
fn a_project_file_is_read_and_its_wrong_totals_are_told() {
    let text = r#"{"project": {"id": "p", "name": "Shop", "max_parallel_agents": 2},
 "tasks": [
  {"id": "a", "name": "A", "status": "COMPLETED", "priority": "high", "estimated_effort": 4, "capabilities_required": ["python"], "dependencies": [], "metadata": {"team": "x"}},
  {"id": "b", "name": "B", "status": "NOT_STARTED", "parent_id": null, "estimated_effort": 2, "dependencies": ["a"]},
  {"id": "c", "name": "C", "status": "CANCELLED", "dependencies": []}],
 "expected_outcomes": {"total_tasks": 4, "total_effort": 6, "capabilities_distribution": {"python": 2}, "critical_path": ["a", "b", "c"]}}"#;
    let reading = read_text("shop.json", text);
    assert_eq!((reading.format, reading.plan.name.as_str()), (Format::SuperPlannerProject, "Shop"));
    assert_eq!(reading.plan.extra["max_parallel_agents"], 2);
    assert_eq!(task(&reading, "a").extra["metadata"]["team"], "x");
    assert_eq!(task(&reading, "c").standing, Standing::Excluded(Exclusion::Cancelled));
    assert_eq!(
        told(&reading),
        [
            "warning[stated-total-is-wrong]: the file states 4 tasks, but holds 3 at 6:39 \"4\"",
            "warning[stated-total-is-wrong]: the file states 2 tasks that ask for `python`, but holds 1 at 6:101 \"2\"",
            "warning[stated-path-is-no-chain]: the stated critical path is no chain of dependencies: `c` does not depend on `b` at 6:133 \"\\\"c\\\"\"",
        ]
    );
}

#[test]
fn a_state_file_is_read() {
    let text = r#"{"id": "p", "name": "Shop", "tasks": {
  "a": {"id": "a", "title": "A", "state": "completed", "parent_id": null, "depends_on": [], "test_command": "pytest -q"},
  "b": {"title": "B", "state": "testing", "depends_on": ["a"], "assigned_to": "qa"},
  "c": {"id": "d", "title": "C", "state": "lost", "depends_on": []}}}"#;
    let reading = read_text("shop.json", text);
    assert_eq!(reading.format, Format::SuperPlannerState);
    assert_eq!(task(&reading, "a").check.as_ref().unwrap().command, ["pytest", "-q"]);
    assert_eq!(task(&reading, "b").extra["assigned_to"], "qa");
    assert_eq!(
        told(&reading),
        [
            "warning[id-is-not-its-key]: the task under `c` has another id at 4:15 \"\\\"d\\\"\"",
            "warning[unknown-status]: the status `lost` is not known at 4:43 \"\\\"lost\\\"\"",
        ]
    );
}

#[test]
fn what_no_reader_takes_is_named() {
    let error = |name: &str, text: &str| {
        read(name, text.as_bytes(), None, &Limits::default()).unwrap_err().to_string()
    };
    assert!(error("x.json", "{\"a\": 1}").starts_with("this is JSON without `tasks`"));
    assert_eq!(error("x", " \n"), "the file is empty");
    assert_eq!(error("x.json", "{\"tasks\": [1,]}"), "expected a value, found `]`");
}

#[test]
fn hostile_bytes_end_in_an_error() {
    let limits = Limits {
        bytes_max: 20_000_000,
        line_bytes_max: 1_000,
        tasks_max: 3,
        dependencies_max: 2,
        ..Limits::default()
    };
    let error = |name: &str, bytes: &[u8]| read(name, bytes, None, &limits).unwrap_err();
    let error_of = |name: &str, text: &str| error(name, text.as_bytes()).to_string();
    assert!(matches!(error("x", &vec![b'x'; 20_000_001]), ReadError::TooLarge { .. }));
    assert_eq!(error("x", b"a: 1\nb: \xff"), ReadError::NotUtf8 { offset: 8, line: 2 });
    let deep_json = format!("{{\"tasks\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(error_of("x.json", &deep_json), "values are nested more than 100 deep here");
    let deep_yaml = format!("tasks: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(matches!(error("x.yaml", deep_yaml.as_bytes()), ReadError::Syntax { .. }));
    let deep_block: String = (0..2_000).map(|n| format!("{}- a:\n", " ".repeat(n))).collect();
    assert!(matches!(error("x.yaml", deep_block.as_bytes()), ReadError::Syntax { .. }));
    let deep_toml = format!("tasks = {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(matches!(error("x.toml", deep_toml.as_bytes()), ReadError::Syntax { .. }));
    let long_line = format!("{{\"id\":\"a\",\"status\":\"open\",\"x\":\"{}\"}}\n{{}}\n", "y".repeat(2_000));
    assert!(matches!(error("x.jsonl", long_line.as_bytes()), ReadError::LineTooLong { line: 1, .. }));
    let many: String = (0..4).map(|n| format!("{{\"id\":\"a{n}\",\"status\":\"open\"}}\n")).collect();
    assert_eq!(error_of("x.jsonl", &many), "the file holds more than the 3 tasks allowed");
    assert_eq!(
        error_of("x.yaml", "tasks: [{id: a, dependencies: [b, c, d]}]"),
        "the file holds more than the 2 dependencies allowed"
    );
    let bomb: String = (1..9)
        .map(|n| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 9].join(",")))
        .fold("l0: &l0 [x]\n".to_owned(), |text, line| text + &line);
    assert!(matches!(error("x.yaml", format!("{bomb}tasks: *l8\n").as_bytes()), ReadError::Syntax { .. }));
}

#[test]
fn byte_order_marks_and_line_ends_of_all_kinds_are_accepted() {
    for (name, text) in [("x.yaml", NATIVE_YAML), ("x.toml", NATIVE_TOML), ("x.jsonl", BEADS)] {
        let plain = read_text(name, text);
        let other = read_text(name, &format!("\u{feff}{}", text.replace('\n', "\r\n")));
        assert_eq!(other.plan, plain.plan, "{name}");
        for (task, place) in plain.plan.tasks.iter().zip(&other.places()) {
            let span: Range<usize> = place.id.into();
            assert!(other.source.text()[span].contains(task.id.as_str()), "{name}");
        }
    }
}

#[test]
fn syntax_errors_are_told_where_they_are() {
    let told = |name: &str, text: &str| match read(name, text.as_bytes(), None, &Limits::default()) {
        Err(ReadError::Syntax { diagnostic, text }) => {
            let span = diagnostic.labels[0].span.clone();
            let (line, column) = text.line_column(span.start);
            format!("{line}:{column} {:?} {}", &text.text()[span], diagnostic.message)
        }
        other => panic!("{other:?}"),
    };
    let deep = format!("name: x\ntasks: {}", "[".repeat(200));
    for (yaml, expected) in [
        (
            "tasks:\n  - id: a\n    depends_on: [b, c\n  - id: d\n",
            "4:7 \":\" illegal placement of ':' indicator at line 4, column 7",
        ),
        (
            "tasks:\n  - id: ä\n    title: \"b\n",
            "4:1 \"\" invalid indentation in multiline quoted scalar at line 4, column 1",
        ),
        ("tasks: [a, b}\n", "1:8 \"[\" mismatched bracket '[' closed by '}' at line 1, column 8"),
        (
            "\u{feff}tasks:\r\n  - id: *gone\r\n",
            "2:9 \"*\" alias references unknown anchor at line 2, column 9",
        ),
        ("ä: @y\n", "1:4 \"@\" unexpected character: `@' at line 1, column 4"),
        (&deep, "2:48 \"[\" recursion limit exceeded at line 2, column 48"),
        (
            "tasks: .nan\n",
            "1:8 \".nan\" non-finite float `.nan` rejected by the configured policy at line 1, column 8",
        ),
    ] {
        assert_eq!(told("x.yaml", yaml), expected);
    }
    assert_eq!(told("x.json", "{\"tasks\":\n [1,]}"), "2:5 \"]\" expected a value, found `]`");
    assert_eq!(told("x.toml", "name = 'x'\ntasks = [\n"), "2:10 \"\" unclosed array, expected `]`");
}

#[test]
fn aliases_and_merge_keys_of_yaml_work() {
    let yaml = "base: &base {priority: high}\ntasks:\n  - {<<: *base, id: a}\n  - <<: *base\n    id: b\n    depends_on: [a]\n";
    let reading = read_text("x.yaml", yaml);
    assert_eq!(told(&reading), [""; 0]);
    assert_eq!(task(&reading, "b").priority, Priority::High);
}

#[test]
fn strings_of_json_are_unescaped() {
    let text = r#"{"tasks":[{"id":"a","title":"q\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x\ud800\u0041"}]}"#;
    let reading = read_text("x.json", text);
    assert_eq!(task(&reading, "a").title, "q\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}x\u{fffd}A");
}

#[test]
fn fields_that_are_not_read_are_kept_and_an_empty_title_is_the_id() {
    let reading =
        read_text("x.yaml", "tasks: [{id: a, title: '', effrt: 3h, notes: mine}, {id: b, title: B}]\n");
    let titles: Vec<_> = reading.plan.tasks.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(titles, ["a", "B"]);
    assert_eq!(task(&reading, "a").extra["effrt"], "3h");
    assert_eq!(task(&reading, "a").extra["notes"], "mine");
}

#[test]
fn a_file_that_is_no_plan_is_not_an_empty_plan() {
    assert_eq!(
        told(&read_text("x.toml", "[package]\nname = 'x'\n"))[0].split(" at").next(),
        Some("error[no-tasks]: the plan has no `tasks`")
    );
    assert_eq!(told(&read_text("x.yaml", "name: x\ntasks: []\n")), [""; 0]);
}

#[test]
fn a_tag_of_taskmaster_is_chosen_by_name() {
    let text = r#"{"b": {"tasks": [{"id": 1}]}, "master": {"tasks": [{"id": 2}]}, "note": 7}"#;
    let read_tag = |tag: Option<&str>| {
        let options = ReadOptions { tag: tag.map(str::to_owned), ..ReadOptions::default() };
        read_files("x.json", &[InputFile { path: "x.json", bytes: text.as_bytes() }], &options)
    };
    let ids = |reading: &Reading| -> Vec<String> {
        reading.plan.tasks.iter().map(|task| task.id.to_string()).collect()
    };
    let first = read_tag(None).unwrap();
    assert_eq!(ids(&first), ["2"]);
    let told: Vec<String> = first.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["note[other-tags]: the tag `master` was read; there are 1 more"]);
    let other = read_tag(Some("b")).unwrap();
    assert!(other.diagnostics.is_empty(), "who has named a tag knows of the others");
    assert_eq!((ids(&other), other.plan.name.as_str()), (vec!["1".to_owned()], "x-b"));
    assert_eq!(other.plan.extra["other_tags"]["master"]["tasks"][0]["id"], 2);
    let error = read_tag(Some("c")).unwrap_err().to_string();
    assert_eq!(error, "the file holds no plan of the tag `c`; it holds `b`, `master`");
}
