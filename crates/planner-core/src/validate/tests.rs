//! Diagnostics as people see them: message, places, help.

use super::*;
use crate::format::{Limits, read};

/// Returns each diagnostic on a line, its labels and its help indented below.
fn report(name: &str, text: &str) -> String {
    let reading =
        read(name, text.as_bytes(), None, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let validated = validate(&reading);
    let errors = validated.error_count();
    assert_eq!(validated.graph.is_none(), errors > 0);
    let mut report = String::new();
    for diagnostic in validated.diagnostics {
        report += &format!("{diagnostic}\n");
        for label in diagnostic.labels {
            let (line, column) = reading.source.line_column(label.span.start);
            report += &format!("  {line}:{column} {} - {}\n", &reading.source.text()[label.span], label.text);
        }
        report += &diagnostic.help.map_or(String::new(), |help| format!("  help: {help}\n"));
    }
    report
}

const BROKEN: &str = "\
tasks:
  - id: setup
  - id: api
    depends_on: [setpu, api]
  - id: setup
  - id: ui
    parent: fronted
    depends_on: [tests]
  - id: tests
    depends_on: [ui, api]
  - {id: x, parent: y}
  - {id: y, parent: x}
";

#[test]
fn all_errors_are_told_with_their_places() {
    let expected = "\
error[duplicate-id]: the id `setup` is given twice
  5:9 setup - given again here
  2:9 setup - given here
error[unknown-parent]: the parent `fronted` of `ui` is not in the plan
  7:13 fronted - no such task
  help: add a task of this id, or name no parent
error[parent-cycle]: the parents of 2 tasks form a circle, `x` among them
  11:21 y - this parent is also a descendant
  12:21 x - this parent is also a descendant
error[unknown-dependency]: `api` depends on `setpu`, which is not in the plan
  4:18 setpu - no such task
  help: did you mean `setup`?
error[self-dependency]: `api` depends on itself
  4:25 api - this is the task itself
  help: remove it
error[cycle]: these tasks wait for each other: `ui` -> `tests` -> `ui`
  10:18 ui - `tests` waits for `ui`
  8:18 tests - `ui` waits for `tests`
  10:18 ui - cut here
  help: the cheapest way out: let `tests` no longer depend on `ui`
";
    assert_eq!(report("plan.yaml", BROKEN), expected);
}

#[test]
fn what_is_odd_is_told_beside_what_is_broken() {
    let yaml = "\
agents: [{name: ada, capabilities: [rust]}]
tasks:
  - {id: a, depends_on: [gone, b]}
  - {id: b, depends_on: [a, a]}
  - {id: c, capabilities: [cobol]}
  - {id: d, status: done, depends_on: [e, c]}
  - {id: c, title: again}
";
    let expected = "\
error[duplicate-id]: the id `c` is given twice
  7:10 c - given again here
  5:10 c - given here
error[unknown-dependency]: `a` depends on `gone`, which is not in the plan
  3:26 gone - no such task
  help: add a task of this id, or remove the dependency
error[unknown-dependency]: `d` depends on `e`, which is not in the plan
  6:40 e - no such task
  help: add a task of this id, or remove the dependency
error[cycle]: these tasks wait for each other: `a` -> `b` -> `a`
  4:26 a - `b` waits for `a`
  3:32 b - `a` waits for `b`
  4:26 a - cut here
  help: the cheapest way out: let `b` no longer depend on `a`
warning[completed-before-its-dependency]: `d` is completed, but what it depends on, `c`, is not
  6:43 c - still to be done
warning[no-agent]: no agent of the plan can do `c`: the nearest, `ada`, lacks `cobol`
  5:27 [ - no agent has all of these
  help: add what is missing to the capabilities of an agent, or ask for less
note[repeated-dependency]: `b` depends on `a` twice
  4:29 a - written again here
  4:26 a - written here
";
    assert_eq!(report("plan.yaml", yaml), expected);
}

#[test]
fn toml_and_json_have_places_too() {
    let toml = "[[tasks]]\nid = 'a'\ndependencies = ['b']\n[[tasks]]\nid = 'c'\ndependencies = ['c']\n";
    let expected = "\
error[unknown-dependency]: `a` depends on `b`, which is not in the plan
  3:17 'b' - no such task
  help: add a task of this id, or remove the dependency
error[self-dependency]: `c` depends on itself
  6:17 'c' - this is the task itself
  help: remove it
";
    assert_eq!(report("plan.toml", toml), expected);
    let json =
        "{\"tasks\": [{\"id\": \"a\", \"depends_on\": [\"b\"]},\n {\"id\": \"c\", \"depends_on\": [\"c\"]}]}";
    let expected = "\
error[unknown-dependency]: `a` depends on `b`, which is not in the plan
  1:39 \"b\" - no such task
  help: add a task of this id, or remove the dependency
error[self-dependency]: `c` depends on itself
  2:29 \"c\" - this is the task itself
  help: remove it
";
    assert_eq!(report("plan.json", json), expected);
    let jsonl = "{\"id\":\"a\",\"status\":\"open\"}\n{\"id\":\"a\",\"status\":\"open\"}\n";
    let expected = "\
error[duplicate-id]: the id `a` is given twice
  2:7 \"a\" - given again here
  1:7 \"a\" - given here
";
    assert_eq!(report("plan.jsonl", jsonl), expected);
}

#[test]
fn a_cycle_through_a_group_says_who_is_part_of_what() {
    let yaml = "tasks:\n- id: g\n  depends_on: b\n  children: [{id: x}]\n- {id: b, depends_on: g}\n";
    let expected = "\
error[cycle]: these tasks wait for each other: `g` -> `x` -> `g` -> `b` -> `g`
  2:7 g - `x` is part of `g`
  5:23 g - `b` waits for `g`
  3:15 b - `g` waits for `b`
  5:23 g - cut here
  help: the cheapest way out: let `b` no longer depend on `g`
";
    assert_eq!(report("plan.yaml", yaml), expected);
}

#[test]
fn contradictions_are_told_but_keep_nothing_from_running() {
    let yaml = "\
tasks:
  - {id: g, effort: 8, status: done, check: make}
  - {id: a, parent: g, depends_on: [g, gone]}
  - {id: b, parent: g, status: done, depends_on: [a]}
  - {id: gone, status: cancelled}
";
    let expected = "\
warning[depends-on-own-group]: `a` depends on `g`, the group that it is part of
  3:37 g - left out: a group ends after its tasks
  help: remove it; the tasks of a group begin when the group does
note[depends-on-excluded]: `a` does not wait for `gone`, which never runs
  3:40 gone - left out
warning[group-with-check]: the check of `g` never runs: it is a group
  2:10 g - has children
warning[completed-group-with-open-task]: `a` is open, but its group `g` is completed
  3:10 a - still to be done
  2:10 g - completed
warning[completed-before-its-dependency]: `b` is completed, but what it depends on, `a`, is not
  4:51 a - still to be done
note[group-with-effort]: the effort of one group does not count (8h in all): only their tasks are work
  2:21 8 - not counted
";
    assert_eq!(report("plan.yaml", yaml), expected);
}

#[test]
fn misspelt_fields_are_told_and_those_of_people_are_not() {
    let yaml = "\
name: Shop
owner: ann
agent: [{name: builder}]
agents: [{name: tester, slot: 2}]
tasks:
  - { id: A, depends: [B], effrt: 3h, notes: mine, title: '' }
  - { id: B, depends_on: [A], dependencies: [], check: {command: [make], timeout: 5} }
";
    let expected = "\
warning[unknown-field]: `slot` of `tester` is no field of an agent
  4:25 slot - not read
  help: did you mean `slots`?
warning[unknown-field]: `agent` is no field of a plan
  3:1 agent - not read
  help: did you mean `agents`?
warning[unknown-field]: `depends` of `A` is no field of a task
  6:14 depends - not read
  help: did you mean `depends_on`?
warning[unknown-field]: `effrt` of `A` is no field of a task
  6:28 effrt - not read
  help: did you mean `effort`?
warning[repeated-field]: `B` has `dependencies` and `depends_on`, which mean the same
  7:26 [ - not read
  help: write all of it as `dependencies`
warning[unknown-field]: `timeout` is no field of a check
  7:74 timeout - not read
  help: did you mean `timeout_seconds`?
";
    assert_eq!(report("plan.yaml", yaml), expected);
}

#[test]
fn tasks_that_no_agent_can_do_are_told() {
    let yaml = "\
agents:
  - {name: rusty, capabilities: [rust]}
  - {name: all, capabilities: [rust, sql]}
tasks:
  - {id: a, capabilities: [sql, rust]}
  - {id: b, capabilities: [sql, ops, rust, docs]}
  - {id: done, capabilities: [magic], status: done}
  - {id: g, capabilities: [magic], children: [{id: c, capabilities: [d1, d2, d3, d4, d5, d6, d7]}]}
";
    let expected = "\
warning[no-agent]: no agent of the plan can do `b`: the nearest, `all`, lacks `docs` and `ops`
  6:27 [ - no agent has all of these
  help: add what is missing to the capabilities of an agent, or ask for less
warning[no-agent]: no agent of the plan can do `c`: the nearest, `rusty`, lacks `d1`, `d2`, `d3`, `d4`, `d5` and 2 more
  8:69 [ - no agent has all of these
  help: add what is missing to the capabilities of an agent, or ask for less
";
    assert_eq!(report("plan.yaml", yaml), expected);
    assert_eq!(report("plan.yaml", "tasks: [{id: a, capabilities: [anything]}]"), "", "it names no agents");
}

#[test]
fn what_is_no_plan_is_told_what_a_plan_is() {
    let expected = "\
error[bad-value]: the plan must be a map, but this is a text
  1:1 hello - here
  help: write the tasks as a list under `tasks`, each with at least an `id`
";
    assert_eq!(report("plan.yaml", "hello"), expected);
    let expected = "\
error[no-tasks]: the plan has no `tasks`
  1:1  - the plan
  help: write the tasks as a list under `tasks`, each with at least an `id`
warning[unknown-field]: `task` is no field of a plan
  1:1 task - not read
  help: did you mean `tasks`?
";
    assert_eq!(report("plan.yaml", "task: [{id: a}]"), expected);
}

#[test]
fn a_flood_of_errors_stays_readable_and_fast() {
    let tasks: Vec<String> =
        (0..20_000).map(|n| format!("{{\"id\":\"t{n}\",\"depends_on\":[\"u{n}\"]}}")).collect();
    let report = report("plan.json", &format!("{{\"tasks\":[{}]}}", tasks.join(",")));
    assert!(report.ends_with("error[unknown-dependency]: 19900 more of the kind `unknown-dependency`\n"));
}

#[test]
fn ids_alike_and_repeated_dependencies_are_told() {
    let text = "tasks: [{id: Api}, {id: api, depends_on: [x, x]}, {id: x}, {id: 7}]\n";
    let expected = "\
note[repeated-dependency]: `api` depends on `x` twice
  1:46 x - written again here
  1:43 x - written here
warning[ids-alike]: the ids `Api` and `api` differ only in their case
  1:25 api - this one
  1:14 Api - and this one
";
    assert_eq!(report("x.yaml", text), expected);
}
