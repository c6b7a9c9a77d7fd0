//! Whether memory grows for good.
//!
//! Two ways that do not depend on one another. [`growth_by_operation`] looks at the bytes that are allocated and not freed, at
//! points where nothing is under way, cycle after cycle of the same operations: nearly without noise, so a few cycles find
//! a few bytes by operation. [`growth_over_time`] looks at the resident memory of a process at work: medians of blocks, because
//! samples that follow one another closely are alike, and only after warming up. It grows where it goes up with the time
//! (Mann and Kendall), its slope (Theil and Sen) is for certain more than a trace by operation, and the later half grows as the
//! earlier one did, which memory that only fills up does not. Both say what they could not have seen.

use std::sync::OnceLock;

use crate::monitor::anonymous_memory;
use crate::stats::{RobustLine, Sample, mann_kendall, median, theil_sen};

/// How many blocks the time after warming up is cut into.
const BLOCKS: usize = 24;
/// What is left out at the beginning.
const WARM_UP_SHARE: f64 = 0.2;
/// How unlikely a series without a trend must look.
const LEVEL: f64 = 0.01;
/// What grows less than this by operation is no leak: a counter, a line in a table of sizes.
const BYTES_BY_OPERATION_MIN: f64 = 1.0;
/// A second cycle that grows by less than this share of what the first one did was only warming up.
const SETTLED_SHARE: f64 = 0.2;

/// What the program's allocator counts.
#[derive(Debug, Clone, Copy)]
pub struct AllocationCounter {
    /// Returns the bytes that are allocated and not freed.
    pub live: fn() -> u64,
    /// Returns all bytes that were ever allocated.
    pub total: fn() -> u64,
}

/// The counter, where the program has an allocator that counts.
static COUNTER: OnceLock<AllocationCounter> = OnceLock::new();

/// Has bytes counted by the program's own allocator from now on. The first counter stays.
pub fn count_allocations_with(counter: AllocationCounter) {
    // A second one would count the same bytes.
    let _ = COUNTER.set(counter);
}

/// Returns the bytes that are alive: as the program's allocator counts them, or else the resident memory that no file is behind.
pub fn live_bytes() -> Option<u64> {
    counted_live_bytes().or_else(anonymous_memory)
}

/// Returns the bytes that are allocated and not freed, where the program's allocator counts.
pub fn counted_live_bytes() -> Option<u64> {
    COUNTER.get().map(|counter| (counter.live)())
}

/// Returns all bytes that were ever allocated, where the program's allocator counts.
pub fn allocated_bytes() -> Option<u64> {
    COUNTER.get().map(|counter| (counter.total)())
}

/// What is said of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrowthVerdict {
    /// It grows for certain.
    Grows,
    /// It does not, as far as can be seen.
    Steady,
}

impl GrowthVerdict {
    /// Returns it as a phrase.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grows => "grows steadily",
            Self::Steady => "does not grow as far as can be seen",
        }
    }
}

/// What the resident memory over time says.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeGrowth {
    /// The verdict.
    pub verdict: GrowthVerdict,
    /// The line through the blocks, in bytes a second.
    pub slope: RobustLine,
    /// The medians of the first blocks after warming up.
    pub baseline: Vec<f64>,
    /// The most of each block after warming up.
    pub peaks: Vec<f64>,
    /// The slope of the later half of the blocks over that of the earlier half; memory that only fills up has little.
    pub later_over_earlier: f64,
    /// The least slope in bytes a second that this series could have told from none: half the width of the interval, or what
    /// would be no more than a trace by operation.
    pub smallest_visible: f64,
}

/// Returns what samples of a time in seconds and a number of bytes say, where so many operations are made a second; `None` where
/// there are fewer than two samples a block.
pub fn growth_over_time(samples: &[(f64, f64)], operations_a_second: f64) -> Option<TimeGrowth> {
    let warm = &samples[(samples.len() as f64 * WARM_UP_SHARE) as usize..];
    let size = warm.len() / BLOCKS;
    if size < 2 {
        return None;
    }
    let blocks: Vec<&[(f64, f64)]> = warm.chunks_exact(size).take(BLOCKS).collect();
    let middle = |block: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
        Sample::new(block.iter().map(of).collect()).map(|sample| median(&sample))
    };
    let points: Vec<(f64, f64)> = blocks
        .iter()
        .map(|block| Some((middle(block, |sample| sample.0)?, middle(block, |sample| sample.1)?)))
        .collect::<Option<_>>()?;
    let slope = theil_sen(&points, 0.95)?;
    let trend = mann_kendall(&points.iter().map(|point| point.1).collect::<Vec<_>>())?;
    let (earlier, later) = points.split_at(BLOCKS / 2);
    let later_over_earlier = over(theil_sen(later, 0.95)?.slope, theil_sen(earlier, 0.95)?.slope);
    let trace = BYTES_BY_OPERATION_MIN * operations_a_second;
    let is_growing = trend.p_up < LEVEL && slope.interval.low > trace && later_over_earlier > SETTLED_SHARE;
    Some(TimeGrowth {
        verdict: if is_growing { GrowthVerdict::Grows } else { GrowthVerdict::Steady },
        slope,
        baseline: points.iter().take(BLOCKS / 4).map(|point| point.1).collect(),
        peaks: blocks
            .iter()
            .map(|block| block.iter().map(|sample| sample.1).fold(f64::MIN, f64::max))
            .collect(),
        later_over_earlier,
        smallest_visible: ((slope.interval.high - slope.interval.low) / 2.0).max(trace),
    })
}

/// Returns how much of the earlier growth there still was later; all of it where there was none before and there is later.
fn over(later: f64, earlier: f64) -> f64 {
    if earlier > 0.0 { later / earlier } else { f64::from(u8::from(later > 0.0)) }
}

/// What the bytes that are allocated say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperationGrowth {
    /// The verdict.
    pub verdict: GrowthVerdict,
    /// How much stays allocated by operation.
    pub bytes_by_operation: f64,
    /// The growth of the later half of the cycles over that of the earlier half; memory that only fills up has little.
    pub later_over_earlier: f64,
    /// The least growth by operation that these cycles could have told from none.
    pub smallest_visible: f64,
}

/// Returns what the live bytes after each cycle of so many operations say; the first cycle is warming up. `None` for fewer than
/// six cycles.
pub fn growth_by_operation(live_bytes: &[f64], operations_by_cycle: usize) -> Option<OperationGrowth> {
    let after_warm_up = live_bytes.get(1..).filter(|cycles| cycles.len() >= 5)?;
    let operations = operations_by_cycle.max(1) as f64;
    let points: Vec<(f64, f64)> =
        after_warm_up.iter().enumerate().map(|(cycle, bytes)| (cycle as f64, *bytes)).collect();
    let line = theil_sen(&points, 0.95)?;
    let middle = after_warm_up.len() / 2;
    let earlier = after_warm_up[middle] - after_warm_up[0];
    let later = after_warm_up[after_warm_up.len() - 1] - after_warm_up[middle];
    let later_over_earlier = over(later, earlier);
    let grows =
        line.interval.low / operations >= BYTES_BY_OPERATION_MIN && later_over_earlier > SETTLED_SHARE;
    Some(OperationGrowth {
        verdict: if grows { GrowthVerdict::Grows } else { GrowthVerdict::Steady },
        bytes_by_operation: line.slope / operations,
        later_over_earlier,
        smallest_visible: ((line.interval.high - line.interval.low) / 2.0 / operations)
            .max(BYTES_BY_OPERATION_MIN),
    })
}

#[cfg(test)]
mod tests {
    use planner_core::random::Random;

    use super::*;

    /// Returns five minutes of samples that wander, with a growth by hour.
    fn resident(random: &mut Random, bytes_per_hour: f64) -> Vec<(f64, f64)> {
        let mut wander = 0.0;
        (0..3000)
            .map(|n| {
                let at = f64::from(n) * 0.1;
                wander = 0.98 * wander + (random.unit() - 0.5) * 4e5;
                (at, 1e8 + wander + bytes_per_hour / 3600.0 * at)
            })
            .collect()
    }

    #[test]
    fn what_grows_is_told_and_what_wanders_is_not() {
        let mut random = Random::new(1);
        let grows = |random: &mut Random, rate: f64| {
            growth_over_time(&resident(random, rate), 5.0).unwrap().verdict == GrowthVerdict::Grows
        };
        let alarms = (0..100).filter(|_| grows(&mut random, 0.0)).count();
        assert!(alarms <= 6, "{alarms} false alarms");
        let found = (0..20).filter(|_| grows(&mut random, 2e8)).count();
        assert_eq!(found, 20);
        assert_eq!(growth_over_time(&resident(&mut random, 0.0)[..40], 5.0), None);
    }

    #[test]
    fn a_cache_that_fills_up_is_no_leak() {
        let filling: Vec<(f64, f64)> = (0..3000)
            .map(|n| (f64::from(n) * 0.1, 1e8 + 2e7 * (1.0 - (-f64::from(n) / 100.0).exp())))
            .collect();
        let growth = growth_over_time(&filling, 5.0).unwrap();
        assert_eq!(growth.verdict, GrowthVerdict::Steady, "{growth:?}");
        // Of one that fills up more slowly most is seen, and its later half shows that it comes to an end.
        let slowly: Vec<(f64, f64)> = (0..3000)
            .map(|n| (f64::from(n) * 0.1, 1e8 + 2e7 * (1.0 - (-f64::from(n) / 500.0).exp())))
            .collect();
        let growth = growth_over_time(&slowly, 5.0).unwrap();
        assert_eq!(growth.verdict, GrowthVerdict::Steady, "{growth:?}");
        assert!(growth.slope.interval.low > 0.0, "{growth:?}");
    }

    #[test]
    fn a_leak_of_a_few_bytes_by_operation_is_seen_in_bytes_that_are_counted() {
        let leaking = |bytes: f64| -> Vec<(f64, f64)> {
            (0..18_000)
                .map(|n| (f64::from(n) * 0.1, 1e7 + f64::from(n % 7) * 1e3 + bytes * 0.5 * f64::from(n)))
                .collect()
        };
        let verdict = |bytes: f64| growth_over_time(&leaking(bytes), 5.0).unwrap().verdict;
        assert_eq!(verdict(64.0), GrowthVerdict::Grows);
        assert_eq!(verdict(0.5), GrowthVerdict::Steady, "less than a byte by operation");
    }

    #[test]
    fn sixty_four_bytes_by_operation_are_a_leak() {
        let mut random = Random::new(2);
        let mut cycles = |leak: f64| -> Vec<f64> {
            (0..12).map(|cycle| 1e6 + leak * 100.0 * f64::from(cycle) + 500.0 * random.unit()).collect()
        };
        let leak = growth_by_operation(&cycles(64.0), 100).unwrap();
        assert_eq!(leak.verdict, GrowthVerdict::Grows);
        assert!((leak.bytes_by_operation - 64.0).abs() < 2.0, "{leak:?}");
        let none = growth_by_operation(&cycles(0.0), 100).unwrap();
        assert_eq!(none.verdict, GrowthVerdict::Steady);
        assert!(none.smallest_visible < 5.0, "{none:?}");
        assert_eq!(growth_by_operation(&cycles(1.0)[..5], 100), None);
    }

    #[test]
    fn what_only_fills_up_is_no_leak_by_operation() {
        let cycles: Vec<f64> = (0..12).map(|cycle| 1e6 - 5e5 * 0.4_f64.powi(cycle)).collect();
        assert_eq!(growth_by_operation(&cycles, 100).unwrap().verdict, GrowthVerdict::Steady);
    }
}
