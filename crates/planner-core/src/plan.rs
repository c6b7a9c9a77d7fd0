//! A plan: what was asked.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CapabilitySet, Task, attempt_limits};

/// What was asked: tasks, and the agents that the plan counts on. The serialised shape is the native format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the project.
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The agents that the plan counts on; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentProfile>,
    /// The tasks and groups, in the order of the file.
    pub tasks: Vec<Task>,
    /// The fields of its file that have no meaning here, kept as they were; none has the name of a field above.
    #[serde(default, flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Why bytes are no stored plan.
#[derive(Debug, thiserror::Error)]
#[error("the stored plan cannot be read")]
pub struct InvalidPlan(#[source] serde_json::Error);

impl Plan {
    /// Returns the plan as JSON on one line, from which [`Plan::from_json`] returns the same plan.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("the keys of a plan are texts, and its values have a JSON form")
    }

    /// Returns the plan that [`Plan::to_json`] wrote. Files that people wrote are for [`crate::read`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidPlan> {
        serde_json::from_slice(bytes).map_err(InvalidPlan)
    }
}

/// An agent that a plan counts on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentProfile {
    /// Its name, unique in the plan.
    pub name: String,
    /// What it can do.
    #[serde(default)]
    pub capabilities: CapabilitySet,
    /// How many tasks it takes at once.
    #[serde(default = "one_slot")]
    pub slots: u32,
    /// How long its leases last, in seconds, where the task does not say.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "attempt_limits::stored")]
    pub lease_seconds: Option<NonZeroU32>,
    /// What people tell it by: words of their own, in order and without repeats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl AgentProfile {
    /// Returns how long its leases last, if that is said.
    pub fn lease(&self) -> Option<Duration> {
        self.lease_seconds.map(attempt_limits::seconds)
    }
}

fn one_slot() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::{
        Approval, Capability, Check, Dependency, Effort, Exclusion, Landing, PathPattern, Priority, Standing,
        TaskId, When,
    };

    fn any_id() -> impl Strategy<Value = TaskId> {
        "[a-zß0-9._/-]{1,12}".prop_filter_map("a valid id", |text| TaskId::new(&text).ok())
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn any_extra() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("x_.{0,6}", any_value(), 0..3).prop_map(|map| map.into_iter().collect())
    }

    fn any_standing() -> impl Strategy<Value = Standing> {
        prop_oneof![
            Just(Standing::Pending),
            Just(Standing::Completed),
            Just(Standing::OnHold),
            Just(Standing::Excluded(Exclusion::Template)),
        ]
    }

    fn any_task() -> impl Strategy<Value = Task> {
        let dependency = (any_id(), any::<bool>()).prop_map(|(on, failed)| Dependency {
            on,
            when: if failed { When::Failed } else { When::Completed },
        });
        let check = (prop::collection::vec(".*", 1..3), prop::option::of(any::<u64>()))
            .prop_map(|(command, timeout_seconds)| Check { command, timeout_seconds });
        (
            (any_id(), ".*", ".*", prop::option::of(any_id()), prop::collection::vec(dependency, 0..3)),
            (
                0..5_usize,
                prop::option::of(0..=Effort::MAX.as_millis()),
                prop::collection::vec("[a-z]{1,3}", 0..3),
            ),
            (prop::option::of(check), any::<bool>(), any_standing(), any_extra()),
            (0..4_usize, prop::collection::vec("[a-z*]{1,3}(/[a-z*]{1,3}){0,2}/?", 0..3), any::<[u32; 5]>()),
        )
            .prop_map(
                |(
                    (id, title, description, parent, dependencies),
                    (priority, effort, names),
                    rest,
                    guards,
                )| Task {
                    id,
                    title,
                    description,
                    parent,
                    dependencies,
                    priority: Priority::ALL[priority],
                    effort: effort.map(Effort::from_millis),
                    capabilities: names.iter().map(|name| Capability::new(name)).collect::<Vec<_>>().into(),
                    check: rest.0.map(Box::new),
                    landing: if rest.1 { Landing::None } else { Landing::Git },
                    approval: Approval::ALL[guards.0],
                    writes: guards
                        .1
                        .iter()
                        .map(|text| PathPattern::new(text).unwrap())
                        .collect::<Vec<_>>()
                        .into(),
                    limits: crate::AttemptLimits::of(guards.2.map(NonZeroU32::new)),
                    standing: rest.2,
                    extra: rest.3.into_iter().collect(),
                },
            )
    }

    proptest! {
        #[test]
        fn a_stored_plan_is_the_same_plan(name in ".*", description in ".*", extra in any_extra(),
                                          tasks in prop::collection::vec(any_task(), 0..4),
                                          slots in 1..9_u32) {
            let agents = vec![AgentProfile { name: name.clone(), capabilities: CapabilitySet::default(), slots, lease_seconds: NonZeroU32::new(slots - 1), labels: Vec::new(), }];
            let plan = Plan { name, description, agents, tasks, extra };
            prop_assert_eq!(Plan::from_json(plan.to_json().as_bytes()).unwrap(), plan);
        }
    }
}
