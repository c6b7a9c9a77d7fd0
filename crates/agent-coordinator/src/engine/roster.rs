//! The agents that this coordinator hands tasks to, and how busy each is.

use std::collections::{BTreeMap, BTreeSet};

use planner_core::{Capability, CapabilitySet, Effort};
use state_store::task::{AgentKey, AgentRecord, BrokenInvariant, ProjectKey, TaskKey};

use crate::planted::{PlantedBug, is_planted};

/// Agents by what they can do: those with a free slot, the least loaded first.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Every agent that is known, by its key; also those of other coordinators.
    agents: Vec<Desk>,
    free: BTreeMap<CapabilitySet, BTreeSet<(Load, AgentKey)>>,
    /// How many slots the agents have together that can do something.
    supply: BTreeMap<Capability, u64>,
    /// How many slots the tasks of each project take.
    by_project: Vec<usize>,
}

/// An agent, and what lies on its desk.
#[derive(Debug, Default)]
struct Desk {
    /// What it can take; `None` where another coordinator looks after it, or nobody.
    place: Option<Place>,
    /// What it works on.
    tasks: BTreeSet<TaskKey>,
    load: Load,
}

/// How much an agent has been given: by effort, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Load {
    effort: Effort,
    count: u64,
}

impl Load {
    /// Returns the load of each of so many slots.
    fn by_slot(self, slots: usize) -> Self {
        let slots = slots.max(1) as u64;
        Self { effort: Effort::from_millis(self.effort.as_millis() / slots), count: self.count / slots }
    }
}

/// How rare the abilities are that an agent has beside what a task asks for: the rarest, then all together. A greater number
/// is rarer.
type Rarity = (u64, u64);

/// The rarity of an ability that one slot has.
const RAREST: u64 = 1 << 32;

#[derive(Debug)]
struct Place {
    kind: CapabilitySet,
    slots: usize,
}

impl Roster {
    /// Takes an agent in, as it is now, or out.
    pub(super) fn set(&mut self, key: AgentKey, agent: Option<&AgentRecord>) {
        self.remove_free(key);
        if let Some(place) = self.desk(key).place.take() {
            for capability in place.kind.iter() {
                if let Some(slots) = self.supply.get_mut(capability) {
                    *slots -= place.slots as u64;
                }
            }
        }
        if let Some(agent) = agent {
            let kind = agent.capabilities.clone();
            for capability in kind.iter() {
                *self.supply.entry(capability.clone()).or_default() += u64::from(agent.slots);
            }
            self.desk(key).place = Some(Place { kind, slots: agent.slots as usize });
            self.insert_free(key);
        }
    }

    /// Records that an agent has a task, which counts towards its load where it was given the task just now.
    pub(super) fn occupy(&mut self, key: AgentKey, task: TaskKey, given: Option<Effort>) {
        self.remove_free(key);
        let desk = self.desk(key);
        let is_new = desk.tasks.insert(task);
        if let Some(effort) = given {
            desk.load.effort += effort;
            desk.load.count += 1;
        }
        if is_new {
            *self.uses_of(task.project) += 1;
        }
        self.insert_free(key);
    }

    /// Records that an agent does not have a task any more.
    pub(super) fn release(&mut self, key: AgentKey, task: TaskKey) {
        self.remove_free(key);
        if self.desk(key).tasks.remove(&task) {
            *self.uses_of(task.project) -= 1;
        }
        self.insert_free(key);
    }

    fn desk(&mut self, key: AgentKey) -> &mut Desk {
        if self.agents.len() <= key.index() {
            self.agents.resize_with(key.index() + 1, Desk::default);
        }
        &mut self.agents[key.index()]
    }

    fn uses_of(&mut self, project: ProjectKey) -> &mut usize {
        if self.by_project.len() <= project.index() {
            self.by_project.resize(project.index() + 1, 0);
        }
        &mut self.by_project[project.index()]
    }

    /// Returns the agent to give a task of that effort to: one that can do it and whose other abilities are the least rare,
    /// and of those the one that has been given the least work. The one that has done what comes before goes first where it
    /// is as fit, and has been given no more than this task above that.
    pub(super) fn pick(
        &self,
        required: &CapabilitySet,
        before: Option<AgentKey>,
        effort: Effort,
    ) -> Option<AgentKey> {
        if required.is_empty() && is_planted(PlantedBug::EmptyCapabilityDeadlock) {
            return None;
        }
        let able = self.free.iter().filter(|(can, _)| can.covers(required));
        let firsts = able.filter_map(|(can, agents)| Some((self.rarity(can, required), *agents.first()?)));
        let (rarity, (load, least)) = firsts.min()?;
        let is_as_fit = |key: &AgentKey| {
            let Some(place) = self.place(*key) else { return false };
            let own = self.load(*key);
            let is_free = self.free.get(&place.kind).is_some_and(|agents| agents.contains(&(own, *key)));
            is_free
                && place.kind.covers(required)
                && self.rarity(&place.kind, required) == rarity
                && own.effort <= load.effort + effort
        };
        Some(before.filter(is_as_fit).unwrap_or(least))
    }

    /// Returns how rare the abilities are that are of no use to a task.
    fn rarity(&self, can: &CapabilitySet, required: &CapabilitySet) -> Rarity {
        let spare = can.beyond(required);
        let rarities = || spare.iter().map(|one| RAREST / self.supply.get(one).copied().unwrap_or(1).max(1));
        (rarities().max().unwrap_or(0), rarities().sum())
    }

    /// Returns how many slots the tasks of a project take.
    pub(super) fn in_use_by(&self, project: ProjectKey) -> usize {
        self.by_project.get(project.index()).copied().unwrap_or(0)
    }

    /// Returns whether some agent of this coordinator, busy or not, could do it.
    pub(super) fn has_somebody_for(&self, required: &CapabilitySet) -> bool {
        self.places().any(|(_, place)| place.slots > 0 && place.kind.covers(required))
    }

    /// Returns whether some agent has a free slot.
    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Returns what the agents work on that work on anything.
    pub(super) fn uses(&self) -> impl Iterator<Item = (AgentKey, &BTreeSet<TaskKey>)> {
        let agents = (0..).map(AgentKey).zip(&self.agents);
        agents.map(|(key, desk)| (key, &desk.tasks)).filter(|(_, tasks)| !tasks.is_empty())
    }

    /// Returns what an agent works on.
    pub(super) fn tasks_of(&self, key: AgentKey) -> impl Iterator<Item = TaskKey> + '_ {
        self.agents.get(key.index()).into_iter().flat_map(|desk| desk.tasks.iter().copied())
    }

    /// Checks that no agent has more tasks than slots.
    pub(super) fn check_slots(&self) -> Result<(), BrokenInvariant> {
        for (key, place) in self.places() {
            if self.in_use(key) > place.slots {
                let what = format!("{} tasks in {} slots", self.in_use(key), place.slots);
                return Err(BrokenInvariant { place: key.to_string(), what });
            }
        }
        Ok(())
    }

    /// Returns how many tasks an agent has.
    pub(super) fn in_use(&self, key: AgentKey) -> usize {
        self.agents.get(key.index()).map_or(0, |desk| desk.tasks.len())
    }

    fn place(&self, key: AgentKey) -> Option<&Place> {
        self.agents.get(key.index())?.place.as_ref()
    }

    fn places(&self) -> impl Iterator<Item = (AgentKey, &Place)> {
        (0..).map(AgentKey).zip(&self.agents).filter_map(|(key, desk)| Some((key, desk.place.as_ref()?)))
    }

    /// Returns how much an agent has been given, by slot.
    fn load(&self, key: AgentKey) -> Load {
        let slots = self.place(key).map_or(1, |place| place.slots);
        self.agents.get(key.index()).map_or_else(Load::default, |desk| desk.load.by_slot(slots))
    }

    fn remove_free(&mut self, key: AgentKey) {
        let load = self.load(key);
        let Some(place) = self.agents.get(key.index()).and_then(|desk| desk.place.as_ref()) else {
            return;
        };
        if let Some(agents) = self.free.get_mut(&place.kind) {
            agents.remove(&(load, key));
            if agents.is_empty() {
                self.free.remove(&place.kind);
            }
        }
    }

    fn insert_free(&mut self, key: AgentKey) {
        let (load, in_use) = (self.load(key), self.in_use(key));
        let Some(place) = self.agents.get(key.index()).and_then(|desk| desk.place.as_ref()) else {
            return;
        };
        let slots = place.slots + usize::from(is_planted(PlantedBug::SlotExceeded));
        if in_use >= slots {
            return;
        }
        self.free.entry(place.kind.clone()).or_default().insert((load, key));
    }
}
