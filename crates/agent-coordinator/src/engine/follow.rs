//! The dispatcher's view of the state, kept step by step, or derived from nothing.

use planner_core::WriteSet;
use state_store::Timestamp;
use state_store::task::{
    AgentKey, AgentStatus, Lease, OverlappingWrites, Project, ProjectKey, TaskKey, TaskState, Transition,
};

use crate::engine::before::Before;
use crate::engine::learnt::Learnt;
use crate::engine::progress::{News, Progress};
use crate::engine::ready_queue::ReadyQueue;
use crate::engine::{Engine, approval};

impl Engine {
    /// Keeps the dispatcher's view of a new project.
    pub(super) fn follow_project(&mut self, key: ProjectKey) {
        let project = &self.state.projects()[key.index()];
        self.learnt.push(Learnt::default());
        let mut progress = Progress::new(project, &self.learnt[key.index()]);
        let news = progress.start(project);
        self.progress.push(progress);
        self.ready.push(ReadyQueue::default());
        self.grounds.place(key, project.settings.branch.as_deref());
        self.follow_reached(key, &news);
    }

    /// Keeps the dispatcher's view of a task that has moved.
    pub(super) fn follow_task(
        &mut self,
        key: TaskKey,
        before: Before,
        transition: &Transition,
        at: Timestamp,
    ) {
        if before.is_up_for_hand_out {
            self.leave_ready(key);
        }
        if let Some(until) = before.delayed_until {
            self.delayed.remove(&(until, key));
        }
        let project = &self.state.projects()[key.project.index()];
        let after = &project.task(key.task()).state;
        let (occupying, is_held) = (after.occupying_lease().copied(), after.lease().is_some());
        let news = match after {
            TaskState::Completed(_) => self.progress[key.project.index()].complete(project, key.task()),
            TaskState::Failed { .. } => self.progress[key.project.index()].fail(project, key.task()),
            TaskState::Cancelled(_) => self.progress[key.project.index()].cancel(project, key.task()),
            _ => News::default(),
        };
        if after.is_settled() {
            self.not_needed.remove(&key);
        }
        self.follow_lease(key, before.occupying, occupying);
        if matches!(transition, Transition::Fail { .. } | Transition::Land { .. }) {
            self.follow_failures(key.project);
        }
        match (before.is_held, is_held) {
            (false, true) => self.hold_writes(key),
            (true, false) => self.release_writes(key),
            (true, true) | (false, false) => {}
        }
        if !is_held {
            self.enqueue(key);
        }
        self.follow_reached(key.project, &news);
        if matches!(transition, Transition::Deliver { .. }) {
            self.follow_duration(key, at);
        }
    }

    /// Keeps who is busy with a task, and until when; from one step of an attempt to the next that is mostly as it was.
    fn follow_lease(&mut self, key: TaskKey, before: Option<Lease>, after: Option<Lease>) {
        let expiry = |lease: Lease| lease.expires_at;
        if before.map(expiry) != after.map(expiry) {
            if let Some(lease) = before {
                self.expiries.remove(&(lease.expires_at, key));
            }
            if let Some(lease) = after {
                self.expiries.insert((lease.expires_at, key));
            }
        }
        match (before, after) {
            (None, Some(lease)) => {
                let task = &self.state.projects()[key.project.index()].plan.tasks[key.task as usize];
                self.roster.occupy(lease.agent, key, Some(task.effort_or_default()));
            }
            (Some(lease), None) => self.roster.release(lease.agent, key),
            // The table has no step by which another agent gets what one is busy with.
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// Learns from how long an attempt took, and from time to time puts the ready tasks in the order that follows.
    fn follow_duration(&mut self, key: TaskKey, at: Timestamp) {
        let project = &self.state.projects()[key.project.index()];
        let learnt = &mut self.learnt[key.project.index()];
        if !learnt.observe(&project.plan.tasks[key.task as usize], project.task(key.task()), at) {
            return;
        }
        learnt.conclude();
        let progress = &mut self.progress[key.project.index()];
        progress.learn(project, learnt);
        self.ready[key.project.index()].reorder(|key| progress.bottom_level(project, key.task()));
    }

    pub(super) fn follow_reached(&mut self, project: ProjectKey, news: &News) {
        for task in &news.freed {
            self.enqueue(TaskKey::new(project, *task));
        }
        for task in &news.not_needed {
            let key = TaskKey::new(project, *task);
            if self.state.task(key).is_some_and(|record| !record.state.is_settled()) {
                self.not_needed.insert(key);
            }
        }
    }

    /// Keeps which projects are to be paused because of their failures.
    pub(super) fn follow_failures(&mut self, key: ProjectKey) {
        let project = &self.state.projects()[key.index()];
        if project.pause.is_none() && project.rules.is_reached_by(project.failures) {
            self.stopping.insert(key);
        } else {
            self.stopping.remove(&key);
        }
    }

    pub(super) fn follow_agent(&mut self, key: AgentKey) {
        let agent = &self.state.agents()[key.index()];
        let is_mine = self.me == Some(agent.instance) && agent.status == AgentStatus::Active;
        self.roster.set(key, is_mine.then_some(agent));
    }

    /// Puts a task where its state and the graph want it: among the ready, among the delayed, or nowhere.
    pub(super) fn enqueue(&mut self, key: TaskKey) {
        let project = &self.state.projects()[key.project.index()];
        let progress = &self.progress[key.project.index()];
        if !progress.is_free(project, key.task()) {
            return;
        }
        match &project.task(key.task()).state {
            TaskState::Pending | TaskState::InConflict(_) if !approval::is_start_gated(project, key) => {
                let writes = writes_of(project, key);
                if !self.grounds.of_mut(key.project).admit(key, &writes) {
                    return;
                }
                let task = &project.plan.tasks[key.task as usize];
                let bottom_level = progress.bottom_level(project, key.task());
                self.ready[key.project.index()].insert(key, task, bottom_level);
            }
            TaskState::Backoff { until } => {
                self.delayed.insert((*until, key));
            }
            _ => {}
        }
    }

    /// Takes a task out of those that could be handed out.
    fn leave_ready(&mut self, key: TaskKey) {
        let writes = writes_of(&self.state.projects()[key.project.index()], key);
        self.ready[key.project.index()].remove(key);
        self.grounds.of_mut(key.project).forget(key, &writes);
    }

    /// Has the ready tasks that could write the same files wait for a task that is under way now.
    fn hold_writes(&mut self, key: TaskKey) {
        let writes = writes_of(&self.state.projects()[key.project.index()], key);
        for waiting in self.grounds.of_mut(key.project).hold(key, &writes) {
            self.leave_ready(waiting);
            self.grounds.of_mut(key.project).wait(waiting, key);
        }
    }

    /// Looks again at the tasks that have waited for one that is not under way any more.
    fn release_writes(&mut self, key: TaskKey) {
        let writes = writes_of(&self.state.projects()[key.project.index()], key);
        for freed in self.grounds.of_mut(key.project).release(key, &writes) {
            self.enqueue(freed);
        }
    }

    /// Puts every task of a project where it belongs: first those under way, whose files others wait for.
    fn enqueue_all(&mut self, key: ProjectKey) {
        let tasks = 0..self.state.projects()[key.index()].tasks.len() as u32;
        let tasks = tasks.map(|task| TaskKey { project: key, task });
        for task in tasks.clone() {
            if self.state.task(task).is_some_and(|record| record.state.lease().is_some()) {
                self.hold_writes(task);
            }
        }
        tasks.for_each(|task| self.enqueue(task));
    }

    /// Derives from the state of a project what is kept beside it.
    pub(super) fn derive_project(&mut self, key: ProjectKey) {
        let project = self.state.projects()[key.index()].clone();
        if self.learnt.len() <= key.index() {
            self.learnt.push(Learnt::of(&project));
        }
        let (progress, news) = Progress::derived(&project, &self.learnt[key.index()]);
        self.progress.push(progress);
        self.ready.push(ReadyQueue::default());
        self.grounds.place(key, project.settings.branch.as_deref());
        for (place, record) in (0..).zip(&project.tasks) {
            if let Some(lease) = record.state.occupying_lease() {
                let task = TaskKey { project: key, task: place };
                self.expiries.insert((lease.expires_at, task));
                self.roster.occupy(lease.agent, task, None);
            }
        }
        self.enqueue_all(key);
        self.follow_failures(key);
        self.follow_reached(key, &news);
    }

    /// Derives anew how far a project is, after a change that does not only go forwards.
    pub(super) fn derive_again(&mut self, key: ProjectKey) {
        let project = self.state.projects()[key.index()].clone();
        let (progress, news) = Progress::derived(&project, &self.learnt[key.index()]);
        self.progress[key.index()] = progress;
        self.ready[key.index()] = ReadyQueue::default();
        let freed = self.grounds.of_mut(key).forget_project(key);
        self.grounds.place(key, project.settings.branch.as_deref());
        self.delayed.retain(|(_, task)| task.project != key);
        self.not_needed.retain(|task| task.project != key);
        self.enqueue_all(key);
        freed.into_iter().for_each(|task| self.enqueue(task));
        self.follow_failures(key);
        self.follow_reached(key, &news);
    }
}

/// Returns the paths that nobody else may write while a task is under way.
pub(super) fn writes_of(project: &Project, key: TaskKey) -> WriteSet {
    match project.rules.overlapping_writes {
        OverlappingWrites::Wait => project.plan.tasks[key.task as usize].writes.clone(),
        OverlappingWrites::Allowed => WriteSet::default(),
    }
}
