//! The gauge measured: how often it finds what is planted, and how often it cries wolf.
//!
//! Two sides do the same work on the processor; one of them does a known share more. What a comparison says of them is counted
//! over many comparisons. A planted leak, a planted stall and a closed loop beside an open one belong to it too.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::compare::{Judgement, Measurement, Pairs, Rules};
use crate::gauge::Gauge;
use crate::leak::{GrowthVerdict, growth_by_operation, live_bytes};
use crate::load::{ClosedLoad, OpenLoad, response_quantile};
use crate::monitor::thread_cpu;

/// How thoroughly the gauge is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    /// How many comparisons of each kind.
    pub comparisons: usize,
    /// How many pairs each takes.
    pub pairs: usize,
    /// How long one side of a pair works.
    pub work: Duration,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { comparisons: 100, pairs: 40, work: Duration::from_micros(1500) }
    }
}

/// How often something was said, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How often.
    pub said: usize,
    /// Of how many.
    pub of: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibrated {
    /// At threshold zero: a side that does 5 % more is called a regression. At least 99 in 100 are to be.
    pub five_percent_found: Share,
    /// At threshold zero: a side that does the same is called one. At most 5 in 100 may be.
    pub false_alarms: Share,
    /// At a threshold of 10 %: a side that does 15 % more is called one.
    pub fifteen_percent_found: Share,
    /// At a threshold of 10 %: a side that does 5 % more is called one. None is to be.
    pub five_percent_blamed: Share,
    /// Bytes by operation that were seen to stay, of 64 planted; absent where this system does not tell the memory.
    pub leak_seen: Option<f64>,
    /// Whether the same without a leak was called one.
    pub leak_imagined: bool,
    /// The slowest response in milliseconds of a load in which a stall of 50 ms was planted.
    pub stall_seen_ms: f64,
    /// The 95th percentile in milliseconds of the same load, asked for by a client that waits for each answer.
    pub closed_p95_ms: f64,
    /// And when every operation counts from when it was due.
    pub open_p95_ms: f64,
}

impl Calibrated {
    /// Returns what the gauge fell short in.
    pub fn shortcomings(&self) -> Vec<String> {
        let share = |share: Share| share.said as f64 / share.of.max(1) as f64;
        let mut short = Vec::new();
        let mut expect = |is_so: bool, what: &str| {
            if !is_so {
                short.push(what.to_owned());
            }
        };
        expect(
            share(self.five_percent_found) >= 0.99,
            "5 % more work is found in less than 99 of 100 comparisons",
        );
        expect(
            share(self.false_alarms) <= 0.05,
            "the same work raises more than 5 alarms in 100 comparisons",
        );
        expect(share(self.fifteen_percent_found) >= 0.99, "15 % more work is missed at a threshold of 10 %");
        expect(self.five_percent_blamed.said == 0, "5 % more work is blamed at a threshold of 10 %");
        expect(
            self.leak_seen.is_none_or(|bytes| (32.0..=160.0).contains(&bytes)),
            "the planted leak is not seen",
        );
        expect(!self.leak_imagined, "a leak is seen where there is none");
        expect(self.stall_seen_ms >= 45.0, "the planted stall is not seen");
        expect(
            self.open_p95_ms > 2.0 * self.closed_p95_ms,
            "what was due during a stall is not in the open load",
        );
        short
    }
}

impl Calibration {
    /// Measures the gauge. `told` is called with what is measured next.
    pub fn run(&self, mut told: impl FnMut(&str)) -> Calibrated {
        let units = units_for(self.work);
        let mut count = |what: &str, more: f64, threshold: f64| {
            told(what);
            self.count(units, more, threshold, &mut timed)
        };
        let five_percent_found = count("5 % more work, at threshold zero", 0.05, 0.0);
        let false_alarms = count("the same work, at threshold zero", 0.0, 0.0);
        let fifteen_percent_found = count("15 % more work, at a threshold of 10 %", 0.15, 0.1);
        let five_percent_blamed = count("5 % more work, at a threshold of 10 %", 0.05, 0.1);
        told("a leak of 64 bytes by operation, and none");
        let leak = leak(true);
        let none = leak.and_then(|_| self::leak(false));
        told("a stall of 50 ms, in an open and in a closed load");
        let (stall_seen_ms, open_p95_ms, closed_p95_ms) = stall();
        Calibrated {
            five_percent_found,
            false_alarms,
            fifteen_percent_found,
            five_percent_blamed,
            leak_seen: leak.map(|growth| if growth.0 { growth.1 } else { 0.0 }),
            leak_imagined: none.is_some_and(|growth| growth.0),
            stall_seen_ms,
            closed_p95_ms,
            open_p95_ms,
        }
    }

    /// Returns how often a side that does so much more is called a regression.
    fn count(
        &self,
        units: u64,
        more: f64,
        threshold: f64,
        measure: &mut dyn FnMut(u64) -> Measurement,
    ) -> Share {
        let slower = (units as f64 * (1.0 + more)).round() as u64;
        let mut is_blamed = || {
            let mut pairs = Pairs::default();
            for pair in 0..self.pairs {
                let (base, head) = if Pairs::is_base_first(pair) {
                    let base = measure(units);
                    (base, measure(slower))
                } else {
                    let head = measure(slower);
                    (measure(units), head)
                };
                pairs.add("work", Rules { threshold }, base, head);
            }
            let findings = pairs.compare().findings;
            findings.iter().any(|finding| matches!(finding.judgement, Judgement::Regression { .. }))
        };
        let said = (0..self.comparisons).filter(|_| is_blamed()).count();
        Share { said, of: self.comparisons }
    }
}

/// Returns how many units of work take about that long here.
fn units_for(length: Duration) -> u64 {
    const TRIED: u64 = 200_000;
    let best = (0..20).map(|_| timed(TRIED).cpu).fold(f64::MAX, f64::min).max(1e-9);
    ((TRIED as f64 * length.as_secs_f64() / best) as u64).max(1)
}

fn timed(units: u64) -> Measurement {
    let (cpu, wall) = (thread_cpu(), Instant::now());
    let mut value = 1_u64;
    for unit in 0..units {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(unit));
    }
    std::hint::black_box(value);
    // The kernel counts in nanoseconds; a length of zero would have no ratio.
    Measurement { cpu: (thread_cpu() - cpu).max(1e-9), wall: wall.elapsed().as_secs_f64().max(1e-9) }
}

/// Returns whether growth was seen and how many bytes an operation, over cycles of operations that keep 64 bytes each or none.
fn leak(keeps: bool) -> Option<(bool, f64)> {
    const CYCLES: usize = 13;
    const OPERATIONS: usize = 40_000;
    let mut kept: Vec<Vec<Box<[u8; 64]>>> = Vec::with_capacity(CYCLES);
    let mut live = Vec::with_capacity(CYCLES);
    for _ in 0..CYCLES {
        let made: Vec<Box<[u8; 64]>> = (0..OPERATIONS).map(|n| Box::new([n as u8; 64])).collect();
        if keeps {
            kept.push(made);
        }
        live.push(live_bytes()? as f64);
    }
    let growth = growth_by_operation(&live, OPERATIONS)?;
    drop(kept);
    Some((growth.verdict == GrowthVerdict::Grows, growth.bytes_by_operation))
}

/// Returns the slowest response and the 95th percentiles of an open and a closed load with the same stall, in milliseconds.
fn stall() -> (f64, f64, f64) {
    const STALLED: u64 = 20;
    let operation = |_: usize, number: u64| {
        let begun = Instant::now();
        while number == STALLED && begun.elapsed() < Duration::from_millis(50) {
            std::thread::park_timeout(Duration::from_millis(50).saturating_sub(begun.elapsed()));
        }
        Ok(())
    };
    let gauge = Gauge::default();
    let open =
        OpenLoad { rate: 200.0, length: Duration::from_millis(500), workers: 1 }.run(&gauge, operation);
    let closed = ClosedLoad { clients: 1, operations: 100 }.run(&gauge, operation);
    let milliseconds = |done: &[crate::load::Done], share: f64| response_quantile(done, share) * 1000.0;
    (milliseconds(&open.done, 1.0), milliseconds(&open.done, 0.95), milliseconds(&closed.done, 0.95))
}

#[cfg(test)]
mod tests {
    use planner_core::random::Random;

    use super::*;

    /// A machine as noisy as a shared one: times wander with its load, and now and then one is twice as long. The test draws
    /// them, so that it says the same on a busy machine; the command measures for real.
    fn noisy(random: &mut Random) -> impl FnMut(u64) -> Measurement + '_ {
        let mut load = 1.0;
        move |units| {
            load = 1.0 + 0.9 * (load - 1.0) + 0.1 * random.unit();
            let cpu = units as f64 * 1e-9 * load * (1.0 + 0.03 * (random.unit() - 0.5));
            let stall = if random.chance(0.1) { 2.0 } else { 1.0 };
            Measurement { cpu, wall: cpu * stall * (1.0 + random.unit()) }
        }
    }

    #[test]
    fn the_gauge_finds_what_is_planted_and_little_else() {
        let calibration = Calibration { comparisons: 20, ..Calibration::default() };
        let mut random = Random::new(1);
        let mut said = |more: f64, threshold: f64| {
            calibration.count(1_000_000, more, threshold, &mut noisy(&mut random)).said
        };
        assert_eq!(said(0.05, 0.0), 20, "5 % more at threshold zero");
        assert_eq!(said(0.0, 0.0), 0, "the same at threshold zero");
        assert_eq!(said(0.15, 0.1), 20, "15 % more at a threshold of 10 %");
        assert_eq!(said(0.05, 0.1), 0, "5 % more at a threshold of 10 %");
    }

    #[test]
    fn what_falls_short_is_named() {
        let perfect = Calibrated {
            five_percent_found: Share { said: 100, of: 100 },
            false_alarms: Share { said: 5, of: 100 },
            fifteen_percent_found: Share { said: 100, of: 100 },
            five_percent_blamed: Share { said: 0, of: 100 },
            leak_seen: Some(64.0),
            leak_imagined: false,
            stall_seen_ms: 50.0,
            closed_p95_ms: 0.1,
            open_p95_ms: 20.0,
        };
        assert_eq!(perfect.shortcomings(), Vec::<String>::new());
        let poor = Calibrated {
            five_percent_found: Share { said: 98, of: 100 },
            false_alarms: Share { said: 6, of: 100 },
            leak_seen: Some(0.0),
            ..perfect
        };
        assert_eq!(poor.shortcomings().len(), 3);
    }
}
