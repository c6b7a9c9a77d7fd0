//! What a simulation begins with: asked for, or drawn from the seed.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use planner_core::generate::{LayeredShape, layered};
use planner_core::random::Random;
use planner_core::{Approval, Capability, CapabilitySet, Dependency, PathPattern, Plan, Task, TaskId, When};

use super::{Faults, Options};
use crate::engine::{AgentSpec, Policy};

/// All that a world is made of.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) plan: Plan,
    pub(super) agents: Vec<AgentSpec>,
    pub(super) coordinators: usize,
    pub(super) steps: u64,
    pub(super) faults: Faults,
    pub(super) policy: Policy,
    /// The mean effort of the plan's tasks.
    pub(super) effort_mean: Duration,
}

impl Scenario {
    pub(super) fn of(options: &Options) -> Self {
        let mut random = Random::of([options.seed, 0x70_6c_61_6e]);
        let plan = options.plan.clone().unwrap_or_else(|| draw_plan(&mut random));
        let count = options.agents.unwrap_or_else(|| 2 + random.below(7));
        let agents = draw_agents(&plan, count.max(1), options.plan.is_none(), &mut random);
        let coordinators = options.coordinators.unwrap_or_else(|| 1 + random.below(3)).clamp(1, count.max(1));
        let efforts = plan.tasks.iter().map(|task| task.effort_or_default().as_duration());
        let effort_mean = efforts.sum::<Duration>() / plan.tasks.len().max(1) as u32;
        let policy = Policy {
            lease: Duration::from_secs(10),
            instance_lease: Duration::from_secs(5),
            losses_max: 3 + random.below(6) as u32,
            seed: options.seed,
            ..Policy::default()
        };
        Self {
            seed: options.seed,
            agents,
            coordinators,
            steps: options.steps,
            faults: options.faults.clone(),
            policy,
            effort_mean: effort_mean.max(Duration::from_millis(1)),
            plan,
        }
    }
}

/// Returns a small plan with all that plans can have: layers, a group, what waits for a failure, tasks that ask for
/// nothing.
fn draw_plan(random: &mut Random) -> Plan {
    let [tasks, layers] = [5 + random.below(30), 1 + random.below(5)];
    let [tasks, layers] = [tasks, layers].map(|count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN));
    let mut plan = layered(LayeredShape { tasks, layers, dependencies_max: 3 }, random.next_u64());
    plan.name = "plan".to_owned();
    let Ok(group) = TaskId::new("group") else { return plan };
    for task in &mut plan.tasks {
        if random.chance(0.3) {
            task.capabilities = CapabilitySet::default();
        }
        if random.chance(0.2) {
            task.parent = Some(group.clone());
        }
        if random.chance(0.1)
            && let Some(first) = task.dependencies.first_mut()
        {
            first.when = When::Failed;
        }
    }
    guard(&mut plan, random.next_u64());
    if plan.tasks.iter().any(|task| task.parent.is_some()) {
        plan.tasks.push(Task::new(group.clone()));
        if let Ok(last) = TaskId::new("after-group") {
            plan.tasks.push(Task { dependencies: vec![Dependency::on_completion(group)], ..Task::new(last) });
        }
    }
    plan
}

/// Has some tasks wait for approval, some write the same files, and some say how long leases last and how much silence is borne.
fn guard(plan: &mut Plan, seed: u64) {
    let mut random = Random::of([seed, 0x67_61_74_65]);
    for task in &mut plan.tasks {
        if random.chance(0.1) {
            task.approval = Approval::ALL[random.below(Approval::ALL.len())];
        }
        if random.chance(0.3) {
            let patterns = ["src/", "src/a.rs", "src/*.rs", "docs/**/x", "docs/x"];
            let drawn = PathPattern::new(patterns[random.below(patterns.len())]);
            task.writes = drawn.into_iter().collect::<Vec<_>>().into();
        }
        if random.chance(0.1) {
            task.limits.lease_seconds = NonZeroU32::new(8 + random.below(20) as u32);
        }
        if random.chance(0.1) {
            task.limits.losses_max = NonZeroU32::new(1 + random.below(6) as u32);
        }
    }
}

/// Returns agents of which the first can do everything; the others too, or what is drawn.
fn draw_agents(plan: &Plan, count: usize, are_drawn: bool, random: &mut Random) -> Vec<AgentSpec> {
    let mut all: Vec<Capability> =
        plan.tasks.iter().flat_map(|task| task.capabilities.iter().cloned()).collect();
    all.sort();
    all.dedup();
    let agent = |number: usize| {
        let can: Vec<_> =
            all.iter().filter(|_| number == 0 || !are_drawn || random.chance(0.5)).cloned().collect();
        let slots = if are_drawn { 1 + random.below(3) as u32 } else { 1 };
        let lease =
            (are_drawn && random.chance(0.2)).then(|| Duration::from_secs(8 + random.below(20) as u64));
        AgentSpec {
            name: format!("agent-{number}"),
            capabilities: can.into(),
            slots,
            lease,
            labels: Vec::new(),
        }
    };
    (0..count).map(agent).collect()
}
