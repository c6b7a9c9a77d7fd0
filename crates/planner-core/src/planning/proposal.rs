//! The breakdown: asking, checking, asking again.

use std::collections::{HashMap, HashSet};

use super::Part;
use crate::format::Limits;
use crate::graph::Digraph;
use crate::{CapabilitySet, Dependency, Effort, Plan, Task, TaskGraph, TaskId};

/// Breaks tasks down.
pub trait Decomposer {
    /// Returns the parts of a task, none if it is small enough, or why there is no answer. What was wrong with the answer before
    /// is in [`Ask::error`].
    fn parts(&mut self, ask: &Ask<'_>) -> Result<Vec<Part>, String>;
}

/// What is to be broken down.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The goal of the whole.
    pub goal: &'a str,
    /// The titles from the goal down to the task.
    pub path: &'a [String],
    /// The keys on that way, without one for the goal.
    pub keys: &'a [String],
    /// What the task is about.
    pub description: &'a str,
    /// What was wrong with the answer before.
    pub error: Option<&'a str>,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many levels below the goal.
    pub depth_max: usize,
    /// How many tasks and groups in all.
    pub tasks_max: usize,
    /// How often one task is asked about again after a bad answer.
    pub retries_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { depth_max: 6, tasks_max: 5_000, retries_max: 2 }
    }
}

/// Why there is no proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanningError {
    /// The goal says nothing.
    #[error("the goal is empty")]
    NoGoal,
    /// No answer was good.
    #[error("`{task}` was not broken down after {attempts} attempts: {last}")]
    NoAnswer {
        /// The title of the task.
        task: String,
        /// How often it was asked.
        attempts: usize,
        /// What was wrong with the last answer.
        last: String,
    },
    /// The goal itself has no parts.
    #[error("nothing is known that the goal could be broken down into")]
    Nothing,
    /// The parts are more than were allowed.
    #[error("the breakdown has more than the {0} tasks allowed")]
    TooMany(usize),
}

/// A plan that nobody has approved yet.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a proposal is nothing until somebody approves it"]
pub struct Proposal {
    plan: Plan,
    /// What was put right in the answers.
    pub repairs: Vec<String>,
}

impl Proposal {
    /// Returns the plan, to be looked at.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the plan, to be used.
    pub fn approve(self) -> Plan {
        self.plan
    }
}

/// A task that is to be broken down.
struct Open {
    id: Option<TaskId>,
    path: Vec<String>,
    keys: Vec<String>,
    description: String,
}

/// Returns a sound plan for the goal: groups for what was broken down, tasks with acceptance criteria for what was not. Titles
/// are distinct, and no part waits for itself by way of others.
pub fn propose(
    goal: &str,
    decomposer: &mut dyn Decomposer,
    bounds: Bounds,
) -> Result<Proposal, PlanningError> {
    let goal = goal.trim();
    if goal.is_empty() {
        return Err(PlanningError::NoGoal);
    }
    let mut building = Building { goal, tasks: Vec::new(), titles: HashSet::new(), repairs: Vec::new() };
    let root = Open { id: None, path: vec![goal.to_owned()], keys: Vec::new(), description: goal.to_owned() };
    let mut open = vec![root];
    while let Some(task) = open.pop() {
        let parts = building.ask(&task, decomposer, bounds)?;
        if parts.is_empty() && task.id.is_none() {
            return Err(PlanningError::Nothing);
        }
        if building.tasks.len() + parts.len() > bounds.tasks_max.min(Limits::default().tasks_max) {
            return Err(PlanningError::TooMany(bounds.tasks_max));
        }
        let mut below = building.add(&task, parts);
        if task.keys.len() + 1 < bounds.depth_max {
            below.reverse();
            open.extend(below);
        }
    }
    building.finish()
}

struct Building<'g> {
    goal: &'g str,
    tasks: Vec<Task>,
    titles: HashSet<String>,
    repairs: Vec<String>,
}

impl Building<'_> {
    /// Returns the first good answer.
    fn ask(
        &mut self,
        task: &Open,
        decomposer: &mut dyn Decomposer,
        bounds: Bounds,
    ) -> Result<Vec<Part>, PlanningError> {
        let mut error: Option<String> = None;
        for _ in 0..=bounds.retries_max {
            let ask = Ask {
                goal: self.goal,
                path: &task.path,
                keys: &task.keys,
                description: &task.description,
                error: error.as_deref(),
            };
            match decomposer.parts(&ask).and_then(|parts| self.checked(task, parts)) {
                Ok(parts) => return Ok(parts),
                Err(wrong) => error = Some(wrong),
            }
        }
        Err(PlanningError::NoAnswer {
            task: task.path.last().cloned().unwrap_or_default(),
            attempts: bounds.retries_max + 1,
            last: error.unwrap_or_default(),
        })
    }

    /// Puts small things right; says what cannot be.
    fn checked(&mut self, task: &Open, mut parts: Vec<Part>) -> Result<Vec<Part>, String> {
        let about = task.path.last().cloned().unwrap_or_default();
        for (place, part) in parts.iter_mut().enumerate() {
            part.title = part.title.split_whitespace().collect::<Vec<_>>().join(" ");
            if part.title.is_empty() {
                return Err(format!("part {} of `{about}` has no title", place + 1));
            }
            let key = crate::format::slug(if part.key.trim().is_empty() { &part.title } else { &part.key });
            if part.key != key {
                self.repairs.push(format!("the part `{}` of `{about}` goes by the key `{key}`", part.title));
            }
            part.after = part.after.iter().map(|key| crate::format::slug(key)).collect();
            part.key = key;
        }
        let mut places: HashMap<String, u32> = HashMap::new();
        for (place, part) in parts.iter().enumerate() {
            if places.insert(part.key.clone(), place as u32).is_some() {
                return Err(format!("two parts of `{about}` have the key `{}`", part.key));
            }
        }
        for part in &mut parts {
            let (known, unknown): (Vec<String>, Vec<String>) = std::mem::take(&mut part.after)
                .into_iter()
                .partition(|key| places.contains_key(key) && *key != part.key);
            for key in unknown {
                self.repairs
                    .push(format!("`{}` no longer comes after `{key}`, which is no other part", part.title));
            }
            part.after = known;
        }
        let edges: Vec<(u32, u32)> = parts
            .iter()
            .flat_map(|part| part.after.iter().map(|before| (places[before], places[&part.key])))
            .collect();
        let graph = Digraph::of_edges(parts.len(), &edges);
        let components = graph.components();
        if components.count < parts.len() {
            let circle = components.sizes().iter().position(|size| *size > 1).unwrap_or(0) as u32;
            let keys = parts.iter().zip(&components.of).filter(|(_, of)| **of == circle);
            let keys: Vec<&str> = keys.map(|(part, _)| part.key.as_str()).collect();
            return Err(format!("these parts of `{about}` wait for each other: {}", keys.join(", ")));
        }
        Ok(parts)
    }

    /// Adds the parts; returns those that are to be broken down.
    fn add(&mut self, group: &Open, parts: Vec<Part>) -> Vec<Open> {
        let id_of = |key: &str| {
            let prefix = group.id.as_ref().map(|id| format!("{id}.")).unwrap_or_default();
            TaskId::new(&format!("{prefix}{key}")).or_else(|_| TaskId::new(key)).ok()
        };
        let mut below = Vec::new();
        for part in parts {
            let Some(id) = id_of(&part.key) else { continue };
            let mut task = Task::new(id.clone());
            task.title = self.distinct(&part.title, group);
            task.parent = group.id.clone();
            task.description = part.description.clone();
            task.dependencies =
                part.after.iter().filter_map(|key| id_of(key)).map(Dependency::on_completion).collect();
            task.capabilities = part.capabilities.iter().map(String::as_str).collect::<CapabilitySet>();
            task.effort = part.effort_hours.and_then(|hours| Effort::from_hours(hours).ok());
            let acceptance = match part.acceptance.is_empty() {
                true => vec![format!("{}: somebody else has looked at it and found it done", task.title)],
                false => part.acceptance,
            };
            task.extra.insert("acceptance", acceptance.into());
            if part.compound {
                let keys = group.keys.iter().cloned().chain([part.key]).collect();
                let path = group.path.iter().cloned().chain([task.title.clone()]).collect();
                below.push(Open { id: Some(id), path, keys, description: part.description });
            }
            self.tasks.push(task);
        }
        below
    }

    /// Returns the title, with that of its group where another task has the same.
    fn distinct(&mut self, title: &str, group: &Open) -> String {
        let mut distinct = title.to_owned();
        let mut number = 1;
        while !self.titles.insert(distinct.to_lowercase()) {
            distinct = match number {
                1 => format!("{title} ({})", group.path.last().map_or("", String::as_str)),
                _ => format!("{title} ({number})"),
            };
            number += 1;
        }
        distinct
    }

    fn finish(mut self) -> Result<Proposal, PlanningError> {
        // What was broken down is a group: its parts are the work.
        let groups: HashSet<TaskId> = self.tasks.iter().filter_map(|task| task.parent.clone()).collect();
        for task in self.tasks.iter_mut().filter(|task| groups.contains(&task.id)) {
            task.effort = None;
        }
        let plan = Plan {
            name: crate::format::slug(self.goal),
            description: self.goal.to_owned(),
            agents: Vec::new(),
            tasks: self.tasks,
            extra: serde_json::Map::new(),
        };
        let plan = match TaskGraph::new(&plan) {
            Ok(_) => plan,
            Err(_) => {
                let (sound, changes) = crate::repair(&plan);
                self.repairs.extend(changes.iter().map(ToString::to_string));
                sound
            }
        };
        Ok(Proposal { plan, repairs: self.repairs })
    }
}
