//! The graph of a plan's tasks.

use super::csr::Csr;
use super::{Defect, Digraph, builder};
use crate::id_table::IdTable;
use crate::{Plan, When};

/// A task's position in [`Plan::tasks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskIndex(pub u32);

impl TaskIndex {
    /// Returns the position as an index of a slice.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn from_usize(index: usize) -> Self {
        Self(u32::try_from(index).expect("a plan of 2^30 tasks fits into no memory"))
    }
}

/// A node of a [`TaskGraph`]; from 0 to [`TaskGraph::node_count`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub(super) u32);

impl NodeIndex {
    /// Returns the node as an index of a slice.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn from_usize(index: usize) -> Self {
        Self(u32::try_from(index).expect("two nodes a task, and a plan of 2^30 tasks fits into no memory"))
    }
}

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A task that has no children: work.
    Task(TaskIndex),
    /// Where the tasks of a group may begin.
    GroupStart(TaskIndex),
    /// Where the last task of a group has ended.
    GroupFinish(TaskIndex),
}

impl Node {
    /// Returns the task or group that the node belongs to.
    pub const fn task(self) -> TaskIndex {
        match self {
            Self::Task(task) | Self::GroupStart(task) | Self::GroupFinish(task) => task,
        }
    }
}

/// A dependency or parent of the plan that has no edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    /// The task that it was written in.
    pub task: TaskIndex,
    /// Its position in the task's dependencies.
    pub position: usize,
    /// Why it has no edge.
    pub reason: IgnoredReason,
}

/// Why a dependency has no edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IgnoredReason {
    /// It is on a group that the task belongs to; the group could never finish.
    OwnAncestor,
    /// It is on a task of its own group; the group finishes after it anyway.
    OwnDescendant,
    /// It is on a task that is never to run.
    OnExcluded,
}

/// The acyclic graph of a plan's tasks and groups.
#[derive(Debug, Clone)]
pub struct TaskGraph {
    pub(super) nodes: Vec<Node>,
    /// By task: the leaf's node, or the group's start.
    pub(super) starts: Vec<NodeIndex>,
    /// By task; empty where there are no groups.
    pub(super) parents: Vec<Option<TaskIndex>>,
    pub(super) successors: Csr,
    pub(super) predecessors: Csr,
    pub(super) order: Vec<NodeIndex>,
    pub(super) by_id: IdTable,
    pub(super) ignored: Vec<Ignored>,
}

impl TaskGraph {
    /// Returns the graph of the plan, or everything that keeps it from being one.
    ///
    /// - A task that others name as their parent is a group, whose own effort does not count. A task whose children are
    ///   all excluded is a leaf.
    /// - Excluded tasks are nodes without edges. The children of an excluded group belong to its nearest ancestor that
    ///   is not excluded; they do not inherit what the excluded group depends on.
    /// - A dependency on a task's own group, or of a group on its own member, is left out; see [`TaskGraph::ignored`].
    /// - A dependency that is written twice is one edge.
    pub fn new(plan: &Plan) -> Result<Self, Vec<Defect>> {
        builder::build(plan)
    }

    /// Returns how many nodes there are: one a leaf, two a group.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns how many edges there are.
    pub fn edge_count(&self) -> usize {
        self.successors.edge_count()
    }

    /// Returns how many tasks, groups and excluded entries the plan has.
    pub fn task_count(&self) -> usize {
        self.starts.len()
    }

    /// Returns the nodes in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.nodes.len()).map(NodeIndex::from_usize)
    }

    /// Returns the tasks in the order of the file.
    pub fn tasks(&self) -> impl Iterator<Item = TaskIndex> + use<> {
        (0..self.starts.len()).map(TaskIndex::from_usize)
    }

    /// Returns what the node stands for.
    pub fn node(&self, node: NodeIndex) -> Node {
        self.nodes[node.index()]
    }

    /// Returns the leaf's node or the group's start.
    pub fn start_of(&self, task: TaskIndex) -> NodeIndex {
        self.starts[task.index()]
    }

    /// Returns the leaf's node or the group's finish.
    pub fn finish_of(&self, task: TaskIndex) -> NodeIndex {
        let start = self.start_of(task);
        match self.node(start) {
            Node::Task(_) => start,
            // A group's two nodes follow each other.
            Node::GroupStart(_) | Node::GroupFinish(_) => NodeIndex(start.0 + 1),
        }
    }

    /// Returns whether the task has children that are not excluded.
    pub fn is_group(&self, task: TaskIndex) -> bool {
        matches!(self.node(self.start_of(task)), Node::GroupStart(_))
    }

    /// Returns the group that the task belongs to; excluded groups are passed over.
    pub fn parent_of(&self, task: TaskIndex) -> Option<TaskIndex> {
        self.parents.get(task.index()).copied().flatten()
    }

    /// Returns what waits for the node.
    pub fn successors(&self, node: NodeIndex) -> impl ExactSizeIterator<Item = (NodeIndex, When)> + '_ {
        self.successors.of_node(node).iter().map(|target| target.both())
    }

    /// Returns what the node waits for.
    pub fn predecessors(&self, node: NodeIndex) -> impl ExactSizeIterator<Item = (NodeIndex, When)> + '_ {
        self.predecessors.of_node(node).iter().map(|target| target.both())
    }

    /// Returns how many edges end in the node.
    pub fn in_degree(&self, node: NodeIndex) -> usize {
        self.predecessors.degree(node)
    }

    /// Returns all nodes, each after everything that it waits for; the same plan always gives the same order.
    pub fn topological_order(&self) -> &[NodeIndex] {
        &self.order
    }

    /// Returns the task of that id.
    pub fn task_index(&self, id: &str) -> Option<TaskIndex> {
        self.by_id.place(id).map(TaskIndex)
    }

    /// Returns the nodes and edges as a graph of plain numbers, each edge once.
    pub fn to_digraph(&self) -> Digraph {
        let edges: Vec<(u32, u32)> =
            self.nodes().flat_map(|from| self.successors(from).map(move |(to, _)| (from.0, to.0))).collect();
        Digraph::of_edges(self.node_count(), &edges).without_repeats()
    }

    /// Returns the dependencies that have no edge, in the order of the file.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }
}
