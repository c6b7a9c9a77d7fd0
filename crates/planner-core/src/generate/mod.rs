//! Plans made up from a seed, for tests and measurements: the same seed always gives the same plan.
//!
//! Tasks are made one after the other and none is held, so that a plan of a million tasks can be written in constant memory.

mod layered;
mod services;
mod shape;

use std::num::NonZeroUsize;

pub use layered::LayeredShape;
pub use shape::Answers;

use self::layered::Layers;
use self::services::{ServiceShape, Services};
use self::shape::Shape;
use crate::random::Random;
use crate::write::issue_line;
use crate::{Effort, Format, Plan, Priority, Task, TaskId};

/// What agents can do in made-up plans.
const CAPABILITIES: [&str; 8] = ["rust", "python", "web", "database", "security", "qa", "docs", "devops"];

/// What a made-up plan is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanKind {
    /// A chain: one after the other.
    Simple,
    /// A platform of services: one for every 50 tasks, groups up to five deep; 30 % of the tasks have one to three dependencies, a
    /// fifth of which lead into other services.
    Complex,
    /// The same with groups up to eight deep, 40 % of the tasks with dependencies, and much said about each.
    Extreme,
    /// A hundred tasks a layer, each of which depends on one to three of the layer before.
    Layered,
    /// No task waits for another.
    Independent,
    /// One, then all others at once, then one.
    ForkJoin,
    /// Pairs, of which each waits for both of the pair before.
    Ladder,
    /// Each task has two that wait for it.
    Tree,
    /// Rows and columns: each waits for its neighbours above and to the left.
    Grid,
    /// Levels that are joined as in a fast Fourier transform.
    Butterfly,
}

impl PlanKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Simple,
        Self::Complex,
        Self::Extreme,
        Self::Layered,
        Self::Independent,
        Self::ForkJoin,
        Self::Ladder,
        Self::Tree,
        Self::Grid,
        Self::Butterfly,
    ];

    /// Returns the name that people choose it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Complex => "complex",
            Self::Extreme => "extreme",
            Self::Layered => "layered",
            Self::Independent => "independent",
            Self::ForkJoin => "fork-join",
            Self::Ladder => "ladder",
            Self::Tree => "tree",
            Self::Grid => "grid",
            Self::Butterfly => "butterfly",
        }
    }

    /// Returns the kind of that name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    fn shape(self) -> Option<Shape> {
        match self {
            Self::Simple => Some(Shape::Chain),
            Self::Independent => Some(Shape::Independent),
            Self::ForkJoin => Some(Shape::ForkJoin),
            Self::Ladder => Some(Shape::Ladder),
            Self::Tree => Some(Shape::Tree),
            Self::Grid => Some(Shape::Grid),
            Self::Butterfly => Some(Shape::Butterfly),
            Self::Complex | Self::Extreme | Self::Layered => None,
        }
    }
}

/// A plan that is made while it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeUp {
    kind: PlanKind,
    tasks: usize,
    seed: u64,
}

impl MadeUp {
    /// Returns the plan of that kind, of so many tasks and groups, that follows from the seed; one whose answers are known needs none.
    pub const fn new(kind: PlanKind, tasks: usize, seed: u64) -> Self {
        Self { kind, tasks, seed }
    }

    /// Returns its tasks, one after the other.
    pub fn tasks(&self) -> impl Iterator<Item = Task> + Clone + use<> {
        Tasks::of(self)
    }

    /// Returns all of it.
    pub fn plan(&self) -> Plan {
        plan(self.name(), self.tasks().collect())
    }

    /// Returns the text of the plan piece by piece, a task at a time; none for a format that takes more than one look at the tasks.
    pub fn pieces(&self, format: Format) -> Option<impl Iterator<Item = String> + Clone + use<>> {
        let name = self.name();
        let (head, between, tail) = match format {
            Format::Json => (format!("{{\"name\":\"{name}\",\"tasks\":[\n"), ",\n", "\n]}\n"),
            // JSON is YAML.
            Format::Yaml => (format!("name: {name}\ntasks:\n"), "\n", "\n"),
            Format::Beads => (String::new(), "", ""),
            _ => return None,
        };
        let tasks = self.tasks().enumerate().map(move |(place, task)| {
            let between = if place > 0 { between } else { "" };
            match format {
                Format::Beads => issue_line(&task),
                Format::Yaml => format!("{between}  - {}", as_json(&task)),
                _ => format!("{between}{}", as_json(&task)),
            }
        });
        Some(std::iter::once(head).chain(tasks).chain(std::iter::once(tail.to_owned())))
    }

    /// Returns what is known of it without looking, if it has a shape for which that can be said.
    pub fn answers(&self) -> Option<Answers> {
        Some(self.kind.shape()?.answers(self.tasks))
    }

    fn name(&self) -> String {
        format!("{}-{}", self.kind.as_str(), self.tasks)
    }
}

/// The tasks of a plan that are still to be made.
#[derive(Debug, Clone)]
enum Tasks {
    Services(Services),
    Layers(Layers),
    Shape { shape: Shape, made: usize, tasks: usize },
}

impl Tasks {
    fn of(plan: &MadeUp) -> Self {
        const TASKS_PER_LAYER: usize = 100;
        let MadeUp { kind, tasks, seed } = *plan;
        if let Some(shape) = kind.shape() {
            return Self::Shape { shape, made: 0, tasks };
        }
        let layered = NonZeroUsize::new(tasks).filter(|_| kind == PlanKind::Layered);
        match layered {
            Some(tasks) => {
                let layers = NonZeroUsize::MIN
                    .max(tasks.div_ceil(NonZeroUsize::new(TASKS_PER_LAYER).expect("it is not 0")));
                Self::Layers(Layers::new(LayeredShape { tasks, layers, dependencies_max: 3 }, seed))
            }
            None if kind == PlanKind::Extreme => {
                Self::Services(Services::new(ServiceShape::EXTREME, tasks, seed))
            }
            None => Self::Services(Services::new(ServiceShape::COMPLEX, tasks, seed)),
        }
    }
}

impl Iterator for Tasks {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        match self {
            Self::Services(services) => services.next(),
            Self::Layers(layers) => layers.next(),
            Self::Shape { shape, made, tasks } => {
                let number = *made;
                *made += 1;
                (number < *tasks).then(|| shape.task(number, *tasks))
            }
        }
    }
}

/// Returns a plan of exactly that many tasks and groups, of the kind [`PlanKind::Complex`].
pub fn complex(tasks: usize, seed: u64) -> Plan {
    MadeUp::new(PlanKind::Complex, tasks, seed).plan()
}

/// Returns a plan of layers of the same size, the last one smaller where that does not come out even.
pub fn layered(shape: LayeredShape, seed: u64) -> Plan {
    plan(format!("layered-{}", shape.tasks), Layers::new(shape, seed).collect())
}

fn plan(name: String, tasks: Vec<Task>) -> Plan {
    Plan { name, description: String::new(), agents: Vec::new(), tasks, extra: serde_json::Map::new() }
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("made-up ids are valid")
}

fn as_json(task: &Task) -> String {
    serde_json::to_string(task).expect("a task is a map of plain values")
}

/// Returns a task of that id with made-up work.
fn work(random: &mut Random, id: TaskId) -> Task {
    let title = format!("Do {id}");
    let mut task = Task { title, ..Task::new(id) };
    task.effort = Some(Effort::from_millis((1 + random.below(32)) as u64 * Effort::DEFAULT.as_millis() / 2));
    task.priority = match random.below(10) {
        0 => Priority::Critical,
        1 | 2 => Priority::High,
        3..=7 => Priority::Medium,
        _ => Priority::Low,
    };
    task.capabilities = [CAPABILITIES[random.below(CAPABILITIES.len())]].into_iter().collect();
    task
}

/// Says more about a task: what is to be done, when it counts as done, and what nobody here reads.
fn add_detail(random: &mut Random, task: &mut Task) {
    const WORDS: [&str; 8] =
        ["limits", "errors", "tests", "manual", "logging", "migration", "access", "metrics"];
    let word = |random: &mut Random| WORDS[random.below(WORDS.len())];
    let about: Vec<&str> = (0..6 + random.below(20)).map(|_| word(random)).collect();
    task.description = format!("Work on {}.\n\nMind the {}.", about.join(", "), word(random));
    let criteria: Vec<String> = (0..1 + random.below(4))
        .map(|number| format!("{number}: the {} are checked", word(random)))
        .collect();
    let labels = [word(random), word(random)];
    let risk = random.below(5);
    task.extra.insert("acceptance", criteria.into());
    task.extra.insert("labels", serde_json::json!(labels));
    task.extra.insert(
        "metadata",
        serde_json::json!({ "risk": risk, "reviewed": random.percent(50), "team": { "name": word(random) } }),
    );
    let abilities = (0..1 + random.below(3)).map(|_| CAPABILITIES[random.below(CAPABILITIES.len())]);
    task.capabilities = abilities.collect();
}

fn sort_and_drop_repeats(task: &mut Task) {
    task.dependencies.sort_unstable_by(|a, b| a.on.cmp(&b.on));
    task.dependencies.dedup();
}

#[cfg(test)]
mod tests;
