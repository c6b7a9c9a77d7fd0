//! Making a plan sound, by as little as possible, and telling what was done; or setting aside what is broken.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::graph::{Defect, Digraph, LiveOrder, Origin};
use crate::suggest::Suggestions;
use crate::{Plan, Standing, TaskGraph, TaskId, TaskIndex};

/// One thing that was done to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A dependency or a parent that does not exist is now the one that was most likely meant.
    Redirected {
        /// The task that names it.
        task: TaskId,
        /// What it said.
        from: TaskId,
        /// What it says now.
        to: TaskId,
    },
    /// A dependency was left out.
    DependencyRemoved {
        /// The task that depended.
        task: TaskId,
        /// On what.
        on: TaskId,
        /// Why.
        reason: Reason,
    },
    /// A parent was left out.
    ParentRemoved {
        /// The task that named it.
        task: TaskId,
        /// The parent.
        parent: TaskId,
        /// Why.
        reason: Reason,
    },
    /// Of tasks that shared an id a later one was given another.
    Renamed {
        /// The id.
        from: TaskId,
        /// The new one.
        to: TaskId,
    },
    /// Of tasks that are the same throughout a later one was left out.
    Dropped {
        /// The task.
        task: TaskId,
    },
    /// A task was put on hold, because of its defects or of those of what it waits for.
    SetAside {
        /// The task.
        task: TaskId,
        /// What is wrong, or what it waits for.
        because: String,
    },
}

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no such task.
    Unknown,
    /// It was the task itself.
    Itself,
    /// Tasks waited for each other, and this was the cheapest place to part them.
    Cycle,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "there is no such task",
            Self::Itself => "it was the task itself",
            Self::Cycle => "it closed a circle, and this was the cheapest place to cut it",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redirected { task, from, to } => write!(f, "{task}: names {to} instead of {from}"),
            Self::DependencyRemoved { task, on, reason } => {
                write!(f, "{task}: no longer depends on {on}: {reason}")
            }
            Self::ParentRemoved { task, parent, reason } => {
                write!(f, "{task}: no longer belongs to {parent}: {reason}")
            }
            Self::Renamed { from, to } => write!(f, "{to}: was called {from}, as another task is"),
            Self::Dropped { task } => write!(f, "{task}: was there twice, word for word"),
            Self::SetAside { task, because } => write!(f, "{task}: put on hold: {because}"),
        }
    }
}

/// How often the cheapest cut of each circle is made. Where circles are so many that this does not part them all, the dependencies
/// that close one are left out in the order of the file.
const ROUNDS_MAX: usize = 12;

/// Returns a sound plan and what was done to make it one; a sound plan stays as it is.
///
/// Ids that only case or a prefix tells from a known one are put right; other dependencies and parents that do not exist, or
/// that close a circle, are left out. Tasks that share an id get another, but dependencies stay with the first of them.
pub fn repair(plan: &Plan) -> (Plan, Vec<Change>) {
    let mut plan = plan.clone();
    let mut changes = Vec::new();
    drop_equals(&mut plan, &mut changes);
    rename_repeats(&mut plan, &mut changes);
    mend_all(&mut plan, &mut changes);
    (plan, changes)
}

/// Returns a sound plan in which every task is in its place, those that are there twice too.
pub(crate) fn in_place(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    rename_repeats(&mut plan, &mut Vec::new());
    mend_all(&mut plan, &mut Vec::new());
    plan
}

/// Mends the defects of a plan in which no two tasks share an id.
fn mend_all(plan: &mut Plan, changes: &mut Vec<Change>) {
    for round in 0.. {
        let Err(defects) = TaskGraph::new(plan) else { break };
        if round == ROUNDS_MAX {
            part_circles(plan, changes);
            break;
        }
        let meant = meant(plan, &defects);
        let mut gone: HashMap<usize, HashSet<usize>> = HashMap::new();
        for defect in &defects {
            mend(plan, defect, &meant, &mut gone, changes);
        }
        for (task, positions) in gone {
            let mut position = 0;
            plan.tasks[task].dependencies.retain(|_| {
                position += 1;
                !positions.contains(&(position - 1))
            });
        }
    }
}

/// Returns the plan with everything put on hold that has a defect or waits for something that has, and without the
/// dependencies and parents that are defects; and what was done. The rest can run. Tasks that are `broken`, because something
/// about them could not be read, have a defect too.
pub fn isolate(plan: &Plan, broken: &[TaskIndex]) -> (Plan, Vec<Change>) {
    let (mut sound, repairs) = repair(plan);
    let unread = "something about it could not be read";
    let broken = broken.iter().filter_map(|task| plan.tasks.get(task.index()));
    let mut why: HashMap<TaskId, String> = broken.map(|task| (task.id.clone(), unread.to_owned())).collect();
    for change in &repairs {
        let task = match change {
            Change::Redirected { task, .. }
            | Change::DependencyRemoved { task, .. }
            | Change::ParentRemoved { task, .. }
            | Change::Renamed { to: task, .. } => task,
            Change::Dropped { .. } | Change::SetAside { .. } => continue,
        };
        why.entry(task.clone()).or_insert_with(|| change.to_string());
    }
    // With a circle, everything on it is in doubt, not only the task whose dependency was cut.
    if let Err(defects) = TaskGraph::new(plan) {
        for defect in &defects {
            if let Defect::Cycle(cycle) = defect {
                let told = defect.to_string();
                for id in &cycle.ids {
                    why.entry(id.clone()).or_insert_with(|| told.clone());
                }
            }
        }
    }
    let mut set_aside = Vec::new();
    if let Ok(graph) = TaskGraph::new(&sound) {
        let mut is_held = vec![false; graph.node_count()];
        for node in graph.topological_order() {
            let index = graph.node(*node).task();
            let task = &mut sound.tasks[index.index()];
            let waits = graph.predecessors(*node).find(|(before, _)| is_held[before.index()]);
            let own = why.get(&task.id).cloned();
            if own.is_none() && waits.is_none() {
                continue;
            }
            is_held[node.index()] = true;
            // A group stands where its members do.
            if task.standing == Standing::Pending && !graph.is_group(index) {
                task.standing = Standing::OnHold;
                let because = own.unwrap_or_else(|| "what it waits for is on hold".to_owned());
                set_aside.push(Change::SetAside { task: task.id.clone(), because });
            }
        }
    }
    let mut changes = repairs;
    changes.extend(set_aside);
    (sound, changes)
}

/// Leaves out every dependency that closes a circle with those before it in the file.
fn part_circles(plan: &mut Plan, changes: &mut Vec<Change>) {
    let places: HashMap<TaskId, u32> =
        plan.tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place as u32)).collect();
    let parents: Vec<Option<u32>> =
        plan.tasks.iter().map(|task| places.get(task.parent.as_ref()?).copied()).collect();
    // Each task begins and ends; a group begins before its members and ends after them.
    let (begin, end) = (|task: u32| 2 * task, |task: u32| 2 * task + 1);
    let mut edges: Vec<(u32, u32)> =
        (0..plan.tasks.len() as u32).map(|task| (begin(task), end(task))).collect();
    for (child, parent) in parents.iter().enumerate() {
        let child = child as u32;
        edges.extend(
            parent.iter().flat_map(|group| [(begin(*group), begin(child)), (end(child), end(*group))]),
        );
    }
    let Some(mut order) = LiveOrder::of(&Digraph::of_edges(2 * plan.tasks.len(), &edges)) else { return };
    let is_above = |above: u32, task: u32| {
        std::iter::successors(parents[task as usize], |at| parents[*at as usize]).any(|at| at == above)
    };
    let is_excluded: Vec<bool> =
        plan.tasks.iter().map(|task| matches!(task.standing, Standing::Excluded(_))).collect();
    for (task, own) in plan.tasks.iter_mut().enumerate() {
        let (id, at) = (own.id.clone(), task as u32);
        own.dependencies.retain(|dependency| {
            let Some(on) = places.get(&dependency.on).copied() else { return true };
            if is_excluded[task] || is_excluded[on as usize] || order.add_edge(end(on), begin(at)).is_ok() {
                return true;
            }
            // On its own group or member: that is told, and means nothing.
            if is_above(on, at) || is_above(at, on) {
                return true;
            }
            let on = dependency.on.clone();
            changes.push(Change::DependencyRemoved { task: id.clone(), on, reason: Reason::Cycle });
            false
        });
    }
}

/// Leaves out the tasks that are the same throughout as the first of their id.
fn drop_equals(plan: &mut Plan, changes: &mut Vec<Change>) {
    let mut first: HashMap<TaskId, usize> = HashMap::new();
    let mut dropped = HashSet::new();
    for (place, task) in plan.tasks.iter().enumerate() {
        let before = *first.entry(task.id.clone()).or_insert(place);
        if before != place && plan.tasks[before] == *task {
            dropped.insert(place);
            changes.push(Change::Dropped { task: task.id.clone() });
        }
    }
    let mut place = 0;
    plan.tasks.retain(|_| {
        place += 1;
        !dropped.contains(&(place - 1))
    });
}

/// Gives each task whose id is that of an earlier one another.
fn rename_repeats(plan: &mut Plan, changes: &mut Vec<Change>) {
    let mut taken: HashSet<TaskId> = plan.tasks.iter().map(|task| task.id.clone()).collect();
    if taken.len() == plan.tasks.len() {
        return;
    }
    let mut seen: HashSet<TaskId> = HashSet::new();
    // Where the search for a free number goes on: the next repeat of an id need not begin anew.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for task in &mut plan.tasks {
        if seen.insert(task.id.clone()) {
            continue;
        }
        let stem: String = task.id.as_str().chars().take(60).collect();
        let number = numbers.entry(stem.clone()).or_insert(1);
        let new = loop {
            *number += 1;
            let new = TaskId::new(&format!("{stem}-{number}")).expect("an id with a number is an id");
            if taken.insert(new.clone()) {
                break new;
            }
        };
        let from = std::mem::replace(&mut task.id, new.clone());
        changes.push(Change::Renamed { from, to: new });
    }
}

/// Returns what unknown ids stand for, where only case or a prefix tells them from a known one.
fn meant(plan: &Plan, defects: &[Defect]) -> HashMap<TaskId, TaskId> {
    let suggestions = Suggestions::new(plan, defects);
    let unknown = defects.iter().filter_map(Defect::unknown_id);
    unknown.filter_map(|id| Some((id.clone(), suggestions.alike(id)?.clone()))).collect()
}

fn mend(
    plan: &mut Plan,
    defect: &Defect,
    meant: &HashMap<TaskId, TaskId>,
    gone: &mut HashMap<usize, HashSet<usize>>,
    changes: &mut Vec<Change>,
) {
    let mut remove = |plan: &Plan, task: TaskIndex, position: usize, reason: Reason| {
        if gone.entry(task.index()).or_default().insert(position) {
            let own = &plan.tasks[task.index()];
            let on = own.dependencies[position].on.clone();
            changes.push(Change::DependencyRemoved { task: own.id.clone(), on, reason });
        }
    };
    match defect {
        Defect::UnknownDependency { task, position, on, .. } => match meant.get(on) {
            Some(to) => {
                let own = &mut plan.tasks[task.index()];
                own.dependencies[*position].on = to.clone();
                changes.push(Change::Redirected { task: own.id.clone(), from: on.clone(), to: to.clone() });
            }
            None => remove(plan, *task, *position, Reason::Unknown),
        },
        Defect::SelfDependency { task, position, .. } => remove(plan, *task, *position, Reason::Itself),
        Defect::UnknownParent { task, parent, .. } => {
            let own = &mut plan.tasks[task.index()];
            match meant.get(parent).filter(|to| **to != own.id) {
                Some(to) => {
                    own.parent = Some(to.clone());
                    changes.push(Change::Redirected {
                        task: own.id.clone(),
                        from: parent.clone(),
                        to: to.clone(),
                    });
                }
                None => {
                    own.parent = None;
                    changes.push(Change::ParentRemoved {
                        task: own.id.clone(),
                        parent: parent.clone(),
                        reason: Reason::Unknown,
                    });
                }
            }
        }
        Defect::ParentCycle { tasks, .. } => orphan(plan, tasks[0], changes),
        Defect::Cycle(cycle) => {
            for cut in &cycle.cuts {
                match cut.origin {
                    Origin::Dependency { task, position } => remove(plan, task, position, Reason::Cycle),
                    Origin::Parent { .. } => unreachable!("only dependencies are cut"),
                }
            }
        }
        // Ids were made unique before.
        Defect::DuplicateId { .. } => {}
    }
}

fn orphan(plan: &mut Plan, child: TaskIndex, changes: &mut Vec<Change>) {
    let own = &mut plan.tasks[child.index()];
    if let Some(parent) = own.parent.take() {
        changes.push(Change::ParentRemoved { task: own.id.clone(), parent, reason: Reason::Cycle });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Dependency, Limits, Task, read};

    const BROKEN: &str = "\
tasks:
  - {id: API, depends_on: [setup, nowhere, API]}
  - {id: T-7, parent: api}
  - {id: T-7, title: other, depends_on: [7]}
  - {id: T-7, parent: api}
  - {id: x, depends_on: [y]}
  - {id: y, depends_on: [x]}
  - {id: z, depends_on: [y]}
  - {id: p, parent: q}
  - {id: q, parent: p}
  - {id: Setup}
  - {id: free}
";

    fn broken() -> Plan {
        read("x.yaml", BROKEN.as_bytes(), None, &Limits::default()).unwrap().plan
    }

    #[test]
    fn a_broken_plan_is_mended_by_little_and_all_of_it_is_told() {
        let (plan, changes) = repair(&broken());
        TaskGraph::new(&plan).unwrap();
        let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "T-7: was there twice, word for word",
                "T-7-2: was called T-7, as another task is",
                "T-7: names API instead of api",
                "p: no longer belongs to q: it closed a circle, and this was the cheapest place to cut it",
                "API: names Setup instead of setup",
                "API: no longer depends on nowhere: there is no such task",
                "API: no longer depends on API: it was the task itself",
                "T-7-2: names T-7 instead of 7",
                "y: no longer depends on x: it closed a circle, and this was the cheapest place to cut it",
            ]
        );
        assert_eq!(repair(&plan), (plan, vec![]));
    }

    #[test]
    fn what_is_broken_is_set_aside_and_the_rest_can_run() {
        let mut plan = broken();
        let unread = plan.tasks.len();
        plan.tasks.push(Task::new(TaskId::new("unread").unwrap()));
        plan.tasks.push(Task::new(TaskId::new("behind").unwrap()));
        plan.tasks[unread + 1].dependencies = vec![Dependency::on_completion(TaskId::new("unread").unwrap())];
        let (plan, changes) = isolate(&plan, &[TaskIndex::from_usize(unread)]);
        let graph = TaskGraph::new(&plan).unwrap();
        let is_group = |task: &Task| graph.is_group(graph.task_index(task.id.as_str()).unwrap());
        let pending: Vec<&str> = plan
            .tasks
            .iter()
            .filter(|task| task.standing == Standing::Pending && !is_group(task))
            .map(|task| task.id.as_str())
            .collect();
        assert_eq!(pending, ["Setup", "free"], "{changes:#?}");
    }

    #[test]
    fn circles_within_circles_are_parted_in_no_time() {
        let id = |number: usize| TaskId::new(&format!("t{number}")).unwrap();
        let tasks = (0..150).map(|number| {
            let mut task = Task::new(id(number));
            let others = (0..150).filter(|other| *other != number);
            task.dependencies = others.map(|other| Dependency::on_completion(id(other))).collect();
            task
        });
        let plan = Plan {
            name: "x".to_owned(),
            description: String::new(),
            agents: Vec::new(),
            tasks: tasks.collect(),
            extra: serde_json::Map::new(),
        };
        let (mended, changes) = repair(&plan);
        TaskGraph::new(&mended).unwrap();
        assert_eq!(changes.len(), 150 * 149 / 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_plan_can_be_mended(seed: u64, tasks in 1..12_usize) {
            let mut random = crate::random::Random::new(seed);
            let name = |random: &mut crate::random::Random| {
                let number = random.below(tasks + 2);
                let text = if random.percent(20) { format!("t{number}") } else { format!("T{number}") };
                TaskId::new(&text).expect("it is one")
            };
            let tasks = (0..tasks).map(|_| {
                let mut task = Task::new(name(&mut random));
                task.parent = random.percent(40).then(|| name(&mut random));
                for _ in 0..random.below(4) {
                    task.dependencies.push(Dependency::on_completion(name(&mut random)));
                }
                task
            });
            let plan = Plan {
                name: "x".to_owned(),
                description: String::new(),
                agents: Vec::new(),
                tasks: tasks.collect(),
                extra: serde_json::Map::new(),
            };
            let (mended, changes) = repair(&plan);
            prop_assert!(TaskGraph::new(&mended).is_ok());
            prop_assert_eq!(changes.is_empty(), TaskGraph::new(&plan).is_ok());
            prop_assert!(TaskGraph::new(&isolate(&plan, &[]).0).is_ok());
        }
    }
}
