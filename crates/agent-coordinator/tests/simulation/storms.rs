//! Storms: every kind of fault, over many seeds.

use std::sync::atomic::{AtomicU64, Ordering};

use agent_coordinator::simulation::{FaultCounts, FaultKind, Faults, Options, Run, shrink, simulate};

/// How many seeds an ordinary run has.
const SEEDS: u64 = 200;

/// For how many steps each storms.
const STEPS: u64 = 10_000;

/// What many seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
    pub(crate) events: u64,
    pub(crate) completed: u64,
    pub(crate) faults: FaultCounts,
    /// The options of the first seed in which a promise was not kept, with its run.
    pub(crate) broken: Option<(Options, Run)>,
}

pub(crate) fn storm(seed: u64, steps: u64) -> Options {
    Options { seed, plan: None, agents: None, coordinators: None, steps, faults: Faults::storm() }
}

/// Runs seeds one after another on every processor, until one breaks a promise.
pub(crate) fn run_seeds(first: u64, seeds: u64, steps: u64) -> Found {
    let next = AtomicU64::new(first);
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let parts: Vec<Found> = std::thread::scope(|scope| {
        let worker = || {
            let mut found = Found::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + seeds {
                    return found;
                }
                let options = storm(seed, steps);
                let run = simulate(&options);
                found.seeds += 1;
                found.steps += run.steps;
                found.events += run.events;
                found.completed += run.completed;
                found.faults.add(&run.faults);
                if run.violation.is_some() {
                    next.store(first + seeds, Ordering::Relaxed);
                    found.broken = Some((options, run));
                    return found;
                }
            }
        };
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    parts.into_iter().fold(Found::default(), |mut sum, part| {
        sum.seeds += part.seeds;
        sum.steps += part.steps;
        sum.events += part.events;
        sum.completed += part.completed;
        sum.faults.add(&part.faults);
        let broken = sum.broken.into_iter().chain(part.broken);
        sum.broken = broken.min_by_key(|(options, _)| options.seed);
        sum
    })
}

fn number(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn no_storm_breaks_a_promise() {
    let first = number("SUPER_PLANNER_TEST_SEED", 1.0) as u64;
    let seeds = ((SEEDS as f64 * number("SUPER_PLANNER_TEST_SCALE", 1.0)) as u64).max(1);
    println!("SUPER_PLANNER_TEST_SEED={first}, {seeds} seeds of {STEPS} steps");
    let found = run_seeds(first, seeds, STEPS);
    println!(
        "{} seeds, {} steps, {} events, {} tasks completed",
        found.seeds, found.steps, found.events, found.completed
    );
    for (kind, count) in found.faults.iter() {
        println!("{kind:>18} {count}");
    }
    if let Some((options, run)) = found.broken {
        let whole = run.violation.clone().unwrap();
        let shrunk = shrink(&options, run);
        let small = shrunk.run.violation.clone().unwrap();
        panic!(
            "seed {}: {whole}\nsmaller: {small}\nsuper-planner simulate {}",
            options.seed,
            shrunk.arguments()
        );
    }
    let never: Vec<_> = found.faults.iter().filter(|(_, count)| *count == 0).map(|(kind, _)| kind).collect();
    assert_eq!(never, [FaultKind::AgentCrash; 0], "these have never struck");
    assert!(found.completed > seeds * 20, "the storms let too little through to show anything");
}

#[test]
fn the_same_seed_gives_the_same_log_and_another_one_another() {
    let options = storm(7, 3_000);
    let (one, two) = (simulate(&options), simulate(&options));
    assert_eq!(one, two);
    assert_ne!(one.hash, simulate(&storm(8, 3_000)).hash);
}

#[test]
fn without_faults_every_task_is_completed() {
    for seed in 0..20 {
        let run = simulate(&Options { faults: Faults::none(), ..storm(seed, 1_000) });
        assert_eq!(run.violation, None, "seed {seed}");
        assert_eq!(run.faults, FaultCounts::default());
    }
}
