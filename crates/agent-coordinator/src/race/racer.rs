//! One of those who race.

use std::time::Duration;

use planner_core::CapabilitySet;
use planner_core::random::Random;
use state_store::task::{FencingToken, ProjectKey, TaskKey};

use crate::engine::{Command, Request};
use crate::race::history::{Asked, Operation, Told, present_moment};
use crate::script_agent::{ScriptAgent, ScriptAgentError};

/// Where a racer asks.
pub trait Counter {
    /// Why there was no answer.
    type Error;

    /// Asks, and returns the answer once it is durable. What is refused is an answer.
    fn ask(&mut self, asked: &Asked) -> Result<Told, Self::Error>;
}

/// Somebody who asks at random: mostly what an agent that works well would ask, but also too late, and with old tokens.
#[derive(Debug)]
pub struct Racer {
    /// Its name; several may have the same.
    pub agent: String,
    /// What its questions are drawn from.
    pub random: Random,
    /// How long a pause is in which its lease runs out.
    pub pause: Duration,
}

/// What a racer remembers.
#[derive(Debug, Default)]
struct Memory {
    /// The task that it takes for its own.
    held: Option<(String, u64)>,
    /// Those that it has had and delivered.
    earlier: Vec<(String, u64)>,
    /// The one that it has given back or lost last: somebody else may be at it.
    given_up: Option<(String, u64)>,
}

impl Racer {
    /// Asks so many times and returns the history; ends early where there is no answer.
    pub fn race<C: Counter>(
        mut self,
        counter: &mut C,
        operations: usize,
    ) -> Result<Vec<Operation>, C::Error> {
        let mut history = Vec::with_capacity(operations);
        let mut memory = Memory::default();
        for _ in 0..operations {
            let asked = self.next_question(&mut memory);
            let invoked = present_moment();
            let told = counter.ask(&asked)?;
            let returned = present_moment();
            memory.learn(&asked, &told);
            history.push(Operation { agent: self.agent.clone(), invoked, returned, asked, told });
        }
        Ok(history)
    }

    fn next_question(&mut self, memory: &mut Memory) -> Asked {
        let (is_given_up, is_earlier) = (self.random.percent(15), self.random.percent(5));
        let earlier = memory.earlier.get(self.random.below(memory.earlier.len()));
        let given_up = memory.given_up.as_ref().filter(|_| is_given_up);
        let old = given_up.or(earlier.filter(|_| is_earlier));
        let is_old = old.is_some();
        let shown = old.or(memory.held.as_ref()).cloned();
        let Some((task, token)) = shown else { return Asked::Acquire };
        if !is_old && self.random.percent(2) {
            std::thread::park_timeout(self.pause);
        }
        match self.random.below(100) {
            0..32 => Asked::Heartbeat { task, token },
            32..68 => Asked::Complete { task, token },
            68..78 => Asked::Release { task, token },
            _ => Asked::Acquire,
        }
    }
}

impl Memory {
    fn learn(&mut self, asked: &Asked, told: &Told) {
        let is_over = match asked {
            Asked::Acquire => true,
            Asked::Heartbeat { task, token } => self.is_held(task, *token) && *told == Told::Refused,
            Asked::Complete { task, token } | Asked::Release { task, token } => self.is_held(task, *token),
        };
        if is_over && let Some(held) = self.held.take() {
            match (asked, told) {
                (Asked::Complete { .. }, Told::Yes) => self.earlier.push(held),
                _ => self.given_up = Some(held),
            }
        }
        if let Told::Task { task, token } = told {
            self.held = Some((task.clone(), *token));
        }
    }

    fn is_held(&self, task: &str, token: u64) -> bool {
        self.held.as_ref().is_some_and(|(held, own)| held == task && *own == token)
    }
}

/// Asks as a program does that embeds this crate.
#[derive(Debug)]
pub struct LibraryCounter {
    agent: ScriptAgent,
    project: String,
}

impl LibraryCounter {
    /// Returns the counter of one agent, for the tasks of one project.
    pub fn new(agent: ScriptAgent, project: &str) -> Self {
        Self { agent, project: project.to_owned() }
    }

    fn key(&self, task: &str) -> Option<TaskKey> {
        let project = self.agent.state().project_named(&self.project)?;
        let index = self.agent.state().project(project)?.graph.task_index(task)?;
        Some(TaskKey::new(project, index))
    }

    fn name(&self, key: TaskKey) -> String {
        let project = self.agent.state().project(key.project);
        project.map(|project| project.plan.tasks[key.task as usize].id.to_string()).unwrap_or_default()
    }
}

impl Counter for LibraryCounter {
    type Error = ScriptAgentError;

    fn ask(&mut self, asked: &Asked) -> Result<Told, ScriptAgentError> {
        let shown = |counter: &Self, task: &str, token: &u64| {
            let unknown = TaskKey { project: ProjectKey(u32::MAX), task: u32::MAX };
            (counter.key(task).unwrap_or(unknown), FencingToken::new(*token))
        };
        let answered = match asked {
            Asked::Acquire => {
                let acquired = self.agent.acquire(&CapabilitySet::default(), Some(&self.project))?;
                return Ok(acquired.map_or(Told::NoTask, |(task, lease)| Told::Task {
                    task: self.name(task),
                    token: lease.token.get(),
                }));
            }
            Asked::Heartbeat { task, token } => {
                let (task, token) = shown(self, task, token);
                self.agent.heartbeat(task, token, None).map(drop)
            }
            Asked::Complete { task, token } => {
                let (task, token) = shown(self, task, token);
                self.agent.complete(task, token, None)
            }
            Asked::Release { task, token } => {
                let (task, token) = shown(self, task, token);
                self.agent.report(Request::from(Command::GiveUp { task, token }))
            }
        };
        match answered {
            Ok(()) => Ok(Told::Yes),
            Err(ScriptAgentError::Refused(_) | ScriptAgentError::LeaseOver { .. }) => Ok(Told::Refused),
            Err(error @ ScriptAgentError::Turn(_)) => Err(error),
        }
    }
}
