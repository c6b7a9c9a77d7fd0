//! Whether memory grows for good.
//!
//! Two ways that do not depend on one another. [`growth_by_operation`] looks at the bytes that are allocated and not freed, at
//! points where nothing is under way, cycle after cycle of the same operations: nearly without noise, so a few cycles find
//! a few bytes by operation. [`growth_over_time`] looks at the resident memory of a process at work: medians of blocks, because
//! samples that follow one another closely are alike, and only after warming up. It grows where it goes up with the time
//! (Mann and Kendall) and its slope (Theil and Sen) is above zero for certain; both say what they could not have seen.

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

/// What counts the bytes that are allocated and not freed, where the program has an allocator that does.
static COUNTER: OnceLock<fn() -> u64> = OnceLock::new();

/// Has bytes counted by the program's own allocator from now on. The first counter stays.
pub fn count_live_bytes_with(counter: fn() -> u64) {
    // A second one would count the same bytes.
    let _ = COUNTER.set(counter);
}

/// Returns the bytes that are alive: as the program's allocator counts them, or else the resident memory that no file is behind.
pub fn live_bytes() -> Option<u64> {
    COUNTER.get().map_or_else(anonymous_memory, |counter| Some(counter()))
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
    /// The least slope in bytes a second that this series could have told from none: half the width of the interval.
    pub smallest_visible: f64,
}

/// Returns what samples of a time in seconds and a number of bytes say; `None` where there are fewer than two a block.
pub fn growth_over_time(samples: &[(f64, f64)]) -> Option<TimeGrowth> {
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
    let is_growing = trend.p_up < LEVEL && slope.interval.low > 0.0;
    Some(TimeGrowth {
        verdict: if is_growing { GrowthVerdict::Grows } else { GrowthVerdict::Steady },
        slope,
        baseline: points.iter().take(BLOCKS / 4).map(|point| point.1).collect(),
        peaks: blocks
            .iter()
            .map(|block| block.iter().map(|sample| sample.1).fold(f64::MIN, f64::max))
            .collect(),
        smallest_visible: (slope.interval.high - slope.interval.low) / 2.0,
    })
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
    let later_over_earlier = if earlier == 0.0 { f64::from(u8::from(later > 0.0)) } else { later / earlier };
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
            growth_over_time(&resident(random, rate)).unwrap().verdict == GrowthVerdict::Grows
        };
        let alarms = (0..100).filter(|_| grows(&mut random, 0.0)).count();
        assert!(alarms <= 6, "{alarms} false alarms");
        let found = (0..20).filter(|_| grows(&mut random, 2e8)).count();
        assert_eq!(found, 20);
        assert_eq!(growth_over_time(&resident(&mut random, 0.0)[..40]), None);
    }

    #[test]
    fn a_cache_that_fills_up_is_no_leak() {
        let filling: Vec<(f64, f64)> = (0..3000)
            .map(|n| (f64::from(n) * 0.1, 1e8 + 2e7 * (1.0 - (-f64::from(n) / 100.0).exp())))
            .collect();
        let growth = growth_over_time(&filling).unwrap();
        assert!(growth.slope.slope * 3600.0 < 1e6, "{growth:?}");
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
