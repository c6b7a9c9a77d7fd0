//! What is written, and that nothing else is touched.

use super::*;
use crate::{Limits, ReadOptions, random::Random, read};

fn known(given: &[(&str, Progress)]) -> impl Fn(&TaskId) -> Option<Progress> {
    let given: Vec<(String, Progress)> =
        given.iter().map(|(id, progress)| ((*id).to_owned(), *progress)).collect();
    move |id| given.iter().find(|(own, _)| own == id.as_str()).map(|(_, progress)| *progress)
}

/// Returns the only file with the states in it.
fn synced(name: &str, text: &str, given: &[(&str, Progress)]) -> String {
    let reading = read(name, text.as_bytes(), None, &Limits::default()).unwrap();
    let synced = sync(&reading, known(given)).unwrap();
    assert_eq!((&synced.contradicted, &synced.unsaid), (&vec![], &vec![]), "{name}");
    match synced.files.as_slice() {
        [] => text.to_owned(),
        [file] => {
            assert_eq!(file.path, name);
            file.text.clone()
        }
        several => panic!("{several:?}"),
    }
}

use Progress::{Cancelled, Completed, Failed, OnHold, Pending, Underway};

#[test]
fn native_files_keep_their_comments_and_layout() {
    let yaml = "\
# our plan
name: p   # short
tasks:
  - id: a     # the first
    effort: 2h

  - {id: b, depends_on: [a], status: 'todo'}
  - id: c
    status: in_progress # by hand
  - { id: g, tasks: [ {id: d, status: done}, {id: e} ] }
";
    let expected = "\
# our plan
name: p   # short
tasks:
  - id: a     # the first
    status: completed
    effort: 2h

  - {id: b, depends_on: [a], status: 'in_progress'}
  - id: c
    status: pending # by hand
  - { id: g, tasks: [ {id: d, status: done}, {id: e, status: on_hold} ] }
";
    let given = [("a", Completed), ("b", Underway), ("c", Pending), ("d", Completed), ("e", OnHold)];
    assert_eq!(synced("p.yaml", yaml, &given), expected);
    let windows = yaml.replace('\n', "\r\n");
    assert_eq!(synced("p.yaml", &windows, &given), expected.replace('\n', "\r\n"));

    let toml = "[[tasks]]\nid = 'a' # first\neffort = 1\n\n[[tasks]]\nid = \"b\"\nstanding = 'pending'\n";
    assert_eq!(
        synced("p.toml", toml, &[("a", Completed), ("b", Cancelled)]),
        "[[tasks]]\nid = 'a' # first\nstatus = \"completed\"\neffort = 1\n\n[[tasks]]\nid = \"b\"\nstanding = 'cancelled'\n"
    );

    let json = "\u{feff}{\"tasks\": [\n  {\n    \"id\": \"a\"\n  },\n  {\"id\":\"b\",\"x\":1}, {\"title\": \"c\", \"id\": \"c\"}]}";
    assert_eq!(
        synced("p.json", json, &[("a", Completed), ("b", Underway), ("c", Completed)]),
        "\u{feff}{\"tasks\": [\n  {\n    \"id\": \"a\",\n    \"status\": \"completed\"\n  },\n  {\"id\":\"b\",\"status\":\"in_progress\",\"x\":1}, {\"title\": \"c\", \"id\": \"c\", \"status\": \"completed\"}]}"
    );
}

#[test]
fn foreign_files_get_their_own_words() {
    let beads = "{\"id\":\"x-1\",\"status\":\"open\",\"issue_type\":\"task\"}\n{\"_type\":\"memory\",\"n\":1}\n{\"id\":\"x-2\",\"status\":\"open\"}\n{\"id\":\"x-3\"}\n";
    assert_eq!(
        synced("issues.jsonl", beads, &[("x-1", Completed), ("x-2", Failed), ("x-3", Underway)]),
        "{\"id\":\"x-1\",\"status\":\"closed\",\"issue_type\":\"task\"}\n{\"_type\":\"memory\",\"n\":1}\n{\"id\":\"x-2\",\"status\":\"blocked\"}\n{\"id\":\"x-3\",\"status\":\"in_progress\"}\n"
    );
    let taskmaster = r#"{ "master": { "tasks": [
  { "id": 1, "title": "g", "status": "pending", "subtasks": [
    { "id": 1, "title": "s", "status": "pending" }, { "id": 2, "title": "t", "status": "review", "dependencies": [1] } ] },
  { "id": 2, "title": "u", "status": "deferred" } ] } }"#;
    assert_eq!(
        synced("tasks.json", taskmaster, &[("1.1", Completed), ("1.2", Pending), ("2", OnHold)]),
        taskmaster.replacen("\"pending\"", "\"in-progress\"", 1).replacen("\"pending\"", "\"done\"", 1)
    );
    let state = r#"{"id":"p","tasks":{"a":{"id":"a","state":"pending","depends_on":[]}}}"#;
    assert_eq!(synced("state.json", state, &[("a", Completed)]), state.replace("pending", "completed"));
    let outline = "# P\n## G {#g}\n- [ ] One {#a}\n  more\n  * [ ] Two (after: a)\n- [x] Three\n\n```\n- [ ] One\n```\n";
    assert_eq!(
        synced("p.md", outline, &[("a", Underway), ("two", Completed), ("three", Completed)]),
        outline.replace("* [ ] Two", "* [x] Two").replace("- [ ] One {", "- [x] One {")
    );
}

fn only(synced: &Synced) -> (&str, &str) {
    let [file] = synced.files.as_slice() else { panic!("{:?}", synced.files) };
    (&file.path, &file.text)
}

#[test]
fn of_a_folder_only_the_files_that_differ_are_written() {
    let task = |id: &str, status: &str| {
        format!(
            "---\nid: {id}\ntitle: T\nstatus: {status}\ndependencies: []\n---\n\n## Description\n\nstatus: To Do\n"
        )
    };
    let (one, two) = (task("TASK-1", "To Do"), task("TASK-2", "'To Do'"));
    let config = "project_name: p\nstatuses: [\"To Do\", \"Doing\", \"Shipped\"]\n";
    let files = [("config.yml", config), ("tasks/task-1.md", &one), ("tasks/task-2.md", &two)];
    let files = files.map(|(path, text)| InputFile { path, bytes: text.as_bytes() });
    let reading = read_files("backlog", &files, &ReadOptions::default()).unwrap();
    let written = sync(&reading, known(&[("TASK-2", Completed)])).unwrap();
    assert_eq!(only(&written), ("tasks/task-2.md", task("TASK-2", "'Shipped'").as_str()));
    let written = sync(&reading, known(&[("TASK-1", Underway), ("TASK-2", OnHold)])).unwrap();
    assert_eq!(only(&written), ("tasks/task-1.md", task("TASK-1", "Doing").as_str()));
    assert_eq!(written.unsaid, [TaskId::new("TASK-2").unwrap()]);
}

#[test]
fn what_people_have_said_themselves_is_kept_and_told() {
    let text = "tasks: [{id: a, status: done}, {id: b, status: on_hold}, {id: c}]\n";
    let reading = read("p.yaml", text.as_bytes(), None, &Limits::default()).unwrap();
    let written = sync(&reading, known(&[("a", Pending), ("b", Underway), ("c", Pending)])).unwrap();
    assert_eq!(written.contradicted, [TaskId::new("a").unwrap(), TaskId::new("b").unwrap()]);
    assert_eq!((written.files, written.written), (vec![], vec![]));
}

#[test]
fn what_cannot_be_written_in_place_is_refused() {
    // One word for two tasks: an alias.
    let text = "tasks:\n  - id: a\n    status: &s open\n  - id: b\n    status: *s\n";
    let reading = read("p.yaml", text.as_bytes(), None, &Limits::default()).unwrap();
    assert!(sync(&reading, known(&[("a", Completed)])).is_err());
    let graph = read("p.dot", b"digraph { a -> b }", None, &Limits::default()).unwrap();
    assert!(matches!(sync(&graph, known(&[])), Err(SyncError::Format(Format::Dot))));
}

/// Whatever the plan and wherever its tasks stand: what is written says it, and says nothing else that the file did not.
#[test]
fn any_plan_keeps_everything_but_its_states() {
    let mut random = Random::new(5);
    for round in 0..20 {
        let plan = crate::generate::complex(1 + random.below(60), round);
        let graph = TaskGraph::new(&plan).unwrap();
        let is_leaf = |id: &TaskId| !graph.is_group(graph.task_index(id.as_str()).unwrap());
        let all = [Pending, Underway, Completed, OnHold, Failed, Cancelled];
        let given: Vec<(TaskId, Progress)> = plan
            .tasks
            .iter()
            .filter(|task| is_leaf(&task.id))
            .map(|task| (task.id.clone(), all[random.below(all.len())]))
            .collect();
        let of = |id: &TaskId| given.iter().find(|(own, _)| own == id).map(|(_, progress)| *progress);
        for format in
            [Format::Yaml, Format::Json, Format::Toml, Format::Beads, Format::Taskmaster, Format::Markdown]
        {
            let text = crate::write(&plan, format).unwrap().files.remove(0).1;
            let reading = read("x", text.as_bytes(), Some(format), &Limits::default()).unwrap();
            let written =
                sync(&reading, of).unwrap_or_else(|error| panic!("round {round}, {format}: {error}"));
            let text = written.files.first().map_or(&text, |file| &file.text);
            let again = read("x", text.as_bytes(), Some(format), &Limits::default()).unwrap();
            for task in &again.plan.tasks {
                let expected = of(&task.id).map(Progress::standing);
                let is_unsaid = written.unsaid.contains(&task.id);
                let is_said = is_unsaid || expected.is_none_or(|expected| expected == task.standing);
                assert!(
                    is_said || graph.is_group(graph.task_index(task.id.as_str()).unwrap()),
                    "{format}: {}",
                    task.id
                );
            }
            let third = sync(&again, of).unwrap();
            assert!(
                third.files.is_empty(),
                "round {round}, {format}: a second time changes {:?}",
                third.written
            );
        }
    }
}
