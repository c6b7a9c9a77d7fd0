//! What people change while a project runs: what is to be done, by whom, and whether at all.

use std::collections::BTreeSet;

use planner_core::graph::{Node, TaskIndex};
use planner_core::{Standing, Task};
use state_store::Timestamp;
use state_store::task::{
    CancelReason, Event, Project, ProjectKey, ProjectRules, TaskKey, TaskState, Transition,
};

use crate::engine::decide::Events;
use crate::engine::{Engine, Pausable, Reach, Refusal};

impl Engine {
    pub(super) fn decide_cancel(&self, task: TaskKey, reason: &str, reach: Reach, now: Timestamp) -> Events {
        match reach {
            Reach::Task => self.step(task, cancel(reason), now),
            Reach::Dependents => {
                self.state.task(task).ok_or(Refusal::NoSuchTask { task })?;
                let project = &self.state.projects()[task.project.index()];
                let tasks = inside(project, task.task()).into_iter().chain(dependents(project, task.task()));
                Ok(self.cancel_all(task.project, tasks, reason, now))
            }
        }
    }

    pub(super) fn decide_cancel_project(&self, key: ProjectKey, reason: &str, now: Timestamp) -> Events {
        let project = self.state.project(key).ok_or(Refusal::NoSuchProject { project: key })?;
        Ok(self.cancel_all(key, project.graph.tasks(), reason, now))
    }

    fn cancel_all(
        &self,
        project: ProjectKey,
        tasks: impl IntoIterator<Item = TaskIndex>,
        reason: &str,
        now: Timestamp,
    ) -> Vec<Event> {
        let tasks = tasks.into_iter().map(|task| TaskKey::new(project, task));
        tasks.filter_map(|task| self.one_step(task, cancel(reason), now).ok()).collect()
    }

    /// What depends on a task and was completed on the strength of it is done again only where that is asked for.
    pub(super) fn decide_reopening(&self, task: TaskKey, reach: Reach, now: Timestamp) -> Events {
        let mut events = vec![self.one_step(task, Transition::Reopen, now)?];
        if reach == Reach::Dependents {
            let completed = self.completed_dependents(task).into_iter();
            events.extend(completed.filter_map(|key| self.one_step(key, Transition::Reopen, now).ok()));
        }
        Ok(events)
    }

    /// Returns the tasks that depend on a task, directly or not, and are completed: those to which its reopening matters.
    pub fn completed_dependents(&self, task: TaskKey) -> Vec<TaskKey> {
        let Some(project) = self.state.project(task.project) else { return Vec::new() };
        let is_completed = |place: &TaskIndex| matches!(project.task(*place).state, TaskState::Completed(_));
        let completed = dependents(project, task.task()).into_iter().filter(is_completed);
        completed.map(|place| TaskKey::new(task.project, place)).collect()
    }

    pub(super) fn decide_pause(&self, what: Pausable, is_paused: bool) -> Events {
        match what {
            Pausable::Project(project) => {
                let found = self.state.project(project).ok_or(Refusal::NoSuchProject { project })?;
                let event = Event::ProjectPaused { project, is_paused };
                Ok(if found.pause.is_some() == is_paused { Vec::new() } else { vec![event] })
            }
            Pausable::Agent(agent) => {
                self.state.agent(agent).ok_or(Refusal::NoSuchAgent { agent })?;
                Ok(vec![Event::AgentPaused { agent, is_paused }])
            }
        }
    }

    pub(super) fn decide_rules(&self, project: ProjectKey, rules: ProjectRules) -> Events {
        let found = self.state.project(project).ok_or(Refusal::NoSuchProject { project })?;
        Ok(if found.rules == rules { Vec::new() } else { vec![Event::RulesSet { project, rules }] })
    }

    /// Everything is looked at before anything is written: a cycle is refused with its path.
    pub(super) fn decide_tasks(&self, key: ProjectKey, tasks: &[Task]) -> Events {
        let project = self.state.project(key).ok_or(Refusal::NoSuchProject { project: key })?;
        for task in tasks.iter().filter(|task| matches!(task.standing, Standing::Excluded(_))) {
            let Some(place) = project.graph.task_index(task.id.as_str()) else { continue };
            let state = &project.task(place).state;
            if state.lease().is_some() {
                return Err(Refusal::UnderWay { task: TaskKey::new(key, place), state: state.name() });
            }
        }
        let unsound = |reason| Refusal::UnsoundChange { name: project.name.clone(), reason };
        project.with_tasks(tasks.to_vec()).map_err(unsound)?;
        let stored = serde_json::to_vec(tasks).map_err(|error| unsound(error.to_string()))?;
        Ok(vec![Event::TasksSet { project: key, tasks: stored }])
    }
}

fn cancel(reason: &str) -> Transition {
    Transition::Cancel(CancelReason::Operator(reason.to_owned()))
}

/// Returns the leaves of a group, or the task itself where it is none.
fn inside(project: &Project, task: TaskIndex) -> Vec<TaskIndex> {
    let graph = &project.graph;
    let is_inside = |leaf: &TaskIndex| {
        let mut line = std::iter::successors(Some(*leaf), |above| graph.parent_of(*above));
        line.any(|above| above == task)
    };
    graph.tasks().filter(|leaf| !graph.is_group(*leaf) && is_inside(leaf)).collect()
}

/// Returns the leaves that come after a task, directly or not.
fn dependents(project: &Project, task: TaskIndex) -> BTreeSet<TaskIndex> {
    let graph = &project.graph;
    let mut reached = vec![false; graph.node_count()];
    let mut open = vec![graph.finish_of(task)];
    let mut found = BTreeSet::new();
    while let Some(node) = open.pop() {
        for (after, _) in graph.successors(node) {
            if std::mem::replace(&mut reached[after.index()], true) {
                continue;
            }
            if let Node::Task(leaf) = graph.node(after) {
                found.insert(leaf);
            }
            open.push(after);
        }
    }
    found
}
