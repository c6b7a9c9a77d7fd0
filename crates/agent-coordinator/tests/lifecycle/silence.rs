//! How long leases last, and what becomes of tasks whose agents let them run out.

use std::num::NonZeroU32;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Explanation, Policy, Reach};
use state_store::task::StateName;

use crate::bench::{Bench, PROJECT, task};

/// Lets time go by, and a turn be taken.
fn pass(bench: &mut Bench, time: Duration) {
    bench.clock.advance(time);
    bench.ask(Command::Renew(Vec::new())).unwrap();
}

#[test]
fn the_lease_of_a_task_goes_before_that_of_its_agent_and_that_before_the_common_one() {
    let can = |name: &str| [name].into_iter().collect::<planner_core::CapabilitySet>();
    let needing = |name: &str, ability: &str| {
        let capabilities = can(ability);
        planner_core::Task { capabilities, ..task(name, &[]) }
    };
    let mut own = needing("own", "rust");
    own.limits.lease_seconds = NonZeroU32::new(90);
    let agent = |name: &str, slots, lease: Option<Duration>| AgentSpec {
        name: name.to_owned(),
        capabilities: can(name),
        slots,
        lease,
        labels: Vec::new(),
    };
    let agents = vec![
        agent("rust", 2, Some(Duration::from_secs(600))),
        agent("docs", 1, Some(Duration::from_millis(1))),
        agent("java", 1, None),
    ];
    let tasks = vec![own, needing("agent", "rust"), needing("short", "docs"), needing("common", "java")];
    let mut bench = Bench::with_agents(tasks, agents, Policy::default());
    let lengths = |bench: &Bench, now: u64| {
        ["own", "agent", "short", "common"].map(|id| bench.lease(id).expires_at.as_millis() - 1_000_000 - now)
    };
    assert_eq!(lengths(&bench, 0), [90_000, 600_000, 3_000, 60_000], "none is too short to be renewed");
    pass(&mut bench, Duration::from_secs(2));
    let leases = ["own", "agent", "short", "common"].map(|id| (bench.key(id), bench.lease(id).token));
    bench.ask(Command::Renew(leases.to_vec())).unwrap();
    assert_eq!(lengths(&bench, 2_000), [90_000, 600_000, 3_000, 60_000], "renewed for as long again");
}

#[test]
fn a_task_whose_attempts_all_end_in_silence_fails_in_the_end() {
    let policy = Policy::default();
    let mut own = task("own", &[]);
    own.limits.losses_max = NonZeroU32::new(2);
    let mut bench = Bench::with_policy(vec![task("common", &[]), own], 2, policy.clone());
    for attempt in 1..=policy.losses_max {
        assert_eq!(bench.lease("common").attempt, attempt);
        pass(&mut bench, policy.lease);
        let expected = if attempt >= 2 { StateName::Failed } else { StateName::Assigned };
        assert_eq!(bench.state("own"), expected, "after {attempt}");
    }
    let message = "5 attempts ended in silence: their leases ran out".to_owned();
    assert_eq!(bench.explain("common"), Explanation::Failed { message, attempts: 5 });
    assert_eq!(bench.engine.state().projects()[PROJECT.index()].failures.total, 2, "the project counts them");
    bench.ask(Command::Reopen { task: bench.key("own"), reach: Reach::Task }).unwrap();
    pass(&mut bench, policy.lease);
    assert_eq!(bench.state("own"), StateName::Assigned, "it begins to count anew");
}

#[test]
fn what_is_given_back_is_no_silence() {
    let mut once = task("once", &[]);
    once.limits.losses_max = NonZeroU32::new(1);
    let mut bench = Bench::with_policy(vec![once], 1, Policy::default());
    for _ in 0..3 {
        let (task, token) = (bench.key("once"), bench.lease("once").token);
        bench.ask(Command::GiveUp { task, token }).unwrap();
        assert_eq!(bench.state("once"), StateName::Assigned);
    }
    pass(&mut bench, Policy::default().lease);
    assert_eq!(bench.state("once"), StateName::Failed);
}
