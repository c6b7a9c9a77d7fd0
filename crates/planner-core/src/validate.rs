//! Everything that is wrong or odd with a plan, at once, and its graph if nothing is wrong.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::analysis::is_to_do;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, quoted};
use crate::format::{Reading, TaskPlaces};
use crate::graph::{Cycle, CycleEdge, Defect, Ignored, IgnoredReason, Origin};
use crate::repair;
use crate::suggest::Suggestions;
use crate::{
    AgentProfile, Capability, CapabilitySet, Dependency, Effort, Plan, Standing, Task, TaskGraph, TaskId,
    TaskIndex,
};

/// How many capabilities a message names.
const NAMES_SHOWN_MAX: usize = 5;
/// How many labels a cycle gets: a way around can be as long as the plan.
const CYCLE_LABELS_MAX: usize = 12;
/// How many of the dependencies to leave out a message names.
const CUTS_NAMED_MAX: usize = 5;

/// What there is to say about a plan file.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The graph; none if there is any error.
    pub graph: Option<TaskGraph>,
    /// What was told while reading, then errors, then contradictions.
    pub diagnostics: Vec<Diagnostic>,
}

impl Validated {
    /// Returns how many errors there are.
    pub fn error_count(&self) -> usize {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        errors.count()
    }
}

/// Returns the graph of what was read, and all problems, those found while reading among them.
pub fn validate(reading: &Reading) -> Validated {
    let mut report = Report {
        plan: &reading.plan,
        reading,
        places: OnceCell::new(),
        diagnostics: Diagnostics::new(reading.options().limits.diagnostics_per_code_max),
    };
    let graph = match TaskGraph::new(&reading.plan) {
        Ok(graph) => {
            for ignored in graph.ignored() {
                report.ignored(*ignored);
            }
            report.oddities(&graph);
            Some(graph)
        }
        Err(defects) => {
            let mut suggestions = Suggestions::new(&reading.plan, &defects);
            for defect in &defects {
                report.defect(defect, &mut suggestions);
            }
            // What else there is to say is said of the plan as it is without its defects.
            if let Ok(graph) = TaskGraph::new(&repair::in_place(&reading.plan)) {
                report.oddities(&graph);
            }
            None
        }
    };
    let mut diagnostics = reading.diagnostics.clone();
    diagnostics.extend(report.diagnostics.finish());
    let is_sound = diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error);
    Validated { graph: graph.filter(|_| is_sound), diagnostics }
}

struct Report<'r> {
    plan: &'r Plan,
    reading: &'r Reading,
    /// Where the tasks were written; found out when it is first asked for.
    places: OnceCell<Vec<TaskPlaces>>,
    diagnostics: Diagnostics,
}

impl<'r> Report<'r> {
    fn task(&self, task: TaskIndex) -> &'r Task {
        &self.plan.tasks[task.index()]
    }

    fn places(&self, task: TaskIndex) -> &TaskPlaces {
        &self.places.get_or_init(|| self.reading.places())[task.index()]
    }

    fn name(&self, task: TaskIndex) -> String {
        quoted(self.task(task).id.as_str())
    }

    fn defect(&mut self, defect: &Defect, suggestions: &mut Suggestions<'_>) {
        match defect {
            Defect::DuplicateId { first, second, .. } => {
                let (first, second) = (self.places(*first).id, self.places(*second).id);
                self.diagnostics.push("duplicate-id", || {
                    Diagnostic::error("duplicate-id", defect.to_string())
                        .at(second, "given again here")
                        .at(first, "given here")
                });
            }
            Defect::UnknownDependency { task, position, on, .. } => {
                let place = self.places(*task).dependencies[*position];
                let nearest = suggestions.nearest(on);
                self.diagnostics.push("unknown-dependency", || {
                    let told =
                        Diagnostic::error("unknown-dependency", defect.to_string()).at(place, "no such task");
                    told.help(meant_or(nearest, "add a task of this id, or remove the dependency"))
                });
            }
            Defect::UnknownParent { task, parent, .. } => {
                let places = self.places(*task);
                let place = places.parent.unwrap_or(places.id);
                let nearest = suggestions.nearest(parent);
                self.diagnostics.push("unknown-parent", || {
                    let told = Diagnostic::error("unknown-parent", defect.to_string());
                    told.at(place, "no such task")
                        .help(meant_or(nearest, "add a task of this id, or name no parent"))
                });
            }
            Defect::SelfDependency { task, position, .. } => {
                let place = self.places(*task).dependencies[*position];
                self.diagnostics.push("self-dependency", || {
                    Diagnostic::error("self-dependency", defect.to_string())
                        .at(place, "this is the task itself")
                        .help("remove it")
                });
            }
            Defect::ParentCycle { tasks, .. } => {
                let told = tasks.iter().take(CYCLE_LABELS_MAX).map(|task| self.places(*task));
                let places: Vec<_> = told.map(|places| places.parent.unwrap_or(places.id)).collect();
                self.diagnostics.push("parent-cycle", || {
                    let told = Diagnostic::error("parent-cycle", defect.to_string());
                    places
                        .iter()
                        .fold(told, |told, place| told.at(*place, "this parent is also a descendant"))
                });
            }
            Defect::Cycle(cycle) => self.cycle(cycle),
        }
    }

    fn cycle(&mut self, cycle: &Cycle) {
        let told = cycle.path.iter().filter(|edge| is_worth_a_label(edge)).take(CYCLE_LABELS_MAX);
        let labels: Vec<_> = told.map(|edge| self.edge(edge)).collect();
        let cuts = cycle.cuts.iter().take(CYCLE_LABELS_MAX);
        let cut_places: Vec<_> = cuts.map(|cut| self.edge(cut).0).collect();
        let help = self.way_out(cycle);
        let others = cycle.tasks_involved.saturating_sub(cycle.ids.iter().collect::<HashSet<_>>().len());
        self.diagnostics.push("cycle", || {
            let mut told = Diagnostic::error("cycle", cycle.to_string());
            if others > 0 {
                told.message.push_str(&format!("; {others} more are part of it by other ways"));
            }
            let told = labels.into_iter().fold(told, |told, (place, text)| told.at(place, text));
            let told = cut_places.into_iter().fold(told, |told, place| told.at(place, "cut here"));
            told.help(help)
        });
    }

    /// Returns which dependencies to leave out, in a sentence.
    fn way_out(&self, cycle: &Cycle) -> String {
        let pairs = cycle.cuts.iter().take(CUTS_NAMED_MAX);
        let pairs: Vec<_> = pairs.map(|cut| (self.name(cut.to.task()), self.name(cut.from.task()))).collect();
        let mut named: Vec<String> = match &pairs[..] {
            [] => Vec::new(),
            [(task, on), others @ ..] => std::iter::once(format!("let {task} no longer depend on {on}"))
                .chain(others.iter().map(|(task, on)| format!("{task} on {on}")))
                .collect(),
        };
        let unnamed = cycle.cuts.len() - pairs.len();
        if unnamed > 0 {
            named.push(format!("cut {unnamed} more"));
        }
        let all = match named.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{}, and {last}", others.join(", ")),
            _ => named.concat(),
        };
        match (cycle.is_parted, cycle.cuts.len()) {
            (true, 1) => format!("the cheapest way out: {all}"),
            (true, count) => format!("the cheapest way out, without {count} dependencies: {all}"),
            (false, _) => format!("to begin with, {all}; what is left waits for itself by still other ways"),
        }
    }

    /// Returns where an edge was written, and what it says.
    fn edge(&self, edge: &CycleEdge) -> (crate::format::Span, String) {
        match edge.origin {
            Origin::Dependency { task, position } => (
                self.places(task).dependencies[position],
                format!("{} waits for {}", self.name(task), self.name(edge.from.task())),
            ),
            Origin::Parent { child } => {
                let places = self.places(child);
                let group = if edge.from.task() == child { edge.to } else { edge.from };
                (
                    places.parent.unwrap_or(places.id),
                    format!("{} is part of {}", self.name(child), self.name(group.task())),
                )
            }
        }
    }

    fn ignored(&mut self, ignored: Ignored) {
        let place = self.places(ignored.task).dependencies[ignored.position];
        let name = self.name(ignored.task);
        let on = quoted(self.task(ignored.task).dependencies[ignored.position].on.as_str());
        match ignored.reason {
            IgnoredReason::OwnAncestor => self.diagnostics.push("depends-on-own-group", || {
                Diagnostic::warning(
                    "depends-on-own-group",
                    format!("{name} depends on {on}, the group that it is part of"),
                )
                .at(place, "left out: a group ends after its tasks")
                .help("remove it; the tasks of a group begin when the group does")
            }),
            IgnoredReason::OwnDescendant => self.diagnostics.push("depends-on-own-member", || {
                Diagnostic::warning(
                    "depends-on-own-member",
                    format!("the group {name} depends on {on}, which is part of it"),
                )
                .at(place, "left out: a group ends after its tasks anyway")
            }),
            IgnoredReason::OnExcluded => self.diagnostics.push("depends-on-excluded", || {
                Diagnostic::note(
                    "depends-on-excluded",
                    format!("{name} does not wait for {on}, which never runs"),
                )
                .at(place, "left out")
            }),
        }
    }

    /// Tells what is odd about tasks, whether or not the plan has defects too.
    fn oddities(&mut self, graph: &TaskGraph) {
        self.contradictions(graph);
        self.tasks_for_nobody(graph);
        self.repeated_dependencies();
        self.ids_alike();
    }

    fn contradictions(&mut self, graph: &TaskGraph) {
        let mut group_efforts: Vec<TaskIndex> = Vec::new();
        for index in graph.tasks() {
            let task = self.task(index);
            if matches!(task.standing, Standing::Excluded(_)) {
                continue;
            }
            if graph.is_group(index) && task.effort.is_some_and(|effort| effort > Effort::ZERO) {
                group_efforts.push(index);
            }
            if graph.is_group(index) && task.check.is_some() {
                let place = self.places(index).id;
                let name = self.name(index);
                self.diagnostics.push("group-with-check", || {
                    Diagnostic::warning(
                        "group-with-check",
                        format!("the check of {name} never runs: it is a group"),
                    )
                    .at(place, "has children")
                });
            }
            if is_to_do(task)
                && !graph.is_group(index)
                && let Some(group) = graph.parent_of(index)
                && self.task(group).standing == Standing::Completed
            {
                let (name, group_name) = (self.name(index), self.name(group));
                let (place, group_place) = (self.places(index).id, self.places(group).id);
                self.diagnostics.push("completed-group-with-open-task", || {
                    let message = format!("{name} is open, but its group {group_name} is completed");
                    Diagnostic::warning("completed-group-with-open-task", message)
                        .at(place, "still to be done")
                        .at(group_place, "completed")
                });
            }
            if task.standing == Standing::Completed && !graph.is_group(index) {
                self.completed_before_its_dependencies(graph, index);
            }
        }
        self.efforts_of_groups(&group_efforts);
    }

    fn repeated_dependencies(&mut self) {
        for (index, task) in self.plan.tasks.iter().enumerate() {
            let written = &task.dependencies;
            let Some((first, second)) = repeated(written) else { continue };
            let index = TaskIndex::from_usize(index);
            let places = [second, first].map(|place| self.places(index).dependencies[place]);
            let (name, on) = (self.name(index), quoted(written[second].on.as_str()));
            self.diagnostics.push("repeated-dependency", || {
                Diagnostic::note("repeated-dependency", format!("{name} depends on {on} twice"))
                    .at(places[0], "written again here")
                    .at(places[1], "written here")
            });
        }
    }

    /// Tells of ids that differ only in their case: people, and some file systems, take one for the other.
    fn ids_alike(&mut self) {
        let mut seen: HashMap<String, TaskIndex> = HashMap::new();
        for (index, task) in self.plan.tasks.iter().enumerate() {
            // Without letters of both cases there is nothing to tell apart.
            if !task.id.as_str().chars().any(char::is_alphabetic) {
                continue;
            }
            let second = TaskIndex::from_usize(index);
            let first = *seen.entry(task.id.as_str().to_lowercase()).or_insert(second);
            // One that is given twice is told as such.
            if first == second || self.task(first).id == task.id {
                continue;
            }
            let places = [second, first].map(|task| self.places(task).id);
            let names = [first, second].map(|task| self.name(task));
            self.diagnostics.push("ids-alike", || {
                let message = format!("the ids {} and {} differ only in their case", names[0], names[1]);
                Diagnostic::warning("ids-alike", message)
                    .at(places[0], "this one")
                    .at(places[1], "and this one")
            });
        }
    }

    /// Tells of tasks that wait for ever, because the plan names its agents and none of them can do these.
    fn tasks_for_nobody(&mut self, graph: &TaskGraph) {
        let agents = &self.plan.agents;
        if agents.is_empty() {
            return;
        }
        let mut is_covered: HashMap<&CapabilitySet, bool> = HashMap::new();
        for index in graph.tasks() {
            let task = self.task(index);
            let covers = |agent: &AgentProfile| agent.capabilities.covers(&task.capabilities);
            if !is_to_do(task)
                || graph.is_group(index)
                || task.capabilities.is_empty()
                || *is_covered.entry(&task.capabilities).or_insert_with(|| agents.iter().any(covers))
            {
                continue;
            }
            let places = self.places(index);
            let place = places.capabilities.unwrap_or(places.id);
            let name = self.name(index);
            self.diagnostics.push("no-agent", || {
                let lacks =
                    agents.iter().map(|agent| (agent, agent.capabilities.missing(&task.capabilities)));
                let (nearest, missing) =
                    lacks.min_by_key(|(_, missing)| missing.len()).expect("there is at least one agent");
                let (nearest, missing) = (quoted(&nearest.name), listed(&missing));
                let message =
                    format!("no agent of the plan can do {name}: the nearest, {nearest}, lacks {missing}");
                Diagnostic::warning("no-agent", message)
                    .at(place, "no agent has all of these")
                    .help("add what is missing to the capabilities of an agent, or ask for less")
            });
        }
    }

    fn completed_before_its_dependencies(&mut self, graph: &TaskGraph, index: TaskIndex) {
        let task = self.task(index);
        let open = task.dependencies.iter().enumerate().find_map(|(position, dependency)| {
            let on = graph.task_index(dependency.on.as_str())?;
            (is_to_do(self.task(on)) && !graph.is_group(on)).then_some((position, on))
        });
        let Some((position, on)) = open else { return };
        let (name, on) = (self.name(index), self.name(on));
        let place = self.places(index).dependencies[position];
        self.diagnostics.push("completed-before-its-dependency", || {
            let message = format!("{name} is completed, but what it depends on, {on}, is not");
            Diagnostic::warning("completed-before-its-dependency", message).at(place, "still to be done")
        });
    }

    fn efforts_of_groups(&mut self, groups: &[TaskIndex]) {
        let Some(first) = groups.first().copied() else {
            return;
        };
        let sum: Effort = groups.iter().filter_map(|group| self.task(*group).effort).sum();
        let places = self.places(first);
        let place = places.effort.unwrap_or(places.id);
        self.diagnostics.push("group-with-effort", || {
            let what = match groups.len() {
                1 => "the effort of one group does".to_owned(),
                count => format!("the efforts of {count} groups do"),
            };
            let message = format!("{what} not count ({sum} in all): only their tasks are work");
            Diagnostic::note("group-with-effort", message).at(place, "not counted")
        });
    }
}

/// Returns the places of the first entry that is written twice.
fn repeated(written: &[Dependency]) -> Option<(usize, usize)> {
    const COMPARED_IN_PLACE: usize = 16;
    if written.len() <= COMPARED_IN_PLACE {
        return (1..written.len()).find_map(|second| {
            Some((written[..second].iter().position(|other| *other == written[second])?, second))
        });
    }
    let mut seen = HashMap::new();
    written
        .iter()
        .enumerate()
        .find_map(|(second, dependency)| Some((seen.insert(dependency, second)?, second)))
}

/// Returns what to do about an id that does not exist.
fn meant_or(nearest: Option<&TaskId>, otherwise: &str) -> String {
    nearest.map_or_else(|| otherwise.to_owned(), |id| format!("did you mean {}?", quoted(id.as_str())))
}

/// Returns some of the names, and how many more there are.
fn listed(names: &[Capability]) -> String {
    let mut shown: Vec<String> =
        names.iter().take(NAMES_SHOWN_MAX).map(|name| quoted(name.as_str())).collect();
    if names.len() > NAMES_SHOWN_MAX {
        shown.push(format!("{} more", names.len() - NAMES_SHOWN_MAX));
    }
    match shown.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => shown.concat(),
    }
}

/// A child's parenthood is on a cycle twice where the way leads into its group and out again: it is told once.
fn is_worth_a_label(edge: &CycleEdge) -> bool {
    match edge.origin {
        Origin::Dependency { .. } => true,
        Origin::Parent { child } => edge.from.task() != child,
    }
}

#[cfg(test)]
mod tests;
