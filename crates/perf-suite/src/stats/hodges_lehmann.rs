//! By how much values differ: the median of all averages of two differences, or of all differences of two samples, with the
//! interval that the rank test does not reject. Source: J. L. Hodges, E. L. Lehmann, "Estimates of Location Based on Rank
//! Tests", Annals of Mathematical Statistics 34 (1963); the intervals as in M. Hollander, D. A. Wolfe, E. Chicken,
//! *Nonparametric Statistical Methods*, third edition, Wiley 2014, sections 3.3 and 4.3.

use super::mann_whitney::statistic_distribution;
use super::wilcoxon::sum_distribution;
use super::{Interval, Sample, median};

/// Returns the estimate of the shift of paired differences and its interval; no interval where there are too few.
/// `None` where a difference is not finite or there is none.
pub fn paired_shift(differences: &[f64], confidence: f64) -> Option<(f64, Option<Interval>)> {
    let mut averages = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (index, a) in differences.iter().enumerate() {
        averages.extend(differences[index..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    let averages = Sample::new(averages)?;
    let ranks: Vec<usize> = (1..=differences.len()).collect();
    let interval = between(&averages, &sum_distribution(&ranks), confidence);
    Some((median(&averages), interval))
}

/// Returns the estimate of how far the second sample lies above the first, and its interval; no interval where there are
/// too few values.
pub fn shift(first: &Sample, second: &Sample, confidence: f64) -> (f64, Option<Interval>) {
    let (from, to) = (first.sorted(), second.sorted());
    let differences = to.iter().flat_map(|b| from.iter().map(move |a| b - a)).collect();
    let differences = Sample::new(differences).unwrap_or_else(|| {
        // Two finite values of opposite sign can differ by more than the largest number.
        Sample::new(vec![0.0]).expect("zero is finite")
    });
    let interval = between(&differences, &statistic_distribution(from.len(), to.len()), confidence);
    (median(&differences), interval)
}

/// Returns the interval between the order statistics that the distribution of the test's statistic leaves.
fn between(values: &Sample, distribution: &[f64], confidence: f64) -> Option<Interval> {
    let tail_max = (1.0 - confidence) / 2.0;
    let mut tail = 0.0;
    let mut found = None;
    for (below, probability) in distribution.iter().enumerate() {
        tail += probability;
        if tail > tail_max {
            break;
        }
        found = Some((below, 1.0 - 2.0 * tail));
    }
    let (below, confidence) = found?;
    let sorted = values.sorted();
    let high = sorted.len().checked_sub(below + 1)?;
    (below <= high).then(|| Interval { low: sorted[below], high: sorted[high], confidence })
}

#[cfg(test)]
mod tests {
    use planner_core::random::Random;
    use proptest::prelude::*;

    use super::*;
    use crate::stats::golden::{assert_close, cases, numbers};

    #[test]
    fn the_estimate_agrees_with_scipy() {
        for case in cases("hodges_lehmann_one_sample") {
            let (estimate, _) = paired_shift(&numbers(&case["in"]["d"]), 0.95).unwrap();
            assert_close(estimate, &case["out"]["estimate"], "estimate");
        }
    }

    #[test]
    fn too_few_have_no_interval() {
        assert_eq!(paired_shift(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap().1, None);
        let six = paired_shift(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95).unwrap().1.unwrap();
        assert_eq!((six.low, six.high, six.confidence), (1.0, 6.0, 0.96875));
        assert_eq!(paired_shift(&[], 0.95), None);
    }

    /// Returns a value with a long tail to the right.
    fn skewed(random: &mut Random) -> f64 {
        1.0 - (1.0 - random.unit()).ln()
    }

    #[test]
    fn the_intervals_hold_the_truth_as_often_as_they_say() {
        const TRIALS: usize = 600;
        let mut random = Random::new(11);
        let (mut paired, mut unpaired) = (0, 0);
        for _ in 0..TRIALS {
            // The difference of two draws of one distribution is symmetric around the shift, however skewed they are.
            let differences: Vec<f64> =
                (0..15).map(|_| 0.25 + skewed(&mut random) - skewed(&mut random)).collect();
            let interval = paired_shift(&differences, 0.95).unwrap().1.unwrap();
            paired += usize::from(interval.low <= 0.25 && 0.25 <= interval.high);
            let mut draw =
                |by: f64| Sample::new((0..12).map(|_| by + skewed(&mut random)).collect()).unwrap();
            let (first, second) = (draw(0.0), draw(0.25));
            let interval = shift(&first, &second, 0.95).1.unwrap();
            unpaired += usize::from(interval.low <= 0.25 && 0.25 <= interval.high);
        }
        for covered in [paired, unpaired] {
            // Three standard deviations of the count at 95 % are 2.7 %.
            assert!((0.92..=0.985).contains(&(covered as f64 / TRIALS as f64)), "{covered} of {TRIALS}");
        }
    }

    proptest! {
        #[test]
        fn it_moves_with_the_values(d in prop::collection::vec(-1e3..1e3_f64, 6..20), by in -1e3..1e3_f64) {
            let (before, interval) = paired_shift(&d, 0.95).unwrap();
            let moved: Vec<f64> = d.iter().map(|d| d + by).collect();
            let (after, _) = paired_shift(&moved, 0.95).unwrap();
            prop_assert!((after - before - by).abs() < 1e-9);
            let interval = interval.unwrap();
            prop_assert!(interval.low <= before && before <= interval.high);
        }
    }
}
