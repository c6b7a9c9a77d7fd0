//! How real plans changed, as live edits of a project that agents work on: where `SUPER_PLANNER_CORPUS` names a folder that
//! holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command as Program;

use agent_coordinator::RecordedEvent;
use agent_coordinator::engine::{Command, Pausable, Reach, Refusal};
use planner_core::{Dependency, Exclusion, Priority, Standing, Task, TaskId};
use serde_json::Value;
use state_store::task::{Deliverable, Event, TaskState, Transition};

use crate::fleet::{Fleet, PROJECT, agents};

/// The tasks of one snapshot: id, status, priority and what each depends on; a dependency on what is not there is left out.
fn snapshot(line: &str) -> Vec<Task> {
    let snapshot: Value = serde_json::from_str(line).unwrap();
    let issues = snapshot["issues"].as_array().unwrap();
    let ids: BTreeSet<&str> = issues.iter().filter_map(|issue| issue[0].as_str()).collect();
    issues.iter().filter_map(|issue| task(issue, &ids)).collect()
}

fn task(issue: &Value, ids: &BTreeSet<&str>) -> Option<Task> {
    let id = issue[0].as_str()?;
    let named = issue[4].as_array()?.iter().filter_map(|edge| Some((edge[0].as_str()?, edge[1].as_str()?)));
    let blocking = named.filter(|(on, relation)| *relation == "blocks" && ids.contains(on) && *on != id);
    Some(Task {
        dependencies: blocking
            .filter_map(|(on, _)| TaskId::new(on).ok())
            .map(Dependency::on_completion)
            .collect(),
        priority: Priority::ALL[issue[2].as_u64()?.min(4) as usize],
        ..Task::new(TaskId::new(id).ok()?)
    })
}

/// Does one of the tasks under way.
fn work(fleet: &mut Fleet) {
    let tasks = (0..).zip(&fleet.engine.state().projects()[0].tasks);
    let leased = tasks.filter_map(|(task, record)| match &record.state {
        TaskState::Running(lease) => Some((state_store::task::TaskKey { project: PROJECT, task }, *lease)),
        _ => None,
    });
    if let Some((task, lease)) = leased.last() {
        let (token, agent) = (lease.token, lease.agent);
        fleet.ask(Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles }).unwrap();
    }
}

#[test]
fn sixty_snapshots_of_a_plan_are_replayed_as_edits_of_a_running_project() {
    let Some(corpus) = std::env::var_os("SUPER_PLANNER_CORPUS") else {
        println!("left out: SUPER_PLANNER_CORPUS is not set");
        return;
    };
    let path = PathBuf::from(corpus).join("plan_history/beads_60_snapshots.jsonl.gz");
    let unpacked = Program::new("gzip").arg("-dc").arg(&path).output().unwrap();
    assert!(unpacked.status.success(), "{}", path.display());
    let lines = String::from_utf8(unpacked.stdout).unwrap();
    let mut snapshots = lines.lines().map(snapshot);
    let mut fleet = Fleet::on_disk(snapshots.next().unwrap(), agents(4, 1));
    let (mut replayed, mut added, mut changed, mut removed, mut refused) = (1, 0, 0, 0, 0);
    for tasks in snapshots {
        let recorded: BTreeMap<_, _> =
            fleet.tasks().iter().map(|task| (task.id.clone(), task.clone())).collect();
        let there: BTreeSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
        let gone =
            recorded.values().filter(|task| !there.contains(&task.id) && task.standing == Standing::Pending);
        let gone: Vec<Task> = gone
            .map(|task| Task { standing: Standing::Excluded(Exclusion::Tombstone), ..task.clone() })
            .collect();
        let edits: Vec<Task> =
            tasks.iter().filter(|task| recorded.get(&task.id) != Some(task)).cloned().collect();
        added += edits.iter().filter(|task| !recorded.contains_key(&task.id)).count();
        changed += edits.iter().filter(|task| recorded.contains_key(&task.id)).count();
        fleet.ask(Command::Pause(Pausable::Project(PROJECT))).unwrap();
        for task in &gone {
            // What is under way is called off before it is removed.
            let (task, reason) = (fleet.key(task.id.as_str()), "removed from the plan".to_owned());
            if fleet.engine.state().task(task).unwrap().state.lease().is_some() {
                fleet.ask(Command::Cancel { task, reason, reach: Reach::Task }).unwrap();
            }
        }
        removed += gone.len();
        let seq = fleet.engine.seq();
        let all = edits.into_iter().chain(gone).collect();
        match fleet.ask(Command::SetTasks { project: PROJECT, tasks: all }) {
            Ok(_) => {}
            Err(Refusal::UnsoundChange { .. }) => {
                assert_eq!(fleet.engine.seq(), seq, "what is refused has changed nothing");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
        fleet.ask(Command::Continue(Pausable::Project(PROJECT))).unwrap();
        replayed += 1;
        (0..5).for_each(|_| work(&mut fleet));
        fleet.engine.check_invariants().unwrap();
    }
    let landed = |recorded: &&RecordedEvent| {
        matches!(recorded.event, Event::Task { transition: Transition::Land { .. }, .. })
    };
    let done = fleet.events.iter().filter(landed).count();
    println!(
        "{replayed} snapshots: {added} tasks added, {changed} changed, {removed} removed, {refused} refused; {done} done"
    );
    assert_eq!((replayed, done > 200), (60, true));
}
