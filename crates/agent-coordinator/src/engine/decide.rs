//! What a command comes to, given the state and the time. Nothing is changed here.

use std::time::Duration;

use planner_core::Plan;
use planner_core::graph::TaskGraph;
use state_store::Timestamp;
use state_store::task::{
    Accepted, AfterFailure, AgentKey, AgentStatus, CancelReason, CheckRecord, Completion, Deliverable, Event,
    FailureReason, FencingToken, IllegalTransition, InstanceKey, InstanceStatus, Lease, Lost, ProjectKey,
    ProjectSettings, TaskKey, TaskState, Transition, transition,
};

use crate::engine::{AgentSpec, Command, Decision, Engine, Refusal, Request, approval, retry};
use crate::planted::{PlantedBug, is_planted};

pub(super) type Events = Result<Vec<Event>, Refusal>;

impl Engine {
    /// Returns what a request comes to now: where it was accepted before, the answer that was given then.
    pub fn decide_request(&self, request: &Request, now: Timestamp) -> Decision {
        let Some(id) = request.id else { return self.decide(&request.command, now) };
        if let Some(given) = self.state.answers().get(id) {
            let is_same = given.task == request.command.task();
            let answer = if is_same { Ok(given.accepted) } else { Err(Refusal::OtherRequest { id }) };
            return Decision { events: Vec::new(), answer };
        }
        let mut decision = self.decide(&request.command, now);
        if let Ok(accepted) = decision.answer {
            decision.events.push(Event::Answered { request: id, task: request.command.task(), accepted });
        }
        decision
    }

    /// Returns what a command comes to now.
    pub fn decide(&self, command: &Command, now: Timestamp) -> Decision {
        // Another coordinator may be landing the same result by now.
        if command.is_of_landing() && self.is_deposed() {
            return Decision::of(self.begun().map(|_| Vec::new()), Accepted::Done);
        }
        let events = match command {
            Command::Enter { plan, settings } => return self.decide_entry(plan, settings, now),
            Command::Deliver { task, token, agent, deliverable } => {
                return self.decide_delivery(*task, *token, *agent, *deliverable, now);
            }
            Command::Begin { host } if self.me.is_none() => {
                let expires_at = now + self.policy.instance_lease;
                let started = |id| Event::InstanceStarted { id, host: host.clone(), expires_at };
                Ok(self.id.map(started).into_iter().collect())
            }
            // Another process of the same id may have begun first.
            Command::Begin { .. } | Command::RenewInstance => self.begun().map(|instance| {
                vec![Event::InstanceRenewed { instance, expires_at: now + self.policy.instance_lease }]
            }),
            Command::TakeOver { instance, expires_at } => self.decide_take_over(*instance, *expires_at),
            Command::AdoptOrphans => {
                self.begun().map(|me| self.adoptions(me, |task| self.serves(task.project)))
            }
            Command::End => self.begun().map(|me| self.end_of(me, Lost::ShutDown)),
            Command::Join(project) => self.begun().and_then(|instance| {
                self.state.project(*project).ok_or(Refusal::NoSuchProject { project: *project })?;
                Ok(vec![Event::ProjectEntered { project: *project, instance }])
            }),
            Command::RegisterAgents(agents) => self.decide_agents(agents, now),
            Command::Start { task, token } => self.step(*task, Transition::Start(*token), now),
            Command::Renew(leases) => Ok(self.decide_renewals(leases, now)),
            Command::Fail { task, token, reason } => self.decide_failure(*task, *token, reason, now),
            Command::GiveUp { task, token } => {
                self.step(*task, Transition::Lose { token: *token, why: Lost::Unable }, now)
            }
            Command::PassCheck { task, token, took_ms } => {
                self.decide_verified(*task, *token, CheckRecord::Passed { took_ms: *took_ms }, now)
            }
            Command::Intend(intents) => intents
                .iter()
                .map(|(task, token, intent)| {
                    self.one_step(*task, Transition::Intend { token: *token, intent: *intent }, now)
                })
                .collect(),
            Command::Land { task, token, landed } => {
                self.step(*task, Transition::Land { token: *token, landed: *landed }, now)
            }
            Command::Conflict { task, token, conflict } => {
                self.step(*task, Transition::Conflict { token: *token, conflict: conflict.clone() }, now)
            }
            Command::Hold(task) => self.decide_hold(*task, now),
            Command::Resume(task) => self.step(*task, Transition::Resume, now),
            Command::Cancel { task, reason, reach } => self.decide_cancel(*task, reason, *reach, now),
            Command::CancelProject { project, reason } => self.decide_cancel_project(*project, reason, now),
            Command::Reopen { task, reach } => self.decide_reopening(*task, *reach, now),
            Command::CompleteByHand { task, reason } => {
                self.step(*task, Transition::CompleteByHand(reason.clone()), now)
            }
            Command::Approve { task, review } => self.decide_approval(*task, review, now),
            Command::Reject { task, review } => self.decide_rejection(*task, review, now),
            Command::Checkpoint { task, token, text } => {
                self.step(*task, Transition::Checkpoint { token: *token, text: text.clone() }, now)
            }
            Command::Pause(what) => self.decide_pause(*what, true),
            Command::StopAgent(agent) => self.decide_stop(*agent, now),
            Command::Continue(what) => self.decide_pause(*what, false),
            Command::SetRules { project, rules } => self.decide_rules(*project, *rules),
            Command::SetTasks { project, tasks } => self.decide_tasks(*project, tasks),
        };
        Decision::of(events, Accepted::Done)
    }

    /// Returns the next thing that time or the dispatcher wants, if any: asked for and applied until there is none.
    pub fn housekeeping(&self, now: Timestamp) -> Option<Event> {
        if let Some(task) = self.not_needed.first() {
            return Some(Event::Task {
                task: *task,
                transition: Transition::Cancel(CancelReason::NotNeeded),
            });
        }
        if let Some(project) = self.stopping.first() {
            return Some(Event::FailuresReached { project: *project });
        }
        self.next_expiry(now).or_else(|| self.next_retry(now)).or_else(|| self.next_assignment(now))
    }

    fn next_retry(&self, now: Timestamp) -> Option<Event> {
        let is_over = |until: &Timestamp| *until <= now || is_planted(PlantedBug::BackoffForgotten);
        let (_, task) = self.delayed.first().filter(|(until, _)| is_over(until))?;
        Some(Event::Task { task: *task, transition: Transition::Resume })
    }

    fn next_expiry(&self, now: Timestamp) -> Option<Event> {
        let (_, task) = self.expiries.first().filter(|(expires_at, _)| *expires_at <= now)?;
        let token = self.state.task(*task)?.state.lease()?.token;
        Some(Event::Task { task: *task, transition: self.end_in_silence(*task, token) })
    }

    /// Returns what comes of an attempt whose agent let its lease run out: another one, until as many have ended so as may.
    fn end_in_silence(&self, task: TaskKey, token: FencingToken) -> Transition {
        let (record, asked) = (self.state.task(task), self.state.asked(task));
        let times = record.map_or(0, |record| record.losses) + 1;
        let is_over = asked.is_some_and(|asked| times >= self.policy.losses_max_of(asked));
        if is_over && !is_planted(PlantedBug::SilenceUncounted) {
            let reason = FailureReason::Silent { times };
            return Transition::Fail { token, reason, then: AfterFailure::GiveUp };
        }
        Transition::Lose { token, why: Lost::LeaseExpired }
    }

    /// Returns how long a lease of an agent on a task lasts, unless it is renewed.
    pub(crate) fn lease_of(&self, task: TaskKey, agent: AgentKey) -> Option<Duration> {
        Some(self.policy.lease_of(self.state.asked(task)?, self.state.agent(agent)))
    }

    /// Returns this coordinator, if it has begun and nobody has taken over from it.
    pub(super) fn begun(&self) -> Result<InstanceKey, Refusal> {
        let me = self.me.ok_or(Refusal::NotBegun)?;
        if self.is_deposed() {
            return Err(Refusal::Deposed { instance: me });
        }
        Ok(me)
    }

    /// Returns the event of one step of a task, if the table has it now.
    pub(super) fn one_step(&self, key: TaskKey, step: Transition, now: Timestamp) -> Result<Event, Refusal> {
        let record = self.state.task(key).ok_or(Refusal::NoSuchTask { task: key })?;
        let project = &self.state.projects()[key.project.index()];
        if project.graph.is_group(key.task()) {
            return Err(Refusal::IsGroup { task: key });
        }
        transition::next(&record.state, record.last_token, &step, now)?;
        Ok(Event::Task { task: key, transition: step })
    }

    pub(super) fn step(&self, key: TaskKey, step: Transition, now: Timestamp) -> Events {
        Ok(vec![self.one_step(key, step, now)?])
    }

    /// Adds the project or finds it, changes its settings if nobody else works by the old ones, and adopts what others
    /// have left of it.
    fn decide_entry(&self, plan: &Plan, settings: &ProjectSettings, now: Timestamp) -> Decision {
        let key = self.state.project_named(&plan.name);
        let project = key.unwrap_or(ProjectKey(self.state.projects().len() as u32));
        let events = self.begun().and_then(|instance| {
            let mut events = match key {
                Some(_) => self.settings_for_entry(project, plan, settings, instance, now)?,
                None => vec![new_project(plan, settings)?],
            };
            events.push(Event::ProjectEntered { project, instance });
            events.extend(self.adoptions(instance, |task| task.project == project));
            Ok(events)
        });
        Decision::of(events, Accepted::Project(project))
    }

    fn settings_for_entry(
        &self,
        project: ProjectKey,
        plan: &Plan,
        settings: &ProjectSettings,
        me: InstanceKey,
        now: Timestamp,
    ) -> Events {
        let recorded = &self.state.projects()[project.index()];
        if !recorded.is_of(plan) {
            return Err(Refusal::OtherPlan { name: plan.name.clone() });
        }
        if recorded.settings == *settings {
            return Ok(Vec::new());
        }
        let others = recorded.coordinators.iter().filter(|other| **other != me);
        let mut at_work = others.filter_map(|other| match self.state.instance(*other)?.status {
            InstanceStatus::Active { expires_at } if expires_at > now => Some((*other, expires_at)),
            InstanceStatus::Active { .. } | InstanceStatus::Ended => None,
        });
        if let Some((other, until)) = at_work.next() {
            return Err(Refusal::OtherSettings { name: plan.name.clone(), other, until });
        }
        Ok(vec![Event::ProjectSettingsChanged { project, settings: settings.clone() }])
    }

    fn decide_agents(&self, agents: &[AgentSpec], now: Timestamp) -> Events {
        let instance = self.begun()?;
        Ok(agents.iter().map(|agent| self.decide_agent(agent, instance, now)).collect())
    }

    fn decide_agent(&self, agent: &AgentSpec, instance: InstanceKey, now: Timestamp) -> Event {
        let present = self.state.agent_named(&agent.name).and_then(|key| self.state.agent(key));
        let is_taken = present.is_some_and(|present| {
            let owner = self.state.instance(present.instance).map(|owner| owner.status);
            let is_owned = matches!(owner, Some(InstanceStatus::Active { expires_at }) if expires_at > now);
            present.status == AgentStatus::Active && present.instance != instance && is_owned
        });
        Event::AgentRegistered {
            name: if is_taken { format!("{}@{}", agent.name, instance.0) } else { agent.name.clone() },
            capabilities: agent.capabilities.clone(),
            slots: agent.slots,
            lease: agent.lease,
            instance,
            labels: agent.labels.clone(),
        }
    }

    /// What becomes of the tasks of a coordinator that ends: attempts are given up; results stay, for another one to
    /// adopt.
    pub(super) fn end_of(&self, instance: InstanceKey, why: Lost) -> Vec<Event> {
        let given_up = self
            .leased()
            .filter(|(_, state, lease)| lease.instance == instance && state.occupying_lease().is_some());
        // Whose turns are its agent's own was given up by nobody but that agent.
        let is_agent = self.state.instance(instance).is_some_and(|found| !found.host.is_process());
        let lose = |task, token| match why {
            Lost::CoordinatorGone if is_agent => self.end_in_silence(task, token),
            _ => Transition::Lose { token, why },
        };
        given_up
            .map(|(task, _, lease)| Event::Task { task, transition: lose(task, lease.token) })
            .chain(std::iter::once(Event::InstanceEnded { instance }))
            .collect()
    }

    fn adoptions(&self, me: InstanceKey, is_wanted: impl Fn(TaskKey) -> bool) -> Vec<Event> {
        let is_orphan = |instance: InstanceKey| {
            self.state.instance(instance).is_none_or(|owner| owner.status == InstanceStatus::Ended)
        };
        let orphans = self.leased().filter(|(task, state, lease)| {
            state.delivered_lease().is_some() && is_orphan(lease.instance) && is_wanted(*task)
        });
        let adopt = |lease: &Lease| Transition::Adopt { token: lease.token, instance: me };
        orphans.map(|(task, _, lease)| Event::Task { task, transition: adopt(lease) }).collect()
    }

    /// Returns the tasks that are under a lease.
    fn leased(&self) -> impl Iterator<Item = (TaskKey, &TaskState, &Lease)> {
        let projects = (0..).map(ProjectKey).zip(self.state.projects());
        let tasks = projects.flat_map(|(project, found)| {
            (0..).zip(&found.tasks).map(move |(task, record)| (TaskKey { project, task }, &record.state))
        });
        tasks.filter_map(|(task, state)| Some((task, state, state.lease()?)))
    }

    /// Renewals of attempts that are not the present ones any more are passed over: their agents are told to stop by
    /// the effect of whatever ended them.
    fn decide_renewals(&self, leases: &[(TaskKey, FencingToken)], now: Timestamp) -> Vec<Event> {
        leases
            .iter()
            .filter_map(|(task, token)| {
                let agent = self.state.task(*task)?.state.lease()?.agent;
                let expires_at = now + self.lease_of(*task, agent)?;
                let token =
                    if is_planted(PlantedBug::HeartbeatInherited) { self.last_token(*task) } else { *token };
                self.one_step(*task, Transition::Renew { token, expires_at }, now).ok()
            })
            .collect()
    }

    pub(super) fn decide_failure(
        &self,
        task: TaskKey,
        token: FencingToken,
        reason: &FailureReason,
        now: Timestamp,
    ) -> Events {
        let failures = self.state.task(task).map_or(0, |record| record.failures) + 1;
        let then = retry::after_failure(&self.policy, task, token, failures, now);
        self.step(task, Transition::Fail { token, reason: reason.clone(), then }, now)
    }

    /// A result is taken at once as far as it needs nothing from outside: without a check it is accepted, without files
    /// it is landed. One that comes too late is kept.
    fn decide_delivery(
        &self,
        task: TaskKey,
        token: FencingToken,
        agent: AgentKey,
        deliverable: Deliverable,
        now: Timestamp,
    ) -> Decision {
        let token = if is_planted(PlantedBug::FencingSkipped) { self.last_token(task) } else { token };
        let delivered = match self.step(task, Transition::Deliver { token, deliverable }, now) {
            Ok(events) => events,
            Err(Refusal::Illegal(illegal)) => {
                return self.keep_late_result(&LateDelivery { task, token, agent, deliverable }, illegal);
            }
            Err(refusal) => return Decision::of(Err(refusal), Accepted::Done),
        };
        let project = &self.state.projects()[task.project.index()];
        let is_checked = project.settings.checks && project.plan.tasks[task.task as usize].check.is_some();
        if is_checked {
            return Decision::of(Ok(delivered), Accepted::Done);
        }
        let accepted = self.accept(task, token, deliverable, CheckRecord::NotNamed);
        Decision::of(Ok(delivered.into_iter().chain(accepted).collect()), Accepted::Done)
    }

    fn decide_verified(
        &self,
        task: TaskKey,
        token: FencingToken,
        check: CheckRecord,
        now: Timestamp,
    ) -> Events {
        self.one_step(task, Transition::Verify { token, check }, now)?;
        let Some(TaskState::Verifying { delivery, .. }) = self.state.task(task).map(|record| &record.state)
        else {
            return Err(Refusal::NoSuchTask { task });
        };
        Ok(self.accept(task, token, delivery.deliverable, check))
    }

    /// The events by which a result is accepted and, where it has nothing to land, completed; or by which somebody is asked
    /// first.
    fn accept(
        &self,
        task: TaskKey,
        token: FencingToken,
        deliverable: Deliverable,
        check: CheckRecord,
    ) -> Vec<Event> {
        let asked = &self.state.projects()[task.project.index()].plan.tasks[task.task as usize];
        if asked.approval.is_before_landing() && !is_planted(PlantedBug::GateSkipped) {
            return vec![Event::Task { task, transition: Transition::Propose { token, check } }];
        }
        let landed = approval::landed_at_once(deliverable);
        let steps = std::iter::once(Transition::Verify { token, check })
            .chain(landed.map(|landed| Transition::Land { token, landed }));
        steps.map(|transition| Event::Task { task, transition }).collect()
    }

    fn last_token(&self, task: TaskKey) -> FencingToken {
        self.state.task(task).map_or_else(FencingToken::default, |record| record.last_token)
    }

    /// A result is late only if its attempt was there once; one that shows a token of the future is not kept.
    fn keep_late_result(&self, late: &LateDelivery, illegal: IllegalTransition) -> Decision {
        let LateDelivery { task, token, agent, deliverable } = *late;
        let is_kept = self.state.late_results().iter().any(|kept| kept.task == task && kept.token == token);
        let was_there = self.state.task(task).is_some_and(|record| token <= record.last_token);
        let accepted = match self.state.task(task).map(|record| &record.state) {
            Some(TaskState::Completed(Completion::Attempt { lease, .. })) => Some(lease),
            Some(state) => state.delivered_lease(),
            None => None,
        };
        let is_accepted = accepted.is_some_and(|lease| lease.token == token);
        if is_kept || !was_there || is_accepted || is_planted(PlantedBug::LateResultLost) {
            return Decision { events: Vec::new(), answer: Err(Refusal::Illegal(illegal)) };
        }
        let event = Event::LateResult { task, token, agent, deliverable };
        Decision { events: vec![event], answer: Err(Refusal::Late(illegal)) }
    }
}

fn new_project(plan: &Plan, settings: &ProjectSettings) -> Result<Event, Refusal> {
    if let Err(defects) = TaskGraph::new(plan) {
        let first = defects.first().map(ToString::to_string).unwrap_or_default();
        return Err(Refusal::UnsoundPlan { name: plan.name.clone(), defects: defects.len(), first });
    }
    let stored = plan.to_json().into_bytes();
    Ok(Event::ProjectAdded { name: plan.name.clone(), plan: stored, settings: settings.clone() })
}

/// A result whose attempt is not the present one.
struct LateDelivery {
    task: TaskKey,
    token: FencingToken,
    agent: AgentKey,
    deliverable: Deliverable,
}

impl Decision {
    fn of(events: Events, accepted: Accepted) -> Self {
        match events {
            Ok(events) => Self { events, answer: Ok(accepted) },
            Err(refusal) => Self { events: Vec::new(), answer: Err(refusal) },
        }
    }
}
