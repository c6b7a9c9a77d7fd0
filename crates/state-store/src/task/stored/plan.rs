//! Plans as snapshots hold them, version 1: made to be read fast. In events they are JSON in the native format.

use std::collections::HashMap;

use planner_core::{
    AgentProfile, Approval, AttemptLimits, Capability, CapabilitySet, Check, Dependency, Effort, Landing,
    Plan, Priority, Standing, Task, TaskId, When, WriteSet,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parts::{StoredCapabilities, StoredExclusion, both_ways};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredPlan<'a> {
    name: &'a str,
    description: &'a str,
    agents: Vec<StoredProfile>,
    /// The fields that are not ours, as a JSON object; empty where there are none.
    extra: String,
    /// The names that the tasks' capabilities are numbered by.
    capabilities: Vec<String>,
    #[serde(borrow)]
    tasks: Vec<StoredTask<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredProfile {
    name: String,
    capabilities: StoredCapabilities,
    slots: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredTask<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    #[serde(borrow)]
    parent: Option<StoredReference<'a>>,
    dependencies: Vec<(StoredReference<'a>, StoredWhen)>,
    priority: StoredPriority,
    effort_ms: Option<u64>,
    capabilities: Vec<u32>,
    check: Option<(Vec<String>, Option<u64>)>,
    landing: StoredLanding,
    standing: StoredStanding,
    /// The fields that are not ours, as a JSON object; empty where there are none.
    extra: String,
}

/// Names a task.
#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredReference<'a> {
    /// By its place in the plan.
    Place(u32),
    /// By an id that no task of the plan has.
    Id(&'a str),
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredWhen {
    Completed,
    Failed,
}

both_ways!(StoredWhen <=> When { Completed, Failed });

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredPriority {
    Critical,
    High,
    Medium,
    Low,
    Backlog,
}

both_ways!(StoredPriority <=> Priority { Critical, High, Medium, Low, Backlog });

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredLanding {
    Git,
    None,
}

both_ways!(StoredLanding <=> Landing { Git, None });

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StoredStanding {
    Pending,
    Completed,
    OnHold,
    Excluded(StoredExclusion),
}

impl From<&Standing> for StoredStanding {
    fn from(standing: &Standing) -> Self {
        match standing {
            Standing::Pending => Self::Pending,
            Standing::Completed => Self::Completed,
            Standing::OnHold => Self::OnHold,
            Standing::Excluded(exclusion) => Self::Excluded((*exclusion).into()),
        }
    }
}

impl From<StoredStanding> for Standing {
    fn from(stored: StoredStanding) -> Self {
        match stored {
            StoredStanding::Pending => Self::Pending,
            StoredStanding::Completed => Self::Completed,
            StoredStanding::OnHold => Self::OnHold,
            StoredStanding::Excluded(exclusion) => Self::Excluded(exclusion.into()),
        }
    }
}

impl<'a> StoredPlan<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let places: HashMap<&TaskId, u32> = plan.tasks.iter().map(|task| &task.id).zip(0..).collect();
        let mut numbers = Numbers::default();
        let tasks = plan.tasks.iter().map(|task| StoredTask::new(task, &places, &mut numbers)).collect();
        let agents = plan.agents.iter().map(|agent| StoredProfile {
            name: agent.name.clone(),
            capabilities: (&agent.capabilities).into(),
            slots: agent.slots,
        });
        Self {
            name: &plan.name,
            description: &plan.description,
            agents: agents.collect(),
            extra: extra_to_text(&plan.extra, plan.extra.is_empty()),
            capabilities: numbers.names,
            tasks,
        }
    }

    /// Returns the plan, or what is wrong with what is stored.
    pub(super) fn into_plan(self) -> Result<Plan, String> {
        let ids: Vec<TaskId> = self
            .tasks
            .iter()
            .map(|task| TaskId::new(task.id).map_err(|invalid| invalid.to_string()))
            .collect::<Result<_, _>>()?;
        let mut sets = Sets::new(&self.capabilities);
        let tasks = self.tasks.into_iter().zip(&ids);
        let agents = self.agents.into_iter().map(|agent| AgentProfile {
            name: agent.name,
            capabilities: agent.capabilities.into(),
            slots: agent.slots,
            lease_seconds: None,
            labels: Vec::new(),
        });
        // Not collected: that gives room for more than come.
        let mut read = Vec::with_capacity(ids.len());
        for (task, id) in tasks {
            read.push(task.into_task(id, &ids, &mut sets)?);
        }
        Ok(Plan {
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            agents: agents.collect(),
            tasks: read,
            extra: extra_from_text(&self.extra)?,
        })
    }
}

/// Names by the numbers in which they were met.
#[derive(Default)]
struct Numbers {
    names: Vec<String>,
    by_name: HashMap<Capability, u32>,
}

impl Numbers {
    fn of(&mut self, capability: &Capability) -> u32 {
        if let Some(number) = self.by_name.get(capability) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(capability.as_str().to_owned());
        self.by_name.insert(capability.clone(), number);
        number
    }
}

/// The sets of capabilities that tasks have. Few of them differ, so tasks share them.
struct Sets {
    names: Vec<Capability>,
    by_numbers: HashMap<Vec<u32>, CapabilitySet>,
}

impl Sets {
    fn new(names: &[String]) -> Self {
        Self { names: names.iter().map(|name| Capability::new(name)).collect(), by_numbers: HashMap::new() }
    }

    fn of(&mut self, numbers: Vec<u32>) -> Result<CapabilitySet, String> {
        if let Some(set) = self.by_numbers.get(&numbers) {
            return Ok(set.clone());
        }
        let name = |number: &u32| {
            self.names
                .get(*number as usize)
                .cloned()
                .ok_or_else(|| format!("there is no capability {number}"))
        };
        let set: CapabilitySet = numbers.iter().map(name).collect::<Result<Vec<_>, _>>()?.into();
        self.by_numbers.insert(numbers, set.clone());
        Ok(set)
    }
}

impl<'a> StoredTask<'a> {
    fn new(task: &'a Task, places: &HashMap<&TaskId, u32>, numbers: &mut Numbers) -> Self {
        let reference = |id: &'a TaskId| match places.get(id) {
            Some(place) => StoredReference::Place(*place),
            None => StoredReference::Id(id.as_str()),
        };
        let dependencies = task.dependencies.iter();
        Self {
            id: task.id.as_str(),
            title: &task.title,
            description: &task.description,
            parent: task.parent.as_ref().map(reference),
            dependencies: dependencies.map(|edge| (reference(&edge.on), edge.when.into())).collect(),
            priority: task.priority.into(),
            effort_ms: task.effort.map(Effort::as_millis),
            capabilities: task.capabilities.iter().map(|capability| numbers.of(capability)).collect(),
            check: task.check.as_ref().map(|check| (check.command.clone(), check.timeout_seconds)),
            landing: task.landing.into(),
            standing: (&task.standing).into(),
            extra: extra_to_text(&task.extra, task.extra.is_empty()),
        }
    }

    fn into_task(self, id: &TaskId, ids: &[TaskId], sets: &mut Sets) -> Result<Task, String> {
        let task = |reference: StoredReference<'_>| match reference {
            StoredReference::Place(place) => {
                ids.get(place as usize).cloned().ok_or_else(|| format!("there is no task {place}"))
            }
            StoredReference::Id(id) => TaskId::new(id).map_err(|invalid| invalid.to_string()),
        };
        let mut dependencies = Vec::with_capacity(self.dependencies.len());
        for (on, when) in self.dependencies {
            dependencies.push(Dependency { on: task(on)?, when: when.into() });
        }
        Ok(Task {
            id: id.clone(),
            title: self.title.to_owned(),
            description: self.description.to_owned(),
            parent: self.parent.map(task).transpose()?,
            dependencies,
            priority: self.priority.into(),
            effort: self.effort_ms.map(Effort::from_millis),
            capabilities: sets.of(self.capabilities)?,
            check: self.check.map(|(command, timeout_seconds)| Box::new(Check { command, timeout_seconds })),
            landing: self.landing.into(),
            // Version 3 of the snapshot holds these beside the plan.
            approval: Approval::default(),
            limits: AttemptLimits::default(),
            writes: WriteSet::default(),
            standing: self.standing.into(),
            extra: extra_from_text(&self.extra)?,
        })
    }
}

/// Returns the fields as a JSON object, or an empty text where there are none.
fn extra_to_text<E: Serialize>(extra: &E, is_empty: bool) -> String {
    if is_empty {
        return String::new();
    }
    serde_json::to_string(extra).expect("the keys are texts, and the values have a JSON form")
}

fn extra_from_text<E: DeserializeOwned + Default>(text: &str) -> Result<E, String> {
    if text.is_empty() {
        return Ok(E::default());
    }
    serde_json::from_str(text).map_err(|error| format!("the fields of others cannot be read: {error}"))
}
