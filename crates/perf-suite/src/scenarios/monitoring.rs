//! MONITOR: what the watching costs that every other figure is measured under.

use crate::monitor::{HiccupMeter, INTERVAL, Monitor, process_cpu};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// The cost of watching.
#[derive(Debug, Clone, Copy)]
pub struct Monitoring;

impl Scenario for Monitoring {
    fn id(&self) -> &str {
        "MONITOR"
    }

    fn statement(&self) -> &str {
        "the cost of sampling this process every 100 ms"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let pairs = by_profile(profile, [1, 6, 10, 20]);
        let (mut ratios, mut own) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            // In turn, so that a busy moment strikes both sides.
            let (with, without) = if pair % 2 == 0 {
                let with = watched(&mut own)?;
                (with, works())
            } else {
                let without = works();
                (watched(&mut own)?, without)
            };
            ratios.push(with / without);
        }
        recorder.record(
            "overhead",
            "the same work with a second watch over without it, pair by pair",
            Unit::Ratio,
            ratios,
        );
        recorder.record("own-share", "how much of one processor the watch takes", Unit::Ratio, own);
        recorder.note(
            "what is timed is the processor's time of the whole process, beside the watch that every scenario runs under",
        );
        Ok(())
    }
}

/// Returns the processor's time of the works and of a watch on them, and adds the share of the watch.
fn watched(own: &mut Vec<f64>) -> Result<f64, ScenarioFailed> {
    let begun = process_cpu();
    let monitor = Monitor::start(INTERVAL, |_| ()).map_err(ScenarioFailed::during("starting a watch"))?;
    let hiccups = HiccupMeter::start().map_err(ScenarioFailed::during("starting a watch"))?;
    works();
    let stalls = hiccups.finish();
    let mut usage = monitor.finish();
    usage.own_cpu += stalls.own_cpu;
    own.push(usage.own_share());
    Ok(process_cpu() - begun)
}

/// How many works there are on either side of a pair: some samples' worth.
const WORKS: usize = 20;

/// Returns the processor's time of the process while it does its works.
fn works() -> f64 {
    let begun = process_cpu();
    (0..WORKS).for_each(|_| work());
    process_cpu() - begun
}

/// A piece of work that fits no cache line more than once: some milliseconds.
fn work() {
    let values: Vec<u64> = (0..400_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let mut sum = 0_u64;
    for _ in 0..40 {
        sum = values.iter().fold(sum, |sum, value| sum.rotate_left(5) ^ value);
    }
    std::hint::black_box(sum);
}
