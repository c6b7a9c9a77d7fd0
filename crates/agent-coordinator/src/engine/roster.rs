//! The agents that this coordinator hands tasks to, and how busy each is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use planner_core::{CapabilitySet, Effort};
use state_store::task::{AgentKey, AgentRecord, BrokenInvariant, TaskKey};

use crate::planted::{PlantedBug, is_planted};

/// Agents by what they can do: those with a free slot, the least loaded first.
#[derive(Debug, Default)]
pub(super) struct Roster {
    agents: HashMap<AgentKey, Place>,
    free: BTreeMap<Kind, BTreeSet<(Effort, AgentKey)>>,
    /// What every known agent works on, also those of other coordinators.
    uses: BTreeMap<AgentKey, BTreeSet<TaskKey>>,
    loads: HashMap<AgentKey, Effort>,
}

/// Agents of one kind; those that can do less come first, so that rare abilities are not spent on common tasks.
type Kind = (usize, CapabilitySet);

#[derive(Debug)]
struct Place {
    kind: Kind,
    slots: usize,
}

impl Roster {
    /// Takes an agent in, as it is now, or out.
    pub(super) fn set(&mut self, key: AgentKey, agent: Option<&AgentRecord>) {
        self.remove_free(key);
        self.agents.remove(&key);
        if let Some(agent) = agent {
            let kind = (agent.capabilities.len(), agent.capabilities.clone());
            self.agents.insert(key, Place { kind, slots: agent.slots as usize });
            self.insert_free(key);
        }
    }

    /// Records that an agent has a task, which adds that effort to what it has been given.
    pub(super) fn occupy(&mut self, key: AgentKey, task: TaskKey, effort: Effort) {
        self.remove_free(key);
        self.uses.entry(key).or_default().insert(task);
        *self.loads.entry(key).or_default() += effort;
        self.insert_free(key);
    }

    /// Records that an agent does not have a task any more.
    pub(super) fn release(&mut self, key: AgentKey, task: TaskKey) {
        self.remove_free(key);
        if let Some(tasks) = self.uses.get_mut(&key) {
            tasks.remove(&task);
            if tasks.is_empty() {
                self.uses.remove(&key);
            }
        }
        self.insert_free(key);
    }

    /// Returns the agent to give a task to: one that can do it and as little else as possible, and of those the one
    /// that has been given the least work.
    pub(super) fn pick(&self, required: &CapabilitySet) -> Option<AgentKey> {
        if required.is_empty() && is_planted(PlantedBug::EmptyCapabilityDeadlock) {
            return None;
        }
        let free = self.free.iter().find(|((_, can), _)| can.covers(required));
        free.and_then(|(_, agents)| agents.first()).map(|(_, agent)| *agent)
    }

    /// Returns whether some agent of this coordinator, busy or not, could do it.
    pub(super) fn has_somebody_for(&self, required: &CapabilitySet) -> bool {
        self.agents.values().any(|place| place.slots > 0 && place.kind.1.covers(required))
    }

    /// Returns whether some agent has a free slot.
    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Returns what each agent works on.
    pub(super) fn uses(&self) -> &BTreeMap<AgentKey, BTreeSet<TaskKey>> {
        &self.uses
    }

    /// Checks that no agent has more tasks than slots.
    pub(super) fn check_slots(&self) -> Result<(), BrokenInvariant> {
        for (key, place) in &self.agents {
            if self.in_use(*key) > place.slots {
                let what = format!("{} tasks in {} slots", self.in_use(*key), place.slots);
                return Err(BrokenInvariant { place: key.to_string(), what });
            }
        }
        Ok(())
    }

    /// Returns how many tasks an agent has.
    pub(super) fn in_use(&self, key: AgentKey) -> usize {
        self.uses.get(&key).map_or(0, BTreeSet::len)
    }

    fn load(&self, key: AgentKey) -> Effort {
        self.loads.get(&key).copied().unwrap_or_default()
    }

    fn remove_free(&mut self, key: AgentKey) {
        let load = self.load(key);
        let Some(place) = self.agents.get(&key) else {
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
        let Some(place) = self.agents.get(&key) else {
            return;
        };
        let slots = place.slots + usize::from(is_planted(PlantedBug::SlotExceeded));
        if in_use < slots {
            self.free.entry(place.kind.clone()).or_default().insert((load, key));
        }
    }
}
