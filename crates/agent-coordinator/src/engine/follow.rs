//! The dispatcher's view of the state, kept step by step, or derived from nothing.

use planner_core::Effort;
use state_store::task::{AgentKey, AgentStatus, ProjectKey, TaskKey, TaskState, Transition};

use crate::engine::progress::{News, Progress};
use crate::engine::ready_queue::ReadyQueue;
use crate::engine::{Engine, approval};

impl Engine {
    /// Keeps the dispatcher's view of a new project.
    pub(super) fn follow_project(&mut self, key: ProjectKey) {
        let project = &self.state.projects()[key.index()];
        let mut progress = Progress::new(project);
        let news = progress.start(project);
        self.progress.push(progress);
        self.ready.push(ReadyQueue::default());
        self.follow_reached(key, &news);
    }

    /// Keeps the dispatcher's view of a task that has moved.
    pub(super) fn follow_task(&mut self, key: TaskKey, before: &TaskState, transition: &Transition) {
        self.ready[key.project.index()].remove(key);
        if let TaskState::Backoff { until } = before {
            self.delayed.remove(&(*until, key));
        }
        if let Some(lease) = before.occupying_lease() {
            self.expiries.remove(&(lease.expires_at, key));
            self.roster.release(lease.agent, key);
        }
        let project = &self.state.projects()[key.project.index()];
        let after = &project.task(key.task()).state;
        if let Some(lease) = after.occupying_lease() {
            self.expiries.insert((lease.expires_at, key));
            let effort = project.plan.tasks[key.task as usize].effort_or_default();
            let is_new = matches!(transition, Transition::Assign(_));
            self.roster.occupy(lease.agent, key, if is_new { effort } else { Effort::ZERO });
        }
        let news = match after {
            TaskState::Completed(_) => self.progress[key.project.index()].complete(project, key.task()),
            TaskState::Failed { .. } => self.progress[key.project.index()].fail(project, key.task()),
            TaskState::Cancelled(_) => self.progress[key.project.index()].cancel(project, key.task()),
            _ => News::default(),
        };
        if after.is_settled() {
            self.not_needed.remove(&key);
        }
        self.enqueue(key);
        self.follow_reached(key.project, &news);
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

    /// Derives from the state of a project what is kept beside it.
    pub(super) fn derive_project(&mut self, key: ProjectKey) {
        let project = self.state.projects()[key.index()].clone();
        let (progress, news) = Progress::derived(&project);
        self.progress.push(progress);
        self.ready.push(ReadyQueue::default());
        for (place, record) in (0..).zip(&project.tasks) {
            let task = TaskKey { project: key, task: place };
            self.enqueue(task);
            if let Some(lease) = record.state.occupying_lease() {
                self.expiries.insert((lease.expires_at, task));
                self.roster.occupy(lease.agent, task, Effort::ZERO);
            }
        }
        self.follow_reached(key, &news);
    }

    /// Derives anew how far a project is, after a change that does not only go forwards.
    pub(super) fn derive_again(&mut self, key: ProjectKey) {
        let project = self.state.projects()[key.index()].clone();
        let (progress, news) = Progress::derived(&project);
        self.progress[key.index()] = progress;
        self.ready[key.index()] = ReadyQueue::default();
        self.delayed.retain(|(_, task)| task.project != key);
        self.not_needed.retain(|task| task.project != key);
        for task in (0..project.tasks.len() as u32).map(|task| TaskKey { project: key, task }) {
            self.enqueue(task);
        }
        self.follow_reached(key, &news);
    }
}
