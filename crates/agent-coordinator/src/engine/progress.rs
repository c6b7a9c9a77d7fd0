//! Which nodes of a project's graph are reached, kept as tasks are completed instead of searched for.

use planner_core::analysis::bottom_levels_by;
use planner_core::graph::{Node, NodeIndex, TaskIndex};
use planner_core::{Effort, Standing, When};
use state_store::task::{Project, TaskState};

use crate::engine::learnt::Learnt;
use crate::planted::{PlantedBug, is_planted};

/// How far a project is in its graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// By node: how many edges into it are not satisfied.
    waiting: Vec<u32>,
    /// By node: whether it is completed, as a leaf, as the start of a group, or as its finish.
    reached: Vec<bool>,
    /// By node: whether it, or for the finish of a group something in it, has failed.
    failed: Vec<bool>,
    /// By node: the longest way, by effort, from its beginning to the end of the project.
    bottom_levels: Vec<Effort>,
}

/// What a step has brought about.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Leaves whose every edge is satisfied now.
    pub(super) freed: Vec<TaskIndex>,
    /// Leaves that wait for a failure which cannot happen any more.
    pub(super) not_needed: Vec<TaskIndex>,
}

impl Progress {
    /// Returns the progress of a project in which nothing is reached.
    pub(super) fn new(project: &Project, learnt: &Learnt) -> Self {
        let graph = &project.graph;
        Self {
            waiting: graph.nodes().map(|node| graph.in_degree(node) as u32).collect(),
            reached: vec![false; graph.node_count()],
            failed: vec![false; graph.node_count()],
            bottom_levels: levels(project, learnt),
        }
    }

    /// Returns the progress of a project as its tasks stand, and what that has brought about.
    pub(super) fn derived(project: &Project, learnt: &Learnt) -> (Self, News) {
        let mut progress = Self::new(project, learnt);
        let mut news = progress.start(project);
        for (place, record) in (0..).zip(&project.tasks) {
            let task = TaskIndex(place);
            let is_excluded = matches!(project.plan.tasks[task.index()].standing, Standing::Excluded(_));
            let more = match &record.state {
                TaskState::Failed { .. } => progress.fail(project, task),
                TaskState::Cancelled(_) if !is_excluded => progress.cancel(project, task),
                _ => continue,
            };
            news.freed.extend(more.freed);
            news.not_needed.extend(more.not_needed);
        }
        (progress, news)
    }

    /// Reaches what needs nobody: groups without open predecessors, and what is completed.
    pub(super) fn start(&mut self, project: &Project) -> News {
        let mut news = News::default();
        let graph = &project.graph;
        for &node in graph.topological_order() {
            match graph.node(node) {
                Node::GroupStart(_) | Node::GroupFinish(_) if self.waiting[node.index()] == 0 => {
                    self.reach(project, node, &mut news);
                }
                Node::GroupStart(_) | Node::GroupFinish(_) => {}
                Node::Task(task) => match project.task(task).state {
                    TaskState::Completed(_) => self.reach(project, node, &mut news),
                    _ if self.waiting[node.index()] == 0 => news.freed.push(task),
                    _ => {}
                },
            }
        }
        news
    }

    /// Records that a leaf is completed.
    pub(super) fn complete(&mut self, project: &Project, task: TaskIndex) -> News {
        let mut news = News::default();
        self.reach(project, project.graph.finish_of(task), &mut news);
        news
    }

    /// Records that a leaf has failed: what waits for its failure, or for that of a group around it, may run.
    pub(super) fn fail(&mut self, project: &Project, task: TaskIndex) -> News {
        if is_planted(PlantedBug::FailureCountedAsDone) {
            return self.complete(project, task);
        }
        let mut news = News::default();
        let graph = &project.graph;
        let mut failing = Some(task);
        while let Some(task) = failing {
            let node = graph.finish_of(task);
            if std::mem::replace(&mut self.failed[node.index()], true) {
                break;
            }
            for (successor, when) in graph.successors(node) {
                if when == When::Failed {
                    self.satisfy(project, successor, &mut news);
                }
            }
            failing = graph.parent_of(task);
        }
        news
    }

    /// Records that a leaf is called off: its group no longer waits for it; what depends on it still does.
    pub(super) fn cancel(&mut self, project: &Project, task: TaskIndex) -> News {
        let mut news = News::default();
        let graph = &project.graph;
        for (successor, _) in graph.successors(graph.finish_of(task)) {
            if matches!(graph.node(successor), Node::GroupFinish(group) if graph.parent_of(task) == Some(group))
            {
                self.satisfy(project, successor, &mut news);
            }
        }
        news
    }

    fn reach(&mut self, project: &Project, node: NodeIndex, news: &mut News) {
        let graph = &project.graph;
        let mut reaching = vec![node];
        while let Some(node) = reaching.pop() {
            if std::mem::replace(&mut self.reached[node.index()], true) {
                continue;
            }
            for (successor, when) in graph.successors(node) {
                match when {
                    When::Completed => reaching.extend(self.release(project, successor, news)),
                    When::Failed => {
                        if let Node::Task(task) = graph.node(successor) {
                            news.not_needed.push(task);
                        }
                    }
                }
            }
        }
    }

    fn satisfy(&mut self, project: &Project, node: NodeIndex, news: &mut News) {
        if let Some(group) = self.release(project, node, news) {
            self.reach(project, group, news);
        }
    }

    /// Counts one edge into a node as satisfied. Returns the node where that reaches it without anybody's work.
    fn release(&mut self, project: &Project, node: NodeIndex, news: &mut News) -> Option<NodeIndex> {
        let waiting = &mut self.waiting[node.index()];
        *waiting = waiting.checked_sub(1).expect("an edge is satisfied once");
        if *waiting > 0 {
            return None;
        }
        match project.graph.node(node) {
            Node::Task(task) => {
                news.freed.push(task);
                None
            }
            Node::GroupStart(_) | Node::GroupFinish(_) => Some(node),
        }
    }

    /// Returns whether a leaf's every edge is satisfied. This is the dispatcher's predicate; explanations use it too.
    pub(super) fn is_free(&self, project: &Project, task: TaskIndex) -> bool {
        !project.graph.is_group(task) && self.waiting[project.graph.start_of(task).index()] == 0
    }

    /// Returns whether a node is reached.
    pub(super) fn is_reached(&self, node: NodeIndex) -> bool {
        self.reached[node.index()]
    }

    /// Returns whether a leaf, or something in a group, has failed.
    pub(super) fn has_failed(&self, finish: NodeIndex) -> bool {
        self.failed[finish.index()]
    }

    /// Returns the longest way, by effort, from the beginning of a leaf to the end of the project.
    pub(super) fn bottom_level(&self, project: &Project, task: TaskIndex) -> Effort {
        self.bottom_levels[project.graph.start_of(task).index()]
    }

    /// Takes in what was learnt of how long tasks take.
    pub(super) fn learn(&mut self, project: &Project, learnt: &Learnt) {
        self.bottom_levels = levels(project, learnt);
    }
}

fn levels(project: &Project, learnt: &Learnt) -> Vec<Effort> {
    bottom_levels_by(&project.plan, &project.graph, |task| learnt.effort(task))
}
