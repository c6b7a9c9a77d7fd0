//! The auditor: reads the log of a simulated world, event by event, and knows by itself what may be in it.
//!
//! It shares nothing with the engine but the form of the events. What it expects follows from the plans as they were
//! given, from the requests that were made, and from what was recorded before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use planner_core::{CapabilitySet, Plan, Standing, TaskGraph, When, WriteSet};
use state_store::Timestamp;
use state_store::task::{
    Accepted, AfterFailure, AgentKey, CommitHash, Event, FailureReason, FencingToken, InstanceKey, Landed,
    Lease, Lost, OverlappingWrites, ProjectKey, ProjectRules, StateName, TaskKey, Transition,
};

use crate::engine::{Command, Pausable, Refusal, Request};

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{promise}: {what}")]
pub struct Violation {
    /// Which promise, by its number in GUARANTEES.md.
    pub promise: &'static str,
    /// What has happened.
    pub what: String,
}

/// What the auditor answers.
pub(super) type Verdict = Result<(), Violation>;

fn broken(promise: &'static str, what: String) -> Verdict {
    Err(Violation { promise, what })
}

/// What is known of a workspace from its log alone.
#[derive(Debug, Default)]
pub(super) struct Audit {
    projects: Vec<Project>,
    agents: Vec<Agent>,
    agents_by_name: HashMap<String, AgentKey>,
    instances: Vec<Instance>,
    late: HashSet<(TaskKey, FencingToken)>,
    asked: Asked,
    common: Common,
}

/// What holds for tasks and agents that do not say otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Common {
    /// How long a lease lasts.
    pub(super) lease: Duration,
    /// How many attempts of a task may end in silence.
    pub(super) losses_max: u32,
}

#[derive(Debug)]
struct Instance {
    is_active: bool,
}

#[derive(Debug)]
struct Agent {
    can: CapabilitySet,
    slots: usize,
    instance: InstanceKey,
    is_paused: bool,
    /// How long its leases last where the task does not say.
    lease: Option<Duration>,
    holds: HashSet<TaskKey>,
}

#[derive(Debug)]
struct Project {
    plan: Plan,
    /// The branch that its results land on.
    branch: Option<String>,
    children: Vec<Vec<usize>>,
    /// By task: the tasks around it, the nearest first.
    above: Vec<Vec<usize>>,
    /// By task: what must come before it, by its own dependencies.
    needs: Vec<Vec<(usize, When)>>,
    tasks: Vec<Task>,
    rules: ProjectRules,
    /// The failed attempts since somebody let it go on: in a row, and in all.
    failed: (u32, u32),
    is_paused: bool,
}

#[derive(Debug)]
struct Task {
    stage: Stage,
    last_token: FencingToken,
    /// The attempt whose result was accepted.
    accepted: Option<FencingToken>,
    /// How many of its attempts have ended in silence.
    silent: u32,
    /// When it may be tried again.
    not_before: Timestamp,
    /// Whether somebody has agreed that it begins.
    may_begin: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Free,
    Held(Lease),
    Working(Lease),
    Delivered(Lease),
    Proposed(Lease),
    Accepted(Lease),
    Waiting,
    Done,
    Failed,
    OnHold,
    Cancelled,
    Excluded,
}

/// The requests of a turn: what its events must come from.
#[derive(Debug, Default)]
struct Asked {
    steps: HashSet<(&'static str, TaskKey, FencingToken)>,
    resumed: HashSet<TaskKey>,
    approved: HashSet<TaskKey>,
    held: HashSet<TaskKey>,
    stopped: HashSet<AgentKey>,
    rejected: HashSet<TaskKey>,
    taken_over: HashSet<InstanceKey>,
    has_end: bool,
}

impl Asked {
    fn of(requests: &[Request]) -> Self {
        let mut asked = Self::default();
        for request in requests {
            let mut step = |name, task: &TaskKey, token: &FencingToken| {
                asked.steps.insert((name, *task, *token));
            };
            match &request.command {
                Command::Start { task, token } => step("start", task, token),
                Command::Renew(leases) => leases.iter().for_each(|(task, token)| step("renew", task, token)),
                Command::Deliver { task, token, .. } => step("deliver", task, token),
                Command::Fail { task, token, .. } => step("fail", task, token),
                Command::GiveUp { task, token } => step("give up", task, token),
                Command::PassCheck { task, token, .. } => step("pass", task, token),
                Command::Intend(intents) => {
                    intents.iter().for_each(|(task, token, _)| step("intend", task, token));
                }
                Command::Land { task, token, .. } => step("land", task, token),
                Command::Conflict { task, token, .. } => step("conflict", task, token),
                Command::Checkpoint { task, token, .. } => step("checkpoint", task, token),
                Command::Hold(task) => drop(asked.held.insert(*task)),
                Command::StopAgent(agent) => drop(asked.stopped.insert(*agent)),
                Command::Resume(task) => drop(asked.resumed.insert(*task)),
                Command::Approve { task, .. } => drop(asked.approved.insert(*task)),
                Command::Reject { task, .. } => drop(asked.rejected.insert(*task)),
                Command::TakeOver { instance, .. } => drop(asked.taken_over.insert(*instance)),
                Command::End => asked.has_end = true,
                Command::Begin { .. }
                | Command::RenewInstance
                | Command::AdoptOrphans
                | Command::Enter { .. }
                | Command::Join(_)
                | Command::RegisterAgents(_)
                | Command::Cancel { .. }
                | Command::CancelProject { .. }
                | Command::Reopen { .. }
                | Command::CompleteByHand { .. }
                | Command::Pause(_)
                | Command::Continue(_)
                | Command::SetRules { .. }
                | Command::SetTasks { .. } => {}
            }
        }
        asked
    }

    fn has(&self, names: &[&'static str], task: TaskKey, token: FencingToken) -> bool {
        names.iter().any(|name| self.steps.contains(&(*name, task, token)))
    }
}

impl Audit {
    /// Returns the auditor of an empty log.
    pub(super) fn new(common: Common) -> Self {
        Self { common, ..Self::default() }
    }

    /// Begins a turn that these requests are put to.
    pub(super) fn begin_turn(&mut self, requests: &[Request]) {
        self.asked = Asked::of(requests);
    }

    /// Checks the answers of the turn, whose events were told before.
    pub(super) fn check_answers(
        &self,
        requests: &[Request],
        answers: &[Result<Accepted, Refusal>],
    ) -> Verdict {
        for (request, answer) in requests.iter().zip(answers) {
            let Command::Deliver { task, token, .. } = &request.command else { continue };
            let Some(known) = self.task(*task) else { continue };
            let was_handed_out = *token <= known.last_token && *token > FencingToken::default();
            let is_kept = self.late.contains(&(*task, *token)) || known.accepted == Some(*token);
            let is_present = matches!(known.stage, Stage::Delivered(lease) | Stage::Proposed(lease) if lease.token == *token);
            if answer.is_err() && was_handed_out && !is_kept && !is_present {
                return broken(
                    "G6",
                    format!("the result of {task} under token {token} was refused and is not kept"),
                );
            }
        }
        Ok(())
    }

    /// Takes in the next event of the log.
    pub(super) fn take(&mut self, event: &Event, at: Timestamp) -> Verdict {
        match event {
            Event::InstanceStarted { .. } => self.instances.push(Instance { is_active: true }),
            Event::InstanceEnded { instance } => self.end_instance(*instance)?,
            Event::ProjectAdded { name, plan, settings } => {
                let project = Project::new(name, plan)?;
                self.projects.push(Project { branch: settings.branch.clone(), ..project });
            }
            Event::AgentRegistered { name, capabilities, slots, lease, instance, labels: _ } => {
                self.register(name, capabilities, *slots, *instance);
                self.agents[self.agents_by_name[name].index()].lease = *lease;
            }
            Event::Task { task, transition } => self.step(*task, transition, at)?,
            Event::LateResult { task, token, .. } => {
                if !self.late.insert((*task, *token)) {
                    return broken(
                        "G6",
                        format!("the late result of {task} under token {token} is kept twice"),
                    );
                }
            }
            Event::TasksSet { project, tasks } => self.set_tasks(*project, tasks)?,
            Event::ProjectPaused { project, is_paused } => {
                let found = &mut self.projects[project.index()];
                found.is_paused = *is_paused;
                if !is_paused {
                    found.failed = (0, 0);
                }
            }
            Event::AgentPaused { agent, is_paused } => self.agents[agent.index()].is_paused = *is_paused,
            Event::FailuresReached { project } => {
                let found = &mut self.projects[project.index()];
                if !found.has_failed_too_often() {
                    return broken("G9", format!("{project} was stopped after {:?} failures", found.failed));
                }
                found.is_paused = true;
            }
            Event::RulesSet { project, rules } => self.projects[project.index()].rules = *rules,
            Event::ProjectSettingsChanged { project, settings } => {
                self.projects[project.index()].branch.clone_from(&settings.branch);
            }
            Event::InstanceRenewed { .. }
            | Event::ProjectEntered { .. }
            | Event::Answered { .. }
            | Event::TokensRaised { .. } => {}
        }
        Ok(())
    }

    fn end_instance(&mut self, instance: InstanceKey) -> Verdict {
        if !self.asked.has_end && !self.asked.taken_over.contains(&instance) {
            return broken("G3", format!("{instance} was ended and nobody asked for it"));
        }
        self.instances[instance.index()].is_active = false;
        Ok(())
    }

    /// A plan that is changed keeps where its tasks stand, and has no cycle.
    fn set_tasks(&mut self, key: ProjectKey, changed: &[u8]) -> Verdict {
        let project = &self.projects[key.index()];
        let mut plan = project.plan.clone();
        let unreadable = |_| Violation { promise: "G9", what: format!("a change of {key} cannot be read") };
        let changed: Vec<planner_core::Task> = serde_json::from_slice(changed).map_err(unreadable)?;
        for task in changed {
            match plan.tasks.iter_mut().find(|known| known.id == task.id) {
                Some(known) => *known = task,
                None => plan.tasks.push(task),
            }
        }
        if TaskGraph::new(&plan).is_err() {
            return broken("G9", format!("a change of {key} was accepted that leaves no sound plan"));
        }
        let mut next = Project::of(plan);
        (next.is_paused, next.rules, next.failed) = (project.is_paused, project.rules, project.failed);
        next.branch.clone_from(&project.branch);
        for (place, task) in self.projects[key.index()].tasks.drain(..).enumerate() {
            let is_removed = next.tasks[place].stage == Stage::Excluded;
            if is_removed && task.stage.lease().is_some() {
                return broken("G3", format!("task {place} of {key} was removed while it was under way"));
            }
            let stage = match task.stage {
                _ if is_removed => Stage::Excluded,
                // What was removed and is there again is to be done.
                Stage::Excluded => next.tasks[place].stage,
                stage => stage,
            };
            let accepted = task.accepted.filter(|_| task.stage != Stage::Excluded);
            next.tasks[place] = Task { stage, accepted, ..task };
        }
        self.projects[key.index()] = next;
        Ok(())
    }

    fn register(&mut self, name: &str, can: &CapabilitySet, slots: u32, instance: InstanceKey) {
        let (can, slots) = (can.clone(), slots as usize);
        if let Some(key) = self.agents_by_name.get(name) {
            let agent = &mut self.agents[key.index()];
            (agent.can, agent.slots, agent.instance, agent.is_paused) = (can, slots, instance, false);
            return;
        }
        self.agents_by_name.insert(name.to_owned(), AgentKey(self.agents.len() as u32));
        self.agents.push(Agent {
            can,
            slots,
            instance,
            is_paused: false,
            lease: None,
            holds: HashSet::new(),
        });
    }

    fn task(&self, key: TaskKey) -> Option<&Task> {
        self.projects.get(key.project.index())?.tasks.get(key.task as usize)
    }

    fn step(&mut self, key: TaskKey, step: &Transition, at: Timestamp) -> Verdict {
        self.check_cause(key, step, at)?;
        if let Transition::Assign(lease) = step {
            self.check_assignment(key, lease)?;
            self.check_length(key, lease.agent, lease.expires_at, at)?;
        }
        let present = self.task(key).and_then(|task| task.stage.occupying());
        if let (Transition::Renew { expires_at, .. }, Some(lease)) = (step, present) {
            self.check_length(key, lease.agent, *expires_at, at)?;
        }
        self.check_approval(key, step)?;
        let project = self.projects.get_mut(key.project.index());
        let Some(task) = project.and_then(|project| project.tasks.get_mut(key.task as usize)) else {
            return broken("G9", format!("{key} is moved, and there is none"));
        };
        if *step == Transition::Resume && task.stage == Stage::Waiting {
            let is_asked = self.asked.resumed.contains(&key);
            if at < task.not_before && !is_asked {
                let wait = task.not_before.since(at);
                return broken("G5", format!("{key} may be handed out {wait:?} before its wait is over"));
            }
        }
        let before = task.stage;
        task.take(key, step)?;
        let after = task.stage;
        if let Some(project) = self.projects.get_mut(key.project.index()) {
            project.count_failure(step);
        }
        if let Some(lease) = before.occupying() {
            self.agents[lease.agent.index()].holds.remove(&key);
        }
        if let Some(lease) = after.occupying() {
            self.agents[lease.agent.index()].holds.insert(key);
        }
        Ok(())
    }

    /// A result that somebody has to agree to is accepted by that, and by nothing else.
    fn check_approval(&self, key: TaskKey, step: &Transition) -> Verdict {
        let asked =
            self.projects.get(key.project.index()).and_then(|found| found.plan.tasks.get(key.task as usize));
        let is_gated = asked.is_some_and(|task| task.approval.is_before_landing());
        if is_gated && matches!(step, Transition::Verify { .. }) {
            return broken("G9", format!("the result of {key} was accepted before somebody had agreed"));
        }
        Ok(())
    }

    /// An event of an attempt must come from a request that shows its token, or from the time.
    fn check_cause(&self, key: TaskKey, step: &Transition, at: Timestamp) -> Verdict {
        let Some(token) = step.token() else {
            return Ok(());
        };
        let causes: &[&'static str] = match step {
            Transition::Land { landed: Landed::Empty | Landed::NotAsked, .. }
            | Transition::ApproveLanding { .. }
                if self.asked.approved.contains(&key) =>
            {
                return Ok(());
            }
            Transition::Fail { reason: FailureReason::Silent { .. }, .. } => {
                return self.check_silence(key, true, at);
            }
            Transition::Fail { .. } if self.asked.rejected.contains(&key) => return Ok(()),
            Transition::Start(_) => &["start"],
            Transition::Renew { .. } => &["renew"],
            Transition::Deliver { .. } => &["deliver"],
            Transition::Verify { .. } | Transition::Propose { .. } => &["deliver", "pass"],
            Transition::ApproveLanding { .. } => &[],
            Transition::Intend { .. } => &["intend"],
            Transition::Land { landed: Landed::Commit { .. }, .. } => &["land"],
            Transition::Land { landed: Landed::Empty | Landed::NotAsked, .. } => &["deliver", "pass", "land"],
            Transition::Conflict { .. } => &["conflict"],
            Transition::Checkpoint { .. } => &["checkpoint"],
            Transition::Fail { .. } => &["fail"],
            Transition::Lose { why: Lost::Unable, .. } => &["give up"],
            Transition::Lose { why: Lost::Paused, .. } => {
                let holder = self.task(key).and_then(|task| task.stage.occupying()).map(|lease| lease.agent);
                let is_stopped = holder.is_some_and(|agent| self.asked.stopped.contains(&agent));
                return match is_stopped || self.asked.held.contains(&key) {
                    true => Ok(()),
                    false => broken("G3", format!("{key} was taken from its agent, and nobody asked for it")),
                };
            }
            Transition::Lose { why: Lost::LeaseExpired, .. } => return self.check_silence(key, false, at),
            Transition::Lose { why: Lost::CoordinatorGone | Lost::ShutDown, .. }
            | Transition::Adopt { .. }
            | Transition::Assign(_)
            | Transition::ApproveStart(_)
            | Transition::Hold
            | Transition::Resume
            | Transition::Reopen
            | Transition::CompleteByHand(_)
            | Transition::Cancel(_) => return Ok(()),
        };
        if self.asked.has(causes, key, token) {
            return Ok(());
        }
        broken(
            "G3",
            format!(
                "`{}` of {key} under token {token}, which nobody asked for under that token",
                step.name()
            ),
        )
    }

    fn check_assignment(&self, key: TaskKey, lease: &Lease) -> Verdict {
        let (Some(project), Some(agent)) =
            (self.projects.get(key.project.index()), self.agents.get(lease.agent.index()))
        else {
            return broken("G9", format!("{key} was handed out, and the task or the agent is not known"));
        };
        let place = key.task as usize;
        if let Some(open) = project.open_need(place) {
            return broken("G9", format!("{key} was handed out before {open}"));
        }
        if project.is_start_gated(place) {
            return broken("G9", format!("{key} was handed out before somebody had agreed"));
        }
        if let Some(other) = self.writing_the_same(key) {
            return broken("G9", format!("{key} was handed out while `{other}` could write the same file"));
        }
        if project.has_failed_too_often() {
            return broken("G9", format!("{key} was handed out after {:?} failures", project.failed));
        }
        if project.is_paused || agent.is_paused {
            return broken("G9", format!("{key} was handed out, and its project or agent is paused"));
        }
        if agent.holds.len() >= agent.slots {
            return broken("G3", format!("{} has more tasks than its {} slots", lease.agent, agent.slots));
        }
        if !agent.can.covers(&project.plan.tasks[place].capabilities) {
            return broken("G9", format!("{} cannot do {key}", lease.agent));
        }
        let owner = self.instances.get(lease.instance.index());
        if agent.instance != lease.instance || owner.is_none_or(|owner| !owner.is_active) {
            return broken(
                "G3",
                format!("{key} was handed to an agent of another coordinator than {}", lease.instance),
            );
        }
        Ok(())
    }

    /// Returns a task under way, of this project or of one on the same branch, that could write a file that this one could.
    fn writing_the_same(&self, key: TaskKey) -> Option<&planner_core::TaskId> {
        let own = &self.projects[key.project.index()];
        let files = own.claim(key.task as usize).filter(|files| !files.is_empty())?;
        let beside = |(place, other): &(usize, &Project)| {
            *place == key.project.index() || (own.branch.is_some() && own.branch == other.branch)
        };
        let near = self.projects.iter().enumerate().filter(beside);
        near.into_iter().find_map(|(_, project)| project.writing(files))
    }

    /// A lease lasts as long as its task says; else as its agent does; else as all.
    fn check_length(&self, key: TaskKey, agent: AgentKey, expires_at: Timestamp, at: Timestamp) -> Verdict {
        let asked =
            self.projects.get(key.project.index()).and_then(|found| found.plan.tasks.get(key.task as usize));
        let own = asked.and_then(|asked| asked.limits.lease_seconds);
        let own = own.map(|seconds| Duration::from_secs(u64::from(seconds.get())));
        let agent = self.agents.get(agent.index()).and_then(|agent| agent.lease);
        let length = own.or(agent).unwrap_or(self.common.lease);
        match expires_at == at + length {
            true => Ok(()),
            false => broken("G8", format!("the lease of {key} was to last {length:?} and does not")),
        }
    }

    /// An attempt ends in silence when its lease has run out, and no task may have more of these than it is allowed.
    fn check_silence(&self, key: TaskKey, is_last: bool, at: Timestamp) -> Verdict {
        let expires_at = self.task(key).and_then(|task| task.stage.occupying()).map(|lease| lease.expires_at);
        if expires_at.is_none_or(|expires_at| expires_at > at) {
            return broken("G7", format!("the lease of {key} was ended before its time was over"));
        }
        let asked =
            self.projects.get(key.project.index()).and_then(|found| found.plan.tasks.get(key.task as usize));
        let own = asked.and_then(|asked| asked.limits.losses_max).map(std::num::NonZeroU32::get);
        let times = self.task(key).map_or(0, |task| task.silent) + 1;
        match (times >= own.unwrap_or(self.common.losses_max)) == is_last {
            true => Ok(()),
            false => {
                broken("G5", format!("{times} attempts at {key} ended in silence; the last one: {is_last}"))
            }
        }
    }

    /// Returns where a task stands, in the words of the state.
    pub(super) fn stage(&self, key: TaskKey) -> Option<StateName> {
        Some(match self.task(key)?.stage {
            Stage::Free => StateName::Pending,
            Stage::Held(_) => StateName::Assigned,
            Stage::Working(_) => StateName::Running,
            Stage::Delivered(_) => StateName::Verifying,
            Stage::Proposed(_) => StateName::AwaitingApproval,
            Stage::Accepted(_) => StateName::Landing,
            Stage::Waiting => StateName::Backoff,
            Stage::Done => StateName::Completed,
            Stage::Failed => StateName::Failed,
            Stage::OnHold => StateName::OnHold,
            Stage::Cancelled | Stage::Excluded => StateName::Cancelled,
        })
    }

    /// Returns the leases that keep agents busy and have ended.
    pub(super) fn overdue(&self, now: Timestamp) -> impl Iterator<Item = (TaskKey, FencingToken)> + '_ {
        let holds = self.agents.iter().flat_map(|agent| &agent.holds);
        holds.filter_map(move |key| {
            let lease = self.task(*key)?.stage.occupying()?;
            (lease.expires_at <= now).then_some((*key, lease.token))
        })
    }

    /// Returns the projects and agents that are paused.
    pub(super) fn paused(&self) -> Vec<Pausable> {
        let projects = (0..).map(ProjectKey).zip(&self.projects).filter(|(_, project)| project.is_paused);
        let agents = (0..).map(AgentKey).zip(&self.agents).filter(|(_, agent)| agent.is_paused);
        let projects = projects.map(|(key, _)| Pausable::Project(key));
        projects.chain(agents.map(|(key, _)| Pausable::Agent(key))).collect()
    }

    /// Returns the tasks that are put aside.
    pub(super) fn on_hold(&self) -> Vec<TaskKey> {
        self.tasks().filter(|(_, _, task)| task.stage == Stage::OnHold).map(|(key, ..)| key).collect()
    }

    /// Returns the tasks that nothing but somebody's approval holds up.
    pub(super) fn awaiting_approval(&self) -> Vec<TaskKey> {
        let is_awaited = |key: TaskKey, project: &Project, task: &Task| {
            let place = key.task as usize;
            let could_begin = task.stage == Stage::Free
                && project.children[place].is_empty()
                && project.open_need(place).is_none();
            matches!(task.stage, Stage::Proposed(_)) || (could_begin && project.is_start_gated(place))
        };
        let awaited = self.tasks().filter(|(key, project, task)| is_awaited(*key, project, task));
        awaited.map(|(key, ..)| key).collect()
    }

    fn tasks(&self) -> impl Iterator<Item = (TaskKey, &Project, &Task)> {
        let projects = (0..).map(ProjectKey).zip(&self.projects);
        projects.flat_map(|(project, found)| {
            (0..).zip(&found.tasks).map(move |(task, known)| (TaskKey { project, task }, found, known))
        })
    }

    /// Checks that everything that could be done has been done: the world is at rest.
    pub(super) fn check_rest(&self) -> Verdict {
        for (key, project) in (0..).map(ProjectKey).zip(&self.projects) {
            for (place, task) in project.tasks.iter().enumerate() {
                let named = || {
                    format!(
                        "{} (`{}`)",
                        TaskKey { project: key, task: place as u32 },
                        project.plan.tasks[place].id
                    )
                };
                let is_leaf = project.children[place].is_empty();
                match task.stage {
                    // One that waits for its next attempt may wait for another task, too, and then for ever.
                    Stage::Free | Stage::Waiting
                        if is_leaf
                            && project.open_need(place).is_none()
                            && !project.is_start_gated(place) =>
                    {
                        let asked = &project.plan.tasks[place].capabilities;
                        if self.agents.iter().any(|agent| agent.slots > 0 && agent.can.covers(asked)) {
                            return broken("G8", format!("{} could be done and is not handed out", named()));
                        }
                    }
                    Stage::Held(_)
                    | Stage::Working(_)
                    | Stage::Delivered(_)
                    | Stage::Proposed(_)
                    | Stage::Accepted(_) => {
                        return broken("G8", format!("{} is left as it is: {:?}", named(), task.stage));
                    }
                    Stage::Free
                    | Stage::Waiting
                    | Stage::Done
                    | Stage::Failed
                    | Stage::OnHold
                    | Stage::Cancelled
                    | Stage::Excluded => {}
                }
            }
        }
        Ok(())
    }

    /// Returns how many tasks have come to an end.
    pub(super) fn settled(&self) -> usize {
        let tasks = self.projects.iter().flat_map(|project| &project.tasks);
        tasks.filter(|task| matches!(task.stage, Stage::Done | Stage::Failed | Stage::Cancelled)).count()
    }

    /// Returns how many tasks there are, and how many are done.
    pub(super) fn totals(&self) -> (u64, u64) {
        let tasks = || self.projects.iter().flat_map(|project| &project.tasks);
        (tasks().count() as u64, tasks().filter(|task| task.stage == Stage::Done).count() as u64)
    }
}

impl Project {
    fn new(name: &str, plan: &[u8]) -> Result<Self, Violation> {
        let unreadable =
            |_| Violation { promise: "G9", what: format!("the plan of `{name}` cannot be read") };
        Ok(Self::of(Plan::from_json(plan).map_err(unreadable)?))
    }

    fn of(plan: Plan) -> Self {
        let places: BTreeMap<&str, usize> =
            plan.tasks.iter().enumerate().map(|(place, task)| (task.id.as_str(), place)).collect();
        let is_excluded = |place: usize| matches!(plan.tasks[place].standing, Standing::Excluded(_));
        let parent =
            |place: usize| plan.tasks[place].parent.as_ref().and_then(|id| places.get(id.as_str()).copied());
        let above: Vec<Vec<usize>> = (0..plan.tasks.len())
            .map(|place| {
                let line = std::iter::successors(parent(place), |above| parent(*above));
                line.filter(|above| !is_excluded(*above)).collect()
            })
            .collect();
        let mut children = vec![Vec::new(); plan.tasks.len()];
        for (place, above) in above.iter().enumerate().filter(|(place, _)| !is_excluded(*place)) {
            if let Some(parent) = above.first() {
                children[*parent].push(place);
            }
        }
        let needs = plan.tasks.iter().enumerate().map(|(place, task)| {
            let named =
                task.dependencies.iter().filter_map(|one| Some((*places.get(one.on.as_str())?, one.when)));
            let counts =
                |on: usize| !is_excluded(on) && !above[place].contains(&on) && !above[on].contains(&place);
            named.filter(|(on, _)| counts(*on)).collect()
        });
        let (needs, tasks) =
            (needs.collect(), plan.tasks.iter().map(|task| Task::new(&task.standing)).collect());
        Self {
            children,
            above,
            needs,
            tasks,
            plan,
            branch: None,
            rules: ProjectRules::default(),
            failed: (0, 0),
            is_paused: false,
        }
    }

    /// Returns something that must come before a task and has not: of its own dependencies, or of those around it.
    fn open_need(&self, place: usize) -> Option<String> {
        let around = std::iter::once(place).chain(self.above[place].iter().copied());
        let mut needs = around.flat_map(|task| &self.needs[task]);
        let open = needs.find(|(on, when)| match when {
            When::Completed => !self.is_done(*on),
            When::Failed => !self.has_failed(*on),
        });
        open.map(|(on, when)| format!("`{}` had ended as it must ({when:?})", self.plan.tasks[*on].id))
    }

    fn count_failure(&mut self, step: &Transition) {
        match step {
            Transition::Fail { .. } => self.failed = (self.failed.0 + 1, self.failed.1 + 1),
            Transition::Land { .. } => self.failed.0 = 0,
            _ => {}
        }
    }

    fn has_failed_too_often(&self) -> bool {
        let is_reached =
            |count: u32, max: Option<std::num::NonZeroU32>| max.is_some_and(|max| count >= max.get());
        is_reached(self.failed.0, self.rules.failures_in_row_max)
            || is_reached(self.failed.1, self.rules.failures_max)
    }

    /// Returns what a task writes that nobody else may meanwhile.
    fn claim(&self, place: usize) -> Option<&WriteSet> {
        (self.rules.overlapping_writes == OverlappingWrites::Wait).then(|| &self.plan.tasks[place].writes)
    }

    /// Returns a task under way that could write a file of that set, where that is not allowed.
    fn writing(&self, files: &WriteSet) -> Option<&planner_core::TaskId> {
        let under_way = (0..self.tasks.len()).filter(|place| self.tasks[*place].stage.lease().is_some());
        let is_same = |place: &usize| self.claim(*place).is_some_and(|claim| claim.overlaps(files));
        under_way.into_iter().find(is_same).map(|place| &self.plan.tasks[place].id)
    }

    fn is_start_gated(&self, place: usize) -> bool {
        self.plan.tasks[place].approval.is_before_start() && !self.tasks[place].may_begin
    }

    fn is_done(&self, place: usize) -> bool {
        let children = &self.children[place];
        if children.is_empty() {
            return self.tasks[place].stage == Stage::Done;
        }
        children.iter().all(|child| {
            let is_called_off =
                self.children[*child].is_empty() && self.tasks[*child].stage == Stage::Cancelled;
            is_called_off || self.is_done(*child)
        })
    }

    fn has_failed(&self, place: usize) -> bool {
        let children = &self.children[place];
        if children.is_empty() {
            return self.tasks[place].stage == Stage::Failed;
        }
        children.iter().any(|child| self.has_failed(*child))
    }
}

impl Stage {
    fn occupying(&self) -> Option<&Lease> {
        match self {
            Self::Held(lease) | Self::Working(lease) => Some(lease),
            _ => None,
        }
    }

    fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Held(lease)
            | Self::Working(lease)
            | Self::Delivered(lease)
            | Self::Proposed(lease)
            | Self::Accepted(lease) => Some(lease),
            _ => None,
        }
    }
}

impl Task {
    fn new(standing: &Standing) -> Self {
        let stage = match standing {
            Standing::Pending => Stage::Free,
            Standing::Completed => Stage::Done,
            Standing::OnHold => Stage::OnHold,
            Standing::Excluded(_) => Stage::Excluded,
        };
        let (last_token, not_before) = (FencingToken::default(), Timestamp::default());
        Self { stage, last_token, accepted: None, silent: 0, not_before, may_begin: false }
    }

    fn take(&mut self, key: TaskKey, step: &Transition) -> Verdict {
        let stage = self.stage;
        let told = |what: &str| broken("G3", format!("{key}, which is {stage:?}, {what}"));
        if let (Some(token), Some(lease)) = (step.token(), stage.lease())
            && token != lease.token
        {
            return told(&format!("takes `{}` of another attempt, {token}", step.name()));
        }
        self.stage = match (step, stage) {
            (Transition::Assign(lease), Stage::Free) => {
                if lease.token <= self.last_token {
                    return told(&format!("was handed out under {}, which is not new", lease.token));
                }
                self.last_token = lease.token;
                Stage::Held(*lease)
            }
            (Transition::Start(_), Stage::Held(lease)) => Stage::Working(lease),
            (Transition::Renew { expires_at, .. }, Stage::Held(lease)) => {
                Stage::Held(Lease { expires_at: *expires_at, ..lease })
            }
            (Transition::Renew { expires_at, .. }, Stage::Working(lease)) => {
                Stage::Working(Lease { expires_at: *expires_at, ..lease })
            }
            (Transition::Deliver { .. }, Stage::Working(lease)) => Stage::Delivered(lease),
            (Transition::Verify { token, .. }, Stage::Delivered(lease)) => {
                if self.accepted.is_some() {
                    return broken("G5", format!("a second result of {key} was accepted"));
                }
                self.accepted = Some(*token);
                Stage::Accepted(lease)
            }
            (Transition::Propose { .. }, Stage::Delivered(lease)) => Stage::Proposed(lease),
            (Transition::ApproveLanding { token, .. }, Stage::Proposed(lease)) => {
                if self.accepted.is_some() {
                    return broken("G5", format!("a second result of {key} was accepted"));
                }
                self.accepted = Some(*token);
                Stage::Accepted(lease)
            }
            (Transition::Intend { .. }, Stage::Accepted(lease)) => Stage::Accepted(lease),
            (Transition::Adopt { instance, .. }, Stage::Delivered(lease)) => {
                Stage::Delivered(Lease { instance: *instance, ..lease })
            }
            (Transition::Adopt { instance, .. }, Stage::Proposed(lease)) => {
                Stage::Proposed(Lease { instance: *instance, ..lease })
            }
            (Transition::Adopt { instance, .. }, Stage::Accepted(lease)) => {
                Stage::Accepted(Lease { instance: *instance, ..lease })
            }
            (Transition::Land { .. }, Stage::Accepted(_)) => Stage::Done,
            (Transition::Conflict { .. }, Stage::Accepted(_)) => {
                self.accepted = None;
                Stage::Free
            }
            (
                Transition::Fail { then, .. },
                Stage::Held(_) | Stage::Working(_) | Stage::Delivered(_) | Stage::Proposed(_),
            ) => match then {
                AfterFailure::Retry(until) => {
                    self.not_before = *until;
                    Stage::Waiting
                }
                AfterFailure::GiveUp => Stage::Failed,
            },
            (Transition::Lose { why, .. }, Stage::Held(_) | Stage::Working(_)) => {
                self.silent += u32::from(*why == Lost::LeaseExpired);
                Stage::Free
            }
            (Transition::Checkpoint { .. }, Stage::Working(lease)) => Stage::Working(lease),
            (Transition::Reopen, Stage::Done | Stage::Failed | Stage::Cancelled) => {
                self.accepted = None;
                self.may_begin = false;
                self.silent = 0;
                Stage::Free
            }
            (Transition::ApproveStart(_), Stage::Free | Stage::Waiting | Stage::OnHold) => {
                self.may_begin = true;
                stage
            }
            (Transition::CompleteByHand(_), Stage::Free | Stage::Waiting | Stage::OnHold | Stage::Failed) => {
                Stage::Done
            }
            (Transition::Hold, Stage::Free | Stage::Waiting) => Stage::OnHold,
            (Transition::Resume, Stage::OnHold | Stage::Waiting) => Stage::Free,
            (
                Transition::Cancel(_),
                Stage::Free
                | Stage::Held(_)
                | Stage::Working(_)
                | Stage::Proposed(_)
                | Stage::Waiting
                | Stage::OnHold,
            ) => Stage::Cancelled,
            _ => return told(&format!("takes `{}`", step.name())),
        };
        Ok(())
    }
}

/// The branch of a simulated repository: commits, each of one task.
#[derive(Debug, Default)]
pub(super) struct Branch {
    commits: HashSet<CommitHash>,
    by_result: HashMap<(TaskKey, FencingToken), CommitHash>,
}

impl Branch {
    /// Returns how many commits it has: its tip.
    pub(super) fn tip(&self) -> usize {
        self.commits.len()
    }

    /// Returns whether it has a commit.
    pub(super) fn has(&self, commit: CommitHash) -> bool {
        self.commits.contains(&commit)
    }

    /// Moves it from a tip to a commit after it; false where it is not at that tip any more.
    pub(super) fn publish(
        &mut self,
        task: TaskKey,
        token: FencingToken,
        commit: CommitHash,
        tip: usize,
    ) -> Result<bool, Violation> {
        if tip != self.commits.len() {
            return Ok(false);
        }
        if self.by_result.insert((task, token), commit).is_some() {
            return Err(Violation {
                promise: "G10",
                what: format!("the result of {task} under token {token} is on the branch twice"),
            });
        }
        self.commits.insert(commit);
        Ok(true)
    }

    /// Checks that a task that is completed by a commit is on the branch by that commit.
    pub(super) fn check_landed(&self, task: TaskKey, token: FencingToken, commit: CommitHash) -> Verdict {
        if self.by_result.get(&(task, token)) == Some(&commit) {
            return Ok(());
        }
        broken("G10", format!("{task} is completed by {commit}, which is not on the branch"))
    }
}
