//! A workspace as commands that only look see it: the engine without a coordinator, which answers and changes nothing.

use std::sync::Arc;

use agent_coordinator::engine::{Engine, Explanation, Policy};
use agent_coordinator::{is_at_work, load};
use planner_core::TaskIndex;
use state_store::task::{AgentKey, Project, ProjectKey, TaskKey};
use state_store::{Seq, StateStore, StreamName, Timestamp};

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
}

impl ProjectView {
    /// Opens the store that is there, and reads all of it.
    pub fn open(place: &PlaceArgs, config: &Config) -> Result<Self, CliError> {
        let location = StateLocation::find(place, config)?;
        let store = location.open_existing()?;
        let stream = StreamName::workspace();
        let engine = Engine::observer(Policy::default());
        let mut view = Self { store, stream, engine, location };
        view.read_on()?;
        Ok(view)
    }

    /// Reads what others have appended since.
    pub fn read_on(&mut self) -> Result<(), CliError> {
        Ok(load(&mut self.engine, &*self.store, &self.stream)?)
    }

    /// Returns when the latest attempt of a task was handed out.
    pub fn assigned_at(&self, key: TaskKey) -> Option<Timestamp> {
        let record = self.engine.state().task(key)?;
        (record.attempts > 0).then_some(record.assigned_at)
    }

    /// Returns where the log ends now; cheap enough to poll.
    pub fn head(&self) -> Result<Seq, CliError> {
        Ok(self.store.head(&self.stream)?)
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

    /// Returns the present moment by the store's clock.
    pub fn now(&self) -> Timestamp {
        self.store.now()
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
        let projects = self.projects_named(project)?;
        let state = self.engine.state();
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

    /// Returns the agent of that name.
    pub fn find_agent(&self, name: &str) -> Result<AgentKey, CliError> {
        let state = self.engine.state();
        state.agent_named(name).ok_or_else(|| {
            let names = state.agents().iter().map(|agent| agent.name.as_str());
            missing("agent", name, &nearest(name, names, NEAR_NAMES_SHOWN))
        })
    }

    /// Returns why a task stands where it stands; whether coordinators are there is looked up now.
    pub fn explain(&self, key: TaskKey, now: Timestamp) -> Option<Explanation> {
        self.engine.explain(key, now, &|coordinator| is_at_work(coordinator, now))
    }

    /// Returns the leaves of a project: what is worked on.
    pub fn leaves(&self, key: ProjectKey) -> impl Iterator<Item = TaskIndex> + '_ {
        let project = self.engine.state().project(key);
        project
            .into_iter()
            .flat_map(|project| project.graph.tasks().filter(|task| !project.graph.is_group(*task)))
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
