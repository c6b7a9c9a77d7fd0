//! Who gets which task.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Policy};
use planner_core::{Approval, Effort, Plan, Priority, Task};
use state_store::task::{ProjectKey, ProjectSettings, Review, StateName};

use crate::bench::{Bench, task};

fn agent(name: &str, can: &[&str], slots: u32) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        capabilities: can.iter().copied().collect(),
        slots,
        lease: None,
        labels: Vec::new(),
    }
}

fn needing(name: &str, capability: &str, hours: f64) -> Task {
    let capabilities = Some(capability).filter(|name| !name.is_empty()).into_iter().collect();
    Task { capabilities, effort: Some(Effort::from_hours(hours).unwrap()), ..task(name, &[]) }
}

fn bench(tasks: Vec<Task>, agents: Vec<AgentSpec>) -> Bench {
    Bench::with_agents(tasks, agents, Policy::default())
}

impl Bench {
    fn holder(&self, id: &str) -> &str {
        &self.engine.state().agent(self.lease(id).agent).unwrap().name
    }
}

#[test]
fn a_rare_agent_is_not_spent_on_what_others_can_do() {
    // The one that can do least is the only one with that ability.
    let agents = vec![
        agent("specialist", &["gpu"], 1),
        agent("one", &["docs", "rust", "web"], 1),
        agent("two", &["docs", "rust", "web"], 1),
    ];
    let common = Task { priority: Priority::Critical, ..task("common", &[]) };
    let bench = bench(vec![common, needing("rare", "gpu", 1.0)], agents);
    assert_eq!((bench.holder("common"), bench.holder("rare")), ("one", "specialist"));
}

#[test]
fn of_two_that_are_as_rare_the_one_that_can_do_less_gets_the_task() {
    let agents = vec![agent("able", &["docs", "gpu", "web"], 1), agent("plain", &["docs", "ssd"], 1)];
    let bench = bench(vec![needing("write", "docs", 1.0)], agents);
    assert_eq!(bench.holder("write"), "plain");
}

#[test]
fn tasks_without_effort_are_shared_by_number() {
    let gated =
        |name: &str| Task { effort: Some(Effort::ZERO), approval: Approval::Start, ..task(name, &[]) };
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut bench = bench(names.map(gated).to_vec(), vec![agent("one", &[], 1), agent("two", &[], 2)]);
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        let (task, review) = (bench.key(name), Review { by: String::new(), comment: String::new() });
        bench.ask(Command::Approve { task, review }).unwrap();
        *given.entry(bench.holder(name).to_owned()).or_default() += 1;
        bench.finish(name);
    }
    assert_eq!(given, BTreeMap::from([("one".to_owned(), 2), ("two".to_owned(), 4)]), "as they have slots");
}

#[test]
fn who_has_done_what_comes_before_goes_on_while_that_costs_no_balance() {
    let tasks = vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])];
    let mut bench = bench(tasks, vec![agent("one", &[], 1), agent("two", &[], 1)]);
    assert_eq!(bench.holder("a"), "one");
    bench.finish("a");
    assert_eq!(bench.holder("b"), "one", "it knows its way about");
    bench.finish("b");
    assert_eq!(bench.holder("c"), "two", "but it does not do all of the work");
}

/// Returns what four agents are given of two projects: one of long tasks, and one of these.
fn shared(others: Vec<Task>) -> [Vec<String>; 2] {
    let long = |name: &str| needing(name, "", 90.0);
    let agents = (1..=4).map(|number| agent(&format!("agent-{number}"), &[], 1)).collect();
    let mut bench = bench(["a", "b", "c", "d", "e"].map(long).to_vec(), Vec::new());
    let (description, extra) = (String::new(), serde_json::Map::new());
    let plan = Plan { name: "q".to_owned(), description, agents: Vec::new(), tasks: others, extra };
    bench.ask(Command::Enter { plan, settings: ProjectSettings { branch: None, checks: false } }).unwrap();
    bench.ask(Command::RegisterAgents(agents)).unwrap();
    [0, 1].map(|project| {
        let project = bench.engine.state().project(ProjectKey(project)).unwrap();
        let tasks = project.tasks.iter().zip(&project.plan.tasks);
        let leased = tasks.filter(|(record, _)| record.state.lease().is_some());
        leased.map(|(_, task)| task.id.to_string()).collect()
    })
}

#[test]
fn projects_share_the_agents_however_much_longer_the_tasks_of_one_are() {
    let short = ["w", "x", "y"].map(|name| needing(name, "", 0.1)).to_vec();
    assert_eq!(shared(short), [["a", "b"], ["w", "x"]]);
}

#[test]
fn what_is_urgent_goes_before_a_fair_share() {
    let urgent = |name: &str| Task { priority: Priority::Critical, ..needing(name, "", 0.1) };
    let given = shared(["w", "x", "y"].map(urgent).to_vec());
    assert_eq!(given, [vec!["a".to_owned()], ["w", "x", "y"].map(str::to_owned).to_vec()]);
}

#[test]
fn what_takes_longer_than_planned_is_begun_earlier() {
    let high = |task: Task| Task { priority: Priority::High, ..task };
    let slow = (0..12).map(|number| high(needing(&format!("slow-{number}"), "", 1.0)));
    let quick = (0..4).map(|number| high(needing(&format!("quick-{number}"), "docs", 1.0)));
    let last = [needing("next-slow", "", 1.0), needing("next-quick", "docs", 2.0)];
    let tasks: Vec<Task> = slow.chain(quick).chain(last).collect();
    let names: Vec<String> = tasks.iter().map(|task| task.id.to_string()).take(16).collect();
    let mut bench = bench(tasks, vec![agent("only", &["docs"], 1)]);
    for name in &names {
        // The twelve take ten times as long as was planned for them, compared with the others.
        bench.clock.advance(Duration::from_secs(if name.starts_with("slow") { 10 } else { 1 }));
        bench.finish(name);
    }
    assert_eq!(
        [bench.state("next-slow"), bench.state("next-quick")],
        [StateName::Assigned, StateName::Pending]
    );
}
