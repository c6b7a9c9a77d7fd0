//! What a plan file asks of a project that is recorded with another plan, and the commands that make it the project's plan.
//!
//! Two things are no difference: a state that the project has brought a task to, and what the file says around its tasks
//! (description, agents, fields of its own), which each run takes from its own file.

use std::collections::HashSet;

use agent_coordinator::engine::{Command, Reach};
use planner_core::{Exclusion, Plan, PlanDiff, Standing, Task, TaskId, TaskIndex};
use state_store::Timestamp;
use state_store::task::{Project, ProjectKey, TaskKey, TaskRecord, TaskState, Transition, transition};

/// What the operator is told to have said of a task that the file has as done.
const BY_THE_FILE: &str = "the plan file says that it is done";

/// How a plan file differs from the recorded plan of its project.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlanChange {
    /// The difference, field by field; empty where the file says what is recorded.
    pub(crate) difference: PlanDiff,
    /// What makes the file's plan that of the project, in this order.
    pub(crate) commands: Vec<Command>,
    /// Why that is not possible now, a sentence for each task that is in the way.
    pub(crate) hindrances: Vec<String>,
}

impl PlanChange {
    /// Returns what leads from the recorded plan to the given one, which is sound.
    pub(crate) fn between(key: ProjectKey, project: &Project, given: &Plan) -> Self {
        // What is recorded has been through JSON once.
        let mut given = Plan::from_json(given.to_json().as_bytes()).unwrap_or_else(|_| given.clone());
        for task in &mut given.tasks {
            forget_what_is_reached(project, task);
        }
        let difference = PlanDiff::between(&present(&project.plan), &present(&given));
        if difference.is_empty() {
            return Self::default();
        }
        let mut change = Self { difference, ..Self::default() };
        let tasks = change.tasks(project, given);
        change.look_at_removals(project);
        change.commands.push(Command::SetTasks { project: key, tasks: tasks.clone() });
        for task in &tasks {
            change.move_task(key, project, task);
        }
        change
    }

    /// Returns the tasks that are new or other than recorded, and the graves of those that are gone.
    fn tasks(&self, project: &Project, given: Plan) -> Vec<Task> {
        let changed = self.difference.changed.iter().map(|change| &change.id);
        let wanted: HashSet<&TaskId> = self.difference.added.iter().chain(changed).collect();
        // A grave that is not recorded comes along: others may name it.
        let is_new = |task: &Task| project.graph.task_index(task.id.as_str()).is_none();
        let mut tasks: Vec<Task> =
            given.tasks.into_iter().filter(|task| wanted.contains(&task.id) || is_new(task)).collect();
        let removed = self.difference.removed.iter().filter_map(|id| recorded(project, id));
        tasks.extend(removed.map(|(_, task, _)| Task {
            standing: Standing::Excluded(Exclusion::Tombstone),
            // A grave is no part of a group, and keeps nothing from becoming one.
            parent: None,
            dependencies: Vec::new(),
            ..task.clone()
        }));
        tasks
    }

    fn look_at_removals(&mut self, project: &Project) {
        for (_, task, record) in self.difference.removed.iter().filter_map(|id| recorded(project, id)) {
            if record.state.lease().is_some() {
                let state = record.state.name();
                self.hindrances
                    .push(format!("`{}` is {state}, and the file does not have it any more", task.id));
            }
        }
    }

    /// Adds the command that moves a task to where people have put it in the file.
    fn move_task(&mut self, key: ProjectKey, project: &Project, task: &Task) {
        let Some((place, before, record)) = recorded(project, &task.id) else { return };
        if project.graph.is_group(place) || before.standing == task.standing || is_grave(task) {
            return;
        }
        let Some(step) = Step::between(&before.standing, &task.standing, &record.state) else { return };
        if !step.is_possible(record) {
            let (state, wanted) = (record.state.name(), step.wanted());
            self.hindrances.push(format!("`{}` is {state}, and the file has it {wanted}", task.id));
        }
        self.commands.extend(step.command(TaskKey::new(key, place)));
    }
}

/// What people can say of a task by the state that they give it in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Complete,
    Hold,
    Resume,
    Reopen,
    CallOff,
}

impl Step {
    /// Returns the step from where the task was recorded to where the file has it; none where the project has it there.
    fn between(before: &Standing, after: &Standing, state: &TaskState) -> Option<Self> {
        match (before, after) {
            (_, Standing::Excluded(_)) => Some(Self::CallOff),
            // What was excluded begins anew where it is put back.
            (Standing::Excluded(_), _) => None,
            (_, Standing::Completed) => Some(Self::Complete),
            (_, Standing::OnHold) => Some(Self::Hold),
            (Standing::Completed, Standing::Pending) => {
                matches!(state, TaskState::Completed(_)).then_some(Self::Reopen)
            }
            (_, Standing::Pending) => matches!(state, TaskState::OnHold).then_some(Self::Resume),
        }
    }

    fn is_possible(self, record: &TaskRecord) -> bool {
        let step = match self {
            Self::Complete => Transition::CompleteByHand(BY_THE_FILE.to_owned()),
            Self::Hold => Transition::Hold,
            Self::Resume => Transition::Resume,
            Self::Reopen => Transition::Reopen,
            Self::CallOff => {
                return record.state.lease().is_none() && !matches!(record.state, TaskState::Completed(_));
            }
        };
        transition::next(&record.state, record.last_token, &step, Timestamp::default()).is_ok()
    }

    /// Returns the command for it; none where replacing the task does it.
    fn command(self, task: TaskKey) -> Option<Command> {
        Some(match self {
            Self::Complete => Command::CompleteByHand { task, reason: BY_THE_FILE.to_owned() },
            Self::Hold => Command::Hold(task),
            Self::Resume => Command::Resume(task),
            Self::Reopen => Command::Reopen { task, reach: Reach::Task },
            Self::CallOff => return None,
        })
    }

    /// Returns what the file says, as a sentence about a hindrance ends.
    fn wanted(self) -> &'static str {
        match self {
            Self::Complete => "as done",
            Self::Hold => "on hold",
            Self::Resume | Self::Reopen => "as still to be done",
            Self::CallOff => "as called off",
        }
    }
}

fn recorded<'p>(project: &'p Project, id: &TaskId) -> Option<(TaskIndex, &'p Task, &'p TaskRecord)> {
    let place = project.graph.task_index(id.as_str())?;
    Some((place, &project.plan.tasks[place.index()], project.task(place)))
}

/// Returns the tasks of a plan without those that were removed from it, and nothing around them.
fn present(plan: &Plan) -> Plan {
    Plan {
        name: String::new(),
        description: String::new(),
        agents: Vec::new(),
        tasks: plan.tasks.iter().filter(|task| !is_grave(task)).cloned().collect(),
        extra: serde_json::Map::new(),
    }
}

fn is_grave(task: &Task) -> bool {
    matches!(task.standing, Standing::Excluded(Exclusion::Tombstone))
}

/// Lets a task that stands where the project has brought it stand where it is recorded: a file that says how far its tasks
/// are is no other plan.
fn forget_what_is_reached(project: &Project, task: &mut Task) {
    let Some((place, known, record)) = recorded(project, &task.id) else { return };
    let is_reached = match (&task.standing, &record.state) {
        (Standing::Completed, TaskState::Completed(_))
        | (Standing::OnHold, TaskState::OnHold)
        | (Standing::Excluded(_), TaskState::Cancelled(_)) => !is_grave(known) && !is_grave(task),
        // The state of a group is not stored.
        (standing, _) => *standing == known.standing || (project.graph.is_group(place) && !is_grave(known)),
    };
    if !is_reached {
        return;
    }
    task.standing = known.standing.clone();
    for field in ["status", "state"] {
        match known.extra.get(field) {
            Some(value) => task.extra.insert(field, value.clone()),
            None => drop(task.extra.remove(field)),
        }
    }
}
