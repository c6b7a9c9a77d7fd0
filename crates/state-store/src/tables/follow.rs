//! Following the log from the place that the tables are true for.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::TableStep;
use super::rows::{AgentRow, HistoryRow, LeaseHolder, TaskRow};
use crate::log::try_read;
use crate::task::{AgentKey, Event, LoadError, Moment, ProjectKey, ReplayError, State, TaskKey, UnfitEvent};
use crate::{Recorded, Seq, StateStore, StoreError, StreamName};

/// A step is taken at the first end of a segment after so many entries.
const ENTRIES_A_STEP: usize = 200;

/// How many rows of a new project are written in one transaction.
const TASKS_A_STEP: usize = 500;

/// Why tables were not brought up to the end.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The log cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// They cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Brings the tables of the workspace up to the end of the log, and returns the place that they are true for; `None` where
/// the store has no tables.
///
/// What is written depends on what has happened since the last time, not on how much there is. Where somebody else is at
/// it, it is left to them.
pub fn bring_up(store: &dyn StateStore) -> Result<Option<Seq>, TablesError> {
    let stream = StreamName::workspace();
    let Some(from) = store.tables_seq()? else { return Ok(None) };
    let mut follower = match State::as_of(store, &stream, Moment::At(from)) {
        Ok(state) => Follower::new(store, from, state),
        // What was dropped meanwhile is told as far as its outcome goes.
        Err(ReplayError::Load(LoadError::Store(StoreError::Compacted { .. }))) => {
            let base = State::base(store, &stream).map_err(ReplayError::from)?;
            Follower::anew(store, from, base)
        }
        Err(error) => return Err(error.into()),
    };
    try_read(store, &stream, follower.state.seq(), |recorded| {
        follower.take(&recorded)?;
        Ok::<_, TablesError>(if follower.is_overtaken {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    follower.step()?;
    Ok(Some(follower.shown))
}

struct Follower<'s> {
    store: &'s dyn StateStore,
    state: State,
    /// The place that the tables are true for.
    shown: Seq,
    tasks: BTreeSet<TaskKey>,
    agents: BTreeSet<AgentKey>,
    projects: BTreeSet<ProjectKey>,
    history: Vec<HistoryRow>,
    is_overtaken: bool,
}

impl<'s> Follower<'s> {
    fn new(store: &'s dyn StateStore, shown: Seq, state: State) -> Self {
        Self {
            store,
            state,
            shown,
            tasks: BTreeSet::new(),
            agents: BTreeSet::new(),
            projects: BTreeSet::new(),
            history: Vec::new(),
            is_overtaken: false,
        }
    }

    /// Begins with a state of which the tables know nothing.
    fn anew(store: &'s dyn StateStore, shown: Seq, state: State) -> Self {
        let projects = (0..state.projects().len() as u32).map(ProjectKey).collect();
        let agents = (0..state.agents().len() as u32).map(AgentKey).collect();
        Self { projects, agents, ..Self::new(store, shown, state) }
    }

    fn take(&mut self, recorded: &Recorded) -> Result<(), TablesError> {
        if recorded.seq == recorded.segment && self.history.len() >= ENTRIES_A_STEP {
            self.step()?;
        }
        let unfit = |source: UnfitEvent| ReplayError::from(LoadError::Unfit { at: recorded.seq, source });
        let event = Event::of(recorded).map_err(unfit)?;
        let before = LeaseHolder::before(&event, &self.state);
        self.state.apply(&event, recorded.at).map_err(unfit)?;
        self.note(&event);
        self.history.push(HistoryRow::new(recorded, &event, &before, &self.state));
        Ok(())
    }

    /// Notes whose rows an event changes.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Task { task, .. } => drop(self.tasks.insert(*task)),
            Event::ProjectAdded { .. } => {
                self.projects.insert(ProjectKey(self.state.projects().len() as u32 - 1));
            }
            // Tokens are shown of those that somebody works on.
            Event::TokensRaised { .. } => self.tasks.extend(leased(&self.state)),
            Event::AgentRegistered { name, .. } => self.agents.extend(self.state.agent_named(name)),
            Event::InstanceEnded { instance } => {
                let agents = (0..).map(AgentKey).zip(self.state.agents());
                let theirs = agents.filter(|(_, agent)| agent.instance == *instance).map(|(key, _)| key);
                self.agents.extend(theirs);
            }
            Event::TasksSet { project, .. } => drop(self.projects.insert(*project)),
            Event::AgentPaused { agent, .. } => drop(self.agents.insert(*agent)),
            Event::InstanceStarted { .. }
            | Event::ProjectPaused { .. }
            | Event::RulesSet { .. }
            | Event::FailuresReached { .. }
            | Event::InstanceRenewed { .. }
            | Event::LateResult { .. }
            | Event::ProjectSettingsChanged { .. }
            | Event::ProjectEntered { .. }
            | Event::Answered { .. } => {}
        }
    }

    /// Writes what has changed, and moves the place on to where the state is.
    fn step(&mut self) -> Result<(), TablesError> {
        let (from, to) = (self.shown, self.state.seq());
        if from == to || self.is_overtaken {
            return Ok(());
        }
        let whole = std::mem::take(&mut self.projects);
        for project in &whole {
            self.write_project(*project, from, to)?;
        }
        let tasks = std::mem::take(&mut self.tasks);
        let tasks = tasks.iter().filter(|key| !whole.contains(&key.project));
        let agents = std::mem::take(&mut self.agents);
        let step = TableStep {
            from,
            to,
            tasks: tasks.filter_map(|key| TaskRow::new(&self.state, *key, Seq::START)).collect(),
            agents: agents.iter().filter_map(|key| self.state.agent(*key)).map(AgentRow::new).collect(),
            history: std::mem::take(&mut self.history),
        };
        self.write(&step)?;
        self.shown = to;
        Ok(())
    }

    /// Writes the rows of a whole project, hidden until the tables are at `to`.
    fn write_project(&mut self, project: ProjectKey, from: Seq, to: Seq) -> Result<(), TablesError> {
        let count = self.state.project(project).map_or(0, |found| found.tasks.len());
        let keys: Vec<_> = (0..count as u32).map(|task| TaskKey { project, task }).collect();
        for keys in keys.chunks(TASKS_A_STEP) {
            let tasks = keys.iter().filter_map(|key| TaskRow::new(&self.state, *key, to)).collect();
            self.write(&TableStep { from, to: from, tasks, ..TableStep::default() })?;
        }
        Ok(())
    }

    fn write(&mut self, step: &TableStep) -> Result<(), TablesError> {
        if !self.is_overtaken && !self.store.advance_tables(step)? {
            self.is_overtaken = true;
        }
        Ok(())
    }
}

fn leased(state: &State) -> impl Iterator<Item = TaskKey> {
    (0..).map(ProjectKey).zip(state.projects()).flat_map(|(project, found)| {
        let tasks = (0..).zip(&found.tasks).filter(|(_, record)| record.state.lease().is_some());
        tasks.map(move |(task, _)| TaskKey { project, task })
    })
}
