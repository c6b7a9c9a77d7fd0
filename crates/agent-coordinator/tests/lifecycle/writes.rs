//! Tasks that write the same files.

use agent_coordinator::engine::{Command, Explanation};
use planner_core::{Approval, PathPattern, Priority, Task};
use state_store::task::{OverlappingWrites, ProjectRules, Review, StateName};

use crate::bench::{Bench, PROJECT, task};

fn writing(name: &str, patterns: &[&str]) -> Task {
    let writes: Vec<_> = patterns.iter().map(|text| PathPattern::new(text).unwrap()).collect();
    Task { writes: writes.into(), ..task(name, &[]) }
}

#[test]
fn tasks_that_could_write_the_same_file_run_one_after_the_other() {
    let tasks = vec![writing("a", &["src/"]), writing("b", &["docs/", "src/*.rs"]), writing("c", &["docs/"])];
    let mut bench = Bench::new(tasks, 3);
    assert_eq!(
        ["a", "b", "c"].map(|id| bench.state(id)),
        [StateName::Assigned, StateName::Pending, StateName::Assigned]
    );
    let expected = Explanation::WritesOverlap {
        task: "a".to_owned(),
        state: StateName::Assigned,
        path: "src/*.rs".to_owned(),
        other_path: "src/**".to_owned(),
    };
    assert_eq!(bench.explain("b"), expected, "the other task is named");
    bench.finish("a");
    let Explanation::WritesOverlap { task, .. } = bench.explain("b") else { panic!() };
    assert_eq!(task, "c", "now it is this one");
    bench.finish("c");
    assert_eq!(bench.state("b"), StateName::Assigned);
}

#[test]
fn a_result_that_has_not_landed_keeps_its_files() {
    let guarded = Task { approval: Approval::Landing, ..writing("a", &["x"]) };
    let mut bench = Bench::new(vec![guarded, writing("b", &["x"])], 1);
    bench.finish("a");
    assert_eq!([bench.state("a"), bench.state("b")], [StateName::AwaitingApproval, StateName::Pending]);
    assert!(matches!(bench.explain("b"), Explanation::WritesOverlap { .. }));
    assert!(bench.engine.is_settled(PROJECT), "nothing happens until somebody agrees");
    let (task, review) = (bench.key("a"), Review { by: String::new(), comment: String::new() });
    bench.ask(Command::Approve { task, review }).unwrap();
    assert_eq!(bench.state("b"), StateName::Assigned);
}

#[test]
fn where_it_is_allowed_they_run_at_once() {
    let mut bench = Bench::new(vec![writing("a", &["x"]), writing("b", &["x"])], 2);
    assert_eq!(bench.state("b"), StateName::Pending);
    let rules = ProjectRules { overlapping_writes: OverlappingWrites::Allowed, ..ProjectRules::default() };
    bench.ask(Command::SetRules { project: PROJECT, rules }).unwrap();
    assert_eq!(bench.state("b"), StateName::Assigned);
}

#[test]
fn a_change_of_the_plan_counts_from_the_next_hand_out() {
    let mut bench = Bench::new(vec![writing("a", &["x"]), writing("b", &["x"]), writing("c", &["y"])], 1);
    bench.set(vec![writing("b", &["z"]), Task { priority: Priority::Low, ..writing("c", &["x"]) }]).unwrap();
    assert!(!matches!(bench.explain("b"), Explanation::WritesOverlap { .. }), "it writes something else now");
    assert!(matches!(bench.explain("c"), Explanation::WritesOverlap { .. }));
    bench.finish("a");
    bench.finish("b");
    assert_eq!(bench.state("c"), StateName::Assigned);
}
