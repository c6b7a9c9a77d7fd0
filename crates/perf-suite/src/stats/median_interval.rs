//! Confidence intervals for the median and other quantiles between two order statistics. They are exact for every continuous
//! distribution and need no resampling. Source: H. A. David, H. N. Nagaraja, *Order Statistics*, third edition, Wiley 2003, section 7.1.

use super::Sample;

/// A range that holds the true value with at least the confidence asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How likely such a range holds the true value: at least what was asked for, below one.
    pub confidence: f64,
}

/// Returns the narrowest symmetric interval of that confidence, or `None` where the sample is too small for one.
///
/// At 95 % six values are the fewest, and their interval is from the smallest to the largest.
pub fn median_interval(sample: &Sample, confidence: f64) -> Option<Interval> {
    let values = sample.sorted();
    let (rank, confidence) = rank_and_confidence(values.len(), confidence)?;
    Some(Interval { low: values[rank - 1], high: values[values.len() - rank], confidence })
}

/// Returns an interval of that confidence for the value that a share (0 to 1) of the distribution does not exceed, or `None`
/// where the sample is too small for one: the 99th percentile needs 368 values at 95 %.
pub fn quantile_interval(sample: &Sample, share: f64, confidence: f64) -> Option<Interval> {
    let values = sample.sorted();
    let n = values.len();
    let tail_max = (1.0 - confidence) / 2.0;
    let (ln_share, ln_rest) = (share.ln(), (-share).ln_1p());
    let mut ln_probability = n as f64 * ln_rest;
    let mut below = 0.0;
    let (mut low, mut low_tail) = (None, 0.0);
    // The number of values below the quantile is binomial; the ends are where its tails end.
    for count in 0..n {
        below += ln_probability.exp();
        if below <= tail_max {
            (low, low_tail) = (Some(count), below);
        }
        if 1.0 - below <= tail_max {
            let confidence = below - low_tail;
            return Some(Interval { low: values[low?], high: values[count], confidence });
        }
        ln_probability += ((n - count) as f64 / (count + 1) as f64).ln() + ln_share - ln_rest;
    }
    None
}

/// Returns the rank from 1 of the lower end, and the confidence reached.
///
/// The number of values below the median is binomial with one half; the rank is the largest whose two tails together
/// are no more likely than one minus the confidence.
fn rank_and_confidence(n: usize, confidence: f64) -> Option<(usize, f64)> {
    let tail_max = (1.0 - confidence) / 2.0;
    // In logarithms, because one half to the power of n is no longer a number above n = 1074.
    let mut ln_probability = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    let mut found = None;
    for below in 0..n / 2 {
        tail += ln_probability.exp();
        if tail > tail_max {
            break;
        }
        found = Some((below + 1, 1.0 - 2.0 * tail));
        ln_probability += ((n - below) as f64 / (below + 1) as f64).ln();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::median;

    #[test]
    fn ranks_are_those_of_scipy() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden-stats.json")).unwrap();
        let cases: Vec<_> = golden["cases"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|case| case["kind"] == "median_order_stat_ci95")
            .collect();
        assert_eq!(cases.len(), 4);
        for case in cases {
            let n = case["in"]["n"].as_u64().unwrap() as usize;
            let (rank, confidence) = rank_and_confidence(n, 0.95).unwrap();
            assert_eq!(rank as u64, case["out"]["lo_rank_1based"].as_u64().unwrap(), "n = {n}");
            assert_eq!((n + 1 - rank) as u64, case["out"]["hi_rank_1based"].as_u64().unwrap(), "n = {n}");
            assert!((confidence - case["out"]["actual_conf"].as_f64().unwrap()).abs() < 1e-12, "n = {n}");
        }
    }

    #[test]
    fn six_values_are_the_fewest() {
        assert_eq!(rank_and_confidence(0, 0.95), None);
        assert_eq!(rank_and_confidence(5, 0.95), None);
        assert_eq!(rank_and_confidence(6, 0.95).map(|(rank, _)| rank), Some(1));
    }

    #[test]
    fn many_values_have_a_narrow_interval() {
        let (rank, confidence) = rank_and_confidence(10_000, 0.95).unwrap();
        // The normal approximation: n/2 - 0.98 * sqrt(n).
        assert!((4900..4905).contains(&rank), "{rank}");
        assert!((0.95..0.953).contains(&confidence), "{confidence}");
    }

    #[test]
    fn a_quantile_of_one_half_is_the_median() {
        for n in [6, 7, 20, 101] {
            let sample = Sample::new((0..n).map(f64::from).collect()).unwrap();
            let (a, b) =
                (median_interval(&sample, 0.95).unwrap(), quantile_interval(&sample, 0.5, 0.95).unwrap());
            assert_eq!((a.low, a.high), (b.low, b.high), "n = {n}");
            assert!((a.confidence - b.confidence).abs() < 1e-9);
        }
    }

    #[test]
    fn a_high_quantile_needs_many_values_and_is_held() {
        let of =
            |n: i32| quantile_interval(&Sample::new((0..n).map(f64::from).collect()).unwrap(), 0.99, 0.95);
        assert_eq!(of(367), None);
        assert!(of(368).is_some());
        let mut random = planner_core::random::Random::new(8);
        let covered = (0..500)
            .filter(|_| {
                let sample = Sample::new((0..600).map(|_| random.unit()).collect()).unwrap();
                let interval = quantile_interval(&sample, 0.99, 0.95).unwrap();
                interval.low <= 0.99 && 0.99 <= interval.high
            })
            .count();
        assert!(covered >= 460, "{covered}");
    }

    proptest! {
        #[test]
        fn it_holds_the_median_and_keeps_its_word(values in prop::collection::vec(-1e6..1e6_f64, 6..80)) {
            let sample = Sample::new(values).unwrap();
            let interval = median_interval(&sample, 0.95).unwrap();
            prop_assert!(interval.low <= median(&sample) && median(&sample) <= interval.high);
            prop_assert!((0.95..1.0).contains(&interval.confidence));
        }
    }
}
