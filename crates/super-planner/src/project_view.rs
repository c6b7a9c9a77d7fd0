//! A workspace as commands that only look see it: the engine without a coordinator, which answers and changes nothing.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{Engine, Explanation, Policy, Request};
use agent_coordinator::{is_at_work, load, turn};
use planner_core::TaskIndex;
use state_store::task::{
    Accepted, AgentKey, InstanceRecord, InstanceStatus, Moment, Project, ProjectKey, State, TaskKey,
};
use state_store::{Seq, StateStore, StoreError, StreamName, Timestamp};

use crate::cli::PlaceArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;
use crate::nearest::nearest;
use crate::state_location::StateLocation;

const NEAR_NAMES_SHOWN: usize = 3;

/// A workspace, as of a place in its log.
#[derive(Debug)]
pub struct ProjectView {
    store: Arc<dyn StateStore>,
    stream: StreamName,
    engine: Engine,
    location: StateLocation,
    /// The moment that is looked at, where it is not the present.
    past: Option<Timestamp>,
}

impl ProjectView {
    /// Opens the store that is there, and reads all of it.
    pub fn open(place: &PlaceArgs, config: &Config) -> Result<Self, CliError> {
        Self::open_as_of(place, config, None)
    }

    /// Opens the store that is there, and reads it up to a moment in the past.
    pub fn open_as_of(place: &PlaceArgs, config: &Config, moment: Option<Moment>) -> Result<Self, CliError> {
        let location = StateLocation::find(place, config)?;
        let mut view = Self {
            store: location.open_existing()?,
            stream: StreamName::workspace(),
            engine: Engine::observer(Policy::default()),
            location,
            past: None,
        };
        if let Some(moment) = moment {
            let state = State::as_of(&*view.store, &view.stream, moment)?;
            view.past = Some(match moment {
                Moment::At(seq) => view.committed_at(seq)?,
                Moment::Time(time) => time,
            });
            view.engine.set(state);
            return Ok(view);
        }
        view.read_on()?;
        Ok(view)
    }

    /// Reads what others have appended since.
    pub fn read_on(&mut self) -> Result<(), CliError> {
        load(&mut self.engine, &*self.store, &self.stream)?;
        Ok(())
    }

    /// Returns when the latest attempt of a task was handed out.
    pub fn assigned_at(&self, key: TaskKey) -> Option<Timestamp> {
        let record = self.engine.state().task(key)?;
        (record.attempts > 0).then_some(record.assigned_at)
    }

    /// Returns when an entry was committed; where it was dropped, that is not known, and it is the present.
    fn committed_at(&self, seq: Seq) -> Result<Timestamp, CliError> {
        let Some(before) = seq.get().checked_sub(1) else { return Ok(Timestamp::default()) };
        let mut at = None;
        let read = self.store.read(&self.stream, Seq::new(before), &mut |recorded| {
            at = Some(recorded.at);
            ControlFlow::Break(())
        });
        match read {
            Ok(()) | Err(StoreError::Compacted { .. }) => Ok(at.unwrap_or_else(|| self.store.now())),
            Err(error) => Err(error.into()),
        }
    }

    /// Has a request decided and made durable, as everything else is: in one turn.
    pub fn ask(&mut self, request: Request) -> Result<Accepted, CliError> {
        let turn = turn(&mut self.engine, &*self.store, &self.stream, &[request])?;
        let answer = turn.answers.into_iter().next().expect("one request has one answer");
        answer.map_err(CliError::from)
    }

    /// Has requests decided one after the other and made durable in one turn; tells the first that was refused.
    pub fn ask_all(&mut self, requests: &[Request]) -> Result<(), CliError> {
        if requests.is_empty() {
            return Ok(());
        }
        let turn = turn(&mut self.engine, &*self.store, &self.stream, requests)?;
        turn.answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(CliError::from))
    }

    /// Waits until somebody has appended something, or patience is at an end; returns whether something is new.
    pub fn wait_for_news(&self, patience: Duration) -> Result<bool, CliError> {
        let known = self.engine.seq();
        Ok(self.store.wait(&self.stream, known, patience)?.head > known)
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the store.
    pub fn store(&self) -> &dyn StateStore {
        self.store.as_ref()
    }

    /// Returns the stream of the workspace.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Returns where the state is.
    pub fn location(&self) -> &StateLocation {
        &self.location
    }

    /// Returns the moment that is looked at: the present by the store's clock, or the one in the past.
    pub fn now(&self) -> Timestamp {
        self.past.unwrap_or_else(|| self.store.now())
    }

    /// Returns whether the moment that is looked at is one in the past.
    pub fn is_of_the_past(&self) -> bool {
        self.past.is_some()
    }

    /// Returns whether a coordinator is at work; of one of the past, only its lease tells.
    pub fn is_at_work(&self, coordinator: &InstanceRecord) -> bool {
        let now = self.now();
        match (self.past, coordinator.status) {
            (None, _) => is_at_work(coordinator, now),
            (Some(_), InstanceStatus::Active { expires_at }) => now < expires_at,
            (Some(_), InstanceStatus::Ended) => false,
        }
    }

    /// Returns all projects in the order in which they were added.
    pub fn projects(&self) -> impl Iterator<Item = (ProjectKey, &Project)> {
        (0..).map(ProjectKey).zip(self.engine.state().projects())
    }

    /// Returns the project of that name, or all of them where none is named.
    pub fn projects_named(&self, name: Option<&str>) -> Result<Vec<ProjectKey>, CliError> {
        let Some(name) = name else {
            return Ok(self.projects().map(|(key, _)| key).collect());
        };
        match self.engine.state().project_named(name) {
            Some(key) => Ok(vec![key]),
            None => {
                let names = self.projects().map(|(_, project)| project.name.as_str());
                Err(missing("project", name, &nearest(name, names, NEAR_NAMES_SHOWN)))
            }
        }
    }

    /// Returns the task of that id, in the project of that name or the only one that has it.
    pub fn find_task(&self, id: &str, project: Option<&str>) -> Result<TaskKey, CliError> {
        find_task(self.engine.state(), &self.projects_named(project)?, id)
    }

    /// Returns the agent of that name.
    pub fn find_agent(&self, name: &str) -> Result<AgentKey, CliError> {
        let state = self.engine.state();
        state.agent_named(name).ok_or_else(|| {
            let names = state.agents().iter().map(|agent| agent.name.as_str());
            missing("agent", name, &nearest(name, names, NEAR_NAMES_SHOWN))
        })
    }

    /// Returns why a task stands where it stands; whether coordinators are there is looked up.
    pub fn explain(&self, key: TaskKey, now: Timestamp) -> Option<Explanation> {
        self.engine.explain(key, now, &|coordinator| self.is_at_work(coordinator))
    }

    /// Returns the leaves of a project: what is worked on.
    pub fn leaves(&self, key: ProjectKey) -> impl Iterator<Item = TaskIndex> + '_ {
        let project = self.engine.state().project(key);
        project
            .into_iter()
            .flat_map(|project| project.graph.tasks().filter(|task| !project.graph.is_group(*task)))
    }
}

/// Returns the task of that id, in the only one of these projects that has it.
pub(crate) fn find_task(state: &State, projects: &[ProjectKey], id: &str) -> Result<TaskKey, CliError> {
    let with_it: Vec<TaskKey> = projects
        .iter()
        .filter_map(|key| {
            let task = state.project(*key)?.graph.task_index(id)?;
            Some(TaskKey::new(*key, task))
        })
        .collect();
    match with_it.as_slice() {
        [only] => Ok(*only),
        [] => {
            let ids = projects
                .iter()
                .filter_map(|key| state.project(*key))
                .flat_map(|project| project.plan.tasks.iter().map(|task| task.id.as_str()));
            Err(missing("task", id, &nearest(id, ids, NEAR_NAMES_SHOWN)))
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .filter_map(|key| state.project(key.project))
                .map(|project| escaped(&project.name))
                .collect();
            let message = format!("{} projects have a task `{}`", several.len(), escaped(id));
            Err(CliError::new(ErrorKind::Usage, message)
                .hint(format!("--project says which: {}", names.join(", "))))
        }
    }
}

fn missing(what: &str, name: &str, near: &[&str]) -> CliError {
    let error = CliError::new(ErrorKind::NotFound, format!("there is no {what} `{}`", escaped(name)));
    let near: Vec<String> = near.iter().map(|name| format!("`{}`", escaped(name))).collect();
    match near.as_slice() {
        [] => error,
        near => error.hint(format!("did you mean {}?", near.join(" or "))),
    }
}
