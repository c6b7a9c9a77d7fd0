//! Tasks that write the same files.

use agent_coordinator::engine::{Command, Explanation};
use planner_core::{Approval, PathPattern, Plan, Priority, Task};
use state_store::Timestamp;
use state_store::task::{
    OverlappingWrites, ProjectKey, ProjectRules, ProjectSettings, Review, StateName, TaskKey,
};

use crate::bench::{Bench, PROJECT, plan, task};

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
        project: None,
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

/// A bench on whose branch another project lands too, with one task `other` that is under way.
fn shared(branches: [Option<&str>; 2]) -> Bench {
    let mut bench = Bench::new(Vec::new(), 2);
    for (name, branch, writes) in [("q", branches[0], "src/"), ("r", branches[1], "src/*.rs")] {
        let plan = Plan { name: name.to_owned(), ..plan(vec![writing("other", &[writes])]) };
        let settings = ProjectSettings { branch: branch.map(str::to_owned), checks: false };
        bench.ask(Command::Enter { plan, settings }).unwrap();
    }
    bench
}

fn other(project: u32) -> TaskKey {
    TaskKey { project: ProjectKey(project), task: 0 }
}

fn state(bench: &Bench, project: u32) -> StateName {
    bench.engine.state().task(other(project)).unwrap().state.name()
}

#[test]
fn projects_that_land_on_one_branch_wait_for_each_other() {
    let mut bench = shared([Some("main"), Some("main")]);
    assert_eq!([state(&bench, 1), state(&bench, 2)], [StateName::Assigned, StateName::Pending]);
    let explained = bench.engine.explain(other(2), Timestamp::default(), &|_| true).unwrap();
    let expected = Explanation::WritesOverlap {
        task: "other".to_owned(),
        project: Some("q".to_owned()),
        state: StateName::Assigned,
        path: "src/*.rs".to_owned(),
        other_path: "src/**".to_owned(),
    };
    assert_eq!(explained, expected, "the other project's task is named");
    assert!(!bench.engine.is_settled(ProjectKey(2)), "it goes on when the other one has landed");
    let lease = *bench.engine.state().task(other(1)).unwrap().state.lease().unwrap();
    bench.ask(Command::GiveUp { task: other(1), token: lease.token }).unwrap();
    let under_way = [1, 2].map(|project| state(&bench, project) == StateName::Assigned);
    assert_eq!(under_way.into_iter().filter(|is| *is).count(), 1, "one of them at a time");
    // A project that allows it neither waits nor is waited for.
    let rules = ProjectRules { overlapping_writes: OverlappingWrites::Allowed, ..ProjectRules::default() };
    bench.ask(Command::SetRules { project: ProjectKey(2), rules }).unwrap();
    assert_eq!([state(&bench, 1), state(&bench, 2)], [StateName::Assigned; 2]);
}

#[test]
fn projects_on_branches_of_their_own_do_not_wait() {
    for branches in [[Some("main"), Some("next")], [None, None], [Some("main"), None]] {
        let bench = shared(branches);
        assert_eq!([state(&bench, 1), state(&bench, 2)], [StateName::Assigned; 2], "{branches:?}");
    }
}

#[test]
fn a_project_that_changes_its_branch_leaves_its_files_behind() {
    let mut bench = shared([Some("main"), Some("main")]);
    let plan = Plan::clone(&bench.engine.state().projects()[1].plan);
    let settings = ProjectSettings { branch: Some("next".to_owned()), checks: false };
    bench.ask(Command::Enter { plan, settings }).unwrap();
    assert_eq!([state(&bench, 1), state(&bench, 2)], [StateName::Assigned; 2]);
}
